"""LAYOUT=COG with STATISTICS: gathered in the one pass, equal to what GDAL computes, the same bytes for any cap and threads."""

import cog
import numpy as np
import parity
import pytest
import streamtiff
from osgeo import gdal, gdal_array
from parity_rasters import VERSION, gtiff, mem

NAMES = ["STATISTICS_" + name for name in ("MINIMUM", "MAXIMUM", "MEAN", "STDDEV", "VALID_PERCENT")]
EXACT = ("u1", "i1", "u2", "i2")
WIDTH, HEIGHT = 333, 277  # tiles of 128 are cut on both sides; a row of a tile is no multiple of 4 there


def items(path, band=1):
    dataset = gdal.Open(str(path))
    found = dataset.GetRasterBand(band).GetMetadata()
    return [found.get(name) for name in NAMES]


def raster(*bands):
    type_code = gdal_array.NumericTypeCodeToGDALTypeCode(bands[0].dtype.type)
    dataset = gdal.GetDriverByName("MEM").Create("", bands[0].shape[1], bands[0].shape[0], len(bands), type_code)
    for index, pixels in enumerate(bands):
        dataset.GetRasterBand(index + 1).WriteArray(pixels)
    return dataset


def check(path, band, pixels, counted):
    """Of these pixels: to the last digit that is printed, but where that is rounding's."""
    wanted = pixels.real[counted].astype(np.longdouble)
    found = items(path, band)
    percent = "%.4g" % (100.0 * wanted.size / pixels.size)
    assert found[4] == ("99.999" if percent == "100" and wanted.size < pixels.size else percent)
    if wanted.size == 0:
        assert found[:4] == [None] * 4
        return
    about = [wanted.min(), wanted.max(), wanted.mean(), wanted.std()]
    assert found[:2] == ["%.14g" % float(value) for value in about[:2]]
    slack = 0 if pixels.dtype.str[1:] in EXACT else 1e-13
    for text, value in zip(found[2:4], about[2:]):
        assert text == "%.14g" % float(value) or abs(float(text) - value) <= slack * max(abs(value), about[3]), (text, value)


def noise(kind, seed=1, shape=(HEIGHT, WIDTH)):
    random = np.random.default_rng(seed)
    if np.dtype(kind).kind == "c":
        return (random.normal(500, 9, shape) + 1j * random.normal(5, 3, shape)).astype(kind)
    if np.dtype(kind).kind == "f":
        return random.normal(1234.5, 77.7, shape).astype(kind)
    span = np.iinfo(kind)
    return random.integers(span.min, span.max, shape, kind, endpoint=True)


@pytest.mark.parametrize("kind", ["u1", "u2", "i2", "u4", "i4", "f4", "f8", "c8", "u8", "i8"])
def test_every_type(tmp_path, kind):
    pixels = noise(kind)
    cog.ours(tmp_path / "out.tif", raster(pixels), "BLOCKSIZE=128", "STATISTICS=YES", "OVERVIEWS=NONE")
    check(tmp_path / "out.tif", 1, pixels, np.ones(pixels.shape, bool))


def test_large_mean_and_small_deviation(tmp_path):
    pixels = 1e9 + noise("f8") / 1e3
    cog.ours(tmp_path / "out.tif", raster(pixels), "BLOCKSIZE=128", "STATISTICS=YES")
    mean, deviation = (float(text) for text in items(tmp_path / "out.tif")[2:4])
    true = pixels.astype(np.longdouble)
    assert abs(mean - true.mean()) < 2e-4 and abs(deviation - true.std()) < 1e-8


@pytest.mark.parametrize("kind, nodata", [("u1", 7), ("i2", -5), ("f4", 0.1), ("f8", -9999), ("f4", float("nan")), ("i8", -3)])
def test_nodata_is_left_out(tmp_path, kind, nodata):
    """0.1 is no Float32: what counts is what the samples can hold of it."""
    pixels = noise(kind)
    pixels[np.random.default_rng(2).random(pixels.shape) < 0.3] = nodata
    pixels[128:256, :128] = nodata  # a tile of nothing else
    if pixels.dtype.kind == "f":
        pixels[3, 5] = np.nan
    source = raster(pixels)
    source.GetRasterBand(1).SetNoDataValue(nodata)
    cog.ours(tmp_path / "out.tif", source, "BLOCKSIZE=128", "STATISTICS=YES", "OVERVIEW_RESAMPLING=NEAREST")
    counted = ~np.isnan(pixels) if pixels.dtype.kind == "f" else np.ones(pixels.shape, bool)
    if nodata == nodata:
        counted &= pixels != np.array(nodata).astype(kind)
    check(tmp_path / "out.tif", 1, pixels, counted)


@pytest.mark.parametrize("value", [0, 42.1, -7])
def test_all_pixels_are_alike(tmp_path, value):
    """No tile has pixels then. Of a constant nothing deviates."""
    source = gdal.GetDriverByName("MEM").Create("", WIDTH, HEIGHT, 1, gdal.GDT_Float32)
    source.GetRasterBand(1).Fill(value)
    source = gtiff(tmp_path / "in.tif", source, "TILED=YES", "COMPRESS=DEFLATE", "SPARSE_OK=YES")
    cog.ours(tmp_path / "out.tif", source, "BLOCKSIZE=128", "STATISTICS=YES", "SPARSE_OK=YES")
    printed = "%.14g" % np.float32(value)
    assert items(tmp_path / "out.tif") == [printed, printed, printed, "0", "100"]
    source.GetRasterBand(1).SetNoDataValue(float(np.float32(value)))
    cog.ours(tmp_path / "none.tif", source, "BLOCKSIZE=128", "STATISTICS=YES")
    assert items(tmp_path / "none.tif") == [None, None, None, None, "0"]


def test_almost_all_pixels_count(tmp_path):
    pixels = noise("u1", shape=(500, 500))
    pixels[pixels == 200] = 201
    pixels[499, 499] = 200
    source = raster(pixels)
    source.GetRasterBand(1).SetNoDataValue(200)
    cog.ours(tmp_path / "out.tif", source, "STATISTICS=YES")
    assert items(tmp_path / "out.tif")[4] == "99.999"


# --- what leaves pixels of all bands out -----------------------------------------------------------

TOGETHER = ["INTERLEAVE=PIXEL"] if VERSION >= 31100 else []


def half(shape=(HEIGHT, WIDTH)):
    y, x = np.mgrid[0 : shape[0], 0 : shape[1]]
    counted = (x + 2 * y) % 300 < 170
    counted[:128, :128] = False  # tiles that are wholly in and out
    counted[128:256, 128:256] = True
    return counted


@pytest.mark.parametrize("overviews, bands", [("AUTO", 3), ("NONE", 3), ("AUTO", 1)])
def test_mask(tmp_path, overviews, bands):
    bands = [noise("u1", seed) for seed in range(bands)]
    bands[-1][:, :] = 0  # alone: tiles that are missing, of one value, with a mask
    source = raster(*bands)
    source.CreateMaskBand(gdal.GMF_PER_DATASET)
    source.GetRasterBand(1).GetMaskBand().WriteArray(np.where(half(), 255, 0).astype("u1"))
    with parity.config(GDAL_TIFF_INTERNAL_MASK="YES"):
        source = gtiff(tmp_path / "in.tif", source, "TILED=YES", "SPARSE_OK=YES", "BLOCKXSIZE=128", "BLOCKYSIZE=128")
    cog.ours(tmp_path / "out.tif", source, "BLOCKSIZE=128", "STATISTICS=YES", f"OVERVIEWS={overviews}", "NUM_THREADS=2")
    for band in range(len(bands)):
        check(tmp_path / "out.tif", band + 1, bands[band], half())


def test_alpha(tmp_path):
    """Alpha itself has statistics of all its pixels."""
    bands = [noise("u1", seed) for seed in range(3)]
    alpha = np.where(half(), 130, 0).astype("u1")
    source = raster(*bands, alpha)
    source.GetRasterBand(4).SetColorInterpretation(gdal.GCI_AlphaBand)
    cog.ours(tmp_path / "out.tif", source, "BLOCKSIZE=128", "STATISTICS=YES", *TOGETHER)
    for band in range(3):
        check(tmp_path / "out.tif", band + 1, bands[band], half())
    check(tmp_path / "out.tif", 4, alpha, np.ones(alpha.shape, bool))
    if VERSION >= 31100:
        options = ["LAYOUT=COG", "STATISTICS=YES", "INTERLEAVE=BAND"]
        assert "alpha" in streamtiff.refused(tmp_path / "apart.tif", source, *options)


def test_values_of_all_bands_together(tmp_path):
    bands = [noise("u1", seed) % 3 for seed in range(3)]
    source = raster(*bands)
    source.SetMetadataItem("NODATA_VALUES", "1 2 0")
    cog.ours(tmp_path / "out.tif", source, "BLOCKSIZE=128", "STATISTICS=YES", "OVERVIEWS=NONE", *TOGETHER)
    counted = ~((bands[0] == 1) & (bands[1] == 2) & (bands[2] == 0))
    for band in range(3):
        check(tmp_path / "out.tif", band + 1, bands[band], counted)


# --- one pass, in any order ------------------------------------------------------------------------


def test_bytes_depend_on_neither_cap_nor_threads(tmp_path):
    """Stripes and threads complete tiles in other orders, and sums of floats are sums in one order. Blocks are decoded once."""
    pixels = noise("f4", shape=(1500, 1700)) * np.exp(noise("f4", 2, (1500, 1700)) / 300)
    source = gtiff(tmp_path / "in.tif", raster(pixels), "TILED=YES", "COMPRESS=DEFLATE", "BLOCKXSIZE=256", "BLOCKYSIZE=256")
    options = ["BLOCKSIZE=128", "STATISTICS=YES", "OVERVIEW_RESAMPLING=AVERAGE"]
    first = cog.ours(tmp_path / "first.tif", source, *options, "NUM_THREADS=1", "MEMORY_CAP=256MB")
    check(tmp_path / "first.tif", 1, pixels, np.ones(pixels.shape, bool))
    expected = (tmp_path / "first.tif").read_bytes()
    for threads, cap in ((1, "floor"), (2, "floor"), (2, "256MB"), (5, "40MB")):
        named = first["FLOOR_BYTES"] if cap == "floor" else cap
        cog.ours(tmp_path / "out.tif", source, *options, f"NUM_THREADS={threads}", f"MEMORY_CAP={named}")
        assert (tmp_path / "out.tif").read_bytes() == expected, (threads, cap)


def test_statistics_are_of_what_was_read(tmp_path):
    """Not of what a lossy codec makes of it."""
    if "JPEG" not in streamtiff.codecs():
        pytest.skip("libtiff has no JPEG")
    pixels = noise("u1")
    cog.ours(tmp_path / "out.tif", raster(pixels), "COMPRESS=JPEG", "QUALITY=30", "STATISTICS=YES")
    check(tmp_path / "out.tif", 1, pixels, np.ones(pixels.shape, bool))


# --- those of the source ---------------------------------------------------------------------------


def told_source():
    source = mem(2, width=300, height=200)
    for band in (1, 2):
        source.GetRasterBand(band).SetMetadata({"FIRST": "1", "ZZZ": str(band)})
        source.GetRasterBand(band).SetStatistics(1, 2, 1.5, 0.25)
    return source


def test_those_of_the_source(tmp_path):
    cog.ours(tmp_path / "auto.tif", told_source())
    assert items(tmp_path / "auto.tif", 2) == ["1", "2", "1.5", "0.25", None]
    cog.ours(tmp_path / "no.tif", told_source(), "STATISTICS=NO")
    assert items(tmp_path / "no.tif", 2) == [None] * 5
    dataset = gdal.Open(str(tmp_path / "no.tif"))
    assert dataset.GetRasterBand(2).GetMetadata() == {"FIRST": "1", "ZZZ": "2"}
    cog.ours(tmp_path / "yes.tif", told_source(), "STATISTICS=YES")
    source = told_source()
    pixels = source.GetRasterBand(2).ReadAsArray()
    check(tmp_path / "yes.tif", 2, pixels, np.ones(pixels.shape, bool))
    assert "STATISTICS" in streamtiff.refused(tmp_path / "bad.tif", told_source(), "LAYOUT=COG", "STATISTICS=SOME")
    assert "STATISTICS" in streamtiff.refused(tmp_path / "bad.tif", told_source(), "STATISTICS=YES")


@pytest.mark.skipif(VERSION < 30800, reason="STATISTICS is an option of COG from GDAL 3.8 on")
@pytest.mark.parametrize("statistics", ["AUTO", "YES", "NO"])
@pytest.mark.parametrize("kind", ["none", "told", "nodata", "masked", "jpeg"])
def test_as_the_cog_driver(tmp_path, statistics, kind):
    if VERSION < 31100 and (kind, statistics) in (("told", "YES"), ("masked", "YES"), ("jpeg", "YES")):
        pytest.skip("before 3.11 those that there are stay, and masks do not count")
    source = told_source() if kind == "told" else mem(1, gdal.GDT_UInt16, width=300, height=200)
    options = list(cog.PLAIN)
    if kind == "nodata":
        source.GetRasterBand(1).SetNoDataValue(0)
    elif kind == "masked":
        source.CreateMaskBand(gdal.GMF_PER_DATASET)
        source.GetRasterBand(1).GetMaskBand().WriteArray(np.where(half((200, 300)), 255, 0).astype("u1"))
    elif kind == "jpeg":
        source = raster(*[noise("u1", seed, (200, 300)) for seed in range(3)], np.where(half((200, 300)), 255, 0).astype("u1"))
        source.GetRasterBand(4).SetColorInterpretation(gdal.GCI_AlphaBand)
        for band in range(1, 5):
            source.GetRasterBand(band).SetStatistics(1, 2, 1.5, 0.25)
        options = ["COMPRESS=JPEG", "BIGTIFF=NO"]
    options += ["BLOCKSIZE=128", f"STATISTICS={statistics}", "RESAMPLING=NEAREST"]
    if kind not in ("masked", "jpeg"):
        cog.same_as_gdal(tmp_path, source, *options)
        return
    for driver in (cog.DRIVER, streamtiff.DRIVER):  # GDAL sums pixels of masks in another way, and counts those it left out
        dataset, kept = cog.copy(driver, tmp_path / f"{driver}.tif", source, *options)
        assert dataset and kept == []
    dataset = None
    for band in range(1, source.RasterCount if kind == "jpeg" else 2):
        theirs, ours = (items(tmp_path / f"{driver}.tif", band)[:4] for driver in (cog.DRIVER, streamtiff.DRIVER))
        assert [text is None for text in ours] == [text is None for text in theirs]
        assert [float(text or 0) for text in ours] == pytest.approx([float(text or 0) for text in theirs], rel=1e-12)
