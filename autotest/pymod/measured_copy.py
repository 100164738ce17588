"""Makes one copy in a process of its own and tells what it cost the process: measured_copy.py JOB, both in JSON.

    {"source": path, "target": path, "options": [creation options], "translate": {arguments of gdal.Translate},
     "dem": [mode, options of gdaldem ...] or null, "warp": {arguments of gdal.Warp} where it is given,
     "driver": "StreamTIFF" where not given, "cachemax_mb": GDAL's cache limit, left alone where not given}

A small copy of the same kind goes before: it loads the plugin, the codec and PROJ, and starts what is started once,
so that what is measured is the copy's own. Two lines come back: {"rss_before_bytes"} when all is ready (for copies that
hit a time limit), and the figures once the result is closed. Bytes read are less those that were read back from the
spill, each of them once, and from the spill of a view ("STREAMTIFF:path"), which counts them. Linux only: the figures are those of /proc.
"""

import ctypes
import json
import pathlib
import sys
import time

import numpy as np
from osgeo import gdal, osr


def kib_of_status(key):
    for line in pathlib.Path("/proc/self/status").read_text().splitlines():
        if line.startswith(key + ":"):
            return int(line.split()[1])
    raise KeyError(key)


def bytes_read():
    for line in pathlib.Path("/proc/self/io").read_text().splitlines():
        if line.startswith("rchar:"):
            return int(line.split()[1])
    raise KeyError("rchar")


def copy(source, target, job, translate):
    arguments = {"format": job.get("driver", "StreamTIFF"), "creationOptions": job["options"]}
    if job["dem"]:
        mode, *options = job["dem"]
        return gdal.DEMProcessing(target, source, mode, options=options, **arguments)
    if job.get("warp"):
        return gdal.Warp(target, source, **arguments, **job["warp"])
    return gdal.Translate(target, source, **arguments, **translate)


def warm_up(like, job):
    driver = gdal.GetDriverByName("MEM")
    small = driver.Create("", 600, 600, like.RasterCount, like.GetRasterBand(1).DataType)
    small.SetGeoTransform((500000, 10, 0, 4600000, 0, -10))
    srs = osr.SpatialReference()
    srs.ImportFromEPSG(32611)
    small.SetProjection(srs.ExportToWkt())
    noise = np.random.RandomState(1).randint(0, 255, (600, 600))
    for index in range(small.RasterCount):
        small.GetRasterBand(index + 1).WriteArray(noise)
    target = job["target"] + ".warm.tif"
    translate = dict(job["translate"])
    for argument in ("srcWin", "width", "height"):  # a small raster has no such window
        translate.pop(argument, None)
    if "resampleAlg" in translate:
        translate.update(width=300, height=300)
    dataset = copy(small, target, job, translate)
    dataset = None  # noqa: F841
    gdal.GetDriverByName("GTiff").Delete(target)


def main(job):
    gdal.UseExceptions()
    warnings = []
    if job.get("cachemax_mb"):
        gdal.SetCacheMax(job["cachemax_mb"] << 20)
    source = gdal.Open(job["source"])
    gdal.PushErrorHandler("CPLQuietErrorHandler")
    warm_up(source, job)
    gdal.PopErrorHandler()
    gdal.PushErrorHandler(lambda kind, number, text: warnings.append(text) if kind == gdal.CE_Warning else None)
    cache_max = gdal.GetCacheMax()
    # What the warm-up has freed must be gone, or it would be used again unseen.
    ctypes.CDLL(None).malloc_trim(0)
    pathlib.Path("/proc/self/clear_refs").write_text("5")  # the high water mark starts anew
    rss_kib = kib_of_status("VmRSS")
    print(json.dumps({"rss_before_bytes": 1024 * rss_kib}), flush=True)
    read, cpu_s, wall_s = bytes_read(), time.process_time(), time.monotonic()
    result = copy(source, job["target"], job, job["translate"])
    streaming = result.GetMetadata("STREAMING") or {}
    view = source.GetMetadata("STREAMING") or {}
    result = None  # what is still in GDAL's cache is written
    figures = {
        "wall_s": time.monotonic() - wall_s,
        "cpu_s": time.process_time() - cpu_s,
        "peak_rss_bytes": max(0, 1024 * (kib_of_status("VmHWM") - rss_kib)),
        "read_bytes": bytes_read()
        - read
        - (int(streaming.get("SPILL_BYTES", 0)) - int(streaming.get("VIEW_SPILL_BYTES", 0)))
        - int(view.get("SPILL_READ_BYTES", 0)),
        "streaming": streaming,
        "view": view,
        "warnings": warnings,
        "cache_max_kept": gdal.GetCacheMax() == cache_max,
    }
    print(json.dumps(figures), flush=True)


if __name__ == "__main__":
    main(json.loads(sys.argv[1]))
