"""DISCARD_LSB where it could go wrong: at the ends of a type, beside the nodata value, in tiles that came as one value."""

import numpy as np
import parity
import pytest
import streamtiff
from osgeo import gdal, gdal_array
from parity_allowed import unexpected

INTEGERS = ["Byte", "UInt16", "Int16", "UInt32", "Int32", "UInt64", "Int64"] + ["Int8"] * (parity.VERSION >= 30700)
INTERLEAVES = ["PIXEL", "BAND"]


def same(tmp_path, dataset, *options):
    found = unexpected(parity.differences(tmp_path, dataset, options), "", options)
    assert not found, parity.brief(found)


def in_memory(array, name, nodata=None):
    """array: bands, rows, columns."""
    dataset = gdal.GetDriverByName("MEM").Create("", *array.shape[:0:-1], len(array), gdal.GetDataTypeByName(name))
    for number, pixels in enumerate(array, 1):
        dataset.GetRasterBand(number).WriteArray(pixels)
        if nodata is not None:
            dataset.GetRasterBand(number).SetNoDataValue(nodata)
    return dataset


def ends(name):
    """300 samples from the least on, around 0, and up to the largest."""
    kind = np.dtype(gdal_array.GDALTypeCodeToNumericTypeCode(gdal.GetDataTypeByName(name)))
    span, near = np.iinfo(kind), min(150, np.iinfo(kind).max)
    numbers = [*range(span.min, span.min + 100), *range(max(span.min, -near), near), *range(span.max - 99, span.max + 1)]
    return np.resize(np.array(numbers, kind), (3, 20, 40))


NODATA = [None, 0, 8, 96, 127, 128, 255, -8, 2.5, "min", "max", "below max"]
CASES = [(n, v) for n in INTEGERS for v in NODATA if not (v == 2.5 and "64" in n) and not (v == -8 and n == "UInt64")]


@pytest.mark.parametrize("bits", ["0,1,2", "3,6,5"])
@pytest.mark.parametrize("name,nodata", CASES)
def test_integers(tmp_path, name, nodata, bits):
    array = ends(name)
    span = np.iinfo(array.dtype)
    value = {"min": int(span.min), "max": int(span.max), "below max": int(span.max) - 7}.get(nodata, nodata)
    for interleave in INTERLEAVES:
        same(tmp_path, in_memory(array, name, value), f"DISCARD_LSB={bits}", f"INTERLEAVE={interleave}")


def floats(kind):
    span, one = np.finfo(kind), np.array(1, kind)
    special = [0, -0.0, 1, -1, np.nan, np.inf, -np.inf, span.max, span.min, span.tiny, span.tiny / 8, np.nextafter(one, 2)]
    array = np.concatenate([np.array(special, kind), np.linspace(-3, 3, 500).astype(kind), np.geomspace(1e-30, 1e30, 200)])
    return np.resize(array.astype(kind), (3, 20, 40))


@pytest.mark.parametrize("bits", ["0", "1,7,10", "3,9,0", "11"])
@pytest.mark.parametrize("nodata", [None, 0, 1, -1.5, float("nan"), 0.1, 65504, 1e6])
def test_floats_that_become_half_floats(tmp_path, nodata, bits):
    """NBITS=16: the bits are those of the half float, since 3.11; up to 3.10 the option is ignored with a warning.

    GTiff means to keep a number from becoming the nodata value, but not all builds of it do, and NaN may become zero there."""
    dataset = in_memory(floats("f4"), "Float32", nodata)
    source = dataset.ReadAsArray()
    for interleave in INTERLEAVES:
        options = (f"DISCARD_LSB={bits}", "NBITS=16", f"INTERLEAVE={interleave}")
        if parity.VERSION < 31100 or "," not in bits:
            same(tmp_path, dataset, *options)
            continue
        read = []
        for driver in parity.DRIVERS:
            with streamtiff.messages():  # of numbers that are too large
                target = str(tmp_path / f"{driver}.tif")
                gdal.GetDriverByName(driver).CreateCopy(target, dataset, options=parity.with_layout(options))
            read.append(gdal.Open(target).ReadAsArray().astype("f2"))
        theirs, ours = read
        with np.errstate(over="ignore"):
            missing = np.array(np.nan if nodata is None else nodata).astype("f2")
        unlike = (theirs.view("u2") != ours.view("u2")) & np.isfinite(source)
        assert (theirs[unlike] == missing).all()
        assert (ours[unlike] == np.nextafter(missing, np.finfo("f2").max)).all()
        assert (np.isnan(source) == np.isnan(ours)).all()


@pytest.mark.parametrize("bits", ["1,7,22", "3,20,0"])
@pytest.mark.parametrize("nodata", [None, 0, 1, -1.5, float("nan"), float("inf"), 0.1])
@pytest.mark.parametrize("name", ["Float32", "Float64"])
def test_floating_point_numbers(tmp_path, name, nodata, bits):
    """GTiff means to keep a number from becoming the nodata value, but not all builds of it do; ours does."""
    kind = np.dtype({"Float32": "f4", "Float64": "f8"}[name])
    source = floats(kind)
    for interleave in INTERLEAVES:
        options = parity.with_layout((f"DISCARD_LSB={bits}", f"INTERLEAVE={interleave}"))
        read = []
        for driver in parity.DRIVERS:
            target = str(tmp_path / f"{driver}.tif")
            streamtiff.create_copy(target, in_memory(source, name, nodata), *options, driver=driver)
            read.append(gdal.Open(target).ReadAsArray())
        theirs, ours = read
        unlike = theirs.view(f"u{kind.itemsize}") != ours.view(f"u{kind.itemsize}")
        if nodata is None or not np.isfinite(nodata):
            assert not unlike.any()
        else:
            missing = kind.type(nodata)
            assert (theirs[unlike] == missing).all()
            assert (ours[unlike] == np.nextafter(missing, np.finfo(kind).max)).all()
            assert ((source == missing) == (ours == missing)).all()


@pytest.mark.parametrize("interleave", INTERLEAVES)
@pytest.mark.parametrize("sparse", ["YES", "NO"])
def test_tiles_of_one_value(tmp_path, interleave, sparse):
    """The same value in each band, but other bits; tiles that become the missing one only now are written."""
    array = np.full((3, 70, 90), 7, "u2")
    array[:, :32, :32] = 1
    options = ["DISCARD_LSB=2,0,4", f"INTERLEAVE={interleave}", f"SPARSE_OK={sparse}"]
    for nodata in (None, 0, 8):
        same(tmp_path, in_memory(array, "UInt16", nodata), *options, "COMPRESS=DEFLATE")


def test_holes_of_the_source_come_as_one_value(tmp_path):
    path = str(tmp_path / "holes.tif")
    options = ["SPARSE_OK=YES", "TILED=YES", "BLOCKXSIZE=32", "BLOCKYSIZE=16", "INTERLEAVE=BAND"]
    dataset = gdal.GetDriverByName("GTiff").Create(path, 90, 70, 3, gdal.GDT_Int16, options)
    dataset.GetRasterBand(1).SetNoDataValue(-5)
    dataset.GetRasterBand(2).WriteArray(np.full((10, 10), 7, "i2"), 40, 20)
    dataset = None
    for interleave in INTERLEAVES:
        same(tmp_path, gdal.Open(path), "DISCARD_LSB=3,2,4", f"INTERLEAVE={interleave}")


def test_threads_and_cap_change_nothing(tmp_path):
    array = np.arange(2 * 600 * 700, dtype="u2").reshape(2, 600, 700)
    told = []
    for threads, cap in ((1, "1MB"), (4, "64MB"), (2, "4MB")):
        options = ["DISCARD_LSB=3,6", "BLOCKXSIZE=64", "BLOCKYSIZE=64", f"NUM_THREADS={threads}", f"MEMORY_CAP={cap}"]
        with streamtiff.messages():  # of a cap that is raised
            dataset = in_memory(array, "UInt16")
            gdal.GetDriverByName(streamtiff.DRIVER).CreateCopy(str(tmp_path / "out.tif"), dataset, options=options)
        told.append(streamtiff.pixels(tmp_path / "out.tif"))
    assert told[0] == told[1] == told[2] != streamtiff.pixels(dataset)
