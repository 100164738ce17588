"""Neighbourhood operators under a small cap: slope by DERIVE, by gdaldem over STREAMTIFF:path, and by gdaldem over the
plain file (whose cap is raised to its floor), each beside gdaldem to the same kind of GTiff, both in turn.

The reference case is 16 blocks of 512 x 512 across, of which gdaldem needs 32 MB to read each once; the wide one is
160000 pixels across, and written to tiles and to strips. A last comparison is of time alone: DERIVE beside gdaldem to the same kind of file, with a cache
that holds all that is asked for again.
"""

import statistics

import runner
import sources as raster_sources
import speed

MIB = 1 << 20
SLACK_BYTES = 8 * MIB
MAX_AMPLIFICATION = 1.02
HEADER_BYTES = MIB
TILES_256 = ["TILED=YES", "BLOCKXSIZE=256", "BLOCKYSIZE=256", "COMPRESS=DEFLATE", "NUM_THREADS=2"]
SAME_FILE = ["TILED=YES", "COMPRESS=DEFLATE", "NUM_THREADS=2"]
STRIPS = ["TILED=NO", "COMPRESS=DEFLATE", "NUM_THREADS=2"]
AMPLE_CACHE_MB = 1024

# The raster, the options of our side and of gdaldem to GTiff, the caps in MB, and gdaldem's cache limit in MB (None:
# GDAL's default).
CASES = {
    "reference": ("reference", TILES_256, SAME_FILE, (4, 8, 16, 64), 32),
    "wide": ("wide_tiled", TILES_256, SAME_FILE, (64,), None),
    "wide to strips": ("wide_tiled", STRIPS, STRIPS, (64,), None),
    "wide strips": ("wide_strips", TILES_256, SAME_FILE, (64,), None),
}
WAYS = ("derive", "prefix", "plain")


def source_of(path, way):
    name = f"{way}_{path.stem}"
    if way == "derive":
        return raster_sources.Source(name, path, path.stem, derive="slope")
    return raster_sources.Source(name, path, path.stem, dem="slope", prefix=way == "prefix")


def judge(source, figures, expected, target):
    """What of the promises a copy broke. The plain way reads by rows: GDAL's cache may serve it a block twice."""
    told = {key: int(value) for key, value in figures["streaming"].items() if value.isdigit()}
    rss, cap, decodes, blocks = (
        figures["peak_rss_bytes"],
        told["CAP_BYTES"],
        told["BLOCK_DECODES"],
        told["SOURCE_BLOCKS"],
    )
    broken = []
    if rss > cap + SLACK_BYTES:
        broken.append(f"peak RSS of {rss / MIB:.1f} MB is over the cap of {cap / MIB:.1f} MB")
    if not told["PEAK_BYTES"] <= told["PREDICTED_PEAK_BYTES"] <= cap:
        broken.append(f"PEAK {told['PEAK_BYTES']} <= PREDICTED {told['PREDICTED_PEAK_BYTES']} <= CAP {cap} is not so")
    if decodes > MAX_AMPLIFICATION * blocks:
        broken.append(f"{decodes} decodes of {blocks} blocks")
    if figures["read_bytes"] > MAX_AMPLIFICATION * source.read_bytes() + source.page_bytes() + HEADER_BYTES:
        broken.append(f"amplification by bytes read {figures['amplification']:.3f}")
    if raster_sources.checksums(target) != expected:
        broken.append("pixels differ from gdaldem's")
    return broken


def measure(source, driver, options, target, cachemax_mb, plugin):
    try:
        return runner.run_copy(source, driver, options, target, cachemax_mb, None, plugin)
    except runner.CopyFailed as failure:
        return {"failed": str(failure)}


def row_of(case, way, asked_mb, figures, theirs):
    told = figures["streaming"]
    return {
        "case": case,
        "way": way,
        "asked_mb": asked_mb,
        **{key: figures[key] for key in ("wall_s", "cpu_s", "peak_rss_bytes", "read_bytes", "amplification")},
        **told,
        "gdaldem": {key: theirs[key] for key in ("wall_s", "peak_rss_bytes", "amplification")},
    }


def line_of(row):
    theirs = row["gdaldem"]
    return (
        f"{row['case']:<14} {row['way']:<7} {row['asked_mb']:>3} MB: cap {int(row['CAP_BYTES']) / MIB:6.1f}, "
        f"peak RSS {row['peak_rss_bytes'] / MIB:6.1f} MB, amplification {row['amplification']:.3f}, "
        f"{row['BLOCK_DECODES']} decodes of {row['SOURCE_BLOCKS']}, {row['wall_s']:.2f} s; gdaldem to GTiff "
        f"{theirs['peak_rss_bytes'] / MIB:.1f} MB, {theirs['amplification']:.3f}, {theirs['wall_s']:.2f} s; "
        f"{row['ratio']:.2f} of its time"
    )


def in_turn(ours, theirs, target, plugin, pairs):
    """Both sides (source, options, cache limit in MB) in turn: our last figures, theirs, and the median of the ratios of
    wall time. Of ours the file stays; where it fails there are no others."""
    ratios = []
    for _ in range(pairs):
        their_figures = measure(theirs[0], "GTiff", theirs[1], target, theirs[2], plugin)
        runner.remove_target(target)
        figures = measure(ours[0], "StreamTIFF", ours[1], target, ours[2], plugin)
        if "failed" in figures:
            break
        ratios.append(figures["wall_s"] / their_figures["wall_s"])
    return figures, their_figures, statistics.median(ratios or [0])


def run_caps(paths, folder, plugin, pairs):
    """Gives (rows, violations)."""
    target = folder / "out.tif"
    rows, violations = [], []
    for case, (raster, our_options, their_options, caps, cachemax_mb) in CASES.items():
        plain = source_of(paths[raster], "plain")
        expected = raster_sources.reference(plain, folder)
        speed.warm(paths[raster])
        for asked_mb in caps:
            for way in WAYS:
                source = source_of(paths[raster], way)
                ours = (source, [*our_options, f"MEMORY_CAP={asked_mb}MB"], None)
                theirs = (plain, their_options, cachemax_mb)
                try:
                    figures, gdaldem, ratio = in_turn(ours, theirs, target, plugin, pairs if case == "reference" else 1)
                    broken = [figures["failed"]] if "failed" in figures else judge(source, figures, expected, target)
                finally:
                    runner.remove_target(target)
                if "failed" not in figures:
                    rows.append({**row_of(case, way, asked_mb, figures, gdaldem), "ratio": ratio})
                    print(line_of(rows[-1]), flush=True)
                for text in broken:
                    violations.append(f"{text}: {case} by {way} at {asked_mb} MB")
                    print(f"  VIOLATION {violations[-1]}", flush=True)
    return rows, violations


def run_speed(path, folder, plugin, pairs):
    """DERIVE beside gdaldem, to the same kind of file, in turn. Gives wall times and the median of their ratios."""
    target = folder / "out.tif"
    sides = {
        "DERIVE": (source_of(path, "derive"), "StreamTIFF", [*SAME_FILE, "MEMORY_CAP=64MB"], None),
        "gdaldem": (source_of(path, "plain"), "GTiff", SAME_FILE, AMPLE_CACHE_MB),
    }
    speed.warm(path)
    walls = {side: [] for side in sides}
    for _ in range(pairs):
        for side, (source, driver, options, cachemax_mb) in sides.items():
            try:
                figures = runner.run_copy(source, driver, options, target, cachemax_mb, None, plugin)
            finally:
                runner.remove_target(target)
            walls[side].append(figures["wall_s"])
    ratio = statistics.median(ours / theirs for ours, theirs in zip(walls["DERIVE"], walls["gdaldem"]))
    seconds = ", ".join(f"{ours:.1f}/{theirs:.1f}" for ours, theirs in zip(walls["DERIVE"], walls["gdaldem"]))
    print(f"DERIVE=slope beside gdaldem slope, 2 threads: {ratio:.2f} of its time; {seconds} s", flush=True)
    return {"walls_s": walls, "ratio": ratio}


def run(folder, made_in, plugin, quick, pairs):
    """Gives (rows, speed, violations)."""
    paths = raster_sources.make_neighbour_rasters(made_in, quick)
    rows, violations = run_caps(paths, folder, plugin, pairs)
    return rows, run_speed(paths["speed"], folder, plugin, pairs), violations
