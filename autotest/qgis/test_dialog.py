"""QGIS's export dialog, on a screen of its own: lists the format by its long name, and exports through it."""

import os
import pathlib
import shutil
import subprocess
import sys

import derived
import numpy as np
import pytest
import qgis_session
import streamtiff
from osgeo import gdal

SCRIPT = pathlib.Path(__file__).resolve().parent / "export_by_dialog.py"


@pytest.mark.skipif(shutil.which("xvfb-run") is None, reason="xvfb is not installed")
def test_export_by_the_dialog(tmp_path):
    x, y = np.meshgrid(np.arange(900), np.arange(700))
    heights = (500 + 300 * np.sin(x / 70.0) * np.cos(y / 50.0)).astype("float32")
    source = derived.write(tmp_path / "source.tif", [heights])
    target = tmp_path / "exported.tif"
    artefacts = pathlib.Path(os.environ.get("STREAMTIFF_BUILD_DIR", str(tmp_path))) / "test-results"
    artefacts.mkdir(exist_ok=True)
    picture = artefacts / "qgis-export-dialog.png"
    env = {**os.environ, "QT_QPA_PLATFORM": "xcb", "XDG_RUNTIME_DIR": str(tmp_path)}
    command = ["xvfb-run", "-a", "-s", "-screen 0 1280x1024x24", sys.executable, str(SCRIPT)]
    options = ["COMPRESS=ZSTD", "MEMORY_CAP=64MB"]
    ran = subprocess.run([*command, source, target, picture, *options], env=env, capture_output=True, text=True, timeout=120)
    assert ran.returncode == 0, ran.stderr
    assert ran.stdout.split()[-1] == qgis_session.WRITER
    assert picture.stat().st_size > 10000
    dataset = gdal.Open(str(target))
    assert dataset.GetMetadataItem("COMPRESSION", "IMAGE_STRUCTURE") == "ZSTD"
    assert streamtiff.pixels(target) == streamtiff.pixels(source)
