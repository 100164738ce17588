"""Wall time beside GTiff under the same limit: both sides in turn, so that a busy machine slows both."""

import statistics

import runner

MIB = 1 << 20
TILES = ["TILED=YES", "BLOCKXSIZE=512", "BLOCKYSIZE=512", "COMPRESS=DEFLATE", "NUM_THREADS=2"]

# One tiling for each codec here; the memory matrix has them all.
NOT_HERE = (
    "tiled256_deflate",
    "tiled256_zstd",
    "tiled512_zstd",
    "tiled512_none",
    "tiled1024_deflate",
    "tiled1024_none",
)

# What is copied, the cap in MB, and the most that our wall time may be of GTiff's.
AT_64_MB = 1.0
SLOW_IN_GTIFF = 0.4  # where GTiff decodes over and over


def cases(names):
    names = [name for name in names if name not in NOT_HERE and not name.startswith(("derive", "prefix"))]
    chosen = [(name, 64, SLOW_IN_GTIFF if name.startswith("slope") else AT_64_MB) for name in names]
    return chosen + [(name, 16, SLOW_IN_GTIFF) for name in names if name == "strips512_deflate"]


def sides(source, cap_mb):
    """(driver, options, GDAL_CACHEMAX in MB): the same file from both."""
    predictor = f"PREDICTOR={source.predictor()}"
    ours = ("StreamTIFF", [*TILES, predictor, f"MEMORY_CAP={cap_mb}MB"], None)
    return ours, ("GTiff", [*TILES, predictor], cap_mb)


def median_of(runs, asked_mb):
    """The median of each figure. The cap is the effective one, GTiff's its cache limit."""
    names = ("wall_s", "cpu_s", "peak_rss_bytes", "read_bytes", "amplification")
    figures = {name: statistics.median(run[name] for run in runs) for name in names}
    figures["cap_bytes"] = int(runs[0]["streaming"].get("CAP_BYTES", asked_mb * MIB))
    return figures


def warm(path):
    """Reads the source once, so that neither side waits for the disk."""
    with open(path, "rb", buffering=0) as file:
        while file.read(MIB):
            pass


def run(names, all_sources, folder, plugin, pairs):
    target = folder / "out.tif"
    rows = []
    for name, cap_mb, goal in cases(names):
        source = all_sources[name]
        warm(source.path)
        runs = {"StreamTIFF": [], "GTiff": []}
        for _ in range(pairs):
            for driver, options, cachemax_mb in sides(source, cap_mb):
                try:
                    runs[driver].append(runner.run_copy(source, driver, options, target, cachemax_mb, None, plugin))
                finally:
                    runner.remove_target(target)
        walls = [(ours["wall_s"], theirs["wall_s"]) for ours, theirs in zip(runs["StreamTIFF"], runs["GTiff"])]
        ratio = statistics.median(ours / theirs for ours, theirs in walls)
        row = {"source": name, "asked_mb": cap_mb, "goal": goal, "ratio": ratio, "met": ratio <= goal}
        medians = {driver: median_of(measured, cap_mb) for driver, measured in runs.items()}
        rows.append({**row, "pairs": pairs, "walls_s": walls, **medians})
        seconds = ", ".join(f"{ours:.1f}/{theirs:.1f}" for ours, theirs in walls)
        print(f"{name:<18} {cap_mb:>3} MB: {ratio:.2f} of GTiff's time, goal {goal}; {seconds} s", flush=True)
    return rows
