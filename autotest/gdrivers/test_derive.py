"""DERIVE: every operator of gdaldem with every option of it writes what gdaldem writes of the whole raster, for any layout
of the source, any cap, any number of threads and any tiles."""

import derived
import pytest
import streamtiff
from osgeo import gdal

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
    kernel = "FAST" if command[0] in ("slope", "aspect", "hillshade") and int(gdal.VersionInfo()) < 3110000 else "GDAL"
    assert figures["KERNEL"] == kernel


@pytest.mark.parametrize("edges", [False, True], ids=["no-edges", "edges"])
@pytest.mark.parametrize("holes", [False, True], ids=["full", "holes"])
@pytest.mark.parametrize("name", ["tiles", "strips"])
@pytest.mark.parametrize("mode", ["slope", "aspect", "hillshade"])
def test_gdaldems_own_kernel(source_path, tmp_path, mode, name, holes, edges):
    also, layout = WAYS[2 * holes + edges]
    command = (mode, "-compute_edges") if edges else (mode,)
    also = [*also, "DERIVE_KERNEL=GDAL"]
    figures = derived.same_as_gdaldem(
        tmp_path, source_path(name, holes), *command, layout=layout, also=also, raised=True
    )
    assert figures["KERNEL"] == "GDAL"


@pytest.mark.parametrize("size", [(1, 1), (1, 9), (9, 1), (2, 2), (2, 7), (3, 3)], ids="{0[0]}x{0[1]}".format)
@pytest.mark.parametrize("dtype", ["Float32", "Int16", "Float64"])
@pytest.mark.parametrize("mode", ["slope", "aspect"])
def test_rasters_that_are_all_edges(tmp_path, mode, dtype, size):
    source = derived.write(tmp_path / "small.tif", [derived.heights(*size, dtype)])
    for command in ((mode,), (mode, "-compute_edges")):
        derived.same_as_gdaldem(tmp_path, source, *command, layout=["TILED=YES", "BLOCKXSIZE=16", "BLOCKYSIZE=16"])


def test_kernel_that_does_not_exist(tmp_path):
    source = derived.write(tmp_path / "hills.tif", [derived.heights(40, 30)])
    options = ["DERIVE=TRI", "DERIVE_KERNEL=FAST"]
    with streamtiff.messages() as kept:
        dataset = gdal.GetDriverByName(streamtiff.DRIVER).CreateCopy(
            str(tmp_path / "tri.tif"), gdal.Open(source), options=options
        )
    assert [level for level, _, _ in kept] == [gdal.CE_Warning]
    assert "no kernel but GDAL's for TRI" in kept[0][2]
    assert streamtiff.streaming(dataset)["KERNEL"] == "GDAL"
