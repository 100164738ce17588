"""The cap under gdaldem as users type it, with its DEM opened as STREAMTIFF:path: memory, decodes and bytes together."""

import os

import pytest
import streamtiff
import terrain
from osgeo import gdal
from streamtiff import MIB

SLACK_BYTES = 8 * MIB  # of the process over the effective cap: code, stacks, the allocator
TILES_256 = ["BLOCKXSIZE=256", "BLOCKYSIZE=256"]
STRIPS = ["TILED=NO"]
WIDTH, HEIGHT, BLOCKS = 8192, 1200, 48  # a row of blocks takes 16 MB

pytestmark = pytest.mark.skipif(not os.path.exists("/proc/self/clear_refs"), reason="needs Linux's /proc")


@pytest.fixture(scope="module")
def dem(tmp_path_factory):
    layout = ["TILED=YES", "BLOCKXSIZE=512", "BLOCKYSIZE=512", "COMPRESS=DEFLATE", "PREDICTOR=3", "NUM_THREADS=2"]
    return terrain.make_terrain(tmp_path_factory.mktemp("dem") / "dem.tif", WIDTH, HEIGHT, options=layout)


@pytest.fixture(scope="module")
def reference(dem):
    """Checksums of what gdaldem writes from the plain file."""
    made = {}

    def crcs(mode):
        if mode not in made:
            dataset = gdal.DEMProcessing("/vsimem/reference.tif", str(dem), mode, format="GTiff")
            made[mode] = streamtiff.checksums(dataset)
            dataset = None
            gdal.Unlink("/vsimem/reference.tif")
        return made[mode]

    return crcs


def measure(source, target, options, dem=("slope",)):
    job = {
        "source": source,
        "target": str(target),
        "options": options,
        "translate": {},
        "dem": list(dem) if dem else None,
    }
    measured = streamtiff.measured_copy(job)
    streaming = {key: int(value) if value.isdigit() else value for key, value in measured["streaming"].items()}
    view = {key: int(value) if value.isdigit() else value for key, value in measured["view"].items()}
    return measured, streaming, view


def check_cap(measured, streaming):
    streamtiff.check_figures(streaming)
    assert measured["cache_max_kept"]
    if streamtiff.SANITIZER is None:
        assert measured["peak_rss_bytes"] <= streaming["CAP_BYTES"] + SLACK_BYTES


@pytest.mark.parametrize(
    "cap_mb,threads,output",
    [(4, 1, STRIPS), (4, 2, TILES_256), (8, 1, TILES_256), (16, 8, STRIPS), (64, 2, TILES_256)],
)
def test_slope_decodes_each_block_once(dem, reference, tmp_path, cap_mb, threads, output):
    options = [f"MEMORY_CAP={cap_mb}MB", f"NUM_THREADS={threads}", *output]
    measured, streaming, view = measure(f"STREAMTIFF:{dem}", tmp_path / "slope.tif", options)
    check_cap(measured, streaming)
    assert streaming["SOURCE_KIND"] == "ROWS"
    assert streaming["SOURCE_BLOCKS"] == view["SOURCE_BLOCKS"] == BLOCKS
    assert streaming["BLOCK_DECODES"] == view["BLOCK_DECODES"] == BLOCKS
    assert streaming["DECODES_MEASURED"] == "YES"
    assert measured["read_bytes"] <= 1.02 * os.path.getsize(dem)
    # One cap for both: what the view may take is in the copy's figures.
    assert view["FLOOR_BYTES"] <= view["CAP_BYTES"] < streaming["PEAK_BYTES"]
    assert view["PEAK_BYTES"] <= view["CAP_BYTES"]
    assert streamtiff.checksums(tmp_path / "slope.tif") == reference("slope")
    if cap_mb > 4:
        assert streaming["CAP_BYTES"] == cap_mb * MIB and measured["warnings"] == []
    if threads == 1:
        assert streaming["PREDICTED_PEAK_BYTES"] <= 1.15 * streaming["PEAK_BYTES"]
    # A row of blocks is kept in memory where it fits, else it is written away once.
    raster_bytes = 4 * WIDTH * HEIGHT
    assert view["SPILL_BYTES"] == 0 if cap_mb == 64 else 0 < view["SPILL_BYTES"] <= raster_bytes
    assert view["SPILL_READ_BYTES"] <= 1.05 * raster_bytes


def test_file_does_not_depend_on_threads(dem, tmp_path):
    written = set()
    for threads in (1, 2, 8):
        target = tmp_path / f"{threads}.tif"
        gdal.DEMProcessing(
            str(target),
            f"STREAMTIFF:{dem}",
            "slope",
            format="StreamTIFF",
            creationOptions=["MEMORY_CAP=12MB", f"NUM_THREADS={threads}", *TILES_256],
        )
        written.add(target.read_bytes())
    assert len(written) == 1


def test_translate_reads_the_file_itself(dem, tmp_path):
    """No second cache: a copy of the view is a copy of what it shows."""
    options = ["MEMORY_CAP=8MB", *TILES_256]
    measured, streaming, view = measure(f"STREAMTIFF:{dem}", tmp_path / "copy.tif", options, dem=None)
    check_cap(measured, streaming)
    assert streaming["SOURCE_KIND"] == "BLOCKS" and streaming["BLOCK_DECODES"] == BLOCKS
    assert view == {}
    assert measured["read_bytes"] <= 1.02 * os.path.getsize(dem)
    assert streamtiff.checksums(tmp_path / "copy.tif") == streamtiff.checksums(dem)


def test_mosaic_is_read_once_within_the_cap(dem, reference, tmp_path):
    """Windows of the VRT are read once each, and rows of them come from the view's cache and spill."""
    layout = ["TILED=YES", "BLOCKXSIZE=512", "BLOCKYSIZE=512", "COMPRESS=DEFLATE", "NUM_THREADS=2"]
    parts = [str(tmp_path / f"{x}.tif") for x in (0, 4096)]
    for x, part in zip((0, 4096), parts):
        gdal.Translate(part, str(dem), srcWin=[x, 0, 4096, HEIGHT], creationOptions=layout)
    gdal.BuildVRT(str(tmp_path / "mosaic.vrt"), parts).FlushCache()
    source, options = f"STREAMTIFF:{tmp_path / 'mosaic.vrt'}", ["MEMORY_CAP=8MB", *TILES_256]
    measured, streaming, view = measure(source, tmp_path / "slope.tif", options)
    check_cap(measured, streaming)
    assert view["SOURCE_KIND"] == "WINDOWS" and view["SOURCE_BLOCKS"] == BLOCKS
    assert measured["read_bytes"] <= 1.02 * sum(os.path.getsize(part) for part in parts)
    assert streamtiff.checksums(tmp_path / "slope.tif") == reference("slope")


@streamtiff.needs_true_rss
def test_rss_is_measured():
    """Stands for the assertions on RSS that the cases leave out under a sanitizer."""
    assert streamtiff.SANITIZER is None
