"""The driver as Python programs call it: the same results and the same failures as with GTiff."""

import contextlib

import numpy as np
import parity
import parity_sources
import pytest
import streamtiff
from osgeo import gdal, gdal_array
from parity_allowed import unexpected

OPTIONS = parity.with_layout(("COMPRESS=DEFLATE",))


@contextlib.contextmanager
def exceptions(used):
    before = gdal.GetUseExceptions()
    (gdal.UseExceptions if used else gdal.DontUseExceptions)()
    try:
        yield
    finally:
        (gdal.UseExceptions if before else gdal.DontUseExceptions)()


def rgb(folder):
    return parity_sources.gtiff(folder / "rgb.tif", parity_sources.placed(parity_sources.colored("rgb")), "TILED=YES")


def both(tmp_path, make):
    """make(driver, path) with both drivers; what can be seen of the two files must be the same."""
    seen = []
    for driver in parity.DRIVERS:
        folder = tmp_path / driver
        folder.mkdir()
        with streamtiff.messages() as kept:
            result = make(driver, str(folder / "out.tif"))
            assert result is not None, kept
            result = None
        seen.append({**parity.inspect(folder), "said": [text.replace(driver, "DRIVER") for _, _, text in kept]})
    found = {key: (seen[0].get(key), seen[1].get(key)) for key in {**seen[0], **seen[1]}}
    found = {key: pair for key, pair in found.items() if not parity.same(*pair)}
    found = unexpected(found, "", tuple(OPTIONS))
    assert not found, parity.brief(found)


@pytest.mark.parametrize("used", [False, True])
@pytest.mark.parametrize(
    "arguments",
    [
        {},
        {"bandList": [3, 1]},
        {"srcWin": [3, 4, 50, 40], "noData": 7},
        {"width": 30, "height": 20, "resampleAlg": "cubic"},
        {"outputType": gdal.GDT_Float32, "scaleParams": [[0, 255, 0, 1]]},
        {"outputSRS": "EPSG:3857", "metadataOptions": ["A=B"], "stats": True},
        {"maskBand": "none", "creationOptions": [*OPTIONS, "INTERLEAVE=BAND"]},
    ],
    ids=lambda arguments: ",".join(arguments) or "plain",
)
def test_translate(tmp_path, arguments, used):
    source = rgb(tmp_path)
    with exceptions(used):
        both(tmp_path, lambda d, path: gdal.Translate(path, source, format=d, **{"creationOptions": OPTIONS, **arguments}))


@pytest.mark.parametrize("arguments", [{"dstSRS": "EPSG:4326"}, {"width": 40, "height": 60, "resampleAlg": "bilinear"}])
def test_warp_through_a_vrt(tmp_path, arguments):
    vrt = gdal.Warp("", rgb(tmp_path), format="VRT", **arguments)
    both(tmp_path, lambda driver, path: gdal.GetDriverByName(driver).CreateCopy(path, vrt, options=OPTIONS))


def test_warp(tmp_path):
    """gdalwarp pushes into GTiff, and lets us pull: the pixels are the same."""
    source = rgb(tmp_path)
    ours, theirs = (str(tmp_path / f"{driver}.tif") for driver in ("ours", "theirs"))
    for driver, path in ((streamtiff.DRIVER, ours), ("GTiff", theirs)):
        dataset = gdal.Warp(path, source, format=driver, dstSRS="EPSG:4326", creationOptions=OPTIONS)
        assert dataset is not None
        dataset = None
    assert streamtiff.pixels(ours) == streamtiff.pixels(theirs)


@pytest.mark.parametrize("used", [False, True])
def test_create_copy(tmp_path, used):
    source = rgb(tmp_path)
    with exceptions(used):
        both(tmp_path, lambda driver, path: gdal.GetDriverByName(driver).CreateCopy(path, source, 1, OPTIONS))


@pytest.mark.parametrize(
    "driver,option",
    [("GTiff", "PREDICTOR=7"), ("StreamTIFF", "PREDICTOR=7"), ("StreamTIFF", "COMPRESS=NO_SUCH")],  # GTiff would ignore it
)
def test_failure_with_exceptions(tmp_path, driver, option):
    source = rgb(tmp_path)
    codec = ["ZLEVEL=6"] if "COMPRESS" in option else ["COMPRESS=DEFLATE", "ZLEVEL=6"]
    with exceptions(True), pytest.raises(RuntimeError, match=option.split("=")[1]):
        gdal.PushErrorHandler("CPLQuietErrorHandler")
        try:
            gdal.GetDriverByName(driver).CreateCopy(str(tmp_path / "out.tif"), source, options=[*codec, option])
        finally:
            gdal.PopErrorHandler()
    assert not (tmp_path / "out.tif").exists()


@pytest.mark.parametrize("used", [False, True])
@pytest.mark.parametrize("at", [0.0, 0.3, 1.0])
def test_callback_that_stops(tmp_path, used, at):
    source = rgb(tmp_path)
    before = streamtiff.listing(tmp_path)
    with exceptions(used), streamtiff.messages():
        call = lambda: gdal.GetDriverByName(streamtiff.DRIVER).CreateCopy(  # noqa: E731
            str(tmp_path / "out.tif"), source, options=OPTIONS, callback=lambda done, *_: int(done < at)
        )
        if used:
            with pytest.raises(RuntimeError):
                call()
        else:
            assert call() is None
    assert streamtiff.listing(tmp_path) == before


def test_callback_data_and_order(tmp_path):
    told = []
    data = {"a": 1}

    def tell(done, message, given):
        told.append((done, given is data))
        return 1

    dataset = gdal.GetDriverByName(streamtiff.DRIVER).CreateCopy(
        str(tmp_path / "out.tif"), rgb(tmp_path), callback=tell, callback_data=data
    )
    assert dataset is not None
    assert [done for done, _ in told] == sorted(done for done, _ in told)
    assert (told[0][0], told[-1][0]) == (0.0, 1.0)
    assert all(given for _, given in told)


def test_callback_that_raises(tmp_path):
    """What the callback raises is printed by the bindings or comes through; in no case a half file stays."""

    def fail(*_):
        raise ValueError("of the callback")

    source = rgb(tmp_path)
    before = streamtiff.listing(tmp_path)
    with streamtiff.messages(), contextlib.suppress(ValueError, RuntimeError, SystemError):
        gdal.GetDriverByName(streamtiff.DRIVER).CreateCopy(str(tmp_path / "out.tif"), source, callback=fail)
    assert streamtiff.listing(tmp_path) == before


def test_vsimem_to_vsimem():
    source = parity_sources.colored("rgba")
    gdal.GetDriverByName("GTiff").CreateCopy("/vsimem/python/in.tif", source)
    opened = gdal.Open("/vsimem/python/in.tif")
    try:
        for name in ("out.tif", "deep/er/out.tif"):
            dataset = gdal.GetDriverByName(streamtiff.DRIVER).CreateCopy(f"/vsimem/python/{name}", opened)
            assert streamtiff.pixels(dataset) == streamtiff.pixels(source)
            dataset = None
            assert streamtiff.pixels(f"/vsimem/python/{name}") == streamtiff.pixels(source)
        assert [name for name in gdal.ReadDir("/vsimem/python") if "tif" in name] == ["in.tif", "out.tif"]
        assert gdal.ReadDir("/vsimem/python/deep/er") == ["out.tif"]
    finally:
        opened = None
        gdal.RmdirRecursive("/vsimem/python")


@pytest.mark.parametrize("dtype", ["u1", "u2", "i2", "u4", "i4", "f4", "f8", "c8", "c16"])
@pytest.mark.parametrize("bands", [1, 3])
def test_numpy_array(tmp_path, dtype, bands):
    array = (np.random.RandomState(1).standard_normal((bands, 70, 90)) * 50 + 100).astype(dtype)
    source = gdal_array.OpenArray(array if bands > 1 else array[0])
    both(tmp_path, lambda driver, path: gdal.GetDriverByName(driver).CreateCopy(path, source, options=OPTIONS))


def test_numpy_array_that_is_no_block(tmp_path):
    """Every second column of every third row, upside down: strides of their own."""
    array = np.arange(120 * 90, dtype="i4").reshape(120, 90)[::3, ::2]
    source = gdal_array.OpenNumPyArray(array, True)
    dataset = gdal.GetDriverByName(streamtiff.DRIVER).CreateCopy(str(tmp_path / "out.tif"), source)
    assert (dataset.ReadAsArray() == array).all()


def test_mem_that_changes_between_copies(tmp_path):
    source = parity_sources.mem(2, gdal.GDT_Int16)
    for number in range(3):
        source.GetRasterBand(2).WriteArray(np.full((10, 10), -number, "i2"), 5, 5)
        dataset = streamtiff.create_copy(tmp_path / "out.tif", source)
        assert streamtiff.pixels(dataset) == streamtiff.pixels(source)
        dataset = None  # noqa: F841


@pytest.mark.parametrize("options", [["TILED=YES", "BLOCKXSIZE=16", "BLOCKYSIZE=16"], ["COMPRESS=LZW"], ["INTERLEAVE=BAND"]])
def test_dirty_blocks_of_a_source_open_for_update(tmp_path, options):
    """What was written and is in GDAL's cache only is part of the source."""
    path = tmp_path / "in.tif"
    parity_sources.gtiff(path, parity_sources.mem(3), *options)
    source = gdal.Open(str(path), gdal.GA_Update)
    source.GetRasterBand(1).WriteArray(np.full((20, 30), 201, "u1"), 3, 4)
    source.GetRasterBand(3).WriteArray(np.full((1, 75), 7, "u1"), 0, 52)
    dataset = gdal.GetDriverByName(streamtiff.DRIVER).CreateCopy(str(tmp_path / "out.tif"), source)
    assert (dataset.GetRasterBand(1).ReadAsArray(3, 4, 30, 20) == 201).all()
    assert (dataset.GetRasterBand(3).ReadAsArray(0, 52, 75, 1) == 7).all()
    assert streamtiff.pixels(dataset) == streamtiff.pixels(source)


def test_options_as_a_dictionary(tmp_path):
    if parity.VERSION < 30700:
        options = ["COMPRESS=LZW", "TILED=NO"]
    else:
        options = {"COMPRESS": "LZW", "TILED": "NO"}
    dataset = gdal.GetDriverByName(streamtiff.DRIVER).CreateCopy(str(tmp_path / "out.tif"), rgb(tmp_path), options=options)
    assert dataset.GetMetadataItem("COMPRESSION", "IMAGE_STRUCTURE") == "LZW"
    assert dataset.GetRasterBand(1).GetBlockSize()[0] == 75
