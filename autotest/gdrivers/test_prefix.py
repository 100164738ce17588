"""STREAMTIFF:path: everything of the file shows through, reads are the file's, and nothing else is claimed."""

import random
import threading

import numpy as np
import pytest
import streamtiff
import terrain
from osgeo import gdal, osr

TYPES = ["Byte", "UInt16", "Int16", "UInt32", "Int32", "Float32", "Float64", "CInt16", "CFloat32"]
CAP = ["MEMORY_CAP=1MB"]


def view(path, *options):
    """Opens a view that must open without a word."""
    with streamtiff.messages() as kept:
        dataset = gdal.OpenEx(f"STREAMTIFF:{path}", gdal.OF_RASTER, open_options=list(options))
    assert dataset is not None and kept == [], kept
    assert dataset.GetDriver().ShortName == "StreamTIFF"
    return dataset


def rich_file(path):
    """All that a GTiff can say of itself."""
    options = ["TILED=YES", "PHOTOMETRIC=MINISBLACK"]
    dataset = gdal.GetDriverByName("GTiff").Create(str(path), 300, 200, 2, gdal.GDT_Byte, options)
    srs = osr.SpatialReference()
    srs.ImportFromEPSG(32633)
    dataset.SetGeoTransform((500000, 10, 0, 5000000, 0, -10))
    dataset.SetProjection(srs.ExportToWkt())
    dataset.SetMetadata({"TIFFTAG_SOFTWARE": "made by hand", "KEY": "value"})
    dataset.SetMetadata({"OTHER": "domain"}, "MINE")
    band = dataset.GetRasterBand(1)
    band.SetDescription("first")
    band.SetNoDataValue(7)
    band.SetScale(0.5)
    band.SetOffset(3)
    band.SetUnitType("m")
    band.SetCategoryNames(["a", "b"])
    rat = gdal.RasterAttributeTable()
    rat.CreateColumn("Value", gdal.GFT_Integer, gdal.GFU_MinMax)
    rat.SetRowCount(2)
    rat.SetValueAsInt(1, 0, 5)
    band.SetDefaultRAT(rat)
    for index in (1, 2):
        dataset.GetRasterBand(index).WriteArray(terrain.samples("Byte", 0, 0, 300, 200, band=index))
    dataset = None
    dataset = gdal.Open(str(path))
    dataset.GetRasterBand(1).ComputeStatistics(False)
    dataset = None
    dataset = gdal.Open(str(path), gdal.GA_Update)
    dataset.BuildOverviews("NEAREST", [2, 4])
    dataset = None
    return path


def palette_with_mask(path):
    dataset = gdal.GetDriverByName("GTiff").Create(str(path), 130, 70, 1, gdal.GDT_Byte)
    colors = gdal.ColorTable()
    colors.SetColorEntry(3, (1, 2, 3, 255))
    dataset.GetRasterBand(1).SetColorTable(colors)
    dataset.GetRasterBand(1).WriteArray(terrain.samples("Byte", 0, 0, 130, 70) % 5)
    dataset.CreateMaskBand(gdal.GMF_PER_DATASET)
    dataset.GetRasterBand(1).GetMaskBand().WriteArray((terrain.samples("Byte", 9, 9, 130, 70) > 100) * np.uint8(255))
    dataset = None
    return path


def gcps_and_alpha(path):
    options = ["ALPHA=YES", "INTERLEAVE=PIXEL", "TILED=YES", "BLOCKXSIZE=64", "BLOCKYSIZE=64"]
    terrain.make_terrain(path, 200, 150, "Byte", 4, options)
    dataset = gdal.Open(str(path), gdal.GA_Update)
    srs = osr.SpatialReference()
    srs.ImportFromEPSG(4326)
    dataset.SetGCPs([gdal.GCP(i, i * i, 0, 10 * i, 7 * i) for i in range(4)], srs.ExportToWkt())
    dataset = None
    return path


def virtual(path):
    terrain.make_terrain(path.with_suffix(".a.tif"), 100, 80)
    gdal.Translate(str(path), str(path.with_suffix(".a.tif")), format="VRT", width=77, height=50, resampleAlg="bilinear")
    return path


FILES = {"rich": rich_file, "palette": palette_with_mask, "gcps": gcps_and_alpha, "vrt": virtual}


@pytest.mark.parametrize("kind", FILES)
def test_everything_shows_through(tmp_path, kind):
    path = FILES[kind](tmp_path / f"file.{'vrt' if kind == 'vrt' else 'tif'}")
    plain, ours = gdal.Open(str(path)), view(path)
    expected, told = streamtiff.info(plain), streamtiff.info(ours)
    for key in ("driverShortName", "driverLongName"):
        expected.pop(key), told.pop(key)
    assert told == expected
    assert ours.GetDescription() == f"STREAMTIFF:{path}"
    assert ours.GetFileList() == plain.GetFileList()
    assert [gcp.GCPX for gcp in ours.GetGCPs()] == [gcp.GCPX for gcp in plain.GetGCPs()]
    domains = set(ours.GetMetadataDomainList() or []) - {"STREAMING"}
    assert domains == set(plain.GetMetadataDomainList() or [])
    for domain in domains:
        if domain != "xml:VRT":
            assert ours.GetMetadata(domain) == plain.GetMetadata(domain)
    for index in range(1, plain.RasterCount + 1):
        a, b = ours.GetRasterBand(index), plain.GetRasterBand(index)
        assert a.GetBlockSize() == b.GetBlockSize()
        assert a.GetMaskFlags() == b.GetMaskFlags()
        assert a.GetMaskBand().ReadRaster() == b.GetMaskBand().ReadRaster()
        assert a.GetCategoryNames() == b.GetCategoryNames()
        assert a.GetStatistics(False, False) == b.GetStatistics(False, False)
        assert a.GetDataCoverageStatus(0, 0, 50, 50) == b.GetDataCoverageStatus(0, 0, 50, 50)
        assert a.GetOverviewCount() == b.GetOverviewCount()
        for level in range(b.GetOverviewCount()):
            assert a.GetOverview(level).ReadRaster() == b.GetOverview(level).ReadRaster()
        rats = [band.GetDefaultRAT() for band in (a, b)]
        assert (rats[0] is None) == (rats[1] is None)
        assert rats[0] is None or rats[0].GetValueAsInt(1, 0) == rats[1].GetValueAsInt(1, 0)
    assert streamtiff.pixels(ours) == streamtiff.pixels(plain)
    assert ours.ReadRaster(buf_xsize=31, buf_ysize=20) == plain.ReadRaster(buf_xsize=31, buf_ysize=20)


@pytest.mark.parametrize("dtype", TYPES)
def test_any_window_in_any_type(tmp_path, dtype):
    chance = random.Random(dtype)
    interleave = chance.choice(["PIXEL", "BAND"])
    layout = ["TILED=YES", "BLOCKXSIZE=64", "BLOCKYSIZE=32", "COMPRESS=DEFLATE", f"INTERLEAVE={interleave}"]
    path = terrain.make_terrain(tmp_path / "in.tif", 333, 222, dtype, 2, layout)
    plain, ours = gdal.Open(str(path)), view(path, *CAP)
    for _ in range(60):
        x, y = chance.randrange(333), chance.randrange(222)
        window = (x, y, chance.randint(1, 333 - x), chance.randint(1, 222 - y))
        other = gdal.GetDataTypeByName(chance.choice(TYPES))
        bands = chance.choice([[1], [2], [1, 2], [2, 1]])
        assert ours.ReadRaster(*window, buf_type=other, band_list=bands) == plain.ReadRaster(
            *window, buf_type=other, band_list=bands
        )
        assert ours.GetRasterBand(bands[0]).ReadRaster(*window) == plain.GetRasterBand(bands[0]).ReadRaster(*window)
    assert ours.GetRasterBand(2).ReadBlock(5, 6) is not None


def test_rows_are_decoded_once_within_the_cap(tmp_path):
    """A row of blocks takes 4 MB."""
    layout = ["TILED=YES", "BLOCKXSIZE=256", "BLOCKYSIZE=256", "COMPRESS=DEFLATE"]
    path = terrain.make_terrain(tmp_path / "in.tif", 4096, 700, "Float32", 1, layout)
    plain, ours = gdal.Open(str(path)), view(path, "MEMORY_CAP=2MB", "NUM_THREADS=2")
    used = gdal.GetCacheUsed()
    for y in range(700):
        top, rows = max(0, y - 1), min(3, 700 - max(0, y - 1))
        if y % 50 == 0:
            assert ours.ReadRaster(0, top, 4096, rows) == plain.ReadRaster(0, top, 4096, rows)
        else:
            ours.ReadRaster(0, top, 4096, rows)
        if y == 10:
            plain.GetRasterBand(1).FlushCache()
            used = gdal.GetCacheUsed()
    figures = streamtiff.streaming(ours)
    assert figures["BLOCK_DECODES"] == figures["SOURCE_BLOCKS"] == 48
    assert figures["PEAK_BYTES"] <= figures["CAP_BYTES"] == 2 * streamtiff.MIB
    assert figures["SPILL_BYTES"] > 0
    plain = None
    assert gdal.GetCacheUsed() <= used  # no second copy in GDAL's


@pytest.mark.parametrize("edges", [[], ["-compute_edges"]])
@pytest.mark.parametrize("mode", ["slope", "aspect", "hillshade", "TRI", "TPI", "roughness"])
def test_gdaldem_gives_the_same_pixels(tmp_path, mode, edges):
    layout = ["TILED=YES", "BLOCKXSIZE=64", "BLOCKYSIZE=64", "COMPRESS=DEFLATE"]
    path = terrain.make_terrain(tmp_path / "dem.tif", 300, 200, "Float32", 1, layout)
    expected = gdal.DEMProcessing("/vsimem/plain.tif", str(path), mode, options=edges, format="GTiff")
    for driver, options in (("GTiff", []), ("StreamTIFF", ["MEMORY_CAP=2MB", "BLOCKXSIZE=64", "BLOCKYSIZE=64"])):
        with streamtiff.messages():
            got = gdal.DEMProcessing(
                str(tmp_path / "out.tif"), f"STREAMTIFF:{path}", mode, options=edges, format=driver, creationOptions=options
            )
        assert streamtiff.pixels(got) == streamtiff.pixels(expected)
        got = None
    gdal.Unlink("/vsimem/plain.tif")


def test_mosaic_through_the_prefix(tmp_path):
    layout = ["TILED=YES", "BLOCKXSIZE=64", "BLOCKYSIZE=64", "COMPRESS=DEFLATE"]
    whole = gdal.Open(str(terrain.make_terrain(tmp_path / "whole.tif", 400, 300, "Float32", 1, layout)))
    parts = []
    for x in (0, 200):
        parts.append(str(tmp_path / f"{x}.tif"))
        gdal.Translate(parts[-1], whole, srcWin=[x, 0, 200, 300], creationOptions=layout)
    gdal.BuildVRT(str(tmp_path / "mosaic.vrt"), parts).FlushCache()
    ours = view(tmp_path / "mosaic.vrt", *CAP)
    assert streamtiff.pixels(ours) == streamtiff.pixels(whole)
    cache_max = gdal.GetCacheMax()
    ours = None
    assert gdal.GetCacheMax() >= cache_max  # what was leased has been given back


@pytest.fixture()
def three_bands(tmp_path):
    """A VRT whose bands are three windows of one file, each over 4 x 4 blocks."""
    layout = ["TILED=YES", "BLOCKXSIZE=64", "BLOCKYSIZE=64", "COMPRESS=DEFLATE"]
    parts = []
    for band in range(3):
        path = terrain.make_terrain(tmp_path / f"{band}.tif", 300, 250, "Float32", 1, layout, seed=band)
        parts.append(str(tmp_path / f"{band}.vrt"))
        gdal.Translate(parts[-1], str(path), format="VRT", srcWin=[10, 5, 240, 240])
    gdal.BuildVRT(str(tmp_path / "bands.vrt"), parts, separate=True).FlushCache()
    return tmp_path / "bands.vrt"


def test_one_band_of_a_vrt_is_read_for_itself(three_bands):
    plain, ours = gdal.Open(str(three_bands)), view(three_bands, *CAP)
    for y in range(240):
        row = (0, y, 240, 1)
        assert ours.GetRasterBand(2).ReadRaster(*row) == plain.GetRasterBand(2).ReadRaster(*row)
    figures = streamtiff.streaming(ours)
    assert figures["SOURCE_BLOCKS"] == figures["BLOCK_DECODES"] == 4 * 4
    # Another band: from now on all of them, and what was decoded before is not forgotten.
    assert ours.GetRasterBand(1).ReadRaster(5, 6, 7, 8) == plain.GetRasterBand(1).ReadRaster(5, 6, 7, 8)
    figures = streamtiff.streaming(ours)
    assert figures["SOURCE_BLOCKS"] == 3 * 4 * 4 and figures["BLOCK_DECODES"] >= 4 * 4 + 1
    assert streamtiff.pixels(ours) == streamtiff.pixels(plain)
    assert ours.ReadRaster(3, 4, 50, 60, band_list=[3, 1]) == plain.ReadRaster(3, 4, 50, 60, band_list=[3, 1])


def test_all_bands_of_a_vrt_at_once(three_bands):
    plain, ours = gdal.Open(str(three_bands)), view(three_bands, *CAP)
    assert ours.ReadRaster() == plain.ReadRaster()
    assert streamtiff.streaming(ours)["SOURCE_BLOCKS"] == 3 * 4 * 4


@pytest.mark.parametrize("way", ["prefix", "derive"])
def test_slope_of_one_band_of_a_vrt(three_bands, tmp_path, way):
    expected = gdal.DEMProcessing("", str(three_bands), "slope", options=[], band=2, format="MEM")
    options = ["MEMORY_CAP=8MB", "COMPRESS=NONE", "BLOCKXSIZE=64", "BLOCKYSIZE=64"]
    if way == "derive":
        driver = gdal.GetDriverByName("StreamTIFF")
        got = driver.CreateCopy(
            str(tmp_path / "out.tif"), gdal.Open(str(three_bands)), options=[*options, "DERIVE=slope -b 2"]
        )
    else:
        arguments = {"options": [], "band": 2, "format": "StreamTIFF", "creationOptions": options}
        got = gdal.DEMProcessing(str(tmp_path / "out.tif"), f"STREAMTIFF:{three_bands}", "slope", **arguments)
    assert streamtiff.pixels(got) == streamtiff.pixels(expected)
    assert streamtiff.streaming(got)["SOURCE_BLOCKS"] == 4 * 4


def test_without_the_prefix_nothing_is_claimed(tmp_path):
    path = terrain.make_terrain(tmp_path / "in.tif", 64, 64)
    assert gdal.Open(str(path)).GetDriver().ShortName == "GTiff"
    assert gdal.IdentifyDriver(str(path)).ShortName == "GTiff"
    with streamtiff.messages():
        assert gdal.OpenEx(str(path), allowed_drivers=["StreamTIFF"]) is None
        for name in ("", "STREAMTIFF", "STREAM", "/", "x:STREAMTIFF:y"):
            assert gdal.OpenEx(name, allowed_drivers=["StreamTIFF"]) is None


def test_option_opens_every_raster_file_as_a_view(tmp_path):
    path = terrain.make_terrain(tmp_path / "in.tif", 64, 64)
    text = tmp_path / "no_raster.txt"
    text.write_text("nothing")
    with gdal.config_option("STREAMTIFF_OPEN", "YES") if hasattr(gdal, "config_option") else option("STREAMTIFF_OPEN"):
        ours = gdal.Open(str(path))
        assert ours.GetDriver().ShortName == "StreamTIFF"
        assert streamtiff.checksums(ours)
        assert gdal.Open(str(path), gdal.GA_Update).GetDriver().ShortName == "GTiff"
        with streamtiff.messages() as kept:
            assert gdal.Open(str(text)) is None
        assert len(streamtiff.texts(kept, gdal.CE_Failure)) == 1
        copied = streamtiff.create_copy(tmp_path / "out.tif", ours)
        assert streamtiff.streaming(copied)["SOURCE_KIND"] == "BLOCKS"
    assert gdal.Open(str(path)).GetDriver().ShortName == "GTiff"


class option:
    """A configuration option, for a while."""

    def __init__(self, name):
        self.name = name

    def __enter__(self):
        gdal.SetConfigOption(self.name, "YES")

    def __exit__(self, *_):
        gdal.SetConfigOption(self.name, None)


@pytest.mark.parametrize("name", ["no_such_file.tif", "", "STREAMTIFF:in.tif", "points.geojson"])
def test_bad_names_are_one_clear_failure(tmp_path, name):
    (tmp_path / "points.geojson").write_text(
        '{"type":"FeatureCollection","features":[{"type":"Feature","properties":{},'
        '"geometry":{"type":"Point","coordinates":[1,2]}}]}'
    )
    full = name if name == "" or name.startswith("STREAMTIFF") else str(tmp_path / name)
    with streamtiff.messages() as kept:
        assert gdal.OpenEx(f"STREAMTIFF:{full}", gdal.OF_RASTER) is None
    failures = streamtiff.texts(kept, gdal.CE_Failure)
    assert len(failures) == 1 and failures[0].startswith(f"STREAMTIFF:{full} cannot be opened: ")


def test_update_and_bad_options_are_refused(tmp_path):
    path = terrain.make_terrain(tmp_path / "in.tif", 64, 64)
    for flags, options, word in ((gdal.OF_UPDATE, [], "read-only"), (0, ["MEMORY_CAP=lots"], "MEMORY_CAP")):
        with streamtiff.messages() as kept:
            assert gdal.OpenEx(f"STREAMTIFF:{path}", gdal.OF_RASTER | flags, open_options=options) is None
        assert word in streamtiff.texts(kept, gdal.CE_Failure)[0]


def test_broken_block_is_a_failed_read_with_its_reason(tmp_path):
    layout = ["TILED=YES", "BLOCKXSIZE=64", "BLOCKYSIZE=64", "COMPRESS=DEFLATE"]
    path = terrain.make_terrain(tmp_path / "in.tif", 256, 256, "Float32", 1, layout)
    plain = gdal.Open(str(path))
    offset = int(plain.GetRasterBand(1).GetMetadataItem("BLOCK_OFFSET_2_2", "TIFF"))
    plain = None
    with open(path, "r+b") as file:
        file.seek(offset)
        file.write(b"\x00" * 64)
    ours = view(path, *CAP)
    assert ours.ReadRaster(0, 0, 256, 128) is not None
    with streamtiff.messages() as kept:
        assert ours.ReadRaster(0, 128, 256, 64) is None
    failures = streamtiff.texts(kept, gdal.CE_Failure)
    assert len(failures) == 1 and "block 2, 2 of band 1" in failures[0]
    assert ours.ReadRaster(0, 192, 256, 64) is not None


def test_views_and_copies_side_by_side(tmp_path):
    layout = ["TILED=YES", "BLOCKXSIZE=64", "BLOCKYSIZE=64", "COMPRESS=DEFLATE"]
    path = terrain.make_terrain(tmp_path / "in.tif", 500, 400, "Float32", 1, layout)
    expected = gdal.DEMProcessing("/vsimem/side.tif", str(path), "slope", format="GTiff")
    slope, plain = streamtiff.pixels(expected), streamtiff.pixels(path)
    failures = []

    def work(number):
        try:
            for _ in range(3):
                if number % 2:
                    dataset = gdal.Open(f"STREAMTIFF:{path}")
                    rows = [dataset.ReadRaster(0, y, 500, 1) for y in range(400)]
                    assert b"".join(bytes(row) for row in rows) == bytes(plain[0])
                else:
                    target = f"/vsimem/side{number}.tif"
                    dataset = gdal.DEMProcessing(target, f"STREAMTIFF:{path}", "slope", format="StreamTIFF")
                    assert streamtiff.pixels(dataset) == slope
        except Exception as error:  # noqa: BLE001
            failures.append(error)

    threads = [threading.Thread(target=work, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []
