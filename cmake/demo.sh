#!/bin/sh
# Installs what is missing, builds, and converts a large raster under a memory cap, beside GTiff.
#
#   sh cmake/demo.sh [RASTER]
#
# Without RASTER it makes one, 20160 pixels wide, from PROJ's global geoid grid. Prints a table, and the
# path of a small picture of the slope.
set -eu
raster=
if [ $# -gt 0 ]; then
    raster=$(CDPATH= cd -- "$(dirname -- "$1")" && pwd)/$(basename -- "$1")
fi
. "$(dirname -- "$0")/common.sh"

dir=$root/build/demo
setup build demo
log=$root/build/demo.log
mkdir -p "$root/build"
build release "$dir" -DSTREAMTIFF_BUILD_TESTS=OFF >"$log" 2>&1 || { cat "$log" >&2 && exit 1; }
exec "$python" "$root/cmake/demo_table.py" "$dir" ${raster:+"$raster"}
