#!/bin/sh
# Does a built plugin work in the GDAL that is installed here? sh cmake/smoke.sh BUILD_DIR
# Compares gdal_translate and gdaldem slope through StreamTIFF with GTiff, by checksum.
set -eu
GDAL_DRIVER_PATH=$1/gdalplugins
export GDAL_DRIVER_PATH
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"

passed=0
failed=0
check() {
    what=$1
    shift
    if "$@"; then
        passed=$((passed + 1))
        echo "ok: $what"
    else
        failed=$((failed + 1))
        echo "failed: $what"
    fi
}
registers() { gdalinfo --format StreamTIFF | grep -q 'Long Name:'; }
checksum() { gdalinfo -checksum "$1" | grep 'Checksum='; }
# same STREAMTIFF_FILE GTIFF_FILE
same() {
    ours=$(checksum "$1") && theirs=$(checksum "$2") && [ "$ours" = "$theirs" ]
}
translate() {
    gdal_translate -q -of StreamTIFF -co MEMORY_CAP=16MB dem.tif ours.tif &&
        gdal_translate -q -of GTiff -co TILED=YES -co COMPRESS=DEFLATE dem.tif theirs.tif && same ours.tif theirs.tif
}
slope() {
    gdaldem slope -q dem.tif slope_ours.tif -of StreamTIFF -co MEMORY_CAP=16MB &&
        gdaldem slope -q dem.tif slope_theirs.tif && same slope_ours.tif slope_theirs.tif
}

# Hills of odd size, so that there are edge tiles.
awk 'BEGIN {
    print "ncols 1201"; print "nrows 903"; print "xllcorner 0"; print "yllcorner 0"; print "cellsize 25"
    for (y = 0; y < 903; y++) {
        for (x = 0; x < 1201; x++) printf "%.2f ", 800 + 300 * sin(x / 37) * cos(y / 53) + (x * y) % 7
        print ""
    }
}' >dem.asc
gdal_translate -q -ot Float32 -co TILED=YES -co COMPRESS=DEFLATE dem.asc dem.tif

gdalinfo --version
check "the driver registers" registers
check "gdal_translate gives what GTiff gives" translate
check "gdaldem slope gives what GTiff gives" slope
echo "$passed passed, $failed failed, 0 skipped"
[ "$failed" -eq 0 ]
