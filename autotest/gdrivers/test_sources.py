"""Sources of every make: in memory, virtual, open for update, mosaics, warped, other drivers'."""

import numpy as np
import parity
import pytest
import streamtiff
import terrain
from osgeo import gdal, gdal_array

WIDTH, HEIGHT = 701, 503
TILED = ["TILED=YES", "BLOCKXSIZE=128", "BLOCKYSIZE=128", "COMPRESS=DEFLATE"]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("sources")
    terrain.make_terrain(folder / "tiled.tif", WIDTH, HEIGHT, "Float32", 1, TILED)
    terrain.make_terrain(folder / "rgb.tif", WIDTH, HEIGHT, "Byte", 3, ["PHOTOMETRIC=RGB", *TILED])
    terrain.make_terrain(folder / "five.tif", WIDTH, HEIGHT, "UInt16", 5, ["INTERLEAVE=BAND", *TILED])
    for number, (x, y) in enumerate([(0, 0), (400, 0), (0, 300), (400, 300)]):
        size = (min(400, WIDTH - x), min(300, HEIGHT - y))
        gdal.Translate(
            str(folder / f"part{number}.tif"), str(folder / "tiled.tif"), srcWin=[x, y, *size], creationOptions=TILED
        )
    gdal.Translate(str(folder / "rgb.png"), str(folder / "rgb.tif"), format="PNG")
    gdal.Translate(str(folder / "rgb.jpg"), str(folder / "rgb.tif"), format="JPEG")
    return folder


def open_file(folder, name):
    return gdal.Open(str(folder / name))


def check(tmp_path, source, cap="64MB", kind=None, *options):
    """Copies with ours and GTiff; compares pixels, and tells the figures."""
    with streamtiff.messages() as kept:
        given = [f"MEMORY_CAP={cap}", "NUM_THREADS=2", "BLOCKXSIZE=64", "BLOCKYSIZE=64", *options]
        dataset = streamtiff.create_quietly("StreamTIFF", tmp_path / "out.tif", source, given)
    assert dataset is not None, kept
    figures = streamtiff.streaming(dataset)
    streamtiff.check_figures(figures)
    assert kept == [] or figures["CAP_BYTES"] > figures["REQUESTED_CAP_BYTES"]
    if kind:
        assert figures["SOURCE_KIND"] == kind
    dataset = None
    expected = streamtiff.create_quietly("GTiff", tmp_path / "gtiff.tif", source, [])
    assert streamtiff.pixels(tmp_path / "out.tif") == streamtiff.pixels(expected)
    expected = None
    written = {end: [path.name[len(end) :] for path in sorted(tmp_path.glob(f"{end}*"))] for end in ("out", "gtiff")}
    assert written["out"] == written["gtiff"]
    return figures


@pytest.mark.parametrize("bands", [1, 3])
@pytest.mark.parametrize("cap", ["1MB", "64MB"])
def test_mem(tmp_path, bands, cap):
    source = gdal.GetDriverByName("MEM").Create("", WIDTH, HEIGHT, bands, gdal.GDT_Float64)
    for band in range(bands):
        source.GetRasterBand(band + 1).WriteArray(terrain.heights(0, 0, WIDTH, HEIGHT, band=band))
    check(tmp_path, source, cap, "BLOCKS")


def test_numpy(tmp_path):
    array = np.arange(WIDTH * HEIGHT * 2, dtype=np.int32).reshape(2, HEIGHT, WIDTH)
    check(tmp_path, gdal_array.OpenArray(array), "64MB", "BLOCKS")
    check(tmp_path, gdal_array.OpenArray(array[:, ::-1, ::2]))  # strides that are not a plain raster's


def test_vsimem(folder):
    gdal.FileFromMemBuffer("/vsimem/in/in.tif", (folder / "tiled.tif").read_bytes())
    for cap in ("1MB", "64MB"):
        with streamtiff.messages():
            source = gdal.Open("/vsimem/in/in.tif")
            options = [f"MEMORY_CAP={cap}", "NUM_THREADS=4", "BLOCKYSIZE=256"]
            dataset = streamtiff.create_quietly("StreamTIFF", "/vsimem/out/out.tif", source, options)
        streamtiff.check_figures(streamtiff.streaming(dataset))
        assert streamtiff.pixels(dataset) == streamtiff.pixels(folder / "tiled.tif")
        dataset = None
        assert streamtiff.listing("/vsimem/out") == ["out.tif"]
    assert gdal.Open("/vsimem/out/out.tif").GetDriver().ShortName == "GTiff"
    gdal.RmdirRecursive("/vsimem/in")
    gdal.RmdirRecursive("/vsimem/out")
    left = [name for name in gdal.ReadDirRecursive("/vsimem/") or [] if "streamtiff" in name.lower()]
    assert left == []  # of the template, for one


def test_open_for_update_with_unwritten_blocks(tmp_path, folder):
    gdal.GetDriverByName("GTiff").CreateCopy(str(tmp_path / "in.tif"), open_file(folder, "tiled.tif"), options=TILED)
    source = gdal.Open(str(tmp_path / "in.tif"), gdal.GA_Update)
    band = source.GetRasterBand(1)
    band.WriteArray(np.full((200, 300), -7.5, dtype=np.float32), 100, 100)
    check(tmp_path, source, "64MB", "BLOCKS")
    out = gdal.Open(str(tmp_path / "out.tif")).ReadAsArray()
    assert (out[100:300, 100:400] == -7.5).all() and not (out[:100] == -7.5).any()


def test_just_created_and_not_yet_flushed(tmp_path):
    source = gdal.GetDriverByName("GTiff").Create(
        str(tmp_path / "in.tif"), WIDTH, HEIGHT, 2, gdal.GDT_UInt16, options=TILED
    )
    source.GetRasterBand(1).Fill(1)
    source.GetRasterBand(2).Fill(2)
    check(tmp_path, source)


def test_sparse_source(tmp_path):
    """Blocks that the file has not got are nodata, or zero."""
    source = gdal.GetDriverByName("GTiff").Create(
        str(tmp_path / "in.tif"), WIDTH, HEIGHT, 1, gdal.GDT_Int16, options=["SPARSE_OK=YES", *TILED]
    )
    source.GetRasterBand(1).SetNoDataValue(-32768)
    source.GetRasterBand(1).WriteArray(np.arange(40000).reshape(200, 200), 128, 256)
    source = None
    check(tmp_path, gdal.Open(str(tmp_path / "in.tif")), "64MB", "BLOCKS")


# --- VRT -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("cap", ["1MB", "64MB"])
def test_plain_vrt_file_is_unwrapped(tmp_path, folder, cap):
    gdal.Translate(str(tmp_path / "plain.vrt"), str(folder / "tiled.tif"), format="VRT")
    figures = check(tmp_path, gdal.Open(str(tmp_path / "plain.vrt")), cap, "BLOCKS")
    assert figures["SOURCE_BLOCKS"] == 6 * 4  # the file's, not the VRT's


def test_plain_vrt_whose_file_is_opened_with_options_that_change_pixels(tmp_path):
    """An alpha band of 1 bit is 0 and 255, unless the VRT asks for 0 and 1."""
    pixels = np.zeros((4, 64, 64), np.uint8)
    pixels[:3] = np.arange(64)
    pixels[3, :, 20:] = 255
    source = gdal_array.OpenArray(pixels)
    source.GetRasterBand(4).SetColorInterpretation(gdal.GCI_AlphaBand)
    jp2, vrt = str(tmp_path / "alpha.jp2"), tmp_path / "alpha.vrt"
    options = ["1BIT_ALPHA=YES", "REVERSIBLE=YES", "QUALITY=100"]
    gdal.GetDriverByName("JP2OpenJPEG").CreateCopy(jp2, source, options=options)
    gdal.Translate(str(vrt), jp2)
    asks = '<OpenOptions><OOI key="1BIT_ALPHA_PROMOTION">NO</OOI></OpenOptions>'
    vrt.write_text(vrt.read_text().replace("<SourceBand>", asks + "<SourceBand>"))
    dataset = gdal.Open(str(vrt))
    assert dataset.GetRasterBand(4).ReadAsArray().max() == 1
    check(tmp_path, dataset)


WINDOWS = {
    "subwindow": {"srcWin": [77, 31, 555, 404]},
    "aligned": {"srcWin": [128, 256, 384, 128]},
    "one_pixel": {"srcWin": [700, 502, 1, 1]},
    "outside": {"srcWin": [-50, -20, 800, 600]},
    "half_nearest": {"width": 350, "height": 251},
    "half_cubic": {"width": 350, "height": 251, "resampleAlg": "cubic"},
    "third_lanczos": {"width": 233, "height": 167, "resampleAlg": "lanczos"},
    "average": {"width": 100, "height": 77, "resampleAlg": "average"},
    "mode": {"width": 175, "height": 125, "resampleAlg": "mode"},
    "twice_bilinear": {"width": 1402, "height": 1006, "resampleAlg": "bilinear"},
    "type": {"outputType": gdal.GDT_Int16},
    "scale": {"scaleParams": [[900, 2100, 0, 255]], "outputType": gdal.GDT_Byte},
    "nodata": {"noData": 1500},
    "window_and_size": {"srcWin": [33.5, 20.25, 400.5, 300.75], "width": 300, "height": 200, "resampleAlg": "bilinear"},
}


@pytest.mark.parametrize("window", WINDOWS)
@pytest.mark.parametrize("cap", ["2MB", "64MB"])
def test_vrt_of_translate(tmp_path, folder, window, cap):
    vrt = gdal.Translate("", str(folder / "tiled.tif"), format="VRT", **WINDOWS[window])
    check(tmp_path, vrt, cap, None if window == "nodata" else "WINDOWS")  # the nodata value changes no pixel


@pytest.mark.parametrize("bands", [[1], [3, 1], [5, 4, 3, 2, 1], [2, 2], ["1", "1", "1", "1"]], ids=str)
def test_subset_of_bands(tmp_path, folder, bands):
    check(tmp_path, gdal.Translate("", str(folder / "five.tif"), format="VRT", bandList=bands))
    check(
        tmp_path,
        gdal.Translate("", str(folder / "rgb.tif"), format="VRT", bandList=[min(3, int(band)) for band in bands]),
    )


def test_palette_is_expanded(tmp_path):
    source = gdal.GetDriverByName("MEM").Create("", 100, 80, 1)
    source.WriteArray(np.arange(8000).reshape(80, 100) % 250)
    table = gdal.ColorTable()
    for index in range(256):
        table.SetColorEntry(index, (255 - index, index, index // 3, 255))
    source.GetRasterBand(1).SetColorTable(table)
    gdal.GetDriverByName("GTiff").CreateCopy(str(tmp_path / "in.tif"), source)
    check(tmp_path, gdal.Translate("", str(tmp_path / "in.tif"), format="VRT", rgbExpand="rgb"))


@pytest.mark.parametrize("cap", ["1MB", "64MB"])
@pytest.mark.parametrize("in_memory", [True, False], ids=["in_memory", "file"])
def test_mosaic(tmp_path, folder, cap, in_memory):
    parts = [str(folder / f"part{number}.tif") for number in range(4)]
    vrt = gdal.BuildVRT("" if in_memory else str(tmp_path / "mosaic.vrt"), parts)
    if not in_memory:
        vrt = None
        vrt = gdal.Open(str(tmp_path / "mosaic.vrt"))
    check(tmp_path, vrt, cap)
    assert streamtiff.pixels(tmp_path / "out.tif") == streamtiff.pixels(folder / "tiled.tif")


def test_mosaic_with_a_hole(tmp_path, folder):
    vrt = gdal.BuildVRT("", [str(folder / "part0.tif"), str(folder / "part3.tif")], VRTNodata=-1)
    check(tmp_path, vrt, "2MB")


def test_separate_bands(tmp_path, folder):
    vrt = gdal.BuildVRT("", [str(folder / "tiled.tif")] * 3, separate=True)
    check(tmp_path, vrt, "2MB")


def test_vrt_of_a_vrt(tmp_path, folder):
    gdal.Translate(str(tmp_path / "inner.vrt"), str(folder / "tiled.tif"), format="VRT", srcWin=[10, 10, 600, 400])
    check(tmp_path, gdal.Translate("", str(tmp_path / "inner.vrt"), format="VRT", srcWin=[5, 5, 500, 300]), "2MB")


def test_vrt_over_mem(tmp_path):
    """No name to open it by: what lies underneath is not known."""
    source = gdal.GetDriverByName("MEM").Create("", 300, 200, 1, gdal.GDT_Float32)
    source.WriteArray(terrain.heights(0, 0, 300, 200))
    check(tmp_path, gdal.Translate("", source, format="VRT", srcWin=[10, 20, 250, 150]))


def test_vrt_without_sources(tmp_path):
    source = gdal.GetDriverByName("VRT").Create("", 300, 200, 2, gdal.GDT_Int16)
    for band in (1, 2):
        source.GetRasterBand(band).SetNoDataValue(-5)
    check(tmp_path, source)


def test_vrt_without_sources_and_nodata_of_one_band(tmp_path):
    """GTiff of GDAL 3.13 makes the zeros of the other band nodata, too."""
    source = gdal.GetDriverByName("VRT").Create("", 300, 200, 2, gdal.GDT_Int16)
    source.GetRasterBand(1).SetNoDataValue(-5)
    dataset = streamtiff.create_copy(tmp_path / "out.tif", source, "BLOCKXSIZE=64", "BLOCKYSIZE=64")
    dataset = None  # noqa: F841
    assert streamtiff.pixels(tmp_path / "out.tif") == streamtiff.pixels(source)


@pytest.mark.parametrize("resampling", ["near", "cubic"])
@pytest.mark.parametrize("cap", ["4MB", "64MB"])
@pytest.mark.parametrize("name", ["tiled.tif", "rgb.tif"])
def test_warped_vrt(tmp_path, folder, resampling, cap, name):
    """The VRT's own blocks, at any cap: what lies in a larger window depends a little on the window (parity_allowed.py)."""
    vrt = gdal.Warp("", str(folder / name), format="VRT", dstSRS="EPSG:4326", resampleAlg=resampling)
    with parity.config(GDAL_VRT_WARP_USE_DATASET_RASTERIO="NO"):
        check(tmp_path, vrt, cap)


# --- other drivers -------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["rgb.png", "rgb.jpg"])
@pytest.mark.parametrize("interleave", ["PIXEL", "BAND"])
@pytest.mark.parametrize("cap", ["1MB", "64MB"])
def test_row_blocks_of_several_bands(tmp_path, folder, name, interleave, cap):
    check(tmp_path, open_file(folder, name), cap, "BLOCKS", f"INTERLEAVE={interleave}")


def test_raw_format(tmp_path, folder):
    gdal.Translate(str(tmp_path / "in.bil"), str(folder / "five.tif"), format="EHdr")
    check(tmp_path, gdal.Open(str(tmp_path / "in.bil")), "1MB", "BLOCKS")


def test_source_with_overviews_and_mask_keeps_its_pixels(tmp_path, folder):
    gdal.GetDriverByName("GTiff").CreateCopy(str(tmp_path / "in.tif"), open_file(folder, "rgb.tif"), options=TILED)
    source = gdal.Open(str(tmp_path / "in.tif"), gdal.GA_Update)
    source.BuildOverviews("NEAREST", [2, 4])
    source = None
    check(tmp_path, gdal.Open(str(tmp_path / "in.tif")))


def test_target_is_the_source(tmp_path, folder):
    """GDAL deletes the old file before it calls a driver, whichever; what can still be read is copied, or it fails."""
    gdal.GetDriverByName("GTiff").CreateCopy(str(tmp_path / "in.tif"), open_file(folder, "tiled.tif"), options=TILED)
    with streamtiff.messages():
        dataset = streamtiff.create_quietly("StreamTIFF", tmp_path / "in.tif", gdal.Open(str(tmp_path / "in.tif")), [])
    if dataset is not None:
        assert streamtiff.pixels(dataset) == streamtiff.pixels(folder / "tiled.tif")
