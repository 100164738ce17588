# shellcheck shell=sh
# Shared by the smoke tests, which source it with BUILD_DIR as $1: the plugin, a folder to work in, a terrain, counts.
GDAL_DRIVER_PATH=$1/gdalplugins
export GDAL_DRIVER_PATH
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"

passed=0
failed=0
skipped=0
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
# The last line of a smoke test, and its exit code.
tell() {
    echo "$passed passed, $failed failed, $skipped skipped"
    [ "$failed" -eq 0 ]
}
checksum() { gdalinfo -checksum "$1" | grep 'Checksum='; }
# same STREAMTIFF_FILE GTIFF_FILE
same() {
    ours=$(checksum "$1") && theirs=$(checksum "$2") && [ "$ours" = "$theirs" ]
}
# Hills of odd size, so that there are edge tiles: dem.tif.
make_dem() {
    awk 'BEGIN {
        print "ncols 1201"; print "nrows 903"; print "xllcorner 500000"; print "yllcorner 4600000"; print "cellsize 25"
        for (y = 0; y < 903; y++) {
            for (x = 0; x < 1201; x++) printf "%.2f ", 800 + 300 * sin(x / 37) * cos(y / 53) + (x * y) % 7
            print ""
        }
    }' >dem.asc
    gdal_translate -q -ot Float32 -a_srs EPSG:32611 -co TILED=YES -co COMPRESS=DEFLATE dem.asc dem.tif
}
