"""Makes one copy in a process of its own and tells what it cost the process: measured_copy.py JOB, both in JSON.

    {"source": path, "target": path, "options": [creation options], "translate": {arguments of gdal.Translate},
     "dem": [mode, options of gdaldem ...] or null}

A small copy of the same kind goes before: it loads the plugin, the codec and PROJ, so that what is measured is
the copy's own. Bytes read are less those that were read back from the spill, each of them once. Linux only: the
figures are those of /proc.
"""

import ctypes
import json
import os
import pathlib
import sys

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
    arguments = {"format": "StreamTIFF", "creationOptions": job["options"]}
    if job["dem"]:
        mode, *options = job["dem"]
        return gdal.DEMProcessing(target, source, mode, options=options, **arguments)
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
    os.remove(target)


def main(job):
    gdal.UseExceptions()
    warnings = []
    source = gdal.Open(job["source"])
    gdal.PushErrorHandler("CPLQuietErrorHandler")
    warm_up(source, job)
    gdal.PopErrorHandler()
    gdal.PushErrorHandler(lambda kind, number, text: warnings.append(text) if kind == gdal.CE_Warning else None)
    cache_max = gdal.GetCacheMax()
    # What the warm-up has freed must be gone, or it would be used again unseen.
    ctypes.CDLL(None).malloc_trim(0)
    pathlib.Path("/proc/self/clear_refs").write_text("5")  # the high water mark starts anew
    rss_kib, read_bytes = kib_of_status("VmRSS"), bytes_read()
    result = copy(source, job["target"], job, job["translate"])
    peak_kib, read_bytes = kib_of_status("VmHWM") - rss_kib, bytes_read() - read_bytes
    figures = {
        "peak_rss_bytes": 1024 * peak_kib,
        "read_bytes": read_bytes,
        "streaming": result.GetMetadata("STREAMING"),
        "warnings": list(warnings),
        "cache_max_kept": gdal.GetCacheMax() == cache_max,
    }
    result = None
    figures["read_bytes"] -= int(figures["streaming"]["SPILL_BYTES"])
    print(json.dumps(figures))


if __name__ == "__main__":
    main(json.loads(sys.argv[1]))
