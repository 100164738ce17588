#!/bin/sh
# Installs what is missing, on Debian and its like; elsewhere says what is missing and fails.
#
#   sh cmake/setup.sh [--list] GROUP...
#
# Groups: build, cpp (C++ tests), smoke, test (all tests), programs (QGIS and rasterio, whose tests are skipped without them), demo,
# benchmark, format, roots. --list prints the packages.
set -eu
. "$(dirname -- "$0")/common.sh"
find_python

list=
[ "${1:-}" = --list ] && list=yes && shift

packages=
for group in "$@"; do
    case $group in
    build) set -- g++ cmake ninja-build libgdal-dev libtiff-dev libdeflate-dev libzstd-dev ;;
    cpp) set -- libgtest-dev python3 ;;
    smoke) set -- gdal-bin ;;
    test)
        set -- libgtest-dev libtiff-tools gdal-bin python3 python3-gdal python3-numpy python3-pytest
        set -- "$@" proj-data python-matplotlib-data # the real rasters that the tests read
        ;;
    demo) set -- gdal-bin proj-data python3 ;;
    benchmark) set -- gdal-bin python3 python3-gdal python3-numpy python3-matplotlib python3-pil ;;
    format) set -- clang-format ;;
    programs) set -- python3-qgis qgis-providers xvfb xauth python3-rasterio python3-rioxarray ;;
    roots) set -- mmdebstrap uidmap ;;
    *) echo "setup.sh: no group '$group'" >&2 && exit 2 ;;
    esac
    packages="$packages $*"
done
[ -n "$list" ] && echo $packages && exit 0

header() { echo "#include <$1>" | c++ -E -x c++ - >/dev/null 2>&1; }
module() { "$python" -c "import $1" >/dev/null 2>&1; }

# there PACKAGE: is it installed, or, where dpkg is not to be asked, is what we need of it there?
there() {
    if command -v apt-get >/dev/null 2>&1; then
        [ "$(dpkg-query -W -f '${db:Status-Status}' "$1" 2>/dev/null)" = installed ]
        return
    fi
    case $1 in
    g++) command -v c++ ;;
    ninja-build) command -v ninja ;;
    libgdal-dev) command -v gdal-config ;;
    libtiff-dev) header tiffio.h ;;
    libdeflate-dev | libzstd-dev) true ;; # without them libtiff does it
    libgtest-dev) header gtest/gtest.h ;;
    libtiff-tools) command -v tiffinfo ;;
    gdal-bin) command -v gdal_translate ;;
    proj-data | python-matplotlib-data) true ;; # demo and tests look for the rasters themselves
    python3-matplotlib) module matplotlib ;;
    python3-pil) module PIL ;;
    python3-gdal) module osgeo.gdal ;;
    python3-numpy) module numpy ;;
    python3-pytest) module pytest ;;
    python3-qgis) module qgis.core ;;
    python3-rasterio) module rasterio ;;
    python3-rioxarray) module rioxarray ;;
    qgis-providers) true ;;
    xvfb) command -v xvfb-run ;;
    xauth) command -v xauth ;;
    uidmap) command -v newuidmap ;;
    *) command -v "$1" ;;
    esac >/dev/null 2>&1
}

missing=
for package in $packages; do
    case " $missing " in *" $package "*) continue ;; esac
    there "$package" || missing="$missing $package"
done
[ -z "$missing" ] && exit 0

if ! command -v apt-get >/dev/null 2>&1; then
    echo "Missing, and this script can install on Debian-like systems only (Debian's package names):" >&2
    printf '  %s\n' $missing >&2
    exit 1
fi

as_root=
if [ "$(id -u)" -ne 0 ]; then
    if ! command -v sudo >/dev/null 2>&1; then
        echo "Missing, and neither root nor sudo to install them:$missing" >&2
        exit 1
    fi
    as_root=sudo
fi
echo "Installing:$missing"
$as_root env DEBIAN_FRONTEND=noninteractive apt-get -qq update ||
    echo "apt-get update failed; going on with the package lists there are" >&2
$as_root env DEBIAN_FRONTEND=noninteractive apt-get -qq install -y --no-install-recommends $missing </dev/null
