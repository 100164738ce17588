"""gdaldem, as users type it."""

import os

import pytest
import streamtiff
import terrain
from command_line import plan, run, succeeds

LAYOUTS = {
    "tiled": ["TILED=YES", "BLOCKXSIZE=128", "BLOCKYSIZE=128", "COMPRESS=DEFLATE"],
    "strips": ["BLOCKYSIZE=100", "COMPRESS=DEFLATE"],
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("sources")
    for name, options in LAYOUTS.items():
        terrain.make_terrain(folder / f"{name}.tif", 701, 503, "Float32", 1, options)
    (folder / "colours.txt").write_text("0 0 0 128\n1500 240 240 60\n3000 255 255 255\n")
    return folder


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("mode", ["slope", "aspect", "hillshade", "TRI", "TPI", "roughness", "color-relief"])
def test_mode(tmp_path, folder, layout, mode):
    colours = [folder / "colours.txt"] if mode == "color-relief" else []
    arguments = ["-compute_edges"] if mode not in ("color-relief",) else ["-alpha"]
    ours = ["-of", "StreamTIFF", "-co", "COMPRESS=DEFLATE", "-co", "MEMORY_CAP=64MB"]
    source = folder / f"{layout}.tif"
    succeeds("gdaldem", mode, source, *colours, tmp_path / "out.tif", *arguments, *ours)
    assert os.listdir(tmp_path) == ["out.tif"]
    succeeds("gdaldem", mode, source, *colours, tmp_path / "gtiff.tif", *arguments)
    assert streamtiff.pixels(tmp_path / "out.tif") == streamtiff.pixels(tmp_path / "gtiff.tif")


def test_small_cache_and_small_cap(tmp_path, folder):
    """A GDAL_CACHEMAX below one block row makes GTiff read the DEM once for each row; our lease is above it."""
    options = ["-of", "StreamTIFF", "-co", "MEMORY_CAP=2MB", "-co", "BLOCKXSIZE=128", "-co", "BLOCKYSIZE=128"]
    code, _, errors = run(
        "gdaldem",
        "slope",
        "-q",
        folder / "strips.tif",
        tmp_path / "out.tif",
        *options,
        GDAL_CACHEMAX="100000",
        CPL_DEBUG="StreamTIFF",
    )
    assert code == 0
    told = " ".join(plan(errors))
    assert "ROWS" in told and "source found" in told and "SPILL" in told
    succeeds("gdaldem", "slope", "-q", folder / "strips.tif", tmp_path / "gtiff.tif")
    assert streamtiff.pixels(tmp_path / "out.tif") == streamtiff.pixels(tmp_path / "gtiff.tif")


def test_dem_that_is_truncated(tmp_path, folder):
    broken = tmp_path / "broken.tif"
    broken.write_bytes((folder / "strips.tif").read_bytes()[:400000])
    code, _, errors = run("gdaldem", "slope", "-q", broken, tmp_path / "out.tif", "-of", "StreamTIFF")
    assert code != 0
    assert "ERROR" in errors
    assert os.listdir(tmp_path) == ["broken.tif"]
