"""Bad input: one clear failure, no file of the final name, no temporary file, and the cache limit as it was."""

import os
import shutil

import numpy as np
import pytest
import streamtiff
import terrain
from osgeo import gdal


@pytest.fixture(autouse=True)
def cache_limit_is_kept():
    before = gdal.GetCacheMax()
    yield
    assert gdal.GetCacheMax() == before


@pytest.fixture(scope="module")
def source_path(tmp_path_factory):
    path = tmp_path_factory.mktemp("source") / "in.tif"
    return terrain.make_terrain(path, 700, 500, "Float32", 1, ["TILED=YES", "COMPRESS=DEFLATE"])


@pytest.fixture
def source(source_path):
    return gdal.Open(str(source_path))


BAD_OPTIONS = [
    (["COMPRESS=BROTLI"], "BROTLI"),
    (["COMPRESS="], "COMPRESS"),
    (["BLOCKXSIZE=100"], "multiple of 16"),
    (["BLOCKYSIZE=255"], "multiple of 16"),
    (["BLOCKXSIZE=0"], "BLOCKXSIZE"),
    (["BLOCKXSIZE=-16"], "BLOCKXSIZE"),
    (["BLOCKXSIZE=16x"], "BLOCKXSIZE"),
    (["BLOCKXSIZE=2147483632", "BLOCKYSIZE=2147483632"], "BLOCKXSIZE"),
    (["TILED=NO", "BLOCKYSIZE=0"], "BLOCKYSIZE"),
    (["TILED=MAYBE"], "TILED"),
    (["INTERLEAVE=LINE"], "INTERLEAVE"),
    (["PREDICTOR=4"], "PREDICTOR"),
    (["ZLEVEL=0"], "ZLEVEL"),
    (["ZLEVEL=13"], "ZLEVEL"),
    (["COMPRESS=ZSTD", "LEVEL=23"], "LEVEL"),
    (["JPEG_QUALITY=101"], "JPEG_QUALITY"),
    (["MAX_Z_ERROR=-1"], "MAX_Z_ERROR"),
    (["MAX_Z_ERROR=nan"], "MAX_Z_ERROR"),
    (["BIGTIFF=PERHAPS"], "BIGTIFF"),
    (["NUM_THREADS=0"], "NUM_THREADS"),
    (["NUM_THREADS=many"], "NUM_THREADS"),
    (["MEMORY_CAP=lots"], "MEMORY_CAP"),
    (["MEMORY_CAP=-64MB"], "MEMORY_CAP"),
    (["MEMORY_CAP=0"], "MEMORY_CAP"),
    (["MEMORY_CAP=64 apples"], "MEMORY_CAP"),
    (["MEMORY_CAP=101%"], "MEMORY_CAP"),
    (["MEMORY_CAP=64MB", "MEMORY_CAP_STRICT=SOMETIMES"], "MEMORY_CAP_STRICT"),
    (["COMPRESS=JPEG"], "JPEG"),
    (["COMPRESS=WEBP"], "WEBP"),
]


@pytest.mark.parametrize("options,word", BAD_OPTIONS, ids=[" ".join(options) for options, _ in BAD_OPTIONS])
def test_bad_option(tmp_path, source, options, word):
    """GDAL's own validation warns of most of them; the failure is ours, and names the option."""
    target = tmp_path / "out.tif"
    assert word in streamtiff.refused(target, source, *options)


@pytest.mark.parametrize(
    "dtype,predictor", [("Int16", "3"), ("CFloat64", "2"), ("Byte", "FLOATING_POINT"), ("CFloat32", "3")]
)
def test_predictor_that_gtiff_refuses(tmp_path, dtype, predictor):
    path = terrain.make_terrain(tmp_path / "in.tif", 64, 64, dtype)
    number = {"FLOATING_POINT": "3"}.get(predictor, predictor)
    with streamtiff.messages() as kept:
        gtiff = streamtiff.create_quietly(
            "GTiff", "/vsimem/gtiff.tif", gdal.Open(str(path)), ["COMPRESS=LZW", f"PREDICTOR={number}"]
        )
    assert gtiff is None or streamtiff.texts(kept, gdal.CE_Failure)
    gtiff = None
    gdal.Unlink("/vsimem/gtiff.tif")
    text = streamtiff.refused(tmp_path / "out.tif", gdal.Open(str(path)), "COMPRESS=LZW", f"PREDICTOR={predictor}")
    assert "PREDICTOR" in text


def test_zero_bands(tmp_path):
    source = gdal.GetDriverByName("MEM").Create("", 10, 10, 0)
    assert "zero bands" in streamtiff.refused(tmp_path / "out.tif", source)


def test_target_folder_is_missing(tmp_path, source):
    text = streamtiff.refused(tmp_path / "no" / "such" / "out.tif", source)
    assert str(tmp_path / "no" / "such") in text
    assert os.listdir(tmp_path) == []


def test_target_is_a_folder(tmp_path, source):
    (tmp_path / "out.tif").mkdir()
    (tmp_path / "out.tif" / "precious").write_text("kept")
    assert "out.tif" in streamtiff.refused(tmp_path / "out.tif", source)
    assert (tmp_path / "out.tif" / "precious").read_text() == "kept"


@pytest.mark.skipif(not os.path.isdir("/proc/self"), reason="needs Linux's /proc")
def test_target_cannot_be_created(source):
    with streamtiff.messages() as kept:
        assert streamtiff.create_quietly("StreamTIFF", "/proc/streamtiff.tif", source, []) is None
    (text,) = streamtiff.texts(kept, gdal.CE_Failure)
    assert "/proc/streamtiff.tif" in text


def test_empty_name(source):
    with streamtiff.messages() as kept:
        assert gdal.GetDriverByName("StreamTIFF").CreateCopy("", source) is None
    assert len(streamtiff.texts(kept, gdal.CE_Failure)) == 1


def test_sidecar_cannot_be_written(tmp_path, source):
    """The raster is not complete without its sidecar: neither is left."""
    (tmp_path / "out.tif.aux.xml").mkdir()
    copy = gdal.GetDriverByName("MEM").CreateCopy("", source)
    copy.GetRasterBand(1).SetDescription("needs a sidecar with this profile")
    copy.SetMetadataItem("KEY", "value")
    streamtiff.refused(tmp_path / "out.tif", copy, "PROFILE=BASELINE")


# --- sources that end in the middle --------------------------------------------------------------

BROKEN = {
    "tiled": (1, ["TILED=YES", "BLOCKXSIZE=128", "BLOCKYSIZE=128", "COMPRESS=DEFLATE"]),
    "tiled_none": (1, ["TILED=YES", "BLOCKXSIZE=128", "BLOCKYSIZE=128"]),
    "strips": (1, ["BLOCKYSIZE=64", "COMPRESS=LZW"]),
    "one_strip": (1, ["BLOCKYSIZE=500", "COMPRESS=DEFLATE"]),
    "rows": (1, ["BLOCKYSIZE=1"]),
    "pixel": (3, ["INTERLEAVE=PIXEL", "TILED=YES", "COMPRESS=DEFLATE"]),
    "band": (3, ["INTERLEAVE=BAND", "TILED=YES", "COMPRESS=DEFLATE"]),
}


def truncated(folder, layout):
    bands, options = BROKEN[layout]
    path = terrain.make_terrain(folder / "broken.tif", 700, 500, "UInt16", bands, options)
    # The directory must be kept: GTiff writes it first.
    os.truncate(path, path.stat().st_size * 6 // 10)
    return path


@pytest.mark.parametrize("threads", [1, 2, 8])
@pytest.mark.parametrize("layout", BROKEN)
@pytest.mark.parametrize("cap", ["1MB", "64MB"])
def test_truncated_source(tmp_path, layout, threads, cap):
    path = truncated(tmp_path, layout)
    options = [f"NUM_THREADS={threads}", f"MEMORY_CAP={cap}", "BLOCKXSIZE=64", "BLOCKYSIZE=256", "COMPRESS=LZW"]
    text = streamtiff.refused(tmp_path / "out.tif", gdal.Open(str(path)), *options)
    assert "Reading" in text and "of band" in text


@pytest.mark.parametrize("threads", [1, 2])
def test_truncated_source_under_a_vrt(tmp_path, threads):
    path = truncated(tmp_path, "tiled")
    vrt = gdal.Translate("", str(path), format="VRT", srcWin=[3, 5, 650, 480])
    assert "VRT" in streamtiff.refused(tmp_path / "out.tif", vrt, f"NUM_THREADS={threads}", "MEMORY_CAP=64MB")


@pytest.mark.parametrize("threads", [1, 2])
@pytest.mark.parametrize("cap", ["1MB", "64MB"])
def test_truncated_dem(tmp_path, threads, cap):
    path = truncated(tmp_path, "strips")
    before = streamtiff.listing(tmp_path)
    with streamtiff.messages() as kept:
        options = [f"NUM_THREADS={threads}", f"MEMORY_CAP={cap}", "BLOCKXSIZE=64", "BLOCKYSIZE=64"]
        target = str(tmp_path / "out.tif")
        assert (
            gdal.DEMProcessing(target, str(path), "slope", options=[], format="StreamTIFF", creationOptions=options)
            is None
        )
    assert streamtiff.texts(kept, gdal.CE_Failure)
    assert streamtiff.listing(tmp_path) == before


def test_source_file_has_vanished(tmp_path, source_path):
    """Deleted while open: what is still there through the open handle is copied."""
    shutil.copy(source_path, tmp_path / "in.tif")
    source = gdal.Open(str(tmp_path / "in.tif"))
    os.remove(tmp_path / "in.tif")
    dataset = streamtiff.create_copy(tmp_path / "out.tif", source, "NUM_THREADS=2")
    assert streamtiff.pixels(dataset) == streamtiff.pixels(source_path)


def test_source_file_was_replaced(tmp_path, source_path):
    """Another raster of the same shape lies under the name now: the open one is what is copied."""
    shutil.copy(source_path, tmp_path / "in.tif")
    source = gdal.Open(str(tmp_path / "in.tif"))
    os.remove(tmp_path / "in.tif")
    terrain.make_terrain(tmp_path / "in.tif", 700, 500, "Float32", 1, ["TILED=YES", "COMPRESS=DEFLATE"], seed=5)
    dataset = streamtiff.create_copy(tmp_path / "out.tif", source, "NUM_THREADS=2")
    assert streamtiff.pixels(dataset) == streamtiff.pixels(source_path)


def test_failure_leaves_an_older_file_absent_or_whole(tmp_path, source):
    """GDAL deletes a file of the target's name before the driver is called; a failed copy puts nothing there."""
    streamtiff.create_copy(tmp_path / "out.tif", source)
    with streamtiff.messages():
        assert streamtiff.create_quietly("StreamTIFF", tmp_path / "out.tif", source, ["MEMORY_CAP=junk"]) is None
    assert os.listdir(tmp_path) == []


def test_exceptions(tmp_path, source):
    gdal.UseExceptions()
    try:
        with pytest.raises(RuntimeError, match="not a size"):
            gdal.GetDriverByName("StreamTIFF").CreateCopy(
                str(tmp_path / "out.tif"), source, options=["MEMORY_CAP=junk"]
            )
        broken = gdal.Open(str(truncated(tmp_path, "tiled")))
        with pytest.raises(RuntimeError, match="Reading block"):  # raised in a worker, told in the caller
            gdal.GetDriverByName("StreamTIFF").CreateCopy(str(tmp_path / "out.tif"), broken, options=["NUM_THREADS=4"])
        dataset = gdal.GetDriverByName("StreamTIFF").CreateCopy(str(tmp_path / "out.tif"), source)
        assert np.array_equal(dataset.ReadAsArray(), source.ReadAsArray())
    finally:
        gdal.DontUseExceptions()
