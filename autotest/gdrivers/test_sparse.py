"""Sources with missing blocks, tiles of one value, and SPARSE_OK: what is read, encoded and left out, against GTiff."""

import os
import struct

import cog
import numpy as np
import pytest
import streamtiff
import terrain
from osgeo import gdal
from streamtiff import MIB

TILES = ["TILED=YES", "BLOCKXSIZE=128", "BLOCKYSIZE=128"]
STRIPS = ["TILED=NO", "BLOCKYSIZE=64"]
WIDTH, HEIGHT = 500, 505  # 4 x 4 blocks of 128; the last of either direction are cut
DATA = [(0, 0), (2, 1), (3, 3)]  # blocks that are there: one at the corner that is cut both ways, none in a row


def make_sparse(path, dtype="Float32", bands=1, options=(), nodata=None, data=DATA, size=(WIDTH, HEIGHT), block=128):
    """A GTiff of which only some blocks were written."""
    driver = gdal.GetDriverByName("GTiff")
    kind = gdal.GetDataTypeByName(dtype)
    dataset = driver.Create(str(path), *size, bands, kind, ["SPARSE_OK=YES", *options])
    if nodata is not None:
        for index in range(bands):
            dataset.GetRasterBand(index + 1).SetNoDataValue(nodata)
    for column, row in data:
        x, y = column * block, row * block
        nx, ny = min(block, size[0] - x), min(block, size[1] - y)
        for band in range(bands):
            window = terrain.samples(dtype, x, y, nx, ny, band=band)
            dataset.GetRasterBand(band + 1).WriteArray(window, x, y)
    dataset = None
    return path


def places(path):
    """Offset of each tile of each band as GTiff tells it: None for a tile that was left out."""
    dataset = gdal.Open(str(path))
    told = []
    for index in range(dataset.RasterCount):
        band = dataset.GetRasterBand(index + 1)
        width, height = band.GetBlockSize()
        for y in range(-(-dataset.RasterYSize // height)):
            for x in range(-(-dataset.RasterXSize // width)):
                told.append(band.GetMetadataItem(f"BLOCK_OFFSET_{x}_{y}", "TIFF"))
    return told


def left_out(path):
    return [offset is None for offset in places(path)]


def same_holes(tmp_path, source, *options):
    """Compares pixels, metadata and the tiles left out with GTiff's. Gives the list of these."""
    ours = streamtiff.same_as_gtiff(tmp_path, source, "PREDICTOR=1", *options)
    holes = left_out(ours)
    assert holes == left_out(tmp_path / "gtiff.tif")
    return holes


@pytest.mark.parametrize("layout", [TILES, STRIPS], ids=["tiles", "strips"])
@pytest.mark.parametrize("nodata", [None, -9999, 0, "nan"])
def test_tiles_left_out_are_those_of_gtiff(tmp_path, layout, nodata):
    nodata = float(nodata) if nodata is not None else None
    source = make_sparse(tmp_path / "in.tif", options=TILES, nodata=nodata)
    holes = same_holes(tmp_path, source, "SPARSE_OK=YES", "COMPRESS=DEFLATE", *layout)
    assert any(holes) and not all(holes)


def test_without_sparse_ok_all_tiles_are_there(tmp_path):
    source = make_sparse(tmp_path / "in.tif", options=TILES, nodata=-9999)
    for options in ([], ["SPARSE_OK=NO"]):
        assert not any(same_holes(tmp_path, source, "COMPRESS=DEFLATE", *TILES, *options))


@pytest.mark.parametrize("compress", ["NONE", "DEFLATE", "LZW", "PACKBITS"])
@pytest.mark.parametrize("interleave", ["PIXEL", "BAND"])
def test_three_bands(tmp_path, compress, interleave):
    """One of the bands has data where the others have none."""
    path = make_sparse(tmp_path / "in.tif", "Byte", 3, [*TILES, f"INTERLEAVE={interleave}"])
    dataset = gdal.Open(str(path), gdal.GA_Update)
    dataset.GetRasterBand(2).WriteArray(terrain.samples("Byte", 128, 0, 128, 128), 128, 0)
    dataset = None
    for target in ("PIXEL", "BAND"):
        layout = [*TILES, f"COMPRESS={compress}", f"INTERLEAVE={target}"]
        holes = same_holes(tmp_path, path, "SPARSE_OK=YES", *layout)
        assert sum(holes) == (3 * 12 if target == "PIXEL" else 3 * 13 - 1)  # all bands tell of the same tile


@pytest.mark.parametrize("dtype", ["Byte", "UInt16", "Int16", "Int32", "Float64", "Int64", "UInt64"])
@pytest.mark.parametrize("nodata", [None, 77])
def test_types(tmp_path, dtype, nodata):
    if dtype.endswith("Int64"):
        nodata = None  # with one, GTiff does not compare
    source = make_sparse(tmp_path / "in.tif", dtype, options=TILES, nodata=nodata)
    holes = same_holes(tmp_path, source, "SPARSE_OK=YES", "COMPRESS=DEFLATE", *TILES)
    assert any(holes)


@pytest.mark.parametrize("dtype, nodata", [("Int64", -(2**53) - 1), ("UInt64", 7), ("CFloat32", None), ("CInt16", 5)])
def test_types_that_gtiff_does_not_compare(tmp_path, dtype, nodata):
    """It leaves out what the source leaves out as far as nothing else is written at once; we do wherever it does so."""
    source = make_sparse(tmp_path / "in.tif", dtype, options=TILES, nodata=nodata)
    options = ["SPARSE_OK=YES", "COMPRESS=DEFLATE", "PREDICTOR=1", *TILES]
    ours = streamtiff.same_as_gtiff(tmp_path, source, *options)
    assert left_out(ours) == left_out(source)
    empty = make_sparse(tmp_path / "empty.tif", dtype, options=TILES, nodata=nodata, data=[])
    assert all(same_holes(tmp_path, empty, *options))
    filled = gdal.GetDriverByName("MEM").CreateCopy("", gdal.Open(str(empty)))
    assert not any(same_holes(tmp_path, filled, *options))


def test_nodata_out_of_range_and_close_to_the_largest_float(tmp_path):
    for dtype, nodata in (("Byte", -9999), ("Float32", -3.4028234663852886e38), ("Float32", 3.4e38)):
        driver = gdal.GetDriverByName("MEM")
        source = driver.Create("", WIDTH, HEIGHT, 1, gdal.GetDataTypeByName(dtype))
        source.GetRasterBand(1).SetNoDataValue(nodata)
        if dtype == "Float32":
            source.GetRasterBand(1).Fill(nodata)
        holes = same_holes(tmp_path, source, "SPARSE_OK=YES", "COMPRESS=DEFLATE", *TILES)
        assert all(holes) == (dtype == "Float32")


def test_pixels_of_nodata_are_left_out_wherever_they_come_from(tmp_path):
    """No block is missing in the source: nodata as pixels, NaN of two kinds, both zeros."""
    quiet = np.frombuffer(struct.pack("<II", 0x7FC00000, 0xFFC12345), np.float32)
    for nodata, values in ((np.nan, quiet), (0.0, np.float32([0, 0])), (0.0, np.float32([0, -0.0])), (5.0, [5, 5])):
        source = gdal.GetDriverByName("MEM").Create("", WIDTH, HEIGHT, 1, gdal.GDT_Float32)
        source.GetRasterBand(1).SetNoDataValue(nodata)
        pixels = np.empty((HEIGHT, WIDTH), np.float32)
        pixels[:, ::2], pixels[:, 1::2] = values[0], values[1]
        pixels[300:310, 300:310] = 7
        source.GetRasterBand(1).WriteArray(pixels)
        for layout in (TILES, STRIPS):
            same_holes(tmp_path, source, "SPARSE_OK=YES", "COMPRESS=LZW", *layout)


def test_one_value_that_is_no_nodata_is_encoded_once_and_written_everywhere(tmp_path):
    """A tile cut at the right or at the bottom looks like a whole one, a short last strip does not."""
    for layout in (TILES, STRIPS):
        source = gdal.GetDriverByName("MEM").Create("", WIDTH, HEIGHT, 3, gdal.GDT_UInt16)
        for index, value in enumerate((7, 300, 65535)):
            source.GetRasterBand(index + 1).Fill(value)
        for compress in ("DEFLATE", "NONE", "ZSTD"):
            for interleave in ("PIXEL", "BAND"):
                options = [f"COMPRESS={compress}", f"INTERLEAVE={interleave}", *layout]
                assert not any(same_holes(tmp_path, source, "SPARSE_OK=YES", *options))


@pytest.mark.parametrize("compress", ["JPEG", "LERC", "WEBP"])
def test_file_without_any_tile(tmp_path, compress):
    """The codec's tags are there although nothing was encoded."""
    bands = 3 if compress == "WEBP" else 1
    source = make_sparse(tmp_path / "in.tif", "Byte", bands, TILES, data=[])
    assert all(same_holes(tmp_path, source, "SPARSE_OK=YES", f"COMPRESS={compress}", *TILES))
    figures = streamtiff.streaming(streamtiff.create_copy(tmp_path / "again.tif", source))
    assert figures["SOURCE_BLOCKS"] == figures["BLOCK_DECODES"] == 0


@pytest.mark.parametrize(
    "layout",
    [TILES, ["BLOCKYSIZE=16"], [*TILES, "INTERLEAVE=BAND"], [*TILES, "INTERLEAVE=PIXEL"]],
    ids=["tiles", "short strips", "band", "pixel"],
)
@pytest.mark.parametrize("compress", ["NONE", "DEFLATE"])
def test_missing_blocks_are_not_decoded(tmp_path, layout, compress):
    bands = 2 if any("INTERLEAVE" in option for option in layout) else 1
    options = [*layout, f"COMPRESS={compress}"]
    path = make_sparse(tmp_path / "in.tif", "Int16", bands, options, nodata=-1)
    there = [offset for offset in places(path) if offset is not None]
    for target in (TILES, ["BLOCKXSIZE=256", "BLOCKYSIZE=256"], STRIPS):
        with streamtiff.messages():
            dataset = streamtiff.create_quietly("StreamTIFF", tmp_path / "out.tif", gdal.Open(str(path)), target)
        figures = streamtiff.streaming(dataset)
        streamtiff.check_figures(figures)
        assert figures["SOURCE_BLOCKS"] == len(set(there))
        dataset = None
        assert streamtiff.pixels(tmp_path / "out.tif") == streamtiff.pixels(path)


def test_missing_blocks_of_another_type(tmp_path):
    """Bands of different types are read through GDAL's cache and converted: nodata is converted, too."""
    path = make_sparse(tmp_path / "in.tif", "Int16", 1, TILES, nodata=-300)
    vrt = gdal.Translate("", str(path), format="VRT", outputType=gdal.GDT_Float64)
    for source in (vrt, gdal.Open(str(path), gdal.GA_Update)):
        dataset = streamtiff.create_copy(tmp_path / "out.tif", source, "SPARSE_OK=YES", *TILES)
        streamtiff.check_figures(streamtiff.streaming(dataset))
        dataset = None
        assert streamtiff.pixels(tmp_path / "out.tif") == streamtiff.pixels(source)
        assert any(left_out(tmp_path / "out.tif"))


def test_truncated_table_of_blocks_is_an_error_and_no_gap(tmp_path):
    path = make_sparse(tmp_path / "in.tif", size=(8000, 8000), options=["TILED=YES", "BLOCKXSIZE=16", "BLOCKYSIZE=16"])
    size = os.path.getsize(path)
    with open(path, "r+b") as file:
        file.truncate(size // 2)
    with streamtiff.messages():
        source = gdal.Open(str(path))
    if source is not None:
        streamtiff.refused(tmp_path / "out.tif", source)


@pytest.mark.parametrize(
    "threads,layout", [(1, ["BLOCKXSIZE=512", "BLOCKYSIZE=512"]), (2, ["BLOCKXSIZE=240", "BLOCKYSIZE=240"])]
)
def test_cap_is_held_and_figures_are_exact(tmp_path, threads, layout):
    """In memory and through the spill, where missing blocks meet others in a tile."""
    data = [(i * 7 % 16, i * 5 % 12) for i in range(40)]
    path = make_sparse(
        tmp_path / "in.tif",
        options=["TILED=YES", "COMPRESS=DEFLATE", *layout],
        data=data,
        size=(4000, 3000),
        block=256,
        nodata=-9999,
    )
    for cap in (4, 64):
        figures = streamtiff.measured_copy(
            {
                "source": str(path),
                "target": str(tmp_path / "out.tif"),
                "options": [f"MEMORY_CAP={cap}MB", f"NUM_THREADS={threads}", "SPARSE_OK=YES", "BLOCKXSIZE=512"],
                "translate": {},
                "dem": None,
            }
        )
        told = {key: int(value) if value.isdigit() else value for key, value in figures["streaming"].items()}
        streamtiff.check_figures(told)
        if not streamtiff.SANITIZER:
            assert figures["peak_rss_bytes"] <= told["CAP_BYTES"] + 8 * MIB
        assert streamtiff.pixels(tmp_path / "out.tif") == streamtiff.pixels(path)


def test_bytes_do_not_depend_on_threads_nor_on_the_cap(tmp_path):
    path = make_sparse(tmp_path / "in.tif", options=["BLOCKXSIZE=240", "BLOCKYSIZE=240", "TILED=YES"], nodata=-9999)
    files = set()
    for options in (["NUM_THREADS=1"], ["NUM_THREADS=2"], ["NUM_THREADS=8", "MEMORY_CAP=1GB"]):
        streamtiff.create_copy(tmp_path / "out.tif", path, "SPARSE_OK=YES", *TILES, *options)
        files.add((tmp_path / "out.tif").read_bytes())
    assert len(files) == 1


@streamtiff.needs_true_rss
def test_huge_source_that_is_almost_empty(tmp_path):
    """38416 blocks of 1 MiB, of which 40 are there: what is empty costs next to nothing."""
    data = [(i * 37 % 196, i * 91 % 196) for i in range(40)]
    path = make_sparse(
        tmp_path / "in.tif",
        options=["TILED=YES", "BLOCKXSIZE=512", "BLOCKYSIZE=512", "COMPRESS=ZSTD", "BIGTIFF=YES"],
        data=data,
        size=(100000, 100000),
        block=512,
        nodata=-9999,
    )
    figures = streamtiff.measured_copy(
        {
            "source": str(path),
            "target": str(tmp_path / "out.tif"),
            "options": ["MEMORY_CAP=16MB", "NUM_THREADS=2", "SPARSE_OK=YES", "ZLEVEL=1"],
            "translate": {},
            "dem": None,
        }
    )
    told = {key: int(value) if value.isdigit() else value for key, value in figures["streaming"].items()}
    streamtiff.check_figures(told)
    assert told["CAP_BYTES"] == 16 * MIB
    assert told["SOURCE_BLOCKS"] == len(set(data))
    assert left_out(tmp_path / "out.tif") == left_out(path)
    if not streamtiff.SANITIZER:
        assert figures["peak_rss_bytes"] <= told["CAP_BYTES"] + 8 * MIB
    ours, theirs = gdal.Open(str(tmp_path / "out.tif")), gdal.Open(str(path))
    for column, row in data:
        window = (column * 512, row * 512, min(512, 100000 - column * 512), min(512, 100000 - row * 512))
        assert ours.ReadRaster(*window) == theirs.ReadRaster(*window)


@streamtiff.needs_true_rss
@pytest.mark.parametrize("cap_mb", [16, 128])
def test_huge_source_that_is_almost_empty_as_a_cog(tmp_path, cap_mb):
    """Overviews down to 391 pixels, of which hardly any tile is made: the tables of all levels are what it takes. At 16 MB
    3.3 GB of them would go through the spill if they were not of one value."""
    data = [(i * 37 % 196, i * 91 % 196) for i in range(40)]
    tiles = ["TILED=YES", "BLOCKXSIZE=512", "BLOCKYSIZE=512", "COMPRESS=DEFLATE"]
    path = make_sparse(tmp_path / "in.tif", "Byte", 1, tiles, 0, data, (100000, 100000), 512)
    options = ["LAYOUT=COG", f"MEMORY_CAP={cap_mb}MB", "NUM_THREADS=2", "SPARSE_OK=YES", "OVERVIEW_RESAMPLING=AVERAGE"]
    figures = streamtiff.measured_copy(
        {"source": str(path), "target": str(tmp_path / "out.tif"), "options": options, "translate": {}, "dem": None}
    )
    told = {key: int(value) if value.isdigit() else value for key, value in figures["streaming"].items()}
    streamtiff.check_figures(told, spills_less=cap_mb == 16)
    assert told["CAP_BYTES"] == cap_mb * MIB
    assert told["SPILL_BYTES"] <= told["PREDICTED_SPILL_BYTES"] / 10
    assert told["SOURCE_BLOCKS"] == told["BLOCK_DECODES"] == len(set(data))
    assert figures["peak_rss_bytes"] <= min(told["PEAK_BYTES"] + 8 * MIB, told["CAP_BYTES"])
    cog.check_valid(tmp_path / "out.tif")
    ours, theirs = gdal.Open(str(tmp_path / "out.tif")), gdal.Open(str(path))
    assert ours.GetRasterBand(1).GetOverviewCount() == 8
    for column, row in data:
        window = (column * 512, row * 512, min(512, 100000 - column * 512), min(512, 100000 - row * 512))
        assert ours.ReadRaster(*window) == theirs.ReadRaster(*window)
        part = gdal.Translate("", theirs, format="MEM", srcWin=window)
        part.BuildOverviews("AVERAGE", [2])
        level = part.GetRasterBand(1).GetOverview(0)
        at = (column * 256, row * 256, level.XSize, level.YSize)
        assert ours.GetRasterBand(1).GetOverview(0).ReadRaster(*at) == level.ReadRaster()


# --- tiles of one value --------------------------------------------------------------------------

SIDE = 6  # tiles of 128 either way


def make_almost_empty(value, bands=1, masked=False):
    """Data in five tiles, all else one value but for three tiles of zeros; with a mask of its own, or none."""
    source = gdal.GetDriverByName("MEM").Create("", 128 * SIDE, 128 * SIDE - 20, bands, gdal.GDT_Float32)
    for band in range(bands):
        pixels = np.full((source.RasterYSize, source.RasterXSize), value, np.float32)
        for number, (column, row) in enumerate(((0, 0), (5, 1), (2, 3), (3, 3), (1, 5), (4, 4), (0, 2), (3, 0))):
            place = pixels[row * 128 : row * 128 + 128, column * 128 : column * 128 + 128]
            heights = terrain.heights(column * 128, row * 128, 128, 128, band=band)[: place.shape[0]]
            place[:] = heights if number < 5 else 0
        source.GetRasterBand(band + 1).WriteArray(pixels)
        if not masked:
            source.GetRasterBand(band + 1).SetNoDataValue(value)
    if masked:
        source.CreateMaskBand(gdal.GMF_PER_DATASET)
        source.GetRasterBand(1).GetMaskBand().WriteArray(np.where(pixels == value, 0, 255).astype(np.uint8))
    return source


def tiles_of(path):
    """For each image of the file the bytes of each of its tiles, and whether it is of one value."""
    content, images = path.read_bytes(), []
    for _ in range(20):
        with streamtiff.messages():
            dataset = gdal.Open(f"GTIFF_DIR:{len(images) + 1}:{path}")
        if dataset is None:
            return images
        images.append([])
        apart = dataset.GetMetadataItem("INTERLEAVE", "IMAGE_STRUCTURE") == "BAND"
        for index in range(dataset.RasterCount if apart else 1):
            band = dataset.GetRasterBand(index + 1)
            width, height = band.GetBlockSize()
            for y in range(-(-dataset.RasterYSize // height)):
                for x in range(-(-dataset.RasterXSize // width)):
                    offset, size = (band.GetMetadataItem(f"BLOCK_{key}_{x}_{y}", "TIFF") for key in ("OFFSET", "SIZE"))
                    window = (x * width, y * height, min(width, band.XSize - x * width), min(height, band.YSize - y * height))
                    pixels = np.frombuffer(dataset.ReadRaster(*window) if not apart else band.ReadRaster(*window), np.uint8)
                    value = pixels.reshape(-1, gdal.GetDataTypeSize(band.DataType) // 8)
                    images[-1].append((content[int(offset) : int(offset) + int(size)], bool((value == value[0]).all())))
    raise AssertionError("too many images")


def least_encodes(images):
    """Of images whose tiles are of the same kind."""
    tiles = [tile for image in images for tile in image]
    return sum(not constant for _, constant in tiles) + len({encoded for encoded, constant in tiles if constant})


@pytest.mark.parametrize("compress", ["DEFLATE", "ZSTD", "LZW"])
@pytest.mark.parametrize("layout", [TILES, STRIPS, [*TILES, "INTERLEAVE=BAND"]], ids=["tiles", "strips", "band"])
def test_tiles_of_one_value_are_encoded_once(tmp_path, compress, layout):
    """From pixels in memory, and from a file whose blocks of one value come again and again."""
    options = ["PREDICTOR=3" if compress != "LZW" else "PREDICTOR=2", f"COMPRESS={compress}", *layout]
    source = make_almost_empty(-9999, 2 if "INTERLEAVE=BAND" in layout else 1)
    theirs = gdal.GetDriverByName("GTiff").CreateCopy(str(tmp_path / "gtiff.tif"), source, options=options)
    theirs = None  # noqa: F841
    files = set()
    for opened in (source, gdal.Open(str(tmp_path / "gtiff.tif"))):
        for more in (["NUM_THREADS=1"], ["NUM_THREADS=1", "MEMORY_CAP=1KB"], ["NUM_THREADS=4", "MEMORY_CAP=1GB"]):
            with streamtiff.messages():
                made = streamtiff.create_quietly("StreamTIFF", tmp_path / "out.tif", opened, [*options, *more, "PASSTHROUGH=NO"])
            encodes = streamtiff.streaming(made)["TILE_ENCODES"]
            made = None
            images = tiles_of(tmp_path / "out.tif")
            least, workers = least_encodes(images), 1 if "NUM_THREADS=1" in more else 4
            assert least <= encodes <= least + 2 * (workers - 1), more
            files.add((tmp_path / "out.tif").read_bytes())
    assert len(files) == 1
    assert "NO" in layout[0] or least < len(images[0]) / 3
    assert streamtiff.pixels(tmp_path / "out.tif") == streamtiff.pixels(tmp_path / "gtiff.tif")


def test_bytes_copied_are_those_an_encoder_gives(tmp_path):
    """A raster of nothing but such a tile, which no other went before."""
    options = ["COMPRESS=DEFLATE", "PREDICTOR=3", *TILES]
    streamtiff.create_copy(tmp_path / "out.tif", make_almost_empty(-9999), *options)
    tiles = [encoded for encoded, _ in tiles_of(tmp_path / "out.tif")[0]]
    for value, count in ((-9999, SIDE * SIDE - 8), (0, 3)):
        alone = gdal.GetDriverByName("MEM").Create("", 128, 128, 1, gdal.GDT_Float32)
        alone.GetRasterBand(1).Fill(value)
        streamtiff.create_copy(tmp_path / "alone.tif", alone, *options)
        (((tile, _),),) = tiles_of(tmp_path / "alone.tif")
        assert tiles.count(tile) == count


@pytest.mark.parametrize("masked", [False, True])
def test_tiles_of_one_value_in_all_images_of_a_cog(tmp_path, masked):
    """Levels share what the raster's tiles came to; masks, which are another kind of tile, have their own."""
    options = ["LAYOUT=COG", "COMPRESS=DEFLATE", "PREDICTOR=YES", "BLOCKSIZE=128", "OVERVIEW_RESAMPLING=NEAREST"]
    files = set()
    for more in (["NUM_THREADS=1"], ["NUM_THREADS=4", "MEMORY_CAP=1GB"]):
        made = streamtiff.create_copy(tmp_path / "out.tif", make_almost_empty(-9999, masked=masked), *options, *more)
        encodes = streamtiff.streaming(made)["TILE_ENCODES"]
        made = None
        files.add((tmp_path / "out.tif").read_bytes())
        if "NUM_THREADS=1" in more:
            images = tiles_of(tmp_path / "out.tif")
            kinds = [images[::2], images[1::2]] if masked else [images]
            assert encodes == sum(map(least_encodes, kinds))
            assert encodes < sum(map(len, images)) / 2
    assert len(files) == 1
