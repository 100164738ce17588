"""What GTiff keeps, StreamTIFF keeps: every source in every way, both drivers, all that can be seen of the result.

A difference that is meant is in parity_allowed.ALLOWED, with its reason. Each entry names a case that shows it; an
entry that no longer does fails.
"""

import parity
import pytest
from pairs import pairwise
from parity_allowed import ALLOWED, unexpected
from parity_described import DESCRIBED
from parity_masks import MASKED
from parity_options import MASK_WAYS, WAYS
from parity_sources import NOT_HERE, SOURCES, Sources


@pytest.fixture(scope="module")
def sources(tmp_path_factory):
    return Sources(tmp_path_factory.mktemp("sources"))


# --- every source in the ways of every day ---------------------------------------------------------


def ways(options):
    return " ".join(options)


STRICT = WAYS[1]  # what strict copies refuse is refused whatever the options


LOSSY = WAYS[4:]


@pytest.mark.parametrize(
    "name,options",
    [
        pytest.param(name, options, id=f"{name}-{ways(options)}")
        for name in SOURCES
        for options in WAYS
        if name not in DESCRIBED or options not in LOSSY
    ],
)
def test_source(sources, tmp_path, name, options):
    found = parity.differences(tmp_path, sources[name], options, strict=int(options is STRICT))
    found = unexpected(found, name, options)
    assert not found, f"{name} {ways(options)}\n{parity.brief(found)}"


def test_there_are_sources_that_only_a_strict_copy_refuses(sources, tmp_path):
    for driver in parity.DRIVERS:
        for strict in (0, 1):
            copy = parity.Copy(driver, tmp_path / driver, sources["mixed_types"], parity.with_layout(STRICT), strict)
            assert copy.refused == bool(strict)


# --- masks, inside the file and beside it ------------------------------------------------------------


@pytest.mark.parametrize(
    "name,options,internal",
    [
        pytest.param(name, options, internal, id=f"{name}-{ways(options)}-{internal}")
        for name, options, internal in pairwise(MASKED, MASK_WAYS, ["YES", "NO"])
    ],
)
def test_mask(sources, tmp_path, name, options, internal):
    with parity.config(GDAL_TIFF_INTERNAL_MASK=internal):
        found = unexpected(parity.differences(tmp_path, sources[name], options), name, options)
    assert not found, f"{name} {ways(options)} internal {internal}\n{parity.brief(found)}"


@pytest.mark.parametrize("internal", ["YES", "NO"])
def test_tags_of_masks_are_compared(sources, tmp_path, internal):
    """Those of the mask's directory, and those of the file beside."""
    with parity.config(GDAL_TIFF_INTERNAL_MASK=internal):
        copy = parity.Copy("GTiff", tmp_path, sources["mask_MEM"], parity.with_layout(()))
    assert ("tag 1:256" in copy.seen) == (internal == "YES")
    assert ("file out.tif.msk" in copy.seen) == (internal == "NO")
    assert internal == "YES" or (0, 256) in copy.seen["file out.tif.msk"]


# --- the table of differences ----------------------------------------------------------------------


@pytest.mark.parametrize("allowed", [allowed for allowed in ALLOWED if allowed.shown_by], ids=lambda allowed: allowed.name)
def test_allowed_difference_is_still_there(sources, tmp_path, allowed):
    name, options = allowed.shown_by
    with parity.config(**allowed.under):
        assert any(allowed.covers(key, name, options) for key in parity.differences(tmp_path, sources[name], options))


def test_sources_that_cannot_be_made_here():
    """Debian's GDAL has all these drivers."""
    assert [name for name, reason in NOT_HERE.items() if reason.startswith("no driver")] == []
    assert len(SOURCES) > 150
