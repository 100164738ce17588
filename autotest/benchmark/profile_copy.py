"""Where the time of a copy goes: CPU by kind of work, and how long each thread computed, queued for a core, and slept.

CPU comes from perf's samples with their callers; where perf may not be used, from valgrind's count of instructions (which
knows nothing of the system, and runs copies of the small sources only). What belongs to the start of the process (dynamic
linking, the registration of drivers, PROJ) is counted apart. Threads are looked at in /proc while the copy runs.
"""

import collections
import os
import pathlib
import re
import shutil
import subprocess
import threading
import time

import runner

SAMPLES_PER_S = 997
STACK_BYTES = 8192
LOOK_S = 0.005

# name: (source, options); sources that a view or gdaldem computes are read by one thread
DEFLATE_3 = ["COMPRESS=DEFLATE", "PREDICTOR=3"]
CASES = {
    "tiles": ("tiled512_deflate", DEFLATE_3),
    "rgb": ("rgb512_deflate", ["COMPRESS=DEFLATE", "PREDICTOR=2"]),
    "strips of 1 row": ("strips1_none", DEFLATE_3),
    "DERIVE=slope": ("derive_tiled512", DEFLATE_3),
    "gdaldem slope": ("slope_tiled512", DEFLATE_3),
    "LAYOUT=COG": ("tiled512_deflate", ["LAYOUT=COG", *DEFLATE_3]),
}

# Kinds, in the order of the table. The first ones are what a copy is there for: what is left should be little.
WORK = ("decoding", "unpredicting", "operator", "predicting", "encoding")
REST = ("moving pixels", "looking at tiles", "reading", "writing", "page faults", "allocating", "waiting", "interrupts", "other")
KINDS = (*WORK, *REST)
PLUGIN = "gdal_StreamTIFF.so"
CODECS = re.compile(r"lib(deflate|zstd|tiff|z|jpeg|Lerc|lzma|webp)\b")
OPERATORS = re.compile("^stf_(resample|derive_run)|GDAL(Generic)?3x3|GDAL(Slope|Aspect|Hillshade)")
SYSTEM = "kernel"


def kind_by(patterns, text):
    return next((kind for kind, pattern in patterns if re.search(pattern, text)), None)


# Functions of the plugin, and what is done on their behalf in C's library.
OWN = (
    ("decoding", r"^(stf_lzw|stf_block_decoder|run_deflate|run_zstd)"),
    ("moving pixels", r"^(stf_assembly|move_|stf_unpredict_separate|fill_|stf_overview|take_margins|leave_margins|read_back)"),
    ("unpredicting", r"^(stf_unpredict|sum_up|sums_|vector_sums|gather_|finish_row)"),
    ("predicting", r"^(apply|stf_predictor|sort_bytes|horizontal|floating_point|difference_)"),
    ("encoding", r"^(entropy_of|encode$|encode_at|encode_directly|stf_encoder)"),
    ("operator", r"^(stf_kernel|stf_resample|stf_derive|resample|run_wide|run_\w*row|load$)"),
    ("looking at tiles", r"^(stf_uniform|stf_sparse|stf_band_statistics|stf_discard)"),
    ("reading", r"^(stf_platform_file_read|stf_spill_read|stf_direct_read|read_|move$)"),
    ("writing", r"^(stf_target|stf_tiff_file|stf_spool|stf_spill|stf_cog)"),
    ("waiting", r"^(stf_pipeline|found_nothing|run_worker|run_caller)"),
)
C_LIBRARY = (
    ("allocating", r"alloc|free|memset|morecore|trim"),
    ("waiting", r"futex|mutex|cond_|lll_|pthread|syscall"),
    ("reading", r"read|fread|seek"),
    ("writing", r"write"),
)
# A tick of the clock comes in whatever is computed: what it costs, and being preempted, is nobody's.
SYSTEM_BY_CALLS = (
    ("page faults", r"page_fault|handle_mm|do_mmap|munmap|madvise|zap_"),
    ("writing", r"vfs_write|ksys_write|pwrite"),
    ("reading", r"vfs_read|ksys_read|pread|lseek"),
    ("waiting", r"futex|nanosleep"),
)


def codec_of(frames):
    names = " ".join(name for name, _ in frames)
    return "decoding" if re.search(r"decompress|decoder|decode", names.lower()) else "encoding"


def kind_of(frames):
    """frames: (function, library), innermost first. What the innermost one works for."""
    function, library = frames[0]
    if CODECS.search(library):
        return codec_of(frames)
    if SYSTEM in library:
        calls = " ".join(name for name, where in frames if SYSTEM in where)
        return kind_by(SYSTEM_BY_CALLS, calls) or "interrupts"
    if PLUGIN in library:
        return kind_by(OWN, function) or "other"
    if re.search(r"libgdal|libm[.-]", library):
        return "operator" if any(OPERATORS.search(name) for name, _ in frames) else "other"
    if not re.search(r"libc[.-]|libpthread", library):
        return "other"
    for name, where in frames[1:] if kind_by(C_LIBRARY, function) is None else ():
        if CODECS.search(where):
            return codec_of(frames)
        if PLUGIN in where and kind_by(OWN, name):
            return kind_by(OWN, name)
    return kind_by(C_LIBRARY, function) or "other"


def is_start(frames, is_main_thread):
    """All that the copy does has the plugin among its callers, or runs on a thread of its own."""
    names = [name for name, where in frames if PLUGIN in where]
    return is_main_thread and (not names or any("GDALRegister" in name for name in names))


# --- perf ---------------------------------------------------------------------------------------


def perf_samples(text):
    """(is of the main thread, [(function, library), ...]) of each sample that perf script printed."""
    frame = re.compile(r"^\s+[0-9a-f]+ (.*) \(([^()]*|\[[^]]*\])\)$")
    for paragraph in text.split("\n\n"):
        lines = paragraph.strip("\n").split("\n")
        head = lines[0].split()
        if len(head) < 2:
            continue
        frames = [match.groups() for match in map(frame.match, lines[1:]) if match]
        if frames:
            yield head[-1], [(name.split("+")[0], where) for name, where in frames]


def shares_of(samples):
    """CPU by kind: a sample each."""
    counts, first = collections.Counter(), None
    for thread, frames in samples:
        first = first or thread
        counts["start" if is_start(frames, thread == first) else kind_of(frames)] += 1
    return counts


def record(command, env, data):
    perf = ["perf", "record", "-q", "-F", str(SAMPLES_PER_S), "--call-graph", f"dwarf,{STACK_BYTES}", "-o", str(data)]
    watch = Watch()
    process = subprocess.Popen([*perf, *command], env=env, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
    threads = watch.follow(process)
    if process.returncode != 0:
        raise runner.CopyFailed(threads["errors"])
    fields = ["--no-inline", "-F", "comm,tid,ip,sym,dso"]
    told = subprocess.run(["perf", "script", "-i", str(data), *fields], capture_output=True, text=True, check=True)
    data.unlink()
    counts = shares_of(perf_samples(told.stdout))
    return {kind: count / SAMPLES_PER_S for kind, count in counts.items()}, threads["threads"]


# --- threads ------------------------------------------------------------------------------------


class Watch:
    """Reads /proc while a process runs: seconds that each thread computed, queued for a core, and slept."""

    def __init__(self):
        self.seen = {}

    def look(self, pid):
        for task in pathlib.Path(f"/proc/{pid}/task").glob("*"):
            try:
                computed, queued, _ = (task / "schedstat").read_text().split()
            except OSError:
                continue  # it has just ended
            now = time.monotonic()
            first = self.seen.get(task.name, (now,))[0]
            self.seen[task.name] = (first, now, int(computed) / 1e9, int(queued) / 1e9)

    def follow(self, process, own=False):
        """Until it ends. own: its threads; else those of its children."""
        errors = []
        reading = threading.Thread(target=lambda: errors.append(process.stderr.read()))
        reading.start()
        while process.poll() is None:
            children = pathlib.Path(f"/proc/{process.pid}/task/{process.pid}/children")
            try:
                for pid in [process.pid] if own else children.read_text().split():
                    self.look(pid)
            except OSError:
                pass
            time.sleep(LOOK_S)
        reading.join()
        rows = []
        for first, last, computed, queued in self.seen.values():
            slept = max(0.0, last - first - computed - queued)
            rows.append({"lived_s": last - first, "computed_s": computed, "queued_s": queued, "slept_s": slept})
        return {"threads": rows, "errors": errors[0][-500:]}


# --- valgrind -----------------------------------------------------------------------------------


def count_instructions(command, env, data):
    """Seconds stand for 10^9 instructions. Callers are not told: what C's library does is nobody's."""
    grind = ["valgrind", "--tool=callgrind", f"--callgrind-out-file={data}"]
    subprocess.run([*grind, *command], env=env, capture_output=True, check=True)
    told = subprocess.run(["callgrind_annotate", "--threshold=100", str(data)], capture_output=True, text=True, check=True)
    data.unlink()
    counts = collections.Counter()
    line = re.compile(r"^\s*([\d,]+) \([ \d.]+%\)\s+\S*?:(\S+).*\[(.*)\]$")
    for count, function, library in (match.groups() for match in map(line.match, told.stdout.splitlines()) if match):
        ours = PLUGIN in library or CODECS.search(library) or re.search(r"libc[.-]", library)
        kind = kind_of([(function, library)]) if ours else "start"
        counts[kind] += int(count.replace(",", "")) / 1e9
    return dict(counts), []


# --- the part -----------------------------------------------------------------------------------


def tool():
    """The way to measure, or None with the reason."""
    if shutil.which("gdal_translate") is None:
        return None, "there is no gdal_translate"
    if shutil.which("perf"):
        tried = subprocess.run(["perf", "record", "-q", "-o", os.devnull, "true"], capture_output=True)
        if tried.returncode == 0:
            return record, "perf"
    if shutil.which("valgrind"):
        return count_instructions, "valgrind"
    return None, "neither perf may be used here nor is there valgrind"


def command_of(source, options, target, cap_mb=64, threads=2):
    """The copy as a user would ask for it."""
    options = [*options, "PASSTHROUGH=NO", f"MEMORY_CAP={cap_mb}MB", f"NUM_THREADS={threads}"]
    options += [f"DERIVE={source.derive}"] if source.derive else []
    program = ["gdaldem", source.dem] if source.dem else ["gdal_translate"]
    command = [*program, source.opened_as(), str(target), "-q", "-of", "StreamTIFF"]
    return command + [word for option in options for word in ("-co", option)]


def environment(plugin):
    env = {key: value for key, value in os.environ.items() if key != "GDAL_DRIVER_PATH"}  # run.py's: disable
    return {**env, "GDAL_DRIVER_PATH": str(plugin)} if plugin else env


def measure(name, all_sources, folder, plugin, way):
    source, options = CASES[name]
    target = folder / "out.tif"
    command = command_of(all_sources[source], options, target)
    try:
        seconds, threads = way(command, environment(plugin), folder / "profile.data")
    finally:
        runner.remove_target(target)
    copy_s = sum(value for kind, value in seconds.items() if kind != "start")
    shares = {kind: seconds.get(kind, 0) / copy_s for kind in KINDS}
    rest = 1 - sum(shares[kind] for kind in WORK)
    row = {"case": name, "copy_s": copy_s, "start_s": seconds.get("start", 0), "shares": shares, "rest": rest}
    return {**row, "threads": threads}


def run(all_sources, folder, plugin, quick):
    """Gives (name of the tool, rows); rows are None where nothing can be measured."""
    way, name = tool()
    if way is None or (way is count_instructions and not quick):
        print(f"SKIPPED: profile: {name if way is None else 'valgrind takes small sources: --quick'}", flush=True)
        return name, None
    rows = []
    for case in CASES:
        rows.append(measure(case, all_sources, folder, plugin, way))
        row = rows[-1]
        parts = ", ".join(f"{kind} {share:.1%}" for kind, share in row["shares"].items() if share >= 0.0005)
        print(f"{case:<16} {row['copy_s']:.1f} s (start {row['start_s']:.1f}): {parts}", flush=True)
    return name, rows
