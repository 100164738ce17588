"""StreamTIFFWriter beside GTiff's Create(), fed by the same pushes in the orders that programs have: both in turn.

Both write the same codec, predictor and tiles with two threads; GTiff has our cap as GDAL_CACHEMAX, and so has GDAL while
ours runs. Ours is held to what it promises of memory, to the same pixels, and to no larger files; times are for reading.
"""

import json
import os
import statistics
import subprocess
import sys

import measured_push
import runner

MIB = 1 << 20
SLACK_BYTES = 8 * MIB
SAMPLE_BYTES = {"Byte": 1, "Float32": 4}
MOST_FILE_BYTES = 1.02
GOAL = 1.0  # wall time
TIME_LIMIT_S = 60  # GTiff encodes the same tiles again and again where a row of them has no room in its cache
TILES = ["TILED=YES", "BLOCKXSIZE=512", "BLOCKYSIZE=512", "COMPRESS=DEFLATE", "BIGTIFF=YES", "NUM_THREADS=2"]
PATTERNS = ("rows", "last row second", "QGIS", "rasterio", "gdalwarp", "random")

# Name, width, height, bands, type, predictor, cap in MB: all tiles of a row have room, or not all of them do. What a
# pattern takes depends on the width; a few rows of tiles show it.
RASTERS = (
    ("float", 20000, 3000, 1, "Float32", 3, 256),
    ("float", 20000, 3000, 1, "Float32", 3, 32),
    ("rgb", 16000, 3000, 3, "Byte", 2, 128),
)
QUICK_RASTERS = (("float", 5000, 2500, 1, "Float32", 3, 64), ("float", 5000, 2500, 1, "Float32", 3, 16))


def push(raster, pattern, driver, target, plugin):
    _, width, height, bands, data_type, predictor, cap_mb = raster
    own = [f"MEMORY_CAP={cap_mb}MB"] if driver != "GTiff" else []
    job = {"target": str(target), "driver": driver, "width": width, "height": height, "bands": bands}
    job.update(type=data_type, pattern=pattern, cachemax_mb=cap_mb, options=[*TILES, f"PREDICTOR={predictor}", *own])
    script = os.path.join(os.path.dirname(__file__), "..", "pymod", "measured_push.py")
    env = {**os.environ, "GDAL_DRIVER_PATH": str(plugin or "")}
    limit_s = TIME_LIMIT_S if driver == "GTiff" else None
    try:
        process = subprocess.run(
            [sys.executable, script, json.dumps(job)], env=env, capture_output=True, text=True, timeout=limit_s
        )
    except subprocess.TimeoutExpired:
        return {"timed_out": True, "wall_s": limit_s, "peak_rss_bytes": 0, "written_bytes": 0, "file_bytes": 0}
    if process.returncode:
        raise runner.CopyFailed(process.stderr)
    return json.loads(process.stdout.splitlines()[-1])


def windows_bytes(raster, pattern):
    """Of the program that pushes: the largest window, and what it was cut out of."""
    _, width, height, _, data_type, _, _ = raster
    pixels = max(columns * lines for _, _, columns, lines in measured_push.PATTERNS[pattern](width, height))
    return 2 * pixels * SAMPLE_BYTES[data_type]


def judge(ours, theirs, pushed_bytes):
    """What of its promises the writer broke."""
    told = {key: int(value) for key, value in ours["streaming"].items()}
    broken = []
    if ours["peak_rss_bytes"] > told["CAP_BYTES"] + pushed_bytes + SLACK_BYTES:
        broken.append(f"peak RSS of {ours['peak_rss_bytes'] / MIB:.1f} MB over {told['CAP_BYTES'] / MIB:.1f} MB")
    if told["PEAK_BYTES"] > told["CAP_BYTES"]:
        broken.append(f"PEAK {told['PEAK_BYTES']} <= CAP {told['CAP_BYTES']} is not so")
    if theirs.get("timed_out"):
        return broken
    if ours["crc"] != theirs["crc"]:
        broken.append("the pixels are not GTiff's")
    if ours["file_bytes"] > MOST_FILE_BYTES * theirs["file_bytes"]:
        broken.append(f"a file of {ours['file_bytes']} bytes, GTiff's has {theirs['file_bytes']}")
    return broken


def measure(raster, pattern, target, plugin, pairs):
    runs = {"StreamTIFFWriter": [], "GTiff": []}
    for _ in range(pairs):
        for driver, measured in runs.items():
            try:
                measured.append(push(raster, pattern, driver, target, plugin))
            finally:
                runner.remove_target(target)
    row = {"raster": raster[0], "cap_mb": raster[-1], "pattern": pattern, "streaming": runs["StreamTIFFWriter"][-1]["streaming"]}
    row["ratio"] = statistics.median(ours["wall_s"] / theirs["wall_s"] for ours, theirs in zip(*runs.values()))
    row["timed_out"] = any(run.get("timed_out") for run in runs["GTiff"])
    for driver, measured in runs.items():
        keys = ("wall_s", "peak_rss_bytes", "written_bytes", "file_bytes")
        row[driver] = {key: statistics.median(run[key] for run in measured) for key in keys}
    pushed_bytes = windows_bytes(raster, pattern)
    return row, [text for ours, theirs in zip(*runs.values()) for text in judge(ours, theirs, pushed_bytes)]


def line_of(row):
    ours, theirs = row["StreamTIFFWriter"], row["GTiff"]
    return (
        f"{row['raster']:<6} {row['cap_mb']:>3} MB, {row['pattern']:<16}: {row['ratio']:.2f} of GTiff's time{' (stopped)' if row['timed_out'] else ''} (goal {GOAL}); "
        f"{ours['wall_s']:.1f}/{theirs['wall_s']:.1f} s, peak {ours['peak_rss_bytes'] / MIB:.0f}/"
        f"{theirs['peak_rss_bytes'] / MIB:.0f} MB, spill {int(row['streaming']['SPILL_BYTES']) / MIB:.0f} MB, "
        f"file {ours['file_bytes'] / MIB:.0f}/{theirs['file_bytes'] / MIB:.0f} MB"
    )


def run(folder, plugin, quick, pairs):
    """Gives (rows, violations)."""
    target = folder / "out.tif"
    rows, violations = [], []
    for raster in QUICK_RASTERS if quick else RASTERS:
        for pattern in PATTERNS:
            row, broken = measure(raster, pattern, target, plugin, pairs)
            rows.append(row)
            print(line_of(row), flush=True)
            violations += [f"{text}: {raster[0]} pushed in the order {pattern} at {raster[-1]} MB" for text in broken]
    return rows, violations
