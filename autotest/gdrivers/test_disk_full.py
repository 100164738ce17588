"""A disk without room, for the file and for the spill: one failure with figures, and nothing left."""

import os

import pytest
import streamtiff
import terrain
from osgeo import gdal


@pytest.fixture(scope="module")
def source_path(tmp_path_factory):
    path = tmp_path_factory.mktemp("source") / "in.tif"
    return terrain.make_terrain(path, 1300, 800, "Float32", 1, ["BLOCKYSIZE=200", "COMPRESS=DEFLATE"])


@pytest.fixture
def full_disk(tmp_path):
    folder = tmp_path / "disk"
    folder.mkdir()
    with streamtiff.small_disk(folder, 1 << 20):
        yield folder


@pytest.mark.parametrize("threads", [1, 2, 8])
@pytest.mark.parametrize("compress", ["NONE", "DEFLATE"])
def test_no_room_for_the_file(full_disk, source_path, threads, compress):
    options = [f"COMPRESS={compress}", f"NUM_THREADS={threads}", "BLOCKXSIZE=128", "BLOCKYSIZE=128", "MEMORY_CAP=64MB"]
    cache_max = gdal.GetCacheMax()
    text = streamtiff.refused(full_disk / "out.tif", gdal.Open(str(source_path)), *options)
    assert "out.tif" in text and "bytes" in text
    assert os.listdir(full_disk) == []
    assert gdal.GetCacheMax() == cache_max


@pytest.mark.parametrize("room", [1, 4096, 100000])
def test_room_ends_at_the_directory(tmp_path, room):
    """The tiles have room, the tags or tables behind them have not: the file is no less incomplete."""
    folder = tmp_path / "disk"
    folder.mkdir()
    source = gdal.GetDriverByName("MEM").Create("", 2048, 2048, 1)
    source.SetMetadataItem("LONG", "x" * 300000)
    with streamtiff.small_disk(folder, 1 << 20):
        dataset = streamtiff.create_copy(
            folder / "out.tif", source, "BLOCKXSIZE=16", "BLOCKYSIZE=16", "MEMORY_CAP=64MB"
        )
        dataset = None
        needed = os.stat(folder / "out.tif").st_size
        os.remove(folder / "out.tif")
        (folder / "ballast").write_bytes(b"x" * ((1 << 20) - needed // 4096 * 4096 + min(room, needed) // 4096 * 4096))
        streamtiff.refused(folder / "out.tif", source, "BLOCKXSIZE=16", "BLOCKYSIZE=16", "MEMORY_CAP=64MB")
        assert os.listdir(folder) == ["ballast"]


@pytest.mark.parametrize("threads", [1, 2])
def test_no_room_for_the_spill(full_disk, source_path, threads):
    options = ["BLOCKXSIZE=256", "BLOCKYSIZE=256", "MEMORY_CAP=2MB", f"NUM_THREADS={threads}", "COMPRESS=NONE"]
    text = streamtiff.refused(full_disk / "out.tif", gdal.Open(str(source_path)), *options)
    assert "spill" in text and "MEMORY_CAP" in text and "free" in text
    assert os.listdir(full_disk) == []


def test_spill_on_a_tmpfs_is_warned_about(tmp_path, source_path):
    """Its memory is not covered by the cap."""
    folder = tmp_path / "disk"
    folder.mkdir()
    with streamtiff.small_disk(folder, 64 << 20):
        options = ["BLOCKXSIZE=256", "BLOCKYSIZE=256", "MEMORY_CAP=2MB", "COMPRESS=NONE", "NUM_THREADS=2"]
        with streamtiff.messages() as kept:
            dataset = streamtiff.create_quietly("StreamTIFF", folder / "out.tif", gdal.Open(str(source_path)), options)
        assert dataset.GetMetadataItem("SWEEP", "STREAMING") == "SPILL"
        assert [text for text in streamtiff.texts(kept, gdal.CE_Warning) if "in memory" in text]
        assert streamtiff.pixels(dataset) == streamtiff.pixels(source_path)
        dataset = None
        assert os.listdir(folder) == ["out.tif"]


def test_no_folder_for_the_spill(tmp_path, source_path):
    """The target's own folder is asked first; one in /vsimem has none, and CPL_TMPDIR does not exist."""
    options = ["BLOCKXSIZE=256", "BLOCKYSIZE=256", "MEMORY_CAP=2MB", "COMPRESS=NONE"]
    gdal.SetConfigOption("CPL_TMPDIR", str(tmp_path / "nowhere"))
    try:
        text = streamtiff.refused("/vsimem/no_spill/out.tif", gdal.Open(str(source_path)), *options)
    finally:
        gdal.SetConfigOption("CPL_TMPDIR", None)
    assert "CPL_TMPDIR" in text and "nowhere" in text


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="needs /dev/full")
def test_device_without_room(source_path):
    with streamtiff.messages() as kept:
        assert (
            streamtiff.create_quietly("StreamTIFF", "/dev/full", gdal.Open(str(source_path)), ["MEMORY_CAP=64MB"])
            is None
        )
    assert len(streamtiff.texts(kept, gdal.CE_Failure)) == 1
    assert os.path.exists("/dev/full")
