"""One QGIS without windows for all tests of a process, and what they share. Importing this skips the module where QGIS is not installed."""

import os

import pytest
from osgeo import gdal, gdal_array

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


def write_source(path, bands, nodata=None, options=()):
    """Arrays as bands of a georeferenced GTiff."""
    height, width = bands[0].shape
    code = gdal_array.NumericTypeCodeToGDALTypeCode(bands[0].dtype)
    dataset = gdal.GetDriverByName("GTiff").Create(str(path), width, height, len(bands), code, list(options))
    dataset.SetGeoTransform((500000, 10, 0, 4600000, 0, -10))
    dataset.SetProjection("EPSG:32611")
    for index, pixels in enumerate(bands):
        band = dataset.GetRasterBand(index + 1)
        if nodata is not None:
            band.SetNoDataValue(nodata)
        band.WriteArray(pixels)
    dataset = None  # noqa: F841
    return str(path)


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
