"""Rasters with a mask: of the dataset, of each band, inside a file, beside it, told by a VRT."""

import numpy as np
from osgeo import gdal
from parity import config
from parity_rasters import HEIGHT, WIDTH, colored, gtiff, mem, placed, source, through

MASKED = []  # the names of those made here
TILES = ("TILED=YES", "BLOCKXSIZE=32", "BLOCKYSIZE=16")


def mask_source(name, function, **of):
    MASKED.append(name)
    source(function, name=name, **of)


def blob(width=WIDTH, height=HEIGHT):
    """Valid in a circle: tiles that are all valid, tiles that are all invalid, and mixed ones."""
    y, x = np.mgrid[0:height, 0:width]
    return np.where((x - 40) ** 2 + (y - 20) ** 2 < 19**2, 255, 0).astype("u1")


def masked(dataset, mask=None, flags=gdal.GMF_PER_DATASET):
    mask = blob(dataset.RasterXSize, dataset.RasterYSize) if mask is None else mask
    if flags:
        dataset.CreateMaskBand(flags)
        dataset.GetRasterBand(1).GetMaskBand().WriteArray(mask)
        return dataset
    for number in range(1, dataset.RasterCount + 1):
        dataset.GetRasterBand(number).CreateMaskBand(0)
        dataset.GetRasterBand(number).GetMaskBand().WriteArray(np.roll(mask, number))
    return dataset


def masked_bands(dataset, *numbers):
    for number in numbers:
        dataset.GetRasterBand(number).CreateMaskBand(0)
        dataset.GetRasterBand(number).GetMaskBand().WriteArray(np.roll(blob(), number))
    return dataset


def filed(path, dataset, internal, *options):
    with config(GDAL_TIFF_INTERNAL_MASK="YES" if internal else "NO"):
        return gtiff(path, dataset, *options)


GREY = np.arange(WIDTH * HEIGHT).reshape(HEIGHT, WIDTH).astype("u1")

# --- in memory -------------------------------------------------------------------------------------

mask_source("mask_MEM", lambda folder: masked(mem()))
mask_source("mask_MEM_rgb", lambda folder: masked(placed(colored("rgb"))))
mask_source("mask_MEM_Float32", lambda folder: masked(mem(2, gdal.GDT_Float32)))
mask_source("mask_MEM_CInt16", lambda folder: masked(mem(1, gdal.GDT_CInt16)))
mask_source("mask_MEM_of_each_band", lambda folder: masked(mem(2), flags=0))
mask_source("mask_MEM_of_some_bands", lambda folder: masked_bands(mem(4), 2, 3))
mask_source("mask_beside_of_each_band", lambda folder: filed(folder / "bands.tif", masked(mem(3), flags=0), False, *TILES))
mask_source("mask_MEM_grey", lambda folder: masked(mem(), GREY))
mask_source("mask_MEM_of_zeros", lambda folder: masked(mem(), np.zeros((HEIGHT, WIDTH), "u1")))
mask_source("mask_MEM_all_valid", lambda folder: masked(mem(), np.full((HEIGHT, WIDTH), 255, "u1")))
mask_source("mask_MEM_one_pixel", lambda folder: masked(mem(1, width=1, height=1), np.full((1, 1), 255, "u1")))
mask_source("mask_MEM_one_column", lambda folder: masked(mem(1, width=1, height=200), np.full((200, 1), 255, "u1")))


def with_nodata_too(folder):
    dataset = masked(mem())
    dataset.GetRasterBand(1).SetNoDataValue(7)
    return dataset


def with_alpha_too(folder):
    return masked(colored("rgba"))


mask_source("mask_MEM_and_nodata", with_nodata_too)
mask_source("mask_MEM_and_alpha", with_alpha_too)

# --- files of GTiff's ------------------------------------------------------------------------------

for _internal, _where in ((True, "inside"), (False, "beside")):
    mask_source(
        f"mask_{_where}_tiles",
        lambda f, i=_internal: filed(f / "tiles.tif", masked(placed(colored("rgb"))), i, *TILES, "COMPRESS=DEFLATE"),
    )
    mask_source(f"mask_{_where}_strips", lambda f, i=_internal: filed(f / "strips.tif", masked(mem(2)), i, "BLOCKYSIZE=7"))
    mask_source(
        f"mask_{_where}_apart",
        lambda f, i=_internal: filed(f / "apart.tif", masked(mem(3, gdal.GDT_Int16)), i, "INTERLEAVE=BAND", *TILES),
    )
    mask_source(
        f"mask_{_where}_BASELINE", lambda f, i=_internal: filed(f / "baseline.tif", masked(mem()), i, "PROFILE=BASELINE")
    )


@lambda function: mask_source("mask_inside_with_overviews", function)
def with_overviews(folder):
    path = folder / "overviews.tif"
    filed(path, masked(mem()), True, *TILES)
    dataset = gdal.Open(str(path), gdal.GA_Update)
    dataset.BuildOverviews("NEAREST", [2])
    dataset = None
    return gdal.Open(str(path))


# --- other drivers, and virtual ones ----------------------------------------------------------------

mask_source("mask_PNG", lambda f: through("PNG", f / "masked.png", masked(mem(3))), drivers=["PNG"])


def translated(folder, internal=True, **options):
    return gdal.Translate("", filed(folder / "base.tif", masked(placed(mem(3))), internal, *TILES), format="VRT", **options)


mask_source("mask_VRT", lambda f: translated(f))
mask_source("mask_VRT_beside", lambda f: translated(f, False))
mask_source("mask_VRT_window", lambda f: translated(f, srcWin=[5, 7, 40, 30]))
mask_source("mask_VRT_larger", lambda f: translated(f, width=110, height=77, resampleAlg="nearest"))
mask_source("mask_VRT_of_a_band", lambda f: translated(f, bandList=[1, 2], maskBand=3))
mask_source("mask_VRT_none", lambda f: translated(f, maskBand="none"))
mask_source(
    "mask_VRT_mosaic",
    lambda f: gdal.BuildVRT(
        "",
        [
            filed(f / f"{i}.tif", masked(placed(mem(), transform=(440720 + 60 * 60 * i, 60, 0, 3751320, 0, -60))), True)
            for i in range(2)
        ],
    ),
)


@lambda function: mask_source("mask_VRT_file", function)
def written_by_hand(folder):
    gtiff(folder / "pixels.tif", mem(2))
    mask = mem()
    mask.GetRasterBand(1).WriteArray(blob())
    gtiff(folder / "shown.tif", mask)
    simple = "<SimpleSource><SourceFilename relativeToVRT='1'>{}</SourceFilename><SourceBand>{}</SourceBand></SimpleSource>"
    bands = "".join(
        f"<VRTRasterBand dataType='Byte' band='{n}'>{simple.format('pixels.tif', n)}</VRTRasterBand>" for n in (1, 2)
    )
    shown = f"<MaskBand><VRTRasterBand dataType='Byte'>{simple.format('shown.tif', 1)}</VRTRasterBand></MaskBand>"
    path = folder / "masked.vrt"
    path.write_text(f"<VRTDataset rasterXSize='{WIDTH}' rasterYSize='{HEIGHT}'>{shown}{bands}</VRTDataset>")
    return gdal.Open(str(path))
