"""The floor: worked out by hand for a few copies, and what happens to a cap below it."""

import re

import pytest
import streamtiff
import terrain
from osgeo import gdal

KIB = 1024
MIB = 1 << 20

# Every copy: the window through which the spill is written (256 KB), tables of a few bytes a tile. One source block (read
# straight to its place, for nothing is to be decoded), one tile, one encoder: a second encoder only where it is an eighth
# of the rest or 2 MiB.
BASE = 256 * KIB
HANDLE = 384 * KIB  # of GDAL, where it is what reads the source
TOLERANCE = 80 * KIB  # the tables, and what a codec may add to a tile that does not compress

NONE = ["COMPRESS=NONE"]
TILES_256 = ["BLOCKXSIZE=256", "BLOCKYSIZE=256"]
CASES = {
    # A block is a tile: 256 x 256 x 4 = 256 KB each, and one for a second encoder. BANDS.
    "block_is_tile": (["TILED=YES"], "Float32", [*TILES_256, *NONE], 256 * KIB + 2 * 256 * KIB),
    # A strip is 2048 x 512 x 4 = 4 MB, and passes its pixels on to two rows of tiles, tile by tile: one tile, and
    # a second one for a second encoder, which is less than an eighth more. BANDS.
    "tall_strips": (["BLOCKYSIZE=512"], "Float32", [*TILES_256, *NONE], 4 * MIB + 2 * 256 * KIB),
    # A strip is 2048 x 256 x 4 = 2 MB. Four tiles of 1 MB wait for the second strip; through the spill only
    # those that are read back are in memory, one for each of two encoders. SPILL.
    "tiles_wait": (["BLOCKYSIZE=256"], "Float32", NONE, 2 * MIB + 2 * MIB),
    # The same to strips of 512 rows: one waits, 4 MB. A strip read back from the spill would take as much. BANDS.
    "one_strip_waits": (["BLOCKYSIZE=256"], "Float32", ["TILED=NO", "BLOCKYSIZE=512", *NONE], 2 * MIB + 4 * MIB),
    # Two grids out of step (nine 240-wide blocks against eight tiles): a row of tiles waits, at 256 KB each.
    # Narrow stripes would leave every tile at a seam, and so the spill it is: 240 x 240 x 4 = 225 KB and two tiles.
    "out_of_step": (
        ["TILED=YES", "BLOCKXSIZE=240", "BLOCKYSIZE=240"],
        "Float32",
        [*TILES_256, *NONE],
        225 * KIB + 2 * 256 * KIB,
    ),
    # DEFLATE, for each tile of 1 MB: the tile, a buffer of compressed bytes, and 256 KB of hash chains and 400 KB of a
    # block's matches.
    "deflate": (["TILED=YES", "BLOCKXSIZE=512", "BLOCKYSIZE=512"], "Float32", [], 1 * MIB + 2 * MIB + 656 * KIB),
    # ZSTD at level 19, beside tile and buffer: a hash table and a binary tree of twice as many places of 4 bytes as the
    # tile has bytes, 512 KB for matches of three bytes, and 768 KB for a block and its parser.
    "zstd_19": (
        ["TILED=YES", "BLOCKXSIZE=512", "BLOCKYSIZE=512"],
        "Float32",
        ["COMPRESS=ZSTD", "ZSTD_LEVEL=19"],
        1 * MIB + 2 * MIB + 2 * 8 * MIB + 512 * KIB + 768 * KIB,
    ),
    # Three bands in one block: 512 x 512 x 3 = 768 KB, read as a whole (768 KB), and told apart into the unit (768 KB); a
    # tile is 768 KB, too, and there are two encoders.
    "rgb_pixel": (
        ["TILED=YES", "BLOCKXSIZE=512", "BLOCKYSIZE=512", "INTERLEAVE=PIXEL"],
        "Byte",
        NONE,
        4 * 768 * KIB,
    ),
}


def copy(source, target, *options):
    with streamtiff.messages() as kept:
        dataset = streamtiff.create_quietly("StreamTIFF", target, source, ["NUM_THREADS=2", "PASSTHROUGH=NO", *options])
    return dataset, kept


@pytest.mark.parametrize("name", CASES)
def test_floor_worked_by_hand(tmp_path, name):
    layout, dtype, options, worked_out = CASES[name]
    bands = 3 if name == "rgb_pixel" else 1
    source = gdal.Open(str(terrain.make_terrain(tmp_path / "in.tif", 2048, 1024, dtype, bands, layout)))
    dataset, kept = copy(source, tmp_path / "out.tif", "MEMORY_CAP=1MB", *options)
    figures = streamtiff.streaming(dataset)
    assert abs(figures["FLOOR_BYTES"] - BASE - worked_out) <= TOLERANCE
    assert figures["CAP_BYTES"] == max(figures["FLOOR_BYTES"], MIB)
    assert len(kept) == 1
    streamtiff.check_figures(figures)
    assert streamtiff.pixels(dataset) == streamtiff.pixels(source)


def test_floor_of_slope_holds_one_block_row_of_the_dem(tmp_path):
    """Four blocks of 1 MB across, and one in the buffer of its reader; the rows themselves are 8 KB each."""
    layout = ["TILED=YES", "BLOCKXSIZE=512", "BLOCKYSIZE=512"]
    path = terrain.make_terrain(tmp_path / "dem.tif", 2048, 1024, "Float32", 1, layout)
    with streamtiff.messages():
        dataset = gdal.DEMProcessing(
            str(tmp_path / "out.tif"),
            str(path),
            "slope",
            options=[],
            format="StreamTIFF",
            creationOptions=["MEMORY_CAP=1MB", *TILES_256, *NONE],
        )
    figures = streamtiff.streaming(dataset)
    # Through the spill: a tile of 256 KB for each of two encoders (the second is less than an eighth more). Rows are
    # read 32 at a time, and two are kept from looking for the DEM.
    worked_out = BASE + HANDLE + 4 * MIB + 1 * MIB + 2 * 256 * KIB + (32 + 2) * 8 * KIB
    assert abs(figures["FLOOR_BYTES"] - worked_out) <= TOLERANCE


def test_floor_does_not_depend_on_threads_nor_on_the_cap(tmp_path):
    path = terrain.make_terrain(tmp_path / "in.tif", 2048, 1024, "Float32", 1, ["BLOCKYSIZE=256"])
    floors = set()
    for options in (["NUM_THREADS=1"], ["NUM_THREADS=2"], ["NUM_THREADS=16"], ["MEMORY_CAP=1MB"], ["MEMORY_CAP=1GB"]):
        with streamtiff.messages():
            dataset = streamtiff.create_quietly("StreamTIFF", "/vsimem/out.tif", gdal.Open(str(path)), options)
        floors.add(streamtiff.streaming(dataset)["FLOOR_BYTES"])
        dataset = None
    gdal.Unlink("/vsimem/out.tif")
    assert len(floors) == 1


@pytest.fixture
def source(tmp_path):
    return gdal.Open(str(terrain.make_terrain(tmp_path / "in.tif", 1024, 700, "Float32", 1, ["BLOCKYSIZE=350"])))


def test_raised_cap_is_one_warning_with_both_figures(tmp_path, source):
    dataset, kept = copy(source, tmp_path / "out.tif", "MEMORY_CAP=100KB")
    floor = streamtiff.streaming(dataset)["FLOOR_BYTES"]
    assert [kind for kind, _, _ in kept] == [gdal.CE_Warning]
    text = kept[0][2]
    assert str(100 * KIB) in text and str(floor) in text
    assert "MEMORY_CAP" in text and "MEMORY_CAP_STRICT" in text
    assert streamtiff.streaming(dataset)["REQUESTED_CAP_BYTES"] == 100 * KIB


def test_cap_at_the_floor_is_taken_without_a_word(tmp_path, source):
    dataset, _ = copy(source, tmp_path / "out.tif", "MEMORY_CAP=100KB")
    floor = streamtiff.streaming(dataset)["FLOOR_BYTES"]
    dataset, kept = copy(source, tmp_path / "out.tif", f"MEMORY_CAP={floor}")
    assert kept == []
    assert streamtiff.streaming(dataset)["CAP_BYTES"] == floor
    dataset, kept = copy(source, tmp_path / "out.tif", f"MEMORY_CAP={floor - 1}")
    assert len(kept) == 1
    # Strict: refused by one byte, taken at the floor.
    dataset, kept = copy(source, tmp_path / "out.tif", f"MEMORY_CAP={floor}", "MEMORY_CAP_STRICT=YES")
    assert dataset is not None and kept == []


def test_strict_fails_before_anything_is_written(tmp_path, source):
    text = streamtiff.refused(tmp_path / "out.tif", source, "MEMORY_CAP=100KB", "MEMORY_CAP_STRICT=YES")
    figures = [int(figure) for figure in re.findall(r"(\d+) bytes", text)]
    assert figures[0] == 100 * KIB < figures[1]


def test_default_cap_is_raised_without_a_warning(tmp_path, source):
    """Nobody asked for that figure: nothing to tell."""
    cache_max = gdal.GetCacheMax()
    gdal.SetCacheMax(200 * KIB)
    try:
        dataset, kept = copy(source, tmp_path / "out.tif")
        assert kept == []
        figures = streamtiff.streaming(dataset)
        assert figures["REQUESTED_CAP_BYTES"] == 200 * KIB < figures["CAP_BYTES"]
        assert gdal.GetCacheMax() == 200 * KIB
    finally:
        gdal.SetCacheMax(cache_max)


ADVICE = {
    "INTERLEAVE=BAND": (224, ["BLOCKYSIZE=1"], ["INTERLEAVE=PIXEL"]),
    "ZSTD_LEVEL": (1, ["TILED=YES"], ["COMPRESS=ZSTD", "ZSTD_LEVEL=19"]),
    "BLOCKXSIZE": (1, ["TILED=YES"], ["BLOCKXSIZE=2048", "BLOCKYSIZE=2048"]),
    "TILED=YES": (1, ["TILED=YES"], ["TILED=NO", "BLOCKYSIZE=2048"]),
    "source": (1, ["BLOCKYSIZE=1024"], [*TILES_256, *NONE]),
}


@pytest.mark.parametrize("advice", ADVICE)
def test_advice_names_what_would_lower_the_floor(tmp_path, advice):
    bands, layout, options = ADVICE[advice]
    size = 64 if bands > 1 else 2048
    source = gdal.GetDriverByName("GTiff").Create(
        str(tmp_path / "in.tif"),
        size,
        size,
        bands,
        gdal.GDT_Byte,
        options=[*layout, "SPARSE_OK=YES", "INTERLEAVE=PIXEL"],
    )
    source = None
    source = gdal.Open(str(tmp_path / "in.tif"))
    text = streamtiff.refused(tmp_path / "out.tif", source, *options, "MEMORY_CAP=1MB", "MEMORY_CAP_STRICT=YES")
    assert advice in text


def test_224_bands_follow_the_advice(tmp_path):
    """512 x 512 x 224 = 56 MB a tile, twice with libtiff's compressed bytes; a band by itself is 256 KB."""
    source = gdal.GetDriverByName("MEM").Create("", 600, 40, 224)
    text = streamtiff.refused(
        tmp_path / "out.tif", source, "INTERLEAVE=PIXEL", "MEMORY_CAP=32MB", "MEMORY_CAP_STRICT=YES"
    )
    assert "INTERLEAVE=BAND" in text
    assert int(re.findall(r"(\d+) bytes", text)[1]) > 2 * 56 * MIB
    dataset, kept = copy(source, tmp_path / "out.tif", "INTERLEAVE=BAND", "MEMORY_CAP=32MB", "MEMORY_CAP_STRICT=YES")
    assert dataset is not None and kept == []
    assert dataset.RasterCount == 224
