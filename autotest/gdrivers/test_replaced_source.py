"""Files that change under an open dataset: its own pixels are copied, or it fails cleanly; never another file's."""

import os

import pytest
import streamtiff
import terrain
from osgeo import gdal

SIZE = (640, 512)
# Uncompressed, so that another raster's file has the same size, and its blocks the same places.
PLAIN = ["TILED=YES", "BLOCKXSIZE=64", "BLOCKYSIZE=64"]
TILED = [*PLAIN, "COMPRESS=DEFLATE"]


def make(path, seed, options=PLAIN):
    terrain.make_terrain(path, *SIZE, "Float32", 1, options, seed=seed)


@pytest.fixture(scope="module")
def twins(tmp_path_factory):
    """Two files that differ in their pixels alone, and one with compressed blocks."""
    folder = tmp_path_factory.mktemp("twins")
    make(folder / "a.tif", 1)
    make(folder / "b.tif", 2)
    make(folder / "packed.tif", 2, TILED)
    assert (folder / "a.tif").stat().st_size == (folder / "b.tif").stat().st_size
    return folder


@pytest.fixture
def given(tmp_path, twins):
    """The file under test, and a twin on the same disk that may get its name."""
    for name, of in (("in.tif", "a.tif"), ("twin.tif", "b.tif")):
        (tmp_path / name).write_bytes((twins / of).read_bytes())
    return tmp_path / "in.tif"


def summary(tmp_path, source):
    """Copies; gives the pixels and what the plan says of the source."""
    said = []
    gdal.SetConfigOption("CPL_DEBUG", "StreamTIFF")
    gdal.PushErrorHandler(lambda kind, number, text: said.append(text))
    try:
        dataset = streamtiff.create_quietly("StreamTIFF", tmp_path / "out.tif", source, ["NUM_THREADS=4"])
    finally:
        gdal.PopErrorHandler()
        gdal.SetConfigOption("CPL_DEBUG", None)
    assert dataset is not None, said
    streamtiff.check_figures(streamtiff.streaming(dataset))
    return streamtiff.pixels(dataset), "\n".join(said)


def renamed_over(path):
    os.replace(path.with_name("twin.tif"), path)


def deleted_and_made_anew(path):
    path.unlink()
    path.with_name("twin.tif").rename(path)


def moved_away(path):
    path.rename(path.with_name("old.tif"))
    path.with_name("twin.tif").rename(path)


@pytest.mark.parametrize("also_open", [False, True], ids=["", "and_the_new_one_is_open"])
@pytest.mark.parametrize("change", [renamed_over, deleted_and_made_anew, moved_away])
@pytest.mark.parametrize("as_vrt", [False, True], ids=["file", "vrt"])
def test_twin_has_the_name(tmp_path, given, twins, change, also_open, as_vrt):
    source = gdal.Open(str(given))
    vrt = gdal.Translate("", source, format="VRT") if as_vrt else None
    change(given)
    other = gdal.Open(str(given)) if also_open else None
    pixels, _ = summary(tmp_path, vrt or source)
    assert pixels == streamtiff.pixels(twins / "a.tif")
    assert pixels != streamtiff.pixels(given)
    del other


@pytest.mark.parametrize("direct", ["AUTO", "NO"])
def test_twin_gets_the_name_once_the_copy_is_planned(tmp_path, given, twins, direct):
    """The other readers are opened then: of the file that it was, or not at all."""
    source = gdal.Open(str(given))
    twin = given.with_name("twin.tif")

    def replace(done, *_):
        if twin.exists():
            renamed_over(given)
        return 1

    with streamtiff.messages() as kept:
        dataset = gdal.GetDriverByName(streamtiff.DRIVER).CreateCopy(
            str(tmp_path / "out.tif"), source, options=["NUM_THREADS=4", f"DIRECT_DECODE={direct}"], callback=replace
        )
    assert not twin.exists()
    if dataset is None:
        assert "changed meanwhile" in streamtiff.texts(kept, gdal.CE_Failure)[0] and not (tmp_path / "out.tif").exists()
    else:
        assert streamtiff.pixels(dataset) == streamtiff.pixels(twins / "a.tif")


@pytest.mark.parametrize("as_vrt", [False, True], ids=["file", "vrt"])
def test_nothing_has_the_name(tmp_path, given, twins, as_vrt):
    """It cannot be opened again: the handle that was given is all there is."""
    source = gdal.Open(str(given))
    vrt = gdal.Translate("", source, format="VRT") if as_vrt else None
    given.unlink()
    pixels, _ = summary(tmp_path, vrt or source)
    assert pixels == streamtiff.pixels(twins / "a.tif")


def test_twin_elsewhere_is_no_harm(tmp_path, given, twins):
    """A name of its own: the file that is open is the one of that name."""
    source = gdal.Open(str(given))
    pixels, said = summary(tmp_path, source)
    assert "read in parallel" in said
    assert pixels == streamtiff.pixels(twins / "a.tif")


def test_by_a_relative_name_from_another_folder(tmp_path, given, twins, monkeypatch):
    """The name leads to nothing, or to another file, once the folder has changed."""
    monkeypatch.chdir(tmp_path)
    source = gdal.Open("in.tif")
    (tmp_path / "sub").mkdir()
    given.with_name("twin.tif").rename(tmp_path / "sub" / "in.tif")
    monkeypatch.chdir(tmp_path / "sub")
    pixels, _ = summary(tmp_path, source)
    assert pixels == streamtiff.pixels(twins / "a.tif")


@pytest.mark.parametrize("by", ["b.tif", "packed.tif"])
def test_overwritten_in_place(tmp_path, given, twins, by):
    """The open dataset knows where its blocks lay, and reads what lies there now."""
    source = gdal.Open(str(given))
    content = (twins / by).read_bytes()
    with open(given, "r+b") as file:
        file.write(content)
        file.truncate()
    with streamtiff.messages():
        dataset = streamtiff.create_quietly("StreamTIFF", tmp_path / "out.tif", source, ["NUM_THREADS=4"])
        expected = source.GetRasterBand(1).ReadRaster()
    if dataset is None:
        assert expected is None
        assert not (tmp_path / "out.tif").exists()
    elif by == "b.tif":  # the same file: what it holds now (the open handle may still have a page of before)
        assert streamtiff.pixels(dataset) == streamtiff.pixels(twins / "b.tif")
    else:
        assert streamtiff.pixels(dataset) == [expected]


def mem_unlinked(twin):
    gdal.Unlink("/vsimem/replaced/in.tif")
    gdal.FileFromMemBuffer("/vsimem/replaced/in.tif", twin)


def mem_renamed(twin):
    gdal.FileFromMemBuffer("/vsimem/replaced/twin.tif", twin)
    gdal.Rename("/vsimem/replaced/twin.tif", "/vsimem/replaced/in.tif")


def mem_given_anew(twin):
    gdal.FileFromMemBuffer("/vsimem/replaced/in.tif", twin)


@pytest.mark.parametrize("change", [mem_unlinked, mem_renamed, mem_given_anew])
@pytest.mark.parametrize("as_vrt", [False, True], ids=["file", "vrt"])
def test_twin_in_memory(tmp_path, twins, change, as_vrt):
    gdal.FileFromMemBuffer("/vsimem/replaced/in.tif", (twins / "a.tif").read_bytes())
    source = gdal.Open("/vsimem/replaced/in.tif")
    vrt = gdal.Translate("", source, format="VRT") if as_vrt else None
    change((twins / "b.tif").read_bytes())
    pixels, _ = summary(tmp_path, vrt or source)
    gdal.RmdirRecursive("/vsimem/replaced")
    assert pixels == streamtiff.pixels(twins / "a.tif")
