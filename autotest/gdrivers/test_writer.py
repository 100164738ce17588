"""StreamTIFFWriter: what programs push through Create(), in any order, against what GTiff makes of the same calls."""

import numpy as np
import pytest
from osgeo import gdal, osr
from pairs import pairwise
from pushed import NUMPY_TYPES, PATTERNS, WRITER, close, create, noise, push
from streamtiff import codecs, info, listing, messages, pixels, streaming, texts

WIDTH, HEIGHT = 203, 131
LAYOUTS = {
    "tiles": ["TILED=YES", "BLOCKXSIZE=64", "BLOCKYSIZE=48"],
    "strips": ["TILED=NO", "BLOCKYSIZE=10"],
    "strips of one row": ["TILED=NO", "BLOCKYSIZE=1"],
}
TYPES = [gdal.GDT_Byte, gdal.GDT_Int16, gdal.GDT_UInt32, gdal.GDT_Int64, gdal.GDT_Float32, gdal.GDT_Float64]


def both(tmp_path, bands, data_type, options, do, also=(), width=WIDTH, height=HEIGHT):
    """The same calls on a dataset of either driver; gives the closed files' paths (ours, theirs)."""
    paths = []
    for driver, name, more in ((WRITER, "ours.tif", also), ("GTiff", "theirs.tif", ())):
        path = tmp_path / name
        held = [create(path, width, height, bands, data_type, *options, *more, driver=driver)]
        do(held[0])
        assert close(held) == []
        paths.append(path)
    return paths


def same(ours, theirs):
    assert pixels(ours) == pixels(theirs)
    assert info(ours) == info(theirs)
    assert sorted(path.name for path in ours.parent.glob("ours*")) == sorted(
        path.name.replace("theirs", "ours") for path in ours.parent.glob("theirs*")
    )


@pytest.mark.parametrize(
    "pattern, layout, data_type, bands, interleave, band_by_band, cap, threads",
    pairwise(PATTERNS, LAYOUTS, TYPES, [1, 3], ["PIXEL", "BAND"], [True, False], ["1KB", "64MB"], ["1", "2"]),
)
def test_writer_any_order_of_windows(
    tmp_path, pattern, layout, data_type, bands, interleave, band_by_band, cap, threads
):
    """At the least cap (a warning tells that it is raised), and with room for all tiles."""
    values = noise(WIDTH, HEIGHT, bands, data_type)
    options = [*LAYOUTS[layout], f"INTERLEAVE={interleave}", "COMPRESS=DEFLATE", "PREDICTOR=1"]
    windows = PATTERNS[pattern](WIDTH, HEIGHT)
    target = tmp_path / "ours.tif"
    with messages():
        held = [
            gdal.GetDriverByName(WRITER).Create(
                str(target), WIDTH, HEIGHT, bands, data_type, [*options, f"MEMORY_CAP={cap}", f"NUM_THREADS={threads}"]
            )
        ]
    push(held[0], values, windows, band_by_band)
    figures = streaming(held[0])
    assert figures["PEAK_BYTES"] <= figures["CAP_BYTES"] == max(figures["FLOOR_BYTES"], figures["REQUESTED_CAP_BYTES"])
    assert figures["REENCODED_TILES"] == 0
    if cap == "64MB":
        assert figures["SPILL_BYTES"] == 0
    assert close(held) == []
    theirs = [create(tmp_path / "theirs.tif", WIDTH, HEIGHT, bands, data_type, *options, driver="GTiff")]
    push(theirs[0], values, PATTERNS["chunks of many rows"](WIDTH, HEIGHT))
    assert close(theirs) == []
    same(target, tmp_path / "theirs.tif")


@pytest.mark.parametrize("codec", codecs())
def test_writer_rewritten_tiles_of_every_codec(tmp_path, codec):
    """A tile that was encoded and is written to again is decoded, and encoded once more when it is left."""
    bands, data_type = (3, gdal.GDT_Byte) if codec in ("JPEG", "WEBP") else (2, gdal.GDT_Int16)
    if codec.startswith("CCITT"):
        bands, data_type = 1, gdal.GDT_Byte
    lossless = {"WEBP": ["WEBP_LOSSLESS=YES"]}.get(codec, [])
    bits = ["NBITS=1"] if codec.startswith("CCITT") else []
    values = noise(WIDTH, HEIGHT, bands, data_type) % (2 if bits else 120)
    second = noise(50, 40, bands, data_type, seed=2) % (2 if bits else 120)
    options = [*LAYOUTS["tiles"], f"COMPRESS={codec}", "INTERLEAVE=PIXEL", *lossless, *bits]
    expected = values.copy()
    expected[:, 30:70, 20:70] = second
    held = [create(tmp_path / "ours.tif", WIDTH, HEIGHT, bands, data_type, *options)]
    push(held[0], values, PATTERNS["rows"](WIDTH, HEIGHT))
    for band in range(bands):
        held[0].GetRasterBand(band + 1).WriteRaster(20, 30, 50, 40, np.ascontiguousarray(second[band]).tobytes())
    read = held[0].ReadAsArray().reshape(expected.shape)
    assert close(held) == []
    result = gdal.Open(str(tmp_path / "ours.tif")).ReadAsArray().reshape(expected.shape)
    if codec == "JPEG":
        assert np.abs(result.astype(int) - expected).max() < 60
    else:
        assert np.array_equal(read, expected)
        assert np.array_equal(result, expected)


@pytest.mark.parametrize("pattern", ["rows", "last row second", "windows across tiles", "random"])
def test_writer_files_are_no_larger_than_gtiffs(tmp_path, pattern):
    """Where tiles end with the raster: what is beyond it is other pixels than GTiff's."""
    values = noise(4 * 64, 3 * 48, 3, gdal.GDT_Byte)
    sizes = []
    for driver in (WRITER, "GTiff"):
        target = tmp_path / f"{driver}.tif"
        options = [*LAYOUTS["tiles"], "COMPRESS=DEFLATE", "PREDICTOR=2"]
        held = [create(target, 4 * 64, 3 * 48, 3, gdal.GDT_Byte, *options, driver=driver)]
        push(held[0], values, PATTERNS[pattern](4 * 64, 3 * 48))
        assert close(held) == []
        sizes.append(target.stat().st_size)
    assert sizes[0] <= 1.02 * sizes[1]


def test_writer_a_tile_is_encoded_again_once(tmp_path):
    """However often it is written to, as long as there is room for it."""
    values = noise(WIDTH, HEIGHT, 1, gdal.GDT_Int16)
    held = [create(tmp_path / "o.tif", WIDTH, HEIGHT, 1, gdal.GDT_Int16, *LAYOUTS["tiles"], "MEMORY_CAP=16MB")]
    push(held[0], values, PATTERNS["rows"](WIDTH, HEIGHT))
    push(held[0], values + 1, PATTERNS["rows"](WIDTH, HEIGHT))
    assert streaming(held[0])["REENCODED_TILES"] == 0
    push(held[0], values + 2, PATTERNS["random"](WIDTH, HEIGHT))
    assert close(held) == []
    assert np.array_equal(gdal.Open(str(tmp_path / "o.tif")).ReadAsArray(), values[0] + 2)
    once = tmp_path / "once.tif"
    held = [create(once, WIDTH, HEIGHT, 1, gdal.GDT_Int16, *LAYOUTS["tiles"], "MEMORY_CAP=16MB")]
    push(held[0], values + 2, PATTERNS["rows"](WIDTH, HEIGHT))
    assert close(held) == []
    assert (tmp_path / "o.tif").stat().st_size <= 2.1 * once.stat().st_size  # a second version that does not fit the first's place


def test_writer_reads_what_is_and_what_is_not_there(tmp_path):
    """In every state of a tile: open, spilled, encoded, never written; in other types, with other spacings, resampled."""

    def do(dataset):
        dataset.GetRasterBand(1).SetNoDataValue(77)
        values = noise(WIDTH, HEIGHT, 2, gdal.GDT_Int16)
        push(dataset, values[:, :60], PATTERNS["rows"](WIDTH, 60))
        push(dataset, values[:, :10, :10], [(0, 0, 10, 10)])
        dataset.GetRasterBand(2).WriteRaster(60, 90, 20, 20, values[1, :20, :20].tobytes())
        seen.append(dataset.ReadRaster())
        seen.append(dataset.ReadRaster(3, 50, 150, 60, buf_type=gdal.GDT_Float64))
        seen.append(dataset.GetRasterBand(2).ReadRaster(0, 0, WIDTH, HEIGHT, 50, 40, buf_type=gdal.GDT_Byte))
        if dataset.GetDriver().ShortName == WRITER:  # GTiff's block does not know what waits in GDAL's cache
            assert dataset.GetRasterBand(2).ReadBlock(1, 1) == dataset.GetRasterBand(2).ReadRaster(64, 48, 64, 48)
        seen.append(dataset.GetRasterBand(1).Checksum())
        seen.append(dataset.GetRasterBand(1).ComputeRasterMinMax(False))
        seen.append(dataset.GetRasterBand(2).GetMaskBand().Checksum())
        for band in (1, 2):  # of one band alone GTiff makes the other one 0, and not nodata
            dataset.GetRasterBand(band).Fill(5)
        dataset.GetRasterBand(1).WriteRaster(10, 10, 30, 1, b"\1\0\2\0" * 15)
        seen.append(dataset.GetRasterBand(1).Checksum())
        # resampled while it is written
        dataset.GetRasterBand(2).WriteRaster(100, 100, 40, 20, b"\3\0\4\0" * 50, 10, 10)
        seen.append(dataset.GetRasterBand(2).Checksum())

    seen = []
    with messages():
        ours, theirs = both(tmp_path, 2, gdal.GDT_Int16, [*LAYOUTS["tiles"], "COMPRESS=DEFLATE", "PREDICTOR=1"], do)
    assert seen[: len(seen) // 2] == seen[len(seen) // 2 :]
    assert pixels(ours) == pixels(theirs)


def describe(dataset):
    reference = osr.SpatialReference()
    reference.ImportFromEPSG(32633)
    dataset.SetSpatialRef(reference)
    dataset.SetGeoTransform([500000, 10, 0, 5000000, 0, -10])
    dataset.SetMetadata({"AREA_OR_POINT": "Point", "TIFFTAG_SOFTWARE": "a program", "KEY": "value"})
    dataset.SetMetadataItem("LINE_OFF", "1", "MINE")
    for index in range(dataset.RasterCount):
        band = dataset.GetRasterBand(index + 1)
        band.SetDescription(f"band {index}")
        band.SetMetadataItem("UNIT_OF", str(index))
        band.SetNoDataValue(7)
        band.SetScale(2)
        band.SetOffset(index)
        band.SetUnitType("m")


def colours(dataset):
    table = gdal.ColorTable()
    for index in range(120):
        table.SetColorEntry(index, (index, 255 - index, 3, 255))
    dataset.GetRasterBand(1).SetColorTable(table)
    dataset.GetRasterBand(1).SetCategoryNames(["sea", "land"])


def points(dataset):
    reference = osr.SpatialReference()
    reference.ImportFromEPSG(4326)
    dataset.SetGCPs([gdal.GCP(1, 2, 0, 3, 4), gdal.GCP(5, 2, 0, 30, 4), gdal.GCP(1, 9, 0, 3, 40)], reference)


def alpha(dataset):
    for band, kind in zip((1, 2, 3, 4), (gdal.GCI_BlueBand, gdal.GCI_GreenBand, gdal.GCI_RedBand, gdal.GCI_AlphaBand)):
        dataset.GetRasterBand(band).SetColorInterpretation(kind)


@pytest.mark.parametrize("when", ["before", "after", "between"])
@pytest.mark.parametrize("bands, what", [(1, describe), (3, describe), (4, describe), (1, colours), (2, points), (4, alpha)])
def test_writer_takes_over_what_is_set_before_or_after_the_pixels(tmp_path, bands, what, when):
    values = noise(WIDTH, HEIGHT, bands, gdal.GDT_Byte)
    windows = PATTERNS["windows across tiles"](WIDTH, HEIGHT)

    def do(dataset):
        push(dataset, values, [] if when == "before" else windows[:9])
        if when == "after":
            push(dataset, values, windows[9:])
        what(dataset)
        if when == "after":
            assert dataset.GetRasterBand(1).GetDescription() == ("band 0" if what is describe else "")
        else:
            push(dataset, values, windows if when == "before" else windows[9:])

    with messages():
        ours, theirs = both(tmp_path, bands, gdal.GDT_Byte, [*LAYOUTS["tiles"], "COMPRESS=LZW", "PREDICTOR=1"], do)
    same(ours, theirs)


@pytest.mark.parametrize("sparse", ["YES", "NO"])
@pytest.mark.parametrize("nodata", [None, 9])
@pytest.mark.parametrize("interleave", ["PIXEL", "BAND"])
def test_writer_abandoned(tmp_path, sparse, nodata, interleave):
    """A program that is cancelled closes the dataset: what it did not write is nodata, in whole tiles and in parts."""
    values = noise(WIDTH, HEIGHT, 2, gdal.GDT_Byte)

    def do(dataset):
        if nodata:
            dataset.GetRasterBand(1).SetNoDataValue(nodata)
        push(dataset, values, PATTERNS["windows across tiles"](WIDTH, HEIGHT)[:7])

    options = [*LAYOUTS["tiles"], f"SPARSE_OK={sparse}", f"INTERLEAVE={interleave}", "COMPRESS=DEFLATE", "PREDICTOR=1"]
    ours, theirs = both(tmp_path, 2, gdal.GDT_Byte, options, do)
    same(ours, theirs)


def test_writer_nodata_after_pixels_fills_what_is_missing(tmp_path):
    held = [create(tmp_path / "o.tif", 100, 100, 1, gdal.GDT_Float32, *LAYOUTS["tiles"])]
    held[0].GetRasterBand(1).WriteRaster(10, 10, 2, 1, np.float32([1, 2]).tobytes())
    assert held[0].GetRasterBand(1).ReadAsArray(9, 10, 4, 1).tolist() == [[0, 1, 2, 0]]
    held[0].GetRasterBand(1).SetNoDataValue(-5)
    assert held[0].GetRasterBand(1).ReadAsArray(9, 10, 4, 1).tolist() == [[-5, 1, 2, -5]]
    assert close(held) == []
    result = gdal.Open(str(tmp_path / "o.tif")).ReadAsArray()
    assert result[10, 9:13].tolist() == [-5, 1, 2, -5]
    assert (result[50:] == -5).all()


@pytest.mark.parametrize("data_type", sorted(NUMPY_TYPES))
def test_writer_every_type(tmp_path, data_type):
    values = noise(70, 50, 1, data_type)
    held = [create(tmp_path / "o.tif", 70, 50, 1, data_type, "BLOCKXSIZE=32", "BLOCKYSIZE=32")]
    assert held[0].GetRasterBand(1).DataType == data_type
    held[0].WriteRaster(0, 0, 70, 50, values.tobytes(), buf_type=data_type if data_type != gdal.GDT_CInt16 else gdal.GDT_Int16)
    assert close(held) == []
    result = gdal.Open(str(tmp_path / "o.tif"))
    assert result.GetRasterBand(1).DataType == data_type
    assert np.array_equal(result.ReadAsArray(), values[0])


def test_writer_block_size_and_shape_are_those_of_the_file(tmp_path):
    held = [create(tmp_path / "o.tif", 70, 50, 3, gdal.GDT_Byte, "BLOCKXSIZE=32", "BLOCKYSIZE=16")]
    dataset = held[0]
    assert (dataset.RasterXSize, dataset.RasterYSize, dataset.RasterCount) == (70, 50, 3)
    assert dataset.GetRasterBand(1).GetBlockSize() == [32, 16]
    assert dataset.GetRasterBand(1).GetMaskFlags() == gdal.GMF_ALL_VALID
    assert dataset.GetDriver().ShortName == WRITER
    assert dataset.GetDescription() == str(tmp_path / "o.tif")
    assert (tmp_path / "o.tif").stat().st_size == 0  # nothing half written under its name
    dataset = None
    assert close(held) == []
    assert [path.name for path in tmp_path.iterdir()] == ["o.tif"]


def test_writer_files_are_handled_by_the_driver(tmp_path):
    driver = gdal.GetDriverByName(WRITER)
    held = [create(tmp_path / "o.tif", 70, 50, 1, gdal.GDT_Byte)]
    held[0].GetRasterBand(1).SetCategoryNames(["a"])  # in a sidecar
    assert close(held) == []
    assert listing(tmp_path) == ["o.tif", "o.tif.aux.xml"]
    assert driver.CopyFiles(str(tmp_path / "c.tif"), str(tmp_path / "o.tif")) == 0
    assert driver.Rename(str(tmp_path / "r.tif"), str(tmp_path / "o.tif")) == 0
    assert listing(tmp_path) == ["c.tif", "c.tif.aux.xml", "r.tif", "r.tif.aux.xml"]
    assert driver.Delete(str(tmp_path / "r.tif")) == driver.Delete(str(tmp_path / "c.tif")) == 0
    assert listing(tmp_path) == []


def test_writer_create_copy_is_the_same(tmp_path):
    source = gdal.GetDriverByName("MEM").Create("", 90, 60, 1, gdal.GDT_Byte)
    source.WriteArray(noise(90, 60, 1, gdal.GDT_Byte)[0])
    for driver in (WRITER, "StreamTIFF"):
        assert gdal.GetDriverByName(driver).CreateCopy(str(tmp_path / f"{driver}.tif"), source) is not None
    assert (tmp_path / f"{WRITER}.tif").read_bytes() == (tmp_path / "StreamTIFF.tif").read_bytes()


@pytest.mark.parametrize(
    "options, reason",
    [
        (["COMPRESS=NONSENSE"], "NONSENSE"),
        (["DERIVE=slope"], "CreateCopy"),
        (["COPY_SRC_OVERVIEWS=YES"], "CreateCopy"),
        (["STREAMABLE_OUTPUT=YES"], "CreateCopy"),
        (["MEMORY_CAP=1KB", "MEMORY_CAP_STRICT=YES"], "raise MEMORY_CAP"),
        (["MEMORY_CAP=many"], "MEMORY_CAP"),
        (["BLOCKXSIZE=17"], "BLOCKXSIZE"),
        (["COMPRESS=JPEG", "NBITS=7"], ""),
    ],
)
def test_writer_refuses_before_there_is_a_file(tmp_path, options, reason):
    with messages() as kept:
        dataset = gdal.GetDriverByName(WRITER).Create(str(tmp_path / "o.tif"), 70, 50, 1, gdal.GDT_Byte, options)
    assert dataset is None
    assert any(reason in text for text in texts(kept, gdal.CE_Failure)), kept
    assert listing(tmp_path) == []


def test_writer_a_folder_that_is_not_there(tmp_path):
    with messages() as kept:
        dataset = gdal.GetDriverByName(WRITER).Create(str(tmp_path / "no" / "o.tif"), 70, 50, 1, gdal.GDT_Byte)
    assert dataset is None
    assert len(texts(kept, gdal.CE_Failure)) == 1


# --- which driver is taken ------------------------------------------------------------------------


def test_streamtiff_has_no_create():
    """Or gdaldem and gdalwarp would push, with buffers of their own outside the cap."""
    assert gdal.GetDriverByName("StreamTIFF").GetMetadataItem("DCAP_CREATE") is None
    assert gdal.GetDriverByName(WRITER).GetMetadataItem("DCAP_CREATE") == "YES"


def test_writer_extension_is_its_own():
    taken = {}
    for index in range(gdal.GetDriverCount()):
        driver = gdal.GetDriver(index)
        for extension in (driver.GetMetadataItem("DMD_EXTENSIONS") or "").split():
            taken.setdefault(extension.lower(), []).append(driver.ShortName)
    assert taken["stif"] == [WRITER]
    assert WRITER not in taken["tif"] + taken["tiff"]
    assert gdal.GetDriverByName("StreamTIFF").GetMetadataItem("DMD_EXTENSIONS") is None


def test_tif_is_still_gtiffs(tmp_path):
    source = create(tmp_path / "a.tif", 20, 20, 1, gdal.GDT_Byte, driver="GTiff")
    source.FlushCache()
    with messages() as kept:
        result = gdal.Translate(str(tmp_path / "b.tif"), source)
    assert result.GetDriver().ShortName == "GTiff" and kept == []
    assert gdal.Open(str(tmp_path / "a.tif")).GetDriver().ShortName == "GTiff"
    assert gdal.IdentifyDriver(str(tmp_path / "a.tif")).ShortName == "GTiff"
    with messages() as kept:
        result = gdal.Translate(str(tmp_path / "b.stif"), source)
    assert result is not None and kept == []
    result = None
    assert gdal.Open(str(tmp_path / "b.stif")).GetDriver().ShortName == "GTiff"
