"""LAYOUT=COG that fails or has an unusual target: cancelled anywhere, no room, targets that only append. Nothing half-written is left, no spool."""

import os
import subprocess
import sys

import cog
import pytest
import streamtiff
import terrain
from osgeo import gdal

OPTIONS = ["BLOCKSIZE=128", "COMPRESS=DEFLATE", "LEVEL=1", "MEMORY_CAP=64MB"]


@pytest.fixture(scope="module")
def source_path(tmp_path_factory):
    path = tmp_path_factory.mktemp("source") / "in.tif"
    return terrain.make_terrain(path, 900, 700, "Float32", 1, ["TILED=YES", "BLOCKXSIZE=128", "BLOCKYSIZE=128"])


class Progress:
    """Says stop where it is told so, and keeps what it was told."""

    def __init__(self, stop=lambda calls, done: False):
        self.stop = stop
        self.told = []

    def __call__(self, done, _message, _data):
        self.told.append(done)
        return 0 if self.stop(len(self.told), done) else 1


def copy(target, source_path, progress, *options):
    return cog.copy("StreamTIFF", target, source_path, *OPTIONS, *options, callback=progress)


@pytest.mark.parametrize("threads", [1, 2])
def test_progress_covers_pass_and_assembly(tmp_path, source_path, threads):
    progress = Progress()
    dataset, kept = copy(tmp_path / "out.tif", source_path, progress, f"NUM_THREADS={threads}")
    assert dataset is not None, kept
    assert progress.told[0] == 0 and progress.told[-1] == 1
    assert progress.told == sorted(progress.told)
    assert len([done for done in progress.told if 0.94 < done < 1]) > 2  # the file is written, and that is seen
    assert max(b - a for a, b in zip(progress.told, progress.told[1:])) < 0.5


@pytest.mark.parametrize("threads", [1, 2])
def test_cancel_at_any_call(tmp_path, source_path, threads):
    cache_max = gdal.GetCacheMax()
    for call in [1, 2, 3, 5, 8, 13, 21, 34]:  # threads that wait call, too: there are 70 and more
        progress = Progress(lambda calls, done, stop_at=call: calls >= stop_at)
        dataset, kept = copy(tmp_path / "out.tif", source_path, progress, f"NUM_THREADS={threads}")
        assert dataset is None, call
        assert len(progress.told) == call
        assert streamtiff.texts(kept, gdal.CE_Failure) == ["User terminated CreateCopy()"]
        assert streamtiff.listing(tmp_path) == []
        assert gdal.GetCacheMax() == cache_max


@pytest.mark.parametrize("at", [0.0, 0.3, 0.93, 0.95, 0.98, 1.0])
def test_cancel_at_a_figure(tmp_path, source_path, at):
    """In the pass, while the file is written, and before it gets its name."""
    dataset, kept = copy(tmp_path / "out.tif", source_path, Progress(lambda calls, done: done >= at))
    assert dataset is None
    assert streamtiff.texts(kept, gdal.CE_Failure) == ["User terminated CreateCopy()"]
    assert streamtiff.listing(tmp_path) == []


def test_cancelled_while_it_is_compressed(tmp_path, source_path):
    """GDAL writes to /vsigzip/, and does not unlink there."""
    progress = Progress(lambda calls, done: done >= 0.95)
    assert copy(f"/vsigzip/{tmp_path}/out.tif.gz", source_path, progress)[0] is None
    assert os.listdir(tmp_path) == []


def test_nothing_is_seen_of_the_spool(tmp_path, source_path):
    """It has no name while it is there: a kill leaves nothing of it."""
    seen = set()

    def look(done, _message, _data):
        seen.update(name for name in os.listdir(tmp_path) if "spool" in name)
        return 1

    assert copy(tmp_path / "out.tif", source_path, look)[0] is not None
    assert seen == set()
    assert os.listdir(tmp_path) == ["out.tif"]


# --- no room ---------------------------------------------------------------------------------------


@pytest.fixture
def disk(tmp_path):
    folder = tmp_path / "disk"
    folder.mkdir()
    yield folder


@pytest.mark.parametrize("threads", [1, 2])
@pytest.mark.parametrize("compress", ["NONE", "DEFLATE"])
def test_no_room_for_the_spool(disk, source_path, compress, threads):
    with streamtiff.small_disk(disk, 1 << 20):
        options = [f"COMPRESS={compress}", "BLOCKSIZE=128", f"NUM_THREADS={threads}", "MEMORY_CAP=64MB"]
        dataset, kept = cog.copy("StreamTIFF", disk / "out.tif", source_path, *options)
        assert dataset is None
        failures = streamtiff.texts(kept, gdal.CE_Failure)
        assert len(failures) == 1 and "free" in failures[0]
        assert os.listdir(disk) == []


def test_room_for_the_spool_but_not_for_the_file(disk, source_path):
    """The size of compressed tiles is not known before: the disk may end with the file."""
    with streamtiff.small_disk(disk, 64 << 20):
        dataset, kept = copy(disk / "out.tif", source_path, None)
        assert dataset is not None, kept
        dataset = None
        needed = os.stat(disk / "out.tif").st_size
        os.remove(disk / "out.tif")
        (disk / "ballast").write_bytes(b"x" * ((64 << 20) - needed - needed // 2))
        dataset, kept = copy(disk / "out.tif", source_path, None)
        assert dataset is None
        failures = streamtiff.texts(kept, gdal.CE_Failure)
        assert len(failures) == 1 and "out.tif" in failures[0] and "bytes" in failures[0]
        assert os.listdir(disk) == ["ballast"]


def test_spool_in_memory_is_warned_of(disk, source_path):
    with streamtiff.small_disk(disk, 64 << 20):
        dataset, kept = copy(disk / "out.tif", source_path, None)
        assert dataset is not None
        assert [text for text in streamtiff.texts(kept, gdal.CE_Warning) if "spool" in text and "in memory" in text]


def test_no_folder_for_the_spool(tmp_path, source_path):
    gdal.SetConfigOption("CPL_TMPDIR", str(tmp_path / "nowhere"))
    try:
        dataset, kept = copy("/vsimem/no_spool/out.tif", source_path, None)
    finally:
        gdal.SetConfigOption("CPL_TMPDIR", None)
    assert dataset is None
    assert "CPL_TMPDIR" in streamtiff.texts(kept, gdal.CE_Failure)[0]


def test_classic_file_that_would_be_too_large(tmp_path):
    """Known before the pass where tiles are not compressed."""
    source = gdal.GetDriverByName("MEM").Create("", 1, 1)
    huge = gdal.Translate("", source, format="VRT", width=80000, height=80000)
    dataset, kept = cog.copy(
        "StreamTIFF", tmp_path / "out.tif", huge, "COMPRESS=NONE", "BIGTIFF=NO", "MEMORY_CAP=64MB", "OVERVIEWS=NONE"
    )
    assert dataset is None
    failures = streamtiff.texts(kept, gdal.CE_Failure)
    assert len(failures) == 1 and "BIGTIFF=YES" in failures[0]
    assert os.listdir(tmp_path) == []


# --- targets that only append ----------------------------------------------------------------------
# Of a named pipe GDAL 3.6 reads before it calls the driver, and waits for ever: test_cog_file.cpp writes to one.


@pytest.fixture(scope="module")
def reference(tmp_path_factory, source_path):
    path = tmp_path_factory.mktemp("reference") / "out.tif"
    cog.ours(path, source_path, *OPTIONS)
    return path.read_bytes()


def test_vsimem(source_path, reference):
    dataset, kept = copy("/vsimem/cog_failures/out.tif", source_path, None)
    assert dataset is not None, kept
    dataset = None
    file = gdal.VSIFOpenL("/vsimem/cog_failures/out.tif", "rb")
    data = bytes(gdal.VSIFReadL(1, len(reference) + 1, file))
    gdal.VSIFCloseL(file)
    assert data == reference
    assert streamtiff.listing("/vsimem/cog_failures") == ["out.tif"]
    gdal.RmdirRecursive("/vsimem/cog_failures")


@pytest.mark.skipif(not os.path.exists("/dev/fd"), reason="open files have no names here")
@pytest.mark.parametrize("layout", ["COG", "PLAIN"])
def test_file_that_is_open_already(tmp_path, source_path, reference, layout):
    """As /dev/stdout is: nothing can be renamed to that name, and nothing is left beside it."""
    with open(tmp_path / "out.tif", "wb") as file:
        options = ["LAYOUT=COG", *OPTIONS] if layout == "COG" else ["COMPRESS=DEFLATE", "MEMORY_CAP=64MB"]
        streamtiff.create_copy(f"/dev/fd/{file.fileno()}", source_path, *options)
    if layout == "COG":
        assert (tmp_path / "out.tif").read_bytes() == reference
    assert streamtiff.pixels(tmp_path / "out.tif") == streamtiff.pixels(source_path)
    assert os.listdir(tmp_path) == ["out.tif"]


def test_standard_output(source_path, reference):
    script = (
        "import sys; from osgeo import gdal; gdal.PushErrorHandler('CPLQuietErrorHandler');"
        "ds = gdal.GetDriverByName('StreamTIFF').CreateCopy('/vsistdout/', gdal.Open(sys.argv[1]), options=sys.argv[2:]);"
        "assert ds is not None; assert int(ds.GetMetadataItem('SPOOL_BYTES', 'STREAMING')) > 0"
    )
    process = subprocess.run(
        [sys.executable, "-c", script, str(source_path), "LAYOUT=COG", *OPTIONS], stdout=subprocess.PIPE, timeout=60
    )
    assert process.returncode == 0
    assert process.stdout == reference
