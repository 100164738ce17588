"""Starts measured copies, each in a process of its own, and says on what machine."""

import glob
import hashlib
import json
import os
import pathlib
import platform
import subprocess
import sys

from osgeo import gdal

MEASURED_COPY = pathlib.Path(__file__).resolve().parent.parent / "pymod" / "measured_copy.py"
MIB = 1 << 20


class CopyFailed(Exception):
    """A copy that should have worked did not."""


def peak_of(pid):
    for line in pathlib.Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmHWM:"):
            return int(line.split()[1]) * 1024
    return 0


def remove_target(target):
    """The target with its side and temporary files."""
    for path in glob.glob(glob.escape(str(target)) + "*"):
        os.remove(path)


def run_copy(source, driver, options, target, cachemax_mb=None, time_limit_s=None, plugin=None):
    """One measured copy; the target stays. Gives the figures of measured_copy.py, with the source's amplification.

    What is measured is decoding and encoding, unless the options say something of PASSTHROUGH. At the time limit the process is
    ended and the figures hold "timed_out" and the peak until then."""
    if driver == "StreamTIFF" and not any(option.startswith("PASSTHROUGH=") for option in options):
        options = [*options, "PASSTHROUGH=NO"]
    job = {
        "driver": driver,
        "source": source.opened_as(),
        "target": str(target),
        "options": [*options, *([f"DERIVE={source.derive}"] if source.derive else [])],
        "dem": source.dem and [source.dem],
        "translate": source.translate,
        "cachemax_mb": cachemax_mb,
    }
    env = {key: value for key, value in os.environ.items() if key != "GDAL_DRIVER_PATH"}  # run.py's: disable
    if plugin:
        env["GDAL_DRIVER_PATH"] = str(plugin)
    command = [sys.executable, str(MEASURED_COPY), json.dumps(job)]
    process = subprocess.Popen(command, env=env, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    try:
        output, errors = process.communicate(timeout=time_limit_s)
    except subprocess.TimeoutExpired:
        peak = peak_of(process.pid)
        process.kill()
        output, _ = process.communicate()
        before = json.loads(output.splitlines()[0])["rss_before_bytes"] if output else peak
        told = {"timed_out": True, "wall_s": time_limit_s, "streaming": {}, "warnings": []}
        return {**told, "peak_rss_bytes": peak - before}
    finally:  # nothing runs on when the benchmark is interrupted
        process.kill()
    if process.returncode != 0:
        raise CopyFailed(f"exit code {process.returncode}: {errors.strip().splitlines()[-1] if errors.strip() else ''}")
    figures = json.loads(output.splitlines()[-1])
    figures["amplification"] = figures["read_bytes"] / source.read_bytes()
    return figures


def measure_each(measurements, line_of, target, log_path):
    """measurements: pairs of a name and a function that makes a copy to target, and gives its row and what it breaks.

    Prints and logs each as it comes. Gives (rows, violations); a copy that fails is one of these."""
    rows, violations = [], []
    with open(log_path, "w") as log:
        for name, measure in measurements:
            try:
                row, broken = measure()
                rows.append(row)
                print(line_of(row), flush=True)
                log.write(json.dumps({**row, "broken": broken}) + "\n")
                log.flush()
            except CopyFailed as failure:
                broken = [str(failure)]
            finally:
                remove_target(target)
            for text in broken:
                violations.append(f"{text}: {name}")
                print(f"  VIOLATION {violations[-1]}", flush=True)
    return rows, violations


def file_digest(path):
    digest = hashlib.sha1()
    with open(path, "rb") as file:
        while chunk := file.read(MIB):
            digest.update(chunk)
    return digest.hexdigest()


def machine():
    model = platform.processor() or platform.machine()
    for line in pathlib.Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            model = line.split(":", 1)[1].strip()
            break
    ram = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    return {
        "cpu": model,
        "cores": os.cpu_count(),
        "ram_gib": round(ram / (1 << 30), 1),
        "system": f"{platform.system()} {platform.release()}",
        "gdal": gdal.VersionInfo("RELEASE_NAME"),
    }
