"""Neither the file's bytes nor its pixels depend on the number of threads; only the time does."""

import pytest
import streamtiff
import terrain
from osgeo import gdal

LAYOUTS = {
    "tiled256": ("Float32", 1, ["TILED=YES", "BLOCKXSIZE=256", "BLOCKYSIZE=256", "COMPRESS=DEFLATE"]),
    "strips200": ("Float32", 1, ["BLOCKYSIZE=200", "COMPRESS=DEFLATE"]),
    "strips1": ("UInt16", 1, ["BLOCKYSIZE=1"]),
    "rgb_pixel": ("Byte", 3, ["TILED=YES", "BLOCKXSIZE=512", "BLOCKYSIZE=512", "INTERLEAVE=PIXEL", "COMPRESS=LZW"]),
    "rgb_band": ("Byte", 3, ["TILED=YES", "BLOCKXSIZE=512", "BLOCKYSIZE=512", "INTERLEAVE=BAND", "COMPRESS=LZW"]),
}


@pytest.fixture(scope="module")
def source_path(tmp_path_factory):
    folder = tmp_path_factory.mktemp("sources")
    for name, (dtype, bands, options) in LAYOUTS.items():
        terrain.make_terrain(folder / f"{name}.tif", 1501, 1203, dtype, bands, options)
    return lambda name: folder / f"{name}.tif"


@pytest.mark.parametrize("name", LAYOUTS)
@pytest.mark.parametrize("cap", ["2MB", "5MB", "256MB"])
@pytest.mark.parametrize(
    "output", [["BLOCKXSIZE=256", "BLOCKYSIZE=256"], ["TILED=NO", "BLOCKYSIZE=100"]], ids=["tiled", "strips"]
)
def test_same_bytes_with_1_2_and_8_threads(source_path, tmp_path, name, cap, output):
    written = []
    with streamtiff.messages() as kept:
        for threads in (1, 2, 8):
            target = tmp_path / f"{threads}.tif"
            source = gdal.Open(str(source_path(name)))
            options = [f"MEMORY_CAP={cap}", f"NUM_THREADS={threads}", "ZLEVEL=1", *output]
            dataset = gdal.GetDriverByName("StreamTIFF").CreateCopy(str(target), source, options=options)
            assert dataset is not None, kept
            streamtiff.check_figures(streamtiff.streaming(dataset))
            dataset = None
            written.append(target.read_bytes())
    assert written[0] == written[1] == written[2]
    assert streamtiff.pixels(tmp_path / "1.tif") == streamtiff.pixels(source_path(name))
    # The floor does not depend on the threads either: all of them warn, or none.
    assert len(set(kept)) <= 1 and len(kept) in (0, 3)


@pytest.mark.parametrize("threads", [2, 8])
def test_same_bytes_of_slope(tmp_path, threads):
    dem = terrain.make_terrain(tmp_path / "dem.tif", 1501, 703, "Float32", 1, ["TILED=YES"])
    written = []
    for number in (1, threads):
        target = tmp_path / f"slope{number}.tif"
        options = ["MEMORY_CAP=8MB", f"NUM_THREADS={number}", "BLOCKXSIZE=256", "BLOCKYSIZE=256"]
        with streamtiff.messages():
            dataset = gdal.DEMProcessing(str(target), str(dem), "slope", format="StreamTIFF", creationOptions=options)
        assert dataset is not None
        dataset = None
        written.append(target.read_bytes())
    assert written[0] == written[1]


def test_more_threads_than_tiles(source_path, tmp_path):
    options = ["NUM_THREADS=64", "BLOCKXSIZE=1024", "BLOCKYSIZE=1024", "MEMORY_CAP=1GB"]
    dataset = streamtiff.create_copy(tmp_path / "out.tif", source_path("tiled256"), *options)
    figures = streamtiff.streaming(dataset)
    assert figures["THREADS"] <= 4  # as many as there are tiles
    assert streamtiff.pixels(dataset) == streamtiff.pixels(source_path("tiled256"))


def test_threads_follow_from_the_cap(source_path, tmp_path):
    options = ["NUM_THREADS=8", "BLOCKXSIZE=512", "BLOCKYSIZE=512"]
    threads = []
    for cap in ("20MB", "1GB"):
        dataset = streamtiff.create_copy(tmp_path / "out.tif", source_path("tiled256"), f"MEMORY_CAP={cap}", *options)
        threads.append(streamtiff.streaming(dataset)["THREADS"])
        dataset = None
    assert 1 <= threads[0] < threads[1] == 8
