"""Small rasters of every kind that GDAL hands to a driver: SOURCES has those made here and in the files beside."""

import numpy as np
import parity_described  # noqa: F401
import parity_masks  # noqa: F401
from osgeo import gdal
from parity_rasters import (  # noqa: F401
    COLORS,
    HEIGHT,
    NOT_HERE,
    SOURCES,
    VERSION,
    WIDTH,
    Sources,
    colored,
    gtiff,
    mem,
    palette,
    placed,
    source,
    through,
    values,
    with_gcps,
)

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


source(lambda folder: palette(256), name="palette_256")
source(lambda folder: palette(16), name="palette_16")
source(lambda folder: palette(256, alpha=100), name="palette_translucent")
source(lambda folder: palette(300, gdal.GDT_UInt16), name="palette_UInt16")
source(lambda folder: palette(16, gdal.GDT_Int16), name="palette_Int16")

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


# --- files of GTiff's ------------------------------------------------------------------------------

for _label, _options in {
    "tiled_deflate": ("TILED=YES", "BLOCKXSIZE=16", "BLOCKYSIZE=48", "COMPRESS=DEFLATE"),
    "strips_lzw": ("COMPRESS=LZW", "BLOCKYSIZE=5"),
    "band_interleaved": ("INTERLEAVE=BAND",),
    "big": ("BIGTIFF=YES",),
    "big_endian": ("ENDIANNESS=BIG",),
    "world_file": ("TFW=YES", "PROFILE=BASELINE"),
    "GeoTIFF_alone": ("PROFILE=GeoTIFF",),
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
def VRT_warped_of_many_blocks(folder):  # noqa: N802
    large = base(folder, "warped-large", placed(mem(1, gdal.GDT_Int16, width=600, height=300)))
    return gdal.Warp("", large, format="VRT", dstSRS="EPSG:4326")


@source
def VRT_holes_and_nodata_of_one_band(folder):  # noqa: N802
    dataset = gdal.GetDriverByName("VRT").Create("", WIDTH, HEIGHT, 2, gdal.GDT_Int16)
    dataset.GetRasterBand(1).SetNoDataValue(-5)
    return dataset


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
