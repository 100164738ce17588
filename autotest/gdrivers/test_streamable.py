"""STREAMABLE_OUTPUT=YES: the directory comes first, and the blocks behind it in their order, so that a pipe can be read."""

import subprocess
import sys

import parity
import pytest
import streamtiff
import terrain
import tiff_tags
from osgeo import gdal
from parity_sources import Sources

WIDTH, HEIGHT = 700, 400
SHAPES = {
    "tiles": ("BLOCKXSIZE=64", "BLOCKYSIZE=32"),
    "strips": ("TILED=NO", "BLOCKYSIZE=7"),
    "bands apart": ("INTERLEAVE=BAND", "BLOCKXSIZE=64", "BLOCKYSIZE=32"),
    "strips of bands": ("INTERLEAVE=BAND", "TILED=NO", "BLOCKYSIZE=7", "BIGTIFF=YES"),
    "other byte order": ("ENDIANNESS=INVERTED", "BLOCKXSIZE=64", "BLOCKYSIZE=32"),
    "few bits": ("NBITS=12", "BLOCKXSIZE=64", "BLOCKYSIZE=32"),
}


def raster(bands=3, width=WIDTH, height=HEIGHT):
    dataset = gdal.GetDriverByName("MEM").Create("", width, height, bands, gdal.GDT_UInt16)
    for band in range(bands):
        numbers = bytes((i * (band + 3) + i // width) % 251 if i % 2 == 0 else i % 13 for i in range(width * height * 2))
        dataset.GetRasterBand(band + 1).WriteRaster(0, 0, width, height, numbers)
    return dataset


@pytest.fixture(scope="module")
def source():
    return raster()


def blocks(data):
    """Offsets and sizes of the blocks of the only image, and the place of its directory."""
    reader = tiff_tags._Reader(data)
    at = reader.numbers("Q", 8)[0] if reader.big else reader.numbers("I", 4)[0]
    tags, following = reader.directory(at)
    assert following == 0
    offsets, counts = (tags.get(tile) or tags[strip] for tile, strip in ((324, 273), (325, 279)))
    return list(zip(offsets[1], counts[1])), at, reader.big


def assert_front_to_back(data):
    """Header, directory, and block behind block up to the end of the file."""
    places, directory, big = blocks(data)
    assert directory == (16 if big else 8)
    assert all(offset + count == following for (offset, count), (following, _) in zip(places, places[1:]))
    assert directory < places[0][0] and sum(places[-1]) == len(data)


@pytest.mark.parametrize("shape", SHAPES)
def test_directory_and_blocks_lie_in_order(tmp_path, source, shape):
    target = tmp_path / "out.tif"
    dataset = streamtiff.create_copy(target, source, "STREAMABLE_OUTPUT=YES", *SHAPES[shape])
    streamtiff.check_figures(streamtiff.streaming(dataset))
    dataset = None
    assert_front_to_back(target.read_bytes())
    assert streamtiff.pixels(target) == streamtiff.pixels(source)


@pytest.mark.parametrize("name", ["everything", "bands_7_Int16", "gtiff_with_holes", "type_CFloat64"])
def test_pixels_are_the_sources(tmp_path, name):
    """Where GTiff's are not (parity_allowed.py)."""
    (tmp_path / "sources").mkdir()
    made = Sources(tmp_path / "sources")[name]
    for number, options in enumerate(((), ("ENDIANNESS=BIG",), ("TILED=NO", "INTERLEAVE=BAND"))):
        target = tmp_path / f"{number}.tif"
        dataset = gdal.GetDriverByName("StreamTIFF").CreateCopy(str(target), made, options=["STREAMABLE_OUTPUT=YES", *options])
        dataset = None  # noqa: F841
        assert_front_to_back(target.read_bytes())
        assert streamtiff.pixels(target) == streamtiff.pixels(made)


def test_any_sweep_and_any_threads_give_the_same_file(tmp_path):
    """At a small cap tiles are complete stripe by stripe, and not in their order."""
    layout = ["TILED=YES", "BLOCKXSIZE=272", "BLOCKYSIZE=272"]
    path = terrain.make_terrain(tmp_path / "in.tif", 3000, 600, "Float32", 1, layout)
    options = ["STREAMABLE_OUTPUT=YES", "BLOCKXSIZE=256", "BLOCKYSIZE=256"]
    files, sweeps = set(), set()
    for cap, threads in (("3MB", 1), ("3MB", 4), ("64MB", 3)):
        target = tmp_path / f"{cap}{threads}.tif"
        dataset = streamtiff.create_copy(target, path, *options, f"MEMORY_CAP={cap}", f"NUM_THREADS={threads}")
        figures = streamtiff.streaming(dataset)
        streamtiff.check_figures(figures)
        sweeps.add(figures["SWEEP"])
        dataset = None
        assert_front_to_back(target.read_bytes())
        files.add(target.read_bytes())
    assert len(files) == 1 and sweeps == {"BANDS", "STRIPES"}
    assert streamtiff.pixels(target) == streamtiff.pixels(path)


READ_BACK = (
    "import sys; from osgeo import gdal; gdal.UseExceptions(); ds = gdal.Open('/vsistdin/');"
    "[sys.stdout.buffer.write(ds.GetRasterBand(b + 1).ReadRaster(0, y, ds.RasterXSize, 1))"
    " for b in range(ds.RasterCount) for y in range(ds.RasterYSize)]"
)


def through_pipe(path):
    """What GTiff reads of a file that comes through a pipe, band by band, and its exit code."""
    feeder = subprocess.Popen(["cat", str(path)], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
    done = subprocess.run(
        [sys.executable, "-c", READ_BACK], stdin=feeder.stdout, stdout=subprocess.PIPE, stderr=subprocess.PIPE, timeout=60
    )
    feeder.stdout.close()
    feeder.wait()
    return done.returncode, done.stdout


@pytest.mark.parametrize("streamable", ["YES", "NO"])
def test_gtiff_reads_it_from_a_pipe(tmp_path, source, streamable):
    """GDAL remembers the first megabyte of a pipe, and this file is larger: one with its directory at the end it cannot read."""
    target = tmp_path / "out.tif"
    options = ["COMPRESS=NONE", "TILED=NO", "INTERLEAVE=BAND", f"STREAMABLE_OUTPUT={streamable}"]
    dataset = streamtiff.create_copy(target, source, *options)
    dataset = None  # noqa: F841
    assert target.stat().st_size > 1 << 20
    code, read = through_pipe(target)
    assert (code == 0) == (streamable == "YES")
    assert code != 0 or read == b"".join(map(bytes, streamtiff.pixels(source)))


def to_stdout(tmp_path, source, *options):
    path = tmp_path / "source.tif"
    gdal.GetDriverByName("GTiff").CreateCopy(str(path), source)
    script = (
        "import sys; from osgeo import gdal;"
        "gdal.GetDriverByName('StreamTIFF').CreateCopy('/vsistdout/', gdal.Open(sys.argv[1]), options=sys.argv[2:])"
    )
    done = subprocess.run([sys.executable, "-c", script, str(path), *options], stdout=subprocess.PIPE, timeout=60)
    assert done.returncode == 0
    return done.stdout


@pytest.mark.parametrize("options", [("COMPRESS=NONE",), ("STREAMABLE_OUTPUT=YES", "TILED=NO"), ("COMPRESS=DEFLATE",)], ids=" ".join)
def test_pipe_is_streamed_as_gtiff_does(tmp_path, source, options):
    """Unasked where nothing is compressed; and what is compressed arrives whole all the same."""
    data = to_stdout(tmp_path, source, *options)
    if "COMPRESS=DEFLATE" not in options:
        assert_front_to_back(data)
    (tmp_path / "out.tif").write_bytes(data)
    assert streamtiff.pixels(tmp_path / "out.tif") == streamtiff.pixels(source)


@pytest.mark.parametrize("options", [
    ("COMPRESS=LZW",), ("COMPRESS=DEFLATE",), ("SPARSE_OK=YES",), ("COPY_SRC_OVERVIEWS=YES",), ("LAYOUT=COG",),
], ids=" ".join)  # fmt: skip
def test_what_cannot_be_streamed_is_refused(tmp_path, source, options):
    assert "STREAMABLE_OUTPUT" in streamtiff.refused(tmp_path / "out.tif", source, "STREAMABLE_OUTPUT=YES", *options)


@pytest.mark.parametrize("internal", ["YES", "NO"])
def test_mask_lies_beside(tmp_path, internal):
    masked = raster(1)
    masked.CreateMaskBand(gdal.GMF_PER_DATASET)
    masked.GetRasterBand(1).GetMaskBand().WriteRaster(3, 5, 8, 2, b"\xff" * 16)
    target = tmp_path / "out.tif"
    with parity.config(GDAL_TIFF_INTERNAL_MASK=internal):
        dataset = streamtiff.create_copy(target, masked, "STREAMABLE_OUTPUT=YES")
        dataset = None  # noqa: F841
    assert_front_to_back(target.read_bytes())
    written = gdal.Open(str(target))
    assert written.GetRasterBand(1).GetMaskBand().ReadRaster() == masked.GetRasterBand(1).GetMaskBand().ReadRaster()
