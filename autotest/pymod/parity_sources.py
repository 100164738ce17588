"""Small rasters of every kind that GDAL hands to a driver, made when they are asked for.

A source is a function of a folder to write files into; it gives a dataset. SOURCES holds them by name.
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


# --- types and bands -------------------------------------------------------------------------------

TYPES = ["Byte", "UInt16", "Int16", "UInt32", "Int32", "UInt64", "Int64", "Float32", "Float64"]
TYPES += ["CInt16", "CInt32", "CFloat32", "CFloat64"] + ["Int8"] * (VERSION >= 30700) + ["Float16"] * (VERSION >= 31100)

for _type in TYPES:
    source(lambda folder, t=_type: mem(1, gdal.GetDataTypeByName(t)), name=f"type_{_type}")
for _bands in (2, 3, 4, 7):
    source(lambda folder, b=_bands: mem(b), name=f"bands_{_bands}")
    source(lambda folder, b=_bands: mem(b, gdal.GDT_Int16), name=f"bands_{_bands}_Int16")
for _type in ("UInt16", "Float32", "CFloat32"):
    source(lambda folder, t=_type: mem(3, gdal.GetDataTypeByName(t)), name=f"bands_3_{_type}")


@source
def one_pixel(folder):
    return mem(1, width=1, height=1)


@source
def one_row(folder):
    return mem(3, width=200, height=1)


@source
def one_column(folder):
    return mem(1, gdal.GDT_UInt16, width=1, height=200)


@source
def mixed_types(folder):
    dataset = mem(1)
    dataset.AddBand(gdal.GDT_Float32)
    dataset.GetRasterBand(2).WriteArray(values(gdal.GDT_Float32))
    return dataset


@source
def constant(folder):
    dataset = mem(3)
    for band in (1, 2, 3):
        dataset.GetRasterBand(band).Fill(band * 60)
    return dataset


@source
def all_zero(folder):
    return gdal.GetDriverByName("MEM").Create("", WIDTH, HEIGHT, 2, gdal.GDT_Int16)


@source
def numpy_array(folder):
    from osgeo import gdal_array

    return gdal_array.OpenArray(np.stack([values(gdal.GDT_Float32, b) for b in range(2)]))


# --- bits ------------------------------------------------------------------------------------------


@source(before=30700)
def signed_bytes(folder):
    return gtiff(folder / "signed.tif", mem(), "PIXELTYPE=SIGNEDBYTE")


for _bits, _type in ((1, "Byte"), (2, "Byte"), (4, "Byte"), (7, "Byte"), (12, "UInt16"), (20, "UInt32")):
    source(
        lambda folder, n=_bits, t=_type: gtiff(
            folder / f"bits{n}.tif", mem(1, gdal.GetDataTypeByName(t), top=min(250, 2**n - 1)), f"NBITS={n}"
        ),
        name=f"bits_{_bits}",
    )


@source
def bits_1_of_3_bands(folder):
    return gtiff(folder / "bits1x3.tif", mem(3, top=1), "NBITS=1")


@source
def bits_half_float(folder):
    return gtiff(folder / "half.tif", mem(1, gdal.GDT_Float32), "NBITS=16")


@source
def bits_named_by_a_band(folder):
    dataset = mem(2, top=15)
    dataset.GetRasterBand(1).SetMetadataItem("NBITS", "4", "IMAGE_STRUCTURE")
    return dataset


# --- colour ----------------------------------------------------------------------------------------


def color_table(count, alpha=255):
    table = gdal.ColorTable()
    for index in range(count):
        table.SetColorEntry(index, (index % 256, 255 - index % 256, index // 2 % 256, alpha if index else 0))
    return table


def palette(count, dtype=gdal.GDT_Byte, alpha=255):
    dataset = mem(1, dtype, top=min(count, 251) - 1)
    dataset.GetRasterBand(1).SetColorTable(color_table(count, alpha))
    return dataset


source(lambda folder: palette(256), name="palette_256")
source(lambda folder: palette(16), name="palette_16")
source(lambda folder: palette(256, alpha=100), name="palette_translucent")
source(lambda folder: palette(300, gdal.GDT_UInt16), name="palette_UInt16")

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


for _name in COLORS:
    source(lambda folder, n=_name: colored(n), name=f"color_{_name}")
source(lambda folder: colored("rgba", gdal.GDT_UInt16), name="color_rgba_UInt16")
source(lambda folder: colored("grey_alpha", gdal.GDT_Float32), name="color_grey_alpha_Float32")

for _kind in ("MINISWHITE", "CMYK", "CIELAB", "YCBCR"):
    source(
        lambda folder, k=_kind: gtiff(
            folder / f"{k}.tif",
            mem({"MINISWHITE": 1, "CMYK": 4}.get(k, 3)),
            f"PHOTOMETRIC={k}",
            *(["COMPRESS=JPEG"] if k == "YCBCR" else []),
        ),
        name=f"photometric_{_kind}",
    )


@source
def icc_profile(folder):
    dataset = colored("rgb")
    dataset.SetMetadataItem("SOURCE_ICC_PROFILE", "QUJDREVGR0g=", "COLOR_PROFILE")
    return dataset


@source
def primaries(folder):
    dataset = colored("rgb")
    items = {
        "SOURCE_PRIMARIES_RED": "0.64, 0.33, 1.0",
        "SOURCE_PRIMARIES_GREEN": "0.3, 0.6, 1.0",
        "SOURCE_PRIMARIES_BLUE": "0.15, 0.06, 1.0",
        "SOURCE_WHITEPOINT": "0.3127, 0.329, 1.0",
    }
    for channel in ("RED", "GREEN", "BLUE"):
        items[f"TIFFTAG_TRANSFERFUNCTION_{channel}"] = ", ".join(str(i * 257) for i in range(256))
    for key, value in items.items():
        dataset.SetMetadataItem(key, value, "COLOR_PROFILE")
    return dataset


# --- nodata ----------------------------------------------------------------------------------------

NODATA = {
    "Byte_255": 255,
    "Byte_-1": -1,
    "Byte_300.5": 300.5,
    "Int16_-32768": -32768,
    "UInt32_4294967295": 4294967295,
    "Float32_nan": float("nan"),
    "Float32_-3.4028234663852886e+38": -3.4028234663852886e38,
    "Float32_0.1": 0.1,
    "Float64_-inf": float("-inf"),
    "Float64_-1.7976931348623157e+308": -1.7976931348623157e308,
    "Int64_min": -(2**63),
    "Int64_odd": 2**53 + 1,
    "UInt64_max": 2**64 - 1,
}


def with_nodata(name):
    dataset = mem(2, gdal.GetDataTypeByName(name.split("_")[0]))
    for band in (1, 2):
        dataset.GetRasterBand(band).SetNoDataValue(NODATA[name])
    return dataset


for _name in NODATA:
    source(lambda folder, n=_name: with_nodata(n), name=f"nodata_{_name}")


@source
def nodata_of_one_band(folder):
    dataset = mem(3)
    dataset.GetRasterBand(2).SetNoDataValue(17)
    return dataset


@source
def nodata_that_differs(folder):
    dataset = mem(3, gdal.GDT_Float32)
    for band in (1, 2, 3):
        dataset.GetRasterBand(band).SetNoDataValue(-band)
    return dataset


# --- georeferencing --------------------------------------------------------------------------------

LOCAL = 'LOCAL_CS["somewhere",UNIT["metre",1]]'
ENGINEERING = 'ENGCRS["site",EDATUM["site"],CS[Cartesian,2],AXIS["x",east],AXIS["y",north],LENGTHUNIT["metre",1]]'
UNKNOWN_DATUM = (
    'GEOGCS["odd",DATUM["odd",SPHEROID["odd",6378000,297]],PRIMEM["Paris",2.33722917],UNIT["grad",0.01570796326794897]]'
)
ESRI = (
    'PROJCS["NAD_1983_UTM_Zone_11N",GEOGCS["GCS_North_American_1983",DATUM["D_North_American_1983",SPHEROID'
    '["GRS_1980",6378137.0,298.257222101]],PRIMEM["Greenwich",0.0],UNIT["Degree",0.0174532925199433]],'
    'PROJECTION["Transverse_Mercator"],PARAMETER["False_Easting",500000.0],PARAMETER["False_Northing",0.0],'
    'PARAMETER["Central_Meridian",-117.0],PARAMETER["Scale_Factor",0.9996],PARAMETER["Latitude_Of_Origin",0.0],'
    'UNIT["Meter",1.0]]'
)
REFERENCES = {
    "utm": "EPSG:32611",
    "mercator": "EPSG:3857",
    "geographic": "EPSG:4326",
    "geographic_3d": "EPSG:4979",
    "geocentric": "EPSG:4978",
    "compound": "EPSG:4326+5773",
    "compound_projected": "EPSG:32611+5703",
    "feet": "EPSG:2222",
    "polar": "EPSG:3031",
    "paris": "EPSG:27572",
    "sphere": "+proj=sinu +lon_0=0 +R=6371007.181 +units=m",
    "odd_projection": "+proj=lcc +lat_1=33 +lat_2=45 +lon_0=-97 +ellps=clrk66 +units=us-ft",
    "not_in_geotiff": "+proj=ob_tran +o_proj=longlat +o_lon_p=-162 +o_lat_p=39.25 +lon_0=180 +to_meter=0.0174532925199433",
    "towgs84": "+proj=utm +zone=33 +ellps=bessel +towgs84=598.1,73.7,418.2,0.202,0.045,-2.455,6.7",
    "local": LOCAL,
    "engineering": ENGINEERING,
    "unknown_datum": UNKNOWN_DATUM,
    "esri": ESRI,
    "esri_code": "ESRI:102003",
}
for _name in REFERENCES:
    source(lambda folder, n=_name: placed(mem(), REFERENCES[n]), name=f"srs_{_name}")


@source
def srs_with_epoch(folder):
    reference = srs("EPSG:9000")
    reference.SetCoordinateEpoch(2021.3)
    return placed(mem(), reference)


@source
def srs_vertical_scaled(folder):
    dataset = placed(mem(1, gdal.GDT_Int16), "EPSG:32611+5703")
    dataset.GetRasterBand(1).SetScale(0.5)
    dataset.GetRasterBand(1).SetOffset(100)
    return dataset


source(lambda folder: placed(mem(), transform=None), name="srs_without_geotransform")
source(lambda folder: placed(mem(), None), name="geotransform_without_srs")
source(lambda folder: placed(mem(), transform=(0, 1, 0, 0, 0, 1)), name="geotransform_identity")
source(lambda folder: placed(mem(), transform=(440720, 60, 5, 3751320, 7, -60)), name="geotransform_rotated")
source(lambda folder: placed(mem(), "EPSG:4326", (-180, 0.5, 0, -90, 0, 0.5)), name="geotransform_south_up")
source(lambda folder: placed(mem(), transform=(440720, -60, 0, 3751320, 0, -60)), name="geotransform_mirrored")


def pointed(dataset):
    dataset.SetMetadataItem("AREA_OR_POINT", "Point")
    return dataset


source(lambda folder: pointed(placed(mem())), name="point_pixels")
source(lambda folder: pointed(placed(mem(), transform=(440720, 60, 5, 3751320, 7, -60))), name="point_pixels_rotated")
source(lambda folder: pointed(mem()), name="point_pixels_nowhere")


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


source(lambda folder: with_gcps(mem()), name="gcps")
source(lambda folder: with_gcps(mem(), None), name="gcps_without_srs")
source(lambda folder: with_gcps(mem(), "EPSG:32611+5703"), name="gcps_compound")
source(lambda folder: with_gcps(mem(), LOCAL), name="gcps_local")
source(lambda folder: with_gcps(mem(), count=250), name="gcps_250")
source(lambda folder: pointed(with_gcps(mem())), name="gcps_of_points")

RPC = {
    "HEIGHT_OFF": "100", "HEIGHT_SCALE": "50", "LAT_OFF": "45", "LAT_SCALE": "1", "LONG_OFF": "5", "LONG_SCALE": "1",
    "LINE_OFF": "35", "LINE_SCALE": "35", "SAMP_OFF": "45", "SAMP_SCALE": "45", "ERR_BIAS": "1", "ERR_RAND": "2",
    **{
        name: " ".join(repr(number / 7) for number in range(1, 21))
        for name in ("LINE_NUM_COEFF", "LINE_DEN_COEFF", "SAMP_NUM_COEFF", "SAMP_DEN_COEFF")
    },
}  # fmt: skip


@source
def rpc(folder):
    dataset = mem()
    dataset.SetMetadata(RPC, "RPC")
    return dataset


@source
def geolocation(folder):
    dataset = mem()
    items = {"X_DATASET": "lon.tif", "X_BAND": "1", "Y_DATASET": "lat.tif", "Y_BAND": "1", "PIXEL_OFFSET": "0"}
    items.update({"PIXEL_STEP": "1", "LINE_OFFSET": "0", "LINE_STEP": "1", "SRS": srs("EPSG:4326").ExportToWkt()})
    dataset.SetMetadata(items, "GEOLOCATION")
    return dataset


# --- metadata --------------------------------------------------------------------------------------


@source
def metadata(folder):
    dataset = mem(2)
    dataset.SetMetadata({"KEY": "value", "UTF8": "é€ <&>", "EMPTY": "", "LINES": "a\nb"})
    dataset.SetMetadata({"A": "1"}, "OTHER")
    dataset.SetMetadata(["<xml>text</xml>"], "xml:SOMETHING")
    dataset.GetRasterBand(1).SetMetadata({"BAND": "one"})
    dataset.GetRasterBand(2).SetMetadata({"DEEP": "er"}, "OTHER")
    return dataset


@source
def metadata_of_40_kb(folder):
    dataset = mem()
    dataset.SetMetadata({f"KEY{i}": "x" * 100 for i in range(400)})
    return dataset


@source
def tifftags(folder):
    dataset = mem()
    names = ("DOCUMENTNAME", "IMAGEDESCRIPTION", "SOFTWARE", "ARTIST", "HOSTCOMPUTER", "COPYRIGHT")
    items = {f"TIFFTAG_{name}": name.lower() for name in names}
    items.update({"TIFFTAG_DATETIME": "2020:01:01 00:00:00", "TIFFTAG_XRESOLUTION": "72", "TIFFTAG_YRESOLUTION": "96"})
    items.update({"TIFFTAG_RESOLUTIONUNIT": "2 (pixels/inch)", "TIFFTAG_MINSAMPLEVALUE": "3"})
    items.update({"TIFFTAG_MAXSAMPLEVALUE": "250"})
    dataset.SetMetadata(items)
    return dataset


@source
def xmp(folder):
    dataset = mem()
    dataset.SetMetadata(["<?xpacket begin='' id='W5M0'?><x:xmpmeta xmlns:x='adobe:ns:meta/'/><?xpacket end='w'?>"], "xml:XMP")
    return dataset


@source
def imagery_domains(folder):
    dataset = mem()
    dataset.SetMetadata({"SATELLITEID": "X", "CLOUDCOVER": "0.1"}, "IMAGERY")
    dataset.SetMetadata({"IMD.a": "b"}, "IMD")
    dataset.SetMetadata(['{"a": 1}'], "json:ISIS3")
    return dataset


@source
def exif(folder):
    dataset = mem()
    dataset.SetMetadata({"EXIF_Make": "maker", "EXIF_ISOSpeedRatings": "100"}, "EXIF")
    dataset.SetMetadataItem("EXIF_Model", "model")
    return dataset


@source
def descriptions(folder):
    dataset = mem(2)
    dataset.GetRasterBand(1).SetDescription("first «é» <&>")
    dataset.GetRasterBand(2).SetDescription("second")
    return dataset


@source
def scale_offset_unit(folder):
    dataset = mem(2, gdal.GDT_Int16)
    for index in (1, 2):
        band = dataset.GetRasterBand(index)
        band.SetScale(0.1 * index)
        band.SetOffset(-273.15)
        band.SetUnitType("K")
    return dataset


@source
def statistics(folder):
    dataset = mem(2)
    dataset.GetRasterBand(1).SetStatistics(0, 250, 125.5, 60.25)
    return dataset


@source
def categories(folder):
    dataset = mem()
    dataset.GetRasterBand(1).SetCategoryNames(["none", "wood", "water «é»"])
    return dataset


def attribute_table():
    table = gdal.RasterAttributeTable()
    table.CreateColumn("VALUE", gdal.GFT_Integer, gdal.GFU_MinMax)
    table.CreateColumn("NAME", gdal.GFT_String, gdal.GFU_Name)
    table.CreateColumn("AREA", gdal.GFT_Real, gdal.GFU_Generic)
    table.SetRowCount(3)
    for row in range(3):
        table.SetValueAsInt(row, 0, row)
        table.SetValueAsString(row, 1, f"class {row}")
        table.SetValueAsDouble(row, 2, row * 1.5)
    return table


@source
def rat(folder):
    dataset = mem()
    dataset.GetRasterBand(1).SetDefaultRAT(attribute_table())
    return dataset


@source
def histogram(folder):
    dataset = gtiff(folder / "histogram.tif", mem())
    dataset.GetRasterBand(1).SetDefaultHistogram(-0.5, 255.5, list(range(256)))
    return dataset


@source
def everything(folder):
    dataset = placed(colored("rgb"))
    dataset.SetMetadata({"KEY": "value", "AREA_OR_POINT": "Point", "TIFFTAG_SOFTWARE": "some"})
    dataset.SetMetadata(RPC, "RPC")
    for index in (1, 2, 3):
        band = dataset.GetRasterBand(index)
        band.SetDescription(f"band {index}")
        band.SetNoDataValue(0)
        band.SetScale(2)
        band.SetUnitType("m")
        band.SetMetadata({"STATISTICS_MINIMUM": "1", "OF": str(index)})
    return dataset


# --- files of GTiff's ------------------------------------------------------------------------------

for _label, _options in {
    "tiled_deflate": ("TILED=YES", "BLOCKXSIZE=16", "BLOCKYSIZE=48", "COMPRESS=DEFLATE"),
    "strips_lzw": ("COMPRESS=LZW", "BLOCKYSIZE=5"),
    "band_interleaved": ("INTERLEAVE=BAND",),
    "big": ("BIGTIFF=YES",),
    "big_endian": ("ENDIANNESS=BIG",),
    "world_file": ("TFW=YES", "PROFILE=BASELINE"),
    "esri_keys": ("GEOTIFF_KEYS_FLAVOR=ESRI_PE",),
}.items():
    source(
        lambda folder, n=_label, o=_options: gtiff(folder / f"{n}.tif", placed(colored("rgb")), *o),
        name=f"gtiff_{_label}",
    )


@source
def gtiff_with_overviews(folder):
    path = folder / "overviews.tif"
    gtiff(path, placed(mem()))
    dataset = gdal.Open(str(path), gdal.GA_Update)
    dataset.BuildOverviews("AVERAGE", [2, 4])
    dataset = None
    return gdal.Open(str(path))


@source
def gtiff_with_external_overviews(folder):
    dataset = gtiff(folder / "external.tif", placed(mem()))
    dataset.BuildOverviews("AVERAGE", [2])
    dataset = None
    return gdal.Open(str(folder / "external.tif"))


@source
def gtiff_with_holes(folder):
    path = folder / "holes.tif"
    options = ["SPARSE_OK=YES", "TILED=YES", "BLOCKXSIZE=16", "BLOCKYSIZE=16"]
    dataset = gdal.GetDriverByName("GTiff").Create(str(path), WIDTH, HEIGHT, 1, gdal.GDT_Int16, options)
    dataset.GetRasterBand(1).SetNoDataValue(-5)
    dataset.GetRasterBand(1).WriteArray(np.full((10, 10), 7, "i2"), 20, 20)
    dataset = None
    return gdal.Open(str(path))


# --- other drivers ---------------------------------------------------------------------------------

source(lambda f: through("PNG", f / "rgba.png", colored("rgba")), name="PNG_rgba", drivers=["PNG"])
source(lambda f: through("PNG", f / "palette.png", palette(256)), name="PNG_palette", drivers=["PNG"])
source(lambda f: through("PNG", f / "16.png", mem(1, gdal.GDT_UInt16)), name="PNG_16_bits", drivers=["PNG"])
source(lambda f: through("PNG", f / "1.png", mem(top=1), "NBITS=1"), name="PNG_1_bit", drivers=["PNG"])
source(
    lambda f: through("PNG", f / "w.png", placed(mem()), "WORLDFILE=YES", "TITLE=title"), name="PNG_text", drivers=["PNG"]
)
source(lambda f: through("JPEG", f / "rgb.jpg", placed(colored("rgb"))), name="JPEG_rgb", drivers=["JPEG"])
source(lambda f: through("JPEG", f / "grey.jpg", mem()), name="JPEG_grey", drivers=["JPEG"])
source(
    lambda f: through("JP2OpenJPEG", f / "rgb.jp2", placed(colored("rgb")), "REVERSIBLE=YES", "QUALITY=100"),
    name="JP2OpenJPEG_rgb",
    drivers=["JP2OpenJPEG"],
)
source(
    lambda f: through("JP2OpenJPEG", f / "16.jp2", mem(1, gdal.GDT_UInt16, top=200), "REVERSIBLE=YES", "NBITS=12"),
    name="JP2OpenJPEG_12_bits",
    drivers=["JP2OpenJPEG"],
)
source(lambda f: through("netCDF", f / "a.nc", placed(mem(1, gdal.GDT_Float32))), name="netCDF", drivers=["netCDF"])


@source(drivers=["GRIB"])
def GRIB(folder):  # noqa: N802
    dataset = placed(mem(1, gdal.GDT_Float32), "EPSG:4326", (1, 0.1, 0, 50, 0, -0.1))
    dataset = through("GRIB", folder / "a.grb2", dataset)
    dataset.GetRasterBand(1).GetMetadata()
    dataset.GetRasterBand(1).Checksum()  # GDAL looks for its tables, and says once which it does not find
    return dataset


source(lambda f: through("AAIGrid", f / "a.asc", placed(mem(1, gdal.GDT_Int32, top=9))), name="AAIGrid", drivers=["AAIGrid"])
source(lambda f: through("GIF", f / "a.gif", palette(256)), name="GIF", drivers=["GIF"])
source(lambda f: through("BMP", f / "a.bmp", mem(3)), name="BMP", drivers=["BMP"])
source(lambda f: through("WEBP", f / "a.webp", colored("rgba"), "LOSSLESS=YES"), name="WEBP", drivers=["WEBP"])
source(lambda f: through("ENVI", f / "a.envi", placed(mem(3, gdal.GDT_Int16))), name="ENVI", drivers=["ENVI"])
source(lambda f: through("NITF", f / "a.ntf", placed(mem())), name="NITF", drivers=["NITF"])
source(lambda f: through("XYZ", f / "a.xyz", placed(mem(width=9, height=8))), name="XYZ", drivers=["XYZ"])
source(lambda f: through("PCIDSK", f / "a.pix", placed(mem(2))), name="PCIDSK", drivers=["PCIDSK"])


@source(drivers=["HFA"])
def HFA(folder):  # noqa: N802
    dataset = placed(palette(256))
    dataset.GetRasterBand(1).SetDescription("class")
    dataset.GetRasterBand(1).SetStatistics(0, 250, 125, 70)
    return through("HFA", folder / "a.img", dataset)


# --- virtual ones ----------------------------------------------------------------------------------


def translated(dataset, **options):
    return gdal.Translate("", dataset, format="VRT", **options)


def base(folder, name, dataset):
    return gtiff(folder / f"{name}-base.tif", dataset, "TILED=YES", "BLOCKXSIZE=32", "BLOCKYSIZE=32")


@source
def VRT_window(folder):  # noqa: N802
    return translated(base(folder, "window", placed(colored("rgb"))), srcWin=[5, 7, 40, 30])


@source
def VRT_bands(folder):  # noqa: N802
    return translated(base(folder, "bands", placed(colored("rgba"))), bandList=[4, 2, 2])


@source
def VRT_scaled(folder):  # noqa: N802
    return translated(base(folder, "scaled", mem(1, gdal.GDT_Int16)), outputType=gdal.GDT_Byte, scaleParams=[[]])


@source
def VRT_resampled(folder):  # noqa: N802
    return translated(base(folder, "resampled", placed(mem(2))), width=40, height=77, resampleAlg="bilinear")


@source
def VRT_expanded(folder):  # noqa: N802
    return translated(base(folder, "expanded", palette(256)), rgbExpand="rgba")


@source
def VRT_with_nodata(folder):  # noqa: N802
    return translated(base(folder, "nodata", mem(1, gdal.GDT_Float32)), noData="nan", metadataOptions=["A=B"])


@source
def VRT_with_gcps(folder):  # noqa: N802
    return translated(base(folder, "gcps", with_gcps(mem())), outputSRS="EPSG:4258")


@source
def VRT_unscaled(folder):  # noqa: N802
    dataset = mem(1, gdal.GDT_Int16)
    dataset.GetRasterBand(1).SetScale(0.1)
    return translated(base(folder, "unscaled", dataset), unscale=True, outputType=gdal.GDT_Float32)


@source
def VRT_warped(folder):  # noqa: N802
    return gdal.Warp("", base(folder, "warped", placed(mem(1, gdal.GDT_Int16))), format="VRT", dstSRS="EPSG:4326")


@source
def VRT_mosaic(folder):  # noqa: N802
    pieces = []
    for index in range(2):
        piece = placed(mem(), transform=(440720 + 60 * 60 * index, 60, 0, 3751320, 0, -60))
        pieces.append(gtiff(folder / f"piece{index}.tif", piece))
    return gdal.BuildVRT("", pieces)


@source
def VRT_file(folder):  # noqa: N802
    base(folder, "file", placed(colored("rgb")))
    gdal.Translate(str(folder / "file.vrt"), str(folder / "file-base.tif"), format="VRT")
    return gdal.Open(str(folder / "file.vrt"))


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
