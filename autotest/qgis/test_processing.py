"""QGIS's Processing: GDAL's tools with -of StreamTIFF as an extra parameter, and QGIS's own algorithms into the writer."""

import sys

import derived
import numpy as np
import pytest
import qgis_session
import streamtiff
from osgeo import gdal
from qgis_session import core

PLUGINS = "/usr/share/qgis/python/plugins"


@pytest.fixture(scope="module")
def processing():
    qgis_session.begin()
    if PLUGINS not in sys.path:
        sys.path.append(PLUGINS)
    module = pytest.importorskip("processing", reason="Processing is not installed")
    from processing.core.Processing import Processing
    from qgis.analysis import QgsNativeAlgorithms

    Processing.initialize()
    core.QgsApplication.processingRegistry().addProvider(QgsNativeAlgorithms())
    return module


@pytest.fixture(scope="module")
def dem(tmp_path_factory):
    x, y = np.meshgrid(np.arange(620), np.arange(430))
    heights = (700 + 300 * np.sin(x / 41.0) * np.cos(y / 33.0)).astype("float32")
    return derived.write(tmp_path_factory.mktemp("dem") / "dem.tif", [heights])


ALGORITHMS = {
    "gdal:translate": {},
    "gdal:warpreproject": {"TARGET_CRS": "EPSG:4326", "RESAMPLING": 0},  # -et 0: approximated transforms depend on windows
    "gdal:slope": {"BAND": 1, "SCALE": 1},
}


@pytest.mark.parametrize("name", ALGORITHMS)
def test_gdals_tools(processing, dem, tmp_path, name):
    """What the tool writes by itself is what it writes through the driver; defaults of the driver tell who wrote it."""
    files = {}
    for driver in ("GTiff", "StreamTIFF"):
        files[driver] = str(tmp_path / f"{driver}.tif")
        extra = f"-of {driver}" + (" -co MEMORY_CAP=16MB" if driver == "StreamTIFF" else "")
        extra += " -et 0" if "warp" in name else ""
        processing.run(name, {"INPUT": dem, "OUTPUT": files[driver], "EXTRA": extra, **ALGORITHMS[name]})
    ours = gdal.Open(files["StreamTIFF"])
    assert ours.GetMetadataItem("COMPRESSION", "IMAGE_STRUCTURE") == "DEFLATE"
    assert ours.GetRasterBand(1).GetBlockSize() == [512, 512]
    assert ours.GetGeoTransform() == gdal.Open(files["GTiff"]).GetGeoTransform()
    assert streamtiff.pixels(files["StreamTIFF"]) == streamtiff.pixels(files["GTiff"])


@pytest.mark.parametrize("name", ["native:slope", "native:rescaleraster"])
def test_qgis_own_algorithms(processing, dem, tmp_path, name):
    parameters = {"native:slope": {"Z_FACTOR": 1}, "native:rescaleraster": {"BAND": 1, "MINIMUM": 0, "MAXIMUM": 255}}
    ours, theirs = str(tmp_path / "out.stif"), str(tmp_path / "out.tif")
    for target in (ours, theirs):
        processing.run(name, {"INPUT": dem, "OUTPUT": target, **parameters[name]})
    assert gdal.Open(ours).GetMetadataItem("COMPRESSION", "IMAGE_STRUCTURE") == "DEFLATE"
    assert gdal.Open(theirs).GetMetadataItem("COMPRESSION", "IMAGE_STRUCTURE") is None
    assert streamtiff.pixels(ours) == streamtiff.pixels(theirs)


def test_outputs_named_tif_are_gtiffs(processing, dem, tmp_path):
    for name in ("gdal:translate", "gdal:slope", "native:slope"):
        target = str(tmp_path / "plain.tif")
        parameters = {"Z_FACTOR": 1} if name == "native:slope" else ALGORITHMS[name]
        processing.run(name, {"INPUT": dem, "OUTPUT": target, **parameters})
        assert gdal.Open(target).GetMetadataItem("COMPRESSION", "IMAGE_STRUCTURE") is None, name
