"""gdalinfo: what the plugin tells of itself, and what GDAL's programs say of its files."""

import pytest
import terrain
from command_line import run, succeeds


def test_format():
    output = succeeds("gdalinfo", "--format", "StreamTIFF")
    for line in (
        "Short Name: StreamTIFF",
        "Long Name: GeoTIFF streamed under a memory cap",
        "Supports: Raster",
        "CreateCopy()",
        "Virtual IO",
    ):
        assert line in output
    assert "Supports: Open() - Open existing dataset" in output
    assert "Create() - Create writable dataset" not in output
    assert "Connection prefix: STREAMTIFF:" in output
    assert "Extension" not in output
    for option in ("COMPRESS", "MEMORY_CAP", "MEMORY_CAP_STRICT", "NUM_THREADS", "BLOCKXSIZE", "PREDICTOR", "BIGTIFF"):
        assert f'name="{option}"' in output


def test_formats():
    (line,) = [line for line in succeeds("gdalinfo", "--formats").splitlines() if "StreamTIFF -" in line]
    assert "raster" in line and "(rwv)" in line  # opens, writes copies, virtual files


@pytest.mark.parametrize("option", ["COMPRESS=ZSTD", "COMPRESS=DEFLATE", "INTERLEAVE=BAND", "TILED=NO", "BIGTIFF=YES"])
def test_file_is_a_plain_geotiff(tmp_path, option):
    """Read without the plugin."""
    source = terrain.make_terrain(tmp_path / "in.tif", 301, 203, "UInt16", 3)
    if option == "COMPRESS=ZSTD" and "ZSTD" not in succeeds("gdalinfo", "--format", "StreamTIFF"):
        pytest.skip("this libtiff has no ZSTD")
    succeeds("gdal_translate", "-q", "-of", "StreamTIFF", "-co", option, source, tmp_path / "out.tif")
    checked = succeeds("gdalinfo", "-checksum", tmp_path / "out.tif", GDAL_DRIVER_PATH="disable")
    expected = succeeds("gdalinfo", "-checksum", source, GDAL_DRIVER_PATH="disable")
    assert "Driver: GTiff/GeoTIFF" in checked
    checksums = [line for line in checked.splitlines() if "Checksum" in line]
    assert len(checksums) == 3
    assert checksums == [line for line in expected.splitlines() if "Checksum" in line]


def test_plugin_that_is_not_loaded_is_not_there():
    code, _, _ = run("gdalinfo", "--format", "StreamTIFF", GDAL_DRIVER_PATH="disable")
    assert code != 0
