"""DERIVE where a pixel depends on what its whole row holds: gdaldem takes a row that is free of nodata, from one side of the
raster to the other, with its vector code, and compares its pixels with nodata only where it is not."""

import functools

import derived
import numpy as np
import pytest
import streamtiff
from osgeo import gdal

NEWER = int(gdal.VersionInfo()) >= 3110000  # floats are shaded by vector code, too, and edges are compared by rows
TILES_64 = ["TILED=YES", "BLOCKXSIZE=64", "BLOCKYSIZE=64", "COMPRESS=DEFLATE"]
LAYOUT = ["TILED=YES", "BLOCKXSIZE=128", "BLOCKYSIZE=48"]
WIDTH, HEIGHT = 1000, 1024
COLUMNS, ROWS = 16, 16
SHADE = ["hillshade", "-z", "0.02", "-alt", "45"]
CAPS = [["NUM_THREADS=1", "MEMORY_CAP=1KB"], ["NUM_THREADS=2", "MEMORY_CAP=64MB"]]


@functools.lru_cache(maxsize=None)
def borderline(seed):
    return derived.borderline(WIDTH, HEIGHT, *SHADE[1:], seed=seed)


def rough(dtype, nodata=None, where=(), seed=3):
    """Heights between 0 and 3000 that different code shades differently, and nodata at these places (row, column)."""
    z = borderline(seed)
    if z is None:  # all code agrees
        z = np.random.RandomState(seed).randint(0, 3000, (HEIGHT, WIDTH))
    z = z.astype(dtype.lower())
    for row, column in where:
        z[row, column] = nodata
    return z


def holes(step, column):
    return [(row, column) for row in range(0, HEIGHT, step)]


def figures_of(tmp_path, source, *command, also=("NUM_THREADS=2", "MEMORY_CAP=64MB")):
    figures = derived.same_as_gdaldem(tmp_path, source, *command, layout=LAYOUT, also=list(also), raised=True)
    streamtiff.check_figures(figures)
    return figures


@pytest.mark.parametrize("also", CAPS, ids=["floor", "plenty"])
@pytest.mark.parametrize("dtype", ["Int16", "UInt16", "Float32", "Int32"])
def test_shade_beside_holes_in_another_window(tmp_path, dtype, also):
    """Every second row of three holds one pixel without height, far away from most windows."""
    z = rough(dtype, 4000, holes(6, WIDTH - 3) + holes(26, 5))
    source = derived.write(tmp_path / "dem.tif", [z], TILES_64, 4000)
    figures_of(tmp_path, source, *SHADE, also=also)
    figures_of(tmp_path, source, *SHADE, "-compute_edges", also=also)


@pytest.mark.skipif(not NEWER, reason="from GDAL 3.11 on")
def test_vector_code_rounds_differently(tmp_path):
    """Without this the test above could not fail."""
    assert borderline(3) is not None
    z = rough("Int16", 4000, [(row, WIDTH - 3) for row in range(HEIGHT)])
    with_holes = derived.write(tmp_path / "holes.tif", [z], TILES_64, 4000)
    without = derived.write(tmp_path / "full.tif", [z], TILES_64)
    for path in (with_holes, without):
        derived.gdaldem(path + ".shade.tif", path, *SHADE)
    a, b = (gdal.Open(path + ".shade.tif").ReadAsArray()[:, : WIDTH - 5] for path in (with_holes, without))
    assert (a != b).sum() > 0.1 * a.size and np.abs(a.astype(int) - b.astype(int)).max() == 1


@pytest.mark.parametrize("dtype", ["Int16", "Float32"])
def test_blocks_are_read_before_until_each_row_is_known(tmp_path, dtype):
    for where, blocks in (
        ([], COLUMNS * ROWS),  # set, but nowhere to be found
        ([(row, 2) for row in range(HEIGHT)], ROWS),  # the first block of each row says it all
        ([(row, 64 * 3) for row in range(HEIGHT)], 4 * ROWS),
        ([(row, 64 * 3) for row in range(HEIGHT // 2)], 4 * ROWS // 2 + COLUMNS * ROWS // 2),
    ):
        source = derived.write(tmp_path / "dem.tif", [rough(dtype, 4000, where)], TILES_64, 4000)
        figures = figures_of(tmp_path, source, *SHADE)
        assert figures["SOURCE_BLOCKS"] == COLUMNS * ROWS
        assert figures["DECODES_BEFORE"] == (blocks if NEWER else 0)


@pytest.mark.parametrize(
    "command",
    [
        ("slope",),
        ("TPI", "-compute_edges"),
        ("hillshade", "-combined"),
        ("hillshade", "-alg", "ZevenbergenThorne"),
        ("hillshade", "-multidirectional", "-compute_edges"),
    ],
    ids="_".join,
)
def test_rows_that_do_not_matter_are_not_read(tmp_path, command):
    source = derived.write(tmp_path / "dem.tif", [rough("Int16", 4000, holes(40, 500))], TILES_64, 4000)
    assert figures_of(tmp_path, source, *command)["DECODES_BEFORE"] == 0


def test_nodata_that_no_pixel_can_be_does_not_matter(tmp_path):
    for nodata in (-9999, 4000.5, 1e30):
        source = derived.write(tmp_path / "dem.tif", [rough("UInt16")], TILES_64, nodata)
        assert figures_of(tmp_path, source, *SHADE)["DECODES_BEFORE"] == 0


def test_oblong_pixels_are_not_shaded_by_vector_code(tmp_path):
    z = rough("Int16", 4000, holes(7, 20))
    source = derived.write(tmp_path / "dem.tif", [z], TILES_64, 4000, (500000, 10, 0, 4600000, 0, -7))
    assert figures_of(tmp_path, source, *SHADE)["DECODES_BEFORE"] == 0


def test_strips_show_whole_rows(tmp_path):
    z = rough("Int16", 4000, holes(5, 20))
    source = derived.write(tmp_path / "dem.tif", [z], ["BLOCKYSIZE=16", "COMPRESS=DEFLATE"], 4000)
    assert figures_of(tmp_path, source, *SHADE)["DECODES_BEFORE"] == 0


def test_windows_of_a_vrt(tmp_path):
    z = rough("Int16", 4000, holes(6, WIDTH - 9) + holes(26, 5))
    source = derived.write(tmp_path / "dem.tif", [z], TILES_64, 4000)
    vrt = str(tmp_path / "window.vrt")
    gdal.Translate(vrt, source, format="VRT", srcWin=[3, 5, WIDTH - 7, HEIGHT - 11])
    assert figures_of(tmp_path, vrt, *SHADE)["SOURCE_KIND"] == "WINDOWS"


def test_second_band(tmp_path):
    bands = [rough("Int16", 4000, holes(3, 7)), rough("Int16", 4000, holes(8, WIDTH - 3), seed=4)]
    for interleave in ("PIXEL", "BAND"):
        source = derived.write(tmp_path / "dem.tif", bands, [*TILES_64, f"INTERLEAVE={interleave}"], 4000)
        figures_of(tmp_path, source, *SHADE, "-b", "2")


def test_missing_blocks_hold_nodata(tmp_path):
    path = str(tmp_path / "dem.tif")
    options = [*TILES_64, "SPARSE_OK=TRUE"]
    dataset = gdal.GetDriverByName("GTiff").Create(path, WIDTH, HEIGHT, 1, gdal.GDT_Int16, options)
    dataset.SetGeoTransform(derived.NORTH_UP)
    dataset.GetRasterBand(1).SetNoDataValue(4000)
    dataset.GetRasterBand(1).WriteArray(rough("Int16")[:, : 64 * 13])
    dataset = None  # noqa: F841
    figures = figures_of(tmp_path, path, *SHADE)
    assert figures["DECODES_BEFORE"] == (13 * ROWS if NEWER else 0), "those that are there, up to the first that is not"


# --- edges -------------------------------------------------------------------------------------------


def flat_at_edges(dtype, nodata):
    """Heights that -compute_edges extrapolates to nodata, to next to it, and to anything else."""
    z = rough(dtype) % 100 + 200
    for edge, inside in ((0, 1), (-1, -2)):
        z[5::7, edge], z[5::7, inside] = nodata + 10, nodata + 20
        z[6::7, edge], z[6::7, inside] = nodata + 1, nodata + 3
    return z.astype(dtype.lower())


@pytest.mark.parametrize("also", CAPS, ids=["floor", "plenty"])
@pytest.mark.parametrize("dtype", ["Int32", "UInt32", "Float32", "Float64"])
def test_heights_extrapolated_to_nodata(tmp_path, dtype, also):
    z = flat_at_edges(dtype, 70)
    z[::10, WIDTH // 2] = 70
    source = derived.write(tmp_path / "dem.tif", [z], TILES_64, 70)
    for mode in ("slope", "aspect", "TRI", "TPI", "roughness", "hillshade"):
        figures_of(tmp_path, source, mode, "-compute_edges", also=also)


@pytest.mark.skipif(not NEWER, reason="from GDAL 3.11 on")
def test_extrapolated_heights_depend_on_what_the_row_holds(tmp_path):
    """Without this the test above could not fail."""
    z = flat_at_edges("Int32", 70)
    z[::10, WIDTH // 2] = 70
    path = derived.write(tmp_path / "dem.tif", [z], TILES_64, 70)
    left = gdal.Translate("", path, format="MEM", srcWin=[0, 0, 64, HEIGHT])
    whole = gdal.DEMProcessing("", path, "slope", options=["-compute_edges"], format="MEM").ReadAsArray()
    piece = gdal.DEMProcessing("", left, "slope", options=["-compute_edges"], format="MEM").ReadAsArray()
    assert (whole[:, :60] != piece[:, :60]).any()


@pytest.mark.skipif(not NEWER, reason="from GDAL 3.11 on")
def test_only_outer_blocks_are_read_before(tmp_path):
    z = rough("Float32", 4000, holes(50, 500)) + 500
    source = derived.write(tmp_path / "dem.tif", [z], TILES_64, -9999)
    assert figures_of(tmp_path, source, "slope", "-compute_edges")["DECODES_BEFORE"] == 2 * ROWS
    z[64 * 4 + 30, :2] = (-9989, -9979)  # extrapolated to nodata: its row of blocks is read, and no other
    source = derived.write(tmp_path / "dem.tif", [z], TILES_64, -9999)
    assert figures_of(tmp_path, source, "slope", "-compute_edges")["DECODES_BEFORE"] == 2 * ROWS + COLUMNS - 2
    z[64 * 4 - 1, :2] = (-9989, -9979)  # and here those above and below
    source = derived.write(tmp_path / "dem.tif", [z], TILES_64, -9999)
    assert figures_of(tmp_path, source, "slope", "-compute_edges")["DECODES_BEFORE"] == 2 * ROWS + 2 * (COLUMNS - 2)


def test_broken_block_is_told_while_rows_are_looked_at(tmp_path):
    source = derived.write(tmp_path / "dem.tif", [rough("Int16")], TILES_64, 4000)
    dataset = gdal.Open(source)
    offset = int(dataset.GetRasterBand(1).GetMetadataItem("BLOCK_OFFSET_4_5", "TIFF"))
    dataset = None  # noqa: F841
    with open(source, "r+b") as file:
        file.seek(offset)
        file.write(b"\xff" * 64)
    text = streamtiff.refused(tmp_path / "out.tif", gdal.Open(source), "DERIVE=" + " ".join(SHADE))
    assert "4, 5" in text
