"""The driver's metadata, its creation options, and what they do to the file."""

import os
import xml.etree.ElementTree as ElementTree

import pytest
import streamtiff
import terrain
from osgeo import gdal

MIB = 1 << 20
driver = gdal.GetDriverByName("StreamTIFF")


@pytest.fixture(scope="module")
def source(tmp_path_factory):
    path = tmp_path_factory.mktemp("source") / "in.tif"
    terrain.make_terrain(path, 400, 300, "UInt16", 1, ["TILED=YES"])
    return gdal.Open(str(path))


@pytest.fixture
def figures(source):
    """Copies with these options and gives the STREAMING domain back."""

    def copy(*options):
        dataset = streamtiff.create_copy("/vsimem/options.tif", source, *options)
        return streamtiff.streaming(dataset)

    yield copy
    gdal.Unlink("/vsimem/options.tif")


# --- the driver ----------------------------------------------------------------------------------


def test_capabilities():
    metadata = driver.GetMetadata()
    assert metadata["DCAP_RASTER"] == "YES"
    assert metadata["DCAP_CREATECOPY"] == "YES"
    assert metadata["DCAP_VIRTUALIO"] == "YES"
    assert metadata["DMD_LONGNAME"] == "GeoTIFF streamed under a memory cap"
    assert metadata["DMD_HELPTOPIC"]
    # With Create(), gdaldem and gdalwarp would push their pixels, out of reach of the cap.
    assert "DCAP_CREATE" not in metadata
    # An extension would make it the guess for every .tif that is written.
    assert "DMD_EXTENSION" not in metadata and "DMD_EXTENSIONS" not in metadata
    # Asked before GTiff, it opens what has its prefix and nothing else (test_prefix.py).
    assert metadata["DCAP_OPEN"] == "YES"
    assert metadata["DMD_CONNECTION_PREFIX"] == "STREAMTIFF:"
    assert 'MEMORY_CAP' in metadata["DMD_OPENOPTIONLIST"] and 'NUM_THREADS' in metadata["DMD_OPENOPTIONLIST"]


def test_files_are_still_gtiffs(source, tmp_path):
    dataset = streamtiff.create_copy(tmp_path / "out.tif", source)
    dataset = None
    assert gdal.Open(str(tmp_path / "out.tif")).GetDriver().ShortName == "GTiff"
    assert gdal.IdentifyDriver(str(tmp_path / "out.tif")).ShortName == "GTiff"
    # Without format= GDAL guesses from the extension.
    gdal.Translate(str(tmp_path / "guessed.tif"), str(tmp_path / "out.tif"))
    guessed = gdal.Open(str(tmp_path / "guessed.tif"))
    assert guessed.GetRasterBand(1).GetBlockSize() == [400, 10]  # GTiff's strips, not our tiles


def test_create_is_refused():
    with streamtiff.messages() as kept:
        assert driver.Create("/vsimem/created.tif", 10, 10) is None
    assert streamtiff.texts(kept, gdal.CE_Failure)


# --- the list of options -------------------------------------------------------------------------


def options_of(name):
    listed = ElementTree.fromstring(gdal.GetDriverByName(name).GetMetadataItem("DMD_CREATIONOPTIONLIST"))
    return {option.get("name"): option for option in listed}


def test_option_list():
    ours = options_of("StreamTIFF")
    for option in ours.values():
        assert option.get("type") in ("string", "string-select", "int", "float", "boolean")
        assert option.get("description")
        if option.get("type") == "string-select":
            assert [value.text for value in option]
    assert ours["COMPRESS"].get("default") == "DEFLATE"
    assert ours["PREDICTOR"].get("default") == "YES"
    assert ours["TILED"].get("default") == "YES"
    assert ours["BLOCKXSIZE"].get("default") == "512"
    assert ours["BIGTIFF"].get("default") == "IF_SAFER"
    assert ours["NUM_THREADS"].get("default") == "ALL_CPUS"
    assert {"MEMORY_CAP", "MEMORY_CAP_STRICT", "INTERLEAVE", "BLOCKYSIZE"} <= set(ours)


def test_options_are_gdals_or_known_to_be_ours():
    ours, theirs, of_cog = options_of("StreamTIFF"), options_of("GTiff"), options_of("COG")
    # GTiff knows them since 3.8, but 3.13 does not list them; COG has STATISTICS since 3.8
    unlisted = {"COPY_SRC_MDD", "SRC_MDD", "STATISTICS"}
    own = {"DERIVE", "DERIVE_KERNEL", "DIRECT_DECODE", "LAYOUT", "MEMORY_CAP", "MEMORY_CAP_STRICT", "PASSTHROUGH"}
    assert set(ours) - set(theirs) - set(of_cog) - unlisted == own
    not_ours = {name for name in of_cog if name.startswith("JXL_")}
    assert set(of_cog) - set(ours) <= not_ours
    for name in ("INTERLEAVE", "PROFILE", "GEOTIFF_VERSION", "GEOTIFF_KEYS_FLAVOR", "BLOCKXSIZE", "WEBP_LOSSLESS"):
        if name in ours:
            assert ours[name].get("type") in (theirs[name].get("type"), "int")  # GTiff: unsigned int


@pytest.mark.parametrize(
    "option",
    [
        "COMPRESS=NOPE",
        "TILED=MAYBE",
        "BLOCKXSIZE=big",
        "ZLEVEL=99",
        "BIGTIFF=HUGE",
        "NO_SUCH_OPTION=1",
        "MEMORY_CAP_STRICT=2.5",
        "MAX_Z_ERROR=-2",
    ],
)
def test_gdal_validates(option):
    with streamtiff.messages() as kept:
        driver.CreateCopy("/vsimem/not_there/x.tif", gdal.GetDriverByName("MEM").Create("", 1, 1, 0), options=[option])
    assert [text for text in streamtiff.texts(kept, gdal.CE_Warning) if option.split("=")[0] in text]


@pytest.mark.parametrize(
    "option",
    [
        "COMPRESS=deflate",
        "compress=ZIP",
        "TILED=no",
        "PREDICTOR=2",
        "PREDICTOR=STANDARD",
        "BIGTIFF=TRUE",
        "NUM_THREADS=all_cpus",
        "MEMORY_CAP=5%",
        "LEVEL=1",
    ],
)
def test_spellings(figures, option):
    figures(option)  # create_copy asserts that nothing was warned of


# --- MEMORY_CAP ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "text,size",
    [
        ("64MB", 64 * MIB),
        ("64mb", 64 * MIB),
        ("64 MB", 64 * MIB),
        ("64M", 64 * MIB),
        ("64MiB", 64 * MIB),
        ("65536KB", 64 * MIB),
        ("1.5GB", 1536 * MIB),
        ("0.25GB", 256 * MIB),
        ("268435456", 256 * MIB),
    ],
)
def test_memory_cap(figures, text, size):
    assert figures(f"MEMORY_CAP={text}")["REQUESTED_CAP_BYTES"] == size


def test_memory_cap_in_percent(figures):
    one, five = figures("MEMORY_CAP=1%"), figures("MEMORY_CAP=5%")
    assert one["REQUESTED_CAP_BYTES"] * 5 == pytest.approx(five["REQUESTED_CAP_BYTES"], rel=0.01)
    total = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    assert 0 < five["REQUESTED_CAP_BYTES"] <= 0.05 * total  # less in a container


@pytest.mark.parametrize(
    "text", ["64TB", "64 MB 3", "1e9", "0x100", "+64MB", "64,5MB", "%", "MB", "", " ", "nan", "99999999999999999999"]
)
def test_memory_cap_that_is_none(source, tmp_path, text):
    assert "MEMORY_CAP" in streamtiff.refused(tmp_path / "out.tif", source, f"MEMORY_CAP={text}")


def test_memory_cap_from_the_configuration(figures, source, tmp_path):
    gdal.SetConfigOption("STREAMTIFF_MEMORY_CAP", "48MB")
    try:
        assert figures()["REQUESTED_CAP_BYTES"] == 48 * MIB
        assert figures("MEMORY_CAP=32MB")["REQUESTED_CAP_BYTES"] == 32 * MIB  # the option goes first
        gdal.SetConfigOption("STREAMTIFF_MEMORY_CAP", "junk")
        assert "STREAMTIFF_MEMORY_CAP" in streamtiff.refused(tmp_path / "out.tif", source)
    finally:
        gdal.SetConfigOption("STREAMTIFF_MEMORY_CAP", None)


def test_default_cap(figures):
    """The least of GDAL's cache limit and 5 % of the usable memory."""
    cache_max = gdal.GetCacheMax()
    gdal.SetCacheMax(20 * MIB)
    try:
        assert figures()["REQUESTED_CAP_BYTES"] == 20 * MIB
        gdal.SetCacheMax(1 << 45)
        assert figures()["REQUESTED_CAP_BYTES"] <= 1 << 40
    finally:
        gdal.SetCacheMax(cache_max)


# --- others --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "option,magic",
    [("YES", 43), ("TRUE", 43), ("NO", 42), ("OFF", 42), ("IF_NEEDED", 42), ("IF_SAFER", 42), (None, 42)],
)
def test_bigtiff_of_a_small_file(source, tmp_path, option, magic):
    options = [f"BIGTIFF={option}"] if option else []
    dataset = streamtiff.create_copy(tmp_path / "out.tif", source, *options)
    assert streamtiff.pixels(dataset) == streamtiff.pixels(source)
    dataset = None
    assert (tmp_path / "out.tif").read_bytes()[:4] == b"II" + bytes([magic, 0])


def large(width, height):
    """A raster that says it is large: a VRT of no sources, cancelled before its pixels are read."""
    vrt = gdal.GetDriverByName("VRT").Create("", width, height, 1, gdal.GDT_Byte)
    return vrt


@pytest.mark.parametrize("option,magic", [("IF_NEEDED", 43), ("IF_SAFER", 43), ("YES", 43)])
def test_bigtiff_of_a_large_file_is_decided_before_the_first_tile(tmp_path, option, magic):
    heads = []

    def look(_done, _message, _data):
        heads.extend(path.read_bytes()[:4] for path in tmp_path.glob("out.tif*"))
        return 0 if any(heads) else 1  # what is buffered is not in the file yet

    options = ["COMPRESS=NONE", f"BIGTIFF={option}", "MEMORY_CAP=256MB"]
    with streamtiff.messages():
        assert driver.CreateCopy(str(tmp_path / "out.tif"), large(70000, 70000), options=options, callback=look) is None
    assert heads[-1] == b"II" + bytes([magic, 0])
    assert os.listdir(tmp_path) == []


def test_classic_tiff_that_cannot_hold_the_pixels(tmp_path):
    text = streamtiff.refused(
        tmp_path / "out.tif", large(70000, 70000), "COMPRESS=NONE", "BIGTIFF=NO", "MEMORY_CAP=256MB"
    )
    assert "BIGTIFF" in text


def test_threads_from_the_configuration(figures):
    gdal.SetConfigOption("GDAL_NUM_THREADS", "1")
    try:
        assert figures("MEMORY_CAP=256MB", "BLOCKXSIZE=64", "BLOCKYSIZE=64")["THREADS"] == 1
        assert figures("MEMORY_CAP=256MB", "BLOCKXSIZE=64", "BLOCKYSIZE=64", "NUM_THREADS=3")["THREADS"] == 3
    finally:
        gdal.SetConfigOption("GDAL_NUM_THREADS", None)


def test_defaults(source, tmp_path):
    dataset = streamtiff.create_copy(tmp_path / "out.tif", source)
    assert dataset.GetRasterBand(1).GetBlockSize() == [512, 512]
    assert dataset.GetMetadataItem("COMPRESSION", "IMAGE_STRUCTURE") == "DEFLATE"
    if int(gdal.VersionInfo()) >= 3070000:  # older ones do not tell
        assert dataset.GetMetadataItem("PREDICTOR", "IMAGE_STRUCTURE") == "2"


@pytest.mark.parametrize("count", [1, 3])
def test_gdals_own_validation_sees_nothing_wrong(source, count, tmp_path):
    """Options of a real call, all at once."""
    options = ["COMPRESS=ZSTD" if "ZSTD" in streamtiff.codecs() else "COMPRESS=LZW", "PREDICTOR=YES", "TILED=YES"]
    options += ["BLOCKXSIZE=256", "BLOCKYSIZE=256", "INTERLEAVE=BAND", "BIGTIFF=IF_NEEDED", f"NUM_THREADS={count}"]
    options += ["MEMORY_CAP=64MB", "MEMORY_CAP_STRICT=YES", "PROFILE=GDALGeoTIFF", "GEOTIFF_VERSION=1.1"]
    dataset = streamtiff.create_copy(tmp_path / "out.tif", source, *options, strict=1)
    assert streamtiff.pixels(dataset) == streamtiff.pixels(source)
