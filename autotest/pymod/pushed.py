"""Rasters that a program pushes window by window through Create(): in what order, and the same through GTiff."""

import contextlib
import gc

import numpy as np
from osgeo import gdal

from streamtiff import messages

WRITER = "StreamTIFFWriter"

NUMPY_TYPES = {
    gdal.GDT_Byte: np.uint8,
    gdal.GDT_UInt16: np.uint16,
    gdal.GDT_Int16: np.int16,
    gdal.GDT_UInt32: np.uint32,
    gdal.GDT_Int32: np.int32,
    gdal.GDT_UInt64: np.uint64,
    gdal.GDT_Int64: np.int64,
    gdal.GDT_Float32: np.float32,
    gdal.GDT_Float64: np.float64,
    gdal.GDT_CInt16: np.int16,
    gdal.GDT_CFloat32: np.complex64,
    gdal.GDT_CFloat64: np.complex128,
}


@contextlib.contextmanager
def config(name, value):
    before = gdal.GetConfigOption(name)
    gdal.SetConfigOption(name, value)
    try:
        yield value
    finally:
        gdal.SetConfigOption(name, before)


def noise(width, height, bands, data_type, seed=1):
    """Pixels of which no two tiles are alike, and that a codec can still do something with."""
    random = np.random.RandomState(seed)
    steps = random.randint(0, 3, (bands, height, width)).cumsum(axis=2) + np.arange(height).reshape(1, -1, 1)
    return (steps % 120).astype(NUMPY_TYPES[data_type])


def _grid(width, height, step_x, step_y):
    return [
        (x, y, min(step_x, width - x), min(step_y, height - y))
        for y in range(0, height, step_y)
        for x in range(0, width, step_x)
    ]


def _shuffled(windows):
    order = np.random.RandomState(7).permutation(len(windows))
    return [windows[i] for i in order]


def _last_row_second(width, height):
    """What gdaldem does."""
    rows = _grid(width, height, width, 1)
    return rows[:1] + rows[-1:] + rows[1:-1]


PATTERNS = {
    "rows": lambda width, height: _grid(width, height, width, 1),
    "last row second": _last_row_second,
    "windows across tiles": lambda width, height: _grid(width, height, 50, 50),
    "aligned windows": lambda width, height: _grid(width, height, 64, 64),
    "chunks of many rows": lambda width, height: _grid(width, height, width, 37),
    "columns": lambda width, height: _grid(width, height, 1, height),
    "random": lambda width, height: _shuffled(_grid(width, height, 23, 11)),
    "all at once": lambda width, height: [(0, 0, width, height)],
    "from below": lambda width, height: _grid(width, height, width, 16)[::-1],
}


def push(dataset, pixels, windows, band_by_band=True):
    for x, y, width, height in windows:
        part = np.ascontiguousarray(pixels[:, y : y + height, x : x + width])
        if band_by_band:
            for band in range(len(pixels)):
                assert dataset.GetRasterBand(band + 1).WriteRaster(x, y, width, height, part[band].tobytes()) == 0
        else:
            assert dataset.WriteRaster(x, y, width, height, part.tobytes()) == 0


def create(target, width, height, bands, data_type, *options, driver=WRITER):
    """Create() that must work without a warning."""
    with messages() as kept:
        dataset = gdal.GetDriverByName(driver).Create(str(target), width, height, bands, data_type, list(options))
    assert dataset is not None, kept
    assert kept == []
    return dataset


def close(dataset):
    """Closes a dataset of which the caller keeps no other reference than the one in its list; gives what was said."""
    with messages() as kept:
        dataset.clear()
        gc.collect()
    return kept
