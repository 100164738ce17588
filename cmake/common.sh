# shellcheck shell=sh
# Shared by the entry scripts, which source it: where things are, how to set up and to build.
root=$(CDPATH= cd -- "$(dirname -- "$0")/.." && pwd)
jobs=$(getconf _NPROCESSORS_ONLN 2>/dev/null || echo 2)

# The interpreter that has GDAL's bindings is the system's own, which need not be the first in PATH.
find_python() {
    python=${STREAMTIFF_PYTHON:-/usr/bin/python3}
    [ -x "$python" ] || python=$(command -v python3 || echo python3)
}

# setup GROUP...: installs what is missing; only then is it known which interpreter there is.
setup() {
    sh "$root/cmake/setup.sh" "$@" || exit 1
    find_python
}

# build PRESET BUILD_DIR [CMAKE_ARGUMENT...]
build() {
    preset_=$1
    dir_=$2
    shift 2
    (cd "$root" && cmake --preset "$preset_" -B "$dir_" "-DSTREAMTIFF_PYTHON=$python" "$@") &&
        cmake --build "$dir_" -j "$jobs"
}
