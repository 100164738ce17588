"""Options of the parity tests: ways to write any source, and for each option of GTiff's, sources for which it means something."""

from parity_sources import NODATA, TYPES, VERSION

# --- any source ------------------------------------------------------------------------------------

WAYS = [
    ("COMPRESS=NONE",),
    ("COMPRESS=DEFLATE", "TILED=NO", "BLOCKYSIZE=7", "INTERLEAVE=BAND"),
    ("COMPRESS=LZW", "PREDICTOR=2", "PROFILE=GeoTIFF"),
    ("COMPRESS=NONE", "PROFILE=BASELINE", "BIGTIFF=YES", "TILED=NO"),
    ("COMPRESS=JPEG", "TILED=NO", "BLOCKYSIZE=16"),
    ("COMPRESS=LERC_ZSTD", "MAX_Z_ERROR=0.5"),
]

MASK_WAYS = [
    ("COMPRESS=NONE",),
    ("COMPRESS=DEFLATE", "TILED=NO", "BLOCKYSIZE=7", "INTERLEAVE=BAND"),
    ("COMPRESS=LZW", "PROFILE=BASELINE", "BIGTIFF=YES", "SPARSE_OK=YES"),
    ("COMPRESS=DEFLATE", "ENDIANNESS=BIG", "PROFILE=GeoTIFF"),
]

# --- every option ----------------------------------------------------------------------------------

DEFLATED_STRIPS = ("COMPRESS=DEFLATE", "TILED=NO", "BLOCKYSIZE=16")
BYTES = ["type_Byte", "bands_2", "bands_3", "color_rgba", "palette_256", "nodata_Byte_255"]
NUMBERS = ["type_Byte", "type_UInt16", "type_Int16", "type_UInt32", "type_UInt64", "type_Float32", "type_Float64"]
NUMBERS += ["type_CInt16", "bands_2_Int16", "bands_3_Float32", "nodata_UInt32_4294967295"]

OPTIONS = {
    "NBITS": (
        [(f"NBITS={bits}",) for bits in (1, 3, 5, 8, 9, 12, 16, 17, 24, 31, 40)]
        + [("NBITS=4", "COMPRESS=LZW", "INTERLEAVE=BAND"), ("NBITS=12", *DEFLATED_STRIPS), ("NBITS=7", "TILED=NO")]
        + [("NBITS=16", "COMPRESS=DEFLATE", "PREDICTOR=3"), ("NBITS=16", "COMPRESS=LZW", "PREDICTOR=2")],
        ["type_Byte", "type_UInt16", "type_UInt32", "type_Float32", "bands_3_Float32", "bands_7", "one_column"]
        + ["bits_4", "bits_12", "bits_half_float", "signed_bytes"],
    ),
    "NBITS of types that have all their bits": (
        [("NBITS=4",), ("NBITS=16",), ("NBITS=40",)],
        ["type_Int16", "type_UInt64", "type_Float64", "type_CInt16", "bands_2_Int16", "nodata_UInt32_4294967295"],
    ),
    "COMPRESS": (
        [(f"COMPRESS={codec}", "NBITS=1") for codec in ("CCITTRLE", "CCITTFAX3", "CCITTFAX4", "PACKBITS")]
        + [("COMPRESS=CCITTFAX4", "TILED=NO", "INTERLEAVE=BAND", "NBITS=1", "BLOCKYSIZE=9")]
        + [("COMPRESS=LZMA", "LZMA_PRESET=1"), ("COMPRESS=ZSTD", "ZSTD_LEVEL=1"), ("COMPRESS=PACKBITS", "TILED=NO")],
        ["bits_1", "type_Byte", "bits_1_of_3_bands", "PNG_1_bit", "type_Float32"],
    ),
    "JPEG": (
        [("COMPRESS=JPEG", "TILED=NO", "BLOCKYSIZE=16", f"JPEGTABLESMODE={mode}") for mode in range(4)]
        + [("COMPRESS=JPEG", "TILED=NO", "BLOCKYSIZE=16", f"JPEG_QUALITY={quality}") for quality in (30, 95)]
        + [("COMPRESS=JPEG", "TILED=NO", "BLOCKYSIZE=32", "PHOTOMETRIC=YCBCR", f"JPEG_QUALITY={q}") for q in (75, 95)]
        + [("COMPRESS=JPEG", "TILED=NO", "BLOCKYSIZE=16", "PHOTOMETRIC=YCBCR", "INTERLEAVE=BAND")]
        + [("COMPRESS=JPEG", "PHOTOMETRIC=YCBCR"), ("COMPRESS=DEFLATE", "PHOTOMETRIC=YCBCR")],
        BYTES + ["photometric_YCBCR", "photometric_CMYK", "everything"],
    ),
    "WEBP": (
        [("COMPRESS=WEBP", "WEBP_LOSSLESS=YES"), ("COMPRESS=WEBP", "WEBP_LOSSLESS=YES", "WEBP_LEVEL=50")]
        + [("COMPRESS=WEBP", "WEBP_LEVEL=50", "TILED=NO", "BLOCKYSIZE=16")],
        BYTES,
    ),
    "LERC": (
        [("COMPRESS=LERC", "MAX_Z_ERROR=0"), ("COMPRESS=LERC_DEFLATE", "MAX_Z_ERROR=0.1", "ZLEVEL=1", "TILED=NO")],
        NUMBERS,
    ),
    "PHOTOMETRIC": (
        [(f"PHOTOMETRIC={kind}",) for kind in ("MINISBLACK", "MINISWHITE", "PALETTE", "RGB", "CMYK", "CIELAB")]
        + [(f"PHOTOMETRIC={kind}", *DEFLATED_STRIPS) for kind in ("ICCLAB", "ITULAB", "PALETTE", "MINISWHITE")],
        BYTES + ["bands_3_UInt16", "palette_UInt16", "type_Float32", "bands_4", "color_cmyk"],
    ),
    "ALPHA": (
        [(f"ALPHA={kind}",) for kind in ("YES", "NO", "NON-PREMULTIPLIED", "PREMULTIPLIED", "UNSPECIFIED")]
        + [("ALPHA=YES", "PHOTOMETRIC=RGB"), ("ALPHA=PREMULTIPLIED", "PHOTOMETRIC=MINISBLACK", "INTERLEAVE=BAND")],
        ["bands_2", "bands_4", "bands_7", "color_rgba", "color_grey_alpha", "color_rgb_and_2_alpha", "color_rgba_UInt16"],
    ),
    "PROFILE": (
        [(f"PROFILE={profile}", *DEFLATED_STRIPS) for profile in ("GDALGeoTIFF", "GeoTIFF", "BASELINE", "junk")],
        ["metadata", "gcps", "srs_utm", "srs_local", "icc_profile", "point_pixels", "nodata_Int64_min", "rat"],
    ),
    "PIXELTYPE": ([("PIXELTYPE=SIGNEDBYTE",), ("PIXELTYPE=DEFAULT",)], ["type_Byte", "type_UInt16", "bands_3"]),
    "keys": (
        [("GEOTIFF_KEYS_FLAVOR=ESRI_PE",), ("GEOTIFF_VERSION=1.0",), ("GEOTIFF_VERSION=1.1",)],
        ["srs_utm", "srs_compound", "srs_feet", "srs_geographic_3d", "srs_esri", "srs_odd_projection", "srs_with_epoch"],
    ),
    "colour": (
        [
            ("SOURCE_ICC_PROFILE=QUJD",),
            (
                "SOURCE_PRIMARIES_RED=0.64, 0.33, 1.0",
                "SOURCE_PRIMARIES_GREEN=0.3, 0.6, 1.0",
                "SOURCE_PRIMARIES_BLUE=0.15, 0.06, 1.0",
                "SOURCE_WHITEPOINT=0.3127, 0.329, 1.0",
                *(f"TIFFTAG_TRANSFERFUNCTION_{c}=" + ",".join(str(i * 200) for i in range(256)) for c in ("RED", "GREEN", "BLUE")),
                "TIFFTAG_TRANSFERRANGE_BLACK=0,1,2,3,4,5",
                "TIFFTAG_TRANSFERRANGE_WHITE=255,254,253,252,251,250",
            ),
        ],
        ["color_rgb", "icc_profile", "primaries", "type_Byte", "bands_3_UInt16"],
    ),
    "ENDIANNESS": (
        [
            ("ENDIANNESS=BIG",),
            ("ENDIANNESS=INVERTED", "BIGTIFF=YES"),
            ("ENDIANNESS=BIG", "COMPRESS=LZW", "PREDICTOR=2"),
            ("ENDIANNESS=BIG", "COMPRESS=DEFLATE", "PREDICTOR=3", "BIGTIFF=YES"),
            ("ENDIANNESS=BIG", "COMPRESS=LERC", "TILED=NO"),
            ("ENDIANNESS=BIG", "COMPRESS=JPEG", "TILED=NO", "BLOCKYSIZE=16"),
            ("ENDIANNESS=BIG", "COMPRESS=PACKBITS", "NBITS=16"),
            ("ENDIANNESS=BIG", "NBITS=24", "INTERLEAVE=BAND"),
        ],
        NUMBERS + ["type_CFloat64", "bits_4", "bits_12", "bits_half_float", "gcps_250", "everything", "palette_UInt16"],
    ),
    "ENDIANNESS of this host": ([("ENDIANNESS=LITTLE",), ("ENDIANNESS=NATIVE",)], ["type_UInt16", "everything"]),
    "DISCARD_LSB of all types": ([("DISCARD_LSB=2",), ("DISCARD_LSB=6",)], [f"type_{name}" for name in TYPES]),
    "DISCARD_LSB": (
        [("DISCARD_LSB=0",), ("DISCARD_LSB=3", *DEFLATED_STRIPS)]
        + [("DISCARD_LSB=5", "COMPRESS=LZW", "PREDICTOR=2", "INTERLEAVE=BAND")]
        + [("DISCARD_LSB=1,2,4",), ("DISCARD_LSB=0,3,2", "INTERLEAVE=BAND"), ("DISCARD_LSB=1,2",)]
        + [("DISCARD_LSB=2", "ENDIANNESS=BIG"), ("DISCARD_LSB=4", "SPARSE_OK=YES"), ("DISCARD_LSB=3", "NBITS=12")]
        + [("DISCARD_LSB=2", "PROFILE=BASELINE"), ("DISCARD_LSB=5", "NBITS=16"), ("DISCARD_LSB=0", "NBITS=16")],
        ["type_Byte", "type_UInt16", "type_Float32", "type_Float64", "type_CInt16", "bands_2_Int16", "bands_3"]
        + ["bands_3_UInt16", "bands_3_Float32", "color_rgba", "palette_256", "constant", "all_zero", "signed_bytes"]
        + ["mask_inside_tiles"],
    ),
    "DISCARD_LSB and nodata": (
        [("DISCARD_LSB=1",), ("DISCARD_LSB=3", *DEFLATED_STRIPS), ("DISCARD_LSB=6", "PROFILE=BASELINE")],
        [f"nodata_{name}" for name in NODATA],
    ),
    "DISCARD_LSB that GTiff ignores": (
        [(f"DISCARD_LSB={bits}",) for bits in ("-1", "8", "64", "1,2,3,4,5", "1,9")], ["type_Byte", "type_UInt16", "bands_2", "bands_2_Int16"]
    ),
    "STREAMABLE_OUTPUT": (
        [("STREAMABLE_OUTPUT=YES",), ("STREAMABLE_OUTPUT=YES", "TILED=NO", "BLOCKYSIZE=7", "INTERLEAVE=BAND")]
        + [("STREAMABLE_OUTPUT=YES", "ENDIANNESS=BIG"), ("STREAMABLE_OUTPUT=NO",), ("STREAMABLE_OUTPUT=YES", "BIGTIFF=YES")]
        + [("STREAMABLE_OUTPUT=YES", *refused) for refused in (("COMPRESS=DEFLATE",), ("SPARSE_OK=YES",))],
        ["type_Byte", "bands_7_Int16", "bits_1", "bits_12", "one_row", "everything", "gtiff_with_holes", "mask_MEM"],
    ),
    "BIGTIFF": ([("BIGTIFF=IF_NEEDED",), ("BIGTIFF=IF_SAFER",), ("BIGTIFF=YES", *DEFLATED_STRIPS)], ["everything", "gcps_250"]),
    "TILED": (
        [("TILED=YES", "BLOCKXSIZE=16"), ("TILED=NO",), ("TILED=NO", "BLOCKYSIZE=1000"), ("TILED=NO", "NBITS=1")],
        ["one_pixel", "one_row", "one_column", "type_Byte", "bands_7_Int16", "type_CFloat64"],
    ),
}  # fmt: skip
if VERSION >= 31000:
    OPTIONS["COLOR_TABLE_MULTIPLIER"] = (
        [(f"COLOR_TABLE_MULTIPLIER={factor}",) for factor in (1, 256, 257)], ["palette_256", "palette_UInt16"]
    )  # fmt: skip
if VERSION >= 30800:
    OPTIONS["SRC_MDD"] = (
        [("COPY_SRC_MDD=NO",), ("COPY_SRC_MDD=YES",), ("SRC_MDD=OTHER",), ("SRC_MDD=OTHER", "SRC_MDD=", "COPY_SRC_MDD=AUTO")],
        ["metadata", "imagery_domains", "domains_of_bands"],
    )
