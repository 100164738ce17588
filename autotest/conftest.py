"""Makes sure that it is the plugin of a build folder that is tested, and says which.

Under ctest GDAL_DRIVER_PATH and STREAMTIFF_BUILD_DIR are set. By hand, from this folder:

    GDAL_DRIVER_PATH=$PWD/../build/release/gdalplugins /usr/bin/python3 -m pytest gdrivers

Under a sanitizer a test runs with every value of each of its parameters, but not with every combination of them, and with so many
cases at most: what is correct is shown without it, and what the code does to memory depends little on combinations. The tests of
parity, small and of everything, have no such limit; of tests that measure memory, a figure that a sanitizer changes, few are
run. Always the same ones are left out; how many is told in the results, and by cmake/sum_tests.py.
STREAMTIFF_ALL_CASES=YES runs them all.
"""

import os
import pathlib
import shutil
import sys
import zlib

import pytest

sys.path.insert(0, str(pathlib.Path(__file__).parent / "pymod"))

from osgeo import gdal  # noqa: E402

DRIVER = "StreamTIFF"


def pytest_report_header(config):
    sanitizer = os.environ.get("STREAMTIFF_SANITIZER") or "none"
    return f"GDAL {gdal.VersionInfo('RELEASE_NAME')}, plugins from {os.environ.get('GDAL_DRIVER_PATH')}, sanitizer: {sanitizer}"


def pytest_sessionstart(session):
    if not os.environ.get("GDAL_DRIVER_PATH"):
        pytest.exit("GDAL_DRIVER_PATH must name the gdalplugins folder of the build to test", returncode=2)
    if gdal.GetDriverByName(DRIVER) is None:
        pytest.exit(f"no driver {DRIVER} in {os.environ['GDAL_DRIVER_PATH']}: {gdal.GetLastErrorMsg()}", returncode=2)


LEFT_OUT = pytest.StashKey[int]()
MODULES_SKIPPED = []
MOST_CASES = 5  # of each test
MEASURED_CASES = 2  # of each test in a file *_memory.py, or by the name of a held cap


def _each_value_once(items):
    """Those items of one test that bring a value of a parameter which none before them had."""
    seen = set()
    for item in sorted(items, key=lambda item: zlib.crc32(item.nodeid.encode())):
        values = {(name, repr(value)) for name, value in item.callspec.params.items()}
        if not values <= seen:
            yield item
        seen |= values


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(config, items):
    config.stash[LEFT_OUT] = 0
    if not os.environ.get("STREAMTIFF_SANITIZER") or os.environ.get("STREAMTIFF_ALL_CASES"):
        return
    tests = {}
    for item in items:
        if hasattr(item, "callspec"):
            tests.setdefault((item.path, item.originalname), []).append(item)
    run = set()
    for (path, name), cases in tests.items():
        most = MEASURED_CASES if path.stem.endswith("_memory") or "cap_is_held" in name else MOST_CASES
        most = None if "parity" in path.stem else most
        run.update(list(_each_value_once(cases))[:most])
    left_out = [item for item in items if hasattr(item, "callspec") and item not in run]
    config.stash[LEFT_OUT] = len(left_out)
    config.hook.pytest_deselected(items=left_out)
    items[:] = [item for item in items if not hasattr(item, "callspec") or item in run]


@pytest.fixture(scope="session", autouse=True)
def _tell_what_is_left_out(request, record_testsuite_property):
    record_testsuite_property("left out", request.config.stash[LEFT_OUT])


FAILED = pytest.StashKey[bool]()


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item, call):
    """Only what a failed test wrote is kept: the files of all of them are several gigabytes."""
    report = (yield).get_result()
    item.stash[FAILED] = item.stash.get(FAILED, False) or report.failed
    if call.when == "teardown" and not item.stash[FAILED] and "tmp_path" in item.funcargs:
        shutil.rmtree(item.funcargs["tmp_path"], ignore_errors=True)


@pytest.fixture(scope="session", autouse=True)
def _keep_nothing_of_what_passed(request, tmp_path_factory):
    yield
    if request.session.testsfailed == 0:
        shutil.rmtree(tmp_path_factory.getbasetemp(), ignore_errors=True)


def pytest_collectreport(report):
    if report.skipped:
        MODULES_SKIPPED.append(report.nodeid)


def pytest_sessionfinish(session, exitstatus):
    """A file that is skipped as a whole holds no test, which is an error to pytest: here it is a skip, told as one."""
    if exitstatus == pytest.ExitCode.NO_TESTS_COLLECTED and MODULES_SKIPPED:
        session.exitstatus = pytest.ExitCode.OK
