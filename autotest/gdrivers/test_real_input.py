"""Real rasters that Debian ships: PROJ's geoid grid, and a DEM of matplotlib's sample data."""

import os

import numpy as np
import pytest
import streamtiff
from osgeo import gdal, osr


def find_geoid():
    for folder in [*osr.GetPROJSearchPaths(), "/usr/share/proj"]:
        path = os.path.join(folder, "egm96_15.gtx")
        if os.path.exists(path):
            return path
    pytest.skip("egm96_15.gtx (Debian: proj-data) is not installed")


def find_jacksboro():
    folders = ["/usr/share/matplotlib/mpl-data/sample_data"]
    try:
        import matplotlib

        folders.insert(0, os.path.join(matplotlib.get_data_path(), "sample_data"))
    except ImportError:
        pass
    for folder in folders:
        path = os.path.join(folder, "jacksboro_fault_dem.npz")
        if os.path.exists(path):
            return path
    pytest.skip("jacksboro_fault_dem.npz (Debian: python-matplotlib-data) is not installed")


@pytest.fixture
def geoid():
    return find_geoid()


@pytest.fixture
def jacksboro(tmp_path):
    with np.load(find_jacksboro()) as data:
        elevation, step_x, step_y = data["elevation"], float(data["dx"]), float(data["dy"])
        west, north = float(data["xmin"]), float(data["ymax"])
    dataset = gdal.GetDriverByName("GTiff").Create(
        str(tmp_path / "jacksboro.tif"),
        *elevation.shape[::-1],
        1,
        gdal.GDT_Int16,
        options=["TILED=YES", "BLOCKXSIZE=64", "BLOCKYSIZE=64", "COMPRESS=LZW"],
    )
    dataset.SetGeoTransform((west, step_x, 0, north, 0, -step_y))
    srs = osr.SpatialReference()
    srs.ImportFromEPSG(4326)
    dataset.SetSpatialRef(srs)
    dataset.WriteArray(elevation)
    dataset = None
    return str(tmp_path / "jacksboro.tif")


def same(tmp_path, source, cap, **arguments):
    """gdal.Translate of both drivers."""
    with streamtiff.messages():
        options = [f"MEMORY_CAP={cap}", "NUM_THREADS=2", "BLOCKXSIZE=256", "BLOCKYSIZE=256"]
        dataset = gdal.Translate(
            str(tmp_path / "out.tif"), source, format="StreamTIFF", creationOptions=options, **arguments
        )
    streamtiff.check_figures(streamtiff.streaming(dataset))
    expected = gdal.Translate("/vsimem/gtiff.tif", source, **arguments)
    assert streamtiff.pixels(dataset) == streamtiff.pixels(expected)
    assert dataset.GetGeoTransform() == expected.GetGeoTransform()
    assert dataset.GetSpatialRef().IsSame(expected.GetSpatialRef())
    dataset = expected = None
    gdal.Unlink("/vsimem/gtiff.tif")


@pytest.mark.parametrize("cap", ["1MB", "64MB"])
def test_geoid(tmp_path, geoid, cap):
    same(tmp_path, geoid, cap)


def test_geoid_enlarged(tmp_path, geoid):
    same(tmp_path, geoid, "8MB", width=2880, height=1442, resampleAlg="cubic")


def test_jacksboro(tmp_path, jacksboro):
    same(tmp_path, jacksboro, "2MB")


@pytest.mark.parametrize("mode", ["slope", "hillshade"])
@pytest.mark.parametrize("cap", ["1MB", "64MB"])
def test_terrain_of_jacksboro(tmp_path, jacksboro, mode, cap):
    arguments = {"options": ["-s", "111120"]}
    with streamtiff.messages():
        creation_options = [f"MEMORY_CAP={cap}", "NUM_THREADS=2", "BLOCKXSIZE=64", "BLOCKYSIZE=64"]
        dataset = gdal.DEMProcessing(
            str(tmp_path / "out.tif"),
            jacksboro,
            mode,
            format="StreamTIFF",
            creationOptions=creation_options,
            **arguments,
        )
    streamtiff.check_figures(streamtiff.streaming(dataset))
    expected = gdal.DEMProcessing("/vsimem/gtiff.tif", jacksboro, mode, **arguments)
    assert streamtiff.pixels(dataset) == streamtiff.pixels(expected)
    assert dataset.ReadAsArray().max() > 10
    expected = None
    gdal.Unlink("/vsimem/gtiff.tif")
