"""The cap, as measured on the process, together with what was decoded and read: either alone proves nothing.

Every case runs in a fresh process. Every pair of two of: layout and codec of the source, output, cap, threads, is in one
of the cases.
"""

import dataclasses
import os

import pytest
import streamtiff
import terrain
from osgeo import gdal
from pairs import pairwise
from streamtiff import MIB

SLACK_BYTES = 8 * MIB  # of the process over the effective cap: code, stacks, the allocator
# Beside the pixels: PROJ looks the SRS up, the result is opened, each reader reads directory and tables again.
HEADER_BYTES = 64 << 10
HEADER_OF_READER_BYTES = 8 << 10
# C's files are read in whole pages: one more for each block that is not read right after its neighbour in the file.
PAGE_BYTES = 4096
ROWS_TOGETHER = 32  # blocks of fewer rows are read several at a time

WIDTH, HEIGHT = 2048, 1548  # whole tiles across; the last row of tiles is cut
TILED = ["TILED=YES", "COMPRESS=DEFLATE", "PREDICTOR=3", "NUM_THREADS=2"]


@dataclasses.dataclass
class Source:
    layout: list
    dtype: str = "Float32"
    bands: int = 1
    size: tuple = (WIDTH, HEIGHT)
    translate: dict = dataclasses.field(default_factory=dict)
    dem: list = None
    name: str = ""


def square(size_px, *options):
    return [f"BLOCKXSIZE={size_px}", f"BLOCKYSIZE={size_px}", *options]


CODECS = {
    "deflate": TILED,
    "zstd": ["TILED=YES", "COMPRESS=ZSTD", "ZSTD_LEVEL=3", "PREDICTOR=3", "NUM_THREADS=2"],
    "none": ["TILED=YES"],
}
SOURCES = {
    **{f"tiled{size} {codec}": Source(square(size, *CODECS[codec])) for size in (256, 512, 1024) for codec in CODECS},
    "strips1 none": Source(["BLOCKYSIZE=1"]),
    "strips512 deflate": Source(["BLOCKYSIZE=512", *TILED[1:]]),
    "rgb512 deflate": Source(square(512, *TILED[:2], "PREDICTOR=2", "INTERLEAVE=PIXEL"), "Byte", 3),
    "wide512 deflate": Source(square(512, *TILED), size=(16384, 300)),
    "vrt_window deflate": Source(square(512, *TILED), translate={"srcWin": [101, 203, 1700, 1221]}),
    "vrt_half_cubic deflate": Source(square(256, *TILED), translate={"width": 1024, "height": 774, "resampleAlg": "cubic"}),
    "slope deflate": Source(square(512, *TILED), dem=["slope"]),
}
OUTPUTS = {
    "tiled256": ["BLOCKXSIZE=256", "BLOCKYSIZE=256", "ZLEVEL=1"],
    "tiled512": ["COMPRESS=ZSTD", "ZSTD_LEVEL=1"],
    "strips": ["TILED=NO", "BLOCKYSIZE=64", "ZLEVEL=1"],
}
CAPS_MB = [4, 16, 64, 256]
THREADS = [1, 2, 8]
CASES = [
    (f"{layout} {codec}", *case)
    for layout, codec, *case in pairwise(
        {name.split()[0]: None for name in SOURCES},
        CODECS,
        OUTPUTS,
        CAPS_MB,
        THREADS,
        possible=lambda layout, codec, *_: f"{layout} {codec}" in SOURCES,
    )
]


@pytest.fixture(scope="module")
def source_path(tmp_path_factory):
    """Gives the path of a source by its name; sources of the same layout share a file."""
    folder = tmp_path_factory.mktemp("sources")
    made = {}

    def path(name):
        source = SOURCES[name]
        key = (*source.layout, source.dtype, source.size)
        if key not in made:
            made[key] = folder / f"{name}.tif"
            terrain.make_terrain(made[key], *source.size, source.dtype, source.bands, source.layout)
        return made[key]

    return path


@pytest.fixture(scope="module")
def reference(source_path):
    """Checksums of what `-of GTiff` writes, made once for each content."""
    made = {}

    def crcs(name):
        source = SOURCES[name]
        key = str((source.dtype, source.size, source.translate, source.dem))
        if key not in made:
            target = f"/vsimem/{name}.tif"
            if source.dem:
                dataset = gdal.DEMProcessing(target, str(source_path(name)), *source.dem, format="GTiff")
            else:
                dataset = gdal.Translate(target, str(source_path(name)), format="GTiff", **source.translate)
            made[key] = streamtiff.checksums(dataset)
            dataset = None
            gdal.Unlink(target)
        return made[key]

    return crcs


def blocks_under(path, window):
    """Number and compressed bytes of the blocks of a GTiff file under a window, and what pages may add to these."""
    dataset = gdal.Open(str(path))
    band = dataset.GetRasterBand(1)
    width, height = band.GetBlockSize()
    x, y, nx, ny = window or (0, 0, band.XSize, band.YSize)
    sizes = [
        int(band.GetMetadataItem(f"BLOCK_SIZE_{column}_{row}", "TIFF"))
        for row in range(y // height, (y + ny - 1) // height + 1)
        for column in range(x // width, (x + nx - 1) // width + 1)
    ]
    apart = len(sizes) if height >= ROWS_TOGETHER else len(sizes) * height // ROWS_TOGETHER
    return len(sizes), sum(sizes), PAGE_BYTES * apart


def job_of(name, path, target, output, cap_mb, threads):
    source = SOURCES[name]
    options = [f"MEMORY_CAP={cap_mb}MB", f"NUM_THREADS={threads}", *OUTPUTS[output]]
    return {
        "source": str(path),
        "target": str(target),
        "options": options,
        "translate": source.translate,
        "dem": source.dem,
    }


@pytest.mark.skipif(not os.path.exists("/proc/self/clear_refs"), reason="needs Linux's /proc")
@pytest.mark.parametrize("name,output,cap_mb,threads", CASES, ids=["-".join(map(str, case)).replace(" ", "_") for case in CASES])
def test_cap_and_amplification(source_path, reference, tmp_path, name, output, cap_mb, threads):
    path, target = source_path(name), tmp_path / "out.tif"
    measured = streamtiff.measured_copy(job_of(name, path, target, output, cap_mb, threads))
    figures = {key: int(value) if value.isdigit() else value for key, value in measured["streaming"].items()}
    streamtiff.check_figures(figures)
    assert figures["REQUESTED_CAP_BYTES"] == cap_mb * MIB
    raised = figures["CAP_BYTES"] > figures["REQUESTED_CAP_BYTES"]
    assert len(measured["warnings"]) == (1 if raised else 0), measured["warnings"]
    assert measured["cache_max_kept"]
    if threads == 1:
        assert figures["PREDICTED_PEAK_BYTES"] <= 1.15 * figures["PEAK_BYTES"]
    assert streamtiff.checksums(target) == reference(name)

    blocks, block_bytes, page_bytes = blocks_under(path, SOURCES[name].translate.get("srcWin"))
    # Where a halo shares blocks between stripes, some are decoded again rather than kept in memory.
    again = 1.08 if "resampleAlg" in SOURCES[name].translate else 1.02
    assert figures["PREDICTED_DECODES"] <= again * blocks
    headers = HEADER_BYTES + HEADER_OF_READER_BYTES * threads
    assert measured["read_bytes"] <= again * block_bytes + page_bytes + headers
    if streamtiff.SANITIZER is None:
        assert measured["peak_rss_bytes"] <= figures["CAP_BYTES"] + SLACK_BYTES


@streamtiff.needs_true_rss
def test_rss_is_measured():
    """Stands for the assertions on RSS that the cases leave out under a sanitizer."""
    assert streamtiff.SANITIZER is None
