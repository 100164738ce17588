"""LAYOUT=COG beside GDAL's COG driver, and beside libvips, the other one that makes the pyramid in one pass: all in turn.

Both drivers write the same codec, predictor, block size and resampling with two threads. Ours is held to what it promises
of memory and of bytes read; times are for reading.
"""

import os
import shutil
import statistics
import subprocess
import time

import runner
import speed

MIB = 1 << 20
SLACK_BYTES = 8 * MIB
HEADER_BYTES = MIB
MAX_AMPLIFICATION = 1.02
COG = ["COMPRESS=DEFLATE", "PREDICTOR=YES", "BLOCKSIZE=512", "NUM_THREADS=2"]
TIME_LIMIT_S = 180

PASSED = {"tiled512_deflate": COG, "rgb512_jpeg": ["COMPRESS=JPEG", "BLOCKSIZE=512", "NUM_THREADS=2"]}

# The source, our cap in MB, GDAL_CACHEMAX of the COG driver in MB (None: its default), the most that our wall time
# may be of its, and whether the tiles of the source are copied as they are.
CASES = (
    ("tiled512_deflate", 64, None, 0.65, False),
    ("rgb512_deflate", 64, None, 0.65, False),
    ("tiled512_deflate", 16, 16, 0.4, False),
    ("rgb512_deflate", 16, 16, 0.4, False),
    ("tiled512_deflate", 256, 256, None, False),
    ("rgb512_deflate", 256, 256, None, False),
    ("strips512_deflate", 64, 64, 0.35, False),
    ("slope_tiled512", 64, 64, 0.1, False),
    ("tiled512_deflate", 64, None, 0.27, True),
    ("rgb512_jpeg", 64, None, 0.27, True),
)
VIPS_CAP_MB, VIPS_GOAL, VIPS_PEAK_GOAL = 32, 0.75, 0.6
VIPS_OUTPUT = "[tile,pyramid,compression=deflate,predictor=float,tile-width=512,tile-height=512]"


def judge(source, figures, passed):
    """What of its promises a copy of ours broke. A tile that is copied as it is is read for that, and to be decoded."""
    told = {key: int(value) for key, value in figures["streaming"].items() if value.isdigit()}
    cap, broken = told["CAP_BYTES"], []
    if figures["peak_rss_bytes"] > cap + SLACK_BYTES:
        broken.append(f"peak RSS of {figures['peak_rss_bytes'] / MIB:.1f} MB is over the cap of {cap / MIB:.1f} MB")
    if not told["PEAK_BYTES"] <= told["PREDICTED_PEAK_BYTES"] <= cap:
        broken.append(f"PEAK {told['PEAK_BYTES']} <= PREDICTED {told['PREDICTED_PEAK_BYTES']} <= CAP {cap} is not so")
    scratch = told.get("SPOOL_BYTES", 0)  # read back into the file, once
    most = (2 if passed else 1) * MAX_AMPLIFICATION * source.read_bytes() + source.page_bytes() + HEADER_BYTES
    if figures["read_bytes"] - scratch > most:
        broken.append(f"amplification by bytes read {figures['amplification']:.3f}")
    if passed and not told["PASSTHROUGH"]:
        broken.append("no tile is copied as it is")
    return broken


def in_turn(source, cap_mb, cachemax_mb, passed, target, plugin, pairs):
    """Runs of both sides; one that reaches the time limit is the last of its side."""
    runs = {"StreamTIFF": [], "COG": []}
    options = PASSED[source.name] if passed else COG
    own = ["LAYOUT=COG", f"MEMORY_CAP={cap_mb}MB", f"PASSTHROUGH={'AUTO' if passed else 'NO'}"]
    sides = {"StreamTIFF": ([*options, *own], None), "COG": (options, cachemax_mb)}
    for _ in range(pairs):
        for driver, (options, limit_mb) in sides.items():
            if runs[driver] and runs[driver][-1].get("timed_out"):
                continue
            try:
                runs[driver].append(
                    runner.run_copy(source, driver, options, target, limit_mb, TIME_LIMIT_S, plugin)
                )
            finally:
                runner.remove_target(target)
    return runs


def run_command(command, plugin):
    """Wall time in s and peak RSS in bytes of a whole process."""
    env = {**os.environ, "GDAL_DRIVER_PATH": str(plugin or ""), "VIPS_CONCURRENCY": "2"}
    began = time.monotonic()
    process = subprocess.Popen(command, env=env, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise runner.CopyFailed(f"{command[0]}: exit code {process.returncode}")
    return time.monotonic() - began, usage.ru_maxrss * 1024


def beside_vips(path, target, plugin, pairs):
    """None where there is no vips."""
    if not shutil.which("vips"):
        print("libvips-tools are not installed: not compared", flush=True)
        return None
    # vips averages, and encodes all tiles
    options = [*COG, "LAYOUT=COG", "OVERVIEW_RESAMPLING=AVERAGE", "PASSTHROUGH=NO", f"MEMORY_CAP={VIPS_CAP_MB}MB"]
    commands = {
        "StreamTIFF": ["gdal_translate", "-q", "-of", "StreamTIFF", str(path), str(target)]
        + [word for option in options for word in ("-co", option)],
        "vips": ["vips", "copy", str(path), f"{target}{VIPS_OUTPUT}"],
    }
    runs = {side: [] for side in commands}
    for _ in range(pairs):
        for side, command in commands.items():
            try:
                runs[side].append(run_command(command, plugin))
            finally:
                runner.remove_target(target)
    ratios = [statistics.median(ours[i] / theirs[i] for ours, theirs in zip(*runs.values())) for i in (0, 1)]
    shown = {side: [statistics.median(run[i] for run in measured) for i in (0, 1)] for side, measured in runs.items()}
    print(
        f"beside vips at {VIPS_CAP_MB} MB: {ratios[0]:.2f} of its time (goal {VIPS_GOAL}), {ratios[1]:.2f} of its "
        f"memory (goal {VIPS_PEAK_GOAL}); "
        + ", ".join(f"{side} {wall:.1f} s, {peak / MIB:.0f} MB" for side, (wall, peak) in shown.items()),
        flush=True,
    )
    return {"wall_ratio": ratios[0], "peak_ratio": ratios[1], "medians": shown}


def row_of(name, cap_mb, cachemax_mb, goal, passed, runs):
    pairs = list(zip(runs["StreamTIFF"], runs["COG"]))
    ratio = statistics.median(ours["wall_s"] / theirs["wall_s"] for ours, theirs in pairs)
    row = {"source": name, "asked_mb": cap_mb, "cachemax_mb": cachemax_mb, "goal": goal, "ratio": ratio}
    row["passed"] = passed
    row["timed_out"] = bool(runs["COG"][-1].get("timed_out"))
    for side, measured in runs.items():
        figures = {key: statistics.median(run[key] for run in measured) for key in ("wall_s", "peak_rss_bytes")}
        row[side] = {**figures, "amplification": measured[-1].get("amplification", 0)}
    row["streaming"] = runs["StreamTIFF"][-1]["streaming"]
    return row


def line_of(row):
    ours, theirs = row["StreamTIFF"], row["COG"]
    cache = f"{row['cachemax_mb']} MB" if row["cachemax_mb"] else "its default cache"
    return (
        f"{row['source']:<18} {row['asked_mb']:>3} MB: {row['ratio']:.2f} of the COG driver's time with {cache}"
        f"{' (stopped)' if row['timed_out'] else ''}{', passed through' if row['passed'] else ''}, goal {row['goal']}; "
        f"{ours['wall_s']:.1f}/{theirs['wall_s']:.1f} s, "
        f"peak {ours['peak_rss_bytes'] / MIB:.0f}/{theirs['peak_rss_bytes'] / MIB:.0f} MB, cap "
        f"{int(row['streaming']['CAP_BYTES']) / MIB:.1f}, {row['streaming']['SWEEP']}, "
        f"reads {ours['amplification']:.2f}/{theirs['amplification']:.2f}"
    )


def run(names, all_sources, folder, plugin, pairs):
    """Gives (rows, beside vips, violations)."""
    target = folder / "out.tif"
    rows, violations = [], []
    for name, cap_mb, cachemax_mb, goal, passed in CASES:
        if name not in names:
            continue
        source = all_sources[name]
        speed.warm(source.path)
        runs = in_turn(source, cap_mb, cachemax_mb, passed, target, plugin, pairs)
        rows.append(row_of(name, cap_mb, cachemax_mb, goal, passed, runs))
        print(line_of(rows[-1]), flush=True)
        for text in judge(source, runs["StreamTIFF"][-1], passed):
            violations.append(f"{text}: COG of {name} at {cap_mb} MB")
            print(f"  VIOLATION {violations[-1]}", flush=True)
    path = all_sources["tiled512_deflate"].path
    return rows, beside_vips(path, target, plugin, pairs), violations
