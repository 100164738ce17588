#!/bin/sh
# Fails unless the plugin exports exactly one symbol: sh cmake/check_symbols.sh PLUGIN
set -eu
exported=$(nm -D --defined-only "$1" | awk '{ print $NF }')
if [ "$exported" != GDALRegister_StreamTIFF ]; then
    echo "$1 should export GDALRegister_StreamTIFF and nothing else, but exports:" >&2
    echo "$exported" >&2
    exit 1
fi
