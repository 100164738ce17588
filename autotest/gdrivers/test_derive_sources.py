"""DERIVE from every kind of source and colour file, and what it refuses."""

import derived
import numpy as np
import pytest
import streamtiff
from osgeo import gdal

NEWER = int(gdal.VersionInfo()) >= 3110000
TILES_32 = ["TILED=YES", "BLOCKXSIZE=32", "BLOCKYSIZE=32", "COMPRESS=DEFLATE"]
LAYOUT = ["TILED=YES", "BLOCKXSIZE=48", "BLOCKYSIZE=64"]
TWO_THREADS = ["NUM_THREADS=2", "MEMORY_CAP=64MB"]
MODES = ["slope", "aspect", "hillshade", "TRI", "TPI", "roughness"]
SOUTH_UP = (500000, 10, 0, 4600000, 0, 10)
ROTATED = (500000, 9, 3, 4600000, 3, -9)
GEOGRAPHIC = (12, 0.001, 0, 48, 0, -0.002)
BY_VALUE = "0 10 20 30\n600 200 100 0\n1800 0 255 0 128\n3000 255 255 255\n"


def same(tmp_path, source, *command, also=TWO_THREADS, **more):
    return derived.same_as_gdaldem(tmp_path, source, *command, layout=LAYOUT, also=also, **more)


@pytest.fixture()
def colors(tmp_path):
    def write(text, name="colors.txt"):
        path = tmp_path / name
        path.write_text(text)
        return str(path)

    return write


# --- bands and types ---------------------------------------------------------------------------------


@pytest.mark.parametrize("interleave", ["PIXEL", "BAND"])
@pytest.mark.parametrize("band", [1, 2, 3])
def test_one_band_of_several(tmp_path, interleave, band):
    bands = [derived.heights(130, 90, seed=seed) for seed in (1, 2, 3)]
    source = derived.write(tmp_path / "dem.tif", bands, [*TILES_32, f"INTERLEAVE={interleave}"])
    figures = same(tmp_path, source, "slope", "-b", str(band))
    # Bands that are stored apart are not read for the sake of one of them.
    assert figures["BLOCK_DECODES"] == figures["PREDICTED_DECODES"] == figures["SOURCE_BLOCKS"] == 5 * 3
    assert figures["SOURCE_KIND"] == "BLOCKS"


@pytest.mark.parametrize("mode", ["slope", "hillshade", "TPI"])
@pytest.mark.parametrize("interleave", ["PIXEL", "BAND"])
def test_bands_of_relief_of_a_source_of_several(tmp_path, colors, interleave, mode):
    """GDAL adds INTERLEAVE=BAND of its own accord where the source has it: of no concern to what is derived."""
    bands = [derived.heights(100, 70, seed=seed) for seed in (4, 5)]
    source = derived.write(tmp_path / "dem.tif", bands, [*TILES_32, f"INTERLEAVE={interleave}"])
    same(tmp_path, source, mode, "-b", "2", "-compute_edges")
    same(tmp_path, source, "color-relief", "-b", "2", color=colors(BY_VALUE))


TYPES = ["Byte", "UInt16", "Int16", "UInt32", "Int32", "Float32", "Float64"]


@pytest.mark.parametrize("nodata", [None, 250, 70])  # beyond all heights, and among them
@pytest.mark.parametrize("dtype", TYPES)
def test_types(tmp_path, colors, dtype, nodata):
    z = derived.heights(100, 75, dtype)
    if nodata:
        z = derived.with_holes(z, nodata)
    source = derived.write(tmp_path / "dem.tif", [z], TILES_32, nodata)
    for mode in MODES:
        same(tmp_path, source, mode, "-compute_edges")
    color = colors(BY_VALUE + "nv 1 2 3\n" if nodata else BY_VALUE)
    same(tmp_path, source, "color-relief", "-alpha", color=color)


@pytest.mark.parametrize("name", ["Int8", "Int64", "UInt64"])
def test_newer_types(tmp_path, name):
    code = gdal.GetDataTypeByName(name)
    if code == gdal.GDT_Unknown:
        pytest.skip(f"this GDAL has no {name}")
    path = str(tmp_path / "dem.tif")
    dataset = gdal.GetDriverByName("GTiff").Create(path, 90, 70, 1, code, TILES_32)
    dataset.SetGeoTransform(derived.NORTH_UP)
    dataset.GetRasterBand(1).WriteArray(derived.heights(90, 70, "Byte").astype("int64"))
    dataset = None
    for mode in MODES:
        same(tmp_path, path, mode)


@pytest.mark.parametrize("nodata", [float("nan"), -9999, 0, 1e30])
@pytest.mark.parametrize("mode", ["slope", "hillshade", "roughness"])
def test_nodata_values(tmp_path, colors, mode, nodata):
    z = derived.with_holes(derived.heights(120, 80), nodata)
    source = derived.write(tmp_path / "dem.tif", [z], TILES_32, nodata)
    same(tmp_path, source, mode)
    same(tmp_path, source, mode, "-compute_edges")
    same(tmp_path, source, "color-relief", color=colors("nv 9 8 7\n0 0 0 0\n3000 255 255 255\n"))


def test_nodata_is_everywhere(tmp_path):
    z = np.full((70, 90), -9999, "float32")
    source = derived.write(tmp_path / "dem.tif", [z], TILES_32, -9999)
    for mode in MODES:
        same(tmp_path, source, mode, "-compute_edges")


# --- sizes -------------------------------------------------------------------------------------------

SIZES = [(w, h) for w in (1, 2, 3) for h in (1, 2, 3)] + [(1, 70), (70, 1), (33, 33), (34, 32), (65, 2), (2, 65)]


@pytest.mark.parametrize("size", SIZES, ids=[f"{w}x{h}" for w, h in SIZES])
def test_sizes(tmp_path, size):
    z = derived.heights(80, 80)[30 : 30 + size[1], 20 : 20 + size[0]]
    source = derived.write(tmp_path / "dem.tif", [z], TILES_32)
    for mode in MODES:
        for edges in ((), ("-compute_edges",)):
            same(tmp_path, source, mode, *edges)


@pytest.mark.parametrize("width", range(41, 75, 3))
def test_vector_code_stays_in_step(tmp_path, width):
    """gdaldem shades several pixels at a time, and the last ones of a row one by one, which rounds differently."""
    heights = derived.borderline(width, 200, "-z", "0.02", seed=width)
    if heights is None:
        assert not NEWER, "nothing rounds differently"
        heights = np.random.RandomState(width).randint(0, 3000, (200, width))
    for dtype in ("Float32", "Int16"):
        for block in (16, 48):
            options = ["TILED=YES", f"BLOCKXSIZE={block}", "BLOCKYSIZE=64"]
            source = derived.write(tmp_path / "dem.tif", [heights.astype(dtype.lower())], options)
            same(tmp_path, source, "hillshade", "-z", "0.02")
            same(tmp_path, source, "hillshade", "-compute_edges", "-z", "0.02")


# --- where the raster lies ---------------------------------------------------------------------------

PLACES = {
    "south-up": (SOUTH_UP, 32611),
    "rotated": (ROTATED, 32611),
    "geographic": (GEOGRAPHIC, 4326),
    "near-the-pole": ((12, 0.001, 0, 84, 0, -0.002), 4326),
    "feet": ((500000, 10, 0, 4600000, 0, -10), 2225),
    "nowhere": (None, None),
    "no-srs": ((0, 2, 0, 0, 0, -2), None),
    "no-srs-south-up": ((0, 2, 0, 0, 0, 2), None),
    "oblong": ((500000, 10, 0, 4600000, 0, -7), 32611),
}


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("place", PLACES)
def test_places(tmp_path, place, mode):
    transform, epsg = PLACES[place]
    source = derived.write(tmp_path / "dem.tif", [derived.heights(150, 120)], TILES_32, None, transform, epsg)
    same(tmp_path, source, mode)
    same(tmp_path, source, mode, "-compute_edges", also=["NUM_THREADS=1", "MEMORY_CAP=1KB"], raised=True)
    if mode in ("slope", "hillshade"):
        same(tmp_path, source, mode, "-s", "2.5")


@pytest.mark.parametrize("unit", ["ft", "us-ft", "m", "furlong"])
def test_units_of_height(tmp_path, unit):
    source = derived.write(tmp_path / "dem.tif", [derived.heights(100, 80)], TILES_32, None, GEOGRAPHIC, 4326)
    dataset = gdal.Open(source, gdal.GA_Update)
    dataset.GetRasterBand(1).SetUnitType(unit)
    dataset = None  # noqa: F841
    for mode in ("slope", "hillshade", "TRI"):
        same(tmp_path, source, mode)


@pytest.mark.skipif(int(gdal.VersionInfo()) < 3110000, reason="from GDAL 3.11 on")
def test_two_scales(tmp_path):
    source = derived.write(tmp_path / "dem.tif", [derived.heights(100, 80)], TILES_32)
    for mode in ("slope", "hillshade"):
        same(tmp_path, source, mode, "-xscale", "2", "-yscale", "3")


def test_what_the_source_says_of_itself_is_not_said_of_the_result(tmp_path):
    source = derived.write(tmp_path / "dem.tif", [derived.heights(100, 80)], TILES_32, -1)
    dataset = gdal.Open(source, gdal.GA_Update)
    dataset.SetMetadata({"AREA_OR_POINT": "Point", "TIFFTAG_SOFTWARE": "x", "NAME": "dem"})
    band = dataset.GetRasterBand(1)
    band.SetMetadata({"STATISTICS_MINIMUM": "0", "OF": "band"})
    band.SetDescription("heights")
    band.SetUnitType("m")
    band.SetScale(2)
    band.SetOffset(100)
    dataset = band = None  # noqa: F841
    for mode in MODES:
        same(tmp_path, source, mode)


# --- kinds of sources --------------------------------------------------------------------------------


def test_vrt_of_a_window(tmp_path):
    source = derived.write(tmp_path / "dem.tif", [derived.heights(200, 150)], TILES_32)
    vrt = str(tmp_path / "window.vrt")
    gdal.Translate(vrt, source, format="VRT", srcWin=[11, 7, 140, 120])
    for mode in ("slope", "hillshade"):
        assert same(tmp_path, vrt, mode, "-compute_edges")["SOURCE_KIND"] == "WINDOWS"


def test_vrt_mosaic(tmp_path):
    whole = derived.heights(192, 128)
    parts = []
    for index, (x, y) in enumerate([(0, 0), (96, 0), (0, 64), (96, 64)]):
        transform = (500000 + 10 * x, 10, 0, 4600000 - 10 * y, 0, -10)
        name = tmp_path / f"part{index}.tif"
        parts.append(derived.write(name, [whole[y : y + 64, x : x + 96]], TILES_32, None, transform))
    vrt = str(tmp_path / "mosaic.vrt")
    gdal.BuildVRT(vrt, parts)
    for mode in ("slope", "TPI"):
        same(tmp_path, vrt, mode, "-compute_edges")


def test_vrt_resampled(tmp_path):
    source = derived.write(tmp_path / "dem.tif", [derived.heights(200, 150)], TILES_32)
    vrt = str(tmp_path / "resampled.vrt")
    gdal.Translate(vrt, source, format="VRT", width=130, height=91, resampleAlg="nearest")
    same(tmp_path, vrt, "slope")


def test_vrt_that_is_plain_is_read_as_what_it_shows(tmp_path):
    source = derived.write(tmp_path / "dem.tif", [derived.heights(200, 150)], TILES_32)
    vrt = str(tmp_path / "plain.vrt")
    gdal.Translate(vrt, source, format="VRT")
    assert same(tmp_path, vrt, "slope")["SOURCE_KIND"] == "BLOCKS"


def test_warped_vrt(tmp_path):
    source = derived.write(tmp_path / "dem.tif", [derived.heights(200, 150)], TILES_32)
    vrt = str(tmp_path / "warped.vrt")
    gdal.Warp(vrt, source, format="VRT", dstSRS="EPSG:4326")
    same(tmp_path, vrt, "slope", "-s", "111120")


def test_memory_dataset(tmp_path):
    source = gdal.GetDriverByName("MEM").CreateCopy("", gdal.Open(derived.write(tmp_path / "d.tif", [derived.heights(99, 77)])))
    same(tmp_path, source, "slope", "-compute_edges")


@pytest.mark.parametrize("driver", ["PNG", "AAIGrid", "HFA"])
def test_other_formats(tmp_path, driver):
    path = derived.write(tmp_path / "d.tif", [derived.heights(99, 77, "Byte")])
    source = str(tmp_path / "dem.any")
    with streamtiff.messages():
        gdal.GetDriverByName(driver).CreateCopy(source, gdal.Open(path))
    same(tmp_path, source, "slope", "-compute_edges")


def test_sparse_source(tmp_path):
    """Missing blocks are a constant, and what is derived from them need not be one."""
    path = str(tmp_path / "dem.tif")
    dataset = gdal.GetDriverByName("GTiff").Create(path, 160, 128, 1, gdal.GDT_Float32, [*TILES_32, "SPARSE_OK=TRUE"])
    dataset.SetGeoTransform(derived.NORTH_UP)
    dataset.GetRasterBand(1).WriteArray(derived.heights(64, 32), 32, 32)
    dataset = None
    for mode in ("slope", "roughness"):
        figures = same(tmp_path, path, mode, "-compute_edges")
        assert figures["BLOCK_DECODES"] == figures["PREDICTED_DECODES"] == figures["SOURCE_BLOCKS"] == 2


def test_sparse_bands(tmp_path):
    path = str(tmp_path / "dem.tif")
    options = [*TILES_32, "SPARSE_OK=TRUE", "INTERLEAVE=BAND"]
    dataset = gdal.GetDriverByName("GTiff").Create(path, 160, 128, 2, gdal.GDT_Float32, options)
    dataset.GetRasterBand(1).WriteArray(derived.heights(64, 64), 32, 32)
    dataset.GetRasterBand(2).WriteArray(derived.heights(96, 64), 32, 32)
    dataset = None
    for band, blocks in ((1, 4), (2, 6)):
        figures = same(tmp_path, path, "TPI", "-b", str(band))
        assert figures["BLOCK_DECODES"] == figures["PREDICTED_DECODES"] == figures["SOURCE_BLOCKS"] == blocks


def test_opaque_source(tmp_path):
    """Slope of roughness: what gdaldem hands over can itself be derived from."""
    source = derived.write(tmp_path / "dem.tif", [derived.heights(120, 90)], TILES_32)
    derived.gdaldem(tmp_path / "roughness.tif", source, "roughness")
    derived.gdaldem(tmp_path / "expected.tif", str(tmp_path / "roughness.tif"), "slope", "-s", "3")
    target = str(tmp_path / "out.tif")
    gdal.DEMProcessing(
        target, source, "roughness", options=[], format="StreamTIFF", creationOptions=["DERIVE=slope -s 3"]
    )
    assert streamtiff.pixels(target) == streamtiff.pixels(tmp_path / "expected.tif")


# --- colour files ------------------------------------------------------------------------------------

COLOR_FILES = {
    "values": BY_VALUE,
    "alpha": "0 1 2 3 4\n1500 50 60 70 80\n3000 255 255 255 255\n",
    "nv": "nv 0 0 255 0\n0 0 0 0\n3000 255 255 255\n",
    "names": "0 blue\n1000 green\n2000 orange 100\n3000 white\n",
    "separators": "0,1,2,3\n1000:40:50:60\n2000\t7 8 9\n",
    "comments": "# heights\n\n0 1 2 3\n/ more\n3000 4 5 6\n",
    "percents": "0% 0 0 0\n33.3% 10 200 30\n50% red\n100% 255 255 255\n",
    "percents-and-values": "nv 1 1 1\n1000 9 9 9\n25% 0 255 0 77\n100%,white\n",
    "repeated": "0 0 0 0\n1000 50 50 50\n1000 200 0 0\n3000 255 255 255\n",
    "cpt": "# COLOR_MODEL = RGB\n0 10 10 10 1000 50 60 70\n1000 50 60 70 3000 200 210 220\nN 1 2 3\n",
}


@pytest.mark.parametrize("option", [(), ("-alpha",), ("-exact_color_entry",), ("-nearest_color_entry", "-alpha")])
@pytest.mark.parametrize("dtype", ["Byte", "Int16", "Float32"])
@pytest.mark.parametrize("form", COLOR_FILES)
def test_color_files(tmp_path, colors, form, dtype, option):
    nodata = None if form == "values" else 64
    z = derived.heights(300, 230, dtype)
    if nodata:
        z = derived.with_holes(z, nodata)
    source = derived.write(tmp_path / "dem.tif", [z], TILES_32, nodata)
    text = COLOR_FILES[form]
    if dtype == "Byte":
        text = text.replace("3000", "130").replace("1800", "90").replace("1000", "60").replace("2000", "100")
    figures = same(tmp_path, source, "color-relief", *option, color=colors(text))
    passes = 2 if "%" in text else 1
    # gdaldem has left its statistics beside the source, so that the second one needs no pass.
    assert figures["BLOCK_DECODES"] == figures["PREDICTED_DECODES"]
    assert figures["BLOCK_DECODES"] in (figures["SOURCE_BLOCKS"], passes * figures["SOURCE_BLOCKS"])


def test_statistics_take_one_pass(tmp_path, colors):
    source = derived.write(tmp_path / "dem.tif", [derived.heights(300, 230)], TILES_32)
    command = f"DERIVE=color-relief {colors(COLOR_FILES['percents'])}"
    figures = streamtiff.streaming(streamtiff.create_copy(tmp_path / "out.tif", source, "COMPRESS=NONE", command))
    assert figures["SOURCE_BLOCKS"] == 80
    assert figures["BLOCK_DECODES"] == figures["PREDICTED_DECODES"] == 160
    gdal.Unlink(source + ".aux.xml")
    derived.gdaldem(tmp_path / "expected.tif", source, "color-relief", color=str(tmp_path / "colors.txt"))
    assert streamtiff.pixels(tmp_path / "out.tif") == streamtiff.pixels(tmp_path / "expected.tif")


@pytest.mark.parametrize("quoted", ['"{}"', "'{}'", "{}"])
def test_color_file_with_spaces(tmp_path, colors, quoted):
    source = derived.write(tmp_path / "dem.tif", [derived.heights(60, 50)], TILES_32)
    path = colors(BY_VALUE, "my colours \"of\" 'hills'.txt" if quoted == "{}" else "my colours.txt")
    word = quoted.format(path)
    if quoted == "{}":
        for character in " \"'":
            word = word.replace(character, "\\" + character)
    streamtiff.create_copy(tmp_path / "out.tif", source, f"DERIVE=color-relief {word} -alpha")
    derived.gdaldem(tmp_path / "expected.tif", source, "color-relief", "-alpha", color=path)
    assert streamtiff.pixels(tmp_path / "out.tif") == streamtiff.pixels(tmp_path / "expected.tif")


def test_nothing_is_left_in_memory(tmp_path, colors):
    source = derived.write(tmp_path / "dem.tif", [derived.heights(60, 50)], TILES_32)
    before = streamtiff.listing("/vsimem/")
    streamtiff.create_copy(tmp_path / "out.tif", source, f"DERIVE=color-relief {colors(BY_VALUE)}")
    streamtiff.refused(tmp_path / "no.tif", gdal.Open(source), f"DERIVE=color-relief {colors('0 no-such-colour')}")
    assert streamtiff.listing("/vsimem/") == before


# --- what is refused ---------------------------------------------------------------------------------

REFUSED = {
    "": "unknown mode",
    "steepness": "steepness",
    "slope -z 2": "-z",
    "slope -steep": "-steep",
    "slope -s": "-s",
    "slope -s steep": "steep",
    "slope -alg Riley": "Riley",
    "TRI -alg Horn": "Horn",
    "TPI -alg Horn": "-alg",
    "aspect -p": "-p",
    "hillshade -combined -igor": "-igor",
    "hillshade -multidirectional -az 3": "-az",
    "hillshade -igor -alt 3": "-alt",
    "hillshade -alt up": "up",
    "slope -b 2": "band 2",
    "slope -b 0": "-b",
    "slope -of GTiff": "-of",
    "slope dem.tif": "dem.tif",
    "color-relief": "colour file",
    "color-relief /nowhere/colors.txt": "/nowhere/colors.txt",
    "color-relief a b": "'b'",
    "slope 'not closed": "quote",
    "roughness -alpha": "-alpha",
}


@pytest.mark.parametrize("command", REFUSED, ids=[command or "empty" for command in REFUSED])
def test_refused(tmp_path, command):
    source = derived.write(tmp_path / "dem.tif", [derived.heights(60, 50)], TILES_32)
    assert REFUSED[command] in streamtiff.refused(tmp_path / "out.tif", gdal.Open(source), f"DERIVE={command}")


@pytest.mark.parametrize("text", ["", "# nothing\n", "0 no-such-colour\n", "120% 1 2 3\n"])
def test_bad_color_file(tmp_path, colors, text):
    source = derived.write(tmp_path / "dem.tif", [derived.heights(60, 50)], TILES_32)
    assert "vsimem" not in streamtiff.refused(tmp_path / "out.tif", gdal.Open(source), f"DERIVE=color-relief {colors(text)}")


@pytest.mark.parametrize("name", ["CInt16", "CFloat32"])
def test_complex(tmp_path, name):
    path = str(tmp_path / "dem.tif")
    dataset = gdal.GetDriverByName("GTiff").Create(path, 50, 40, 1, gdal.GetDataTypeByName(name))
    assert "complex" in streamtiff.refused(tmp_path / "out.tif", dataset, "DERIVE=slope")


def test_broken_block(tmp_path):
    """The first error is told, by whichever reader it was met, and nothing is left."""
    source = derived.write(tmp_path / "dem.tif", [derived.heights(300, 300)], TILES_32)
    dataset = gdal.Open(source)
    band = dataset.GetRasterBand(1)
    offset = int(band.GetMetadataItem("BLOCK_OFFSET_4_5", "TIFF"))
    band = dataset = None
    with open(source, "r+b") as file:
        file.seek(offset)
        file.write(b"\xff" * 64)
    for threads in (1, 4):
        text = streamtiff.refused(tmp_path / "out.tif", gdal.Open(source), "DERIVE=slope", f"NUM_THREADS={threads}")
        assert "4, 5" in text


def test_cancelled(tmp_path):
    source = derived.write(tmp_path / "dem.tif", [derived.heights(300, 300)], TILES_32)
    for at in (0.0, 0.3, 0.9):
        streamtiff.refused(
            tmp_path / "out.tif",
            gdal.Open(source),
            "DERIVE=slope",
            "NUM_THREADS=4",
            callback=lambda done, *_: int(done < at),
        )
