"""gdal_translate -of StreamTIFF against gdal_translate -of GTiff: the same command lines, the same files, the same said.

The program is little more than its arguments and gdal.Translate, which starts faster: some lines are run by both.
"""

import parity
import pytest
import streamtiff
from command_line import run
from osgeo import gdal
from parity_allowed import unexpected
from parity_sources import SOURCES

# source and arguments
LINES = """
rgb -a_nodata 0
rgb -a_nodata 0 -a_nodata none
dem -a_nodata nan
dem -a_nodata -9999 -ot Float64
rgb -scale
rgb -scale 0 255 10 20
dem -scale 0 500 0 255 -ot Byte
rgb -scale_1 0 255 1 2 -scale_2 0 255 3 4
dem -exponent 0.5 -scale 0 500 0 255 -ot Byte
dem -ot Int16
dem -ot UInt16
dem -ot CFloat32
rgb -ot UInt32
palette -expand rgb
palette -expand rgba
palette -expand gray
palette
rgba -mask none
rgba -b 1 -b 2 -b 3 -mask 4
rgba -b 1 -mask 4 -outsize 50% 50%
rgb -mask auto
rgba -b 1 -b 2 -b 3 -b 4
rgba -b 4
rgba -b 3 -b 2 -b 1
rgba -b 1 -b 1 -b 1
rgb -srcwin 10 20 30 25
rgb -srcwin -5 -5 90 70
rgb -srcwin -5 -5 90 70 -a_nodata 7
rgb -srcwin 10.5 20.5 30 25 -r bilinear
rgb -projwin 441320 3750720 442520 3749520
rgb -projwin 9 48 9.01 47.99 -projwin_srs EPSG:4326
dem -outsize 50% 50%
dem -outsize 150 0 -r cubic
dem -outsize 30 20 -r average
dem -outsize 30 20 -r nearest
dem -outsize 30 20 -r mode
dem -outsize 30 20 -r lanczos
dem -tr 100 100 -r bilinear
rgb -mo KEY=VALUE -mo OTHER=1=2
rgb -mo TIFFTAG_SOFTWARE=test
rgb -mo AREA_OR_POINT=Point
rgb -gcp 0 0 10 50 -gcp 75 0 11 50 -gcp 75 53 11 49 -a_srs EPSG:4326
rgb -gcp 0 0 10 50 5 -gcp 75 0 11 50 6 -gcp 75 53 11 49 7
rgb -colorinterp red,green,blue
rgb -colorinterp blue,green,red
rgba -colorinterp_4 undefined
rgba -colorinterp gray,alpha,undefined,undefined
dem -stats
rgb -stats
rgb -a_srs EPSG:3857
rgb -a_srs EPSG:4326+5773
rgb -a_srs none
rgb -a_ullr 0 10 10 0
rgb -a_scale 2 -a_offset 3
scaled -unscale -ot Float32
scaled -a_scale 0.5
scaled
rat -norat
rat
xmp -noxmp
xmp
gcps -nogcp
gcps
gcps -srcwin 10 10 20 20
rpc
rpc -srcwin 10 10 20 20
rpc -outsize 200% 200%
categories
descriptions -b 2
tags -nomd
rgb -nomd
many -b 2
overviews -ovr 0
overviews -ovr AUTO-1 -outsize 30 20
rgb -eco -srcwin 100 100 5 5
rgb -epo -srcwin -1 0 5 5
rgb -strict
mixed -strict
mixed
dem -co NBITS=16
palette -co NBITS=8 -ot UInt16
rgb -co COMPRESS=LZW -co INTERLEAVE=BAND -co PREDICTOR=2
rgb -co PROFILE=BASELINE
rgb -co COMPRESS=JPEG -co PHOTOMETRIC=YCBCR -co TILED=NO -co BLOCKYSIZE=16
dem -co ENDIANNESS=BIG
rgb -co NO_SUCH=YES
jpeg -mo A=B
png
netcdf
""".strip().splitlines()

NAMES = {
    "rgb": "gtiff_tiled_deflate", "dem": "nodata_Float32_0.1", "palette": "palette_16", "rgba": "color_rgba",
    "scaled": "scale_offset_unit", "rat": "rat", "xmp": "xmp", "gcps": "gcps", "rpc": "rpc", "categories": "categories",
    "descriptions": "descriptions", "tags": "tifftags", "many": "metadata", "overviews": "gtiff_with_overviews",
    "jpeg": "JPEG_rgb", "png": "PNG_rgba", "netcdf": "netCDF",
}  # fmt: skip
MIXED = """<VRTDataset rasterXSize="75" rasterYSize="53">{}</VRTDataset>"""
BAND = """<VRTRasterBand dataType="{}" band="{}"><SimpleSource><SourceFilename>{}</SourceFilename></SimpleSource></VRTRasterBand>"""


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    """Path of a source by its short name: as it is on disk, or as the GTiff of it."""
    folder = tmp_path_factory.mktemp("files")
    paths = {}
    for short, name in NAMES.items():
        home = folder / short
        home.mkdir()
        dataset = SOURCES[name](home)
        paths[short] = dataset.GetDescription()
        if not paths[short]:
            paths[short] = str(home / "source.tif")
            gdal.GetDriverByName("GTiff").CreateCopy(paths[short], dataset)
        dataset = None
    bands = [BAND.format(kind, i + 1, paths["dem"]) for i, kind in enumerate(("Byte", "Float32"))]
    (folder / "mixed.vrt").write_text(MIXED.format("".join(bands)))
    return {**paths, "mixed": str(folder / "mixed.vrt")}


def by_program(arguments, source, target):
    code, said, errors = run("gdal_translate", *arguments, source, target, CPL_TIMESTAMP="NO")
    return code, said, errors.splitlines()


def by_function(arguments, source, target):
    with streamtiff.messages() as kept:
        try:
            dataset = gdal.Translate(target, source, options=arguments)
        except TypeError:  # an option that this GDAL does not know
            dataset = None
        code = int(dataset is None)
        dataset = None  # noqa: F841
    return code, "", [text for _, _, text in kept]


def translate(way, driver, folder, source, arguments):
    folder.mkdir()
    named = [arguments[i + 1] for i, argument in enumerate(arguments) if argument == "-co"]
    options = [part for option in parity.with_layout(named) if option not in named for part in ("-co", option)]
    code, said, errors = way(["-of", driver, *options, *arguments], source, str(folder / "out.tif"))
    lines = sorted(line.replace(str(folder), "FOLDER").replace(driver, "DRIVER") for line in errors)
    return {"exit code": code, "said": said, "errors": lines, **parity.inspect(folder)}


@pytest.mark.parametrize(
    "way,line", [(by_function, line) for line in LINES] + [(by_program, line) for line in LINES[::6]]
)
def test_line(tmp_path, files, way, line):
    source, *arguments = line.split()
    theirs = translate(way, "GTiff", tmp_path / "GTiff", files[source], arguments)
    ours = translate(way, "StreamTIFF", tmp_path / "StreamTIFF", files[source], arguments)
    found = {k: (theirs.get(k), ours.get(k)) for k in {**theirs, **ours} if not parity.same(theirs.get(k), ours.get(k))}
    if theirs["exit code"] and ours["exit code"]:
        return  # refused by both, in words of their own
    found = unexpected(found, source, tuple(arguments))
    assert not found, parity.brief(found)


def test_enough_lines():
    assert len(set(LINES)) == len(LINES) > 50
