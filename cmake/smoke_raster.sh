#!/bin/sh
# `gdal raster` with its own operators and pipelines, for GDAL >= 3.11 that has them: sh cmake/smoke_raster.sh BUILD_DIR
# Compares what is written through StreamTIFF with GTiff, by checksum. Edges are computed by default there, which
# gives wrong rows to whoever reads the last row ahead of its turn.
set -eu
. "$(dirname -- "$0")/smoke_functions.sh"

gdalinfo --version
if ! gdal raster slope --help >/dev/null 2>&1; then
    echo "SKIPPED: this GDAL has no gdal raster slope"
    skipped=1
    tell
    exit
fi
make_dem

# operator NAME [ARGUMENT...]
operator() {
    name=$1
    shift
    gdal raster "$name" -q --overwrite -f StreamTIFF --co MEMORY_CAP=16MB "$@" dem.tif ours.tif &&
        gdal raster "$name" -q --overwrite -f GTiff "$@" dem.tif theirs.tif && same ours.tif theirs.tif
}
# pipeline STEP...: between reading and writing
pipeline() {
    gdal raster pipeline -q read dem.tif ! "$@" ! write --overwrite -f StreamTIFF --co MEMORY_CAP=16MB ours.tif &&
        gdal raster pipeline -q read dem.tif ! "$@" ! write --overwrite -f GTiff theirs.tif && same ours.tif theirs.tif
}

# The VRT that both are made of: a GTiff that is warped into at once may be cut into other pieces.
reproject() {
    gdal raster reproject -q --overwrite -d EPSG:4326 -r bilinear -f VRT dem.tif warped.vrt &&
        gdal raster pipeline -q read dem.tif ! reproject -d EPSG:4326 -r bilinear ! \
            write --overwrite -f StreamTIFF --co MEMORY_CAP=16MB ours.tif && same ours.tif warped.vrt
}

for name in slope aspect hillshade tpi tri roughness; do
    check "gdal raster $name gives what GTiff gives" operator $name
    check "gdal raster $name, no edges" operator $name --no-edges
    check "read ! $name ! write" pipeline $name
    check "read ! reproject ! $name ! write" pipeline reproject -d EPSG:32612 -r cubic ! $name
done
check "read ! reproject ! write gives what the warped VRT shows" reproject
check "read ! resize ! slope ! write" pipeline resize --size 50%,50% -r average ! slope
tell
