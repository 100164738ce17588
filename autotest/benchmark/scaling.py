"""A model of the copy on more cores than there are here: how much faster, and what holds it up.

The pipeline of the driver (pipeline.h) as a simulation of discrete events. Threads take the same steps in the same order of
preference: the caller commits (and reads and fills, where the source is read by one thread), workers fill, read and encode.
What bounds them is what bounds the driver: one thread fills at a time; tiles are committed in order by one; the plan's slots,
readers and buffers, which the driver is asked for at each cap and number of threads; what comes after the last tile. How long
each step takes comes from the profile. Nothing is drawn at random.
"""

import collections
import dataclasses
import heapq
import re
import subprocess
import time

import profile_copy
import runner

CORES = (1, 2, 4, 8, 16)
CAPS_MB = (64, 256)
CASES = ("tiles", "strips of 1 row", "gdaldem slope", "LAYOUT=COG")
TILE_PX = 512
SWEEP = re.compile(r"sweep (\w+), .* (\d+) tile\(s\) in memory, (\d+) in the spill")
CREW = re.compile(r"(\d+) encoder\(s\), (\d+) reader\(s\), (\d+) block buffer\(s\)")


@dataclasses.dataclass
class Load:
    """What there is to do. Seconds of CPU: read for each unit, fill for each tile that a unit touches, encode and commit
    for each tile, and tail once, when all tiles are there."""

    columns: int  # tiles in a row
    rows: int  # of tiles
    units_per_row: int  # units that lie in a row of tiles: as many as columns, or each across all of them
    read_s: float
    fill_s: float
    encode_s: float
    commit_s: float
    tail_s: float = 0.0
    across: bool = False  # a unit touches all tiles of its row
    parallel: bool = True  # any worker reads; else the caller alone, unit after unit


@dataclasses.dataclass
class Plan:
    encoders: int
    readers: int
    buffers: int
    slots: int
    regions: int = 0  # where every open tile waits in the spill: it needs a slot only while it is encoded


class Copy:
    """One copy while it is simulated. Steps are begun by begin_*(), which give what ends them, and how long that takes."""

    def __init__(self, load, plan):
        self.load, self.plan = load, plan
        self.units = [(row, unit) for row in range(load.rows) for unit in range(load.units_per_row)]
        self.tiles = load.rows * load.columns
        self.read, self.filled, self.ready = 0, 0, set()
        self.touched = 0  # tiles of the unit being filled
        self.filling = self.committing = False
        self.open, self.free, self.regions = set(), plan.slots, plan.regions
        self.waiting, self.encoded = collections.deque(), set()
        self.complete = self.committed = 0

    def tiles_of(self, number):
        row, unit = self.units[number]
        return [(row, column) for column in range(self.load.columns)] if self.load.across else [(row, unit)]

    def begin_read(self):
        if self.read == len(self.units) or self.read - self.filled >= self.plan.buffers:
            return None
        number, self.read = self.read, self.read + 1
        return self.load.read_s, lambda: self.ready.add(number)

    def begin_fill(self):
        if self.filling or self.filled not in self.ready:
            return None
        tile = self.tiles_of(self.filled)[self.touched]
        if tile not in self.open:
            if (self.regions if self.plan.regions else self.free) == 0:
                return None
            self.open.add(tile)
            self.regions -= 1 if self.plan.regions else 0
            self.free -= 0 if self.plan.regions else 1
        self.filling = True
        return self.load.fill_s, lambda: self.end_fill(tile)

    def end_fill(self, tile):
        last = not self.load.across or self.units[self.filled][1] == self.load.units_per_row - 1
        self.filling = False
        self.touched += 1
        if last:
            self.waiting.append(self.complete)
            self.complete += 1
            self.open.discard(tile)
        if self.touched == len(self.tiles_of(self.filled)):
            self.touched = 0
            self.ready.discard(self.filled)
            self.filled += 1

    def begin_encode(self):
        if not self.waiting or (self.plan.regions and self.free == 0):
            return None
        number = self.waiting.popleft()
        self.free -= 1 if self.plan.regions else 0
        return self.load.encode_s, lambda: self.end_encode(number)

    def end_encode(self, number):
        self.encoded.add(number)
        self.regions += 1 if self.plan.regions else 0

    def begin_commit(self):
        if self.committing or self.committed not in self.encoded:
            return None
        self.committing = True
        return self.load.commit_s, self.end_commit

    def end_commit(self):
        self.committing = False
        self.encoded.discard(self.committed)
        self.committed += 1
        self.free += 1

    def begin(self, thread):
        """The step that a thread finds: 0 is the caller, who does all where there is no other."""
        alone, parallel = self.plan.encoders == 1, self.load.parallel
        caller = thread == 0
        steps = [self.begin_commit] if caller else []
        steps += [self.begin_fill] if alone or not caller or not parallel else []
        if alone or (not parallel and caller) or (parallel and not caller and thread <= self.plan.readers):
            steps.append(self.begin_read)
        steps += [self.begin_encode] if alone or not caller else []
        return next((found for step in steps if (found := step())), None)


def simulate(load, plan, cores):
    """Wall seconds, and the seconds of each kind of thread: the caller's work, and the workers'."""
    copy = Copy(load, plan)
    threads = 1 if plan.encoders == 1 else 1 + plan.encoders
    idle, running, now, order = list(range(threads)), [], 0.0, 0
    busy = [0.0] * threads
    while copy.committed < copy.tiles:
        found = True
        while found and len(running) < cores:
            found = False
            for thread in idle[:2]:  # the caller, and a worker: those of higher numbers may do no more
                if step := copy.begin(thread):
                    seconds, end = step
                    heapq.heappush(running, (now + seconds, order, thread, end))
                    busy[thread] += seconds
                    idle.remove(thread)
                    order, found = order + 1, True
                    break
        if not running:
            raise RuntimeError("the simulated copy came to a standstill")
        now, _, thread, end = heapq.heappop(running)
        end()
        idle.append(thread)
        idle.sort()
    return now + load.tail_s, busy


def bottleneck(load, plan, cores, wall_s):
    """What is busy nearly all the time; or else that of which more would help the most."""
    units, tiles = load.rows * load.units_per_row, load.rows * load.columns
    touches = units * (load.columns if load.across else 1)
    reading_s, filling_s, committing_s = units * load.read_s, touches * load.fill_s, tiles * load.commit_s
    work_s = reading_s + filling_s + committing_s + tiles * load.encode_s
    time_s = 0.9 * (wall_s - load.tail_s)
    busy = {
        "cores": work_s / cores,
        "committer": committing_s + (0 if load.parallel else reading_s),
        "filling": filling_s,
    }
    for name, seconds in busy.items():
        if seconds > time_s:
            name = "row source" if name == "committer" and not load.parallel else name
            return f"{name}, then the tail" if load.tail_s > 0.1 * wall_s else name
    crew = {"encoders": max(plan.encoders, cores)}
    if load.parallel:
        crew.update(readers=max(plan.readers, cores), buffers=2 * cores + plan.buffers)
    more = {
        "account: tiles in flight": {"slots": plan.slots + tiles},
        "account: readers": {key: value for key, value in crew.items() if key != "encoders"},
        "account: encoders": {**crew, "slots": plan.slots + cores},
    }
    gains = {name: wall_s / simulate(load, dataclasses.replace(plan, **changes), cores)[0] for name, changes in more.items()}
    best = max(gains, key=gains.get)
    return f"{best} (x{gains[best]:.1f})" if gains[best] > 1.03 else "order of the steps"


# --- what goes in -------------------------------------------------------------------------------


def asked_plan(command, env, target):
    """The driver's plan, as CPL_DEBUG tells it before the first pixel is read; the copy is ended then."""
    process = subprocess.Popen([*command, "--debug", "StreamTIFF"], env=env, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
    text = ""
    try:
        for line in process.stderr:
            text += line
            if (sweep := SWEEP.search(text)) and (crew := CREW.search(text)):
                encoders, readers, buffers = map(int, crew.groups())
                slots, regions = int(sweep[2]), int(sweep[3]) if sweep[1] == "SPILL" else 0
                return Plan(encoders, readers, buffers, slots, regions)
    finally:
        process.kill()
        process.communicate()
        runner.remove_target(target)
    raise runner.CopyFailed(f"no plan: {text[-300:]}")


def load_of(row, source, size, block_rows):
    """The seconds of a profiled copy, for each step of the pipeline."""
    s = {kind: share * row["copy_s"] for kind, share in row["shares"].items()}
    width, height = size
    columns, rows = -(-width // TILE_PX), -(-height // TILE_PX)
    across, opaque, cog = block_rows < TILE_PX or bool(source.dem), bool(source.dem), row["case"] == "LAYOUT=COG"
    per_row = max(1, TILE_PX // block_rows) if across else columns
    units, tiles = rows * per_row, rows * columns
    # Of a COG half of what is written, and all that is read back, comes when all tiles are there.
    tail_s = s["writing"] / 2 if cog else 0.0
    read_s = s["decoding"] + s["unpredicting"] + s["reading"] + (s["operator"] + s["other"] if opaque else 0)
    encode_s = s["predicting"] + s["encoding"] + s["looking at tiles"] + s["allocating"] + s["interrupts"] + s["waiting"]
    encode_s += 0 if opaque else s["operator"] + s["other"]
    fill_s = s["moving pixels"] + s["page faults"]
    touches = units * columns if across else units
    return Load(columns, rows, per_row, read_s / units, fill_s / touches, encode_s / tiles, (s["writing"] - tail_s) / tiles, tail_s, across, not opaque)


def measured_s(command, env, target, start_s):
    """Seconds of a copy without its process's start, and without the time that its threads queued for a core that others had."""
    began = time.monotonic()
    process = subprocess.Popen(command, env=env, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
    try:
        told = profile_copy.Watch().follow(process, own=True)
        if process.returncode != 0:
            raise runner.CopyFailed(told["errors"])
    finally:
        process.kill()
        runner.remove_target(target)
    wall_s = time.monotonic() - began
    workers = told["threads"][1:]
    quiet = [thread["computed_s"] + thread["slept_s"] for thread in workers] or [wall_s - told["threads"][0]["queued_s"] - start_s]
    return wall_s - start_s, sum(quiet) / len(quiet)


def rows_of_unit(source):
    from osgeo import gdal

    dataset = gdal.Open(str(source.path))
    return dataset.GetRasterBand(1).GetBlockSize()[1]


def run(profile, all_sources, sizes, folder, plugin):
    """profile: the rows of profile_copy.run. Gives a row for each case, cap and number of cores."""
    target, env, rows = folder / "out.tif", profile_copy.environment(plugin), []
    for row in profile:
        if row["case"] not in CASES:
            continue
        name, options = profile_copy.CASES[row["case"]]
        source = all_sources[name]
        block_rows = 16 if rows_of_unit(source) < 16 else rows_of_unit(source)
        load = load_of(row, source, sizes["dem"], 16 if source.dem else block_rows)
        for cap_mb in CAPS_MB:
            walls = []
            for cores in CORES:
                command = profile_copy.command_of(source, options, target, cap_mb, cores)
                plan = asked_plan(command, env, target)
                walls.append((simulate(load, plan, cores)[0], plan))
            told = [{"cores": cores, "plan": dataclasses.asdict(plan), "speed_up": walls[0][0] / wall} for cores, (wall, plan) in zip(CORES, walls)]
            for line, (wall, plan) in zip(told, walls):
                line["bound"] = bottleneck(load, plan, line["cores"], wall)
            measured = []
            for cores in (1, 2) if cap_mb == CAPS_MB[0] else ():
                command = profile_copy.command_of(source, options, target, cap_mb, cores)
                measured.append(measured_s(command, env, target, row["start_s"]))
            rows.append({"case": row["case"], "cap_mb": cap_mb, "load": dataclasses.asdict(load), "cores": told, "measured_s": measured})
            print(line_of(rows[-1]), flush=True)
    return rows


def line_of(row):
    parts = ", ".join(f"{line['cores']}: {line['speed_up']:.1f}" for line in row["cores"])
    text = f"{row['case']:<16} {row['cap_mb']} MB: {parts}; 16 cores: {row['cores'][-1]['bound']}"
    if row["measured_s"]:
        (one, one_quiet), (two, two_quiet) = row["measured_s"]
        text += f"; measured on 2: {one / two:.2f}, without queueing {one_quiet / two_quiet:.2f}"
    return text
