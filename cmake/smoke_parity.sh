#!/bin/sh
# Does StreamTIFF keep what the GTiff of this GDAL keeps? sh cmake/smoke_parity.sh BUILD_DIR
# Needs GDAL's Python bindings and numpy, which gdal-bin brings along. The last line counts the cases.
set -eu
. "$(dirname -- "$0")/common.sh"
find_python
GDAL_DRIVER_PATH=$(CDPATH= cd -- "$1" && pwd)/gdalplugins
export GDAL_DRIVER_PATH
"$python" -B "$root/autotest/parity_smoke.py"
