"""DERIVE: every operator of gdaldem with every option of it writes what gdaldem writes of the whole raster, for any layout
of the source, any cap, any number of threads and any tiles."""

import derived
import pytest
import streamtiff

WIDTH, HEIGHT = 150, 110

COMMANDS = [
    ("slope",),
    ("slope", "-p", "-s", "3.5"),
    ("slope", "-alg", "ZevenbergenThorne", "-s", "111120"),
    ("slope", "-alg", "Horn"),
    ("aspect",),
    ("aspect", "-trigonometric"),
    ("aspect", "-zero_for_flat", "-alg", "ZevenbergenThorne"),
    ("hillshade",),
    ("hillshade", "-z", "3", "-az", "200.5", "-alt", "30"),
    ("hillshade", "-s", "0.3", "-alg", "ZevenbergenThorne"),
    ("hillshade", "-combined"),
    ("hillshade", "-combined", "-alg", "ZevenbergenThorne", "-alt", "60"),
    ("hillshade", "-multidirectional"),
    ("hillshade", "-multidirectional", "-alg", "ZevenbergenThorne", "-alt", "20"),
    ("hillshade", "-igor"),
    ("hillshade", "-igor", "-alg", "ZevenbergenThorne", "-az", "90"),
    ("TRI",),
    ("TRI", "-alg", "Wilson"),
    ("TRI", "-alg", "Riley"),
    ("TPI",),
    ("roughness",),
]

# Type and layout of the source. No border of a block is one of a tile but where both have to be.
SOURCES = {
    "tiles": ("Float32", ["TILED=YES", "BLOCKXSIZE=32", "BLOCKYSIZE=32", "COMPRESS=DEFLATE"]),
    "strips": ("Int16", ["BLOCKYSIZE=13"]),
    "rows": ("Byte", ["BLOCKYSIZE=1"]),
    "out-of-step": ("Float32", ["TILED=YES", "BLOCKXSIZE=48", "BLOCKYSIZE=80"]),
    "one-block": ("UInt16", ["TILED=YES", "BLOCKXSIZE=256", "BLOCKYSIZE=256"]),
}

# Options for ours alone, and those of the layout: each command meets another one with each source.
WAYS = [
    (["MEMORY_CAP=64MB", "NUM_THREADS=2"], ["TILED=YES", "BLOCKXSIZE=64", "BLOCKYSIZE=64"]),
    (["MEMORY_CAP=1KB", "NUM_THREADS=1"], ["TILED=YES", "BLOCKXSIZE=16", "BLOCKYSIZE=16"]),
    (["MEMORY_CAP=1KB", "NUM_THREADS=4"], ["TILED=YES", "BLOCKXSIZE=256", "BLOCKYSIZE=32"]),
    (["MEMORY_CAP=64MB", "NUM_THREADS=8"], ["TILED=YES", "BLOCKXSIZE=16", "BLOCKYSIZE=48"]),
    (["MEMORY_CAP=1KB", "NUM_THREADS=2"], ["TILED=NO", "BLOCKYSIZE=7"]),
    (["MEMORY_CAP=600KB", "NUM_THREADS=3"], ["TILED=YES", "BLOCKXSIZE=32", "BLOCKYSIZE=16"]),
    (["MEMORY_CAP=64MB", "NUM_THREADS=4"], ["TILED=NO", "BLOCKYSIZE=110"]),
]


@pytest.fixture(scope="module")
def source_path(tmp_path_factory):
    folder, made = tmp_path_factory.mktemp("heights"), {}

    def path(name, holes):
        if (name, holes) not in made:
            dtype, options = SOURCES[name]
            z = derived.heights(WIDTH, HEIGHT, dtype)
            nodata = None
            if holes:
                nodata = 255 if dtype == "Byte" else -9999 if dtype.startswith("F") else 7
                z = derived.with_holes(z, nodata)
            made[name, holes] = derived.write(folder / f"{name}-{holes}.tif", [z], options, nodata)
        return made[name, holes]

    return path


@pytest.mark.parametrize("edges", [False, True], ids=["no-edges", "edges"])
@pytest.mark.parametrize("holes", [False, True], ids=["full", "holes"])
@pytest.mark.parametrize("name", SOURCES)
@pytest.mark.parametrize("command", COMMANDS, ids=["_".join(command) for command in COMMANDS])
def test_same_as_gdaldem(source_path, tmp_path, command, name, holes, edges):
    turn = COMMANDS.index(command) + 3 * list(SOURCES).index(name) + 2 * holes + edges
    also, layout = WAYS[turn % len(WAYS)]
    if edges:
        command = (*command, "-compute_edges")
    figures = derived.same_as_gdaldem(
        tmp_path, source_path(name, holes), *command, layout=layout, also=also, raised=True
    )
    streamtiff.check_figures(figures)
