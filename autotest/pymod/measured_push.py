"""Pushes one raster through Create() in a process of its own and tells what that cost it: measured_push.py JOB, in JSON.

    {"target": path, "driver": name, "options": [creation options], "width": , "height": , "bands": , "type": GDAL's name,
     "pattern": name of one of PATTERNS below, "cachemax_mb": GDAL's cache limit, left alone where not given,
     "source": what the pixels are read from, window by window; made up where not given}

Pixels are made while they are pushed, a window at a time, from one small block: what the program holds is a window. A small
raster of the same kind goes before, as with measured_copy.py. Figures, on one line: wall_s, cpu_s, peak_rss_bytes above
what the process had before, written_bytes (all of them), spill_bytes, file_bytes and crc of what is in the file; of a source
that is a view its figures, too. Linux only.
"""

import ctypes
import json
import os
import pathlib
import sys
import time
import zlib

import numpy as np
from osgeo import gdal

WINDOW = 500


def rows(width, height, step=1):
    return [(0, y, width, min(step, height - y)) for y in range(0, height, step)]


def windows(width, height, step):
    return [
        (x, y, min(step, width - x), min(step, height - y))
        for y in range(0, height, step)
        for x in range(0, width, step)
    ]


def shuffled(list_of_windows):
    return [list_of_windows[i] for i in np.random.RandomState(5).permutation(len(list_of_windows))]


PATTERNS = {
    "rows": lambda width, height: rows(width, height),
    "last row second": lambda width, height: rows(width, height)[:1] + rows(width, height)[:0:-1][:1] + rows(width, height)[1:-1],
    "QGIS": lambda width, height: windows(width, height, WINDOW),
    "rasterio": lambda width, height: windows(width, height, 512),
    "gdalwarp": lambda width, height: rows(width, height, 333),
    "random": lambda width, height: shuffled(windows(width, height, 200)),
}


def kib_of_status(key):
    for line in pathlib.Path("/proc/self/status").read_text().splitlines():
        if line.startswith(key + ":"):
            return int(line.split()[1])
    raise KeyError(key)


def bytes_written():
    for line in pathlib.Path("/proc/self/io").read_text().splitlines():
        if line.startswith("wchar:"):
            return int(line.split()[1])
    raise KeyError("wchar")


class Pixels:
    """Endless terrain-like pixels: every window is cut out of one block, so that making them costs next to nothing."""

    def __init__(self, width, data_type):
        numpy_type = {"Byte": np.uint8, "Int16": np.int16, "Float32": np.float32}[data_type]
        random = np.random.RandomState(1)
        steps = random.randint(-2, 3, (1024, 4096)).cumsum(axis=1) + random.randint(-2, 3, (1024, 1)).cumsum(axis=0)
        steps = (steps + 1000) % 251 if data_type == "Byte" else steps * 0.25 if data_type == "Float32" else steps
        repeats = -(-(width + 1024) // 4096)
        self.block = np.ascontiguousarray(np.tile(steps.astype(numpy_type), (1, repeats)))

    def window(self, band, x, y, width, height):
        shift = 37 * band
        lines = (np.arange(y, y + height) * 7 // 8 + shift) % 1024
        return self.block[lines, x + shift : x + shift + width]


class Source:
    """The pixels of a raster, opened as a program does that reads from one while it writes to another."""

    def __init__(self, name):
        self.dataset = gdal.Open(name)

    def window(self, band, x, y, width, height):
        return self.dataset.GetRasterBand(band + 1).ReadAsArray(x, y, width, height)


def create(target, job, width, height):
    """A list with the dataset, so that clearing it closes the dataset."""
    data_type = gdal.GetDataTypeByName(job["type"])
    kept = [gdal.GetDriverByName(job["driver"]).Create(target, width, height, job["bands"], data_type, job["options"])]
    kept[0].SetGeoTransform((500000, 10, 0, 4600000, 0, -10))
    return kept


def write(dataset, pixels, job, width, height):
    for x, y, columns, lines in PATTERNS[job["pattern"]](width, height):
        for band in range(job["bands"]):
            part = np.ascontiguousarray(pixels.window(band, x, y, columns, lines))
            dataset.GetRasterBand(band + 1).WriteRaster(x, y, columns, lines, part)


def main(job):
    gdal.UseExceptions()
    gdal.PushErrorHandler("CPLQuietErrorHandler")
    if job.get("cachemax_mb"):
        gdal.SetCacheMax(job["cachemax_mb"] << 20)
    small = dict(job, pattern="rasterio")
    pixels = Pixels(job["width"], job["type"])
    if job.get("source"):  # what reads is loaded as well
        gdal.Open(job["source"]).ReadRaster(0, 0, 1, 1)
    kept = create(job["target"] + ".warm.tif", small, 600, 600)
    write(kept[0], pixels, small, 600, 600)
    kept.clear()
    gdal.GetDriverByName("GTiff").Delete(job["target"] + ".warm.tif")
    ctypes.CDLL(None).malloc_trim(0)
    pathlib.Path("/proc/self/clear_refs").write_text("5")  # the high water mark starts anew
    rss_kib, written = kib_of_status("VmRSS"), bytes_written()
    cpu_s, wall_s = time.process_time(), time.monotonic()
    kept = create(job["target"], job, job["width"], job["height"])
    if job.get("source"):
        pixels = Source(job["source"])
    write(kept[0], pixels, job, job["width"], job["height"])
    view = pixels.dataset.GetMetadata("STREAMING") if job.get("source") else {}
    streaming = kept[0].GetMetadata("STREAMING") or {}
    kept.clear()
    figures = {
        "wall_s": time.monotonic() - wall_s,
        "cpu_s": time.process_time() - cpu_s,
        "peak_rss_bytes": max(0, 1024 * (kib_of_status("VmHWM") - rss_kib)),
        "written_bytes": bytes_written() - written,
        "file_bytes": os.path.getsize(job["target"]),
        "streaming": streaming,
        "view": view,
    }
    result = gdal.Open(job["target"])
    figures["crc"] = zlib.crc32(
        b"".join(
            result.GetRasterBand(band + 1).ReadRaster(0, y, job["width"], min(512, job["height"] - y))
            for band in range(job["bands"])
            for y in range(0, job["height"], 512)
        )
    )
    print(json.dumps(figures), flush=True)


if __name__ == "__main__":
    main(json.loads(sys.argv[1]))
