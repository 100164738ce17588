"""LAYOUT=COG against GDAL's COG driver: tags, order of tiles, what stands before them, for rasters of every kind."""

import cog
import numpy as np
import parity_sources
import pytest
import streamtiff
from osgeo import gdal
from parity_rasters import mem, palette, placed

# Masks of single bands have no room in the file: GDAL raises a failure for each, we warn (test_masks.py).
SOURCES = [name for name in parity_sources.SOURCES if not name.endswith(("of_each_band", "of_some_bands"))]
if cog.VERSION >= 31000:  # pixels of a warp depend on the windows asked for: see parity_allowed.py
    SOURCES.remove("VRT_warped_of_many_blocks")
# Of INTERLEAVE=BAND, which GDAL adds where the source has it, its own COG of 3.13 has other pixels than the source; and we
# leave bands together that their alpha belongs to.
TOGETHER = {"bits_1_of_3_bands"}
SIZES = {"one_pixel": (1, 1), "one_row": (300, 1), "one_column": (1, 300), "one_tile": (64, 64), "tiles": (256, 192)}
SIZES.update({"odd": (131, 67), "one_more": (65, 64)})


@pytest.fixture(scope="module")
def sources(tmp_path_factory):
    return parity_sources.Sources(tmp_path_factory.mktemp("sources"))


@pytest.mark.parametrize("name", SOURCES)
def test_every_kind_of_raster(tmp_path, sources, name):
    """Two levels, in tiles of another size than the raster's, as GDAL has it for tiles as small as these."""
    source = sources[name]
    levels = ["OVERVIEWS=IGNORE_EXISTING", "OVERVIEW_COUNT=2", "RESAMPLING=NEAREST"]
    if source.RasterXSize == 1 and source.RasterYSize == 1 or "_C" in name:  # no levels; of complex pixels: test_cog_pixels
        levels = ["OVERVIEWS=NONE"]
    with_alpha = source.GetRasterBand(1).GetMaskFlags() & gdal.GMF_ALPHA
    if (name in TOGETHER or with_alpha) and cog.VERSION >= 31100:
        levels.append("INTERLEAVE=PIXEL")
    cog.same_as_gdal(tmp_path, source, "BLOCKSIZE=16", *levels, *cog.PLAIN)


@pytest.mark.parametrize("name", SIZES)
@pytest.mark.parametrize("bands", [1, 3])
def test_sizes(tmp_path, name, bands):
    width, height = SIZES[name]
    source = mem(bands, gdal.GDT_UInt16, width=width, height=height)
    path, parts = cog.same_as_gdal(tmp_path, source, "BLOCKSIZE=64", "OVERVIEWS=NONE", *cog.PLAIN)
    if width % 64 == 0 and height % 64 == 0:  # nothing outside of the raster, which each driver fills in its own way
        assert parts.data == cog.Parts(tmp_path / "theirs" / "out.tif").data


@pytest.mark.parametrize("compress", ["LZW", "DEFLATE", "ZSTD", "LZMA", "LERC", "LERC_DEFLATE", "WEBP", "JPEG"])
def test_codecs(tmp_path, compress):
    if compress not in streamtiff.codecs():
        pytest.skip(f"libtiff has no {compress}")
    source = placed(mem(3, width=192, height=128))
    options = ["BLOCKSIZE=64", "OVERVIEWS=NONE", "BIGTIFF=NO", "NUM_THREADS=1", f"COMPRESS={compress}"]
    if compress in ("LZW", "DEFLATE", "ZSTD"):
        options.append("PREDICTOR=YES")
    path, parts = cog.same_as_gdal(tmp_path, source, *options)
    theirs = cog.Parts(tmp_path / "theirs" / "out.tif").data
    if compress == "ZSTD":  # libtiff does not tell libzstd how much there is to come
        assert abs(len(parts.data) - len(theirs)) <= 0.005 * len(theirs)
    elif not compress.startswith("LERC"):  # GTiff's has another blob of the same pixels
        assert parts.data == theirs


@pytest.mark.parametrize("block", [64, 128, 512])
@pytest.mark.parametrize("big", ["NO", "YES"])
@pytest.mark.parametrize("compress", ["NONE", "DEFLATE"])
def test_width_of_the_tables(tmp_path, block, big, compress):
    """libtiff writes sizes as wide as it thinks that tiles can become."""
    source = mem(1, width=1024, height=512)
    options = [f"BLOCKSIZE={block}", "OVERVIEWS=NONE", f"COMPRESS={compress}", "PREDICTOR=NO", f"BIGTIFF={big}"]
    path, parts = cog.same_as_gdal(tmp_path, source, *options)
    assert parts.data == cog.Parts(tmp_path / "theirs" / "out.tif").data
    assert parts.is_big() == (big == "YES")


def with_mask(width, height, bands=1):
    source = placed(mem(bands, width=width, height=height))
    source.CreateMaskBand(gdal.GMF_PER_DATASET)
    y, x = np.mgrid[0:height, 0:width]
    source.GetRasterBand(1).GetMaskBand().WriteArray(np.where((x + y) % 100 < 60, 255, 0).astype("u1"))
    return source


@pytest.mark.parametrize("bands", [1, 3])
@pytest.mark.parametrize("size", [(1, 1), (192, 128), (500, 333)])
def test_masks_follow_their_tiles(tmp_path, size, bands):
    options = ["BLOCKSIZE=64", "OVERVIEWS=NONE", *cog.PLAIN]
    if cog.VERSION >= 31100:  # MEM says of itself BAND there, and GDAL takes it over
        options.append("INTERLEAVE=PIXEL")
    path, parts = cog.same_as_gdal(tmp_path, with_mask(*size, bands), *options)
    assert b"MASK_INTERLEAVED_WITH_IMAGERY=YES" in parts.ghost
    tiles = [tile for image, tile in parts.order() if image == 0]
    assert parts.order() == [(image, tile) for tile in tiles for image in (0, 1)]


def with_holes(width=256, height=256, nodata=None):
    source = gdal.GetDriverByName("MEM").Create("", width, height, 1, gdal.GDT_Int16)
    band = source.GetRasterBand(1)
    if nodata is not None:
        band.SetNoDataValue(nodata)
        band.Fill(nodata)
    band.WriteArray(np.full((40, 70), 5, "i2"), 100, 30)
    return source


@pytest.mark.parametrize("nodata", [None, -7])
@pytest.mark.parametrize("sparse", ["YES", "NO"])
def test_sparse_tiles(tmp_path, nodata, sparse):
    source = with_holes(nodata=nodata)
    options = ["BLOCKSIZE=64", "OVERVIEWS=NONE", f"SPARSE_OK={sparse}", *cog.PLAIN]
    path, parts = cog.same_as_gdal(tmp_path, source, *options)
    assert parts.data == cog.Parts(tmp_path / "theirs" / "out.tif").data
    left_out = [place for place in parts.places(0) if place == (0, 0)]
    assert len(left_out) == (12 if sparse == "YES" else 0)


def test_all_tiles_left_out(tmp_path):
    source = gdal.GetDriverByName("MEM").Create("", 256, 256, 1)
    path, parts = cog.same_as_gdal(tmp_path, source, "BLOCKSIZE=64", "OVERVIEWS=NONE", "SPARSE_OK=YES", *cog.PLAIN)
    assert parts.tiles == []


def test_palette(tmp_path):
    path, _ = cog.same_as_gdal(tmp_path, palette(256), "BLOCKSIZE=64", "OVERVIEWS=NONE", *cog.PLAIN)


def test_side_file_goes_with_the_raster(tmp_path):
    source = mem(1)
    source.GetRasterBand(1).SetCategoryNames(["a", "b"])
    path, _ = cog.same_as_gdal(tmp_path, source, "BLOCKSIZE=64", "OVERVIEWS=NONE", *cog.PLAIN)
    assert (path.parent / "out.tif.aux.xml").exists()


def test_same_bytes_whatever_cap_and_threads(tmp_path):
    source = tmp_path / "in.tif"
    gdal.GetDriverByName("GTiff").CreateCopy(
        str(source), mem(1, gdal.GDT_Float32, width=1300, height=800), options=["BLOCKYSIZE=200", "COMPRESS=DEFLATE"]
    )
    options = ["BLOCKSIZE=256", "OVERVIEWS=NONE", "COMPRESS=LZW"]
    floor = cog.ours(tmp_path / "floor.tif", source, *options, "MEMORY_CAP=64MB", "NUM_THREADS=1")["FLOOR_BYTES"]
    sweeps, files = set(), set()
    for cap in (64 << 20, floor + (1 << 20), floor):
        for threads in (1, 2, 8):
            target = tmp_path / f"{cap}_{threads}.tif"
            figures = cog.ours(target, source, *options, f"MEMORY_CAP={cap}", f"NUM_THREADS={threads}")
            sweeps.add(figures["SWEEP"])
            files.add(target.read_bytes())
            assert figures["SPOOL_BYTES"] < target.stat().st_size < figures["SPOOL_BYTES"] + 2000
    assert len(sweeps) > 1
    assert len(files) == 1
