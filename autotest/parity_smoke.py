"""A telling part of the parity tests, without pytest: GDAL_DRIVER_PATH=... python3 parity_smoke.py

Every source in one of the ways of test_parity.py, every list of options of test_parity_options.py with one of its sources, masks
inside the file and beside it, and the table of allowed differences. The last line counts the cases.
"""

import pathlib
import sys
import tempfile

sys.path.insert(0, str(pathlib.Path(__file__).parent / "pymod"))

import parity  # noqa: E402
from osgeo import gdal  # noqa: E402
from parity_allowed import ALLOWED, unexpected  # noqa: E402
from parity_masks import MASKED  # noqa: E402
from parity_options import MASK_WAYS, OPTIONS, WAYS  # noqa: E402
from parity_sources import SOURCES, Sources  # noqa: E402


def cases():
    """(source, options, configuration)"""
    for number, name in enumerate(SOURCES):
        yield name, WAYS[number % len(WAYS)], {}
    for lists, names in OPTIONS.values():
        here = [name for name in names if name in SOURCES]
        for number, options in enumerate(lists):
            yield here[number % len(here)], options, {}
    for number, name in enumerate(MASKED):
        for internal in ("YES", "NO"):
            yield name, MASK_WAYS[number % len(MASK_WAYS)], {"GDAL_TIFF_INTERNAL_MASK": internal}


def main():
    gdal.DontUseExceptions()
    passed = failed = 0
    with tempfile.TemporaryDirectory() as folder:
        folder = pathlib.Path(folder)
        (folder / "sources").mkdir()
        sources = Sources(folder / "sources")
        for name, options, configuration in cases():
            with parity.config(**configuration):
                found = unexpected(parity.differences(folder / "out", sources[name], options), name, options)
            passed, failed = passed + (not found), failed + bool(found)
            if found:
                print(f"FAILED: {name} {' '.join(options)} {configuration}\n{parity.brief(found)}")
        for allowed in ALLOWED:
            name, options = allowed.shown_by or (None, None)
            if name is None:
                continue
            with parity.config(**allowed.under):
                found = parity.differences(folder / "out", sources[name], options)
                there = any(allowed.covers(key, name, options) for key in found)
            passed, failed = passed + there, failed + (not there)
            if not there:
                print(f"FAILED: no longer there: {allowed.name}")
    print(f"{passed} passed, {failed} failed, 0 skipped")
    return failed > 0


if __name__ == "__main__":
    sys.exit(main())
