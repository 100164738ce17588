"""LAYOUT=COG with overviews: the pixels of every level, and their masks, against GDAL's COG driver; whole rasters.

NEAREST, AVERAGE, RMS and MODE must be equal. The methods that weigh pixels with a kernel may round the last bit of a
few pixels differently, where GDAL's vector code takes other pixels together than it does in whole levels."""

import cog
import numpy as np
import pytest
import streamtiff
import terrain
from osgeo import gdal

EXACT = ["NEAREST", "AVERAGE", "RMS", "MODE"]
KERNELS = ["BILINEAR", "CUBIC", "CUBICSPLINE", "LANCZOS", "GAUSS"]
METHODS = EXACT + KERNELS
TILED = ["TILED=YES", "BLOCKXSIZE=256", "BLOCKYSIZE=256", "COMPRESS=DEFLATE"]
OUTPUT = ["BLOCKSIZE=128", "COMPRESS=DEFLATE", "LEVEL=1", "NUM_THREADS=2"]


def levels(path):
    """Pixels of all bands and their masks, level by level: the raster, then its overviews."""
    dataset = gdal.Open(str(path))
    found = []
    for level in range(-1, dataset.GetRasterBand(1).GetOverviewCount()):
        bands = [dataset.GetRasterBand(i + 1) for i in range(dataset.RasterCount)]
        if level >= 0:
            bands = [band.GetOverview(level) for band in bands]
        found.append(
            (
                [band.ReadAsArray() for band in bands],
                [band.GetMaskBand().ReadAsArray() for band in bands],
            )
        )
    return found


def check_same(ours, theirs, method):
    """As equal as the method allows."""
    assert [pixels[0].shape for pixels, _ in ours] == [pixels[0].shape for pixels, _ in theirs]
    for level, ((our_pixels, our_masks), (their_pixels, their_masks)) in enumerate(zip(ours, theirs)):
        for band, (mine, his) in enumerate(zip(our_masks, their_masks)):
            assert np.array_equal(mine, his), f"mask, level {level}, band {band + 1}"
        for band, (mine, his) in enumerate(zip(our_pixels, their_pixels)):
            differs = (mine != his) & ~((mine != mine) & (his != his))  # NaN is NaN
            if method in EXACT or level == 0:
                assert not differs.any(), f"{differs.sum()} pixels, level {level}, band {band + 1}"
                continue
            assert differs.sum() <= mine.size / 1000, f"{differs.sum()} pixels, level {level}, band {band + 1}"
            mine, his = mine[differs].astype(np.float64), his[differs].astype(np.float64)
            last_bit = np.maximum(1e-30, np.abs(his) * 2.5e-7) if our_pixels[0].dtype.kind == "f" else 1
            assert (np.abs(mine - his) <= last_bit).all()


def compare(tmp_path, source, method, *options, also=("MEMORY_CAP=64MB",)):
    """Writes with both drivers and compares. Gives our figures and levels."""
    resampling = [] if method is None else [f"OVERVIEW_RESAMPLING={method}"]
    mine, his = tmp_path / "ours.tif", tmp_path / "theirs.tif"
    dataset, kept = cog.copy("COG", his, source, *OUTPUT, *resampling, *options)
    assert dataset is not None, kept
    dataset = None
    dataset, kept = cog.copy(streamtiff.DRIVER, mine, source, *OUTPUT, *resampling, *options, *also)
    assert dataset is not None, kept
    assert not streamtiff.texts(kept, gdal.CE_Failure)
    figures = streamtiff.streaming(dataset)
    dataset = None
    streamtiff.check_figures(figures)
    cog.check_valid(mine)
    found = levels(mine)
    check_same(found, levels(his), method or "CUBIC")
    return figures, found


def raster(path, width, height, dtype="Float32", bands=1, options=TILED):
    terrain.make_terrain(path, width, height, dtype, bands, list(options))
    return gdal.Open(str(path), gdal.GA_Update)


ODD, EVEN = (1301, 803), (1024, 640)


@pytest.mark.parametrize(
    "method,size", [*((method, ODD) for method in METHODS), *((method, EVEN) for method in ("AVERAGE", "CUBIC"))]
)
def test_methods(tmp_path, method, size):
    source = raster(tmp_path / "in.tif", *size)
    figures, found = compare(tmp_path, source, method)
    assert len(found) > 3
    assert figures["SPOOL_BYTES"] > 0


@pytest.mark.parametrize("dtype", ["Byte", "UInt16", "Int16", "UInt32", "Int32", "Float64", "UInt64", "Int64"])
def test_types(tmp_path, dtype):
    source = raster(tmp_path / "in.tif", 417, 301, dtype, 2)
    for method in ("AVERAGE", "CUBIC", *(["NEAREST", "MODE"] if dtype in ("Byte", "UInt16", "Float64", "Int64") else [])):
        compare(tmp_path, source, method)


@pytest.mark.parametrize("dtype", ["CInt16", "CInt32", "CFloat32", "CFloat64"])
def test_complex_numbers(tmp_path, dtype):
    source = raster(tmp_path / "in.tif", 417, 301, dtype)
    for method in ("NEAREST", "AVERAGE", "RMS"):
        compare(tmp_path, source, method)


def test_kernels_are_not_for_complex_numbers(tmp_path):
    source = raster(tmp_path / "in.tif", 300, 200, "CFloat32")
    text = streamtiff.refused(
        tmp_path / "out.tif", source, "LAYOUT=COG", "BLOCKSIZE=128", "OVERVIEW_RESAMPLING=CUBIC"
    )
    assert "complex data types" in text


def covered(source):
    source.CreateMaskBand(gdal.GMF_PER_DATASET)
    mask = np.full((source.RasterYSize, source.RasterXSize), 255, np.uint8)
    source.GetRasterBand(1).GetMaskBand().WriteArray(holes(mask, 0))
    return source


def colored(width, height, dtype=gdal.GDT_Byte):
    source = gdal.GetDriverByName("MEM").Create("", width, height, 1, dtype)
    source.GetRasterBand(1).WriteArray(terrain.samples("Byte", 0, 0, width, height))
    if dtype == gdal.GDT_Byte:
        colors = gdal.ColorTable()
        for i in range(256):
            colors.SetColorEntry(i, (255 - i, i * 7 % 256, i // 2, 255))
        source.GetRasterBand(1).SetColorTable(colors)
    return source


@pytest.mark.parametrize("method", ["AVERAGE", "RMS", "CUBIC"])
def test_bands_that_are_made_one_by_one(tmp_path, method):
    """Of complex numbers and palettes: each level from the raster if there is a mask, else from the one before however thin it is."""
    kinds = [gdal.GDT_Byte] if method == "CUBIC" else [gdal.GDT_Byte, gdal.GDT_CFloat32]
    for dtype in kinds:
        for source in (covered(colored(301, 290, dtype)), colored(1, 700, dtype)):
            compare(tmp_path, source, method, "OVERVIEW_COUNT=3")


THIN = [(1, 700), (700, 1), (3, 5), (129, 128), (128, 129), (5, 300), (1000, 2)]


@pytest.mark.parametrize("size,count", [((1, 1), None), *((size, count) for size in THIN for count in (None, 9))])
def test_thin_and_tiny(tmp_path, size, count):
    """Any number of levels, down to one pixel; a level that is no narrower than the one before is made from the raster."""
    options = [] if count is None else [f"OVERVIEW_COUNT={count}"]
    source = raster(tmp_path / "in.tif", *size, options=[])
    for method in ("AVERAGE", "CUBIC"):
        compare(tmp_path, source, method, *options)


def holes(array, value):
    array[90:260, 40:390] = value  # several tiles of a level and more
    array[::7, ::5] = value
    array[400:420] = value
    return array


NODATA = [("Float32", float("nan")), ("Byte", 0), ("Int16", -32768)]


@pytest.mark.parametrize(
    "method,dtype,nodata",
    [
        *((method, "Float32", -9999) for method in METHODS),
        *((method, *kind) for kind in NODATA for method in ("AVERAGE", "MODE", "CUBIC")),
    ],
)
def test_nodata(tmp_path, method, dtype, nodata):
    source = raster(tmp_path / "in.tif", 439, 430, dtype, 2)
    for band in (1, 2):
        array = source.GetRasterBand(band).ReadAsArray()
        source.GetRasterBand(band).WriteArray(holes(array, nodata))
        source.GetRasterBand(band).SetNoDataValue(nodata)
    source = None
    compare(tmp_path, gdal.Open(str(tmp_path / "in.tif")), method)


@pytest.mark.parametrize("method", ["AVERAGE", "MODE", "CUBIC"])
def test_nodata_that_never_occurs(tmp_path, method):
    """GDAL's overviews round otherwise where a raster has a nodata value at all."""
    source = raster(tmp_path / "in.tif", 640, 512)
    source.GetRasterBand(1).SetNoDataValue(-9999)
    source = None
    compare(tmp_path, gdal.Open(str(tmp_path / "in.tif")), method)


FEW = ("AVERAGE", "MODE", "CUBIC")


@pytest.mark.parametrize(
    "method,inside", [*((method, "YES") for method in METHODS), *((method, "NO") for method in FEW)]
)
def test_mask(tmp_path, method, inside):
    """Masks of one bit and of eight, whose levels GDAL makes differently."""
    gdal.SetConfigOption("GDAL_TIFF_INTERNAL_MASK", inside)
    source = raster(tmp_path / "in.tif", 439, 430, "Byte", 2)
    source.CreateMaskBand(gdal.GMF_PER_DATASET)
    source.GetRasterBand(1).GetMaskBand().WriteArray(holes(np.full((430, 439), 255, np.uint8), 0))
    source = None
    gdal.SetConfigOption("GDAL_TIFF_INTERNAL_MASK", None)
    compare(tmp_path, gdal.Open(str(tmp_path / "in.tif")), method)


@pytest.mark.parametrize("method", ["AVERAGE", "RMS", "MODE", "GAUSS", "CUBIC"])
def test_mask_and_nodata(tmp_path, method):
    """Pixels in the mask count even where they have the nodata value, and are never given it; holes have it, too."""
    for dtype, nodata in (("Byte", 0), ("Int16", -7)):
        source = gdal.GetDriverByName("MEM").Create("", 290, 270, 1, gdal.GetDataTypeByName(dtype))
        band = source.GetRasterBand(1)
        y, x = np.mgrid[0:270, 0:290]
        array = np.where((x // 3 + y // 5) % 3 == 0, nodata, 40 + x % 7 * 9)
        array[:, :130] = nodata
        band.WriteArray(array)
        band.SetNoDataValue(nodata)
        source.CreateMaskBand(gdal.GMF_PER_DATASET)
        band.GetMaskBand().WriteArray(np.where((x * 3 + y) % 200 < 150, 255, 0).astype("u1"))
        masked = gdal.GetDriverByName("GTiff").CreateCopy(str(tmp_path / "in.tif"), source)
        compare(tmp_path, masked, method)


def test_mask_and_default_method(tmp_path):
    source = gdal.GetDriverByName("MEM").Create("", 800, 500, 1, gdal.GDT_Float32)
    source.GetRasterBand(1).WriteArray(terrain.samples("Float32", 0, 0, 800, 500))
    source.CreateMaskBand(gdal.GMF_PER_DATASET)
    source.GetRasterBand(1).GetMaskBand().WriteArray(holes(np.full((500, 800), 255, np.uint8), 0))
    compare(tmp_path, source, None)


@pytest.mark.parametrize(
    "method,bands,dtype",
    [
        *((method, 4, "Byte") for method in METHODS),
        *((method, *kind) for kind in [(2, "Byte"), (4, "UInt16")] for method in FEW),
    ],
)
def test_alpha(tmp_path, method, bands, dtype):
    photometric = ["PHOTOMETRIC=RGB"] if bands == 4 else []
    source = raster(tmp_path / "in.tif", 439, 502, dtype, bands, TILED + ["ALPHA=YES"] + photometric)
    opaque = 255 if dtype == "Byte" else 65535
    alpha = holes(np.full((502, 439), opaque, np.uint16), 0)
    alpha[430:490] = np.arange(439) * 71 % (opaque + 1)  # half transparent
    source.GetRasterBand(bands).WriteArray(alpha)
    source = None
    compare(tmp_path, gdal.Open(str(tmp_path / "in.tif")), method)


@pytest.mark.parametrize("method", FEW)
def test_alpha_and_nodata(tmp_path, method):
    """The nodata value is alpha's, too: GDAL has it where alpha is 0, and never where it is not."""
    for dtype, nodata, opaque in (("Byte", 255, 255), ("UInt16", 7, 65535)):
        source = gdal.GetDriverByName("MEM").Create("", 391, 270, 2, gdal.GetDataTypeByName(dtype))
        y, x = np.mgrid[0:270, 0:391]
        source.GetRasterBand(1).WriteArray(np.where((x + y) % 9 == 0, nodata, 40 + x % 7 * 9))
        source.GetRasterBand(2).WriteArray(np.where((x > 135) | ((x * 3 + y) % 200 < 150) & (x > 20), opaque, 0))
        source.GetRasterBand(2).SetColorInterpretation(gdal.GCI_AlphaBand)
        for band in (1, 2):
            source.GetRasterBand(band).SetNoDataValue(nodata)
        compare(tmp_path, source, method)


def with_alpha(dtype, bands, place, opaque):
    """Wide areas that alpha leaves out, most of one value, and half transparent pixels."""
    source = gdal.GetDriverByName("MEM").Create("", 391, 270, bands, gdal.GetDataTypeByName(dtype))
    y, x = np.mgrid[0:270, 0:391]
    for band in range(1, bands + 1):
        values = np.where((x + band * y) % 9 == 0, 7, 40 + x % (6 + band) * 9)
        source.GetRasterBand(band).WriteArray(np.where(x < 140, 30, values))
    alpha = np.where((x > 260) | ((x * 3 + y) % 200 < 150) & (x > 140), opaque, 0)
    alpha[250:260] = x[250:260] % (opaque + 1)
    source.GetRasterBand(place).WriteArray(alpha)
    source.GetRasterBand(place).SetColorInterpretation(gdal.GCI_AlphaBand)
    return source


@pytest.mark.parametrize("method", [*FEW, "RMS"])
@pytest.mark.parametrize("bands,place", [(2, 1), (3, 2), (3, 3)])
@pytest.mark.parametrize("nodata", ["none", "all", "others"])
def test_alpha_in_any_band(tmp_path, method, bands, place, nodata):
    """It masks itself where the first band is masked at all; others it masks only as the last of two or four."""
    for dtype, opaque in (("Byte", 255), ("UInt16", 65535), ("Float32", 255)):
        source = with_alpha(dtype, bands, place, opaque)
        for band in range(1, bands + 1):
            if nodata == "all" or (nodata == "others" and band != place):
                source.GetRasterBand(band).SetNoDataValue(7)
        compare(tmp_path, source, method)


@pytest.mark.parametrize("method", [*FEW, "RMS"])
@pytest.mark.parametrize("dtype,opaque", [("Byte", 255), ("UInt16", 65535), ("Float64", 255)])
def test_alpha_and_mask(tmp_path, method, dtype, opaque):
    """Alpha is its own mask, and all else has that of the dataset."""
    source = with_alpha(dtype, 2, 2, opaque)
    source.CreateMaskBand(gdal.GMF_PER_DATASET)
    y, x = np.mgrid[0:270, 0:391]
    source.GetRasterBand(1).GetMaskBand().WriteArray(
        np.where((x < 140) | ((x + 2 * y) % 250 < 170) & (x < 265), 255, 0).astype(np.uint8)
    )
    compare(tmp_path, source, method)


@pytest.mark.parametrize("interleave", ["BAND", "TILE"])
@pytest.mark.skipif(cog.VERSION < 31100, reason="INTERLEAVE is an option of COG from GDAL 3.11 on")
def test_alpha_in_another_plane(tmp_path, interleave):
    source = raster(tmp_path / "in.tif", 300, 200, "Byte", 4, TILED + ["ALPHA=YES", "PHOTOMETRIC=RGB"])
    options = [*OUTPUT, "LAYOUT=COG", f"INTERLEAVE={interleave}"]
    text = streamtiff.refused(tmp_path / "out.tif", source, *options, "OVERVIEW_RESAMPLING=AVERAGE")
    assert "alpha" in text and "INTERLEAVE=PIXEL" in text
    compare(tmp_path, source, "NEAREST", f"INTERLEAVE={interleave}")


@pytest.mark.parametrize("method", FEW)
@pytest.mark.parametrize("dtype", ["Byte", "UInt16"])
def test_values_of_all_bands_together(tmp_path, method, dtype):
    """NODATA_VALUES: pixels that have them in all bands are left out, not those that have one of them."""
    source = raster(tmp_path / "in.tif", 439, 430, dtype, 3)
    for band in (1, 2, 3):
        array = holes(source.GetRasterBand(band).ReadAsArray(), band)
        array[300:380, 100 * band :] = band  # of one band, or two of them
        source.GetRasterBand(band).WriteArray(array)
    source.SetMetadataItem("NODATA_VALUES", "1 2 3")
    source = None
    compare(tmp_path, gdal.Open(str(tmp_path / "in.tif")), method)


@pytest.mark.parametrize("method", [None, "AVERAGE", "RMS", "MODE", "CUBIC"])
def test_palette(tmp_path, method):
    source = raster(tmp_path / "in.tif", 439, 503, "Byte")
    colors = gdal.ColorTable()
    for i in range(256):
        colors.SetColorEntry(i, (255 - i, i * 7 % 256, i // 2, 255))
    source.GetRasterBand(1).SetColorTable(colors)
    source = None
    compare(tmp_path, gdal.Open(str(tmp_path / "in.tif")), method)


def test_large_areas_of_one_value(tmp_path):
    """Tiles of one value take a short cut through every level."""
    for dtype in ("Byte", "Float32", "Int32"):
        path = tmp_path / f"{dtype}.tif"
        source = gdal.GetDriverByName("GTiff").Create(
            str(path), 1100, 900, 1, gdal.GetDataTypeByName(dtype), TILED + ["SPARSE_OK=TRUE"]
        )
        source.GetRasterBand(1).WriteArray(terrain.samples("Byte", 0, 0, 300, 200).astype(np.float32), 700, 450)
        source.GetRasterBand(1).WriteArray(np.full((200, 300), 77), 800, 700)
        source = None
        for method in ("AVERAGE", "CUBIC"):
            compare(tmp_path, gdal.Open(str(path)), method)


def test_squares_of_one_value(tmp_path):
    """Whose mean is rounded: no short cut."""
    source = gdal.GetDriverByName("MEM").Create("", 301, 133, 2, gdal.GDT_UInt16)
    for band, value in ((1, 32768), (2, 65533)):
        source.GetRasterBand(band).Fill(value)
    compare(tmp_path, source, "RMS")


LAYOUTS = {"tiles": TILED, "rows": ["BLOCKYSIZE=1"]}
CREWS = {"tiles": [(1, 1), (8, 2), (9, 1), (64, 4)], "rows": [(1, 3), (12, 1), (64, 2)]}  # MB, threads


def test_bytes_are_the_same_whatever_the_cap(tmp_path):
    """Sweep, stripes, spilled levels and threads leave no trace in the file."""
    seen, spilled, files = set(), set(), set()
    for name, layout in LAYOUTS.items():
        terrain.make_terrain(tmp_path / f"{name}.tif", 5003, 611, "Float32", 1, layout)
        for cap, threads in CREWS[name]:
            dataset, kept = cog.copy(
                streamtiff.DRIVER,
                tmp_path / "out.tif",
                tmp_path / f"{name}.tif",
                "BLOCKSIZE=256",
                "COMPRESS=NONE",
                "OVERVIEW_RESAMPLING=LANCZOS",
                f"MEMORY_CAP={cap}MB",
                f"NUM_THREADS={threads}",
            )
            figures = streamtiff.streaming(dataset)
            dataset = None
            streamtiff.check_figures(figures)
            if threads == 1:
                assert figures["PREDICTED_PEAK_BYTES"] <= 1.15 * figures["PEAK_BYTES"]
            seen.add(figures["SWEEP"])
            spilled.add(figures["SPILL_BYTES"] > 0)
            files.add((tmp_path / "out.tif").read_bytes())
    assert seen == {"BANDS", "STRIPES", "SPILL"}
    assert spilled == {True, False}
    assert len(files) == 1


@pytest.mark.parametrize("cap", ["3MB", "64MB"])
def test_terrain_operators(tmp_path, cap):
    """A source that is read row by row, and one that is derived on the way."""
    dem = str(terrain.make_terrain(tmp_path / "dem.tif", 1300, 900, options=TILED))
    theirs, ours, derived = (str(tmp_path / f"{name}.tif") for name in ("theirs", "ours", "derived"))
    gdal.DEMProcessing(theirs, dem, "slope", format="COG", creationOptions=OUTPUT)
    also = [*OUTPUT, "LAYOUT=COG", f"MEMORY_CAP={cap}"]
    with streamtiff.messages():  # a cap that is raised
        gdal.DEMProcessing(ours, dem, "slope", format=streamtiff.DRIVER, creationOptions=also)
        gdal.Translate(derived, dem, format=streamtiff.DRIVER, creationOptions=also + ["DERIVE=slope"])
    expected = levels(theirs)
    check_same(levels(ours), expected, "CUBIC")
    check_same(levels(derived), expected, "CUBIC")


def test_views_of_part_of_a_raster(tmp_path):
    raster(tmp_path / "in.tif", 1301, 900, "Byte", 3)
    view = gdal.Translate("", str(tmp_path / "in.tif"), format="VRT", srcWin=[101, 57, 900, 700])
    for method in ("AVERAGE", "CUBIC"):
        compare(tmp_path, view, method)


def test_nbits(tmp_path):
    source = raster(tmp_path / "in.tif", 700, 500, "UInt16", 1, TILED + ["NBITS=12"])
    source.GetRasterBand(1).WriteArray(terrain.samples("UInt16", 0, 0, 700, 500) % 4096)
    source = None
    for method in ("AVERAGE", "LANCZOS"):
        compare(tmp_path, gdal.Open(str(tmp_path / "in.tif")), method)


@pytest.mark.skipif(not hasattr(gdal, "GDT_Float16"), reason="Float16 is a type from GDAL 3.11 on")
@pytest.mark.parametrize("method", ["NEAREST", "AVERAGE", "RMS", "CUBIC"])
def test_half_floats(tmp_path, method):
    """The COG driver keeps Float32 between levels; ours are made from the one before as it is stored, as gdaladdo's are."""
    source = gdal.GetDriverByName("MEM").Create("", 600, 400, 1, gdal.GDT_Float16)
    source.GetRasterBand(1).WriteArray(terrain.heights(0, 0, 600, 400).astype(np.float16))
    cog.ours(tmp_path / "ours.tif", source, *OUTPUT, f"OVERVIEW_RESAMPLING={method}")
    gdal.GetDriverByName("GTiff").CreateCopy(str(tmp_path / "theirs.tif"), source)
    with gdal.OpenEx(str(tmp_path / "theirs.tif"), gdal.OF_UPDATE) as theirs:
        theirs.BuildOverviews(method, [2, 4, 8])
    check_same(levels(tmp_path / "ours.tif"), levels(tmp_path / "theirs.tif"), method)
