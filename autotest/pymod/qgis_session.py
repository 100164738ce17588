"""One QGIS without windows for all tests of a process, and what they share. Importing this skips the module where QGIS is not installed."""

import os

import pytest
from osgeo import gdal

if os.environ.get("STREAMTIFF_SANITIZER"):
    pytest.skip("QGIS and Qt are not made for sanitizers", allow_module_level=True)
core = pytest.importorskip("qgis.core", reason="QGIS is not installed (python3-qgis)")

os.environ.setdefault("QT_QPA_PLATFORM", "offscreen")
WRITER = "StreamTIFFWriter"
LONG_NAME = gdal.GetDriverByName(WRITER).GetMetadataItem("DMD_LONGNAME")

_application = None


def begin():
    """Starts QGIS, once. It is never ended: its end within a process of pytest is not safe."""
    global _application
    if _application is None:
        core.QgsApplication.setPrefixPath("/usr", True)
        _application = core.QgsApplication([], True)
        core.QgsApplication.initQgis()
    return _application


def layer(path):
    raster = core.QgsRasterLayer(str(path), "source")
    assert raster.isValid()
    return raster


def export(source, target, driver, image=False, extent=None, size=None, options=(), prepare=None, feedback=None):
    """What the export dialog does, of a file or a layer. Gives the writer's result; size: columns and rows; prepare: is called with the writer."""
    raster = source if isinstance(source, core.QgsRasterLayer) else layer(source)
    provider = raster.dataProvider()
    writer = core.QgsRasterFileWriter(str(target))
    writer.setOutputFormat(driver)
    writer.setCreateOptions(list(options))
    if prepare:
        prepare(writer)
    if image:
        pipe = raster.pipe()
    else:
        pipe = core.QgsRasterPipe()
        assert pipe.set(provider.clone())
    columns, rows = size or (provider.xSize(), provider.ySize())
    context = raster.transformContext()
    return writer.writeRaster(
        pipe, columns, rows, extent or raster.extent(), raster.crs(), context, feedback or core.QgsRasterBlockFeedback()
    )
