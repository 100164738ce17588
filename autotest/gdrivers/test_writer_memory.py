"""What a process needs that pushes windows through StreamTIFFWriter, and what it leaves on the disk while it does."""

import json
import subprocess
import sys

import pytest
from streamtiff import MEASURED_COPY, MIB, needs_true_rss

MEASURED_PUSH = MEASURED_COPY.with_name("measured_push.py")
# Tile rows of 12 MiB: at 16 MB most tiles wait in the spill, at 48 MB none has to but in random order.
WIDTH, HEIGHT, RAW_BYTES = 6000, 1100, 6000 * 1100 * 4


def pushed(target, driver, pattern, *options):
    job = {"target": str(target), "driver": driver, "width": WIDTH, "height": HEIGHT, "bands": 1, "type": "Float32"}
    common = ["TILED=YES", "BLOCKXSIZE=512", "BLOCKYSIZE=512", "COMPRESS=DEFLATE", "PREDICTOR=3", "BIGTIFF=NO"]
    job.update(pattern=pattern, options=[*common, *options], cachemax_mb=16)
    process = subprocess.run([sys.executable, str(MEASURED_PUSH), json.dumps(job)], capture_output=True, timeout=240)
    assert process.returncode == 0, process.stderr
    return json.loads(process.stdout.splitlines()[-1])


@pytest.fixture(scope="module")
def reference(tmp_path_factory):
    return pushed(tmp_path_factory.mktemp("gtiff") / "o.tif", "GTiff", "gdalwarp")


@needs_true_rss
@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="/proc is Linux's")
@pytest.mark.parametrize(
    "pattern, cap_mb, threads, most_spilled",
    [
        ("rows", 16, 2, 1.1),  # each sample goes there once
        ("last row second", 16, 1, 1.2),
        ("QGIS", 48, 2, 0),
        ("random", 16, 2, 5),
    ],
)
def test_writer_process_memory(tmp_path, reference, pattern, cap_mb, threads, most_spilled):
    options = [f"MEMORY_CAP={cap_mb}MB", f"NUM_THREADS={threads}"]
    figures = pushed(tmp_path / "o.tif", "StreamTIFFWriter", pattern, *options)
    streaming = {key: int(value) for key, value in figures["streaming"].items()}
    assert streaming["CAP_BYTES"] == cap_mb * MIB
    assert streaming["PEAK_BYTES"] <= streaming["CAP_BYTES"]
    assert figures["peak_rss_bytes"] <= streaming["CAP_BYTES"] + 8 * MIB
    assert streaming["SPILL_BYTES"] <= most_spilled * RAW_BYTES
    assert figures["written_bytes"] <= figures["file_bytes"] + streaming["SPILL_BYTES"] + MIB // 4
    assert figures["file_bytes"] <= 1.02 * reference["file_bytes"]
    assert figures["crc"] == reference["crc"]
