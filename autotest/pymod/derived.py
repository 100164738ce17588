"""What the tests of DERIVE share: small rasters of heights, and the comparison with what gdaldem writes."""

import numpy as np
import streamtiff
from osgeo import gdal, gdal_array, osr

NORTH_UP = (500000, 10, 0, 4600000, 0, -10)


def heights(width, height, dtype="Float32", seed=1):
    """Hills with a plain in them, in the range of every type."""
    random = np.random.RandomState(seed)
    x, y = np.meshgrid(np.arange(width), np.arange(height))
    z = 60 + 40 * np.sin(x / 9.0) * np.cos(y / 7.0) + 8 * random.random_sample((height, width))
    z[height // 3 : height // 2, width // 4 : width // 2] = 64
    if dtype in ("Float32", "Float64"):
        z = z * 31.7
    return z.astype("uint8" if dtype == "Byte" else dtype.lower())


def with_holes(z, nodata):
    """Single pixels, a corner, a piece of each edge, and a lake without heights."""
    height, width = z.shape
    z = z.copy()
    z[:3, :5] = nodata
    z[height // 2 : height // 2 + 9, 2 * width // 3 :] = nodata
    z[-1:, width // 5 : width // 3] = nodata
    z[height // 4 :: 29, 3::37] = nodata
    z[height // 3 : height // 3 + 6, 7:31] = nodata
    return z


def borderline(width, height, *options, seed=1):
    """Heights between 0 and 3000 that vector code shades otherwise than other code does, in every ninth pixel: patches of
    3 x 3 pixels of a random surface where the two differ. None where no patch is found (until GDAL 3.10 they do not)."""
    size, nodata = 1500, 4000
    z = np.random.RandomState(seed).randint(0, 3000, (size, size)).astype("int16")
    z[:, -2] = nodata
    dataset = gdal_array.OpenArray(z)
    dataset.SetGeoTransform(NORTH_UP)
    shades = []
    for set_nodata in (False, True):  # a row that holds nodata is not left to the vector code
        if set_nodata:
            dataset.GetRasterBand(1).SetNoDataValue(nodata)
        shade = gdal.DEMProcessing("", dataset, "hillshade", options=list(options), format="MEM")
        shades.append(shade.ReadAsArray())
    differ = shades[0] != shades[1]
    differ[:, -6:] = differ[:, :1] = differ[:1] = differ[-1:] = False
    places = np.argwhere(differ)
    if len(places) == 0:
        return None
    patches = [z[y - 1 : y + 2, x - 1 : x + 2] for y, x in places]
    chosen = np.random.RandomState(seed).randint(0, len(patches), (height // 3 + 1, width // 3 + 1))
    return np.block([[patches[number] for number in row] for row in chosen])[:height, :width]


def write(path, bands, options=(), nodata=None, transform=NORTH_UP, epsg=32611):
    """Writes arrays as the bands of a GTiff. Gives the path as a string."""
    height, width = bands[0].shape
    code = gdal_array.NumericTypeCodeToGDALTypeCode(bands[0].dtype)
    dataset = gdal.GetDriverByName("GTiff").Create(str(path), width, height, len(bands), code, list(options))
    if transform:
        dataset.SetGeoTransform(transform)
    if epsg:
        srs = osr.SpatialReference()
        srs.ImportFromEPSG(epsg)
        dataset.SetProjection(srs.ExportToWkt())
    for index, z in enumerate(bands):
        band = dataset.GetRasterBand(index + 1)
        if nodata is not None:
            band.SetNoDataValue(nodata)
        band.WriteArray(z)
    dataset = None  # noqa: F841
    return str(path)


def gdaldem(target, source, mode, *arguments, color=None, options=()):
    """What gdaldem writes with -of GTiff and these creation options, which must leave it to write row by row."""
    arguments = list(arguments)
    band = 1
    if "-b" in arguments:  # which the bindings would add themselves
        at = arguments.index("-b")
        band = int(arguments[at + 1])
        del arguments[at : at + 2]
    dataset = gdal.DEMProcessing(
        str(target),
        source,
        mode,
        colorFilename=color,
        options=arguments,
        band=band,
        format="GTiff",
        creationOptions=list(options),
    )
    assert dataset is not None
    dataset = None  # noqa: F841


def told(path):
    """All that gdalinfo tells, but in which order the tiles happen to lie (from GDAL 3.13 on)."""
    info = streamtiff.info(path)
    info["metadata"].get("IMAGE_STRUCTURE", {}).pop("LAYOUT", None)
    return info


def same_as_gdaldem(folder, source, mode, *arguments, color=None, layout=(), also=(), raised=False):
    """Derives with the driver, and compares the whole file with gdaldem's: pixels, and all that gdalinfo tells.

    layout: creation options for both; also: options that only ours has. raised: the cap may be raised to the floor.
    Gives the figures."""
    ours, theirs = folder / "derived.tif", folder / "gdaldem.tif"
    layout = ["COMPRESS=NONE", *layout]
    with streamtiff.messages() as expected:
        gdaldem(theirs, source, mode, *arguments, color=color, options=layout)
    words = [mode, *([f'"{color}"'] if color else []), *arguments]
    with streamtiff.messages() as kept:
        dataset = gdal.GetDriverByName(streamtiff.DRIVER).CreateCopy(
            str(ours),
            source if isinstance(source, gdal.Dataset) else gdal.Open(source),
            options=[*layout, *also, "DERIVE=" + " ".join(words)],
        )
    assert dataset is not None, kept
    if raised:
        kept = [message for message in kept if "MEMORY_CAP is raised" not in message[2]]
    assert kept == expected
    figures = streamtiff.streaming(dataset)
    dataset = None
    assert streamtiff.pixels(ours) == streamtiff.pixels(theirs)
    assert told(ours) == told(theirs)
    gdal.Unlink(str(ours))
    gdal.Unlink(str(theirs))
    return figures
