"""Makes the small rasters of the parity tests, and registers them.

A source is a function of a folder to write files into; it gives a dataset. SOURCES holds those that are registered by
name: parity_sources.py has all of them.
"""

import numpy as np
from osgeo import gdal, osr

WIDTH, HEIGHT = 75, 53
SOURCES = {}
VERSION = int(gdal.VersionInfo()) // 100

# What needs_driver left out: the names are shown by a test, so that nobody takes them for covered.
NOT_HERE = {}


def source(function=None, *, name=None, drivers=(), since=0, before=10**9):
    """Registers a source; those of a driver or version that is not here are left out, and listed."""

    def register(function):
        label = name or function.__name__
        missing = [driver for driver in drivers if gdal.GetDriverByName(driver) is None]
        if missing:
            NOT_HERE[label] = f"no driver {', '.join(missing)}"
        elif not since <= VERSION < before:
            NOT_HERE[label] = f"not of GDAL {VERSION}"
        else:
            assert label not in SOURCES
            SOURCES[label] = function
        return function

    return register(function) if function else register


# --- pixels ----------------------------------------------------------------------------------------


def values(dtype, band=0, width=WIDTH, height=HEIGHT, top=None):
    """Neither constant nor noise; uses the whole range of the type, or 0..top."""
    y, x = np.mgrid[0:height, 0:width]
    ramp = (x * 7 + y * 13 + (x * y) // 5 + band * 41) % 251
    if top is not None:
        return (ramp % (top + 1)).astype(np.uint32)
    name = gdal.GetDataTypeName(dtype)
    kinds = {"Byte": "u1", "Int8": "i1", "UInt16": "u2", "Int16": "i2", "UInt32": "u4", "Int32": "i4", "UInt64": "u8"}
    kinds.update({"Int64": "i8", "Float16": "f4", "Float32": "f4", "Float64": "f8"})
    if name.startswith("C"):
        real = values(gdal.GDT_Float64, band, width, height) / 8
        return (real + 1j * real[::-1]).astype("c16" if name == "CFloat64" else "c8")
    kind = np.dtype(kinds[name])
    if kind.kind == "f":
        return ((ramp - 100.0) * 3.140625 + 1e-3 * (x == y)).astype(kind)
    span = np.iinfo(kind)
    step = max(1, span.max // 251)
    return (ramp.astype("u8") * np.uint64(step) + np.uint64(0)).astype(kind) if span.min == 0 else (
        ramp.astype("i8") * step - span.max // 2
    ).astype(kind)


def mem(bands=1, dtype=gdal.GDT_Byte, width=WIDTH, height=HEIGHT, top=None):
    dataset = gdal.GetDriverByName("MEM").Create("", width, height, bands, dtype)
    for index in range(bands):
        dataset.GetRasterBand(index + 1).WriteArray(values(dtype, index, width, height, top))
    return dataset


def srs(text):
    reference = osr.SpatialReference()
    assert reference.SetFromUserInput(text) == 0, text
    reference.SetAxisMappingStrategy(osr.OAMS_TRADITIONAL_GIS_ORDER)
    return reference


NORTH_UP = (440720.0, 60.0, 0.0, 3751320.0, 0.0, -60.0)


def placed(dataset, reference="EPSG:32611", transform=NORTH_UP):
    if transform:
        dataset.SetGeoTransform(transform)
    if reference:
        dataset.SetSpatialRef(srs(reference) if isinstance(reference, str) else reference)
    return dataset


def gtiff(path, dataset, *options):
    copy = gdal.GetDriverByName("GTiff").CreateCopy(str(path), dataset, options=list(options))
    copy.FlushCache()
    copy = None
    return gdal.Open(str(path))


def through(driver, path, dataset, *options):
    """A source as another driver hands it over."""
    copy = gdal.GetDriverByName(driver).CreateCopy(str(path), dataset, options=list(options))
    copy = None  # noqa: F841
    dataset = gdal.Open(str(path))
    assert dataset is not None, path
    return dataset


# --- colour -----------------------------------------------------------------------------------------


def color_table(count, alpha=255):
    table = gdal.ColorTable()
    for index in range(count):
        table.SetColorEntry(index, (index % 256, 255 - index % 256, index // 2 % 256, alpha if index else 0))
    return table


def palette(count, dtype=gdal.GDT_Byte, alpha=255):
    dataset = mem(1, dtype, top=min(count, 251) - 1)
    dataset.GetRasterBand(1).SetColorTable(color_table(count, alpha))
    return dataset


COLORS = {
    "grey_alpha": (gdal.GCI_GrayIndex, gdal.GCI_AlphaBand),
    "rgb": (gdal.GCI_RedBand, gdal.GCI_GreenBand, gdal.GCI_BlueBand),
    "rgba": (gdal.GCI_RedBand, gdal.GCI_GreenBand, gdal.GCI_BlueBand, gdal.GCI_AlphaBand),
    "bgr": (gdal.GCI_BlueBand, gdal.GCI_GreenBand, gdal.GCI_RedBand),
    "alpha_first": (gdal.GCI_AlphaBand, gdal.GCI_RedBand, gdal.GCI_GreenBand, gdal.GCI_BlueBand),
    "cmyk": (gdal.GCI_CyanBand, gdal.GCI_MagentaBand, gdal.GCI_YellowBand, gdal.GCI_BlackBand),
    "undefined_4": (gdal.GCI_Undefined,) * 4,
    "rgb_and_2_alpha": (gdal.GCI_RedBand, gdal.GCI_GreenBand, gdal.GCI_BlueBand, gdal.GCI_AlphaBand, gdal.GCI_AlphaBand),
}


def colored(name, dtype=gdal.GDT_Byte):
    dataset = mem(len(COLORS[name]), dtype)
    for index, color in enumerate(COLORS[name]):
        dataset.GetRasterBand(index + 1).SetColorInterpretation(color)
    return dataset


# --- places -----------------------------------------------------------------------------------------


def pointed(dataset):
    dataset.SetMetadataItem("AREA_OR_POINT", "Point")
    return dataset


def with_gcps(dataset, reference="EPSG:4326", count=4):
    gcps = []
    for index in range(count):
        pixel, line = 7.5 * (index % 10), 5.25 * (index // 10) + index
        gcps.append(gdal.GCP(10 + pixel / 100, 50 - line / 100, 5 * index, pixel, line, f"info {index}", f"id{index}"))
    if isinstance(reference, str):
        reference = srs(reference)
    if reference is None:
        dataset.SetGCPs(gcps, "")
    else:
        dataset.SetGCPs(gcps, reference)
    return dataset

RPC = {
    "HEIGHT_OFF": "100", "HEIGHT_SCALE": "50", "LAT_OFF": "45", "LAT_SCALE": "1", "LONG_OFF": "5", "LONG_SCALE": "1",
    "LINE_OFF": "35", "LINE_SCALE": "35", "SAMP_OFF": "45", "SAMP_SCALE": "45", "ERR_BIAS": "1", "ERR_RAND": "2",
    **{
        name: " ".join(repr(number / 7) for number in range(1, 21))
        for name in ("LINE_NUM_COEFF", "LINE_DEN_COEFF", "SAMP_NUM_COEFF", "SAMP_DEN_COEFF")
    },
}  # fmt: skip


# --- all of them ------------------------------------------------------------------------------------


class Sources(dict):
    """Sources by their names, each made once, in a folder of its own."""

    def __init__(self, folder):
        super().__init__()
        self.folder = folder

    def __missing__(self, name):
        home = self.folder / name
        home.mkdir()
        gdal.PushErrorHandler("CPLQuietErrorHandler")
        try:
            self[name] = SOURCES[name](home)
        finally:
            gdal.PopErrorHandler()
        return self[name]
