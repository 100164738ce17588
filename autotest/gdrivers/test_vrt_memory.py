"""VRTs of every kind, copied and under gdaldem: the cap as measured on the process, together with the bytes read.

A mosaic of many small files with overlaps, VRTs of VRTs, resampled, filtered and warped ones; at a cap that is raised to
the floor, a small one and one that holds everything. Every case runs in a fresh process.
"""

import dataclasses
import glob
import os

import numpy as np
import pytest
import streamtiff
import terrain
from osgeo import gdal
from streamtiff import MIB

SLACK_BYTES = 8 * MIB  # of the process over the effective cap: code, stacks, the allocator
READ_AGAIN = 1.1  # of the compressed bytes of all blocks shown
HEADER_BYTES = 96 << 10  # PROJ looks the SRS up, the result is opened
HEADER_OF_FILE_BYTES = 8 << 10  # what one opening of a file reads
OPENED_FOR_THE_PLAN = 16  # files of a mosaic; the others are taken to be like them
WIDTH, HEIGHT = 2400, 1600
TILED = ["TILED=YES", "COMPRESS=DEFLATE", "PREDICTOR=3"]
BLOCKS_256 = ["BLOCKXSIZE=256", "BLOCKYSIZE=256", *TILED]
GRID, OVERLAP_PX = 10, 10  # files of the mosaic, each way, and how much each reaches into the next


@dataclasses.dataclass
class Kind:
    vrt: str
    files: str  # pattern of the files underneath
    translate: dict = dataclasses.field(default_factory=dict)
    window: tuple = None  # part of the file that is shown
    rounding: float = 0  # by which pixels may differ from GTiff's; see the last test


KINDS = {
    "window": Kind("plain.tif", "plain.tif", {"srcWin": [101, 203, 1900, 1200]}, (101, 203, 1900, 1200)),
    "half_cubic": Kind("plain.tif", "plain.tif", {"width": 1200, "height": 800, "resampleAlg": "cubic"}),
    "half_average": Kind("plain.tif", "plain.tif", {"width": 1200, "height": 800, "resampleAlg": "average"}, None, 5e-4),
    "twice_bilinear": Kind(
        "plain.tif",
        "plain.tif",
        {"srcWin": [500, 300, 800, 640], "width": 1600, "height": 1280, "resampleAlg": "bilinear"},
        (500, 300, 800, 640),
    ),
    "scaled_to_byte": Kind(
        "plain.tif", "plain.tif", {"outputType": gdal.GDT_Byte, "scaleParams": [[900, 2100, 0, 255]]}
    ),
    "one_band_of_three": Kind("bands.tif", "bands.tif", {"bandList": [2]}),
    "bands_swapped": Kind("bands.tif", "bands.tif", {"bandList": [3, 1]}),
    "strips": Kind("strips.tif", "strips.tif", {"srcWin": [7, 5, 2300, 1500]}, (7, 5, 2300, 1500)),
    "filtered": Kind("filtered.vrt", "plain.tif"),
    "mosaic": Kind("mosaic.vrt", "m_*.tif"),
    "mosaic_half_cubic": Kind("mosaic.vrt", "m_*.tif", {"width": 1200, "height": 800, "resampleAlg": "cubic"}),
    "mosaic_of_mosaics": Kind("nested.vrt", "parts"),
    "warped": Kind("warped.vrt", "plain.tif"),
    "warped_mosaic": Kind("warped_mosaic.vrt", "m_*.tif"),
    "window_of_warped": Kind("warped.vrt", "plain.tif", {"srcWin": [100, 100, 1900, 1200]}),
}
DEMS = ["plain.tif", "filtered.vrt", "mosaic.vrt", "nested.vrt", "warped.vrt", "half.vrt"]
CAPS_MB = [1, 24]


def name_of(row, column):
    return f"m_{row:02}_{column:02}.tif"


def parts():
    """Files of four mosaics that share a row or a column of files."""
    half = GRID // 2
    for top, bottom in ((0, half), (half - 1, GRID)):
        for left, right in ((0, half), (half - 1, GRID)):
            yield [name_of(row, column) for row in range(top, bottom) for column in range(left, right)]


def make_mosaic(folder):
    """Every file is cut out of one surface, so that overlaps agree."""
    paths = []
    for row in range(GRID):
        for column in range(GRID):
            x, y = column * WIDTH // GRID, row * HEIGHT // GRID
            window = [x, y, min(WIDTH // GRID + OVERLAP_PX, WIDTH - x), min(HEIGHT // GRID + OVERLAP_PX, HEIGHT - y)]
            path = str(folder / name_of(row, column))
            gdal.Translate(path, str(folder / "plain.tif"), srcWin=window, creationOptions=["COMPRESS=DEFLATE"])
            paths.append(path)
    gdal.BuildVRT(str(folder / "mosaic.vrt"), paths).FlushCache()
    mosaics = []
    for number, names in enumerate(parts()):
        mosaics.append(str(folder / f"part_{number}.vrt"))
        gdal.BuildVRT(mosaics[-1], [str(folder / name) for name in names]).FlushCache()
    gdal.BuildVRT(str(folder / "nested.vrt"), mosaics).FlushCache()


def make_filtered(folder):
    gdal.Translate(str(folder / "simple.vrt"), str(folder / "plain.tif"), format="VRT").FlushCache()
    text = (folder / "simple.vrt").read_text()
    kernel = '<Kernel normalized="1"><Size>5</Size><Coefs>' + " ".join(["1"] * 25) + "</Coefs></Kernel>"
    text = text.replace("<SimpleSource>", "<KernelFilteredSource>").replace(
        "</SimpleSource>", kernel + "</KernelFilteredSource>"
    )
    (folder / "filtered.vrt").write_text(text)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("sources")
    terrain.make_terrain(folder / "plain.tif", WIDTH, HEIGHT, "Float32", 1, BLOCKS_256)
    terrain.make_terrain(
        folder / "bands.tif", 1500, 1000, "Int16", 3, ["INTERLEAVE=PIXEL", *BLOCKS_256[:-1], "PREDICTOR=2"]
    )
    terrain.make_terrain(folder / "strips.tif", WIDTH, HEIGHT, "Float32", 1, ["BLOCKYSIZE=64", *TILED[1:]])
    make_mosaic(folder)
    make_filtered(folder)
    cubic = {"dstSRS": "EPSG:32610", "resampleAlg": "cubic", "format": "VRT"}
    gdal.Warp(str(folder / "warped.vrt"), str(folder / "plain.tif"), **cubic).FlushCache()
    gdal.Warp(str(folder / "warped_mosaic.vrt"), str(folder / "mosaic.vrt"), **cubic).FlushCache()
    half = {"width": WIDTH // 2, "height": HEIGHT // 2, "resampleAlg": "cubic", "format": "VRT"}
    gdal.Translate(str(folder / "half.vrt"), str(folder / "plain.tif"), **half).FlushCache()
    return folder


@pytest.fixture(scope="module")
def reference(folder):
    """Checksums of what `-of GTiff` writes."""
    made = {}

    def crcs(vrt, translate, dem):
        key = str((vrt, translate, dem))
        if key not in made:
            if dem:
                dataset = gdal.DEMProcessing("/vsimem/reference.tif", str(folder / vrt), dem[0], options=dem[1:], format="GTiff")
            else:
                dataset = gdal.Translate("/vsimem/reference.tif", str(folder / vrt), format="GTiff", **translate)
            dataset = None
            made[key] = streamtiff.checksums("/vsimem/reference.tif")
            gdal.Unlink("/vsimem/reference.tif")
        return made[key]

    return crcs


def blocks_under(path, window=None):
    """Compressed bytes of the blocks of a GTiff file under a window, of all bands."""
    dataset = gdal.Open(path)
    band = dataset.GetRasterBand(1)
    width, height = band.GetBlockSize()
    x, y, nx, ny = window or (0, 0, band.XSize, band.YSize)
    return sum(
        int(band.GetMetadataItem(f"BLOCK_SIZE_{column}_{row}", "TIFF"))
        for row in range(y // height, (y + ny - 1) // height + 1)
        for column in range(x // width, (x + nx - 1) // width + 1)
    )


def count_blocks(path):
    dataset = gdal.Open(path)
    width, height = dataset.GetRasterBand(1).GetBlockSize()
    return ((dataset.RasterXSize - 1) // width + 1) * ((dataset.RasterYSize - 1) // height + 1)


def paths_under(folder, files):
    """A file in two inner mosaics counts twice: GDAL opens it once for each of them, and neither sees the other's blocks."""
    if files == "parts":
        return [str(folder / name) for names in parts() for name in names]
    return glob.glob(str(folder / files))


def check(folder, measured, files, window=None):
    figures = {key: int(value) if value.isdigit() else value for key, value in measured["streaming"].items()}
    streamtiff.check_figures(figures)
    raised = figures["CAP_BYTES"] > figures["REQUESTED_CAP_BYTES"]
    assert len(measured["warnings"]) == (1 if raised else 0), measured["warnings"]
    assert measured["cache_max_kept"]
    assert figures["PREDICTED_DECODES"] <= READ_AGAIN * figures["SOURCE_BLOCKS"]
    paths = paths_under(folder, files)
    if files in ("parts", "m_*.tif"):  # the plan says what several handles decode, each for itself
        assert figures["REPEATED_BLOCKS"] == sum(map(count_blocks, paths)) - sum(map(count_blocks, set(paths)))
        assert figures["SOURCE_BLOCKS"] == sum(map(count_blocks, paths))
    else:
        assert figures["REPEATED_BLOCKS"] == 0
    block_bytes = sum(blocks_under(path, window) for path in paths)
    headers = HEADER_BYTES + HEADER_OF_FILE_BYTES * (len(paths) + min(len(paths), OPENED_FOR_THE_PLAN))
    assert measured["read_bytes"] <= READ_AGAIN * block_bytes + headers
    if streamtiff.SANITIZER is None:
        assert measured["peak_rss_bytes"] <= figures["CAP_BYTES"] + SLACK_BYTES
    return figures


@pytest.mark.skipif(not os.path.exists("/proc/self/clear_refs"), reason="needs Linux's /proc")
@pytest.mark.parametrize("cap_mb", CAPS_MB)
@pytest.mark.parametrize("name", KINDS)
def test_copy(folder, reference, tmp_path, name, cap_mb):
    kind = KINDS[name]
    threads = 1 if cap_mb == 1 else 2
    job = {
        "source": str(folder / kind.vrt),
        "target": str(tmp_path / "out.tif"),
        "options": [f"MEMORY_CAP={cap_mb}MB", f"NUM_THREADS={threads}", "BLOCKXSIZE=256", "BLOCKYSIZE=256", "ZLEVEL=1"],
        "translate": kind.translate,
        "dem": None,
    }
    figures = check(folder, streamtiff.measured_copy(job), kind.files, kind.window)
    assert figures["SOURCE_KIND"] == "WINDOWS"
    if threads == 1:
        assert figures["PREDICTED_PEAK_BYTES"] <= 1.15 * figures["PEAK_BYTES"]
    if kind.rounding == 0:
        assert streamtiff.checksums(tmp_path / "out.tif") == reference(kind.vrt, kind.translate, None)
        return
    expected = gdal.Translate("", str(folder / kind.vrt), format="MEM", **kind.translate).ReadAsArray()
    ours = gdal.Open(str(tmp_path / "out.tif")).ReadAsArray()
    assert np.abs(ours - expected).max() <= kind.rounding


@streamtiff.needs_true_rss
@pytest.mark.skipif(not os.path.exists("/proc/self/clear_refs"), reason="needs Linux's /proc")
def test_holes_between_the_blocks_of_a_wide_warp_are_given_back(tmp_path):
    """The warper's buffers are freed between blocks that GDAL keeps: holes of 15 MB, had the allocator its way."""
    terrain.make_terrain(tmp_path / "wide.tif", 12000, 2000, "Float32", 1, ["BLOCKXSIZE=512", "BLOCKYSIZE=512", *TILED])
    place = {"dstSRS": "EPSG:32610", "resampleAlg": "near", "dstAlpha": True, "format": "VRT"}
    gdal.Warp(str(tmp_path / "wide.vrt"), str(tmp_path / "wide.tif"), **place).FlushCache()
    options = ["MEMORY_CAP=16MB", "NUM_THREADS=2", "ZLEVEL=1"]
    job = {"source": str(tmp_path / "wide.vrt"), "target": str(tmp_path / "out.tif"), "options": options}
    check(tmp_path, streamtiff.measured_copy({**job, "translate": {}, "dem": None}), "wide.tif")


@pytest.mark.skipif(not os.path.exists("/proc/self/clear_refs"), reason="needs Linux's /proc")
@pytest.mark.parametrize("cap_mb", [1, 64])
@pytest.mark.parametrize("vrt", DEMS)
def test_slope(folder, reference, tmp_path, vrt, cap_mb):
    job = {
        "source": str(folder / vrt),
        "target": str(tmp_path / "out.tif"),
        "options": [f"MEMORY_CAP={cap_mb}MB", "NUM_THREADS=2", "BLOCKXSIZE=256", "BLOCKYSIZE=256", "ZLEVEL=1"],
        "translate": {},
        "dem": ["slope", "-compute_edges"],
    }
    files = {"mosaic.vrt": "m_*.tif", "nested.vrt": "parts"}.get(vrt, "plain.tif")
    figures = check(folder, streamtiff.measured_copy(job), files)
    assert figures["SOURCE_KIND"] == "ROWS"
    assert streamtiff.checksums(tmp_path / "out.tif") == reference(vrt, {}, ["slope", "-compute_edges"])


def test_average_of_a_window_is_rounded_otherwise_by_gdal_itself(folder):
    """GDAL sums up most pixels of a window four at a time, and the last ones of each row one by one: the last bit of an
    average depends on where the window ends. So it does between GTiff's windows and GDAL's read of the whole."""
    vrt = gdal.Translate("", str(folder / "plain.tif"), format="VRT", width=1200, height=800, resampleAlg="average")
    whole, piece = vrt.ReadAsArray(), vrt.ReadAsArray(127, 127, 253, 256)
    difference = np.abs(piece - whole[127:383, 127:380])
    assert difference.max() <= 5e-4
    if streamtiff.SANITIZER is None and gdal.VersionInfo() < "3070000":
        assert difference.max() > 0, "then ours can be compared with GTiff's to the last bit"
