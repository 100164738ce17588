"""The memory matrix: every source to every output at every cap with every thread count, held to the promises.

Peak memory and amplification are judged together, on the process and on the driver's own figures; the pixels
are compared with what `-of GTiff` writes, and the files of different thread counts with each other.
"""

import functools
import itertools

import runner
import sources as raster_sources

MIB = 1 << 20
SLACK_BYTES = 8 * MIB  # what the process may take beside the cap: stacks, libraries, the allocator's own
MAX_AMPLIFICATION = 1.02
MAX_SHARED_AMPLIFICATION = 1.1  # where windows of a VRT share blocks that the cap has no room for: as planned
HEADER_BYTES = MIB  # a file's directory, read once for each reader: counts only where the source is small
MAX_OVER_PREDICTION = 1.15  # of the predicted peak over the real one, with one thread

# Fast levels: memory and reading are judged here, and the speed part takes the default ones.
OUTPUTS = {
    "tiled512": ["TILED=YES", "BLOCKXSIZE=512", "BLOCKYSIZE=512", "COMPRESS=DEFLATE", "ZLEVEL=1"],
    "tiled256": ["TILED=YES", "BLOCKXSIZE=256", "BLOCKYSIZE=256", "COMPRESS=ZSTD", "ZSTD_LEVEL=1"],
    "strips": ["TILED=NO", "COMPRESS=DEFLATE", "ZLEVEL=1"],
}
CAPS_MB = (16, 64, 256)
THREADS = (2, 8, 1)


def pairwise(*factors):
    """Few combinations in which every two values of different factors meet. Greedy, always the same choice."""
    every = list(itertools.product(*factors))
    columns = list(itertools.combinations(range(len(factors)), 2))
    open_pairs = {(a, b, case[a], case[b]) for case in every for a, b in columns}
    chosen = []
    while open_pairs:
        best = max(every, key=lambda case: sum((a, b, case[a], case[b]) in open_pairs for a, b in columns))
        chosen.append(best)
        open_pairs -= {(a, b, best[a], best[b]) for a, b in columns}
    return chosen


def cases(names, threads, quick):
    """(source, output, cap, threads), the threads of one case one after the other."""
    names = [name for name in names if not name.startswith("empty")]  # for time alone
    if not quick:
        return [(s, o, c, t) for s, o, c in itertools.product(names, OUTPUTS, CAPS_MB) for t in threads]
    chosen = sorted(pairwise(names, list(OUTPUTS), CAPS_MB))
    pairs = list(itertools.combinations(threads, 2)) or [threads]
    return [(s, o, c, t) for i, (s, o, c) in enumerate(chosen) for t in pairs[i % len(pairs)]]


def judge(source, figures, threads):
    """What of the promises a copy broke, apart from its pixels."""
    told = {key: int(value) for key, value in figures["streaming"].items() if value.isdigit()}
    cap, peak, predicted = told["CAP_BYTES"], told["PEAK_BYTES"], told["PREDICTED_PEAK_BYTES"]
    broken = []

    def hold(condition, text):
        if not condition:
            broken.append(text)

    rss = figures["peak_rss_bytes"]
    hold(rss - cap <= SLACK_BYTES, f"peak RSS of {rss / MIB:.1f} MB is over the cap of {cap / MIB:.1f} MB")
    larger = max(told["REQUESTED_CAP_BYTES"], told["FLOOR_BYTES"])
    hold(cap == larger, f"CAP {cap} is not {larger}, the larger one of REQUESTED_CAP and FLOOR")
    hold(peak <= predicted, f"PEAK {peak} > PREDICTED {predicted}")
    hold(predicted <= cap, f"PREDICTED {predicted} > CAP {cap}")
    close = threads > 1 or predicted <= MAX_OVER_PREDICTION * peak
    hold(close, f"PREDICTED {predicted} > {MAX_OVER_PREDICTION} x PEAK {peak}")
    limit = MAX_SHARED_AMPLIFICATION if "resampleAlg" in source.translate else MAX_AMPLIFICATION
    extra_bytes = figures["read_bytes"] - limit * source.read_bytes() - source.page_bytes()
    hold(extra_bytes <= HEADER_BYTES, f"amplification by bytes read {figures['amplification']:.3f}")
    decodes, blocks = told["BLOCK_DECODES"], told["SOURCE_BLOCKS"]
    hold(decodes <= limit * blocks, f"{decodes} decodes of {blocks} blocks: {decodes / blocks:.3f}")
    foreseen, spilled = told["PREDICTED_DECODES"], told["SPILL_BYTES"] - told["VIEW_SPILL_BYTES"]
    hold(decodes == foreseen, f"{decodes} decodes, {foreseen} foreseen")
    foreseen = told["PREDICTED_SPILL_BYTES"]
    hold(spilled == foreseen, f"{spilled} bytes spilled, {foreseen} foreseen")
    return broken


class Equality:
    """Compares each different file once, and all thread counts of one case with each other."""

    def __init__(self, folder):
        self.folder = folder
        self.verdicts = {}
        self.digests = {}

    def judge(self, source, target, case):
        digest = runner.file_digest(target)
        broken = []
        first = self.digests.setdefault(case[:3], (digest, case[3]))
        if digest != first[0]:
            broken.append(f"the file differs from that of {first[1]} threads")
        key = (source.content, digest)
        if key not in self.verdicts:
            expected, found = raster_sources.reference(source, self.folder), raster_sources.checksums(target)
            wrong = sum(a != b for a, b in zip(expected, found)) + abs(len(expected) - len(found))
            text = f"pixels differ from GTiff's in {wrong} of {len(expected)} bands of rows"
            self.verdicts[key] = [text] if wrong else []
        return broken + self.verdicts[key]


def command_of(source, output, cap_mb, threads):
    """The case as a user would type it."""
    options = [*OUTPUTS[output], f"MEMORY_CAP={cap_mb}MB", f"NUM_THREADS={threads}"]
    options += [f"DERIVE={source.derive}"] if source.derive else []
    tool = ["gdaldem", source.dem] if source.dem else ["gdal_translate"]
    if "srcWin" in source.translate:
        tool += ["-srcwin", *map(str, source.translate["srcWin"])]
    elif source.translate:
        size = (str(source.translate[side]) for side in ("width", "height"))
        tool += ["-outsize", *size, "-r", source.translate["resampleAlg"]]
    files = [("STREAMTIFF:" if source.prefix else "") + source.path.name, "out.tif"]
    return " ".join([*tool, *files, "-of", "StreamTIFF", *(f"-co {option}" for option in options)])


def row_of(case, figures):
    told = figures["streaming"]
    return {
        "source": case[0],
        "output": case[1],
        "asked_mb": case[2],
        "threads": case[3],
        **{key: figures[key] for key in ("wall_s", "cpu_s", "peak_rss_bytes", "read_bytes", "amplification")},
        **told,
    }


def line_of(row):
    cap, rss, peak, predicted, spill = (
        int(row[key]) / MIB
        for key in ("CAP_BYTES", "peak_rss_bytes", "PEAK_BYTES", "PREDICTED_PEAK_BYTES", "SPILL_BYTES")
    )
    decodes = int(row["BLOCK_DECODES"]) / int(row["SOURCE_BLOCKS"])
    return (
        f"{row['source']:<18} {row['output']:<9} {row['asked_mb']:>4} {cap:>7.1f} {row['threads']:>2}/{row['THREADS']} "
        f"{row['SWEEP']:<8}{rss:>7.1f} {peak:>7.1f} {predicted:>7.1f} {row['amplification']:>6.3f} {decodes:>6.3f} "
        f"{spill:>7.1f} {row['wall_s']:>6.1f} {row['cpu_s']:>6.1f}"
    )


HEADING = (
    f"{'source':<18} {'output':<9} {'ask':>4} {'cap MB':>7} {'thr':>4} "
    f"{'sweep':<8}{'RSS MB':>7} {'PEAK':>7} {'PREDICT':>7} {'amp':>6} {'dec':>6} "
    f"{'spill':>7} {'wall s':>6} {'cpu s':>6}"
)


def run(names, threads, all_sources, folder, plugin, quick, time_limit_s=900):
    """Gives (rows, violations); writes matrix.jsonl as it goes."""
    target = folder / "out.tif"
    equality = Equality(folder)

    def measure(case):
        source = all_sources[case[0]]
        options = [*OUTPUTS[case[1]], f"MEMORY_CAP={case[2]}MB", f"NUM_THREADS={case[3]}"]
        figures = runner.run_copy(source, "StreamTIFF", options, target, None, time_limit_s, plugin)
        if figures.get("timed_out"):
            raise runner.CopyFailed(f"not done in {time_limit_s} s")
        return row_of(case, figures), judge(source, figures, case[3]) + equality.judge(source, target, case)

    measurements = [
        (command_of(all_sources[case[0]], *case[1:]), functools.partial(measure, case))
        for case in cases(names, threads, quick)
    ]
    print(HEADING, flush=True)
    return runner.measure_each(measurements, line_of, target, folder / "matrix.jsonl")
