"""LAYOUT=COG with overviews: the cap as measured on the process, together with the bytes read and spilled.

Every case runs in a fresh process, and is compared with GDAL's COG driver, level by level."""

import os

import numpy as np
import pushed
import pytest
import streamtiff
import terrain
import test_cog_pixels
from osgeo import gdal
from streamtiff import MIB

SLACK_BYTES = 8 * MIB  # of the process over the effective cap: code, stacks, the allocator
HEADER_BYTES = 64 << 10
HEADER_OF_READER_BYTES = 8 << 10
PAGE_BYTES = 4096

TILED = ["TILED=YES", "BLOCKXSIZE=512", "BLOCKYSIZE=512", "COMPRESS=DEFLATE"]
SOURCES = {  # type, bands, size, layout
    "float_tiled": ("Float32", 1, (4096, 1700), TILED + ["PREDICTOR=3"]),
    "rgb_tiled": ("Byte", 3, (3001, 1400), TILED + ["PREDICTOR=2", "INTERLEAVE=PIXEL"]),
    "strips": ("Float32", 1, (4096, 1700), ["BLOCKYSIZE=1"]),
    "wide": ("Int16", 1, (16384, 700), TILED),
    "slope": ("Float32", 1, (4096, 1700), TILED + ["PREDICTOR=3"]),
    "derived": ("Float32", 1, (4096, 1700), TILED + ["PREDICTOR=3"]),
    "derived_strips": ("Float32", 1, (1500, 1100), ["BLOCKYSIZE=512", "COMPRESS=DEFLATE"]),
}
CASES = [
    ("float_tiled", 16, 1),
    ("float_tiled", 16, 2),
    ("float_tiled", 64, 2),
    ("float_tiled", 256, 4),
    ("rgb_tiled", 4, 1),
    ("rgb_tiled", 16, 2),
    ("strips", 16, 1),
    ("strips", 64, 2),
    ("wide", 16, 1),
    ("wide", 20, 2),
    ("slope", 16, 2),
    ("slope", 64, 1),
    ("derived", 16, 2),
    ("derived_strips", 8, 1),  # so little that what GDAL makes the template with would be seen
]
OPTIONS = ["BLOCKSIZE=512", "LEVEL=1"]
DERIVED = ("slope", "derived", "derived_strips")  # by gdaldem, and by DERIVE
METHODS = {"rgb_tiled": "AVERAGE", "wide": "LANCZOS"}


@pytest.fixture(scope="module")
def source_path(tmp_path_factory):
    folder, made = tmp_path_factory.mktemp("sources"), {}

    def path(name):
        dtype, bands, size, layout = SOURCES[name]
        key = (dtype, bands, size, tuple(layout))
        if key not in made:
            made[key] = folder / f"{name}.tif"
            terrain.make_terrain(made[key], *size, dtype, bands, layout)
        return made[key]

    return path


def options_of(name):
    return OPTIONS + [f"OVERVIEW_RESAMPLING={METHODS.get(name, 'CUBIC')}"]


@pytest.fixture(scope="module")
def reference(source_path):
    """What GDAL's COG driver writes, made once for each content."""
    made = {}

    def levels(name):
        if name not in made:
            target, source = f"/vsimem/{name}.tif", str(source_path(name))
            options = options_of(name) + ["NUM_THREADS=2"]
            if name in DERIVED:
                dataset = gdal.DEMProcessing(target, source, "slope", format="COG", creationOptions=options)
            else:
                dataset = gdal.Translate(target, source, format="COG", creationOptions=options)
            dataset = None  # noqa: F841
            made[name] = test_cog_pixels.levels(target)
            gdal.Unlink(target)
        return made[name]

    return levels


@pytest.mark.skipif(not os.path.exists("/proc/self/clear_refs"), reason="needs Linux's /proc")
@pytest.mark.parametrize("name,cap_mb,threads", CASES, ids=["-".join(map(str, case)) for case in CASES])
def test_cap_and_bytes_read(source_path, reference, tmp_path, name, cap_mb, threads):
    path, target = source_path(name), tmp_path / "out.tif"
    derive = ["DERIVE=slope"] if name.startswith("derived") else []
    job = {
        "source": str(path),
        "target": str(target),
        "options": ["LAYOUT=COG", f"MEMORY_CAP={cap_mb}MB", f"NUM_THREADS={threads}", *options_of(name), *derive],
        "translate": {},
        "dem": ["slope"] if name == "slope" else None,
    }
    measured = streamtiff.measured_copy(job)
    figures = {key: int(value) if value.isdigit() else value for key, value in measured["streaming"].items()}
    streamtiff.check_figures(figures)
    raised = figures["CAP_BYTES"] > figures["REQUESTED_CAP_BYTES"]
    assert len(measured["warnings"]) == (1 if raised else 0), measured["warnings"]
    assert measured["cache_max_kept"]
    if threads == 1:
        assert figures["PREDICTED_PEAK_BYTES"] <= 1.15 * figures["PEAK_BYTES"]
    method = METHODS.get(name, "CUBIC")
    test_cog_pixels.check_same(test_cog_pixels.levels(target), reference(name), method)

    # Of what is read, the tiles that are copied from the spool are ours.
    dataset = gdal.Open(str(path))
    blocks = dataset.GetRasterBand(1).GetBlockSize()
    _, _, (width, height), _ = SOURCES[name]
    count = -(-width // blocks[0]) * -(-height // blocks[1])
    pages = PAGE_BYTES * (count if blocks[1] >= 32 else count // 32 + 1)
    headers = HEADER_BYTES + HEADER_OF_READER_BYTES * threads
    read = measured["read_bytes"] - figures["SPOOL_BYTES"]
    assert read <= 1.02 * os.path.getsize(path) + pages + headers
    if streamtiff.SANITIZER is None:
        slack_bytes = SLACK_BYTES // 4 if name == "derived_strips" else SLACK_BYTES
        assert measured["peak_rss_bytes"] <= figures["CAP_BYTES"] + slack_bytes


@streamtiff.needs_true_rss
@pytest.mark.skipif(not os.path.exists("/proc/self/clear_refs"), reason="needs Linux's /proc")
@pytest.mark.parametrize("what", ["nodata", "mask"])
def test_what_gdal_resamples_in_is_in_the_account(tmp_path, what):
    """With nodata it finds a mask first. Each thread's heap keeps what it took; a mask's pass comes before that of the bands,
    which has fewer threads."""
    path = tmp_path / "in.tif"
    terrain.make_terrain(path, *((4096, 1700, "Int16") if what == "nodata" else (3001, 1700, "Float32")), 1, TILED)
    source = gdal.Open(str(path), gdal.GA_Update)
    if what == "nodata":
        source.GetRasterBand(1).SetNoDataValue(500)
    else:
        with pushed.config("GDAL_TIFF_INTERNAL_MASK", "YES"):
            source.CreateMaskBand(gdal.GMF_PER_DATASET)
        holes = np.random.RandomState(1).rand(1700, 3001) > 0.8
        source.GetRasterBand(1).GetMaskBand().WriteArray(np.where(holes, 0, 255).astype(np.uint8))
    source = None  # noqa: F841
    cap_mb, threads, method, codec = {
        "nodata": (128, 16, "RMS", ["COMPRESS=DEFLATE", "LEVEL=1"]),
        "mask": (24, 8, "CUBIC", ["COMPRESS=ZSTD"]),
    }[what]
    options = ["LAYOUT=COG", f"MEMORY_CAP={cap_mb}MB", f"NUM_THREADS={threads}", f"OVERVIEW_RESAMPLING={method}", *codec]
    measured = streamtiff.measured_copy(
        {"source": str(path), "target": str(tmp_path / "out.tif"), "options": options, "translate": {}, "dem": None}
    )
    told = {key: int(measured["streaming"][key]) for key in ("CAP_BYTES", "PEAK_BYTES")}
    assert told["CAP_BYTES"] == cap_mb * MIB
    assert measured["peak_rss_bytes"] <= told["PEAK_BYTES" if what == "nodata" else "CAP_BYTES"]


@streamtiff.needs_true_rss
def test_rss_is_measured():
    """Stands for the assertions on RSS that the cases leave out under a sanitizer."""
    assert streamtiff.SANITIZER is None


def test_wide_rasters_do_not_spill_for_overviews(tmp_path):
    """Rather stripes: they cost nothing where they are in step with the source's blocks."""
    path = tmp_path / "in.tif"
    source = gdal.GetDriverByName("GTiff").Create(
        str(path), 20000, 6144, 1, gdal.GDT_Float32, TILED + ["SPARSE_OK=TRUE"]
    )
    source = None  # noqa: F841
    for threads in (1, 2):
        dataset = streamtiff.create_copy(
            tmp_path / "out.tif", path, "LAYOUT=COG", "MEMORY_CAP=64MB", f"NUM_THREADS={threads}"
        )
        figures = streamtiff.streaming(dataset)
        dataset = None
        assert figures["SPILL_BYTES"] == 0
        assert figures["SWEEP"] == "STRIPES"
        assert figures["FLOOR_BYTES"] <= 14 * MIB


@pytest.mark.parametrize("sparse", ["YES", "NO"])
def test_many_tiles_and_little_data(tmp_path, sparse):
    """Tiles of one value take neither a slot nor an encoder, nor do their levels; what they take in tables is in the account."""
    path, target = tmp_path / "in.tif", tmp_path / "out.tif"
    size = 40000
    source = gdal.GetDriverByName("GTiff").Create(str(path), size, size, 1, gdal.GDT_Byte, TILED + ["SPARSE_OK=TRUE"])
    places = [(0, 0), (20123, 11077), (size - 700, size - 900)]
    for x, y in places:
        source.GetRasterBand(1).WriteArray(terrain.samples("Byte", x, y, 700, 900), x, y)
    source = None  # noqa: F841
    options = ["LAYOUT=COG", "MEMORY_CAP=32MB", "NUM_THREADS=2", "BLOCKSIZE=256", f"SPARSE_OK={sparse}"]
    options += ["OVERVIEW_RESAMPLING=AVERAGE", "STATISTICS=YES"]
    job = {"source": str(path), "target": str(target), "options": options, "translate": {}, "dem": None}
    measured = streamtiff.measured_copy(job)
    figures = {key: int(value) if value.isdigit() else value for key, value in measured["streaming"].items()}
    streamtiff.check_figures(figures)
    assert measured["warnings"] == []
    assert figures["SOURCE_BLOCKS"] < 40 and figures["SPILL_BYTES"] == 0
    if streamtiff.SANITIZER is None:
        assert measured["peak_rss_bytes"] <= figures["CAP_BYTES"] + SLACK_BYTES
    tiles = sum((-(-size // 2**level // 256)) ** 2 for level in range(9))
    assert figures["FLOOR_BYTES"] >= tiles * (16 + 8)  # at the least a place in the spool and a state
    dataset = gdal.Open(str(target))
    for x, y in places:
        expected = terrain.samples("Byte", x, y, 700, 900)
        assert (dataset.GetRasterBand(1).ReadAsArray(x, y, 700, 900) == expected).all()
        level = dataset.GetRasterBand(1).GetOverview(0).ReadAsArray(x // 2 + 100, y // 2 + 100, 50, 50)
        four = expected[200:300, 200:300].reshape(50, 2, 50, 2) if x % 2 == 0 and y % 2 == 0 else None
        if four is not None:
            assert abs(level - four.mean(axis=(1, 3))).max() <= 1
    left_out = dataset.GetRasterBand(1).GetMetadataItem("BLOCK_OFFSET_50_5", "TIFF") is None
    assert left_out == (sparse == "YES")
