"""StreamTIFFWriter: what there is in the file but the bands, and how it ends: masks, overviews, COG, failures."""

import gc
import os
import shutil
import sys

import numpy as np
import pytest
from osgeo import gdal
from pushed import PATTERNS, WRITER, close, config, create, noise, push
from streamtiff import info, listing, messages, pixels, small_disk, streaming, texts

WIDTH, HEIGHT = 203, 131
TILES = ["TILED=YES", "BLOCKXSIZE=64", "BLOCKYSIZE=48", "COMPRESS=DEFLATE", "PREDICTOR=1"]


def masks(dataset):
    return dataset.GetRasterBand(1).GetMaskBand()


def mask_pixels(path):
    dataset = gdal.Open(str(path))  # a band is none without its dataset
    return masks(dataset).ReadAsArray()


@pytest.fixture(params=["YES", "NO"])
def internal_mask(request):
    with config("GDAL_TIFF_INTERNAL_MASK", request.param) as value:
        yield value


@pytest.mark.parametrize("when", ["before", "between"])
@pytest.mark.parametrize("interleave", ["PIXEL", "BAND"])
@pytest.mark.parametrize("layout", [TILES, ["TILED=NO", "BLOCKYSIZE=7", "COMPRESS=DEFLATE", "PREDICTOR=1"]])
def test_writer_mask(tmp_path, internal_mask, when, interleave, layout):
    """In the file or beside it, made before or among the pixels, written in another order than they are, in part never."""
    values = noise(WIDTH, HEIGHT, 2, gdal.GDT_Byte)
    mask = np.where(noise(WIDTH, HEIGHT, 1, gdal.GDT_Byte) > 60, 255, 0).astype(np.uint8)
    windows = PATTERNS["windows across tiles"](WIDTH, HEIGHT)
    for driver, name in ((WRITER, "ours.tif"), ("GTiff", "theirs.tif")):
        held = [create(tmp_path / name, WIDTH, HEIGHT, 2, gdal.GDT_Byte, *layout, f"INTERLEAVE={interleave}", driver=driver)]
        push(held[0], values, [] if when == "before" else windows[:7])
        assert held[0].CreateMaskBand(gdal.GMF_PER_DATASET) == 0
        assert held[0].GetRasterBand(2).GetMaskFlags() == gdal.GMF_PER_DATASET
        for x, y, width, height in PATTERNS["random"](WIDTH, 90):
            masks(held[0]).WriteArray(mask[0, y : y + height, x : x + width], x, y)
        push(held[0], values, windows if when == "before" else windows[7:])
        assert np.array_equal(masks(held[0]).ReadAsArray()[:90], mask[0, :90])
        assert (masks(held[0]).ReadAsArray()[90:] == 0).all()
        assert close(held) == []
    ours, theirs = tmp_path / "ours.tif", tmp_path / "theirs.tif"
    assert pixels(ours) == pixels(theirs)
    assert info(ours) == info(theirs)
    assert np.array_equal(mask_pixels(ours), mask_pixels(theirs))
    assert os.path.exists(f"{ours}.msk") == os.path.exists(f"{theirs}.msk") == (internal_mask == "NO")
    assert ours.stat().st_size <= 1.1 * theirs.stat().st_size


def test_writer_mask_shares_the_cap(tmp_path, internal_mask):
    """Slots that the bands have are taken away from them: what they hold goes to the spill and comes back."""
    values = noise(1000, 900, 3, gdal.GDT_Byte)
    options = ["BLOCKXSIZE=64", "BLOCKYSIZE=64", "MEMORY_CAP=3700KB"]
    held = [create(tmp_path / "o.tif", 1000, 900, 3, gdal.GDT_Byte, *options)]
    push(held[0], values, PATTERNS["random"](1000, 900)[::2])
    assert held[0].CreateMaskBand(gdal.GMF_PER_DATASET) == 0
    for window in PATTERNS["random"](1000, 900)[1::2]:
        push(held[0], values, [window])
        x, y, width, height = window
        masks(held[0]).WriteArray(np.full((height, width), 255, np.uint8), x, y)
    figures = streaming(held[0])
    assert figures["PEAK_BYTES"] <= figures["CAP_BYTES"] == 3700 << 10
    assert figures["SPILL_BYTES"] > 0
    assert close(held) == []
    result = gdal.Open(str(tmp_path / "o.tif"))
    assert np.array_equal(result.ReadAsArray(), values)
    expected = np.zeros((900, 1000), np.uint8)
    for x, y, width, height in PATTERNS["random"](1000, 900)[1::2]:
        expected[y : y + height, x : x + width] = 255
    assert np.array_equal(masks(result).ReadAsArray(), expected)


def test_writer_mask_that_does_not_fit_a_strict_cap(tmp_path):
    held = [create(tmp_path / "o.tif", 600, 500, 1, gdal.GDT_Byte, "BLOCKXSIZE=256", "BLOCKYSIZE=256")]
    floor = streaming(held[0])["FLOOR_BYTES"]
    assert close(held) == []
    options = ["BLOCKXSIZE=256", "BLOCKYSIZE=256", f"MEMORY_CAP={floor}", "MEMORY_CAP_STRICT=YES"]
    held = [create(tmp_path / "o.tif", 600, 500, 1, gdal.GDT_Byte, *options)]
    with messages() as kept:
        assert held[0].CreateMaskBand(gdal.GMF_PER_DATASET) != 0
    assert "a mask beside the bands needs" in texts(kept, gdal.CE_Failure)[0]
    close(held)
    assert listing(tmp_path) == []


# --- overviews ------------------------------------------------------------------------------------


@pytest.mark.parametrize("external", ["YES", "NO"])
def test_writer_overviews_before_it_is_closed(tmp_path, external):
    """The file is finished, GTiff makes them in it, and both are read and written from then on."""
    values = noise(WIDTH, HEIGHT, 2, gdal.GDT_Byte)
    seen = []
    for driver, name in ((WRITER, "ours.tif"), ("GTiff", "theirs.tif")):
        held = [create(tmp_path / name, WIDTH, HEIGHT, 2, gdal.GDT_Byte, *TILES, driver=driver)]
        held[0].GetRasterBand(1).SetNoDataValue(3)
        push(held[0], values, PATTERNS["rows"](WIDTH, HEIGHT))
        with config("TIFF_USE_OVR", external):
            assert held[0].BuildOverviews("AVERAGE", [2, 4]) == 0
        assert held[0].GetRasterBand(1).GetOverviewCount() == 2
        seen.append(held[0].GetRasterBand(2).GetOverview(1).ReadRaster())
        held[0].GetRasterBand(1).WriteRaster(0, 0, 70, 1, b"\5" * 70)
        held[0].SetMetadataItem("LATER", "yes")
        assert held[0].GetRasterBand(1).ReadRaster(0, 0, 70, 1) == b"\5" * 70
        assert close(held) == []
    assert seen[0] == seen[1]
    ours, theirs = tmp_path / "ours.tif", tmp_path / "theirs.tif"
    assert pixels(ours) == pixels(theirs)
    assert info(ours) == info(theirs)
    assert os.path.exists(f"{ours}.ovr") == os.path.exists(f"{theirs}.ovr") == (external == "YES")
    assert listing(tmp_path) == sorted(os.listdir(tmp_path))


# --- LAYOUT=COG -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "options", [[], ["COMPRESS=LZW", "OVERVIEW_RESAMPLING=MODE", "BLOCKSIZE=128"], ["COMPRESS=JPEG", "QUALITY=80"]]
)
@pytest.mark.parametrize("masked", [False, True])
def test_writer_cog_is_that_of_a_copy(tmp_path, options, masked):
    """Byte by byte, and nothing beside it."""
    values = noise(700, 560, 3, gdal.GDT_Byte)
    folder = tmp_path / "out"
    folder.mkdir()
    held = [create(folder / "o.tif", 700, 560, 3, gdal.GDT_Byte, "LAYOUT=COG", *options)]
    held[0].SetGeoTransform([500000, 10, 0, 5000000, 0, -10])
    held[0].SetMetadataItem("KEY", "value")
    push(held[0], values, PATTERNS["chunks of many rows"](700, 560))
    if masked:
        assert held[0].CreateMaskBand(gdal.GMF_PER_DATASET) == 0
        masks(held[0]).WriteArray(np.full((300, 700), 255, np.uint8))
    assert close(held) == []
    assert listing(folder) == ["o.tif"]
    plain = gdal.GetDriverByName("GTiff").Create(str(tmp_path / "p.tif"), 700, 560, 3, gdal.GDT_Byte)
    plain.SetGeoTransform([500000, 10, 0, 5000000, 0, -10])
    plain.SetMetadataItem("KEY", "value")
    plain.WriteArray(values)
    if masked:
        with config("GDAL_TIFF_INTERNAL_MASK", "YES"):
            plain.CreateMaskBand(gdal.GMF_PER_DATASET)
        masks(plain).WriteArray(np.full((300, 700), 255, np.uint8))
    plain = None
    copied = gdal.GetDriverByName("StreamTIFF").CreateCopy(
        str(tmp_path / "c.tif"), gdal.Open(str(tmp_path / "p.tif")), options=["LAYOUT=COG", *options]
    )
    assert copied.GetMetadataItem("LAYOUT", "IMAGE_STRUCTURE") == "COG"
    copied = None
    assert (folder / "o.tif").read_bytes() == (tmp_path / "c.tif").read_bytes()


def test_writer_cog_makes_its_own_overviews(tmp_path):
    held = [create(tmp_path / "o.tif", 700, 560, 1, gdal.GDT_Byte, "LAYOUT=COG")]
    with messages() as kept:
        assert held[0].BuildOverviews("AVERAGE", [2]) != 0
    assert "LAYOUT=COG" in texts(kept, gdal.CE_Failure)[0]
    assert close(held) == []
    result = gdal.Open(str(tmp_path / "o.tif"))
    assert result.GetRasterBand(1).GetOverviewCount() == 1


def test_writer_cog_options_are_read_at_once(tmp_path):
    with messages() as kept:
        dataset = gdal.GetDriverByName(WRITER).Create(
            str(tmp_path / "o.tif"), 70, 50, 1, gdal.GDT_Byte, ["LAYOUT=COG", "BLOCKSIZE=17"]
        )
    assert dataset is None and texts(kept, gdal.CE_Failure)
    assert listing(tmp_path) == []


# --- failures -------------------------------------------------------------------------------------


@pytest.mark.parametrize("layout", ["GTIFF", "COG"])
def test_writer_folder_removed_before_it_is_closed(tmp_path, layout):
    folder = tmp_path / "gone"
    folder.mkdir()
    held = [create(folder / "o.tif", WIDTH, HEIGHT, 1, gdal.GDT_Byte, f"LAYOUT={layout}")]
    push(held[0], noise(WIDTH, HEIGHT, 1, gdal.GDT_Byte), PATTERNS["rows"](WIDTH, HEIGHT))
    shutil.rmtree(folder)
    kept = close(held)
    assert texts(kept, gdal.CE_Failure)
    assert not folder.exists()


@pytest.mark.parametrize("layout", ["GTIFF", "COG"])
def test_writer_disk_full(tmp_path, layout):
    """The program is told by the write or by the close; either way nothing is left that could be taken for a result."""
    folder = tmp_path / "small"
    folder.mkdir()
    values = np.random.RandomState(3).randint(0, 255, (3, 1024, 1024)).astype(np.uint8)
    with small_disk(folder, 1 << 20):
        held = [create(folder / "o.tif", 1024, 1024, 3, gdal.GDT_Byte, f"LAYOUT={layout}", "MEMORY_CAP=64MB")]
        failed = False
        with messages() as kept:
            for y in range(0, 1024, 64):
                failed = failed or held[0].WriteRaster(0, y, 1024, 64, values[:, y : y + 64].tobytes()) != 0
        kept += close(held)
        assert any("Cannot write" in text for text in texts(kept, gdal.CE_Failure)), kept
        assert listing(folder) == []


def test_writer_spill_that_does_not_fit(tmp_path):
    """A spill on a full disk fails the write that needs it, and the file is not left behind."""
    folder = tmp_path / "small"
    folder.mkdir()
    values = np.random.RandomState(3).randint(0, 255, (1, 2048, 2048)).astype(np.uint8)
    with small_disk(folder, 1 << 20):
        with messages() as kept:
            dataset = gdal.GetDriverByName(WRITER).Create(
                str(folder / "o.tif"), 2048, 2048, 1, gdal.GDT_Byte, ["BLOCKXSIZE=128", "BLOCKYSIZE=128", "MEMORY_CAP=1KB"]
            )
            push_result = [
                dataset.WriteRaster(0, y, 2048, 1, values[0, y].tobytes()) for y in (0, 300, 600, 900, 1200, 1500)
            ]
            dataset = None
            gc.collect()
        assert any(push_result)
        assert any("spill" in text for text in texts(kept, gdal.CE_Failure)), kept
        assert listing(folder) == []


def test_writer_spill_asks_for_no_more_room_than_the_raster_takes(tmp_path):
    folder = tmp_path / "small"
    folder.mkdir()
    values = noise(2048, 2048, 1, gdal.GDT_Byte)
    options = ["BLOCKXSIZE=128", "BLOCKYSIZE=128", "MEMORY_CAP=1KB"]
    bytes_spilled = 2048 * 2048 * 9 // 8  # a byte and a bit of its mask for each pixel
    with small_disk(folder, 12 << 20):  # a file of 4 MiB and the spill
        with messages() as kept:
            held = [gdal.GetDriverByName(WRITER).Create(str(folder / "o.tif"), 2048, 2048, 1, gdal.GDT_Byte, options)]
            push(held[0], values, [(0, y, 2048, 1) for y in range(0, 2048, 2)])
            push(held[0], values, [(0, y, 2048, 1) for y in range(1, 2048, 2)])
            assert 0 < streaming(held[0])["SPILL_BYTES"]
        assert close(held) == texts(kept, gdal.CE_Failure) == []
        assert gdal.Open(str(folder / "o.tif")).ReadRaster() == values.tobytes()
    assert any(f"up to {bytes_spilled} bytes" in text for text in texts(kept, gdal.CE_Warning)), kept


def test_writer_no_write_after_a_failure(tmp_path):
    folder = tmp_path / "small"
    folder.mkdir()
    values = np.random.RandomState(3).randint(0, 255, (3, 1024, 1024)).astype(np.uint8)
    with small_disk(folder, 64 << 10):
        held = [create(folder / "o.tif", 1024, 1024, 3, gdal.GDT_Byte, "NUM_THREADS=1", "BLOCKXSIZE=128", "BLOCKYSIZE=128")]
        with messages() as kept:
            results = [held[0].WriteRaster(0, y, 1024, 128, values[:, y : y + 128].tobytes()) for y in range(0, 1024, 128)]
        first = results.index(next(result for result in results if result))
        assert all(results[first:])
        assert len(set(texts(kept, gdal.CE_Failure))) <= 2
        close(held)
        assert listing(folder) == []


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="/proc is Linux's")
def test_writer_scratch_files_are_gone(tmp_path):
    values = noise(600, 500, 1, gdal.GDT_Byte)
    options = ["BLOCKXSIZE=64", "BLOCKYSIZE=64", "MEMORY_CAP=1KB"]
    with messages():  # it is raised to the least
        held = [gdal.GetDriverByName(WRITER).Create(str(tmp_path / "o.tif"), 600, 500, 1, gdal.GDT_Byte, options)]
    push(held[0], values, PATTERNS["random"](600, 500)[::2])
    assert streaming(held[0])["SPILL_BYTES"] > 0
    assert len(listing(tmp_path)) == 2  # the empty one of this name, and what it will be; of the spill there is no name
    push(held[0], values, PATTERNS["random"](600, 500)[1::2])
    assert close(held) == []
    assert listing(tmp_path) == ["o.tif"]
    assert gdal.Open(str(tmp_path / "o.tif")).ReadRaster() == values.tobytes()


def test_writer_cache_limit_is_left_alone(tmp_path):
    """Unless it is asked for: an application has other datasets open, too."""
    limit = gdal.GetCacheMax()
    held = [create(tmp_path / "o.tif", 600, 500, 1, gdal.GDT_Byte)]
    assert gdal.GetCacheMax() == limit
    close(held)
    with config("STREAMTIFF_LEASE", "YES"):
        held = [create(tmp_path / "o.tif", 600, 500, 1, gdal.GDT_Byte, "MEMORY_CAP=16MB")]
        assert gdal.GetCacheMax() <= gdal.GetCacheUsed() + (16 << 20)
        close(held)
    assert gdal.GetCacheMax() == limit
