"""Programs that push windows into StreamTIFFWriter, as users call them: what they make is what they make with GTiff."""

import json

import numpy as np
import pytest
import terrain
from command_line import succeeds
from osgeo import gdal
from streamtiff import info, pixels

WRITER = "StreamTIFFWriter"
POLYGON = {"type": "Polygon", "coordinates": [[[500500, 4599500], [506000, 4598000], [503000, 4595500], [500500, 4599500]]]}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("sources")
    options = ["TILED=YES", "BLOCKXSIZE=128", "BLOCKYSIZE=128", "COMPRESS=DEFLATE"]
    terrain.make_terrain(folder / "dem.tif", 701, 503, "Float32", 1, options)
    succeeds("gdal_translate", "-q", "-srcwin", "0", "0", "450", "503", folder / "dem.tif", folder / "west.tif")
    succeeds("gdal_translate", "-q", "-srcwin", "400", "0", "301", "503", folder / "dem.tif", folder / "east.tif")
    feature = {"type": "Feature", "properties": {"v": 5}, "geometry": POLYGON}
    (folder / "polygon.geojson").write_text(json.dumps({"type": "FeatureCollection", "features": [feature]}))
    (folder / "colours.txt").write_text("0 0 0 0\n1500 255 100 50\n4000 255 255 255\n")
    return folder


def rasterize(folder, target, driver, options):
    area = ["-te", "500000", "4595000", "507000", "4600000", "-tr", "10", "10"]
    arguments = ["-a", "v", *area, "-ot", "Int16", "-a_nodata", "-1", "-init", "-1"]
    succeeds("gdal_rasterize", "-q", "-of", driver, *options, *arguments, folder / "polygon.geojson", target)


PROGRAMS = {
    "gdal_rasterize": rasterize,
    "gdal_merge.py": lambda folder, target, driver, options: succeeds(
        "gdal_merge.py", "-q", "-of", driver, *options, "-o", target, folder / "west.tif", folder / "east.tif"
    ),
    "gdal_calc.py": lambda folder, target, driver, options: succeeds(
        "gdal_calc.py", "--quiet", "-A", folder / "dem.tif", "--calc", "A*2", "--format", driver,
        *["--co" if option == "-co" else option for option in options], "--outfile", target,
    ),
    "gdaldem slope": lambda folder, target, driver, options: succeeds(
        "gdaldem", "slope", "-q", folder / "dem.tif", target, "-of", driver, *options
    ),
    "gdaldem color-relief": lambda folder, target, driver, options: succeeds(
        "gdaldem", "color-relief", "-q", folder / "dem.tif", folder / "colours.txt", target, "-of", driver, *options
    ),
    "gdalwarp": lambda folder, target, driver, options: succeeds(
        "gdalwarp", "-q", "-t_srs", "EPSG:4326", "-r", "cubic", "-of", driver, *options,
        folder / "west.tif", folder / "east.tif", target,
    ),
}  # fmt: skip


@pytest.mark.parametrize("program", PROGRAMS)
def test_program_with_create(tmp_path, folder, program):
    common = ["-co", "TILED=YES", "-co", "BLOCKXSIZE=128", "-co", "BLOCKYSIZE=128", "-co", "COMPRESS=LZW"]
    ours, theirs = tmp_path / "ours.tif", tmp_path / "theirs.tif"
    PROGRAMS[program](folder, ours, WRITER, [*common, "-co", "PREDICTOR=NO", "-co", "MEMORY_CAP=8MB"])
    PROGRAMS[program](folder, theirs, "GTiff", common)
    assert pixels(ours) == pixels(theirs)
    assert info(ours) == info(theirs)


# --- rasterio (Debian: python3-rasterio), rioxarray ---------------------------------------------------

PROFILE = {"width": 300, "height": 200, "count": 3, "dtype": "uint8", "crs": "EPSG:32611", "nodata": 7}


def test_rasterio_windows(tmp_path):
    rasterio = pytest.importorskip("rasterio", reason="rasterio is not installed")
    values = (np.arange(3 * 200 * 300) % 251).reshape(3, 200, 300).astype(np.uint8)
    seen = []
    for driver in (WRITER, "GTiff"):
        transform = rasterio.transform.from_origin(500000, 4600000, 10, 10)
        with rasterio.open(tmp_path / f"{driver}.tif", "w", driver=driver, transform=transform, **PROFILE) as target:
            for y in range(0, 200, 64):
                for x in range(0, 300, 70):
                    part = values[:, y : y + 64, x : x + 70]
                    target.write(part, window=rasterio.windows.Window(x, y, part.shape[2], part.shape[1]))
            target.update_tags(KEY="value")
            target.set_band_description(2, "second")
            target.write_mask(values[0] > 100)
        with rasterio.open(tmp_path / f"{driver}.tif") as result:
            assert result.driver == "GTiff"
            seen.append((result.read().tobytes(), result.dataset_mask().tobytes(), result.tags(), result.descriptions))
            seen[-1] += (result.crs, result.transform, result.nodata, result.colorinterp)
    assert seen[0] == seen[1]
    assert seen[0][0] == values.tobytes()


def test_rasterio_copies_and_reprojects(tmp_path, folder):
    rasterio = pytest.importorskip("rasterio", reason="rasterio is not installed")
    import rasterio.shutil
    import rasterio.warp

    rasterio.shutil.copy(str(folder / "dem.tif"), str(tmp_path / "c.tif"), driver="StreamTIFF", memory_cap="16MB")
    assert pixels(tmp_path / "c.tif") == pixels(folder / "dem.tif")
    transform = rasterio.transform.from_origin(-117.0, 41.55, 0.0002, 0.0002)
    shape = {"width": 400, "height": 300, "count": 1, "dtype": "float32", "crs": "EPSG:4326", "nodata": -1}
    with rasterio.open(folder / "dem.tif") as source:
        for driver in (WRITER, "GTiff"):
            with rasterio.open(tmp_path / f"{driver}.tif", "w", driver=driver, transform=transform, **shape) as target:
                rasterio.warp.reproject(rasterio.band(source, 1), rasterio.band(target, 1))
    assert pixels(tmp_path / f"{WRITER}.tif") == pixels(tmp_path / "GTiff.tif")


def test_rasterio_takes_gtiff_for_tif(tmp_path):
    rasterio = pytest.importorskip("rasterio", reason="rasterio is not installed")
    with rasterio.open(tmp_path / "o.tif", "w", **PROFILE) as target:
        assert target.driver == "GTiff"


def test_rioxarray_windowed(tmp_path, folder):
    rioxarray = pytest.importorskip("rioxarray", reason="rioxarray is not installed")
    raster = rioxarray.open_rasterio(folder / "dem.tif")
    raster.rio.to_raster(tmp_path / "o.tif", driver=WRITER, windowed=True, memory_cap="16MB")
    assert pixels(tmp_path / "o.tif") == pixels(folder / "dem.tif")
    result = gdal.Open(str(tmp_path / "o.tif"))
    assert result.GetRasterBand(1).GetNoDataValue() == raster.rio.nodata
