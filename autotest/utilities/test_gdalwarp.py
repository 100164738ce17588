"""gdalwarp, as users type it: without Create() it hands over a warped VRT, or a file of its own for several sources."""

import json
import os
import subprocess
import sys

import pytest
import streamtiff
import terrain
from command_line import plan, run, succeeds
from streamtiff import MEASURED_COPY, MIB, needs_true_rss

TILED = ["TILED=YES", "BLOCKXSIZE=128", "BLOCKYSIZE=128", "COMPRESS=DEFLATE"]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("sources")
    terrain.make_terrain(folder / "dem.tif", 701, 503, "Float32", 1, TILED)
    terrain.make_terrain(folder / "rgb.tif", 301, 203, "Byte", 3, ["PHOTOMETRIC=RGB", *TILED])
    succeeds("gdal_translate", "-q", "-srcwin", "0", "0", "400", "503", folder / "dem.tif", folder / "west.tif")
    succeeds("gdal_translate", "-q", "-srcwin", "400", "0", "301", "503", folder / "dem.tif", folder / "east.tif")
    return folder


# -et 0: else positions are interpolated along the rows of what is asked for, which are not the same in both ways.
ARGUMENTS = [
    ["-t_srs", "EPSG:4326", "-et", "0"],
    ["-t_srs", "EPSG:4326", "-et", "0", "-r", "cubic"],
    ["-tr", "23", "23", "-r", "bilinear"],
    ["-t_srs", "EPSG:3857", "-dstalpha"],
    ["-te", "501000", "4596000", "505000", "4599000", "-dstnodata", "-9999"],
]


@pytest.mark.parametrize("arguments", ARGUMENTS, ids=" ".join)
@pytest.mark.parametrize("cap", ["8MB", "64MB"])
def test_one_source(tmp_path, folder, arguments, cap):
    options = ["-of", "StreamTIFF", "-co", f"MEMORY_CAP={cap}", "-co", "BLOCKXSIZE=256", "-co", "BLOCKYSIZE=256"]
    code, _, errors = run("gdalwarp", "-q", *arguments, *options, folder / "dem.tif", tmp_path / "out.tif")
    assert code == 0 and "ERROR" not in errors
    assert os.listdir(tmp_path) == ["out.tif"]
    # What CreateCopy of GTiff makes of the same warped VRT: gdalwarp to GTiff may cut its work elsewhere.
    succeeds("gdalwarp", "-q", "-of", "VRT", *arguments, folder / "dem.tif", tmp_path / "warped.vrt")
    succeeds("gdal_translate", "-q", tmp_path / "warped.vrt", tmp_path / "gtiff.tif")
    assert streamtiff.pixels(tmp_path / "out.tif") == streamtiff.pixels(tmp_path / "gtiff.tif")


def test_rgb(tmp_path, folder):
    succeeds("gdalwarp", "-q", "-of", "StreamTIFF", "-t_srs", "EPSG:4326", folder / "rgb.tif", tmp_path / "out.tif")
    succeeds("gdalwarp", "-q", "-of", "VRT", "-t_srs", "EPSG:4326", folder / "rgb.tif", tmp_path / "warped.vrt")
    assert streamtiff.pixels(tmp_path / "out.tif") == streamtiff.pixels(tmp_path / "warped.vrt")


def test_several_sources(tmp_path, folder):
    succeeds("gdalwarp", "-q", "-of", "StreamTIFF", folder / "west.tif", folder / "east.tif", tmp_path / "out.tif")
    assert os.listdir(tmp_path) == ["out.tif"]
    assert streamtiff.pixels(tmp_path / "out.tif") == streamtiff.pixels(folder / "dem.tif")


def test_plan(tmp_path, folder):
    code, _, errors = run(
        *("gdalwarp", "-q", "-of", "StreamTIFF", "-t_srs", "EPSG:4326", "-co", "MEMORY_CAP=64MB"),
        *(folder / "dem.tif", tmp_path / "out.tif"),
        CPL_DEBUG="StreamTIFF",
    )
    assert code == 0
    assert "cap 64.0 MiB" in " ".join(plan(errors))


@needs_true_rss
@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="/proc is Linux's")
@pytest.mark.parametrize(
    "cap_mb, warp",
    [
        # What gdalwarp may take by itself, it takes for files that it makes itself: here all that it holds is in the cap.
        (32, {"dstSRS": "EPSG:32612", "resampleAlg": "cubic", "warpMemoryLimit": 2000, "multithread": True}),
        (64, {"xRes": 40, "yRes": 40, "resampleAlg": "average"}),
    ],
    ids=["cubic", "average"],
)
def test_process_memory(tmp_path, cap_mb, warp):
    """The cap is that of the whole process: the warper's buffers and what GDAL caches for it are in it."""
    source = tmp_path / "big.tif"
    terrain.make_terrain(source, 3000, 2000, "Float32", 1, ["TILED=YES", "COMPRESS=DEFLATE"])
    job = {"source": str(source), "target": str(tmp_path / "out.tif"), "dem": None, "translate": {}, "warp": warp}
    job.update(options=[f"MEMORY_CAP={cap_mb}MB", "MEMORY_CAP_STRICT=YES"], cachemax_mb=400)
    process = subprocess.run([sys.executable, str(MEASURED_COPY), json.dumps(job)], capture_output=True, timeout=240)
    assert process.returncode == 0, process.stderr
    measured = json.loads(process.stdout.splitlines()[-1])
    told = measured["streaming"]
    assert int(told["PEAK_BYTES"]) <= int(told["PREDICTED_PEAK_BYTES"]) <= int(told["CAP_BYTES"]) == cap_mb * MIB
    assert measured["peak_rss_bytes"] <= cap_mb * MIB + 8 * MIB
    assert measured["cache_max_kept"]
    assert measured["read_bytes"] <= 1.15 * os.path.getsize(source)  # each block once, and what opening it takes
