"""gdaldem: an opaque dataset that must be pulled top to bottom, with its DEM found underneath, or not."""

import os

import numpy as np
import pytest
import streamtiff
import terrain
from osgeo import gdal

WIDTH, HEIGHT = 1101, 803
MODES = {
    "slope": [],
    "slope_alg": ["-alg", "ZevenbergenThorne", "-s", "2", "-p"],
    "aspect": ["-zero_for_flat"],
    "hillshade": ["-z", "2", "-combined"],
    "TRI": [],
    "TPI": [],
    "roughness": [],
}
LAYOUTS = {
    "tiled": ["TILED=YES", "BLOCKXSIZE=128", "BLOCKYSIZE=128", "COMPRESS=DEFLATE"],
    "strips": ["BLOCKYSIZE=200", "COMPRESS=DEFLATE"],
    "rows": ["BLOCKYSIZE=1"],
}


@pytest.fixture(scope="module")
def dem(tmp_path_factory):
    folder = tmp_path_factory.mktemp("dem")
    for name, options in LAYOUTS.items():
        terrain.make_terrain(folder / f"{name}.tif", WIDTH, HEIGHT, "Float32", 1, options)
    terrain.make_terrain(folder / "int16.tif", WIDTH, HEIGHT, "Int16", 1, LAYOUTS["tiled"])
    terrain.make_terrain(folder / "bands.tif", WIDTH, HEIGHT, "Float32", 3, ["INTERLEAVE=PIXEL", *LAYOUTS["tiled"]])
    (folder / "colours.txt").write_text(
        "0 0 0 128 255\n1000 20 200 10 255\n1500 240 240 60 200\n3000 255 255 255 255\n"
    )
    return folder


def process(driver, target, source, mode, options, creation_options=()):
    """gdal.DEMProcessing takes format= and creationOptions= only beside a list of options."""
    colours = [word for word in options if word.endswith(".txt")]
    options = [word for word in options if not word.endswith(".txt")]
    with streamtiff.messages() as kept:
        dataset = gdal.DEMProcessing(
            str(target),
            source if isinstance(source, gdal.Dataset) else str(source),
            mode,
            colorFilename=colours[0] if colours else None,
            options=options,
            format=driver,
            creationOptions=list(creation_options),
        )
    assert dataset is not None, kept
    return dataset, kept


def same_as_gtiff(tmp_path, source, mode, options, *creation_options):
    expected, _ = process("GTiff", tmp_path / "gtiff.tif", source, mode, options)
    expected = None  # from here on as read from the file
    expected = gdal.Open(str(tmp_path / "gtiff.tif"))
    dataset, kept = process("StreamTIFF", tmp_path / "out.tif", source, mode, options, creation_options)
    figures = streamtiff.streaming(dataset)
    streamtiff.check_figures(figures)
    assert figures["SOURCE_KIND"] == "ROWS"
    assert figures["DECODES_MEASURED"] == "NO"
    raised = figures["CAP_BYTES"] > figures["REQUESTED_CAP_BYTES"]
    assert len(kept) == (1 if raised else 0), kept
    dataset = None
    assert streamtiff.pixels(tmp_path / "out.tif") == streamtiff.pixels(expected)
    ours, theirs = streamtiff.info(tmp_path / "out.tif"), streamtiff.info(expected)
    for told in (ours, theirs):  # blocks and compression are the options', not the source's
        told["metadata"].pop("IMAGE_STRUCTURE", None)
        for band in told["bands"]:
            band.pop("block")
    assert ours == theirs
    return figures


@pytest.mark.parametrize("edges", [[], ["-compute_edges"]], ids=["no_edges", "edges"])
@pytest.mark.parametrize("mode", MODES)
def test_mode_that_spills(tmp_path, dem, mode, edges):
    options = [*MODES[mode], *edges]
    output = ["MEMORY_CAP=1MB", "BLOCKXSIZE=64", "BLOCKYSIZE=256", "ZLEVEL=1", "NUM_THREADS=2"]
    figures = same_as_gtiff(tmp_path, dem / "tiled.tif", mode.split("_")[0], options, *output)
    assert figures["SWEEP"] == "SPILL"
    assert figures["SPILL_BYTES"] == WIDTH * HEIGHT * (1 if mode == "hillshade" else 4)


@pytest.mark.parametrize("edges", [[], ["-compute_edges"]], ids=["no_edges", "edges"])
@pytest.mark.parametrize("layout", ["tiled", "strips", "rows", "int16"])
@pytest.mark.parametrize("cap", ["2MB", "64MB"])
def test_source_layout(tmp_path, dem, layout, edges, cap):
    same_as_gtiff(tmp_path, dem / f"{layout}.tif", "slope", edges, f"MEMORY_CAP={cap}", "ZLEVEL=1")


@pytest.mark.parametrize("alpha", [[], ["-alpha"]], ids=["rgb", "rgba"])
@pytest.mark.parametrize("interleave", ["PIXEL", "BAND"])
@pytest.mark.parametrize("cap", ["1MB", "64MB"])
@pytest.mark.parametrize("layout", ["tiled", "strips"])
def test_color_relief(tmp_path, dem, alpha, interleave, cap, layout):
    options = [str(dem / "colours.txt"), *alpha]
    output = [f"INTERLEAVE={interleave}", f"MEMORY_CAP={cap}", "BLOCKXSIZE=256", "BLOCKYSIZE=256", "ZLEVEL=1"]
    same_as_gtiff(tmp_path, dem / f"{layout}.tif", "color-relief", options, *output)


@pytest.mark.parametrize("band", [1, 2, 3])
def test_band_of_a_pixel_interleaved_dem(tmp_path, dem, band):
    same_as_gtiff(
        tmp_path, dem / "bands.tif", "slope", ["-b", str(band), "-compute_edges"], "MEMORY_CAP=8MB", "ZLEVEL=1"
    )


@pytest.mark.parametrize("height", [1, 2, 3, 17])
@pytest.mark.parametrize("width", [1, 2, 3, 40])
def test_rows_are_read_in_order(tmp_path, width, height):
    """With -compute_edges the dataset gives wrong rows after its last row was asked for: reading ahead would show."""
    source = terrain.make_terrain(tmp_path / "dem.tif", width, height, "Float32", 1)
    same_as_gtiff(tmp_path, source, "slope", ["-compute_edges"], "BLOCKXSIZE=16", "BLOCKYSIZE=16", "MEMORY_CAP=64MB")


def bytes_read():
    with open("/proc/self/io") as io:
        return int(io.readline().split()[1])


@pytest.mark.skipif(not os.path.exists("/proc/self/io"), reason="needs Linux's /proc")
@pytest.mark.parametrize("layout", ["tiled", "strips", "rows"])
@pytest.mark.parametrize("cap", ["1MB", "8MB"])
def test_dem_is_found_and_read_once(dem, layout, cap):
    """A cache limit in which not even one block row has room is no reason to decode it again for each row."""
    path, cache_max = dem / f"{layout}.tif", gdal.GetCacheMax()
    process("StreamTIFF", "/vsimem/warm.tif", path, "slope", [])
    gdal.SetCacheMax(100000)
    try:
        source = gdal.Open(str(path))
        before = bytes_read()
        dataset, _ = process("StreamTIFF", "/vsimem/out.tif", source, "slope", [], [f"MEMORY_CAP={cap}", "ZLEVEL=1"])
        # What is read back from the spill is read once.
        read = bytes_read() - before - streamtiff.streaming(dataset)["SPILL_BYTES"]
        assert gdal.GetCacheMax() == 100000
    finally:
        gdal.SetCacheMax(cache_max)
        gdal.Unlink("/vsimem/warm.tif")
    # 64 KB: PROJ's database, and the pages at either end of a block.
    assert read <= 1.02 * path.stat().st_size + (64 << 10)
    blocks = {"tiled": 9 * 7, "strips": 5, "rows": HEIGHT}[layout]
    assert streamtiff.streaming(dataset)["SOURCE_BLOCKS"] == blocks
    dataset = None
    gdal.Unlink("/vsimem/out.tif")


@pytest.mark.parametrize("where", ["MEM", "/vsimem"])
def test_nothing_is_found_underneath(tmp_path, dem, where):
    """A DEM in MEM leaves nothing in GDAL's cache; one in /vsimem is not read from any disk."""
    if where == "MEM":
        source = gdal.GetDriverByName("MEM").CreateCopy("", gdal.Open(str(dem / "tiled.tif")))
    else:
        gdal.Translate("/vsimem/dem.tif", str(dem / "tiled.tif"), creationOptions=LAYOUTS["tiled"])
        source = gdal.Open("/vsimem/dem.tif")
    same_as_gtiff(tmp_path, source, "slope", ["-compute_edges"], "MEMORY_CAP=4MB", "ZLEVEL=1")
    source = None
    gdal.Unlink("/vsimem/dem.tif")


def test_two_datasets_of_the_same_grid_are_open(tmp_path, dem):
    """Only the DEM's blocks turn up in the cache; the other dataset's geotransform is the same."""
    other = gdal.Open(str(dem / "int16.tif"))
    assert other.GetRasterBand(1).Checksum() > 0  # its blocks are in the cache, too
    figures = same_as_gtiff(tmp_path, dem / "strips.tif", "slope", [], "MEMORY_CAP=8MB", "ZLEVEL=1")
    assert figures["SOURCE_BLOCKS"] == 5
    assert other.GetRasterBand(1).ReadAsArray().any()


def test_memory_for_planning_is_in_floor_and_peak(tmp_path):
    """A walk over a million rows takes 8 bytes of each, far more than copying needs of so narrow a raster."""
    path, rows = str(tmp_path / "high.tif"), 1000000
    options = ["BLOCKYSIZE=1000", "SPARSE_OK=TRUE"]
    source = gdal.GetDriverByName("GTiff").Create(path, 16, rows, 1, gdal.GDT_Byte, options)
    source.SetGeoTransform((500000, 10, 0, 4600000, 0, -10))
    source = None
    dataset, kept = process("StreamTIFF", tmp_path / "out.tif", path, "roughness", [], ["MEMORY_CAP=1MB", "BLOCKXSIZE=16"])
    figures = streamtiff.streaming(dataset)
    streamtiff.check_figures(figures)
    assert figures["PEAK_BYTES"] >= 8 * rows and figures["FLOOR_BYTES"] <= 9 * rows
    assert len(kept) == 1 and "raised" in kept[0][2]


def test_first_rows_are_nodata(tmp_path):
    """What is read first may compute nothing; the DEM must be found all the same."""
    source = terrain.make_terrain(tmp_path / "dem.tif", 700, 400, "Float32", 1, ["TILED=YES", "COMPRESS=LZW"])
    dataset = gdal.Open(str(source), gdal.GA_Update)
    dataset.GetRasterBand(1).SetNoDataValue(-32768)
    dataset.WriteArray(np.full((40, 700), -32768, dtype=np.float32))
    dataset = None
    figures = same_as_gtiff(tmp_path, source, "slope", ["-compute_edges"], "MEMORY_CAP=8MB", "ZLEVEL=1")
    assert figures["SOURCE_BLOCKS"] == 6


def test_dem_that_is_open_for_update_keeps_its_changes(tmp_path, dem):
    source = gdal.GetDriverByName("GTiff").CreateCopy(str(tmp_path / "dem.tif"), gdal.Open(str(dem / "tiled.tif")))
    source.GetRasterBand(1).WriteArray(np.full((100, 100), 7, dtype=np.float32), 300, 300)
    same_as_gtiff(tmp_path, source, "slope", [], "MEMORY_CAP=4MB", "ZLEVEL=1")


@pytest.mark.parametrize("source", ["tiled.tif", "mosaic.vrt"])
def test_raised_cap_names_both_ways_out(tmp_path, dem, source):
    """The opaque dataset must be read over the whole width; the same operator inside of the copy need not."""
    gdal.BuildVRT(str(dem / "mosaic.vrt"), [str(dem / "tiled.tif")]).FlushCache()
    _, kept = process("StreamTIFF", tmp_path / "out.tif", dem / source, "slope", [], ["MEMORY_CAP=100KB"])
    (text,) = streamtiff.texts(kept, gdal.CE_Warning)
    assert "STREAMTIFF:" in text and "DERIVE" in text and "MEMORY_CAP" in text
