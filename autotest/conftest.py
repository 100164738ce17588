"""Makes sure that it is the plugin of a build folder that is tested, and says which.

Under ctest GDAL_DRIVER_PATH and STREAMTIFF_BUILD_DIR are set. By hand, from this folder:

    GDAL_DRIVER_PATH=$PWD/../build/release/gdalplugins /usr/bin/python3 -m pytest gdrivers
"""

import os
import pathlib
import sys

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
