"""Wall time beside GTiff under the same limit: both sides in turn, so that a busy machine slows both."""

import statistics

import runner

MIB = 1 << 20
TILES = ["TILED=YES", "BLOCKXSIZE=512", "BLOCKYSIZE=512", "NUM_THREADS=2"]
DEFLATE = ["COMPRESS=DEFLATE"]

# One tiling for each codec here; the memory matrix has them all.
NOT_HERE = (
    "tiled256_deflate",
    "tiled256_zstd",
    "tiled512_zstd",
    "tiled512_none",
    "tiled1024_deflate",
    "tiled1024_none",
)

# The most that our wall time may be of GTiff's.
AT_64_MB = 1.0
SLOW_IN_GTIFF = 0.4  # where GTiff decodes over and over
ALMOST_EMPTY = 0.5  # tiles of one value are decoded and encoded once
# What a codec alone costs, at the cap at which GTiff is fastest. Its best cache is a small one.
CODECS = ((DEFLATE, 0.62), (["COMPRESS=ZSTD", "ZSTD_LEVEL=9"], 0.85), (["COMPRESS=ZSTD", "ZSTD_LEVEL=1"], 0.6))
CODEC_SOURCE = "tiled512_deflate"


def cases(names):
    """What is copied, the cap in MB, the codec's options, and the goal."""
    names = [name for name in names if name not in NOT_HERE and not name.startswith(("derive", "prefix"))]
    chosen = []
    for name in names:
        if name == CODEC_SOURCE:
            chosen += [(name, 64, codec, goal) for codec, goal in CODECS]
        else:
            goals = {"slope": SLOW_IN_GTIFF, "empty": ALMOST_EMPTY}
            chosen.append((name, 64, DEFLATE, goals.get(name.split("_")[0], AT_64_MB)))
    return chosen + [(name, 16, DEFLATE, SLOW_IN_GTIFF) for name in names if name == "strips512_deflate"]


def sides(source, cap_mb, codec):
    """(driver, options, GDAL_CACHEMAX in MB): the same file from both, and both decode and encode."""
    options = [*TILES, *codec, f"PREDICTOR={source.predictor()}"]
    return ("StreamTIFF", [*options, f"MEMORY_CAP={cap_mb}MB", "PASSTHROUGH=NO"], None), ("GTiff", options, cap_mb)


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
    for name, cap_mb, codec, goal in cases(names):
        source = all_sources[name]
        warm(source.path)
        runs = {"StreamTIFF": [], "GTiff": []}
        for _ in range(pairs):
            for driver, options, cachemax_mb in sides(source, cap_mb, codec):
                try:
                    runs[driver].append(runner.run_copy(source, driver, options, target, cachemax_mb, None, plugin))
                finally:
                    runner.remove_target(target)
        both = list(zip(runs["StreamTIFF"], runs["GTiff"]))
        walls = [(ours["wall_s"], theirs["wall_s"]) for ours, theirs in both]
        ratio = statistics.median(ours / theirs for ours, theirs in walls)
        cpu_ratio = statistics.median(ours["cpu_s"] / theirs["cpu_s"] for ours, theirs in both)
        label = name if codec == DEFLATE else f"{name} to {' '.join(option.split('=')[1] for option in codec)}"
        row = {"source": label, "asked_mb": cap_mb, "goal": goal, "ratio": ratio, "met": ratio <= goal}
        medians = {driver: median_of(measured, cap_mb) for driver, measured in runs.items()}
        rows.append({**row, "cpu_ratio": cpu_ratio, "pairs": pairs, "walls_s": walls, **medians})
        seconds = ", ".join(f"{ours:.1f}/{theirs:.1f}" for ours, theirs in walls)
        print(
            f"{label:<18} {cap_mb:>3} MB: {ratio:.2f} of GTiff's time, goal {goal}, {cpu_ratio:.2f} of its CPU; {seconds} s",
            flush=True,
        )
    return rows
