"""Views that are read while a StreamTIFFWriter dataset is open: one cap for both, whichever is closed first."""

import json
import subprocess
import sys

import numpy as np
import pytest
import terrain
from osgeo import gdal
from streamtiff import MEASURED_COPY, MIB, needs_true_rss

WIDTH, HEIGHT = 6000, 1100
BLOCKS = 12 * 3
OPTIONS = ["BLOCKXSIZE=512", "BLOCKYSIZE=512", "COMPRESS=DEFLATE", "NUM_THREADS=2"]


@pytest.fixture(scope="module")
def dem(tmp_path_factory):
    path = tmp_path_factory.mktemp("views") / "dem.tif"
    tiles = ["TILED=YES", "BLOCKXSIZE=512", "BLOCKYSIZE=512", "COMPRESS=DEFLATE"]
    terrain.make_terrain(path, WIDTH, HEIGHT, "Float32", 1, tiles)
    return path


def create(path, *options):
    driver = gdal.GetDriverByName("StreamTIFFWriter")
    return driver.Create(str(path), WIDTH, HEIGHT, 1, gdal.GDT_Float32, [*options, *OPTIONS])


def figures(dataset):
    return {key: int(value) for key, value in dataset.GetMetadata("STREAMING").items() if value.isdigit()}


def copy_rows(source, target, first, end, step=100):
    for y in range(first, end, step):
        lines = min(step, end - y)
        target.GetRasterBand(1).WriteArray(source.GetRasterBand(1).ReadAsArray(0, y, WIDTH, lines), 0, y)


def same(path, dem):
    return np.array_equal(gdal.Open(str(path)).ReadAsArray(), gdal.Open(str(dem)).ReadAsArray())


@needs_true_rss
@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="/proc is Linux's")
@pytest.mark.parametrize("cap_mb, most_spilled", [(20, 1.2), (64, 0)])
def test_process_memory(tmp_path, dem, cap_mb, most_spilled):
    job = {"target": str(tmp_path / "o.tif"), "driver": "StreamTIFFWriter", "width": WIDTH, "height": HEIGHT, "bands": 1}
    job.update(type="Float32", pattern="gdalwarp", options=[*OPTIONS, f"MEMORY_CAP={cap_mb}MB"], cachemax_mb=16)
    job.update(source=f"STREAMTIFF:{dem}")
    process = subprocess.run([sys.executable, str(MEASURED_COPY.with_name("measured_push.py")), json.dumps(job)],
                             capture_output=True, timeout=240)  # fmt: skip
    assert process.returncode == 0, process.stderr
    measured = json.loads(process.stdout.splitlines()[-1])
    streaming = {key: int(value) for key, value in measured["streaming"].items()}
    view = measured["view"]
    assert streaming["CAP_BYTES"] == cap_mb * MIB
    assert streaming["PEAK_BYTES"] <= streaming["CAP_BYTES"]
    assert int(view["PEAK_BYTES"]) <= int(view["CAP_BYTES"]) == streaming["LENT_BYTES"]
    assert int(view["BLOCK_DECODES"]) == BLOCKS
    assert streaming["SPILL_BYTES"] <= most_spilled * 4 * WIDTH * HEIGHT
    window = 2 * 4 * WIDTH * 333  # the program's own: as it was read, and as it is written
    assert measured["peak_rss_bytes"] <= streaming["CAP_BYTES"] + window + 8 * MIB
    assert same(job["target"], dem)


@pytest.mark.parametrize("first", ["view", "writer"])
def test_either_is_closed_first(tmp_path, dem, first):
    target = create(tmp_path / "o.tif", "MEMORY_CAP=32MB")
    source = gdal.Open(f"STREAMTIFF:{dem}")
    copy_rows(source, target, 0, HEIGHT)
    lent = figures(target)["LENT_BYTES"]
    assert lent == figures(source)["CAP_BYTES"] > 0
    if first == "view":
        source = None
        assert figures(target)["LENT_BYTES"] == 0
        target = None
    else:
        target = None
        assert source.GetRasterBand(1).ReadRaster(0, 0, WIDTH, 100)
        assert figures(source)["CAP_BYTES"] == lent
        # The next writer's cap is the one that counts.
        target = create(tmp_path / "p.tif", "MEMORY_CAP=24MB")
        copy_rows(source, target, 0, HEIGHT)
        assert figures(target)["LENT_BYTES"] == figures(source)["CAP_BYTES"] < lent
        source = target = None
        assert same(tmp_path / "p.tif", dem)
    assert same(tmp_path / "o.tif", dem)


def test_in_the_middle_of_work(tmp_path, dem):
    """What the writer holds in more slots than are left to it goes to the spill, and is not lost."""
    source = gdal.Open(f"STREAMTIFF:{dem}")
    assert source.GetRasterBand(1).ReadRaster(0, 0, WIDTH, 100)
    before = figures(source)["CAP_BYTES"]
    pixels = gdal.Open(str(dem))
    target = create(tmp_path / "o.tif", "MEMORY_CAP=24MB")
    copy_rows(pixels, target, 0, 300)
    assert figures(target)["LENT_BYTES"] == figures(target)["SPILL_BYTES"] == 0
    copy_rows(source, target, 300, HEIGHT)
    told = figures(target)
    assert 0 < told["LENT_BYTES"] == figures(source)["CAP_BYTES"] != before
    assert told["PEAK_BYTES"] <= told["CAP_BYTES"] == 24 * MIB
    source = target = None
    assert same(tmp_path / "o.tif", dem)


def test_mask_and_several_views(tmp_path, dem):
    target = create(tmp_path / "o.tif", "MEMORY_CAP=40MB")
    views = [gdal.Open(f"STREAMTIFF:{dem}") for _ in range(2)]
    copy_rows(views[0], target, 0, 600)
    assert target.CreateMaskBand(gdal.GMF_PER_DATASET) == gdal.CE_None
    copy_rows(views[1], target, 600, HEIGHT)
    ones = np.full((1, WIDTH), 255, np.uint8)
    for y in range(HEIGHT):
        target.GetRasterBand(1).GetMaskBand().WriteArray(ones, 0, y)
    told = figures(target)
    assert told["LENT_BYTES"] == sum(figures(view)["CAP_BYTES"] for view in views)
    assert told["PEAK_BYTES"] <= told["CAP_BYTES"] == 40 * MIB
    target = None
    assert same(tmp_path / "o.tif", dem)


def test_own_cap_is_its_own(tmp_path, dem):
    target = create(tmp_path / "o.tif", "MEMORY_CAP=32MB")
    source = gdal.OpenEx(f"STREAMTIFF:{dem}", open_options=["MEMORY_CAP=10MB"])
    copy_rows(source, target, 0, HEIGHT)
    assert figures(target)["LENT_BYTES"] == 0
    assert figures(source)["CAP_BYTES"] == 10 * MIB


def test_cap_too_small_for_both(tmp_path, dem):
    warnings = []
    target = create(tmp_path / "o.tif", "MEMORY_CAP=9MB")
    source = gdal.Open(f"STREAMTIFF:{dem}")
    gdal.PushErrorHandler(lambda kind, _, text: warnings.append(text))
    copy_rows(source, target, 0, HEIGHT)
    gdal.PopErrorHandler()
    told = figures(target)
    assert len(warnings) == 1 and "MEMORY_CAP is raised from 9.0 MB" in warnings[0] and "view" in warnings[0]
    assert 9 * MIB < told["CAP_BYTES"] == told["FLOOR_BYTES"] >= told["PEAK_BYTES"]
    source = target = None
    assert same(tmp_path / "o.tif", dem)


def test_strict_cap_too_small_for_both(tmp_path, dem):
    target = create(tmp_path / "o.tif", "MEMORY_CAP=8MB", "BLOCKXSIZE=256", "BLOCKYSIZE=256", "MEMORY_CAP_STRICT=YES")
    huge = tmp_path / "huge.tif"
    gdal.GetDriverByName("GTiff").Create(
        str(huge), 4096, 4096, 1, gdal.GDT_Float32, ["TILED=YES", "BLOCKXSIZE=4096", "BLOCKYSIZE=2048", "SPARSE_OK=YES"]
    )
    gdal.PushErrorHandler("CPLQuietErrorHandler")
    assert gdal.Open(f"STREAMTIFF:{huge}").ReadRaster(0, 0, 10, 10) is None
    gdal.PopErrorHandler()
    assert "but a view that is read beside it needs" in gdal.GetLastErrorMsg()
    source = gdal.Open(f"STREAMTIFF:{dem}")
    copy_rows(source, target, 0, HEIGHT)  # the writer is none the worse
    target = None
    assert same(tmp_path / "o.tif", dem)
