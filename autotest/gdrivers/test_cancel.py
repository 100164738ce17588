"""Cancelled from the progress callback at any of its calls: no file, no temporary file, the cache limit as it was."""

import pytest
import streamtiff
import terrain
from osgeo import gdal


class Progress:
    """Says stop at the nth call (counted from 1), and keeps what it was told."""

    def __init__(self, stop_at=None):
        self.stop_at = stop_at
        self.told = []

    def __call__(self, done, _message, _data):
        self.told.append(done)
        return 0 if self.stop_at is not None and len(self.told) >= self.stop_at else 1


COPIES = {
    "bands": ["TILED=YES", "BLOCKXSIZE=128", "BLOCKYSIZE=128", "COMPRESS=DEFLATE"],
    "spill": ["BLOCKYSIZE=200", "COMPRESS=DEFLATE"],
}
OPTIONS = {
    "bands": ["BLOCKXSIZE=128", "BLOCKYSIZE=128", "ZLEVEL=1", "MEMORY_CAP=64MB"],
    "spill": ["BLOCKXSIZE=256", "BLOCKYSIZE=256", "COMPRESS=NONE", "MEMORY_CAP=2MB"],
}


@pytest.fixture(scope="module")
def sources(tmp_path_factory):
    folder = tmp_path_factory.mktemp("sources")
    for name, layout in COPIES.items():
        terrain.make_terrain(folder / f"{name}.tif", 1300, 800, "Float32", 1, layout)
    return folder


def copy(target, sources, name, threads, progress):
    with streamtiff.messages() as kept:
        dataset = gdal.GetDriverByName("StreamTIFF").CreateCopy(
            str(target),
            gdal.Open(str(sources / f"{name}.tif")),
            options=[*OPTIONS[name], f"NUM_THREADS={threads}"],
            callback=progress,
        )
    return dataset, kept


@pytest.mark.parametrize("threads", [1, 2])
@pytest.mark.parametrize("name", COPIES)
def test_progress(tmp_path, sources, name, threads):
    progress = Progress()
    dataset, _ = copy(tmp_path / "out.tif", sources, name, threads, progress)
    assert dataset is not None
    assert dataset.GetMetadataItem("SWEEP", "STREAMING") == name.upper()
    assert progress.told[0] == 0 and progress.told[-1] == 1
    assert progress.told == sorted(progress.told)
    assert len(progress.told) > 10  # somebody who waits sees it move
    assert max(b - a for a, b in zip(progress.told, progress.told[1:])) < 0.5


@pytest.mark.parametrize("threads", [1, 2, 8])
@pytest.mark.parametrize("name", COPIES)
def test_cancel_at_any_call(tmp_path, sources, name, threads):
    whole = Progress()
    dataset, _ = copy(tmp_path / "whole.tif", sources, name, 1, whole)
    dataset = None
    (tmp_path / "whole.tif").unlink()
    cache_max = gdal.GetCacheMax()
    # How often it is called depends on the threads' timing, least often with one: the very last call is tried by its figure below.
    calls = [1, 2, 3, 4, 5, 7, 10, 15, 20, 30, 50, 80]
    for call in [number for number in calls if number <= len(whole.told) // 2]:
        progress = Progress(call)
        dataset, kept = copy(tmp_path / "out.tif", sources, name, threads, progress)
        assert dataset is None, call
        assert len(progress.told) == call  # and is not called again
        assert streamtiff.texts(kept, gdal.CE_Failure) == ["User terminated CreateCopy()"]
        assert streamtiff.listing(tmp_path) == []
        assert gdal.GetCacheMax() == cache_max


@pytest.mark.parametrize("threads", [1, 2])
@pytest.mark.parametrize("at", [0.0, 0.5, 0.9, 0.98, 1.0])
def test_cancel_at_a_figure(tmp_path, sources, threads, at):
    cache_max = gdal.GetCacheMax()
    dataset, kept = copy(tmp_path / "out.tif", sources, "bands", threads, lambda done, _message, _data: int(done < at))
    assert dataset is None
    assert streamtiff.texts(kept, gdal.CE_Failure) == ["User terminated CreateCopy()"]
    assert streamtiff.listing(tmp_path) == []
    assert gdal.GetCacheMax() == cache_max


@pytest.mark.parametrize("call", [1, 2, 10])
def test_cancel_of_gdaldem_and_of_a_vrt(tmp_path, sources, call):
    cache_max = gdal.GetCacheMax()
    target, source = str(tmp_path / "out.tif"), str(sources / "bands.tif")
    options = ["MEMORY_CAP=8MB", "BLOCKXSIZE=128", "BLOCKYSIZE=128", "NUM_THREADS=2"]
    with streamtiff.messages():
        gdal.DEMProcessing(
            target, source, "slope", options=[], format="StreamTIFF", creationOptions=options, callback=Progress(call)
        )
        assert streamtiff.listing(tmp_path) == []
        gdal.Translate(
            target,
            source,
            format="StreamTIFF",
            creationOptions=options,
            srcWin=[5, 7, 1200, 700],
            callback=Progress(call),
        )
        assert streamtiff.listing(tmp_path) == []
    assert gdal.GetCacheMax() == cache_max
    # Nothing is left behind that a later copy would stumble over.
    dataset = gdal.Translate(target, source, format="StreamTIFF", creationOptions=options)
    assert streamtiff.pixels(dataset) == streamtiff.pixels(source)


def test_exception_in_the_callback(tmp_path, sources):
    """What is raised in a Python callback cancels the copy."""

    def fails(_done, _message, _data):
        raise ValueError("from the callback")

    gdal.UseExceptions()
    try:
        with pytest.raises((RuntimeError, ValueError, SystemError)):
            gdal.GetDriverByName("StreamTIFF").CreateCopy(
                str(tmp_path / "out.tif"), gdal.Open(str(sources / "bands.tif")), callback=fails
            )
    finally:
        gdal.DontUseExceptions()
    assert streamtiff.listing(tmp_path) == []
