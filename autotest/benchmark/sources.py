"""The rasters that are copied: layouts of one surface, made once in the work folder, and what is done with them."""

import dataclasses
import json
import pathlib
import sys
import zlib

from osgeo import gdal

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "pymod"))

import terrain  # noqa: E402

ROWS_AT_A_TIME = 256
PAGE_BYTES = 4096
ROWS_TOGETHER = 32

FULL = {"dem": (20000, 6144), "rgb": (16384, 6144), "wide": (100000, 1500)}
QUICK = {"dem": (6000, 1536), "rgb": (6000, 1536), "wide": (40000, 600)}
FULL_WIDE, QUICK_WIDE = (160000, 2048), (40000, 600)

TILES_512 = ["TILED=YES", "BLOCKXSIZE=512", "BLOCKYSIZE=512"]
DEFLATE = ["COMPRESS=DEFLATE", "NUM_THREADS=2"]
RGB = ["PHOTOMETRIC=RGB", "INTERLEAVE=PIXEL", "PREDICTOR=2"]
JPEG = ["PHOTOMETRIC=YCBCR", "INTERLEAVE=PIXEL", "COMPRESS=JPEG", "JPEG_QUALITY=90", "NUM_THREADS=2"]
CODECS = {
    "deflate": ["PREDICTOR=3", *DEFLATE],
    "zstd": ["COMPRESS=ZSTD", "PREDICTOR=3", "NUM_THREADS=2"],
    "none": [],
}
# name: (which size, data type, bands, creation options)
LAYOUTS = {
    **{
        f"tiled{size}_{codec}": (
            "dem",
            "Float32",
            1,
            ["TILED=YES", f"BLOCKXSIZE={size}", f"BLOCKYSIZE={size}", *CODECS[codec]],
        )
        for size in (512, 1024, 256)
        for codec in CODECS
    },
    "strips1_none": ("dem", "Float32", 1, ["BLOCKYSIZE=1"]),
    "strips512_deflate": ("dem", "Float32", 1, ["BLOCKYSIZE=512", "PREDICTOR=3", *DEFLATE]),
    "rgb512_deflate": ("rgb", "Byte", 3, [*TILES_512, *RGB, *DEFLATE]),
    "rgb512_jpeg": ("rgb", "Byte", 3, [*TILES_512, *JPEG]),
    "wide512_deflate": ("wide", "Float32", 1, [*TILES_512, "PREDICTOR=3", *DEFLATE]),
}

# What they show is no other source's, and their tiles are copied as they are.
PASSED_ONLY = ("rgb512_jpeg",)


@dataclasses.dataclass
class Source:
    """A raster and what is done with it. Sources with the same content give the same pixels."""

    name: str
    path: pathlib.Path
    content: str
    dem: str = None  # what gdaldem computes of it
    translate: dict = dataclasses.field(default_factory=dict)
    derive: str = None  # the same, computed by the copy itself
    prefix: bool = False  # opened as STREAMTIFF:path

    def opened_as(self):
        return f"STREAMTIFF:{self.path}" if self.prefix else str(self.path)

    def read_bytes(self):
        """Bytes of the source file that hold the pixels asked for: what decoding once would read."""
        window = self.translate.get("srcWin")
        return touched_bytes(self.path, window) if window else self.path.stat().st_size

    def page_bytes(self):
        """What C's files may read beside that: whole pages, so one more for each block that is not read right after its
        neighbour in the file. Blocks of a few rows are read several at a time."""
        blocks, rows = touched_blocks(self.path, self.translate.get("srcWin"))
        return PAGE_BYTES * (blocks if rows >= ROWS_TOGETHER else blocks * rows // ROWS_TOGETHER)

    def predictor(self):
        return 2 if self.content == "rgb" else 3


def touched_blocks(path, window):
    """The number of blocks under a window, and the rows of one."""
    dataset = gdal.Open(str(path))
    band = dataset.GetRasterBand(1)
    width, height = band.GetBlockSize()
    x, y, nx, ny = window or (0, 0, band.XSize, band.YSize)
    columns, rows = (x + nx - 1) // width - x // width + 1, (y + ny - 1) // height - y // height + 1
    return columns * rows, height


def touched_bytes(path, window):
    """Compressed bytes of all blocks under a window."""
    dataset = gdal.Open(str(path))
    band = dataset.GetRasterBand(1)
    width, height = band.GetBlockSize()
    x, y, nx, ny = window
    total = 0
    for block_y in range(y // height, (y + ny - 1) // height + 1):
        for block_x in range(x // width, (x + nx - 1) // width + 1):
            total += int(band.GetMetadataItem(f"BLOCK_SIZE_{block_x}_{block_y}", "TIFF") or 0)
    return total


# Of RGB, in grey levels: with it 8 bits compress to six tenths, as those of aerial photographs do.
GRAIN = 4.4


def make_raster(path, size, dtype, bands, options):
    """A file that is there is kept: an unfinished one has another name."""
    path.parent.mkdir(parents=True, exist_ok=True)
    if not path.exists():
        print(f"making {path}", flush=True)
        part = path.with_suffix(".part.tif")
        terrain.make_terrain(part, *size, dtype, bands, options, grain=GRAIN if bands == 3 else 0)
        part.rename(path)
    return path


NODATA = -9999


def make_almost_empty(path, size, sparse):
    """A tile in ten has data. The others are missing in the file, or are there with nothing but nodata in them."""
    if path.exists():
        return path
    print(f"making {path}", flush=True)
    part, tile = path.with_suffix(".part.tif"), 512
    options = [*TILES_512, "PREDICTOR=3", *DEFLATE, *(["SPARSE_OK=YES"] if sparse else [])]
    dataset = gdal.GetDriverByName("GTiff").Create(str(part), *size, 1, gdal.GDT_Float32, options)
    dataset.GetRasterBand(1).SetNoDataValue(NODATA)
    if not sparse:
        dataset.GetRasterBand(1).Fill(NODATA)
    columns = -(-size[0] // tile)
    for number in range(0, columns * (size[1] // tile)):
        x, y = number % columns * tile, number // columns * tile
        if number * 7 % 10 == 0:
            dataset.WriteArray(terrain.heights(x, y, min(tile, size[0] - x), tile), x, y)
    dataset = None
    part.rename(path)
    return path


def make_neighbour_rasters(folder, quick):
    """The rasters of neighbours.py, by name."""
    folder = folder / ("quick" if quick else "full")
    wide = QUICK_WIDE if quick else FULL_WIDE
    tiles = [*TILES_512, "PREDICTOR=3", *DEFLATE]
    strips = ["BLOCKYSIZE=16", "PREDICTOR=3", *DEFLATE]
    return {
        "reference": make_raster(folder / "reference.tif", (8192, 2048), "Float32", 1, tiles),
        "wide_tiled": make_raster(folder / "wide_tiled.tif", wide, "Float32", 1, tiles),
        "wide_strips": make_raster(folder / "wide_strips.tif", wide, "Float32", 1, strips),
        "speed": make_raster(
            folder / "tiled512_deflate.tif", (QUICK if quick else FULL)["dem"], *LAYOUTS["tiled512_deflate"][1:]
        ),
    }


def make_sources(folder, quick):
    """All sources, by name."""
    folder = folder / ("quick" if quick else "full")
    sizes = QUICK if quick else FULL
    sources = {}
    for name, (kind, dtype, bands, options) in LAYOUTS.items():
        sources[name] = Source(name, make_raster(folder / f"{name}.tif", sizes[kind], dtype, bands, options), kind)
    for name, sparse in (("empty_holes", True), ("empty_nodata", False)):
        path = make_almost_empty(folder / f"{name}.tif", sizes["dem"], sparse)
        sources[name] = Source(name, path, "empty")
    tiled, strips = sources["tiled512_deflate"].path, sources["strips512_deflate"].path
    width, height = sizes["dem"]
    # A window that is aligned with nothing.
    window = {"srcWin": [width // 20 + 3, height // 12 + 5, width * 3 // 4 - 1, height * 4 // 5 + 2]}
    half = {"width": width // 2, "height": height // 2, "resampleAlg": "cubic"}
    sources["vrt_window"] = Source("vrt_window", tiled, "window", translate=window)
    sources["vrt_half_cubic"] = Source("vrt_half_cubic", tiled, "half", translate=half)
    sources["slope_tiled512"] = Source("slope_tiled512", tiled, "slope", dem="slope")
    sources["derive_tiled512"] = Source("derive_tiled512", tiled, "slope", derive="slope")
    sources["prefix_tiled512"] = Source("prefix_tiled512", tiled, "slope", dem="slope", prefix=True)
    sources["slope_strips512"] = Source("slope_strips512", strips, "slope", dem="slope")
    return sources


def checksums(path):
    """CRCs of the pixels of each band, some rows each: the whole raster is compared, a little at a time."""
    dataset = gdal.Open(str(path))
    crcs = []
    for index in range(1, dataset.RasterCount + 1):
        band = dataset.GetRasterBand(index)
        for y in range(0, band.YSize, ROWS_AT_A_TIME):
            rows = min(ROWS_AT_A_TIME, band.YSize - y)
            crcs.append(zlib.crc32(band.ReadRaster(0, y, band.XSize, rows)))
        band.FlushCache()
    return crcs


def reference(source, folder):
    """The checksums of what `-of GTiff` writes, made once for each content and kept beside the sources."""
    kept = source.path.with_name(f"reference_{source.content}_{gdal.VersionInfo('RELEASE_NAME')}.json")
    if not kept.exists():
        print(f"making {kept}", flush=True)
        target = folder / "reference.tif"
        if source.dem or source.derive:
            gdal.DEMProcessing(str(target), str(source.path), source.dem or source.derive, format="GTiff")
        else:
            gdal.Translate(str(target), str(source.path), format="GTiff", **source.translate)
        kept.write_text(json.dumps(checksums(target)))
        target.unlink()
    return json.loads(kept.read_text())
