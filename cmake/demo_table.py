#!/usr/bin/env python3
"""The demo's table: demo_table.py BUILD_DIR [RASTER]. Linux only: it reads /proc.

Runs gdal_translate and gdaldem slope on one raster, through StreamTIFF under a cap and through GTiff
with GDAL's block cache limited to the same cap, and measures each process:

  peak over baseline  its peak RSS, less that of the same command with the same driver on a tiny raster
  scratch             the bytes it wrote beyond the size of its output: what went through a scratch file
  amplification       the bytes it read, less those of the baseline and the scratch it read back, over the
                      size of the source file (files are read in whole pages, also the scratch file: a
                      few percent more than what was asked for)
"""

import json
import os
import pathlib
import shutil
import subprocess
import sys
import time

CAP_MB = 64
MIB = 1 << 20
ROW = "{:<14} {:<10} {:>7} {:>19} {:>14} {:>9} {:>8}"
TILED = ["-of", "GTiff", "-co", "TILED=YES", "-co", "COMPRESS=DEFLATE", "-co", "NUM_THREADS=ALL_CPUS"]
TILED += ["-co", "BIGTIFF=IF_SAFER"]


def measure(command, env):
    """Runs a command; gives (seconds, peak RSS in bytes, bytes read, bytes written)."""
    started = time.monotonic()
    process = subprocess.Popen(command, env=env, stdout=subprocess.DEVNULL)
    os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)  # ended, but its /proc entry is still there
    seconds = time.monotonic() - started
    io = dict(line.split(": ") for line in pathlib.Path(f"/proc/{process.pid}/io").read_text().splitlines())
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode != 0:
        sys.exit(f"failed with {process.returncode}: {' '.join(command)}")
    return seconds, usage.ru_maxrss * 1024, int(io["rchar"]), int(io["wchar"])


def geoid_grid():
    """PROJ's egm96_15.gtx."""
    places = os.environ.get("PROJ_DATA", os.environ.get("PROJ_LIB", "")).split(os.pathsep)
    for prefix in (os.path.dirname(os.path.dirname(shutil.which("gdal_translate") or "")), "/usr", "/usr/local"):
        places.append(os.path.join(prefix, "share", "proj"))
    for place in places:
        grid = os.path.join(place, "egm96_15.gtx")
        if os.path.exists(grid):
            return grid
    sys.exit("PROJ's grid egm96_15.gtx is not here (Debian: package proj-data); give a raster as argument")


def make_default(dem):
    """The geoid grid, 1440 x 721 pixels, as a tiled DEM of 20160 x 10094."""
    print(f"Making {dem} (once) ...", flush=True)
    vrt = dem.with_suffix(".vrt")
    part = dem.with_suffix(".part.tif")
    enlarge = ["-of", "VRT", "-outsize", "20160", "0", "-r", "cubic"]
    subprocess.run(["gdal_translate", "-q", *enlarge, geoid_grid(), str(vrt)], check=True)
    subprocess.run(["gdal_translate", "-q", *TILED, "-co", "PREDICTOR=3", str(vrt), str(part)], check=True)
    part.rename(dem)


def main(build_dir, raster=None):
    plugins = {**os.environ, "GDAL_DRIVER_PATH": str(pathlib.Path(build_dir) / "gdalplugins")}
    work = pathlib.Path(build_dir) / "demo"
    work.mkdir(exist_ok=True)
    dem = pathlib.Path(raster) if raster else work / "geoid_20160.tif"
    if not raster and not dem.exists():
        make_default(dem)
    tiny = work / "tiny.tif"
    subprocess.run(["gdal_translate", "-q", "-srcwin", "0", "0", "64", "64", str(dem), str(tiny)], check=True)

    info = json.loads(subprocess.run(["gdalinfo", "-json", str(tiny)], check=True, capture_output=True).stdout)
    predictor = "3" if info["bands"][0]["type"].startswith("Float") else "2"
    geographic = info.get("coordinateSystem", {}).get("wkt", "").startswith("GEOG")
    drivers = {
        "StreamTIFF": ["-of", "StreamTIFF", "-co", "COMPRESS=DEFLATE", "-co", f"MEMORY_CAP={CAP_MB}MB"],
        "GTiff": [*TILED, "-co", f"PREDICTOR={predictor}", "--config", "GDAL_CACHEMAX", str(CAP_MB)],
    }
    tools = {
        "gdal_translate": ["gdal_translate", "-q"],
        "gdaldem slope": ["gdaldem", "slope", "-q", *(["-s", "111120"] if geographic else [])],
    }

    size = dem.stat().st_size
    print(f"Source: {dem}, {size / MIB:.0f} MiB\n")
    print(ROW.format("what", "driver", "cap", "peak over baseline", "amplification", "scratch", "seconds"), flush=True)
    for what, tool in tools.items():
        for driver, options in drivers.items():
            target = work / f"{what.split()[-1]}_{driver}.tif"
            _, base_rss, base_read, _ = measure([*tool, *options, str(tiny), str(target)], plugins)
            seconds, rss, read, written = measure([*tool, *options, str(dem), str(target)], plugins)
            scratch = max(0, written - target.stat().st_size)
            cells = (
                f"{CAP_MB} MiB",
                f"{(rss - base_rss) / MIB:.0f} MiB",
                f"{(read - base_read - scratch) / size:.2f}",
                f"{scratch / MIB:.0f} MiB",
                f"{seconds:.1f}",
            )
            print(ROW.format(what, driver, *cells), flush=True)

    picture = work / "slope.png"
    as_picture = ["-of", "PNG", "-ot", "Byte", "-scale", "-exponent", "0.5", "-a_nodata", "none"]
    as_picture += ["-outsize", "1000", "0", "-r", "average"]
    subprocess.run(
        ["gdal_translate", "-q", *as_picture, str(work / "slope_StreamTIFF.tif"), str(picture)],
        env={**os.environ, "GDAL_PAM_ENABLED": "NO"},
        check=True,
    )
    print(f"\nThe slope as a picture: {picture}")


if __name__ == "__main__":
    main(*sys.argv[1:])
