"""Per-dataset masks, inside the file and beside it: pixels, flags, tags and files as GTiff's, under the same cap."""

import contextlib

import numpy as np
import pytest
import streamtiff
import terrain
import tiff_tags
from osgeo import gdal
from pairs import pairwise
from streamtiff import MIB

WIDTH, HEIGHT = 301, 210  # edge tiles both ways, rows that are no whole bytes of bits in strips
TILES = ["TILED=YES", "BLOCKXSIZE=64", "BLOCKYSIZE=32"]
GRID = -(-WIDTH // 64) * -(-HEIGHT // 32)
LAYOUTS = {
    "tiles": TILES,
    "strips": ["TILED=NO", "BLOCKYSIZE=40"],
    "one strip": ["TILED=NO", "BLOCKYSIZE=1000"],
    "strips that could be tiles": ["TILED=NO", "BLOCKYSIZE=16"],
}


@contextlib.contextmanager
def internal_mask(value):
    before = gdal.GetConfigOption("GDAL_TIFF_INTERNAL_MASK")
    gdal.SetConfigOption("GDAL_TIFF_INTERNAL_MASK", value)
    yield
    gdal.SetConfigOption("GDAL_TIFF_INTERNAL_MASK", before)


@pytest.fixture(params=["YES", "NO"])
def inside(request):
    with internal_mask(request.param):
        yield request.param


def blob(width, height, x0=0, y0=0):
    """Valid within circles; a large part of it is all valid, another all invalid."""
    x, y = np.meshgrid(np.arange(x0, x0 + width), np.arange(y0, y0 + height))
    return np.where((x % 311 - 120) ** 2 + (y % 287 - 130) ** 2 < 100**2, 255, 0).astype(np.uint8)


def make_masked(path, *options, bands=1, dtype="Byte", size=(WIDTH, HEIGHT), mask=None, internal=True):
    """A GTiff of terrain with a mask."""
    with internal_mask("YES" if internal else "NO"):
        terrain.make_terrain(path, *size, dtype, bands, options)
        dataset = gdal.Open(str(path), gdal.GA_Update)
        dataset.CreateMaskBand(gdal.GMF_PER_DATASET)
        dataset.GetRasterBand(1).GetMaskBand().WriteArray(blob(*size) if mask is None else mask)
        dataset = None
    return path


def in_memory(bands=1, mask=None, size=(WIDTH, HEIGHT)):
    dataset = gdal.GetDriverByName("MEM").Create("", *size, bands)
    for band in range(bands):
        dataset.GetRasterBand(band + 1).WriteArray(terrain.samples("Byte", 0, 0, *size, band=band))
    dataset.CreateMaskBand(gdal.GMF_PER_DATASET)
    dataset.GetRasterBand(1).GetMaskBand().WriteArray(blob(*size) if mask is None else mask)
    return dataset


def masks(path):
    dataset = gdal.Open(str(path))
    bands = [dataset.GetRasterBand(i + 1) for i in range(dataset.RasterCount)]
    return [(band.GetMaskFlags(), band.GetMaskBand().ReadRaster()) for band in bands]


def directories(path):
    """Tags of all directories, but for where the tiles lie and how they compress."""
    told = tiff_tags.directories(path.read_bytes())
    return [{tag: value for tag, value in tags.items() if tag not in tiff_tags.PLACES} for tags in told]


def left_out(path):
    """For each directory, which of its tiles are not there."""
    told = tiff_tags.directories(path.read_bytes())
    return [[place == 0 for tag in (273, 324) if tag in tags for place in tags[tag][1]] for tags in told]


def same_masks(tmp_path, source, *options, also=()):
    """Copies with both drivers, and compares all that there is."""
    ours = streamtiff.same_as_gtiff(tmp_path, source, "PREDICTOR=1", *options, also=also)
    theirs = tmp_path / "gtiff.tif"
    assert masks(ours) == masks(theirs)
    assert all(flags == gdal.GMF_PER_DATASET for flags, _ in masks(ours))
    assert directories(ours)[1:] == directories(theirs)[1:]
    beside = [path.with_name(path.name + ".msk") for path in (ours, theirs)]
    assert beside[0].exists() == beside[1].exists() == (len(directories(ours)) == 1)
    if beside[0].exists():
        assert directories(beside[0]) == directories(beside[1])
    names = [[path.split("/")[-1].split(".", 1)[1] for path in gdal.Open(str(p)).GetFileList()] for p in (ours, theirs)]
    assert names[0] == names[1]
    return ours


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("compress", ["NONE", "DEFLATE", "JPEG"])
def test_layouts_and_codecs(tmp_path, inside, layout, compress):
    size = (320, 192) if compress == "JPEG" else (WIDTH, HEIGHT)  # GTiff 3.6 fills cut tiles in another way
    ours = same_masks(tmp_path, in_memory(size=size), f"COMPRESS={compress}", *LAYOUTS[layout])
    assert len(directories(ours)) == (2 if inside == "YES" else 1)


def test_default_is_that_of_the_version(tmp_path):
    with internal_mask(None):
        same_masks(tmp_path, in_memory(), "COMPRESS=DEFLATE", *TILES)


@pytest.mark.parametrize("interleave", ["PIXEL", "BAND"])
@pytest.mark.parametrize("big", ["YES", "NO"])
def test_three_bands(tmp_path, inside, interleave, big):
    options = ["COMPRESS=LZW", f"INTERLEAVE={interleave}", f"BIGTIFF={big}", *TILES]
    same_masks(tmp_path, in_memory(bands=3), *options)


@pytest.mark.parametrize("internal", [True, False])
@pytest.mark.parametrize("compress", ["DEFLATE", "JPEG"])
def test_of_a_gtiff(tmp_path, inside, internal, compress):
    """Its colour blocks are decoded once, and so are those of its mask."""
    path = make_masked(tmp_path / "in.tif", *TILES, f"COMPRESS={compress}", bands=3, internal=internal)
    for layout in LAYOUTS.values():
        ours = same_masks(tmp_path, path, "COMPRESS=DEFLATE", *layout)
        figures = streamtiff.streaming(streamtiff.create_copy(ours, path, *layout))
        colour = GRID if gdal.Open(str(path)).GetMetadataItem("INTERLEAVE", "IMAGE_STRUCTURE") == "PIXEL" else 3 * GRID
        assert figures["SOURCE_BLOCKS"] == figures["BLOCK_DECODES"] == figures["PREDICTED_DECODES"] == colour + GRID


def test_values_other_than_0_and_255(tmp_path, inside):
    values = (np.arange(WIDTH * HEIGHT, dtype=np.int64).reshape(HEIGHT, WIDTH) // 7 % 256).astype(np.uint8)
    same_masks(tmp_path, in_memory(mask=values), "COMPRESS=DEFLATE", *TILES)


@pytest.mark.parametrize("valid", [0, 255])
@pytest.mark.parametrize("sparse", ["YES", "NO"])
def test_all_valid_or_all_not(tmp_path, inside, valid, sparse):
    mask = np.full((HEIGHT, WIDTH), valid, np.uint8)
    for layout in LAYOUTS.values():
        ours = same_masks(tmp_path, in_memory(mask=mask), "COMPRESS=DEFLATE", f"SPARSE_OK={sparse}", *layout)
        theirs = tmp_path / "gtiff.tif"
        assert left_out(ours) == left_out(theirs)
        if inside == "NO":
            beside = [left_out(path.with_name(path.name + ".msk")) for path in (ours, theirs)]
            assert beside[0] == beside[1] and not any(beside[0][0])


@pytest.mark.parametrize(
    "arguments",
    [
        {"srcWin": [51, 28, 200, 150]},
        {"width": 150, "height": 105},
        {"width": 150, "height": 105, "resampleAlg": "cubic"},
        {"bandList": [2], "maskBand": 1},
        {"maskBand": "mask"},
        {"outputType": gdal.GDT_UInt16},
    ],
    ids=["window", "half", "cubic", "band as mask", "mask", "type"],
)
@pytest.mark.parametrize("internal", [True, False])
def test_of_a_vrt(tmp_path, inside, internal, arguments):
    path = make_masked(tmp_path / "in.tif", *TILES, "COMPRESS=DEFLATE", bands=3, internal=internal)
    vrt = gdal.Translate(str(tmp_path / "in.vrt"), str(path), format="VRT", **arguments)
    same_masks(tmp_path, vrt, "COMPRESS=DEFLATE", *TILES)
    memory = gdal.Translate("", in_memory(bands=3), format="VRT", **arguments)
    same_masks(tmp_path, memory, "COMPRESS=DEFLATE", *TILES)


def test_mask_of_a_vrt_is_planned_on_the_blocks_underneath(tmp_path, inside):
    path = make_masked(tmp_path / "in.tif", *TILES, "COMPRESS=DEFLATE", bands=3)
    vrt = gdal.Translate(str(tmp_path / "in.vrt"), str(path), format="VRT", srcWin=[51, 28, 200, 150])
    figures = streamtiff.streaming(streamtiff.create_copy(tmp_path / "out.tif", vrt, *TILES))
    streamtiff.check_figures(figures)
    assert figures["SOURCE_BLOCKS"] == 2 * 4 * 6  # 4 x 6 blocks of colour, as many of the mask


def test_mosaic(tmp_path, inside):
    paths = []
    for index in range(2):
        paths.append(make_masked(tmp_path / f"in{index}.tif", *TILES, "COMPRESS=DEFLATE"))
        dataset = gdal.Open(str(paths[-1]), gdal.GA_Update)
        dataset.SetGeoTransform((500000 + 5000 * index, 10, 0, 4600000, 0, -10))
        dataset = None
    vrt = gdal.BuildVRT(str(tmp_path / "in.vrt"), [str(path) for path in paths])
    assert vrt.GetRasterBand(1).GetMaskFlags() == gdal.GMF_PER_DATASET
    same_masks(tmp_path, vrt, "COMPRESS=DEFLATE", *TILES)


def test_alpha_and_nodata_are_no_masks(tmp_path, inside):
    alpha = gdal.GetDriverByName("MEM").Create("", 100, 70, 4)
    alpha.GetRasterBand(4).SetColorInterpretation(gdal.GCI_AlphaBand)
    nodata = gdal.GetDriverByName("MEM").Create("", 100, 70, 1)
    nodata.GetRasterBand(1).SetNoDataValue(0)
    for source in (alpha, nodata):
        ours = streamtiff.same_as_gtiff(tmp_path, source, "COMPRESS=LZW", "PREDICTOR=1", *TILES)
        assert masks(ours) == masks(tmp_path / "gtiff.tif")
        assert not (tmp_path / "streamtiff.tif.msk").exists()
        assert len(directories(ours)) == 1


@pytest.mark.parametrize("share", [0, 0.3, 0.8, 0.97, 1])
def test_cancelled_leaves_neither_file(tmp_path, inside, share):
    source = in_memory()
    text = streamtiff.refused(tmp_path / "out.tif", source, *TILES, callback=lambda done, *_: done < share)
    assert "terminated" in text


def test_progress_covers_both(tmp_path, inside):
    told = []
    streamtiff.create_copy(
        tmp_path / "out.tif", in_memory(size=(1000, 1000)), *TILES, callback=lambda done, *_: told.append(done) or 1
    )
    assert told == sorted(told) and told[0] == 0 and told[-1] == 1
    assert any(0.1 < done < 0.45 for done in told) and any(0.55 < done < 0.95 for done in told)


def test_mask_that_cannot_be_read(tmp_path, inside):
    """The error of the second pass: nothing is left, not even of the first."""
    path = make_masked(tmp_path / "in.tif", *TILES, "COMPRESS=DEFLATE", mask=np.random.RandomState(1).randint(0, 2, (HEIGHT, WIDTH)) * 255)
    dataset = gdal.Open(str(path))
    offset = int(dataset.GetRasterBand(1).GetMaskBand().GetMetadataItem("BLOCK_OFFSET_2_3", "TIFF"))
    dataset = None
    with open(path, "r+b") as file:
        file.seek(offset)
        file.write(b"\xff" * 40)
    assert "mask" in streamtiff.refused(tmp_path / "out.tif", gdal.Open(str(path)), *TILES)


def test_mask_beside_that_cannot_be_written(tmp_path):
    (tmp_path / "out.tif.msk").mkdir()
    with internal_mask("NO"):
        assert "folder" in streamtiff.refused(tmp_path / "out.tif", in_memory(), *TILES)


def test_raster_that_cannot_get_its_name_takes_its_mask_along(tmp_path):
    """The mask's file is renamed first; by then somebody has put a folder in the raster's place."""

    def occupy(done, *_):
        if done == 1:
            (tmp_path / "out.tif").mkdir()
        return 1

    with internal_mask("NO"), streamtiff.messages() as kept:
        source = in_memory()
        dataset = gdal.GetDriverByName("StreamTIFF").CreateCopy(str(tmp_path / "out.tif"), source, callback=occupy)
    assert dataset is None
    assert len(streamtiff.texts(kept, gdal.CE_Failure)) == 1
    assert [path.name for path in tmp_path.iterdir()] == ["out.tif"]


def test_pipe_has_no_file_beside(tmp_path):
    with internal_mask("NO"), streamtiff.messages() as kept:
        dataset = gdal.GetDriverByName("StreamTIFF").CreateCopy("/vsistdout_redirect//vsimem/pipe.tif", in_memory())
    assert dataset is not None
    assert len(kept) == 1 and "GDAL_TIFF_INTERNAL_MASK" in kept[0][2]
    dataset = None
    gdal.Unlink("/vsimem/pipe.tif")


@pytest.fixture(scope="module")
def large(tmp_path_factory):
    """Paths of files that are larger than a small cap, by what their masks are and how they are cut."""
    folder = tmp_path_factory.mktemp("large")
    made = {}

    def path(internal, layout):
        key = (internal, *layout)
        if key not in made:
            made[key] = folder / f"{len(made)}.tif"
            size = (3000, 2100)
            if internal == "BANDS":
                with internal_mask("NO"):
                    terrain.make_terrain(made[key], *size, "Byte", 3, ["COMPRESS=DEFLATE", *layout])
                    dataset = gdal.Open(str(made[key]), gdal.GA_Update)
                    for number in (1, 3):
                        dataset.GetRasterBand(number).CreateMaskBand(0)
                        dataset.GetRasterBand(number).GetMaskBand().WriteArray(np.roll(blob(*size), 40 * number))
                    dataset = None  # noqa: F841
            else:
                make_masked(made[key], "COMPRESS=DEFLATE", *layout, size=size, internal=internal == "YES")
        return made[key]

    return path


@pytest.mark.parametrize(
    "threads,internal,layout,cap", pairwise([1, 2], ["YES", "NO", "BANDS"], [["TILED=YES", "BLOCKXSIZE=128", "BLOCKYSIZE=64"], ["BLOCKYSIZE=300"]], [2, 64])
)
def test_cap_is_held_over_all_passes(large, tmp_path, monkeypatch, threads, internal, layout, cap):
    monkeypatch.setenv("GDAL_TIFF_INTERNAL_MASK", "YES" if internal == "YES" else "NO")
    path = large(internal, layout)
    job = {"source": str(path), "target": str(tmp_path / "out.tif"), "translate": {}, "dem": None}
    figures = streamtiff.measured_copy({**job, "options": [f"MEMORY_CAP={cap}MB", f"NUM_THREADS={threads}"]})
    told = {key: int(value) if value.isdigit() else value for key, value in figures["streaming"].items()}
    streamtiff.check_figures(told)
    if threads == 1:
        assert told["PREDICTED_PEAK_BYTES"] <= 1.15 * told["PEAK_BYTES"]
    if not streamtiff.SANITIZER:
        assert figures["peak_rss_bytes"] <= told["CAP_BYTES"] + 8 * MIB
    assert masks(tmp_path / "out.tif") == masks(path)
    assert streamtiff.pixels(tmp_path / "out.tif") == streamtiff.pixels(path)


# --- masks of single bands ---------------------------------------------------------------------------


def with_masks_of_bands(bands, masked, size=(WIDTH, HEIGHT)):
    """In memory; the bands that have a mask are counted from 1."""
    dataset = gdal.GetDriverByName("MEM").Create("", *size, bands)
    for band in range(bands):
        dataset.GetRasterBand(band + 1).WriteArray(terrain.samples("Byte", 0, 0, *size, band=band))
    for number in masked:
        dataset.GetRasterBand(number).CreateMaskBand(0)
        dataset.GetRasterBand(number).GetMaskBand().WriteArray(np.roll(blob(*size), 31 * number))
    return dataset


def same_masks_of_bands(tmp_path, source, *options):
    """Both files beside: tags, pixels, tiles that are there, and what GDAL says of the masks."""
    with internal_mask(None if gdal.VersionInfo() >= "3090000" else "NO"):
        ours = streamtiff.same_as_gtiff(tmp_path, source, "PREDICTOR=1", "COMPRESS=DEFLATE", *options)
    theirs = tmp_path / "gtiff.tif"
    assert masks(ours) == masks(theirs)
    beside = [path.with_name(path.name + ".msk") for path in (ours, theirs)]
    assert directories(beside[0]) == directories(beside[1])
    assert left_out(beside[0]) == left_out(beside[1])
    assert streamtiff.pixels(beside[0]) == streamtiff.pixels(beside[1])
    return ours


OF_BANDS = [(1, [1]), (2, [1, 2]), (2, [2]), (3, [1, 3]), (4, [2, 3, 4]), (5, [3]), (12, [2, 11, 12])]


@pytest.mark.parametrize(
    "bands,masked,layout",
    [(*case, list(LAYOUTS)[(number + turn) % 4]) for number, case in enumerate(OF_BANDS) for turn in (0, 1)],
)
def test_masks_of_bands(tmp_path, bands, masked, layout):
    ours = same_masks_of_bands(tmp_path, with_masks_of_bands(bands, masked), *LAYOUTS[layout])
    flags = [flags for flags, _ in masks(ours)]
    assert [number + 1 for number, flag in enumerate(flags) if flag == 0] == masked


def test_masks_of_bands_of_a_gtiff(tmp_path):
    """The file beside is read in its own blocks, each once."""
    with internal_mask("NO"):
        streamtiff.create_quietly("GTiff", tmp_path / "in.tif", with_masks_of_bands(3, [1, 3]), [*TILES, "INTERLEAVE=PIXEL"])
    for layout in LAYOUTS.values():
        ours = same_masks_of_bands(tmp_path, gdal.Open(str(tmp_path / "in.tif")), *layout)
        with internal_mask("NO"):
            figures = streamtiff.streaming(streamtiff.create_copy(ours, tmp_path / "in.tif", *layout))
        assert figures["SOURCE_BLOCKS"] == figures["BLOCK_DECODES"] == (1 + 2) * GRID


def test_masks_of_bands_of_a_vrt(tmp_path):
    """Each band's mask is planned on the blocks underneath."""
    for number in (1, 2, 3):
        terrain.make_terrain(tmp_path / f"{number}.tif", WIDTH, HEIGHT, "Byte", options=[*TILES, "COMPRESS=DEFLATE"])
    simple = "<SimpleSource><SourceFilename>{}</SourceFilename><SourceBand>1</SourceBand></SimpleSource>"
    one, two, shown = (simple.format(tmp_path / f"{number}.tif") for number in (1, 2, 3))
    mask = f"<MaskBand><VRTRasterBand dataType='Byte'>{shown}</VRTRasterBand></MaskBand>"
    text = f"<VRTDataset rasterXSize='{WIDTH}' rasterYSize='{HEIGHT}'>"
    text += f"<VRTRasterBand dataType='Byte' band='1'>{one}</VRTRasterBand>"
    text += f"<VRTRasterBand dataType='Byte' band='2'>{two}{mask}</VRTRasterBand></VRTDataset>"
    (tmp_path / "in.vrt").write_text(text)
    source = gdal.Open(str(tmp_path / "in.vrt"))
    assert [source.GetRasterBand(number).GetMaskFlags() for number in (1, 2)] == [gdal.GMF_ALL_VALID, 0]
    ours = same_masks_of_bands(tmp_path, source, *TILES)
    with internal_mask("NO"):
        figures = streamtiff.streaming(streamtiff.create_copy(ours, source, *TILES))
    assert figures["SOURCE_BLOCKS"] == figures["PREDICTED_DECODES"] == 3 * GRID


@pytest.mark.parametrize("share", [0.5, 0.8, 0.97])
def test_cancelled_among_masks_of_bands(tmp_path, share):
    with internal_mask("NO"):
        source = with_masks_of_bands(3, [1, 3])
        text = streamtiff.refused(tmp_path / "out.tif", source, *TILES, callback=lambda done, *_: done < share)
    assert "terminated" in text


def test_masks_of_bands_have_no_room_in_the_file(tmp_path):
    """GTiff raises a failure for each, and leaves them out; a strict copy fails with both drivers."""
    dataset = with_masks_of_bands(3, [1, 3])
    with internal_mask("YES"):
        with streamtiff.messages() as kept:
            assert gdal.GetDriverByName(streamtiff.DRIVER).CreateCopy(str(tmp_path / "out.tif"), dataset, strict=0)
        (text,) = streamtiff.texts(kept, gdal.CE_Warning)
        assert text.startswith("2 band(s) have a mask of their own") and "GDAL_TIFF_INTERNAL_MASK" in text
        assert streamtiff.listing(tmp_path) == ["out.tif"]
        with streamtiff.messages() as kept:
            assert gdal.GetDriverByName("GTiff").CreateCopy(str(tmp_path / "gtiff.tif"), dataset, strict=1) is None
        gdal.Unlink(str(tmp_path / "out.tif"))
        assert "2 band(s)" in streamtiff.refused(tmp_path / "out.tif", dataset, strict=1)


def test_masks_of_bands_have_no_room_in_a_cog(tmp_path):
    """GDAL's COG driver raises a failure for each and leaves them out, be the copy strict."""
    with internal_mask(None), streamtiff.messages() as kept:
        dataset = gdal.GetDriverByName(streamtiff.DRIVER).CreateCopy(
            str(tmp_path / "out.tif"), with_masks_of_bands(3, [1, 3]), strict=1, options=["LAYOUT=COG"]
        )
    assert dataset is not None
    (text,) = streamtiff.texts(kept, gdal.CE_Warning)
    assert text.startswith("2 band(s) have a mask of their own") and "LAYOUT=COG" in text
    assert streamtiff.listing(tmp_path) == ["out.tif"]


def test_mask_of_the_dataset_leaves_no_room_for_those_of_bands(tmp_path, inside):
    """Where band 1 has that of the dataset, and another one its own."""
    dataset = in_memory(2)
    dataset.GetRasterBand(2).CreateMaskBand(0)
    assert dataset.GetRasterBand(1).GetMaskFlags() == gdal.GMF_PER_DATASET
    with streamtiff.messages() as kept:
        for driver in ("GTiff", streamtiff.DRIVER):
            result = gdal.GetDriverByName(driver).CreateCopy(str(tmp_path / f"{driver}.tif"), dataset, strict=0)
            assert result is not None
            result = None
    assert masks(tmp_path / "GTiff.tif") == masks(tmp_path / f"{streamtiff.DRIVER}.tif")
    assert any("1 band(s) have a mask of their own" in text for text in streamtiff.texts(kept, gdal.CE_Warning))
