"""Blocks of plain GeoTIFFs are decoded without GDAL: the pixels are those that GDAL reads, and anything unusual is left to it."""

import itertools
import os

import numpy as np
import pytest
import streamtiff
import terrain
from osgeo import gdal
from parity_sources import SOURCES, Sources
from test_prefix import view

if os.environ.get("STREAMTIFF_WITHOUT_CODECS"):
    pytest.skip("built without a codec of its own (STREAMTIFF_DIRECT_CODECS)", allow_module_level=True)

WIDTH, HEIGHT = 101, 75
TILED = ["TILED=YES", "BLOCKXSIZE=32", "BLOCKYSIZE=48"]
LAYOUTS = {"tiles": TILED, "strips": ["BLOCKYSIZE=7"]}
TYPES = ["Byte", "UInt16", "Int16", "UInt32", "Int32", "UInt64", "Int64", "Float32", "Float64", "CInt16", "CFloat64"]


def make(path, dtype="UInt16", bands=1, options=(), codec="DEFLATE"):
    """Waves and noise, other ones in each band."""
    dataset = gdal.GetDriverByName("GTiff").Create(
        str(path), WIDTH, HEIGHT, bands, gdal.GetDataTypeByName(dtype), [f"COMPRESS={codec}", *options]
    )
    y, x = np.mgrid[0:HEIGHT, 0:WIDTH]
    noise = np.random.RandomState(bands).randint(0, 9, (HEIGHT, WIDTH))
    for band in range(bands):
        values = 100 + 60 * np.sin(x / (5.0 + band)) * np.cos(y / 7.0) + noise
        values = values + 1j * values[::-1] if dtype.startswith("C") else values
        dataset.GetRasterBand(band + 1).WriteArray(values)
    dataset = None
    return path


def decoder(dataset):
    return dataset.GetMetadata("STREAMING")["DECODER"]


def read_both(path):
    """The pixels as GDAL reads them and as a view does, and who decoded for the view."""
    plain = gdal.Open(str(path))
    expected = streamtiff.pixels(plain)
    plain = None
    ours = view(path)
    return expected, streamtiff.pixels(ours), decoder(ours)


# --- every layout ----------------------------------------------------------------------------------


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("codec", ["NONE", "DEFLATE", "ZSTD", "LZW"])
def test_every_type_predictor_interleave_and_byte_order(tmp_path, codec, layout):
    if codec not in streamtiff.codecs():
        pytest.skip(f"libtiff has no {codec}")
    direct = 0
    for dtype, predictor, endianness in itertools.product(TYPES, (1, 2, 3), ("LITTLE", "BIG")):
        if predictor > 1 and (codec == "NONE" or dtype.startswith("C")):
            continue
        if predictor == 3 and not dtype.startswith("Float"):
            continue
        options = [*LAYOUTS[layout], f"ENDIANNESS={endianness}", "BIGTIFF=YES" if predictor == 2 else "BIGTIFF=NO"]
        options += [f"PREDICTOR={predictor}"] if codec != "NONE" else []
        for bands, interleave in ((1, "PIXEL"), (3, "PIXEL"), (2, "BAND")):
            path = make(tmp_path / "in.tif", dtype, bands, [*options, f"INTERLEAVE={interleave}"], codec)
            expected, found, by = read_both(path)
            assert found == expected, (dtype, options, bands, interleave, by)
            if not dtype.startswith("C"):
                assert by == "DIRECT", (dtype, options, bands, interleave)
            direct += by == "DIRECT"
    assert direct > 0


def test_every_source_of_the_parity_tests(tmp_path):
    """Whatever GDAL can say of a raster lies in a file that is read either way."""
    sources, direct = Sources(tmp_path), set()
    for name in SOURCES:
        path = tmp_path / "stored.tif"
        with streamtiff.messages():
            stored = streamtiff.create_quietly("GTiff", path, sources[name], ["COMPRESS=DEFLATE", *TILED])
        if stored is None:
            continue
        stored = None
        expected, found, by = read_both(path)
        assert found == expected, name
        if by == "DIRECT":
            direct.add(name)
        gdal.GetDriverByName("GTiff").Delete(str(path))
        sources.pop(name)
    assert {"type_Float64", "bands_7", "one_row", "one_column", "one_pixel"} <= direct
    whole_types = {"bits_half_float"} if hasattr(gdal, "GDT_Float16") else set()  # a type of its own from GDAL 3.11 on
    assert not {name for name in direct if name.startswith("bits_")} - whole_types


# --- what is left to GDAL --------------------------------------------------------------------------


def copy(tmp_path, source, *options, name="out.tif"):
    with streamtiff.messages() as kept:
        dataset = streamtiff.create_quietly("StreamTIFF", tmp_path / name, source, ["NUM_THREADS=2", *options])
    assert dataset is not None, kept
    streamtiff.check_figures(streamtiff.streaming(dataset))
    return dataset


@pytest.mark.parametrize("options", [[], ["LAYOUT=COG"], ["DERIVE=slope"]], ids=" ".join)
def test_no_means_gdal_and_the_file_is_the_same(tmp_path, options):
    source = gdal.Open(str(make(tmp_path / "in.tif", "Float32", 1, [*TILED, "PREDICTOR=3"])))
    files = []
    for value in ("AUTO", "NO"):
        dataset = copy(tmp_path, source, *options, f"DIRECT_DECODE={value}", name=f"{value}.tif")
        assert decoder(dataset) == ("DIRECT" if value == "AUTO" else "GDAL")
        dataset = None
        files.append((tmp_path / f"{value}.tif").read_bytes())
    assert files[0] == files[1]


def test_view_opened_with_no_means_gdal(tmp_path):
    path = make(tmp_path / "in.tif", "Byte", 3, TILED)
    for value in ("AUTO", "NO"):
        ours = view(path, f"DIRECT_DECODE={value}")
        assert streamtiff.pixels(ours) == streamtiff.pixels(path)
        assert decoder(ours) == ("DIRECT" if value == "AUTO" else "GDAL")


def test_any_other_value_is_refused(tmp_path):
    source = gdal.Open(str(make(tmp_path / "in.tif")))
    with streamtiff.messages() as kept:
        assert streamtiff.create_quietly("StreamTIFF", tmp_path / "out.tif", source, ["DIRECT_DECODE=PERHAPS"]) is None
        assert gdal.OpenEx(f"STREAMTIFF:{tmp_path / 'in.tif'}", open_options=["DIRECT_DECODE=PERHAPS"]) is None
    assert all("DIRECT_DECODE" in text for text in streamtiff.texts(kept, gdal.CE_Failure))


@pytest.mark.parametrize(
    "codec, dtype, bands, options",
    [
        ("DEFLATE", "UInt16", 1, ["NBITS=12"]),
        ("JPEG", "Byte", 3, ["PHOTOMETRIC=YCBCR"]),
        ("PACKBITS", "UInt16", 1, []),
        ("DEFLATE", "CInt16", 1, ["PREDICTOR=2"]),
        ("NONE", "CFloat32", 1, ["ENDIANNESS=BIG"]),
    ],
)
def test_unusual_files_are_gdals(tmp_path, codec, dtype, bands, options):
    path = make(tmp_path / "in.tif", dtype, bands, ["TILED=YES", "BLOCKXSIZE=32", "BLOCKYSIZE=16", *options], codec)
    dataset = copy(tmp_path, gdal.Open(str(path)))
    assert decoder(dataset) == "GDAL"
    assert streamtiff.pixels(dataset) == streamtiff.pixels(path)


@pytest.mark.parametrize("claimed", [5, 1 << 20])
def test_uncompressed_blocks_of_which_the_table_tells_another_size(tmp_path, claimed):
    """GDAL goes by the size that they must have."""
    path = make(tmp_path / "in.tif", "UInt16", 1, ["BLOCKYSIZE=7"], "NONE")
    expected = streamtiff.pixels(path)
    content = path.read_bytes()
    # The sizes of all strips but the last one, in 2 or 4 bytes each.
    kind = next(k for k in ("<u2", "<u4") if np.full(3, WIDTH * 7 * 2, k).tobytes() in content)
    at = content.find(np.full(3, WIDTH * 7 * 2, kind).tobytes())
    changed = np.array([min(claimed, np.iinfo(kind).max)], kind).tobytes()
    path.write_bytes(content[:at] + changed + content[at + len(changed) :])
    dataset = copy(tmp_path, gdal.Open(str(path)))
    assert decoder(dataset) == "GDAL"
    assert streamtiff.pixels(dataset) == expected


def test_overview_opened_in_the_place_of_the_raster(tmp_path):
    path = make(tmp_path / "in.tif", "UInt16", 1, TILED)
    dataset = gdal.Open(str(path), gdal.GA_Update)
    dataset.BuildOverviews("NEAREST", [2])
    dataset = None
    source = gdal.OpenEx(str(path), open_options=["OVERVIEW_LEVEL=0"])
    dataset = copy(tmp_path, source)
    assert decoder(dataset) == "GDAL"
    assert streamtiff.pixels(dataset) == streamtiff.pixels(source)


def test_changes_that_are_not_written_yet_are_seen(tmp_path):
    path = make(tmp_path / "in.tif", "UInt16", 1, TILED)
    source = gdal.Open(str(path), gdal.GA_Update)
    source.GetRasterBand(1).WriteArray(np.full((20, 20), 5), 30, 30)
    dataset = copy(tmp_path, source)
    assert decoder(dataset) == "GDAL"
    assert (dataset.ReadAsArray(30, 30, 20, 20) == 5).all()


def test_block_broken_while_the_source_is_open_fails_the_copy(tmp_path):
    path = make(tmp_path / "in.tif", "UInt16", 1, TILED)
    source = gdal.Open(str(path))
    at = int(source.GetRasterBand(1).GetMetadataItem("BLOCK_OFFSET_1_1", "TIFF"))
    with open(path, "r+b") as file:
        file.seek(at)
        file.write(b"\xff" * 50)
    text = streamtiff.refused(tmp_path / "out.tif", source)
    assert "block 1, 1 of band 1" in text and "DEFLATE" in text


# --- blocks that are missing -----------------------------------------------------------------------


@pytest.mark.parametrize("codec", ["NONE", "DEFLATE"])
@pytest.mark.parametrize("nodata", [None, 7])
@pytest.mark.parametrize("rows", [1, 16])
def test_missing_blocks(tmp_path, codec, nodata, rows):
    """Whole units of them, and (strips of one row) single ones among others."""
    path = tmp_path / "in.tif"
    layout = ["TILED=YES", "BLOCKXSIZE=16", "BLOCKYSIZE=16"] if rows == 16 else ["BLOCKYSIZE=1"]
    source = gdal.GetDriverByName("GTiff").Create(
        str(path), 100, 90, 2, gdal.GDT_Int16, ["SPARSE_OK=YES", "INTERLEAVE=BAND", f"COMPRESS={codec}", *layout]
    )
    for band in (1, 2):
        if nodata is not None:
            source.GetRasterBand(band).SetNoDataValue(nodata)
        source.GetRasterBand(band).WriteArray(np.full((3, 30), 40 + band), 20, 33 * band - 20)
    source = None
    source = gdal.Open(str(path))
    dataset = copy(tmp_path, source)
    assert decoder(dataset) == "DIRECT"
    assert streamtiff.pixels(dataset) == streamtiff.pixels(path)
    assert 0 < streamtiff.streaming(dataset)["SOURCE_BLOCKS"] < 20


# --- memory and bytes ------------------------------------------------------------------------------


def test_reader_takes_no_more_than_a_compressed_block(tmp_path):
    """Blocks of 256 KB, compressed to about half: GDAL's handle and its copies are what is saved."""
    layout = ["TILED=YES", "BLOCKXSIZE=256", "BLOCKYSIZE=256", "COMPRESS=DEFLATE"]
    source = gdal.Open(str(terrain.make_terrain(tmp_path / "in.tif", 1024, 512, "Float32", 1, layout)))
    floors = {}
    for value in ("AUTO", "NO"):
        options = ["COMPRESS=NONE", "BLOCKXSIZE=256", "BLOCKYSIZE=256", "MEMORY_CAP=64KB", f"DIRECT_DECODE={value}"]
        floors[value] = streamtiff.streaming(copy(tmp_path, source, *options, name=f"{value}.tif"))["FLOOR_BYTES"]
    assert 300 << 10 < floors["NO"] - floors["AUTO"] < 400 << 10


def test_bytes_read_are_those_of_the_file(tmp_path):
    layout = ["TILED=YES", "BLOCKXSIZE=256", "BLOCKYSIZE=256", "COMPRESS=DEFLATE"]
    path = terrain.make_terrain(tmp_path / "in.tif", 2048, 1024, "Float32", 1, layout)
    job = {"source": str(path), "target": str(tmp_path / "out.tif"), "options": ["MEMORY_CAP=8MB"]}
    figures = streamtiff.measured_copy({**job, "translate": {}, "dem": None})
    assert figures["streaming"]["DECODER"] == "DIRECT"
    assert figures["read_bytes"] <= 1.02 * path.stat().st_size
