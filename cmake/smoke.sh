#!/bin/sh
# Does a built plugin work in the GDAL that is installed here? sh cmake/smoke.sh BUILD_DIR
# Compares gdal_translate and gdaldem slope through StreamTIFF with GTiff, by checksum.
set -eu
. "$(dirname -- "$0")/smoke_functions.sh"

registers() { gdalinfo --format StreamTIFF | grep -q 'Long Name:'; }
translate() {
    gdal_translate -q -of StreamTIFF -co MEMORY_CAP=16MB dem.tif ours.tif &&
        gdal_translate -q -of GTiff -co TILED=YES -co COMPRESS=DEFLATE dem.tif theirs.tif && same ours.tif theirs.tif
}
slope() {
    gdaldem slope -q dem.tif slope_ours.tif -of StreamTIFF -co MEMORY_CAP=16MB &&
        gdaldem slope -q dem.tif slope_theirs.tif && same slope_ours.tif slope_theirs.tif
}

make_dem
gdalinfo --version
check "the driver registers" registers
check "gdal_translate gives what GTiff gives" translate
check "gdaldem slope gives what GTiff gives" slope
tell
