"""DERIVE under the cap, as measured on the process, together with what was decoded and read. Fresh processes; the first
source is the reference case of the plan: 512-blocks 16 across, of which gdaldem needs 32 MB to read each once."""

import os

import pytest
import streamtiff
import terrain
from osgeo import gdal
from streamtiff import MIB

NEWER = int(gdal.VersionInfo()) >= 3110000
SLACK_BYTES = 8 * MIB  # of the process over the effective cap: code, stacks, the allocator
# Beside the pixels: PROJ looks the SRS up, the result is opened, each reader reads directory and tables again.
HEADER_BYTES = 64 << 10
HEADER_OF_READER_BYTES = 8 << 10

DEFLATE = ["COMPRESS=DEFLATE", "NUM_THREADS=2"]
BLOCKS_512 = ["TILED=YES", "BLOCKXSIZE=512", "BLOCKYSIZE=512", *DEFLATE]
SOURCES = {
    "reference": ("Float32", (8192, 1200), BLOCKS_512),
    "strips": ("Float32", (3072, 1500), ["BLOCKYSIZE=64", *DEFLATE]),
    "bytes": ("Byte", (4096, 1024), BLOCKS_512),
    "int16": ("Int16", (3000, 2000), BLOCKS_512),
}
TILES_256 = ["BLOCKXSIZE=256", "BLOCKYSIZE=256", "ZLEVEL=1"]
STRIPS = ["TILED=NO", "BLOCKYSIZE=64", "ZLEVEL=1"]
PERCENTS = "0% 20 60 200\n50% 240 240 120\n100% white\nnv 0 0 0\n"

CASES = [
    ("reference", "slope", TILES_256, 4, 1),
    ("reference", "slope", TILES_256, 8, 2),
    ("reference", "slope", TILES_256, 16, 8),
    ("reference", "slope", TILES_256, 64, 1),
    ("reference", "hillshade -compute_edges", STRIPS, 8, 2),
    ("reference", "color-relief {colors} -alpha", TILES_256, 8, 1),
    ("reference", "color-relief {colors}", TILES_256, 32, 2),
    ("strips", "TRI", TILES_256, 4, 1),
    ("strips", "aspect", STRIPS, 16, 2),
    ("bytes", "slope -s 2", TILES_256, 8, 1),
    ("bytes", "hillshade", TILES_256, 16, 2),
    ("int16", "color-relief {colors}", STRIPS, 4, 2),
    ("int16", "roughness", STRIPS, 8, 1),
]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    path = tmp_path_factory.mktemp("derived")
    (path / "percents.txt").write_text(PERCENTS)
    return path


@pytest.fixture(scope="module")
def source_path(folder):
    made = {}

    def path(name):
        if name not in made:
            dtype, (width, height), options = SOURCES[name]
            made[name] = folder / f"{name}.tif"
            terrain.make_terrain(made[name], width, height, dtype, options=options)
            dataset = gdal.Open(str(made[name]), gdal.GA_Update)
            dataset.GetRasterBand(1).SetNoDataValue(0)
            dataset = None  # noqa: F841
        return str(made[name])

    return path


@pytest.fixture(scope="module")
def reference(source_path, folder):
    made = {}

    def crcs(name, command):
        if (name, command) not in made:
            mode, *words = command.split()
            color = words.pop(0) if mode == "color-relief" else None
            target = "/vsimem/reference.tif"
            dataset = gdal.DEMProcessing(
                target, source_path(name), mode, colorFilename=color, options=words, format="GTiff"
            )
            made[name, command] = streamtiff.checksums(dataset)
            dataset = None
            gdal.Unlink(target)
            gdal.Unlink(source_path(name) + ".aux.xml")  # its statistics
        return made[name, command]

    return crcs


@pytest.mark.skipif(not os.path.exists("/proc/self/clear_refs"), reason="needs Linux's /proc")
@pytest.mark.parametrize(
    "name,command,output,cap_mb,threads", CASES, ids=[f"{c[0]}-{c[1].split()[0]}-{c[3]}-{c[4]}" for c in CASES]
)
def test_cap_and_amplification(source_path, reference, folder, tmp_path, name, command, output, cap_mb, threads):
    command = command.format(colors=folder / "percents.txt")
    path, target = source_path(name), str(tmp_path / "out.tif")
    expected = reference(name, command)
    job = {"source": path, "target": target, "translate": {}, "dem": None}
    job["options"] = [f"MEMORY_CAP={cap_mb}MB", f"NUM_THREADS={threads}", *output, f"DERIVE={command}"]
    measured = streamtiff.measured_copy(job)
    figures = {key: int(value) if value.isdigit() else value for key, value in measured["streaming"].items()}

    passes = 2 if "color-relief" in command else 1  # percentages need the range of the heights
    if NEWER and command.startswith("hillshade") and figures["DECODES_BEFORE"] > 0:
        passes = 2  # its vector code asks which rows hold nodata anywhere: they are looked at before
    assert figures["BLOCK_DECODES"] == figures["PREDICTED_DECODES"] == passes * figures["SOURCE_BLOCKS"]
    assert figures["DECODES_MEASURED"] == "YES" and figures["SOURCE_KIND"] == "BLOCKS"
    assert figures["SPILL_BYTES"] == figures["PREDICTED_SPILL_BYTES"]
    assert figures["PEAK_BYTES"] <= figures["PREDICTED_PEAK_BYTES"] <= figures["CAP_BYTES"]
    assert figures["CAP_BYTES"] == max(figures["FLOOR_BYTES"], cap_mb * MIB)
    if threads == 1:
        assert figures["PREDICTED_PEAK_BYTES"] <= 1.15 * figures["PEAK_BYTES"]
    raised = figures["CAP_BYTES"] > figures["REQUESTED_CAP_BYTES"]
    assert len(measured["warnings"]) == (1 if raised else 0), measured["warnings"]
    assert measured["cache_max_kept"]
    headers = HEADER_BYTES + HEADER_OF_READER_BYTES * threads
    assert measured["read_bytes"] <= 1.02 * passes * os.path.getsize(path) + headers
    assert streamtiff.checksums(target) == expected
    if streamtiff.SANITIZER is None:
        assert measured["peak_rss_bytes"] <= figures["CAP_BYTES"] + SLACK_BYTES


@streamtiff.needs_true_rss
def test_rss_is_measured():
    """Stands for the assertions on RSS that the cases leave out under a sanitizer."""
    assert streamtiff.SANITIZER is None


def test_floor_of_the_reference_case(source_path, tmp_path):
    """Whatever the width: a block, a decoder, two tiles and what is kept of the raster's rows and columns."""
    dataset = gdal.Open(source_path("reference"))
    with streamtiff.messages() as kept:
        result = gdal.GetDriverByName("StreamTIFF").CreateCopy(
            str(tmp_path / "out.tif"), dataset, options=["MEMORY_CAP=1MB", *TILES_256, "DERIVE=slope"]
        )
    assert len(kept) == 1 and "raised" in kept[0][2]
    assert streamtiff.streaming(result)["FLOOR_BYTES"] <= 5 * MIB
