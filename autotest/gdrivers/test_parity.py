"""What GTiff keeps, StreamTIFF keeps: every source in every way, both drivers, all that can be seen of the result.

A difference that is meant is in ALLOWED, with its reason. Each entry names a case that shows it; an entry
that no longer does fails.
"""

import parity
import pytest
from parity_sources import NOT_HERE, SOURCES
from osgeo import gdal


class Allowed:
    """A difference that is meant.

    keys: what differs (beginnings of them, "band 2" counts as "band"); when: of the source's name and the options,
    whether it can occur; shown_by: (source, options) of a case that shows it."""

    def __init__(self, name, reason, keys, shown_by, when=lambda source, options: True):
        self.name, self.reason, self.keys, self.shown_by, self.when = name, reason, keys, shown_by, when

    def covers(self, key, source, options):
        return self.when(source, options) and any(_plain(key).startswith(start) for start in self.keys)


def compressed(options, *names):
    """Whether the options name one of these codecs."""
    return any(option.split("=")[1].split("_")[0] in names for option in options if option.startswith("COMPRESS="))


def _plain(key):
    """"band 3: pixels" and "band 1: pixels" are one kind of difference."""
    head, colon, tail = key.partition(": ")
    return f"band: {tail}" if colon and head.startswith("band ") else key


ALLOWED = [
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
        ("type_CFloat32", ("COMPRESS=LERC",)),
    ),
    Allowed(
        "edge tiles of a lossy codec",
        "Beyond the raster we repeat its last column and row; GTiff leaves what it happens to have there (it means "
        "to repeat them for JPEG, but mixes up rows and columns). The codec spreads that into the raster.",
        ["band: pixels"],
        ("type_Byte", ("COMPRESS=JPEG",)),
        lambda source, options: compressed(options, "JPEG", "WEBP", "LERC") and "TILED=NO" not in options,
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
        "holes without a nodata value",
        "A profile that does not write the nodata value: GTiff does not read the holes of the source, and writes 0 "
        "where the source has its nodata value.",
        ["band: pixels", "band: mask pixels"],
        ("gtiff_with_holes", ("PROFILE=BASELINE",)),
        lambda source, options: source == "gtiff_with_holes"
        and ("PROFILE=BASELINE" in options or "PROFILE=GeoTIFF" in options),
    ),
]


def unexpected(found, source, options):
    return {key: pair for key, pair in found.items() if not any(item.covers(key, source, options) for item in ALLOWED)}


@pytest.fixture(scope="module")
def opened(tmp_path_factory):
    """Gives a source by its name; each is made once."""
    kept = {}
    folder = tmp_path_factory.mktemp("sources")

    def give(name):
        if name not in kept:
            home = folder / name
            home.mkdir()
            gdal.PushErrorHandler("CPLQuietErrorHandler")
            try:
                kept[name] = SOURCES[name](home)
            finally:
                gdal.PopErrorHandler()
        return kept[name]

    return give


def check(opened, tmp_path, name, options, strict=0):
    found = unexpected(parity.differences(tmp_path, opened(name), options, strict), name, options)
    assert not found, f"{name} {' '.join(options)}\n{parity.brief(found)}"


# --- every source in the ways of every day ---------------------------------------------------------

WAYS = [
    ("COMPRESS=NONE",),
    ("COMPRESS=DEFLATE", "TILED=NO", "BLOCKYSIZE=7", "INTERLEAVE=BAND"),
    ("COMPRESS=LZW", "PREDICTOR=2", "PROFILE=GeoTIFF"),
    ("COMPRESS=NONE", "PROFILE=BASELINE", "BIGTIFF=YES", "TILED=NO"),
    ("COMPRESS=JPEG", "TILED=NO", "BLOCKYSIZE=16"),
    ("COMPRESS=LERC_ZSTD", "MAX_Z_ERROR=0.5"),
]

# Samples of fewer bits than their type, and files beside the raster.
NOT_YET = {
    "rpc", "everything",
    "signed_bytes", "bits_1", "bits_2", "bits_4", "bits_7", "bits_12", "bits_20", "bits_1_of_3_bands",
    "bits_half_float", "bits_named_by_a_band", "imagery_domains", "PNG_1_bit", "JP2OpenJPEG_12_bits",
}  # fmt: skip


def ways(options):
    return " ".join(options)


@pytest.mark.parametrize("options", WAYS, ids=ways)
@pytest.mark.parametrize("name", [name for name in SOURCES if name not in NOT_YET])
def test_source(opened, tmp_path, name, options):
    check(opened, tmp_path, name, options)


# --- the table of differences ----------------------------------------------------------------------


@pytest.mark.parametrize("allowed", ALLOWED, ids=lambda allowed: allowed.name)
def test_allowed_difference_is_still_there(opened, tmp_path, allowed):
    name, options = allowed.shown_by
    assert any(allowed.covers(key, name, options) for key in parity.differences(tmp_path, opened(name), options))


def test_sources_that_cannot_be_made_here():
    """Debian's GDAL has all these drivers."""
    assert [name for name, reason in NOT_HERE.items() if reason.startswith("no driver")] == []
    assert len(SOURCES) > 150
