"""What the tests of LAYOUT=COG share: the parts of a file as they lie in it, and comparisons with GDAL's COG driver."""

import struct

import parity
import streamtiff
import tiff_tags
from osgeo import gdal
from osgeo_utils.samples import validate_cloud_optimized_geotiff as validator

DRIVER = "COG"
VERSION = parity.VERSION

# All that differs from COG's defaults, so that each side is told.
PLAIN = ("COMPRESS=NONE", "PREDICTOR=NO", "OVERVIEW_PREDICTOR=NO", "BIGTIFF=NO", "NUM_THREADS=1")
OFFSETS, COUNTS, SUBFILE = 324, 325, 254
REDUCED, MASK = 1, 4


def copy(driver, target, source, *options, callback=None):
    """CreateCopy as either driver does it, without GDAL's word on options (tiles smaller than it recommends).
    Gives the dataset and what was said."""
    if not isinstance(source, gdal.Dataset):
        source = gdal.Open(str(source))
    options = list(options) + (["LAYOUT=COG"] if driver == streamtiff.DRIVER else [])
    with parity.config(GDAL_VALIDATE_CREATION_OPTIONS="NO"), streamtiff.messages() as kept:
        dataset = gdal.GetDriverByName(driver).CreateCopy(
            str(target), source, strict=0, options=options, callback=callback
        )
    return dataset, kept


def ours(target, source, *options, callback=None):
    """A COG of ours, made without a message, and valid. Gives the figures."""
    dataset, kept = copy(streamtiff.DRIVER, target, source, *options, callback=callback)
    assert dataset is not None, kept
    assert kept == []
    figures = streamtiff.streaming(dataset)
    dataset = None
    streamtiff.check_figures(figures)
    check_valid(target, "OVERVIEWS=NONE" in options)
    return figures


NO_OVERVIEWS = "it is recommended to include internal overviews"


def check_valid(path, without_overviews=False):
    """Nothing to say against it, by GDAL's own checker and by GDAL."""
    dataset = gdal.Open(str(path))
    assert dataset.GetMetadataItem("LAYOUT", "IMAGE_STRUCTURE") == "COG"
    warnings, errors, _ = validator.validate(dataset, full_check=True)
    warnings = [text for text in warnings if not (without_overviews and NO_OVERVIEWS in text)]
    assert (warnings, errors) == ([], [])
    dataset = None
    check_frames(Parts(path))


def shape_of(path):
    """What the tags say, but for where tiles lie."""
    return tiff_tags.shape(Parts(path).data)


def said(kept):
    """What matters of the messages: not what GDAL says of the file that it makes overviews in, nor how often."""
    noise = (".ovr.tmp", "Setting nodata to ", "GetNoDataValue() returns an approximate value")
    return {(kind, number) for kind, number, text in kept if not any(part in text for part in noise)}


def is_cog(path):
    return gdal.Open(str(path)).GetMetadataItem("LAYOUT", "IMAGE_STRUCTURE") == "COG"


class Parts:
    """A COG taken apart: what stands before the tiles, the directories, and where their tiles lie."""

    def __init__(self, path):
        with open(path, "rb") as file:
            self.data = file.read()
        self.images = tiff_tags.directories(self.data)
        self.ghost = self.data[self.header_bytes() : self.first_directory()]
        places = [self.places(image) for image in range(len(self.images))]
        there = [(at, count, image, tile) for image, of in enumerate(places) for tile, (at, count) in enumerate(of) if at]
        self.tiles = sorted(there)
        self.head = self.data[: self.tiles[0][0] - 4] if self.tiles else self.data

    def is_big(self):
        return struct.unpack_from("<H", self.data, 2)[0] == 43

    def header_bytes(self):
        return 16 if self.is_big() else 8

    def first_directory(self):
        return struct.unpack_from("<Q", self.data, 8)[0] if self.is_big() else struct.unpack_from("<I", self.data, 4)[0]

    def places(self, image):
        tags = self.images[image]
        return list(zip(tags[OFFSETS][1], tags[COUNTS][1]))

    def kinds(self):
        return [tags.get(SUBFILE, (0, (0,)))[1][0] for tags in self.images]

    def order(self):
        """(image, tile) of all tiles that are there, front to back."""
        return [(image, tile) for _, _, image, tile in self.tiles]


def check_frames(parts):
    """Each tile has its size before and its last bytes behind it, and there is nothing between and behind them."""
    end = len(parts.head)
    for at, count, _, _ in parts.tiles:
        assert at == end + 4
        assert struct.unpack_from("<I", parts.data, at - 4)[0] == count
        last = parts.data[at : at + count][-4:]
        assert parts.data[at + count : at + count + 4] == last + b"\0" * (4 - len(last))
        end = at + count + 4
    assert end == len(parts.data)


def same_as_gdal(folder, source, *options):
    """Copies with both drivers, and compares what is said, all that stands before the tiles byte by byte (where tiles are not
    compressed; their places are in it), the order of the tiles, and all that GDAL shows. Gives our path and parts."""
    theirs_path, ours_path = folder / "theirs" / "out.tif", folder / "ours" / "out.tif"
    for path in (theirs_path, ours_path):
        path.parent.mkdir(parents=True, exist_ok=True)
    theirs, expected = copy(DRIVER, theirs_path, source, *options)
    dataset, kept = copy(streamtiff.DRIVER, ours_path, source, *options)
    assert (dataset is None) == (theirs is None), (expected, kept)
    if theirs is None:
        return None, None
    figures = streamtiff.streaming(dataset)
    theirs = dataset = None
    assert said(kept) == said(expected), (kept, expected)
    streamtiff.check_figures(figures)
    check_valid(ours_path, "OVERVIEWS=NONE" in options)
    if not is_cog(theirs_path):  # before 3.11 its driver takes over INTERLEAVE=BAND from the source, and makes none
        assert VERSION < 31100
        assert streamtiff.pixels(ours_path) == streamtiff.pixels(theirs_path)
        return ours_path, Parts(ours_path)
    a, b = Parts(theirs_path), Parts(ours_path)
    assert b.ghost == a.ghost
    assert tiff_tags.shape(b.data) == tiff_tags.shape(a.data)
    assert b.order() == a.order()
    if "COMPRESS=NONE" in options and not any(kind & MASK for kind in a.kinds()):
        assert b.head == a.head
    assert parity.inspect(ours_path.parent) == parity.inspect(theirs_path.parent)
    return ours_path, b
