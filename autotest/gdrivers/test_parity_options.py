"""Every creation option of GTiff's means the same to StreamTIFF: for each, sources for which it means something."""

from xml.etree import ElementTree

import parity
import pytest
import streamtiff
from osgeo import gdal
from parity_allowed import unexpected
from parity_options import OPTIONS
from parity_sources import SOURCES, Sources


@pytest.fixture(scope="module")
def sources(tmp_path_factory):
    return Sources(tmp_path_factory.mktemp("sources"))


EACH = [
    pytest.param(name, options, id=f"{group}-{' '.join(options)[:60]}-{name}")
    for group, (lists, names) in OPTIONS.items()
    for options in lists
    for name in names
    if name in SOURCES
]


@pytest.mark.parametrize("name,options", EACH)
def test_option(sources, tmp_path, name, options):
    found = unexpected(parity.differences(tmp_path, sources[name], options), name, options)
    assert not found, f"{name} {' '.join(options)}\n{parity.brief(found)}"


@pytest.mark.parametrize("dtype,bits,too_large,said", [
    (gdal.GDT_UInt16, 9, 512, "clipped to fit 9 bit domain"),
    (gdal.GDT_Byte, 3, 8, "clipped to fit 3 bit domain"),
    (gdal.GDT_Float32, 16, 1e6, "beyond the range of 16-bit floats"),
])  # fmt: skip
def test_samples_that_do_not_fit_are_told_of_once(tmp_path, dtype, bits, too_large, said):
    """Which GTiff tells of, too, in other words (parity_allowed.py), but of half floats only in some versions; and of none
    where all fit."""
    for value, count in ((too_large, 1), (too_large / 1024, 0)):
        source = gdal.GetDriverByName("MEM").Create("", 600, 600, 2, dtype)
        source.GetRasterBand(2).Fill(value)
        for driver in parity.DRIVERS:
            with streamtiff.messages() as kept:
                dataset = gdal.GetDriverByName(driver).CreateCopy(
                    str(tmp_path / "out.tif"), source, options=[f"NBITS={bits}"]
                )
                assert dataset is not None
                dataset = None
            assert bool(kept) == bool(count) or (driver == "GTiff" and dtype == gdal.GDT_Float32)
        assert len(kept) == count and all(said in text for _, _, text in kept)


# --- the whole list ----------------------------------------------------------------------------------

# Options of GTiff's that we have not, and why. Each is refused with a failure, never passed over.
REFUSED = {
    "JPEG_DIRECT_COPY": ("YES", "only builds of GDAL made for it list it: one strip, the JPEG file of the source"),
}


def listed(driver):
    """The creation options that a driver lists, {name: values}."""
    root = ElementTree.fromstring(gdal.GetDriverByName(driver).GetMetadataItem("DMD_CREATIONOPTIONLIST"))
    return {option.get("name"): {v.text for v in option.findall("Value")} for option in root.findall("Option")}


def test_every_option_of_gtiffs_is_ours_or_refused():
    """A newer GDAL's new option fails here until it is one or the other."""
    theirs, ours = listed("GTiff"), listed("StreamTIFF")
    assert sorted(set(theirs) - set(ours) - set(REFUSED)) == []
    assert sorted(set(ours) & set(REFUSED)) == []


def test_every_value_of_gtiffs_options_is_ours():
    theirs, ours = listed("GTiff"), listed("StreamTIFF")
    missing = {name: values - ours[name] for name, values in theirs.items() if name in ours and ours[name]}
    assert {name: values for name, values in missing.items() if values} == {}


@pytest.mark.parametrize("name", REFUSED)
def test_refused_option(sources, tmp_path, name):
    value = REFUSED[name][0]
    with streamtiff.messages() as kept:
        target = str(tmp_path / "out.tif")
        options = [f"{name}={value}"]
        assert gdal.GetDriverByName("StreamTIFF").CreateCopy(target, sources["type_Byte"], options=options) is None
    failures = streamtiff.texts(kept, gdal.CE_Failure)
    assert len(failures) == 1 and name in failures[0]
    assert streamtiff.listing(tmp_path) == []


@pytest.mark.parametrize("codec", ["DEFLATE", "LZW"])
@pytest.mark.parametrize("name", ["type_Float32", "type_Float64", "bands_3_Float32"])
def test_floating_point_predictor_in_the_other_byte_order(sources, tmp_path, name, codec):
    options = [f"COMPRESS={codec}", "PREDICTOR=3", "ENDIANNESS=INVERTED"]
    dataset = streamtiff.create_copy(tmp_path / "out.tif", sources[name], *options)
    dataset = None  # noqa: F841
    assert streamtiff.pixels(tmp_path / "out.tif") == streamtiff.pixels(sources[name])
