"""Georeferencing and metadata as GTiff writes them, the STREAMING domain, and no file that GTiff would not write."""

import pytest
import streamtiff
from osgeo import gdal, osr

SAME = ["TILED=YES", "BLOCKXSIZE=64", "BLOCKYSIZE=64", "COMPRESS=DEFLATE", "PREDICTOR=1", "BIGTIFF=NO"]


def srs(code):
    reference = osr.SpatialReference()
    reference.ImportFromEPSG(code)
    return reference


def plain(bands=1, dtype=gdal.GDT_Byte, width=90, height=70):
    source = gdal.GetDriverByName("MEM").Create("", width, height, bands, dtype)
    for index in range(bands):
        source.GetRasterBand(index + 1).Fill(index + 1)
    return source


def with_geotransform(source):
    source.SetGeoTransform((500000, 10, 0, 4600000, 0, -10))
    source.SetSpatialRef(srs(32611))


def with_rotation(source):
    source.SetGeoTransform((500000, 10, 3, 4600000, 2, -10))
    source.SetSpatialRef(srs(32611))


def south_up(source):
    source.SetGeoTransform((-180, 0.5, 0, -90, 0, 0.5))
    source.SetSpatialRef(srs(4326))


def with_wkt_only(source):
    reference = osr.SpatialReference()
    reference.ImportFromProj4("+proj=lcc +lat_1=33 +lat_2=45 +lon_0=-97 +ellps=clrk66 +units=us-ft")
    source.SetGeoTransform((1, 2, 0, 3, 0, -2))
    source.SetSpatialRef(reference)


def with_vertical_srs(source):
    reference = osr.SpatialReference()
    reference.SetFromUserInput("EPSG:4326+5773")
    source.SetGeoTransform((1, 0.1, 0, 3, 0, -0.1))
    source.SetSpatialRef(reference)


def with_point_pixels(source):
    with_geotransform(source)
    source.SetMetadataItem("AREA_OR_POINT", "Point")


def with_gcps(source):
    corners = [(0, 0, 10, 50), (90, 0, 11, 50), (90, 70, 11, 49), (0, 70, 10, 49)]
    source.SetGCPs([gdal.GCP(x, y, 5, column, row) for column, row, x, y in corners], srs(4326).ExportToWkt())


def with_rpc(source):
    rpc = {
        "HEIGHT_OFF": "100",
        "HEIGHT_SCALE": "50",
        "LAT_OFF": "45",
        "LAT_SCALE": "1",
        "LONG_OFF": "5",
        "LONG_SCALE": "1",
    }
    rpc.update(
        {"LINE_OFF": "35", "LINE_SCALE": "35", "SAMP_OFF": "45", "SAMP_SCALE": "45", "ERR_BIAS": "1", "ERR_RAND": "2"}
    )
    for name in ("LINE_NUM_COEFF", "LINE_DEN_COEFF", "SAMP_NUM_COEFF", "SAMP_DEN_COEFF"):
        rpc[name] = " ".join(str(number / 7) for number in range(1, 21))
    source.SetMetadata(rpc, "RPC")


def with_nodata(source):
    source.GetRasterBand(1).SetNoDataValue(255)


def with_descriptions(source):
    for index in range(source.RasterCount):
        source.GetRasterBand(index + 1).SetDescription(f"band «{index + 1}» <&>")


def with_scale_offset_unit(source):
    source.GetRasterBand(1).SetScale(0.1)
    source.GetRasterBand(1).SetOffset(-273.15)
    source.GetRasterBand(1).SetUnitType("K")


def with_metadata(source):
    source.SetMetadata(
        {"KEY": "value", "TIFFTAG_SOFTWARE": "some", "TIFFTAG_DATETIME": "2020:01:01 00:00:00", "UTF8": "é€"}
    )
    source.SetMetadata({"A": "1"}, "OTHER")
    source.SetMetadata(["<xml>text</xml>"], "xml:SOMETHING")
    source.GetRasterBand(1).SetMetadata({"BAND": "one"})
    source.GetRasterBand(1).SetMetadata({"DEEP": "er"}, "OTHER")


def with_statistics(source):
    source.GetRasterBand(1).SetStatistics(1, 2, 1.5, 0.5)


def with_color_table(source):
    table = gdal.ColorTable()
    for index in range(256):
        table.SetColorEntry(index, (index, 255 - index, index // 2, 255))
    source.GetRasterBand(1).SetColorTable(table)


def with_categories(source):
    source.GetRasterBand(1).SetCategoryNames(["none", "wood", "water"])


ITEMS = [
    lambda source: None,
    with_geotransform,
    with_rotation,
    south_up,
    with_wkt_only,
    with_vertical_srs,
    with_point_pixels,
    with_gcps,
    with_rpc,
    with_nodata,
    with_descriptions,
    with_scale_offset_unit,
    with_metadata,
    with_statistics,
    with_color_table,
    with_categories,
]


@pytest.mark.parametrize("item", ITEMS, ids=lambda item: "nothing" if item.__name__ == "<lambda>" else item.__name__)
@pytest.mark.parametrize("profile", ["GDALGeoTIFF", "GeoTIFF", "BASELINE"])
def test_item(tmp_path, item, profile):
    source = plain()
    item(source)
    streamtiff.same_as_gtiff(tmp_path, source, *SAME, f"PROFILE={profile}")


SIDE_FILES = [
    ["TFW=YES"],
    ["WORLDFILE=YES"],
    ["RPB=YES"],
    ["RPB=NO"],
    ["RPCTXT=YES"],
    ["TFW=YES", "RPB=YES", "RPCTXT=YES"],
    ["PROFILE=GeoTIFF", "RPB=NO"],
    ["PROFILE=GeoTIFF", "RPCTXT=YES"],
    ["PROFILE=BASELINE", "TFW=YES"],
    ["PROFILE=BASELINE", "RPB=YES", "RPCTXT=YES"],
]


@pytest.mark.parametrize("options", SIDE_FILES, ids=",".join)
@pytest.mark.parametrize("item", [with_rotation, with_rpc])
@pytest.mark.parametrize("name", ["out.tif", "two.dots.tiff", "folder.d/none"])
def test_side_files(tmp_path, item, options, name):
    """The same files as GTiff's beside the output, byte by byte."""
    source = plain()
    item(source)
    if "." not in name.split("/")[-1] and "RPCTXT=YES" in options:
        name += ".tif"  # GTiff looks for the extension's dot in the whole path: without one it writes elsewhere
    found = {}
    for driver in ("GTiff", "StreamTIFF"):
        folder = tmp_path / driver
        (folder / name).parent.mkdir(parents=True)
        with streamtiff.messages():
            dataset = streamtiff.create_quietly(driver, folder / name, source, [*SAME, *options])
        assert dataset is not None
        dataset = None
        files = {path.relative_to(folder): path for path in folder.rglob("*") if path.is_file()}
        found[driver] = {str(key): path.read_bytes() for key, path in files.items() if str(key) != name}
    assert found["StreamTIFF"] == found["GTiff"]


def test_side_files_of_a_failed_copy(tmp_path):
    """The raster does not stand there without what is to stand beside it, nor the other way round."""
    source = plain()
    with_rpc(source)
    (tmp_path / "out_RPC.TXT").mkdir()
    text = streamtiff.refused(tmp_path / "out.tif", source, "RPB=YES", "RPCTXT=YES", "PROFILE=BASELINE")
    assert "out_RPC.TXT" in text


@pytest.mark.parametrize("bands", [2, 3, 4, 5])
@pytest.mark.parametrize("interleave", ["PIXEL", "BAND"])
def test_items_of_several_bands(tmp_path, bands, interleave):
    source = plain(bands)
    for item in (with_geotransform, with_descriptions, with_scale_offset_unit, with_metadata, with_nodata):
        item(source)
    streamtiff.same_as_gtiff(tmp_path, source, *SAME, f"INTERLEAVE={interleave}")


RED, GREEN, BLUE, ALPHA, GREY = (
    gdal.GCI_RedBand,
    gdal.GCI_GreenBand,
    gdal.GCI_BlueBand,
    gdal.GCI_AlphaBand,
    gdal.GCI_GrayIndex,
)
UNDEFINED = gdal.GCI_Undefined


@pytest.mark.parametrize(
    "colours",
    [
        [GREY],
        [GREY, ALPHA],
        [RED, GREEN, BLUE],
        [RED, GREEN, BLUE, ALPHA],
        [BLUE, GREEN, RED],
        [UNDEFINED] * 4,
        [GREY, ALPHA, UNDEFINED, ALPHA, RED],
    ],
    ids=lambda colours: "-".join(gdal.GetColorInterpretationName(colour) for colour in colours),
)
@pytest.mark.parametrize("interleave", ["PIXEL", "BAND"])
@pytest.mark.parametrize(
    "options",
    [[], ["PHOTOMETRIC=MINISBLACK"], ["ALPHA=YES"], ["PHOTOMETRIC=RGB"]],
    ids=["", "minisblack", "alpha", "rgb"],
)
def test_color_interpretation(tmp_path, colours, interleave, options):
    if options == ["PHOTOMETRIC=RGB"] and len(colours) < 3:
        options = []
    source = plain(len(colours))
    for index, colour in enumerate(colours):
        source.GetRasterBand(index + 1).SetColorInterpretation(colour)
    streamtiff.same_as_gtiff(tmp_path, source, *SAME, f"INTERLEAVE={interleave}", *options)


@pytest.mark.parametrize(
    "dtype,value",
    [(gdal.GDT_Float32, float("nan")), (gdal.GDT_Float64, -1.7976931348623157e308), (gdal.GDT_Int16, -32768)],
)
def test_nodata(tmp_path, dtype, value):
    source = plain(1, dtype)
    source.GetRasterBand(1).SetNoDataValue(value)
    streamtiff.same_as_gtiff(tmp_path, source, *SAME)


@pytest.mark.parametrize(
    "dtype,value", [(gdal.GDT_Int64, -(2**63)), (gdal.GDT_UInt64, 2**64 - 1), (gdal.GDT_Int64, 2**53 + 1)]
)
def test_nodata_of_64_bits(tmp_path, dtype, value):
    source = plain(1, dtype)
    source.GetRasterBand(1).SetNoDataValue(value)
    path = streamtiff.same_as_gtiff(tmp_path, source, *SAME)
    dataset = gdal.Open(str(path))
    assert dataset.GetRasterBand(1).GetNoDataValue() == value


# --- the STREAMING domain ------------------------------------------------------------------------

FIGURES = {
    "CAP_BYTES",
    "REQUESTED_CAP_BYTES",
    "FLOOR_BYTES",
    "PEAK_BYTES",
    "PREDICTED_PEAK_BYTES",
    "SOURCE_KIND",
    "SWEEP",
    "STRIPES",
    "SOURCE_BLOCKS",
    "REPEATED_BLOCKS",
    "BLOCK_DECODES",
    "PREDICTED_DECODES",
    "DECODES_BEFORE",
    "DECODES_MEASURED",
    "SPILL_BYTES",
    "PREDICTED_SPILL_BYTES",
    "VIEW_SPILL_BYTES",
    "SPOOL_BYTES",
    "PASSTHROUGH",
    "THREADS",
}


def test_streaming_domain(tmp_path):
    dataset = streamtiff.create_copy(tmp_path / "out.tif", plain(), "MEMORY_CAP=64MB")
    assert "STREAMING" in dataset.GetMetadataDomainList()
    figures = streamtiff.streaming(dataset)
    assert FIGURES <= set(figures)
    assert figures["SOURCE_KIND"] in ("BLOCKS", "WINDOWS", "ROWS")
    assert figures["SWEEP"] in ("BANDS", "STRIPES", "SPILL")
    assert figures["REQUESTED_CAP_BYTES"] == 64 << 20
    assert figures["THREADS"] >= 1
    assert dataset.GetMetadataItem("SWEEP", "STREAMING") == figures["SWEEP"]
    assert "CAP_BYTES" not in dataset.GetMetadata()
    with streamtiff.messages() as kept:
        assert dataset.SetMetadata({"CAP_BYTES": "1"}, "STREAMING") != gdal.CE_None
        assert dataset.SetMetadataItem("CAP_BYTES", "1", "STREAMING") != gdal.CE_None
    assert len(kept) == 2
    dataset = None
    assert streamtiff.listing(tmp_path) == ["out.tif"]
    assert "STREAMING" not in (gdal.Open(str(tmp_path / "out.tif")).GetMetadataDomainList() or [])


def test_result_can_be_worked_with(tmp_path):
    """The returned dataset is a GTiff dataset in all but its figures: what is set on it arrives in the file."""
    source = plain(3)
    with_geotransform(source)
    dataset = streamtiff.create_copy(tmp_path / "out.tif", source)
    assert dataset.GetDescription() == str(tmp_path / "out.tif")
    assert dataset.GetGeoTransform() == source.GetGeoTransform()
    assert dataset.GetSpatialRef().IsSame(source.GetSpatialRef())
    assert dataset.GetFileList() == [str(tmp_path / "out.tif")]
    assert dataset.GetRasterBand(2).GetOverviewCount() == 0
    assert dataset.GetRasterBand(2).Checksum() == source.GetRasterBand(2).Checksum()
    assert dataset.GetRasterBand(1).ComputeStatistics(False)[:2] == [1, 1]
    dataset.GetRasterBand(1).SetDescription("set later")
    dataset.SetMetadataItem("SET", "later")
    band = dataset.GetRasterBand(3)
    assert band.GetMaskFlags() == gdal.GMF_ALL_VALID
    band = dataset = None
    dataset = gdal.Open(str(tmp_path / "out.tif"))
    assert dataset.GetRasterBand(1).GetDescription() == "set later"
    assert dataset.GetMetadataItem("SET") == "later"


def test_pam_can_be_switched_off(tmp_path):
    source = plain()
    with_categories(source)
    gdal.SetConfigOption("GDAL_PAM_ENABLED", "NO")
    try:
        dataset = streamtiff.create_copy(tmp_path / "out.tif", source)
        dataset = None  # noqa: F841
    finally:
        gdal.SetConfigOption("GDAL_PAM_ENABLED", None)
    assert streamtiff.listing(tmp_path) == ["out.tif"]


def test_sidecar_of_an_older_file_does_not_stay(tmp_path):
    source = plain()
    with_categories(source)
    dataset = streamtiff.create_copy(tmp_path / "out.tif", source)
    dataset = None
    assert streamtiff.listing(tmp_path) == ["out.tif", "out.tif.aux.xml"]
    dataset = streamtiff.create_copy(tmp_path / "out.tif", plain())
    assert dataset.GetRasterBand(1).GetCategoryNames() is None
    dataset = None  # noqa: F841
    assert streamtiff.listing(tmp_path) == ["out.tif"]
