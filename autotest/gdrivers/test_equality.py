"""Pixels, structure and georeferencing equal to what GTiff writes, over types, layouts and sizes."""

import numpy as np
import pytest
import streamtiff
import terrain
from osgeo import gdal
from pairs import pairwise

TYPES = gdal.GetDriverByName("StreamTIFF").GetMetadataItem("DMD_CREATIONDATATYPES").split()
# What the drivers' defaults do not have in common, spelled out.
SQUARE = ["TILED=YES", "BLOCKXSIZE=64", "BLOCKYSIZE=64", "COMPRESS=DEFLATE", "PREDICTOR=1", "BIGTIFF=NO"]
STRIPS = ["TILED=NO", "COMPRESS=DEFLATE", "PREDICTOR=1", "BIGTIFF=NO"]


def make(path, width, height, dtype="Byte", bands=1, options=()):
    return terrain.make_terrain(path, width, height, dtype, bands, options)


def test_all_types_are_there():
    assert {"Byte", "UInt16", "Int16", "UInt32", "Int32", "UInt64", "Int64", "Float32", "Float64"} <= set(TYPES)
    assert {"CInt16", "CInt32", "CFloat32", "CFloat64"} <= set(TYPES)


@pytest.mark.parametrize("dtype,bands,output", pairwise(TYPES, [1, 3], [SQUARE, STRIPS]))
def test_data_type(tmp_path, dtype, bands, output):
    source = make(tmp_path / "in.tif", 301, 203, dtype, bands, ["TILED=YES", "BLOCKXSIZE=128", "BLOCKYSIZE=128"])
    streamtiff.same_as_gtiff(tmp_path, source, "INTERLEAVE=PIXEL", *output, also=["MEMORY_CAP=64MB"])


@pytest.mark.parametrize(
    "bands,source_interleave,interleave,output",
    pairwise([1, 2, 3, 4, 5], ["PIXEL", "BAND"], ["PIXEL", "BAND"], [SQUARE, STRIPS]),
)
def test_interleave(tmp_path, bands, source_interleave, interleave, output):
    layout = [f"INTERLEAVE={source_interleave}", "TILED=YES", "BLOCKXSIZE=96", "BLOCKYSIZE=80", "COMPRESS=LZW"]
    source = make(tmp_path / "in.tif", 211, 307, "UInt16", bands, layout)
    streamtiff.same_as_gtiff(tmp_path, source, f"INTERLEAVE={interleave}", *output, also=["MEMORY_CAP=64MB"])


@pytest.mark.parametrize("interleave", ["PIXEL", "BAND"])
def test_interleave_is_the_sources_where_nothing_is_compressed(tmp_path, interleave):
    source = make(tmp_path / "in.tif", 100, 100, "Byte", 3, [f"INTERLEAVE={interleave}"])
    streamtiff.same_as_gtiff(tmp_path, source, "COMPRESS=NONE", "TILED=YES", "BLOCKXSIZE=64", "BLOCKYSIZE=64")


@pytest.mark.parametrize("width_px,height_px", [(16, 16), (32, 160), (256, 256), (512, 512), (1024, 16), (16, 1008)])
@pytest.mark.parametrize(
    "source_blocks", [["BLOCKYSIZE=1"], ["BLOCKYSIZE=150"], ["TILED=YES"]], ids=["rows", "strips", "tiled"]
)
def test_tile_size(tmp_path, width_px, height_px, source_blocks):
    source = make(tmp_path / "in.tif", 701, 503, "Int16", 1, ["COMPRESS=DEFLATE", *source_blocks])
    tile = ["TILED=YES", f"BLOCKXSIZE={width_px}", f"BLOCKYSIZE={height_px}", "COMPRESS=DEFLATE", "PREDICTOR=2"]
    streamtiff.same_as_gtiff(tmp_path, source, *tile, "BIGTIFF=NO", also=["MEMORY_CAP=64MB"])


@pytest.mark.parametrize("rows", [None, 1, 7, 64, 100, 503, 504, 5000])
@pytest.mark.parametrize(
    "source_blocks", [["BLOCKYSIZE=1"], ["BLOCKYSIZE=150"], ["TILED=YES"]], ids=["rows", "strips", "tiled"]
)
def test_strip_height(tmp_path, rows, source_blocks):
    source = make(tmp_path / "in.tif", 701, 503, "Int16", 1, ["COMPRESS=DEFLATE", *source_blocks])
    height = [f"BLOCKYSIZE={rows}"] if rows else []
    streamtiff.same_as_gtiff(tmp_path, source, *STRIPS, *height, also=["MEMORY_CAP=64MB"])


SIZES = [(1, 1), (1, 700), (700, 1), (2, 2), (15, 17), (16, 16), (63, 65), (64, 64), (65, 63), (129, 257), (513, 511)]


@pytest.mark.parametrize(
    "width,height,bands,output",
    [(*size, bands, output) for size, bands, output in pairwise(SIZES, [1, 3], [SQUARE, STRIPS, [*STRIPS, "BLOCKYSIZE=10"]])],
)
def test_odd_size(tmp_path, width, height, bands, output):
    source = make(tmp_path / "in.tif", width, height, "Float32", bands)
    streamtiff.same_as_gtiff(tmp_path, source, "INTERLEAVE=PIXEL", *output, also=["MEMORY_CAP=64MB"])


@pytest.mark.parametrize("width,height", [(1, 1), (700, 1), (1, 700), (300, 300)])
def test_raster_smaller_than_the_default_tile(tmp_path, width, height):
    source = make(tmp_path / "in.tif", width, height, "Byte", 1)
    same = ["TILED=YES", "BLOCKXSIZE=512", "BLOCKYSIZE=512", "COMPRESS=DEFLATE", "PREDICTOR=2", "BIGTIFF=IF_SAFER"]
    path = streamtiff.same_as_gtiff(tmp_path, source, *same)
    streamtiff.create_copy(tmp_path / "defaults.tif", source)
    assert (tmp_path / "defaults.tif").read_bytes() == path.read_bytes()


@pytest.mark.parametrize(
    "cap,bands,interleave,layout,output",
    pairwise(
        ["1MB", "2MB", "4MB"],
        [1, 3],
        ["BAND", "PIXEL"],
        [["BLOCKYSIZE=300", "COMPRESS=LZW"], ["TILED=YES", "BLOCKXSIZE=272", "BLOCKYSIZE=240"]],
        [SQUARE, [*STRIPS, "BLOCKYSIZE=70"]],
    ),
)
def test_small_cap_and_grids_out_of_step(tmp_path, cap, bands, interleave, layout, output):
    source = gdal.Open(
        str(make(tmp_path / "in.tif", 1301, 907, "UInt16", bands, [f"INTERLEAVE={interleave}", *layout]))
    )
    with streamtiff.messages() as kept:
        options = [f"INTERLEAVE={interleave}", *output, f"MEMORY_CAP={cap}", "NUM_THREADS=2"]
        dataset = gdal.GetDriverByName("StreamTIFF").CreateCopy(str(tmp_path / "out.tif"), source, options=options)
    assert dataset is not None, kept
    streamtiff.check_figures(streamtiff.streaming(dataset))
    dataset = None
    assert streamtiff.pixels(tmp_path / "out.tif") == streamtiff.pixels(source)


@pytest.mark.parametrize("cap,sweep", [("64MB", "BANDS"), ("3MB", "STRIPES"), ("2MB", "SPILL")])
@pytest.mark.parametrize("threads", [1, 4])
def test_every_sweep(tmp_path, cap, sweep, threads):
    """Twelve tiles of 256 KB wait across the raster, for source blocks of 272 rows; waiting for seams costs little."""
    layout = ["BLOCKYSIZE=272"] if sweep == "SPILL" else ["TILED=YES", "BLOCKXSIZE=272", "BLOCKYSIZE=272"]
    source = make(tmp_path / "in.tif", 3000, 600, "Float32", 1, layout)
    options = ["BLOCKXSIZE=256", "BLOCKYSIZE=256", "COMPRESS=NONE", f"MEMORY_CAP={cap}", f"NUM_THREADS={threads}"]
    with streamtiff.messages():
        dataset = streamtiff.create_quietly("StreamTIFF", tmp_path / "out.tif", gdal.Open(str(source)), options)
    figures = streamtiff.streaming(dataset)
    streamtiff.check_figures(figures)
    assert figures["SWEEP"] == sweep
    assert (figures["STRIPES"] > 1) == (sweep == "STRIPES")
    assert (figures["SPILL_BYTES"] > 0) == (sweep != "BANDS")
    if sweep == "SPILL":
        assert figures["SPILL_BYTES"] == 3000 * 600 * 4  # every pixel once
    assert streamtiff.pixels(dataset) == streamtiff.pixels(source)


def test_nan_infinity_and_negative_zero(tmp_path):
    source = gdal.GetDriverByName("MEM").Create("", 100, 60, 1, gdal.GDT_Float32)
    array = np.linspace(-1, 1, 6000, dtype=np.float32).reshape(60, 100)
    array[3, 5:20] = np.nan
    array[7, 1:9] = np.inf
    array[8, 1:9] = -np.inf
    array[9, :] = -0.0
    source.WriteArray(array)
    for predictor in (1, 2, 3):
        streamtiff.same_as_gtiff(
            tmp_path,
            source,
            "COMPRESS=DEFLATE",
            f"PREDICTOR={predictor}",
            "TILED=YES",
            "BLOCKXSIZE=64",
            "BLOCKYSIZE=64",
        )


def test_bands_of_different_types(tmp_path):
    source = gdal.GetDriverByName("MEM").Create("", 50, 40, 0)
    for number, dtype in enumerate((gdal.GDT_Byte, gdal.GDT_Float32, gdal.GDT_Int16)):
        source.AddBand(dtype)
        source.GetRasterBand(number + 1).WriteArray(np.full((40, 50), 50 * number - 40 * (dtype == gdal.GDT_Int16)))
    # All become the first band's type. The warnings are worded differently, and so only the pixels are compared.
    with streamtiff.messages() as kept:
        dataset = streamtiff.create_quietly("StreamTIFF", tmp_path / "out.tif", source, [])
        expected = streamtiff.create_quietly("GTiff", tmp_path / "gtiff.tif", source, [])
    assert streamtiff.pixels(dataset) == streamtiff.pixels(expected)
    assert streamtiff.texts(kept, gdal.CE_Warning) and not streamtiff.texts(kept, gdal.CE_Failure)
    dataset = None
    gdal.Unlink(str(tmp_path / "out.tif"))
    text = streamtiff.refused(tmp_path / "out.tif", source, strict=1)
    assert "different datatypes" in text
