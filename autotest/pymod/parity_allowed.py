"""The differences between a file of GTiff's and one of ours that are meant, each with its reason."""

import parity
from osgeo import gdal


class Allowed:
    """A difference that is meant.

    keys: what differs (beginnings of them, "band 2" counts as "band"); when: of the source's name and the options,
    whether it can occur; shown_by: (source, options) of a case that shows it, under these configuration options (None:
    chance decides); since, before: of which GDAL."""

    def __init__(self, name, reason, keys, shown_by, when=lambda source, options: True, since=0, before=10**9, under=()):
        self.name, self.reason, self.keys, self.shown_by, self.when = name, reason, keys, shown_by, when
        self.under = dict(under)
        self.applies = since <= parity.VERSION < before

    def covers(self, key, source, options):
        return self.when(source, options) and any(_plain(key).startswith(start) for start in self.keys)


def compressed(options, *names):
    """Whether the options name one of these codecs."""
    return any(option.split("=")[1].split("_")[0] in names for option in options if option.startswith("COMPRESS="))


def _plain(key):
    """"band 3: pixels" and "band 1: pixels" are one kind of difference."""
    head, colon, tail = key.partition(": ")
    return f"band: {tail}" if colon and head.startswith("band ") else key


_ALL = [
    Allowed(
        "refusals say what to do",
        "Our text names the option to set and the figures; GTiff's is libtiff's or shorter.",
        ["text of the refusal"],
        ("type_CFloat32", ("COMPRESS=LZW", "PREDICTOR=3")),
    ),
    Allowed(
        "nothing half-written",
        "Where libtiff refuses the tiles, GTiff raises failures, hands a dataset back and leaves a file without "
        "pixels. We refuse before anything is written.",
        ["half-written file"],
        ("bits_4", ("COMPRESS=LERC",)),
    ),
    Allowed(
        "nothing unreadable",
        "Several bands of one bit in one tile are more than libtiff's CCITT codecs count with: they write what they "
        "cannot read. We refuse.",
        ["unreadable file", "refused"],
        ("bits_1_of_3_bands", ("COMPRESS=CCITTFAX4",)),
        lambda source, options: compressed(options, "CCITTRLE", "CCITTFAX3", "CCITTFAX4"),
        before=31300,
    ),
    Allowed(
        "floating point predictor in the other byte order",
        "GTiff's file gives other values than the source when it is read, with its numbers turned round; ours does not "
        "(test_parity_options.py holds ours against the source).",
        ["band: pixels", "band: mask pixels"],
        ("type_Float32", ("COMPRESS=DEFLATE", "PREDICTOR=3", "ENDIANNESS=BIG")),
        lambda source, options: "PREDICTOR=3" in options and ("ENDIANNESS=BIG" in options),
        before=31300,
    ),
    Allowed(
        "a level that nobody gave",
        "GTiff warns that WEBP_LEVEL is ignored with WEBP_LOSSLESS=YES, given or not. We warn where it was given.",
        ["warnings"],
        ("color_rgba", ("COMPRESS=WEBP", "WEBP_LOSSLESS=YES")),
        lambda source, options: "WEBP_LOSSLESS=YES" in options and not any("WEBP_LEVEL" in option for option in options),
        before=31000,
    ),
    Allowed(
        "edge tiles of a lossy codec",
        "Beyond the raster we repeat its last column and row; GTiff leaves what it happens to have there (it means "
        "to repeat them for JPEG, but mixes up rows and columns). The codec spreads that into the raster.",
        ["band: pixels", "band: mask pixels"],
        ("bands_3_Float32", ("COMPRESS=LERC_ZSTD", "MAX_Z_ERROR=0.5")),
        lambda source, options: compressed(options, "JPEG", "WEBP", "LERC") and "TILED=NO" not in options,
    ),
    Allowed(
        "the last sample of a row of 12-bit JPEG",
        "Where a strip has an odd number of samples in a row, libtiff loses the last one, and encodes what lies in its "
        "memory instead: no two such files are alike, be they GTiff's or ours. (Tiles have even rows.)",
        ["band: pixels", "band: mask pixels"],
        None,
        lambda source, options: compressed(options, "JPEG") and "TILED=NO" in options and "12" in source,
        since=31100,
    ),
    Allowed(
        "a JPEG file is encoded again",
        "From a source of the JPEG driver with COMPRESS=JPEG and nothing else of JPEG's, GTiff takes over the "
        "coefficients, with the tables and the colour space of the source. We read pixels.",
        ["band: pixels", "tag 0:347", "tag 0:262", "tag 0:530", "tag 0:532", "metadata IMAGE_STRUCTURE"],
        ("JPEG_rgb", ("COMPRESS=JPEG", "TILED=NO", "BLOCKYSIZE=16")),
        lambda source, options: source.startswith("JPEG") and compressed(options, "JPEG"),
    ),
    Allowed(
        "which band was clipped",
        "The warning that samples do not fit into NBITS comes once, after the pixels, and names no band; GTiff names "
        "the first that it met. A half float beyond its range is a failure for GTiff, though it is written all the "
        "same; we warn.",
        ["warnings", "failures"],
        ("type_UInt16", ("NBITS=9",)),
        lambda source, options: any(option.startswith("NBITS=") for option in options),
    ),
    Allowed(
        "holes without a nodata value",
        "A profile that does not write the nodata value: GTiff does not read the holes of the source, and writes 0 "
        "where the source has its nodata value.",
        ["band: pixels", "band: mask pixels"],
        ("gtiff_with_holes", ("PROFILE=BASELINE",)),
        lambda source, options: source == "gtiff_with_holes"
        and ("PROFILE=BASELINE" in options or "PROFILE=GeoTIFF" in options),
    ),
    Allowed(
        "no COG by chance",
        "GTiff writes the directory first, and since 3.11 says that a small file without overviews is a COG. Ours comes "
        "last, when the sizes of the tiles are known.",
        ["layout"],
        ("type_Byte", ("COMPRESS=NONE",)),
        since=31100,
    ),
    Allowed(
        "streamed in the other byte order",
        "GTiff writes the numbers of a streamed file as they lie in memory, whatever its header says of their order; ours "
        "are turned round (test_streamable.py holds them against the source).",
        ["band: pixels", "band: mask pixels"],
        ("bands_7_Int16", ("COMPRESS=NONE", "STREAMABLE_OUTPUT=YES", "ENDIANNESS=BIG")),
        lambda source, options: {"STREAMABLE_OUTPUT=YES", "ENDIANNESS=BIG"} <= set(options),
    ),
    Allowed(
        "streamed with much metadata",
        "GTiff of 3.10 says that the blocks lie where they would, were the directory the one it wrote first. "
        "Ours lie where they are said to be (test_streamable.py holds them against the source).",
        ["band: "],
        ("everything", ("COMPRESS=NONE", "STREAMABLE_OUTPUT=YES")),
        lambda source, options: source == "everything" and "STREAMABLE_OUTPUT=YES" in options,
        since=31000,
        before=31100,
    ),
    Allowed(
        "streamed from a source with holes",
        "GTiff passes over the holes, and its file ends before its last blocks. Ours has what a reader sees in them.",
        ["unreadable file", "band: ", "messages when it is read"],
        ("gtiff_with_holes", ("COMPRESS=NONE", "STREAMABLE_OUTPUT=YES")),
        lambda source, options: source == "gtiff_with_holes" and "STREAMABLE_OUTPUT=YES" in options,
    ),
    Allowed(
        "streamed with a mask",
        "GTiff leaves the mask out of a streamed file, and does not say so. Ours lies beside.",
        ["band: mask ", "file list", "file out.tif.msk"],
        ("mask_MEM", ("COMPRESS=NONE", "STREAMABLE_OUTPUT=YES")),
        lambda source, options: source.startswith("mask_") and "STREAMABLE_OUTPUT=YES" in options,
    ),
    Allowed(
        "windows of a warp",
        "GTiff asks a warped VRT for windows larger than its blocks, and since 3.10 at the latest these are warped as a whole, with pixels "
        "that differ a little from those of the blocks: the transformation is approximated along the rows of whatever is "
        "asked for. Ours are those of the blocks, at any cap.",
        ["band: pixels", "band: mask pixels"],
        ("VRT_warped_of_many_blocks", ("COMPRESS=NONE",)),
        lambda source, options: source == "VRT_warped_of_many_blocks",
        since=31000,
    ),
    Allowed(
        "holes of a band without nodata",
        "The file has one nodata value for all bands. Where GTiff passes over holes of the source it writes that into all bands, "
        "in place of the zeros of those without one. Ours has the pixels of the source.",
        ["band: pixels", "band: mask pixels"],
        ("VRT_holes_and_nodata_of_one_band", ("COMPRESS=DEFLATE", "TILED=NO", "BLOCKYSIZE=7", "INTERLEAVE=BAND")),
        lambda source, options: source == "VRT_holes_and_nodata_of_one_band",
    ),
    Allowed(
        "masks of single bands",
        "Inside the file there is no room for them: where GDAL_TIFF_INTERNAL_MASK=YES asks for that, GTiff raises a failure "
        "for each, and leaves them out all the same. We warn once.",
        ["failures", "warnings"],
        ("mask_MEM_of_each_band", ("COMPRESS=NONE",)),
        lambda source, options: source.endswith(("_of_each_band", "_of_some_bands"))
        and gdal.GetConfigOption("GDAL_TIFF_INTERNAL_MASK") == "YES",
        under={"GDAL_TIFF_INTERNAL_MASK": "YES"},
    ),
]

ALLOWED = [item for item in _ALL if item.applies]


def unexpected(found, source, options):
    return {key: pair for key, pair in found.items() if not any(item.covers(key, source, options) for item in ALLOWED)}
