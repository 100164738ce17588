"""Rasters with all that can be said of them: where they lie, and what they are."""

from osgeo import gdal
from parity_rasters import RPC, SOURCES, colored, gtiff, mem, placed, pointed, source, srs, with_gcps

_BEFORE = set(SOURCES)

# --- georeferencing --------------------------------------------------------------------------------

LOCAL = 'LOCAL_CS["somewhere",UNIT["metre",1]]'
ENGINEERING = 'ENGCRS["site",EDATUM["site"],CS[Cartesian,2],AXIS["x",east],AXIS["y",north],LENGTHUNIT["metre",1]]'
UNKNOWN_DATUM = (
    'GEOGCS["odd",DATUM["odd",SPHEROID["odd",6378000,297]],PRIMEM["Paris",2.33722917],UNIT["grad",0.01570796326794897]]'
)
ESRI = (
    'PROJCS["NAD_1983_UTM_Zone_11N",GEOGCS["GCS_North_American_1983",DATUM["D_North_American_1983",SPHEROID'
    '["GRS_1980",6378137.0,298.257222101]],PRIMEM["Greenwich",0.0],UNIT["Degree",0.0174532925199433]],'
    'PROJECTION["Transverse_Mercator"],PARAMETER["False_Easting",500000.0],PARAMETER["False_Northing",0.0],'
    'PARAMETER["Central_Meridian",-117.0],PARAMETER["Scale_Factor",0.9996],PARAMETER["Latitude_Of_Origin",0.0],'
    'UNIT["Meter",1.0]]'
)
REFERENCES = {
    "utm": "EPSG:32611",
    "mercator": "EPSG:3857",
    "geographic": "EPSG:4326",
    "geographic_3d": "EPSG:4979",
    "geocentric": "EPSG:4978",
    "compound": "EPSG:4326+5773",
    "compound_projected": "EPSG:32611+5703",
    "feet": "EPSG:2222",
    "polar": "EPSG:3031",
    "paris": "EPSG:27572",
    "sphere": "+proj=sinu +lon_0=0 +R=6371007.181 +units=m",
    "odd_projection": "+proj=lcc +lat_1=33 +lat_2=45 +lon_0=-97 +ellps=clrk66 +units=us-ft",
    "not_in_geotiff": "+proj=ob_tran +o_proj=longlat +o_lon_p=-162 +o_lat_p=39.25 +lon_0=180 +to_meter=0.0174532925199433",
    "towgs84": "+proj=utm +zone=33 +ellps=bessel +towgs84=598.1,73.7,418.2,0.202,0.045,-2.455,6.7",
    "local": LOCAL,
    "engineering": ENGINEERING,
    "unknown_datum": UNKNOWN_DATUM,
    "esri": ESRI,
    "esri_code": "ESRI:102003",
}
for _name in REFERENCES:
    source(lambda folder, n=_name: placed(mem(), REFERENCES[n]), name=f"srs_{_name}")


@source
def srs_with_epoch(folder):
    reference = srs("EPSG:9000")
    reference.SetCoordinateEpoch(2021.3)
    return placed(mem(), reference)


@source
def srs_vertical_scaled(folder):
    dataset = placed(mem(1, gdal.GDT_Int16), "EPSG:32611+5703")
    dataset.GetRasterBand(1).SetScale(0.5)
    dataset.GetRasterBand(1).SetOffset(100)
    return dataset


source(lambda folder: placed(mem(), transform=None), name="srs_without_geotransform")
source(lambda folder: placed(mem(), None), name="geotransform_without_srs")
source(lambda folder: placed(mem(), transform=(0, 1, 0, 0, 0, 1)), name="geotransform_identity")
source(lambda folder: placed(mem(), transform=(440720, 60, 5, 3751320, 7, -60)), name="geotransform_rotated")
source(lambda folder: placed(mem(), "EPSG:4326", (-180, 0.5, 0, -90, 0, 0.5)), name="geotransform_south_up")
source(lambda folder: placed(mem(), transform=(440720, -60, 0, 3751320, 0, -60)), name="geotransform_mirrored")


source(lambda folder: pointed(placed(mem())), name="point_pixels")
source(lambda folder: pointed(placed(mem(), transform=(440720, 60, 5, 3751320, 7, -60))), name="point_pixels_rotated")
source(lambda folder: pointed(mem()), name="point_pixels_nowhere")


source(lambda folder: with_gcps(mem()), name="gcps")
source(lambda folder: with_gcps(mem(), None), name="gcps_without_srs")
source(lambda folder: with_gcps(mem(), "EPSG:32611+5703"), name="gcps_compound")
source(lambda folder: with_gcps(mem(), LOCAL), name="gcps_local")
source(lambda folder: with_gcps(mem(), count=250), name="gcps_250")
source(lambda folder: pointed(with_gcps(mem())), name="gcps_of_points")

@source
def rpc(folder):
    dataset = mem()
    dataset.SetMetadata(RPC, "RPC")
    return dataset


@source
def geolocation(folder):
    dataset = mem()
    items = {"X_DATASET": "lon.tif", "X_BAND": "1", "Y_DATASET": "lat.tif", "Y_BAND": "1", "PIXEL_OFFSET": "0"}
    items.update({"PIXEL_STEP": "1", "LINE_OFFSET": "0", "LINE_STEP": "1", "SRS": srs("EPSG:4326").ExportToWkt()})
    dataset.SetMetadata(items, "GEOLOCATION")
    return dataset


# --- metadata --------------------------------------------------------------------------------------


@source
def metadata(folder):
    dataset = mem(2)
    dataset.SetMetadata({"KEY": "value", "UTF8": "é€ <&>", "EMPTY": "", "LINES": "a\nb"})
    dataset.SetMetadata({"A": "1"}, "OTHER")
    dataset.SetMetadata(["<xml>text</xml>"], "xml:SOMETHING")
    dataset.GetRasterBand(1).SetMetadata({"BAND": "one"})
    dataset.GetRasterBand(2).SetMetadata({"DEEP": "er"}, "OTHER")
    return dataset


@source
def metadata_of_40_kb(folder):
    dataset = mem()
    dataset.SetMetadata({f"KEY{i}": "x" * 100 for i in range(400)})
    return dataset


@source
def tifftags(folder):
    dataset = mem()
    names = ("DOCUMENTNAME", "IMAGEDESCRIPTION", "SOFTWARE", "ARTIST", "HOSTCOMPUTER", "COPYRIGHT")
    items = {f"TIFFTAG_{name}": name.lower() for name in names}
    items.update({"TIFFTAG_DATETIME": "2020:01:01 00:00:00", "TIFFTAG_XRESOLUTION": "72", "TIFFTAG_YRESOLUTION": "96"})
    items.update({"TIFFTAG_RESOLUTIONUNIT": "2 (pixels/inch)", "TIFFTAG_MINSAMPLEVALUE": "3"})
    items.update({"TIFFTAG_MAXSAMPLEVALUE": "250"})
    dataset.SetMetadata(items)
    return dataset


@source
def xmp(folder):
    dataset = mem()
    dataset.SetMetadata(["<?xpacket begin='' id='W5M0'?><x:xmpmeta xmlns:x='adobe:ns:meta/'/><?xpacket end='w'?>"], "xml:XMP")
    return dataset


@source
def imagery_domains(folder):
    dataset = mem()
    dataset.SetMetadata({"SATELLITEID": "X", "CLOUDCOVER": "0.1"}, "IMAGERY")
    dataset.SetMetadata({"IMD.a": "b"}, "IMD")
    dataset.SetMetadata(['{"a": 1}'], "json:ISIS3")
    return dataset


@source
def exif(folder):
    dataset = mem()
    dataset.SetMetadata({"EXIF_Make": "maker", "EXIF_ISOSpeedRatings": "100"}, "EXIF")
    dataset.SetMetadataItem("EXIF_Model", "model")
    return dataset


@source
def descriptions(folder):
    dataset = mem(2)
    dataset.GetRasterBand(1).SetDescription("first «é» <&>")
    dataset.GetRasterBand(2).SetDescription("second")
    return dataset


@source
def scale_offset_unit(folder):
    dataset = mem(2, gdal.GDT_Int16)
    for index in (1, 2):
        band = dataset.GetRasterBand(index)
        band.SetScale(0.1 * index)
        band.SetOffset(-273.15)
        band.SetUnitType("K")
    return dataset


@source
def statistics(folder):
    dataset = mem(2)
    dataset.GetRasterBand(1).SetStatistics(0, 250, 125.5, 60.25)
    return dataset


@source
def categories(folder):
    dataset = mem()
    dataset.GetRasterBand(1).SetCategoryNames(["none", "wood", "water «é»"])
    return dataset


def attribute_table():
    table = gdal.RasterAttributeTable()
    table.CreateColumn("VALUE", gdal.GFT_Integer, gdal.GFU_MinMax)
    table.CreateColumn("NAME", gdal.GFT_String, gdal.GFU_Name)
    table.CreateColumn("AREA", gdal.GFT_Real, gdal.GFU_Generic)
    table.SetRowCount(3)
    for row in range(3):
        table.SetValueAsInt(row, 0, row)
        table.SetValueAsString(row, 1, f"class {row}")
        table.SetValueAsDouble(row, 2, row * 1.5)
    return table


@source
def rat(folder):
    dataset = mem()
    dataset.GetRasterBand(1).SetDefaultRAT(attribute_table())
    return dataset


@source
def histogram(folder):
    dataset = gtiff(folder / "histogram.tif", mem())
    dataset.GetRasterBand(1).SetDefaultHistogram(-0.5, 255.5, list(range(256)))
    return dataset


@source
def domains_of_bands(folder):
    dataset = mem(2)
    for number in (1, 2):
        dataset.GetRasterBand(number).SetMetadata({"KEY": str(number)}, "OTHER")
    return dataset


@source
def everything(folder):
    dataset = placed(colored("rgb"))
    dataset.SetMetadata({"KEY": "value", "AREA_OR_POINT": "Point", "TIFFTAG_SOFTWARE": "some"})
    dataset.SetMetadata(RPC, "RPC")
    for index in (1, 2, 3):
        band = dataset.GetRasterBand(index)
        band.SetDescription(f"band {index}")
        band.SetNoDataValue(0)
        band.SetScale(2)
        band.SetUnitType("m")
        band.SetMetadata({"STATISTICS_MINIMUM": "1", "OF": str(index)})
    return dataset


# It is what they say that matters, not their pixels.
DESCRIBED = [name for name in SOURCES if name not in _BEFORE and name != "everything"]
