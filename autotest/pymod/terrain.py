"""Terrain-like rasters for tests and benchmarks.

Two fractal tiles with coprime periods are added up. Either repeats, their sum does not within 3.84 million
pixels: no two windows are alike, so a tile written to the wrong place is seen. Any window costs two copies
and an addition; nothing larger than a piece of one block row is ever in memory.
"""

import functools
import os
import stat
import tempfile

import numpy as np
from osgeo import gdal, osr

PERIODS_PX = (2048, 1875)
MEAN_M, SPREAD_M = 1500.0, 130.0  # heights stay within 0 .. 3000 m
RANGE_M = 3000.0
GRAIN_PERIOD_PX = 1021
PIECE_PX = 1 << 21  # of one band, made and written at a time

# What one unit of an integer type stands for; 8-bit types spread 900 .. 2100 m over their range instead.
UNIT_M = {
    "UInt16": 0.1,
    "Int16": 0.1,
    "UInt32": 0.01,
    "Int32": 0.01,
    "UInt64": 0.01,
    "Int64": 0.01,
    "CInt16": 0.1,
    "CInt32": 0.01,
}


def _cache_folder():
    """A folder that nobody else writes to, in which processes find what others of this user made; or None."""
    folder = os.path.join(tempfile.gettempdir(), f"streamtiff-terrain-{os.getuid() if hasattr(os, 'getuid') else 0}")
    try:
        os.makedirs(folder, mode=0o700, exist_ok=True)
        found = os.lstat(folder)
    except OSError:
        return None
    ours = not hasattr(os, "getuid") or (found.st_uid == os.getuid() and not found.st_mode & 0o022)
    return folder if ours and stat.S_ISDIR(found.st_mode) else None


@functools.lru_cache(maxsize=4)
def _fractal(size_px, seed):
    """Made once, and kept for other processes: it takes longer than many a test."""
    folder = _cache_folder()
    path = folder and os.path.join(folder, f"{size_px}-{seed}-{np.__version__}.npy")
    try:
        if path:
            return np.load(path)
    except (OSError, ValueError):
        pass
    surface = _made_fractal(size_px, seed)
    try:
        if path:
            with tempfile.NamedTemporaryFile(dir=folder, suffix=".npy", delete=False) as file:
                np.save(file, surface)
            os.replace(file.name, path)
    except OSError:
        pass
    return surface


def _made_fractal(size_px, seed):
    """A periodic fractal surface: white noise whose spectrum falls as that of eroded terrain does."""
    noise = np.fft.rfft2(np.random.RandomState(seed).standard_normal((size_px, size_px)))
    frequency = np.hypot(np.fft.fftfreq(size_px)[:, None], np.fft.rfftfreq(size_px)[None, :])
    frequency[0, 0] = 1.0
    noise *= frequency**-1.7
    noise[0, 0] = 0.0
    surface = np.fft.irfft2(noise, (size_px, size_px))
    return (surface / surface.std()).astype(np.float32)


def _repeated(tile, x0, y0, width, height):
    size_px = tile.shape[0]
    rows = tile[np.arange(y0, y0 + height) % size_px]
    start = x0 % size_px
    return np.tile(rows, (1, (start + width) // size_px + 1))[:, start : start + width]


def heights(x0, y0, width, height, seed=0, band=0):
    """A window of the surface in metres, rounded to centimetres, as Float32. Other bands are other places of it."""
    x0 += 977 * band
    y0 += 613 * band
    z = _repeated(_fractal(PERIODS_PX[0], 2 * seed), x0, y0, width, height)
    z = z + _repeated(_fractal(PERIODS_PX[1], 2 * seed + 1), x0, y0, width, height)
    z *= SPREAD_M
    z += MEAN_M
    np.clip(z, 0.0, RANGE_M, out=z)
    z *= 100
    np.rint(z, out=z)
    z /= 100
    return z


@functools.lru_cache(maxsize=1)
def _noise():
    return np.random.RandomState(97).standard_normal((GRAIN_PERIOD_PX, GRAIN_PERIOD_PX)).astype(np.float32)


def grainy(grey, x0, y0, band, grain):
    """Grey levels with the noise of a camera on them: without it 8 bits of terrain are long runs of one value."""
    height, width = grey.shape
    noisy = grey + grain * _repeated(_noise(), x0 + 131 * band, y0 + 277 * band, width, height)
    return np.clip(np.rint(noisy), 0, 255).astype(np.uint8)


def samples(dtype, x0, y0, width, height, seed=0, band=0):
    """The same window in a GDAL data type, by its name."""
    z = heights(x0, y0, width, height, seed, band)
    if dtype in ("Byte", "Int8"):
        grey = np.clip((z - 900.0) * (255.0 / 1200.0), 0, 255)
        return grey.astype(np.uint8) if dtype == "Byte" else (grey - 128).astype(np.int8)
    if dtype in UNIT_M:
        z = np.rint(z.astype(np.float64) / UNIT_M[dtype])
    if dtype.startswith("C"):  # the imaginary part is the real one upside down
        return (z + 1j * z[::-1]).astype(np.complex128 if dtype == "CFloat64" else np.complex64)
    return z.astype(dtype.lower())


def make_terrain(path, width, height, dtype="Float32", bands=1, options=(), seed=0, grain=0):
    """Writes a GTiff of the surface with these creation options, block row by block row. grain: of Byte, in grey levels.

    10 m pixels in UTM zone 11 N. Same arguments, same pixels. Gives the path back.
    """
    driver = gdal.GetDriverByName("GTiff")
    dataset = driver.Create(str(path), width, height, bands, gdal.GetDataTypeByName(dtype), list(options))
    if dataset is None:
        raise RuntimeError(f"cannot create {path}")
    dataset.SetGeoTransform((500000, 10, 0, 4600000, 0, -10))
    srs = osr.SpatialReference()
    srs.ImportFromEPSG(32611)
    dataset.SetProjection(srs.ExportToWkt())

    block_width, block_height = dataset.GetRasterBand(1).GetBlockSize()
    rows = max(1, 64 // block_height) * block_height
    columns = max(1, PIECE_PX // (rows * block_width)) * block_width
    for y in range(0, height, rows):
        ny = min(rows, height - y)
        for x in range(0, width, columns):
            nx = min(columns, width - x)
            window = np.stack([samples(dtype, x, y, nx, ny, seed, band) for band in range(bands)])
            if grain:
                window = np.stack([grainy(window[band], x, y, band, grain) for band in range(bands)])
            dataset.WriteArray(window, x, y)
            for band in range(1, bands + 1):  # written now, so that GDAL's cache does not fill up
                dataset.GetRasterBand(band).FlushCache()
    dataset = None
    return path
