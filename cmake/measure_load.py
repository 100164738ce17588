#!/usr/bin/env python3
"""What loading the plugin costs every GDAL process: measure_load.py PLUGIN [PROCESSES]

In each of a number of fresh processes, which have loaded and registered GDAL without the plugin, times
dlopen of the plugin and its registration, as GDAL itself does them. Prints the median in milliseconds.
Run it with the python3 that has GDAL's bindings.
"""

import os
import statistics
import subprocess
import sys

CHILD = """
import ctypes, sys, time
from osgeo import gdal
libc = ctypes.CDLL(None)
libc.dlopen.restype = libc.dlsym.restype = ctypes.c_void_p
libc.dlopen.argtypes = [ctypes.c_char_p, ctypes.c_int]
libc.dlsym.argtypes = [ctypes.c_void_p, ctypes.c_char_p]
register = ctypes.CFUNCTYPE(None)
plugin = sys.argv[1].encode()
before = time.perf_counter()
handle = libc.dlopen(plugin, 1)  # RTLD_LAZY, as in CPLGetSymbol
register(libc.dlsym(handle, b"GDALRegister_StreamTIFF"))()
after = time.perf_counter()
if gdal.GetDriverByName("StreamTIFF") is None:
    sys.exit("the plugin did not register StreamTIFF")
print((after - before) * 1000)
"""


def main(plugin, processes=20):
    env = {**os.environ, "GDAL_DRIVER_PATH": "disable"}
    command = [sys.executable, "-c", CHILD, os.path.abspath(plugin)]
    times = [
        float(subprocess.run(command, env=env, check=True, capture_output=True, text=True).stdout)
        for _ in range(int(processes))
    ]
    print(
        f"load and register: median {statistics.median(times):.2f} ms, "
        f"least {min(times):.2f} ms, most {max(times):.2f} ms, {len(times)} processes"
    )


if __name__ == "__main__":
    main(*sys.argv[1:])
