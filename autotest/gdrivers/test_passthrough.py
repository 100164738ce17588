"""Tiles of a plain GeoTIFF that are what would be written are copied as they are: the same bytes, nothing decoded."""

import os
import struct

import cog
import numpy as np
import parity
import pytest
import streamtiff
from osgeo import gdal

WIDTH, HEIGHT = 700, 530
PREDICTORS = {"DEFLATE", "ZSTD", "LZW"}
LOSSY = {"JPEG", "WEBP"}
STRIP_ROWS = 64


def values_of(dtype, band, width=WIDTH, height=HEIGHT):
    """Waves and noise, other ones in each band."""
    y, x = np.mgrid[0:height, 0:width]
    noise = np.random.RandomState(band).randint(0, 9, (height, width))
    values = 100 + 60 * np.sin(x / (15.0 + band)) * np.cos(y / 17.0) + noise
    return values / 7 if dtype.startswith("Float") else values


def layout(block):
    if not block:
        return ["TILED=NO", f"BLOCKYSIZE={STRIP_ROWS}"]
    return ["TILED=YES", f"BLOCKXSIZE={block}", f"BLOCKYSIZE={block}"]


def make(path, codec="DEFLATE", dtype="Int16", bands=1, block=256, options=(), size=(WIDTH, HEIGHT)):
    with streamtiff.messages():
        dataset = gdal.GetDriverByName("GTiff").Create(
            str(path), *size, bands, gdal.GetDataTypeByName(dtype), [f"COMPRESS={codec}", *layout(block), *options]
        )
        dataset.SetGeoTransform((500000, 10, 0, 4600000, 0, -10))
        for band in range(bands):
            dataset.GetRasterBand(band + 1).WriteArray(values_of(dtype, band, *size))
        dataset = None  # noqa: F841
    return path


def blocks_of(path, window=None):
    """Compressed bytes of all blocks, those under a window only, band by band where they lie apart."""
    dataset = gdal.Open(str(path))
    x, y, width, height = window or (0, 0, dataset.RasterXSize, dataset.RasterYSize)
    apart = dataset.GetMetadataItem("INTERLEAVE", "IMAGE_STRUCTURE") == "BAND"
    content, found = open(path, "rb").read(), []
    for band in range(dataset.RasterCount if apart else 1):
        item = dataset.GetRasterBand(band + 1).GetMetadataItem
        wide, high = dataset.GetRasterBand(band + 1).GetBlockSize()
        for row in range(y // high, (y + height - 1) // high + 1):
            for column in range(x // wide, (x + width - 1) // wide + 1):
                offset, size = (item(f"BLOCK_{what}_{column}_{row}", "TIFF") for what in ("OFFSET", "SIZE"))
                found.append(content[int(offset) : int(offset) + int(size)] if offset else None)
    return found


def copy(target, source, *options):
    dataset = streamtiff.create_copy(target, source, "NUM_THREADS=2", *options)
    figures = streamtiff.streaming(dataset)
    streamtiff.check_figures(figures)
    return figures


def is_passed(tmp_path, source, *options, window=None, name="out.tif"):
    """Copies; True where every tile has the source's bytes and nothing was decoded. Pixels are GTiff's in any case."""
    target = tmp_path / name
    dataset = gdal.Open(str(source))
    if window:
        dataset = gdal.Translate("", dataset, format="VRT", srcWin=window)
    figures = copy(target, dataset, *options)
    expected = gdal.Open(str(source)) if not window else gdal.Translate("", str(source), format="VRT", srcWin=window)
    if not any(codec in option for option in options for codec in LOSSY) or figures["PASSTHROUGH"]:
        assert streamtiff.pixels(target) == streamtiff.pixels(expected)
    tiles = blocks_of(target)
    if figures["PASSTHROUGH"]:
        assert tiles == blocks_of(source, window)
        assert figures["PASSTHROUGH"] == len(tiles) and figures["BLOCK_DECODES"] == figures["SOURCE_BLOCKS"] == 0
        assert figures["DECODER"] == "NONE" and figures["PEAK_BYTES"] == figures["PREDICTED_PEAK_BYTES"]
    return figures["PASSTHROUGH"] > 0


# --- every codec and layout ------------------------------------------------------------------------

CODECS = ["NONE", "DEFLATE", "ZSTD", "LZW", "PACKBITS", "LZMA", "LERC", "LERC_DEFLATE", "LERC_ZSTD", "JPEG", "WEBP"]
# Tile size (0: strips), type, bands, interleave, predictor where the codec has one.
KINDS = [
    (512, "Float32", 1, "PIXEL", 3),
    (256, "Byte", 3, "PIXEL", 2),
    (0, "Byte", 3, "PIXEL", 1),
    (256, "UInt16", 2, "BAND", 1),
    (0, "Int16", 2, "BAND", 2),
]


@pytest.mark.parametrize("codec", CODECS)
def test_every_codec_and_layout(tmp_path, codec):
    if codec not in streamtiff.codecs():
        pytest.skip(f"libtiff has no {codec}")
    for block, dtype, bands, interleave, predictor in KINDS:
        if codec in LOSSY and dtype != "Byte":
            continue
        options = [f"INTERLEAVE={interleave}"] + ([f"PREDICTOR={predictor}"] if codec in PREDICTORS else [])
        source = make(tmp_path / "in.tif", codec, dtype, bands, block, [*options, "LZMA_PRESET=0"], (540, 300))
        assert is_passed(tmp_path, source, f"COMPRESS={codec}", *layout(block), *options)
        assert streamtiff.info(source)["bands"] == streamtiff.info(tmp_path / "out.tif")["bands"]


def test_defaults_are_those_of_a_tiled_deflate_file(tmp_path):
    source = make(tmp_path / "in.tif", dtype="Float32", block=512, options=["PREDICTOR=3", "BIGTIFF=YES"])
    assert is_passed(tmp_path, source)
    assert (tmp_path / "out.tif").read_bytes()[2:4] == b"*\0"  # a classic one


@pytest.mark.parametrize("level", ["WEBP_LOSSLESS=YES", "WEBP_LEVEL=42"])
@pytest.mark.parametrize("layout_option", ["LAYOUT=GTIFF", "LAYOUT=COG"])
def test_what_is_told_of_tiles_is_what_the_source_tells(tmp_path, level, layout_option):
    if "WEBP" not in streamtiff.codecs():
        pytest.skip("libtiff has no WEBP")
    source = make(tmp_path / "in.tif", "WEBP", "Byte", 3, 512, ["INTERLEAVE=PIXEL", level])
    assert copy(tmp_path / "out.tif", str(source), "COMPRESS=WEBP", layout_option)["PASSTHROUGH"] == 4
    told = [gdal.Open(str(path)).GetMetadata("IMAGE_STRUCTURE") for path in (source, tmp_path / "out.tif")]
    for key in ("WEBP_LEVEL", "COMPRESSION_REVERSIBILITY"):
        assert told[0].get(key) == told[1].get(key), told


def test_older_number_of_deflate_means_the_same(tmp_path):
    source = make(tmp_path / "in.tif", options=["PREDICTOR=2"])
    content = bytearray(source.read_bytes())
    entry = content.index(struct.pack("<HHI", 259, 3, 1)) + 8
    content[entry : entry + 2] = struct.pack("<H", 32946)
    source.write_bytes(content)
    assert is_passed(tmp_path, source, *layout(256))
    assert struct.pack("<HHIH", 259, 3, 1, 8) in (tmp_path / "out.tif").read_bytes()


# --- what must be the same -------------------------------------------------------------------------

SAME = ["COMPRESS=DEFLATE", "PREDICTOR=2", *layout(256)]
DIFFERENT = {
    "codec": ({}, ["COMPRESS=ZSTD", *SAME[1:]], "compression"),
    "predictor": ({}, ["COMPRESS=DEFLATE", "PREDICTOR=1", *layout(256)], "predictor"),
    "width": ({}, [*SAME[:3], "BLOCKXSIZE=512", "BLOCKYSIZE=256"], "size of its tiles"),
    "height": ({}, [*SAME[:3], "BLOCKXSIZE=256", "BLOCKYSIZE=512"], "size of its tiles"),
    "strips": ({"block": 0}, SAME, "strips, not tiles"),
    "strip_rows": ({"block": 0}, [*SAME[:2], "TILED=NO", "BLOCKYSIZE=32"], "size of its strips"),
    "interleave": ({"bands": 2}, [*SAME, "INTERLEAVE=BAND"], "interleaved"),
    "byte_order": ({"options": ["PREDICTOR=2", "ENDIANNESS=BIG"]}, SAME, "byte order"),
    "bits": ({"dtype": "UInt16"}, [*SAME[:1], "PREDICTOR=1", "NBITS=12", *layout(256)], "predictor|stored"),
    "photometric": ({"dtype": "Byte", "bands": 3}, [*SAME, "PHOTOMETRIC=RGB"], None),
    "min_is_white": ({"dtype": "Byte"}, [*SAME, "PHOTOMETRIC=MINISWHITE"], "photometric"),
    "level": ({}, [*SAME, "ZLEVEL=9"], "ZLEVEL"),
    "any_level": ({}, [*SAME, "LEVEL=9"], "LEVEL"),
    "discarded": ({}, [*SAME, "DISCARD_LSB=1"], "DISCARD_LSB"),
    "derived": ({}, [*SAME, "DERIVE=slope"], "DERIVE"),
    "lerc_stage": ({"codec": "LERC", "options": []}, ["COMPRESS=LERC_DEFLATE", *layout(256)], "LERC"),
}


@pytest.mark.parametrize("case", DIFFERENT)
def test_what_differs_is_encoded_anew_and_refused_where_it_must_not(tmp_path, case):
    how, options, reason = DIFFERENT[case]
    if "LERC" in how.get("codec", "") and "LERC" not in streamtiff.codecs():
        pytest.skip("libtiff has no LERC")
    source = make(tmp_path / "in.tif", **{"options": ["PREDICTOR=2"], "size": (300, 270), **how})
    if reason is None:
        assert is_passed(tmp_path, source, *options)
        return
    figures = copy(tmp_path / "out.tif", str(source), *options)
    assert figures["PASSTHROUGH"] == 0 and figures["BLOCK_DECODES"] > 0
    os.unlink(tmp_path / "out.tif")
    text = streamtiff.refused(tmp_path / "out.tif", gdal.Open(str(source)), *options, "PASSTHROUGH=YES")
    assert "PASSTHROUGH=YES" in text and any(part in text for part in reason.split("|")), text


def test_no_means_no_and_the_pixels_are_the_same(tmp_path):
    source = make(tmp_path / "in.tif", options=["PREDICTOR=2", "ZLEVEL=1"])
    assert is_passed(tmp_path, source, *SAME, "PASSTHROUGH=YES")
    assert not is_passed(tmp_path, source, *SAME, "PASSTHROUGH=NO", name="no.tif")
    assert blocks_of(tmp_path / "no.tif") != blocks_of(source)
    text = streamtiff.refused(tmp_path / "else.tif", gdal.Open(str(source)), "PASSTHROUGH=PERHAPS")
    assert "PASSTHROUGH=PERHAPS" in text


def test_byte_order_of_the_source_where_it_is_asked_for(tmp_path):
    options = ["PREDICTOR=2", "ENDIANNESS=BIG"]
    assert is_passed(tmp_path, make(tmp_path / "in.tif", options=options), *SAME, "ENDIANNESS=BIG")


def test_writer_has_nothing_to_pass(tmp_path):
    driver = gdal.GetDriverByName("StreamTIFFWriter")
    with streamtiff.messages() as kept:
        dataset = driver.Create(str(tmp_path / "out.stif"), 64, 64, 1, gdal.GDT_Byte, ["PASSTHROUGH=YES"])
        if dataset is not None:
            dataset.GetRasterBand(1).Fill(1)
            dataset = None
    assert any("PASSTHROUGH=YES" in text for text in streamtiff.texts(kept, gdal.CE_Failure))


# --- windows and other VRTs ------------------------------------------------------------------------


@pytest.mark.parametrize(
    "window, passed",
    [
        ((256, 0, 256, 512), True),
        ((256, 256, WIDTH - 256, HEIGHT - 256), True),  # to the ends of the raster
        ((0, 512, WIDTH, HEIGHT - 512), True),
        ((255, 0, 256, 256), False),
        ((0, 16, 512, 256), False),
        ((0, 0, 300, 256), False),  # ends within a tile
        ((0, 0, 256, 300), False),
    ],
)
def test_windows(tmp_path, window, passed):
    for bands, interleave in ((1, "PIXEL"), (2, "BAND")):
        options = ["PREDICTOR=2", f"INTERLEAVE={interleave}"]
        source = make(tmp_path / "in.tif", bands=bands, options=options)
        assert is_passed(tmp_path, source, *SAME, options[1], window=window) is passed


def test_window_of_strips(tmp_path):
    source = make(tmp_path / "in.tif", block=0, options=["PREDICTOR=2"])
    options = [*SAME[:2], *layout(0)]
    assert is_passed(tmp_path, source, *options, window=(0, 128, WIDTH, HEIGHT - 128))
    assert not is_passed(tmp_path, source, *options, window=(0, 128, WIDTH - 1, 256))


def test_metadata_of_a_copy_is_added(tmp_path):
    source, options = make(tmp_path / "in.tif", options=["PREDICTOR=2"]), [*SAME, "PASSTHROUGH=YES"]
    told = {"noData": -1, "outputSRS": "EPSG:32611", "metadataOptions": ["A=B"], "outputBounds": [0, 1, 1, 0]}
    vrt = gdal.Translate("", str(source), format="VRT", **told)
    assert copy(tmp_path / "out.tif", vrt, *options)["PASSTHROUGH"] == 9
    found = gdal.Open(str(tmp_path / "out.tif"))
    assert found.GetRasterBand(1).GetNoDataValue() == -1 and found.GetMetadataItem("A") == "B"
    assert "32611" in found.GetProjection() and found.GetGeoTransform()[3] == 1
    assert blocks_of(tmp_path / "out.tif") == blocks_of(source)


@pytest.mark.parametrize(
    "arguments",
    [
        {"bandList": [2, 1]},
        {"bandList": [1]},
        {"width": WIDTH // 2, "height": HEIGHT // 2},
        {"scaleParams": [[0, 100, 0, 200]]},
        {"outputType": gdal.GDT_Int32},
        {"srcWin": [-256, 0, 512, 256]},
    ],
    ids=str,
)
def test_other_vrts_are_read(tmp_path, arguments):
    source = make(tmp_path / "in.tif", bands=2, options=["PREDICTOR=2"])
    with streamtiff.messages():
        vrt = gdal.Translate("", str(source), format="VRT", **arguments)
    assert copy(tmp_path / "out.tif", vrt, *SAME)["PASSTHROUGH"] == 0
    assert streamtiff.pixels(tmp_path / "out.tif") == streamtiff.pixels(vrt)


def test_source_that_is_open_for_update_is_read(tmp_path):
    """What is in GDAL's cache is not in the file."""
    source = make(tmp_path / "in.tif", options=["PREDICTOR=2"])
    open_for_update = gdal.Open(str(source), gdal.GA_Update)
    open_for_update.GetRasterBand(1).Fill(7)
    for dataset in (open_for_update, gdal.Open(str(source))):
        assert copy(tmp_path / "out.tif", dataset, *SAME)["PASSTHROUGH"] == 0
    assert copy(tmp_path / "out.tif", open_for_update, *SAME)["PASSTHROUGH"] == 0
    assert set(gdal.Open(str(tmp_path / "out.tif")).ReadRaster()) == {0, 7}


def test_options_of_opening_are_heeded(tmp_path):
    source = make(tmp_path / "in.tif", options=["PREDICTOR=2"])
    gdal.Open(str(source), gdal.GA_Update).BuildOverviews("NEAREST", [2])
    overview = gdal.OpenEx(str(source), open_options=["OVERVIEW_LEVEL=0"])
    assert copy(tmp_path / "out.tif", overview, *SAME)["PASSTHROUGH"] == 0
    assert copy(tmp_path / "out.tif", str(source), *SAME)["PASSTHROUGH"] == 9


def test_replaced_source_is_read_from_the_handle(tmp_path):
    source = make(tmp_path / "in.tif", options=["PREDICTOR=2"])
    dataset = gdal.Open(str(source))
    expected = streamtiff.pixels(dataset)
    os.rename(make(tmp_path / "other.tif", dtype="UInt16", options=["PREDICTOR=2"]), source)
    assert copy(tmp_path / "out.tif", dataset, *SAME)["PASSTHROUGH"] == 0
    assert streamtiff.pixels(tmp_path / "out.tif") == expected


# --- tiles that are not there, or not sound --------------------------------------------------------


def make_sparse(path, block, options=(), nodata=None, codec="DEFLATE"):
    dataset = gdal.GetDriverByName("GTiff").Create(
        str(path), WIDTH, HEIGHT, 1, gdal.GDT_Int16, [f"COMPRESS={codec}", "SPARSE_OK=YES", *layout(block), *options]
    )
    if nodata is not None:
        dataset.GetRasterBand(1).SetNoDataValue(nodata)
    dataset.GetRasterBand(1).WriteArray(values_of("Int16", 1, 256, 256), 256, 256)
    dataset = None  # noqa: F841
    return path


@pytest.mark.parametrize("block, nodata", [(256, None), (256, -5), (0, None)])
def test_tiles_that_the_source_leaves_out(tmp_path, block, nodata):
    source = make_sparse(tmp_path / "in.tif", block, ["PREDICTOR=2"], nodata)
    options = [*SAME[:2], *(layout(256) if block else [*layout(0)])]
    there = [tile for tile in blocks_of(source) if tile]
    for sparse in ("NO", "YES"):
        asked = [*options, f"SPARSE_OK={sparse}", "PASSTHROUGH=YES"]
        figures = copy(tmp_path / "out.tif", str(source), *asked)
        assert figures["PASSTHROUGH"] == len(there) and figures["BLOCK_DECODES"] == 0
        copy(tmp_path / "anew.tif", str(source), *options, f"SPARSE_OK={sparse}", "PASSTHROUGH=NO")
        passed, anew = blocks_of(tmp_path / "out.tif"), blocks_of(tmp_path / "anew.tif")
        original = blocks_of(source)
        assert passed == [tile if was else new for was, tile, new in zip(original, original, anew)]
        assert (None in passed) is (sparse == "YES")
        assert streamtiff.pixels(tmp_path / "out.tif") == streamtiff.pixels(source)


def test_sparse_ok_looks_at_pixels_unless_told_otherwise(tmp_path):
    dataset = gdal.GetDriverByName("GTiff").Create(
        str(tmp_path / "in.tif"), 512, 512, 1, gdal.GDT_Int16, ["COMPRESS=DEFLATE", "PREDICTOR=2", *layout(256)]
    )
    dataset = None  # noqa: F841
    assert copy(tmp_path / "out.tif", str(tmp_path / "in.tif"), *SAME, "SPARSE_OK=YES")["PASSTHROUGH"] == 0
    assert blocks_of(tmp_path / "out.tif") == [None] * 4


def test_vrt_whose_nodata_is_not_that_of_missing_tiles(tmp_path):
    source = make_sparse(tmp_path / "in.tif", 256, ["PREDICTOR=2"])
    vrt = gdal.Translate("", str(source), format="VRT", noData=-9)
    for sparse in ("NO", "YES"):
        copy(tmp_path / "out.tif", vrt, *SAME, f"SPARSE_OK={sparse}", "PASSTHROUGH=YES")
        assert None not in blocks_of(tmp_path / "out.tif")
        assert streamtiff.pixels(tmp_path / "out.tif") == streamtiff.pixels(source)


def damage(path, tag, number, value):
    """Sets one entry of a table of a classic little-endian file."""
    content = bytearray(path.read_bytes())
    (at,) = struct.unpack_from("<I", content, 4)
    (entries,) = struct.unpack_from("<H", content, at)
    for entry in range(at + 2, at + 2 + 12 * entries, 12):
        found, kind, count, place = struct.unpack_from("<HHII", content, entry)
        if found == tag:
            assert count > number and kind in (3, 4)
            struct.pack_into("<H" if kind == 3 else "<I", content, place + number * (2 if kind == 3 else 4), value)
            path.write_bytes(content)
            return
    raise KeyError(tag)


@pytest.mark.parametrize("way", ["beyond", "too_long", "cut"])
@pytest.mark.parametrize("codec", ["DEFLATE", "NONE"])
@pytest.mark.parametrize("layout_option", ["LAYOUT=GTIFF", "LAYOUT=COG"])
def test_tiles_that_lie_outside_of_the_file(tmp_path, way, codec, layout_option):
    source = make(tmp_path / "in.tif", codec, block=512, options=["BIGTIFF=NO"], dtype="Float32", size=(1030, 600))
    if way == "cut":
        os.truncate(source, source.stat().st_size - 3000)
    else:
        damage(source, 324 if way == "beyond" else 325, 4, 0xFFFFFF00 if way == "beyond" else 0x7FFFFFF0)
    options = [f"COMPRESS={codec}", "PREDICTOR=1", layout_option]
    for mode in ("AUTO", "YES"):
        dataset = gdal.Open(str(source))
        if (mode, codec, way) == ("AUTO", "NONE", "too_long"):
            continue  # read by GDAL, which may take the bytes that it needs
        assert streamtiff.refused(tmp_path / "out.tif", dataset, *options, f"PASSTHROUGH={mode}")


def test_cancelled_anywhere_there_is_no_file(tmp_path):
    source = gdal.Open(str(make(tmp_path / "in.tif", options=["PREDICTOR=2"])))
    for stop_at in (0, 0.3, 0.9, 0.99, 1):
        streamtiff.refused(tmp_path / "out.tif", source, *SAME, callback=lambda done, *_: done < stop_at)
    assert not (tmp_path / "out.tif").exists()


# --- COG -------------------------------------------------------------------------------------------


def base_and_overviews(path):
    dataset = gdal.Open(str(path))
    return streamtiff.pixels(dataset), [
        dataset.GetRasterBand(1).GetOverview(i).ReadRaster() for i in range(dataset.GetRasterBand(1).GetOverviewCount())
    ]


@pytest.mark.parametrize("threads", [1, 2])
def test_cog_has_the_tiles_of_the_source_and_overviews_of_its_pixels(tmp_path, threads):
    source = make(tmp_path / "in.tif", "DEFLATE", "Float32", 1, 512, ["PREDICTOR=3", "ZLEVEL=1"], (1100, 600))
    options = ["LAYOUT=COG", "STATISTICS=YES", f"NUM_THREADS={threads}"]
    dataset = streamtiff.create_copy(tmp_path / "out.tif", str(source), *options)
    figures = streamtiff.streaming(dataset)
    dataset = None  # noqa: F841
    streamtiff.check_figures(figures)
    assert figures["PASSTHROUGH"] == figures["BLOCK_DECODES"] == 6
    cog.check_valid(tmp_path / "out.tif")
    assert blocks_of(tmp_path / "out.tif") == blocks_of(source)
    copy(tmp_path / "anew.tif", str(source), *options[:2], "PASSTHROUGH=NO")
    assert base_and_overviews(tmp_path / "out.tif") == base_and_overviews(tmp_path / "anew.tif")
    assert streamtiff.info(tmp_path / "out.tif") == streamtiff.info(tmp_path / "anew.tif")


JPEG = ["PHOTOMETRIC=YCBCR", "INTERLEAVE=PIXEL", "JPEG_QUALITY=91"]


@pytest.mark.parametrize("tables", ["", "JPEGTABLESMODE=0", "JPEGTABLESMODE=3"])
def test_jpeg_photographs_lose_nothing_in_a_cog(tmp_path, tables):
    if "JPEG" not in streamtiff.codecs():
        pytest.skip("libtiff has no JPEG")
    source = make(tmp_path / "in.tif", "JPEG", "Byte", 3, 512, [*JPEG, *filter(None, [tables])], (1100, 600))
    figures = copy(tmp_path / "out.tif", str(source), "LAYOUT=COG", "COMPRESS=JPEG")
    assert figures["PASSTHROUGH"] == 6
    cog.check_valid(tmp_path / "out.tif")
    assert blocks_of(tmp_path / "out.tif") == blocks_of(source)
    pixels, overviews = base_and_overviews(tmp_path / "out.tif")
    assert pixels == streamtiff.pixels(source)
    copy(tmp_path / "anew.tif", str(source), "LAYOUT=COG", "COMPRESS=JPEG", "PASSTHROUGH=NO")
    assert overviews == base_and_overviews(tmp_path / "anew.tif")[1]  # of the quality asked for, or the default
    assert copy(tmp_path / "asked.tif", str(source), "LAYOUT=COG", "COMPRESS=JPEG", "QUALITY=80")["PASSTHROUGH"] == 0


def test_sparse_cog(tmp_path):
    source = make_sparse(tmp_path / "in.tif", 512, ["PREDICTOR=2"])
    for sparse in ("NO", "YES"):
        options = ["LAYOUT=COG", f"SPARSE_OK={sparse}"]
        assert copy(tmp_path / "out.tif", str(source), *options)["PASSTHROUGH"] > 0
        copy(tmp_path / "anew.tif", str(source), *options, "PASSTHROUGH=NO")
        assert base_and_overviews(tmp_path / "out.tif") == base_and_overviews(tmp_path / "anew.tif")
        original, anew = blocks_of(source), blocks_of(tmp_path / "anew.tif")
        assert blocks_of(tmp_path / "out.tif") == [was or new for was, new in zip(original, anew)]


@pytest.mark.parametrize("layout_option", ["LAYOUT=GTIFF", "LAYOUT=COG"])
def test_mask_goes_its_own_way(tmp_path, layout_option):
    with parity.config(GDAL_TIFF_INTERNAL_MASK="YES"):
        source = make(tmp_path / "in.tif", block=512, options=["PREDICTOR=2"])
        dataset = gdal.Open(str(source), gdal.GA_Update)
        dataset.CreateMaskBand(gdal.GMF_PER_DATASET)
        mask = np.zeros((HEIGHT, WIDTH), np.uint8)
        mask[100:300, 50:600] = 255
        dataset.GetRasterBand(1).GetMaskBand().WriteArray(mask)
        dataset = None
        figures = copy(tmp_path / "out.tif", str(source), layout_option)
        assert figures["PASSTHROUGH"] == 4
        assert blocks_of(tmp_path / "out.tif") == blocks_of(source)
        found = gdal.Open(str(tmp_path / "out.tif"))
        assert (found.GetRasterBand(1).GetMaskBand().ReadAsArray() == mask).all()
        assert streamtiff.pixels(found) == streamtiff.pixels(source)


# --- cap and threads -------------------------------------------------------------------------------


@pytest.mark.parametrize("layout_option", ["LAYOUT=GTIFF", "LAYOUT=COG"])
def test_bytes_do_not_depend_on_cap_or_threads(tmp_path, layout_option):
    source = make(tmp_path / "in.tif", block=512, dtype="Float32", options=["PREDICTOR=3"], size=(1100, 600))
    files = set()
    for cap, threads in (("16MB", 1), ("16MB", 4), ("200MB", 3)):
        with streamtiff.messages():
            streamtiff.create_quietly(
                "StreamTIFF",
                tmp_path / "out.tif",
                gdal.Open(str(source)),
                [layout_option, f"MEMORY_CAP={cap}", f"NUM_THREADS={threads}", "PASSTHROUGH=YES"],
            )
        files.add((tmp_path / "out.tif").read_bytes())
    assert len(files) == 1


@streamtiff.needs_true_rss
def test_memory_of_the_process(tmp_path):
    source = make(tmp_path / "in.tif", dtype="Float32", block=512, options=["PREDICTOR=3"], size=(4096, 2048))
    job = {"source": str(source), "target": str(tmp_path / "out.tif"), "translate": {}, "dem": None}
    figures = streamtiff.measured_copy({**job, "options": ["MEMORY_CAP=4MB", "PASSTHROUGH=AUTO"]})
    told = figures["streaming"]
    assert int(told["PASSTHROUGH"]) == 32 and int(told["PEAK_BYTES"]) <= int(told["PREDICTED_PEAK_BYTES"])
    assert figures["peak_rss_bytes"] <= int(told["CAP_BYTES"]) + 8 * streamtiff.MIB
    assert figures["read_bytes"] <= 1.05 * source.stat().st_size + streamtiff.MIB
