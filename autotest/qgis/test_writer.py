"""QGIS's raster writer, which its export dialog is made of, writes through StreamTIFFWriter what it writes through GTiff."""

import derived
import numpy as np
import pytest
import qgis_session
import streamtiff
import tiff_tags
from osgeo import gdal
from qgis_session import WRITER, core

NO_ERROR = core.QgsRasterFileWriter.NoError


@pytest.fixture(scope="module", autouse=True)
def qgis():
    qgis_session.begin()


def hills(width=1230, height=1077, bands=1, dtype="float32"):
    x, y = np.meshgrid(np.arange(width), np.arange(height))
    top = 120 if dtype == "uint8" else 900
    return [
        (top * (1 + np.sin(x / (37.0 + 5 * band)) * np.cos(y / 29.0)) + (x * y) % 7).astype(dtype)
        for band in range(bands)
    ]


def same_as_gtiff(tmp_path, source, **how):
    ours, theirs = tmp_path / "ours.tif", tmp_path / "theirs.tif"
    source = qgis_session.layer(source)  # one for both: how it is rendered depends on what was found out when it was opened
    assert qgis_session.export(source, ours, WRITER, **how) == NO_ERROR
    how.pop("options", None)
    assert qgis_session.export(source, theirs, "GTiff", **how) == NO_ERROR
    dataset, of_gtiff = gdal.Open(str(ours)), gdal.Open(str(theirs))
    assert dataset.GetDriver().ShortName == "GTiff"
    assert dataset.GetGeoTransform() == of_gtiff.GetGeoTransform()
    assert dataset.GetSpatialRef().IsSame(of_gtiff.GetSpatialRef())
    assert streamtiff.pixels(ours) == streamtiff.pixels(theirs)
    for band in range(1, dataset.RasterCount + 1):
        assert dataset.GetRasterBand(band).GetNoDataValue() == of_gtiff.GetRasterBand(band).GetNoDataValue()
        assert dataset.GetRasterBand(band).DataType == of_gtiff.GetRasterBand(band).DataType
    return dataset


@pytest.mark.parametrize("bands, dtype", [(1, "float32"), (1, "int16"), (3, "uint8"), (4, "uint8"), (4, "uint16")])
def test_raw_data(tmp_path, bands, dtype):
    source = derived.write(tmp_path / "source.tif", hills(bands=bands, dtype=dtype))
    same_as_gtiff(tmp_path, source)


@pytest.mark.parametrize("bands, dtype", [(1, "float32"), (3, "uint8"), (4, "uint8")])
def test_rendered_image(tmp_path, bands, dtype):
    source = derived.write(tmp_path / "source.tif", hills(bands=bands, dtype=dtype))
    dataset = same_as_gtiff(tmp_path, source, image=True)
    assert dataset.RasterCount == 4
    assert dataset.GetRasterBand(4).GetColorInterpretation() == gdal.GCI_AlphaBand


def test_nodata_and_tiles_that_hold_nothing_else(tmp_path):
    pixels = hills()
    pixels[0][:600, :700] = -9999
    source = derived.write(tmp_path / "source.tif", pixels, nodata=-9999)
    dataset = same_as_gtiff(tmp_path, source)
    assert dataset.GetRasterBand(1).GetNoDataValue() == -9999


def test_other_extent_and_resolution(tmp_path):
    source = derived.write(tmp_path / "source.tif", hills(), nodata=-9999)
    extent = core.QgsRectangle(499000, 4593000, 510100, 4600400)
    same_as_gtiff(tmp_path, source, extent=extent, size=(700, 433))


def test_creation_options(tmp_path):
    source = derived.write(tmp_path / "source.tif", hills())
    options = ["COMPRESS=ZSTD", "PREDICTOR=2", "BLOCKXSIZE=256", "BLOCKYSIZE=128", "BIGTIFF=YES", "MEMORY_CAP=16MB"]
    told = []
    gdal.PushErrorHandler(lambda _, number, text: told.append(text))
    gdal.SetConfigOption("CPL_DEBUG", "StreamTIFF")
    dataset = same_as_gtiff(tmp_path, source, options=options)
    gdal.SetConfigOption("CPL_DEBUG", None)
    gdal.PopErrorHandler()
    assert f"cap {16 << 20} bytes" in " ".join(told)
    assert dataset.GetRasterBand(1).GetBlockSize() == [256, 128]
    assert dataset.GetMetadataItem("COMPRESSION", "IMAGE_STRUCTURE") == "ZSTD"
    data = (tmp_path / "ours.tif").read_bytes()
    assert data[2] == 43  # a BigTIFF
    assert tiff_tags.directories(data)[0][317][1] == (2,)  # the predictor


def test_options_are_validated(tmp_path):
    raster = qgis_session.layer(derived.write(tmp_path / "source.tif", hills(64, 64)))
    provider = raster.dataProvider()
    assert provider.validateCreationOptions(["COMPRESS=LZW", "MEMORY_CAP=64MB"], WRITER) == ""
    for wrong in ("COMPRESS=GZIP", "NOSUCH=1", "BLOCKXSIZE=many"):
        assert provider.validateCreationOptions([wrong], WRITER) != "", wrong


def test_cog(tmp_path):
    source = derived.write(tmp_path / "source.tif", hills())
    dataset = same_as_gtiff(tmp_path, source, options=["LAYOUT=COG"])
    assert dataset.GetMetadataItem("LAYOUT", "IMAGE_STRUCTURE") == "COG"
    assert dataset.GetRasterBand(1).GetOverviewCount() > 0


@pytest.mark.parametrize("image", [False, True], ids=["raw", "image"])
@pytest.mark.parametrize("kind", ["PyramidsGTiff", "PyramidsInternal"])
def test_pyramids(tmp_path, kind, image):
    source = derived.write(tmp_path / "source.tif", hills(bands=3, dtype="uint8"))

    def prepare(writer):
        writer.setBuildPyramidsFlag(core.QgsRaster.PyramidsFlagYes)
        writer.setPyramidsList([2, 4])
        writer.setPyramidsFormat(getattr(core.QgsRaster, kind))
        writer.setPyramidsResampling("AVERAGE")

    dataset = same_as_gtiff(tmp_path, source, image=image, prepare=prepare)
    of_gtiff = gdal.Open(str(tmp_path / "theirs.tif"))
    for band in range(1, dataset.RasterCount + 1):
        ours, theirs = dataset.GetRasterBand(band), of_gtiff.GetRasterBand(band)
        assert ours.GetOverviewCount() == theirs.GetOverviewCount() == 2
        for level in range(2):
            assert ours.GetOverview(level).Checksum() == theirs.GetOverview(level).Checksum()


def test_cancelled_export_leaves_a_valid_file(tmp_path):
    """What had come until then is in it, to the last pixel: what GTiff's has that was cancelled at the same place."""
    source = qgis_session.layer(derived.write(tmp_path / "source.tif", hills(2600, 1700)))
    targets = {WRITER: tmp_path / "cancelled.tif", "GTiff": tmp_path / "gtiff.tif"}
    for driver, target in targets.items():
        feedback = core.QgsRasterBlockFeedback()
        feedback.progressChanged.connect(lambda percent, feedback=feedback: percent > 30 and feedback.cancel())
        result = qgis_session.export(source, target, driver, feedback=feedback)
        assert result == core.QgsRasterFileWriter.WriteCanceled
    pixels = gdal.Open(str(targets[WRITER])).ReadAsArray()
    assert pixels.shape == (1700, 2600)
    assert np.array_equal(pixels, gdal.Open(str(targets["GTiff"])).ReadAsArray())
    assert pixels[:500, :500].all() and not pixels[1200:, 2100:].any()


def test_tif_files_stay_those_of_gtiff(tmp_path):
    extension = gdal.GetDriverByName(WRITER).GetMetadataItem("DMD_EXTENSION")
    assert core.QgsRasterFileWriter.driverForExtension("tif") == "GTiff"
    assert core.QgsRasterFileWriter.driverForExtension(extension) == WRITER
    formats = {format.driverName for format in core.QgsRasterFileWriter.supportedFiltersAndFormats()}
    assert WRITER in formats and "GTiff" in formats
