"""COPY_SRC_OVERVIEWS=YES: the file that GTiff writes, byte for byte."""

import cog
import numpy as np
import parity
import pytest
import streamtiff
from osgeo import gdal
from parity_rasters import VERSION, mem, placed

TILES = ["TILED=YES", "BLOCKXSIZE=128", "BLOCKYSIZE=128", "COMPRESS=DEFLATE"]


def source_of(path, bands=1, masked=False, dtype=gdal.GDT_Byte, factors=(2, 4)):
    """Sides are multiples of tiles: what lies outside of a raster, each driver fills in its own way."""
    source = placed(mem(bands, dtype, width=512, height=512))
    if masked:
        source.CreateMaskBand(gdal.GMF_PER_DATASET)
        y, x = np.mgrid[0:512, 0:512]
        source.GetRasterBand(1).GetMaskBand().WriteArray(np.where((x + y) % 300 < 200, 255, 0).astype("u1"))
    with parity.config(GDAL_TIFF_INTERNAL_MASK="YES"):
        copy = gdal.GetDriverByName("GTiff").CreateCopy(str(path), source, options=TILES)
        copy = None  # noqa: F841
        if factors:
            dataset = gdal.Open(str(path), gdal.GA_Update)
            dataset.BuildOverviews("AVERAGE", list(factors))
            dataset = None
    return gdal.Open(str(path))


def copy_with_both(folder, source, *options, **configured):
    """The two files, and what was said."""
    said = {}
    for driver in ("GTiff", streamtiff.DRIVER):
        (folder / driver).mkdir()
        with parity.config(GDAL_TIFF_INTERNAL_MASK="YES", **configured), streamtiff.messages() as kept:
            dataset = streamtiff.create_quietly(
                driver, folder / driver / "out.tif", source, ["COPY_SRC_OVERVIEWS=YES", "BIGTIFF=NO", *options]
            )
            assert dataset is not None, kept
            if driver == streamtiff.DRIVER:
                streamtiff.check_figures(streamtiff.streaming(dataset))
            dataset = None
        said[driver] = [(kind, number) for kind, number, _ in kept]
    assert said["GTiff"] == said[streamtiff.DRIVER]
    return [folder / driver / "out.tif" for driver in ("GTiff", streamtiff.DRIVER)]


CASES = {
    "one_band": (dict(), TILES + ["PREDICTOR=2"], {}),
    "three_bands": (dict(bands=3), TILES + ["PREDICTOR=2"], {}),
    "float": (dict(dtype=gdal.GDT_Float32), TILES + ["PREDICTOR=3"], {}),
    "mask": (dict(masked=True), TILES + ["PREDICTOR=1"], {}),
    "mask_of_three": (
        dict(bands=3, masked=True),
        ["TILED=YES", "BLOCKXSIZE=256", "BLOCKYSIZE=128", "COMPRESS=NONE"],
        {},
    ),
    "strips": (dict(), ["TILED=NO", "BLOCKYSIZE=64", "COMPRESS=LZW", "PREDICTOR=1"], {}),
    "strips_and_mask": (dict(masked=True), ["TILED=NO", "BLOCKYSIZE=64", "COMPRESS=LZW", "PREDICTOR=1"], {}),
    "no_overviews": (dict(factors=()), TILES + ["PREDICTOR=1"], {}),
    "one_overview": (dict(factors=(4,)), TILES + ["PREDICTOR=1"], {}),
    "codec_of_overviews": (dict(), TILES + ["PREDICTOR=2"], {"COMPRESS_OVERVIEW": "LZW", "PREDICTOR_OVERVIEW": "1"}),
    "world_file": (dict(), TILES + ["PREDICTOR=1", "PROFILE=BASELINE", "TFW=YES"], {}),
}


@pytest.mark.parametrize("name", CASES)
def test_same_file_as_gtiffs(tmp_path, name):
    of_source, options, configured = CASES[name]
    source = source_of(tmp_path / "in.tif", **of_source)
    theirs, ours = copy_with_both(tmp_path, source, *options, **configured)
    assert ours.read_bytes() == theirs.read_bytes()
    assert parity.inspect(ours.parent) == parity.inspect(theirs.parent)


@pytest.mark.parametrize("size", [(500, 300), (131, 600)])
def test_sides_that_are_no_multiples(tmp_path, size):
    source = placed(mem(3, width=size[0], height=size[1]))
    copy = gdal.GetDriverByName("GTiff").CreateCopy(str(tmp_path / "in.tif"), source)
    copy = None  # noqa: F841
    dataset = gdal.Open(str(tmp_path / "in.tif"), gdal.GA_Update)
    dataset.BuildOverviews("NEAREST", [2, 4])
    dataset = None
    theirs, ours = copy_with_both(tmp_path, gdal.Open(str(tmp_path / "in.tif")), *TILES[:3], "COMPRESS=NONE")
    assert cog.Parts(ours).head == cog.Parts(theirs).head
    assert parity.inspect(ours.parent) == parity.inspect(theirs.parent)
    cog.check_frames(cog.Parts(ours))


def test_memory_and_threads_change_nothing(tmp_path):
    source = source_of(tmp_path / "in.tif", 3, True)
    files, floor = set(), 64 << 20
    with parity.config(GDAL_TIFF_INTERNAL_MASK="YES"):
        for threads in (1, 2, 8):
            for cap in (64 << 20, floor):
                target = tmp_path / f"{threads}_{cap}.tif"
                options = ["COPY_SRC_OVERVIEWS=YES", f"MEMORY_CAP={cap}", f"NUM_THREADS={threads}", *TILES]
                dataset = streamtiff.create_copy(target, source, *options)
                figures = streamtiff.streaming(dataset)
                dataset = None
                streamtiff.check_figures(figures)
                floor = figures["FLOOR_BYTES"]
                files.add(target.read_bytes())
    assert len(files) == 1


def test_what_is_not_supported_is_said(tmp_path):
    source = source_of(tmp_path / "in.tif", 3, True)
    (tmp_path / "out").mkdir()
    if VERSION < 31100:
        text = streamtiff.refused(tmp_path / "out" / "a.tif", source, "COPY_SRC_OVERVIEWS=YES", "INTERLEAVE=BAND")
        assert "INTERLEAVE=PIXEL" in text
    assert "byte order" in streamtiff.refused(
        tmp_path / "out" / "a.tif", source, "COPY_SRC_OVERVIEWS=YES", "ENDIANNESS=BIG"
    )
    with parity.config(GDAL_TIFF_INTERNAL_MASK="NO"):
        text = streamtiff.refused(tmp_path / "out" / "a.tif", source, "COPY_SRC_OVERVIEWS=YES", *TILES)
        assert "GDAL_TIFF_INTERNAL_MASK" in text
