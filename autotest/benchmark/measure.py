"""Makes one copy in a process of its own and tells what it cost: measure.py JOB, where JOB is JSON.

    {"driver": "StreamTIFF", "source": "in.tif", "target": "out.tif", "options": ["MEMORY_CAP=64MB"],
     "dem": null or "slope", "translate": {arguments of gdal.Translate}, "cachemax_mb": null or 64}

Two lines of JSON come back: {"rss_before_bytes"} when all is ready, and the figures after the copy. The first
one is there for copies that hit a time limit. Linux only: the figures are those of /proc.
"""

import ctypes
import json
import pathlib
import sys
import time

from osgeo import gdal, osr

MIB = 1 << 20
warnings = []


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


def copy(source, target, job):
    arguments = {"format": job["driver"], "creationOptions": job["options"]}
    if job["dem"]:
        return gdal.DEMProcessing(target, source, job["dem"], **arguments)
    return gdal.Translate(target, source, **arguments, **job["translate"])


def warm_up(like, job):
    """The same work on a small raster: loads the plugin, the codec and PROJ, and starts what is started once."""
    bands = like.RasterCount
    small = gdal.GetDriverByName("MEM").Create("", 600, 600, bands, like.GetRasterBand(1).DataType)
    small.SetGeoTransform((500000, 10, 0, 4600000, 0, -10))
    srs = osr.SpatialReference()
    srs.ImportFromEPSG(32611)
    small.SetProjection(srs.ExportToWkt())
    target = job["target"] + ".warm.tif"
    copy(small, target, {**job, "translate": {}})
    gdal.GetDriverByName("GTiff").Delete(target)


def remember_warning(error_class, _number, message):
    if error_class == gdal.CE_Warning:
        warnings.append(message)
    elif error_class > gdal.CE_Warning:
        print(message, file=sys.stderr)


def measure(job):
    gdal.UseExceptions()
    if job["cachemax_mb"]:
        gdal.SetCacheMax(job["cachemax_mb"] * MIB)
    source = gdal.Open(job["source"])
    gdal.PushErrorHandler("CPLQuietErrorHandler")
    warm_up(source, job)
    gdal.PopErrorHandler()
    gdal.PushErrorHandler(remember_warning)
    # What the warm-up freed must not be there to be used again, unseen.
    ctypes.CDLL(None).malloc_trim(0)
    pathlib.Path("/proc/self/clear_refs").write_text("5")  # the high water mark starts anew

    rss_kib = kib_of_status("VmRSS")
    print(json.dumps({"rss_before_bytes": rss_kib * 1024}), flush=True)
    read, cpu, wall = bytes_read(), time.process_time(), time.monotonic()
    result = copy(source, job["target"], job)
    streaming = (result.GetMetadata("STREAMING") or {}) if result else {}
    result = None
    figures = {
        "wall_s": time.monotonic() - wall,
        "cpu_s": time.process_time() - cpu,
        "bytes_read": bytes_read() - read,
        "peak_bytes": max(0, kib_of_status("VmHWM") - rss_kib) * 1024,
        "streaming": streaming,
        "warnings": warnings,
    }
    print(json.dumps(figures), flush=True)


if __name__ == "__main__":
    measure(json.loads(sys.argv[1]))
