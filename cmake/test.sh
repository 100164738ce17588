#!/bin/sh
# Installs what is missing, builds, and runs all tests. The last line counts the single test cases.
#
#   sh cmake/test.sh [--preset release|ci|debug|asan|tsan] [--build-dir DIR] [--only cpp|python]
set -eu
. "$(dirname -- "$0")/common.sh"

preset=release
dir=
only=
while [ $# -gt 0 ]; do
    case $1 in
    --preset) preset=$2 ;;
    --build-dir) dir=$2 ;;
    --only) only=$2 ;;
    *) sed -n '2,4s/^# \{0,1\}//p' "$0" >&2 && exit 2 ;;
    esac
    shift 2
done
dir=${dir:-$root/build/$preset}

case $only in
cpp) setup build cpp ;;
*) setup build test ;;
esac
build "$preset" "$dir" -DSTREAMTIFF_BUILD_TESTS=ON

# ThreadSanitizer of gcc 12 and clang 14 cannot live with the address space layout of newer kernels.
fixed_layout=
if [ "$preset" = tsan ] && setarch "$(uname -m)" -R true 2>/dev/null; then
    fixed_layout="setarch $(uname -m) -R"
fi

rm -rf "$dir/test-results" "$dir/Testing"
mkdir -p "$dir/test-results"
$fixed_layout ctest --test-dir "$dir" -j "$jobs" --output-on-failure ${only:+-L "^$only\$"} </dev/null || true
ctest --test-dir "$dir" --show-only=json-v1 ${only:+-L "^$only\$"} |
    "$python" "$root/cmake/sum_tests.py" "$dir"
