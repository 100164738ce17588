"""gdal_translate, as users type it."""

import os
import subprocess

import pytest
import streamtiff
import terrain
from command_line import plan, run, succeeds

TILED = ["TILED=YES", "BLOCKXSIZE=128", "BLOCKYSIZE=128", "COMPRESS=DEFLATE"]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("sources")
    terrain.make_terrain(folder / "dem.tif", 701, 503, "Float32", 1, TILED)
    terrain.make_terrain(folder / "rgb.tif", 701, 503, "Byte", 3, ["PHOTOMETRIC=RGB", *TILED])
    return folder


def test_readme_command(tmp_path, folder):
    succeeds(
        *(
            "gdal_translate",
            "-of",
            "StreamTIFF",
            "-co",
            "COMPRESS=DEFLATE",
            "-co",
            "PREDICTOR=YES",
            "-co",
            "MEMORY_CAP=32MB",
        ),
        *(folder / "dem.tif", tmp_path / "out.tif"),
    )
    assert os.listdir(tmp_path) == ["out.tif"]
    assert streamtiff.pixels(tmp_path / "out.tif") == streamtiff.pixels(folder / "dem.tif")


ARGUMENTS = [
    ["-srcwin", "11", "13", "600", "401"],
    ["-projwin", "500200", "4599000", "503000", "4597000"],
    ["-outsize", "50%", "50%", "-r", "cubic"],
    ["-tr", "25", "25", "-r", "bilinear"],
    ["-ot", "Int16"],
    ["-ot", "Byte", "-scale", "900", "2100"],
    ["-a_nodata", "-9999", "-mo", "KEY=VALUE"],
    ["-a_srs", "EPSG:3857", "-a_ullr", "0", "10", "10", "0"],
    ["-b", "1", "-b", "1"],
    ["-stats"],
]


@pytest.mark.parametrize("arguments", ARGUMENTS, ids=" ".join)
def test_arguments(tmp_path, folder, arguments):
    ours = ["-of", "StreamTIFF", "-co", "MEMORY_CAP=32MB", "-co", "COMPRESS=LZW", "-co", "PREDICTOR=NO"]
    theirs = ["-co", "TILED=YES", "-co", "BLOCKXSIZE=512", "-co", "BLOCKYSIZE=512", "-co", "COMPRESS=LZW"]
    succeeds("gdal_translate", "-q", *arguments, *ours, folder / "dem.tif", tmp_path / "streamtiff.tif")
    succeeds("gdal_translate", "-q", *arguments, *theirs, folder / "dem.tif", tmp_path / "gtiff.tif")
    assert streamtiff.pixels(tmp_path / "streamtiff.tif") == streamtiff.pixels(tmp_path / "gtiff.tif")
    assert streamtiff.info(tmp_path / "streamtiff.tif") == streamtiff.info(tmp_path / "gtiff.tif")
    assert [
        name.replace("streamtiff", "gtiff") for name in sorted(os.listdir(tmp_path)) if name.startswith("streamtiff")
    ] == [name for name in sorted(os.listdir(tmp_path)) if name.startswith("gtiff")]


def test_bands(tmp_path, folder):
    succeeds(
        "gdal_translate", "-q", "-of", "StreamTIFF", "-b", "3", "-b", "1", folder / "rgb.tif", tmp_path / "out.tif"
    )
    red, _, blue = streamtiff.pixels(folder / "rgb.tif")
    assert streamtiff.pixels(tmp_path / "out.tif") == [blue, red]


def test_progress_reaches_the_end(tmp_path, folder):
    output = succeeds("gdal_translate", "-of", "StreamTIFF", folder / "dem.tif", tmp_path / "out.tif")
    assert "0...10...20...30...40...50...60...70...80...90...100 - done." in output


def test_without_of_it_is_gtiff(tmp_path, folder):
    """Several drivers could write a .tif; ours must not be among those that are guessed."""
    code, _, errors = run("gdal_translate", folder / "dem.tif", tmp_path / "out.tif")
    assert code == 0 and "StreamTIFF" not in errors and "Several drivers" not in errors
    assert "Block=701x2" in succeeds("gdalinfo", tmp_path / "out.tif")
    assert "Driver: GTiff/GeoTIFF" in succeeds("gdalinfo", tmp_path / "out.tif")


def test_debug_output_tells_the_plan(tmp_path, folder):
    code, _, errors = run(
        *("gdal_translate", "-q", "-of", "StreamTIFF", "-co", "MEMORY_CAP=32MB", "-co", "NUM_THREADS=2"),
        *(folder / "dem.tif", tmp_path / "out.tif"),
        CPL_DEBUG="StreamTIFF",
    )
    assert code == 0
    told = " ".join(plan(errors))
    for word in (
        "BLOCKS",
        "128 x 128",
        "cap 32.0 MiB",
        "floor",
        "predicted peak",
        "BANDS",
        "stripe",
        "2 encoder",
        "amplification 1.000",
    ):
        assert word in told
    _, _, errors = run("gdal_translate", "-q", "-of", "StreamTIFF", folder / "dem.tif", tmp_path / "out.tif")
    assert errors == ""  # and nothing without being asked


def test_cap_below_the_floor_is_warned_about_once(tmp_path, folder):
    code, _, errors = run(
        "gdal_translate", "-q", "-of", "StreamTIFF", "-co", "MEMORY_CAP=64KB", folder / "dem.tif", tmp_path / "out.tif"
    )
    assert code == 0
    assert errors.count("Warning") == 1 and "65536 bytes" in errors
    assert streamtiff.pixels(tmp_path / "out.tif") == streamtiff.pixels(folder / "dem.tif")


@pytest.mark.parametrize(
    "option", ["MEMORY_CAP=lots", "COMPRESS=NOPE", "BLOCKXSIZE=100", "MEMORY_CAP=64KB MEMORY_CAP_STRICT=YES"]
)
def test_failure_is_an_exit_code_and_a_message(tmp_path, folder, option):
    options = [word for single in option.split() for word in ("-co", single)]
    code, _, errors = run(
        "gdal_translate", "-q", "-of", "StreamTIFF", *options, folder / "dem.tif", tmp_path / "out.tif"
    )
    assert code != 0
    assert errors.count("ERROR") == 1 and option.split("=")[0] in errors
    assert os.listdir(tmp_path) == []


def test_cap_from_the_environment(tmp_path, folder):
    arguments = ["-q", "-of", "StreamTIFF", folder / "dem.tif", tmp_path / "out.tif"]
    code, _, errors = run("gdal_translate", *arguments, STREAMTIFF_MEMORY_CAP="48MB", CPL_DEBUG="StreamTIFF")
    assert code == 0 and "cap 48.0 MiB" in " ".join(plan(errors))
    code, _, errors = run(
        "gdal_translate", "--config", "STREAMTIFF_MEMORY_CAP", "40MB", *arguments, CPL_DEBUG="StreamTIFF"
    )
    assert code == 0 and "cap 40.0 MiB" in " ".join(plan(errors))


def test_pipe(tmp_path, folder):
    """To standard output, which can be written only once from front to back."""
    with open(tmp_path / "out.tif", "wb") as out:
        done = subprocess.run(
            ["gdal_translate", "-q", "-of", "StreamTIFF", folder / "dem.tif", "/vsistdout/"], stdout=out
        )
    assert done.returncode == 0
    assert streamtiff.pixels(tmp_path / "out.tif") == streamtiff.pixels(folder / "dem.tif")
