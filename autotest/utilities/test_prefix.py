"""STREAMTIFF:path under GDAL's programs as users type them."""

import shutil

import pytest
import streamtiff
import terrain
from command_line import run, succeeds


@pytest.fixture(scope="module")
def dem(tmp_path_factory):
    layout = ["TILED=YES", "BLOCKXSIZE=128", "BLOCKYSIZE=128", "COMPRESS=DEFLATE"]
    return terrain.make_terrain(tmp_path_factory.mktemp("dem") / "dem.tif", 900, 500, "Float32", 1, layout)


def test_gdalinfo(dem):
    told = succeeds("gdalinfo", "-checksum", f"STREAMTIFF:{dem}")
    expected = succeeds("gdalinfo", "-checksum", dem)
    assert told.splitlines()[0] == "Driver: StreamTIFF/GeoTIFF streamed under a memory cap"
    assert told.splitlines()[1:] == expected.splitlines()[1:]


def test_gdal_contour(dem, tmp_path):
    for source, target in ((str(dem), "plain.csv"), (f"STREAMTIFF:{dem}", "ours.csv")):
        options = ["-f", "CSV", "-lco", "GEOMETRY=AS_WKT", "-a", "elev", "-i", "100"]
        succeeds("gdal_contour", "-q", *options, source, tmp_path / target)
    assert (tmp_path / "ours.csv").read_text() == (tmp_path / "plain.csv").read_text()


def test_gdal_calc(dem, tmp_path):
    if shutil.which("gdal_calc.py") is None:
        pytest.skip("gdal_calc.py (Debian: python3-gdal) is not installed")
    for source, target in ((str(dem), "plain.tif"), (f"STREAMTIFF:{dem}", "ours.tif")):
        code, _, errors = run("gdal_calc.py", "--quiet", "-A", source, "--calc=A*2+1", f"--outfile={tmp_path / target}")
        assert code == 0, errors
    assert streamtiff.pixels(tmp_path / "ours.tif") == streamtiff.pixels(tmp_path / "plain.tif")


def test_rasterio_row_by_row(dem):
    rasterio = pytest.importorskip("rasterio", reason="rasterio is not installed")
    with rasterio.open(f"STREAMTIFF:{dem}") as ours, rasterio.open(dem) as plain:
        assert (ours.shape, ours.crs, ours.transform) == (plain.shape, plain.crs, plain.transform)
        for y in range(plain.height):
            window = ((y, y + 1), (0, plain.width))
            assert (ours.read(1, window=window) == plain.read(1, window=window)).all(), y


def test_gdaldem_shares_its_cap(dem, tmp_path):
    ours, plain = tmp_path / "ours.tif", tmp_path / "plain.tif"
    options = ["-of", "StreamTIFF", "-co", "MEMORY_CAP=8MB", "-co", "BLOCKXSIZE=128", "-co", "BLOCKYSIZE=128"]
    succeeds("gdaldem", "slope", "-q", f"STREAMTIFF:{dem}", ours, *options)
    succeeds("gdaldem", "slope", "-q", dem, plain)
    assert streamtiff.pixels(ours) == streamtiff.pixels(plain)


def test_a_file_that_is_not_there(tmp_path):
    code, _, errors = run("gdalinfo", f"STREAMTIFF:{tmp_path / 'none.tif'}")
    assert code != 0 and "cannot be opened" in errors
