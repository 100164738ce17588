"""Every codec the libtiff has, with its options: pixels as GTiff's, in files that libtiff's tools read without a word."""

import shutil
import subprocess

import numpy as np
import pytest
import streamtiff
import terrain
from osgeo import gdal
from pairs import pairwise

CODECS = streamtiff.codecs()
FAX = ("CCITTRLE", "CCITTFAX3", "CCITTFAX4", "FAX3", "FAX4")  # of one bit
LOSSLESS = [
    name
    for name in ("NONE", "DEFLATE", "ZIP", "LZW", "ZSTD", "PACKBITS", "LZMA", "LERC", "LERC_DEFLATE", "LERC_ZSTD")
    if name in CODECS
]
LAYOUTS = {
    "tiled": ["TILED=YES", "BLOCKXSIZE=128", "BLOCKYSIZE=64"],
    "strips": ["TILED=NO", "BLOCKYSIZE=48"],
}


def needs(codec):
    return pytest.mark.skipif(codec not in CODECS, reason=f"this libtiff has no {codec}")


@pytest.fixture(scope="module")
def sources(tmp_path_factory):
    folder = tmp_path_factory.mktemp("sources")
    for dtype in ("Byte", "UInt16", "Int32", "Int64", "Float32", "Float64", "CFloat32"):
        terrain.make_terrain(folder / f"{dtype}.tif", 301, 203, dtype)
    terrain.make_terrain(folder / "whole1.tif", 256, 192, "Byte")
    terrain.make_terrain(folder / "wholef.tif", 256, 192, "Float32")
    for bands in (3, 4):
        terrain.make_terrain(folder / f"bands{bands}.tif", 301, 203, "Byte", bands, ["PHOTOMETRIC=RGB"])
        terrain.make_terrain(folder / f"whole{bands}.tif", 256, 192, "Byte", bands, ["PHOTOMETRIC=RGB"])
    return lambda name: folder / f"{name}.tif"


def tiff_tools_are_silent(path):
    for tool in ("tiffinfo", "tiffdump"):
        if shutil.which(tool):
            done = subprocess.run([tool, str(path)], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
            # Tags of GDAL's and GeoTIFF's own are unknown to libtiff, and named as such.
            said = [line for line in done.stderr.splitlines() if "Unknown field with tag" not in line]
            assert done.returncode == 0 and said == []


def test_tiff_tools_are_there():
    if not (shutil.which("tiffinfo") and shutil.which("tiffdump")):
        pytest.skip("needs libtiff-tools")


def test_the_usual_codecs_are_there():
    assert {"NONE", "DEFLATE", "LZW", "PACKBITS"} <= set(CODECS)


def test_codecs_are_gtiffs():
    listed = gdal.GetDriverByName("GTiff").GetMetadataItem("DMD_CREATIONOPTIONLIST")
    for codec in CODECS:
        assert codec == "ZIP" or f"<Value>{codec}</Value>" in listed


@pytest.mark.parametrize("codec,layout,dtype", pairwise(LOSSLESS, LAYOUTS, ["Byte", "Int32", "Float64"]))
def test_lossless(tmp_path, sources, codec, layout, dtype):
    if codec == "ZIP":  # our alias, as in older TIFF software
        streamtiff.create_copy(tmp_path / "out.tif", sources(dtype), "COMPRESS=ZIP", *LAYOUTS[layout])
        assert (
            gdal.Info(str(tmp_path / "out.tif"), format="json")["metadata"]["IMAGE_STRUCTURE"]["COMPRESSION"]
            == "DEFLATE"
        )
        assert streamtiff.pixels(tmp_path / "out.tif") == streamtiff.pixels(sources(dtype))
        return
    path = streamtiff.same_as_gtiff(
        tmp_path,
        sources(dtype),
        f"COMPRESS={codec}",
        *LAYOUTS[layout],
        "BIGTIFF=NO",
        also=["PREDICTOR=NO", "MEMORY_CAP=256MB"],
    )
    assert streamtiff.pixels(path) == streamtiff.pixels(sources(dtype))
    tiff_tools_are_silent(path)


PREDICTED = [codec for codec in ("DEFLATE", "LZW", "ZSTD") if codec in CODECS]
PREDICTORS = [
    ("Byte", "2"),
    ("UInt16", "2"),
    ("Int32", "2"),
    ("Int64", "2"),
    ("Float32", "2"),
    ("Float64", "2"),
    ("Float32", "3"),
    ("Float64", "3"),
]


@pytest.mark.parametrize(
    "codec,dtype,predictor,layout",
    [(codec, *kind, layout) for codec, kind, layout in pairwise(PREDICTED, PREDICTORS, LAYOUTS)],
)
def test_predictor(tmp_path, sources, codec, dtype, predictor, layout):
    path = streamtiff.same_as_gtiff(
        tmp_path,
        sources(dtype),
        f"COMPRESS={codec}",
        f"PREDICTOR={predictor}",
        *LAYOUTS[layout],
        also=["MEMORY_CAP=64MB"],
    )
    assert streamtiff.pixels(path) == streamtiff.pixels(sources(dtype))
    tiff_tools_are_silent(path)


@pytest.mark.parametrize(
    "dtype,name,number",
    [
        ("Float32", "YES", 3),
        ("Int32", "YES", 2),
        ("Byte", "STANDARD", 2),
        ("Float64", "FLOATING_POINT", 3),
        ("CFloat32", "YES", 1),
        ("Float32", "NO", 1),
    ],
)
def test_names_of_predictors(tmp_path, sources, dtype, name, number):
    streamtiff.create_copy(tmp_path / "name.tif", sources(dtype), f"PREDICTOR={name}", "COMPRESS=DEFLATE")
    streamtiff.create_copy(tmp_path / "number.tif", sources(dtype), f"PREDICTOR={number}", "COMPRESS=DEFLATE")
    assert (tmp_path / "name.tif").read_bytes() == (tmp_path / "number.tif").read_bytes()


@pytest.mark.parametrize("codec", ["NONE", "PACKBITS", "LZMA", "LERC"])
def test_predictor_is_ignored_where_gtiff_ignores_it(tmp_path, sources, codec):
    if codec not in CODECS:
        pytest.skip(f"this libtiff has no {codec}")
    streamtiff.same_as_gtiff(
        tmp_path, sources("Float32"), f"COMPRESS={codec}", "PREDICTOR=2", *LAYOUTS["tiled"], also=["MEMORY_CAP=256MB"]
    )


LEVELS = [
    ("DEFLATE", "ZLEVEL", [1, 6, 9, 12]),
    ("ZSTD", "ZSTD_LEVEL", [1, 9, 19]),
    ("LZMA", "LZMA_PRESET", [0, 6]),
]


@pytest.mark.parametrize(
    "codec,option,level", [(codec, option, level) for codec, option, levels in LEVELS for level in levels]
)
def test_level(tmp_path, sources, codec, option, level):
    if codec not in CODECS:
        pytest.skip(f"this libtiff has no {codec}")
    path = streamtiff.same_as_gtiff(
        tmp_path,
        sources("Float32"),
        f"COMPRESS={codec}",
        f"{option}={level}",
        *LAYOUTS["tiled"],
        also=["PREDICTOR=NO", "MEMORY_CAP=1GB"],
    )
    size = path.stat().st_size
    streamtiff.create_copy(
        tmp_path / "level.tif",
        sources("Float32"),
        f"COMPRESS={codec}",
        f"LEVEL={level}",
        *LAYOUTS["tiled"],
        "PREDICTOR=NO",
        "MEMORY_CAP=1GB",
    )
    assert (tmp_path / "level.tif").stat().st_size == size
    if codec != "LZMA":  # whose filter GTiff sets up before the size of a sample is known, to its cost
        # The pixels are encoded as GTiff does it, to the byte; only tags may lie elsewhere.
        assert abs((tmp_path / "gtiff.tif").stat().st_size - size) < 2000


# What GTiff leaves in the part of an edge tile outside the raster is not what we do, and lossy codecs let it show
# within. So rasters of whole tiles must be equal to GTiff's; at edges we may be no further from the source than it is.


def no_worse_than_gtiff(tmp_path, source, *options):
    source = gdal.Open(str(source))
    distance = {}
    for driver in ("StreamTIFF", "GTiff"):
        dataset = gdal.GetDriverByName(driver).CreateCopy(str(tmp_path / "edges.tif"), source, options=list(options))
        dataset = None  # GTiff's still holds the pixels as they were
        dataset = gdal.Open(str(tmp_path / "edges.tif"))
        difference = dataset.ReadAsArray().astype(np.float64) - source.ReadAsArray()
        distance[driver] = np.sqrt((difference**2).mean())
    assert distance["StreamTIFF"] <= 1.01 * distance["GTiff"]


@needs("LERC")
@pytest.mark.parametrize(
    "codec,error,layout",
    pairwise([codec for codec in ("LERC", "LERC_DEFLATE", "LERC_ZSTD") if codec in CODECS], ["0", "0.01", "5"], LAYOUTS),
)
def test_lerc_with_an_error(tmp_path, sources, codec, error, layout):
    lerc = [f"COMPRESS={codec}", f"MAX_Z_ERROR={error}", *LAYOUTS[layout]]
    path = streamtiff.same_as_gtiff(tmp_path, sources("wholef"), *lerc, also=["MEMORY_CAP=256MB"])
    assert (streamtiff.pixels(path) == streamtiff.pixels(sources("wholef"))) == (error == "0")
    dataset = streamtiff.create_copy(tmp_path / "out.tif", sources("Float32"), *lerc)
    source = gdal.Open(str(sources("Float32")))
    difference = np.abs(dataset.ReadAsArray().astype(np.float64) - source.ReadAsArray())
    assert difference.max() <= float(error) + 0.0002  # the step of a Float32 at 3000 m
    assert (difference.max() > 0) == (error != "0")


@needs("JPEG")
@pytest.mark.parametrize(
    "quality,bands,interleave,layout",
    [
        (quality, *bands, layout)
        for quality, bands, layout in pairwise(
            ["30", "75", "100"], [(1, "PIXEL"), (3, "PIXEL"), (3, "BAND"), (4, "PIXEL")], LAYOUTS
        )
    ],
)
def test_jpeg(tmp_path, sources, quality, bands, interleave, layout):
    jpeg = ["COMPRESS=JPEG", f"JPEG_QUALITY={quality}", f"INTERLEAVE={interleave}", *LAYOUTS[layout]]
    path = streamtiff.same_as_gtiff(tmp_path, sources(f"whole{bands}"), *jpeg, also=["MEMORY_CAP=64MB"])
    tiff_tools_are_silent(path)
    no_worse_than_gtiff(tmp_path, sources("Byte" if bands == 1 else f"bands{bands}"), *jpeg)


@needs("WEBP")
@pytest.mark.parametrize("bands,option,layout", pairwise([3, 4], ["WEBP_LEVEL=20", "WEBP_LEVEL=75"], LAYOUTS))
def test_webp(tmp_path, sources, bands, option, layout):
    webp = ["COMPRESS=WEBP", option, *LAYOUTS[layout]]
    streamtiff.same_as_gtiff(tmp_path, sources(f"whole{bands}"), *webp, also=["MEMORY_CAP=256MB"])
    no_worse_than_gtiff(tmp_path, sources(f"bands{bands}"), *webp)


@needs("WEBP")
@pytest.mark.parametrize("bands", [3, 4])
@pytest.mark.parametrize("layout", LAYOUTS)
def test_webp_lossless(tmp_path, sources, bands, layout):
    """GTiff warns of a WEBP_LEVEL that nobody gave; we have no reason to."""
    webp = ["COMPRESS=WEBP", "WEBP_LOSSLESS=YES", *LAYOUTS[layout]]
    dataset = streamtiff.create_copy(tmp_path / "out.tif", sources(f"bands{bands}"), *webp)
    assert dataset.GetMetadataItem("COMPRESSION_REVERSIBILITY", "IMAGE_STRUCTURE").startswith("LOSSLESS")
    assert streamtiff.pixels(dataset) == streamtiff.pixels(sources(f"bands{bands}"))


@pytest.mark.parametrize("codec", [codec for codec in CODECS if codec not in ("JPEG", "WEBP", "ZIP", *FAX)])
def test_small_cap_with_every_codec(tmp_path, sources, codec):
    """The floor holds what the codec takes: tiles go through the spill all the same."""
    with streamtiff.messages():
        options = [f"COMPRESS={codec}", "BLOCKXSIZE=64", "BLOCKYSIZE=160", "MEMORY_CAP=100KB", "NUM_THREADS=2"]
        dataset = streamtiff.create_quietly(
            "StreamTIFF", tmp_path / "out.tif", gdal.Open(str(sources("Float32"))), options
        )
    streamtiff.check_figures(streamtiff.streaming(dataset))
    assert streamtiff.pixels(dataset) == streamtiff.pixels(sources("Float32"))


@pytest.mark.parametrize("codec", [codec for codec in CODECS if codec not in ("ZIP",)])
def test_noise_fits_the_bound(tmp_path, codec):
    """What does not compress is larger than it was."""
    bands = 3 if codec == "WEBP" else 1
    source = gdal.GetDriverByName("MEM").Create("", 300, 300, bands)
    above = 2 if codec in FAX else 256
    for band in range(bands):
        source.GetRasterBand(band + 1).WriteArray(np.random.RandomState(band).randint(0, above, (300, 300)))
    lossless = ["NBITS=1"] if codec in FAX else ["WEBP_LOSSLESS=YES"] if codec == "WEBP" else ["JPEG_QUALITY=100"] if codec == "JPEG" else []
    with streamtiff.messages() as kept:
        dataset = streamtiff.create_quietly(
            "StreamTIFF",
            tmp_path / "out.tif",
            source,
            [f"COMPRESS={codec}", "BLOCKXSIZE=64", "BLOCKYSIZE=64", *lossless],
        )
    assert dataset is not None, kept
    if codec != "JPEG":
        assert streamtiff.pixels(dataset) == streamtiff.pixels(source)
