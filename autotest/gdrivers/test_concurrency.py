"""Several copies at once in one process: equal results, and the cache limit as it was when the last one is done."""

import threading

import pytest
import streamtiff
import terrain
from osgeo import gdal


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("sources")
    for seed in range(2):
        terrain.make_terrain(
            folder / f"{seed}.tif", 1100, 900, "Float32", 1, ["BLOCKYSIZE=150", "COMPRESS=DEFLATE"], seed=seed
        )
    return folder


def at_once(calls):
    """Runs them in threads that begin together. Gives their results, an exception among them is raised."""
    start = threading.Barrier(len(calls))
    results = [None] * len(calls)

    def run(number, call):
        start.wait()
        try:
            results[number] = call()
        except BaseException as error:  # noqa: B902
            results[number] = error

    threads = [threading.Thread(target=run, args=item) for item in enumerate(calls)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for result in results:
        if isinstance(result, BaseException):
            raise result
    return results


def copy(source, target, *options, callback=None):
    # Errors raised in this thread go to this thread's handler.
    with streamtiff.messages() as kept:
        dataset = gdal.GetDriverByName("StreamTIFF").CreateCopy(
            str(target), gdal.Open(str(source)), options=list(options), callback=callback
        )
        figures = streamtiff.streaming(dataset) if dataset else None
        dataset = None
    return figures, kept


def translate(source, target, *options, **arguments):
    with streamtiff.messages() as kept:
        dataset = gdal.Translate(
            str(target), str(source), format="StreamTIFF", creationOptions=list(options), **arguments
        )
        figures = streamtiff.streaming(dataset)
        dataset = None
    return figures, kept


@pytest.mark.parametrize("count", [2, 8])
@pytest.mark.parametrize("cap", ["2MB", "64MB"])
def test_equal_results(folder, tmp_path, count, cap):
    cache_max = gdal.GetCacheMax()
    options = [f"MEMORY_CAP={cap}", "NUM_THREADS=2", "BLOCKXSIZE=128", "BLOCKYSIZE=128", "ZLEVEL=1"]
    alone = copy(folder / "0.tif", tmp_path / "alone.tif", *options)
    results = at_once([lambda n=n: copy(folder / "0.tif", tmp_path / f"{n}.tif", *options) for n in range(count)])
    assert gdal.GetCacheMax() == cache_max
    for number, result in enumerate(results):
        # Each has its own account: plan and warnings as if it were alone. What was in use at once depends on timing.
        assert {**result[0], "PEAK_BYTES": 0} == {**alone[0], "PEAK_BYTES": 0}
        assert result[1] == alone[1]
        assert (tmp_path / f"{number}.tif").read_bytes() == (tmp_path / "alone.tif").read_bytes()
    assert len(list(tmp_path.iterdir())) == count + 1


@pytest.mark.parametrize("round", range(3))
def test_different_copies_that_lease(folder, tmp_path, round):
    """Windows and pixel-interleaved sources read through GDAL's cache: the leases add up."""
    cache_max = gdal.GetCacheMax()
    rgb = terrain.make_terrain(tmp_path / "rgb.tif", 600, 400, "Byte", 3, ["TILED=YES", "INTERLEAVE=PIXEL"])
    options = ["MEMORY_CAP=8MB", "NUM_THREADS=2", "BLOCKXSIZE=128", "BLOCKYSIZE=128", "ZLEVEL=1"]
    window = {"srcWin": [11, 13, 900, 700]}
    calls = [
        lambda: translate(folder / "0.tif", tmp_path / "window.tif", *options, **window),
        lambda: translate(
            folder / "1.tif", tmp_path / "half.tif", *options, width=550, height=450, resampleAlg="cubic"
        ),
        lambda: copy(rgb, tmp_path / "rgb_out.tif", *options),
        lambda: copy(folder / "1.tif", tmp_path / "copy.tif", *options),
    ]
    results = at_once(calls)
    assert gdal.GetCacheMax() == cache_max
    for figures, kept in results:
        assert [text for kind, _, text in kept if kind > gdal.CE_Warning] == []
        streamtiff.check_figures(figures)
    expected = gdal.Translate("/vsimem/window.tif", str(folder / "0.tif"), **window)
    assert streamtiff.pixels(tmp_path / "window.tif") == streamtiff.pixels(expected)
    expected = gdal.Translate("/vsimem/half.tif", str(folder / "1.tif"), width=550, height=450, resampleAlg="cubic")
    assert streamtiff.pixels(tmp_path / "half.tif") == streamtiff.pixels(expected)
    assert streamtiff.pixels(tmp_path / "rgb_out.tif") == streamtiff.pixels(rgb)
    assert streamtiff.pixels(tmp_path / "copy.tif") == streamtiff.pixels(folder / "1.tif")
    expected = None
    gdal.Unlink("/vsimem/window.tif")
    gdal.Unlink("/vsimem/half.tif")


def test_one_is_cancelled_and_one_fails(folder, tmp_path):
    """Each copy's errors are told to its own caller."""
    cache_max = gdal.GetCacheMax()
    options = ["MEMORY_CAP=64MB", "NUM_THREADS=2", "BLOCKXSIZE=128", "BLOCKYSIZE=128", "ZLEVEL=1"]
    broken = tmp_path / "broken.tif"
    broken.write_bytes((folder / "1.tif").read_bytes()[: (folder / "1.tif").stat().st_size // 2])
    results = at_once(
        [
            lambda: copy(folder / "0.tif", tmp_path / "whole.tif", *options),
            lambda: copy(
                folder / "0.tif",
                tmp_path / "cancelled.tif",
                *options,
                callback=lambda done, _message, _data: int(done < 0.3),
            ),
            lambda: copy(broken, tmp_path / "failed.tif", *options),
        ]
    )
    assert gdal.GetCacheMax() == cache_max
    (_, whole), (_, cancelled), (_, failed) = results
    assert whole == []
    assert streamtiff.texts(cancelled, gdal.CE_Failure) == ["User terminated CreateCopy()"]
    assert ["Reading" in text for text in streamtiff.texts(failed, gdal.CE_Failure)] == [True]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["broken.tif", "whole.tif"]
    assert streamtiff.pixels(tmp_path / "whole.tif") == streamtiff.pixels(folder / "0.tif")


def test_limit_that_somebody_sets_meanwhile_stays(folder, tmp_path):
    """The lease gives back what it took, but not over the head of somebody who set another limit since."""
    cache_max = gdal.GetCacheMax()

    def set_limit(done, _message, _data):
        if done > 0.5:
            gdal.SetCacheMax(77 << 20)
        return 1

    try:
        copy(folder / "0.tif", tmp_path / "out.tif", "MEMORY_CAP=8MB", "NUM_THREADS=1", callback=set_limit)
        assert gdal.GetCacheMax() == 77 << 20
    finally:
        gdal.SetCacheMax(cache_max)


def test_copy_within_the_progress_of_a_copy(folder, tmp_path):
    """A callback may do what it likes, another copy included."""
    inner = []

    def progress(done, _message, _data):
        if done > 0.4 and not inner:
            inner.append(copy(folder / "1.tif", tmp_path / "inner.tif", "MEMORY_CAP=8MB", "NUM_THREADS=2"))
        return 1

    _, kept = copy(folder / "0.tif", tmp_path / "outer.tif", "MEMORY_CAP=8MB", "NUM_THREADS=2", callback=progress)
    assert len(inner) == 1
    assert streamtiff.pixels(tmp_path / "inner.tif") == streamtiff.pixels(folder / "1.tif")
    assert streamtiff.pixels(tmp_path / "outer.tif") == streamtiff.pixels(folder / "0.tif")
