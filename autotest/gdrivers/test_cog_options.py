"""Options of LAYOUT=COG: what each does, which belong to the other layout, what is refused before anything is written."""

import cog
import numpy as np
import parity
import pytest
import streamtiff
from osgeo import gdal
from parity_rasters import VERSION, colored, mem, palette, placed

NORTH_UP = (440720.0, 60.0, 0.0, 3751320.0, 0.0, -60.0)


@pytest.mark.parametrize(
    "option",
    ["TILED=YES", "BLOCKXSIZE=256", "ZLEVEL=1", "JPEG_QUALITY=5", "WEBP_LOSSLESS=YES", "PROFILE=GeoTIFF", "TFW=YES"]
    + ["PHOTOMETRIC=RGB", "ENDIANNESS=BIG", "DISCARD_LSB=1", "COPY_SRC_OVERVIEWS=YES", "COLOR_TABLE_MULTIPLIER=1"],
)
def test_option_of_the_plain_layout(tmp_path, option):
    text = streamtiff.refused(tmp_path / "out.tif", mem(), "LAYOUT=COG", option)
    assert option.split("=")[0] in text and "COG" in text


@pytest.mark.parametrize(
    "option",
    ["BLOCKSIZE=256", "QUALITY=5", "OVERVIEWS=NONE", "OVERVIEW_COUNT=1", "OVERVIEW_RESAMPLING=MODE", "RESAMPLING=MODE"]
    + ["OVERVIEW_COMPRESS=LZW", "TARGET_SRS=EPSG:4326", "TILING_SCHEME=GoogleMapsCompatible", "ADD_ALPHA=NO", "RES=1"],
)
def test_option_of_the_cog_layout(tmp_path, option):
    text = streamtiff.refused(tmp_path / "out.tif", mem(), option)
    assert option.split("=")[0] in text and "GTIFF" in text


@pytest.mark.parametrize(
    "options, says",
    [
        (["LAYOUT=TILES"], "GTIFF nor COG"),
        (["LAYOUT=COG", "BLOCKSIZE=250"], "256"),
        (["LAYOUT=COG", "QUALITY=0"], "QUALITY"),
        (["LAYOUT=COG", "OVERVIEW_QUALITY=101"], "OVERVIEW_QUALITY"),
        (["LAYOUT=COG", "OVERVIEWS=SOME"], "FORCE_USE_EXISTING"),
        (["LAYOUT=COG", "OVERVIEW_COUNT=-3"], "OVERVIEW_COUNT"),
        (["LAYOUT=COG", "RESAMPLING=FANCY"], "LANCZOS"),
        (["LAYOUT=COG", "OVERVIEW_COMPRESS=NOPE"], "NOPE"),
        (["LAYOUT=COG", "TARGET_SRS=nope"], "nope"),
        (["LAYOUT=COG", "TARGET_SRS=EPSG:4326", "EXTENT=1,2,3"], "EXTENT"),
        (["LAYOUT=COG", "TARGET_SRS=EPSG:4326", "RES=fine"], "RES"),
        (["LAYOUT=COG", "TILING_SCHEME=nope"], "nope"),
        (["LAYOUT=COG", "TILING_SCHEME=GoogleMapsCompatible", "ZOOM_LEVEL=99"], "zoom level"),
        (["LAYOUT=COG", "TILING_SCHEME=GoogleMapsCompatible", "ZOOM_LEVEL_STRATEGY=HIGH"], "UPPER"),
        (["LAYOUT=COG", "COMPRESS=JPEG"], "JPEG"),
    ],
)
def test_values_are_checked_before_anything_is_written(tmp_path, options, says):
    source = placed(mem(1, gdal.GDT_UInt16))
    with parity.config(GDAL_VALIDATE_CREATION_OPTIONS="NO"):
        assert says in streamtiff.refused(tmp_path / "out.tif", source, *options)


def test_defaults(tmp_path):
    cog.ours(tmp_path / "out.tif", mem(1, width=1100, height=600))
    dataset = gdal.Open(str(tmp_path / "out.tif"))
    structure = dataset.GetMetadata("IMAGE_STRUCTURE")
    assert structure["COMPRESSION"] == "DEFLATE" and structure.get("PREDICTOR", "2") == "2"
    band = dataset.GetRasterBand(1)
    assert band.GetBlockSize() == [512, 512]
    sizes = [(band.GetOverview(i).XSize, band.GetOverview(i).YSize) for i in range(band.GetOverviewCount())]
    assert sizes == [(550, 300), (275, 150)]
    parts = cog.Parts(tmp_path / "out.tif")
    assert [tags[317][1] for tags in parts.images] == [(2,)] * 3  # overviews are compressed like the raster


@pytest.mark.parametrize(
    "options",
    [
        ["OVERVIEW_COUNT=1"],
        ["OVERVIEW_COUNT=5"],
        ["OVERVIEW_COMPRESS=LZW"],
        ["OVERVIEW_COMPRESS=DEFLATE", "OVERVIEW_PREDICTOR=STANDARD", "LEVEL=1"],
        ["COMPRESS=ZSTD", "LEVEL=3", "PREDICTOR=YES"],
        ["COMPRESS=DEFLATE", "LEVEL=9", "PREDICTOR=STANDARD"],
        ["BIGTIFF=YES", "GEOTIFF_VERSION=1.1"],
        ["OVERVIEW_RESAMPLING=AVERAGE", "RESAMPLING=NEAREST"],
        ["SPARSE_OK=YES"],
    ],
)
def test_as_the_cog_driver(tmp_path, options):
    source = placed(mem(3, width=256, height=256))
    named = {option.split("=")[0] for option in options}
    if "PREDICTOR" in named:  # to GDAL's driver OVERVIEW_PREDICTOR=NO is as if there were none, and it takes the raster's
        named.add("OVERVIEW_PREDICTOR")
    options = options + [option for option in cog.PLAIN if option.split("=")[0] not in named]
    if not any("RESAMPLING" in option for option in options):
        options.append("RESAMPLING=NEAREST")
    _, parts = cog.same_as_gdal(tmp_path, source, "BLOCKSIZE=64", *options)
    theirs = cog.Parts(tmp_path / "theirs" / "out.tif").data
    if "COMPRESS=ZSTD" in options:  # libtiff does not tell libzstd how much there is to come
        assert abs(len(parts.data) - len(theirs)) <= 0.005 * len(theirs)
    elif "OVERVIEW_COUNT=5" not in options:  # whose levels are smaller than a tile, and filled up with other pixels
        assert parts.data == theirs


def test_no_overviews_by_their_count(tmp_path):
    cog.ours(tmp_path / "count.tif", mem(1, width=300, height=300), "BLOCKSIZE=128", "OVERVIEW_COUNT=0")
    cog.ours(tmp_path / "none.tif", mem(1, width=300, height=300), "BLOCKSIZE=128", "OVERVIEWS=NONE")
    assert (tmp_path / "count.tif").read_bytes() == (tmp_path / "none.tif").read_bytes()


def test_overviews_without_predictor(tmp_path):
    options = ["BLOCKSIZE=128", "PREDICTOR=YES", "OVERVIEW_PREDICTOR=NO"]
    cog.ours(tmp_path / "out.tif", mem(1, width=300, height=300), *options)
    assert [tags[317][1] for tags in cog.Parts(tmp_path / "out.tif").images] == [(2,), (1,), (1,)]


@pytest.mark.parametrize("compress, quality", [("JPEG", 40), ("WEBP", 40), ("WEBP", 100)])
@pytest.mark.parametrize("overview_quality", [None, 90])
def test_quality(tmp_path, compress, quality, overview_quality):
    if compress not in streamtiff.codecs():
        pytest.skip(f"libtiff has no {compress}")
    source = colored_raster(256, 256)
    options = [f"COMPRESS={compress}", f"QUALITY={quality}", "BLOCKSIZE=64", "RESAMPLING=NEAREST", "BIGTIFF=NO"]
    options += [f"OVERVIEW_QUALITY={overview_quality}"] if overview_quality else []
    _, parts = cog.same_as_gdal(tmp_path, source, *options)
    assert parts.data == cog.Parts(tmp_path / "theirs" / "out.tif").data


def colored_raster(width, height, alpha=False):
    source = placed(mem(4 if alpha else 3, width=width, height=height))
    for band, color in enumerate((gdal.GCI_RedBand, gdal.GCI_GreenBand, gdal.GCI_BlueBand, gdal.GCI_AlphaBand)):
        if band < source.RasterCount:
            source.GetRasterBand(band + 1).SetColorInterpretation(color)
    return source


def test_alpha_becomes_a_mask_in_jpeg(tmp_path):
    source = colored_raster(128, 128, alpha=True)
    y, x = np.mgrid[0:128, 0:128]
    source.GetRasterBand(4).WriteArray(np.where((x + y) % 90 < 50, 255, 0).astype("u1"))
    _, parts = cog.same_as_gdal(tmp_path, source, "COMPRESS=JPEG", "BLOCKSIZE=64", "RESAMPLING=NEAREST", "BIGTIFF=NO")
    assert [kind & cog.MASK for kind in parts.kinds()] == [0, cog.MASK, 0, cog.MASK]
    assert parts.data == cog.Parts(tmp_path / "theirs" / "out.tif").data


# --- overviews of the source -----------------------------------------------------------------------


def with_overviews(path, bands=1, masked=False, factors=(2, 4)):
    source = placed(mem(bands, width=900, height=700))
    if masked:
        source.CreateMaskBand(gdal.GMF_PER_DATASET)
        y, x = np.mgrid[0:700, 0:900]
        source.GetRasterBand(1).GetMaskBand().WriteArray(np.where((x + y) % 300 < 200, 255, 0).astype("u1"))
    with parity.config(GDAL_TIFF_INTERNAL_MASK="YES"):
        copy = gdal.GetDriverByName("GTiff").CreateCopy(str(path), source, options=["TILED=YES", "COMPRESS=DEFLATE"])
        copy = None
        dataset = gdal.Open(str(path), gdal.GA_Update)
        dataset.BuildOverviews("AVERAGE", list(factors))
        for level in range(dataset.GetRasterBand(1).GetOverviewCount()):  # other pixels than those that anybody computes
            dataset.GetRasterBand(1).GetOverview(level).Fill(level + 7)
        dataset = None
    return gdal.Open(str(path))


@pytest.mark.parametrize("bands, masked", [(1, False), (3, False), (1, True), (3, True)])
@pytest.mark.parametrize("count", [None, 1])
def test_overviews_of_the_source_are_copied(tmp_path, bands, masked, count):
    source = with_overviews(tmp_path / "in.tif", bands, masked)
    options = [f"OVERVIEW_COUNT={count}"] if count else []
    path, _ = cog.same_as_gdal(
        tmp_path, source, "BLOCKSIZE=128", "OVERVIEWS=FORCE_USE_EXISTING", *options, *cog.PLAIN
    )
    dataset = gdal.Open(str(path))
    band = dataset.GetRasterBand(1)
    assert [band.GetOverview(i).ComputeRasterMinMax(0) for i in range(band.GetOverviewCount())] == [
        (level + 7, level + 7) for level in range(count or 2)
    ]


def test_overviews_of_the_source_in_another_order(tmp_path):
    """The COG driver leaves them as they are, and its file is none then."""
    source = with_overviews(tmp_path / "in.tif", 3, True, factors=(8, 2, 4))
    sizes = {level: source.GetRasterBand(1).GetOverview(level).XSize for level in range(3)}
    assert sizes[0] < sizes[2] < sizes[1]
    cog.ours(tmp_path / "out.tif", source, "BLOCKSIZE=128", "OVERVIEWS=FORCE_USE_EXISTING")
    cog.check_valid(tmp_path / "out.tif")
    dataset = gdal.Open(str(tmp_path / "out.tif"))
    band = dataset.GetRasterBand(1)
    assert [band.GetOverview(i).XSize for i in range(3)] == sorted(sizes.values(), reverse=True)
    assert [band.GetOverview(i).ComputeRasterMinMax(0) for i in range(3)] == [(8, 8), (9, 9), (7, 7)]


def test_overviews_of_the_source_that_are_not_there(tmp_path):
    source = mem(1, width=500, height=300)
    _, parts = cog.same_as_gdal(tmp_path, source, "BLOCKSIZE=128", "OVERVIEWS=FORCE_USE_EXISTING", *cog.PLAIN)
    assert len(parts.images) == 1


def test_auto_computes_where_the_source_has_some(tmp_path):
    source = with_overviews(tmp_path / "in.tif")
    cog.ours(tmp_path / "out.tif", source, "BLOCKSIZE=256")
    cog.ours(tmp_path / "ignore.tif", source, "BLOCKSIZE=256", "OVERVIEWS=IGNORE_EXISTING")
    assert (tmp_path / "out.tif").read_bytes() == (tmp_path / "ignore.tif").read_bytes()
    dataset = gdal.Open(str(tmp_path / "out.tif"))
    assert dataset.GetRasterBand(1).GetOverview(0).ComputeRasterMinMax(0) != (7, 7)


@pytest.mark.parametrize("threads", [1, 2])
def test_memory_of_copied_overviews(tmp_path, threads):
    source = with_overviews(tmp_path / "in.tif", 3, True)
    options = ["BLOCKSIZE=128", "OVERVIEWS=FORCE_USE_EXISTING", f"NUM_THREADS={threads}"]
    figures = cog.ours(tmp_path / "out.tif", source, "MEMORY_CAP=64MB", *options)
    assert figures["SOURCE_BLOCKS"] > 0
    again = cog.ours(tmp_path / "again.tif", source, f"MEMORY_CAP={figures['FLOOR_BYTES']}", *options)
    assert again["PEAK_BYTES"] <= figures["FLOOR_BYTES"]
    assert (tmp_path / "out.tif").read_bytes() == (tmp_path / "again.tif").read_bytes()


def test_copied_overviews_that_raise_the_cap(tmp_path):
    """The mask of the raster, planned before, is copied under the raised cap, and so is what was promised of it."""
    source = mem(1, gdal.GDT_Int64, width=257, height=513)
    source.CreateMaskBand(gdal.GMF_PER_DATASET)
    source.GetRasterBand(1).GetMaskBand().Fill(255)
    with parity.config(GDAL_TIFF_INTERNAL_MASK="YES"):
        gdal.GetDriverByName("GTiff").CreateCopy(str(tmp_path / "in.tif"), source, options=["BLOCKYSIZE=37", "COMPRESS=LZW"])
        gdal.Open(str(tmp_path / "in.tif"), gdal.GA_Update).BuildOverviews("NEAREST", [3])
    options = ["BLOCKSIZE=128", "OVERVIEWS=FORCE_USE_EXISTING", "NUM_THREADS=1", "LEVEL=1"]
    for cap in ("1MB", "2MB"):
        dataset, kept = cog.copy(streamtiff.DRIVER, tmp_path / "out.tif", tmp_path / "in.tif", *options, f"MEMORY_CAP={cap}")
        assert dataset is not None, kept
        streamtiff.check_figures(streamtiff.streaming(dataset))
        dataset = None


# --- reprojection ----------------------------------------------------------------------------------


def smooth(bands=1, nodata=None):
    """Slow changes: a coordinate that is off by an eighth of a pixel, as the warper allows itself, hardly shows."""
    source = gdal.GetDriverByName("MEM").Create("", 400, 300, bands, gdal.GDT_Float32)
    placed(source, "EPSG:32611", NORTH_UP)
    y, x = np.mgrid[0:300, 0:400]
    for band in range(bands):
        source.GetRasterBand(band + 1).WriteArray(100 + 0.1 * x + 0.2 * y + band)
        if nodata is not None:
            source.GetRasterBand(band + 1).SetNoDataValue(nodata)
    return source


WARPS = {
    "srs": ["TARGET_SRS=EPSG:4326"],
    "extent": ["TARGET_SRS=EPSG:4326", "EXTENT=-117.6,33.7,-117.45,33.85", "RES=0.001"],
    "google": ["TILING_SCHEME=GoogleMapsCompatible"],
    "google_lerc": ["TILING_SCHEME=GoogleMapsCompatible", "COMPRESS=LERC", "MAX_Z_ERROR=0.001"],
    "aligned": ["TILING_SCHEME=GoogleMapsCompatible", "ALIGNED_LEVELS=3", "BLOCKSIZE=128"],
    "zoom": ["TILING_SCHEME=GoogleMapsCompatible", "ZOOM_LEVEL=10"],
    "lower": ["TILING_SCHEME=InspireCRS84Quad", "ZOOM_LEVEL_STRATEGY=LOWER"],
    "upper": ["TILING_SCHEME=InspireCRS84Quad", "ZOOM_LEVEL_STRATEGY=UPPER", "OVERVIEWS=NONE"],
    "without_alpha": ["TILING_SCHEME=GoogleMapsCompatible", "ADD_ALPHA=NO"],
    "nearest": ["TARGET_SRS=EPSG:3857", "WARP_RESAMPLING=NEAREST", "OVERVIEW_RESAMPLING=AVERAGE"],
    "same": ["TARGET_SRS=EPSG:32611"],
}


@pytest.mark.parametrize("nodata", [None, -1])
@pytest.mark.parametrize("name", WARPS)
def test_reprojection_has_the_geometry_of_the_cog_driver(tmp_path, name, nodata):
    """Tags, and so size, place, levels and tiling scheme, are equal; pixels are nearly so: the warper approximates
    coordinates along the lines that it is given, and we give it others."""
    options = WARPS[name] + [o for o in cog.PLAIN if not o.startswith("COMPRESS") or "COMPRESS=LERC" not in WARPS[name]]
    source = smooth(1, nodata)
    theirs, expected = cog.copy("COG", tmp_path / "theirs.tif", source, *options)
    ours, kept = cog.copy("StreamTIFF", tmp_path / "ours.tif", source, *options)
    assert ours is not None, kept
    assert cog.said(kept) == cog.said(expected), (kept, expected)
    theirs = ours = None
    cog.check_valid(tmp_path / "ours.tif", "OVERVIEWS=NONE" in options)
    assert cog.shape_of(tmp_path / "ours.tif") == cog.shape_of(tmp_path / "theirs.tif")
    theirs, ours = gdal.Open(str(tmp_path / "theirs.tif")), gdal.Open(str(tmp_path / "ours.tif"))
    assert ours.GetMetadata("TILING_SCHEME") == theirs.GetMetadata("TILING_SCHEME")
    a, b = ours.GetRasterBand(1).ReadAsArray(), theirs.GetRasterBand(1).ReadAsArray()
    off = np.abs(a - b) > 0.1
    assert off.mean() < 0.02  # at the border a pixel is inside for one and outside for the other


def test_scheme_that_the_raster_lies_outside_of(tmp_path):
    text = streamtiff.refused(tmp_path / "out.tif", smooth(), "LAYOUT=COG", "TILING_SCHEME=NZTM2000")
    assert "outside" in text


SCHEME = """{"type": "TileMatrixSetType", "title": "mine", "identifier": "mine", "supportedCRS": "EPSG:32611",
 "tileMatrix": [%s]}""" % ",".join(
    '{"type": "TileMatrixType", "identifier": "%d", "scaleDenominator": %r, "topLeftCorner": [400000, 4000000],'
    '"tileWidth": 256, "tileHeight": 256, "matrixWidth": %d, "matrixHeight": %d}'
    % (level, 1e6 / 2**level, 8 * 2**level, 8 * 2**level)
    for level in range(6)
)


def test_scheme_of_ones_own(tmp_path):
    scheme = tmp_path / "mine.json"
    scheme.write_text(SCHEME)
    for name, text in (("file", str(scheme)), ("inline", SCHEME)):
        options = [f"TILING_SCHEME={text}", "OVERVIEWS=NONE", *cog.PLAIN]
        assert cog.copy("COG", tmp_path / f"{name}_theirs.tif", smooth(), *options)[0] is not None
        assert cog.copy("StreamTIFF", tmp_path / f"{name}_ours.tif", smooth(), *options)[0] is not None
        shapes = [cog.shape_of(tmp_path / f"{name}_{whose}.tif") for whose in ("theirs", "ours")]
        assert shapes[0] == shapes[1]


# --- versions --------------------------------------------------------------------------------------


@pytest.mark.skipif(VERSION < 31100, reason="INTERLEAVE is an option of COG from GDAL 3.11 on")
@pytest.mark.parametrize("interleave", ["PIXEL", "BAND", "TILE"])
def test_interleave(tmp_path, interleave):
    _, parts = cog.same_as_gdal(
        tmp_path, mem(3, width=256, height=256), "BLOCKSIZE=64", f"INTERLEAVE={interleave}", "RESAMPLING=NEAREST", *cog.PLAIN
    )
    assert parts.data == cog.Parts(tmp_path / "theirs" / "out.tif").data


@pytest.mark.skipif(VERSION < 30700, reason="NBITS is an option of COG from GDAL 3.7 on")
def test_bits(tmp_path):
    cog.same_as_gdal(tmp_path, mem(1, top=15, width=256, height=256), "NBITS=4", "BLOCKSIZE=64", "OVERVIEWS=NONE", *cog.PLAIN)


def test_palette_is_resampled_by_nearest(tmp_path):
    source = palette(256)
    source = gdal.Translate("", source, format="MEM", width=300, height=212)
    _, parts = cog.same_as_gdal(tmp_path, source, "BLOCKSIZE=128", *cog.PLAIN)
    assert len(parts.images) == 3
