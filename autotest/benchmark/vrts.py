"""VRTs of every kind at small caps: memory, decodes and bytes read, held to the promises; pixels as GTiff's.

A warped VRT, a filtered one, reductions by cubic and average resampling, a mosaic of 400 small files with overlaps, and a
mosaic of four mosaics that share a row or a column of those files; each copied, the warped one and the mosaics also under gdaldem.
Bytes read are judged against those of the blocks that are shown, once for each handle that GDAL opens on a file: a
warper that reads source windows with overlaps is exempt, and its figure is told.
"""

import dataclasses
import functools
import pathlib

import numpy as np
import runner
import sources as raster_sources
from osgeo import gdal

MIB = 1 << 20
SLACK_BYTES = 8 * MIB
MAX_AMPLIFICATION = 1.1
CAPS_MB = (8, 16, 64)
FULL, QUICK = (8192, 4096), (3072, 2048)
FILES, OVERLAP_PX = 20, 16  # of the mosaic, each way, and how far each file reaches into the next
HEADER_BYTES = MIB  # PROJ, the result that is opened, VRTs
# One opening of a file reads directory and tables by pages; the plan opens no more than 16 of a mosaic beside.
HEADER_OF_FILE_BYTES = 8 << 10
TILES = ["TILED=YES", "BLOCKXSIZE=512", "BLOCKYSIZE=512", "COMPRESS=DEFLATE", "PREDICTOR=3", "ZLEVEL=1"]
OUTPUT = ["TILED=YES", "BLOCKXSIZE=256", "BLOCKYSIZE=256", "COMPRESS=DEFLATE", "ZLEVEL=1", "NUM_THREADS=2"]
ROUNDING = 5e-4  # GDAL's own averages differ by so much between windows (test_vrt_memory.py)


@dataclasses.dataclass
class Vrt:
    """A VRT, what it shows, and how it is read. Has what runner.run_copy asks of a source."""

    name: str
    path: pathlib.Path
    files: list  # of the files underneath, one for each handle
    content: str
    dem: str = None
    translate: dict = dataclasses.field(default_factory=dict)
    rounded: bool = False
    warped: bool = False
    derive = None

    def opened_as(self):
        return str(self.path)

    def read_bytes(self):
        return sum(path.stat().st_size for path in self.files)

    def header_bytes(self):
        return HEADER_BYTES + HEADER_OF_FILE_BYTES * (len(self.files) + min(len(self.files), 16))


def file_name(row, column):
    return f"m_{row:02}_{column:02}.tif"


def make_mosaics(folder, plain, size):
    """Gives the files, and those of the four mosaics."""
    width, height = size
    for row in range(FILES):
        for column in range(FILES):
            path = folder / file_name(row, column)
            x, y = column * width // FILES, row * height // FILES
            nx, ny = min(width // FILES + OVERLAP_PX, width - x), min(height // FILES + OVERLAP_PX, height - y)
            if not path.exists():
                part = str(path.with_suffix(".part.tif"))
                gdal.Translate(part, str(plain), srcWin=[x, y, nx, ny], creationOptions=["COMPRESS=DEFLATE"])
                pathlib.Path(part).rename(path)
    files = [[folder / file_name(row, column) for column in range(FILES)] for row in range(FILES)]
    half = FILES // 2
    parts = [
        [path for row in files[top:bottom] for path in row[left:right]]
        for top, bottom in ((0, half), (half - 1, FILES))
        for left, right in ((0, half), (half - 1, FILES))
    ]
    return [path for row in files for path in row], parts


def build(path, files):
    gdal.BuildVRT(str(path), [str(file) for file in files]).FlushCache()
    return path


def filtered(path, plain):
    gdal.Translate(str(path), str(plain), format="VRT").FlushCache()
    kernel = '<Kernel normalized="1"><Size>5</Size><Coefs>' + " ".join(["1"] * 25) + "</Coefs></Kernel>"
    text = path.read_text().replace("<SimpleSource>", "<KernelFilteredSource>")
    path.write_text(text.replace("</SimpleSource>", kernel + "</KernelFilteredSource>"))
    return path


def make(folder, quick):
    size = QUICK if quick else FULL
    folder = folder / ("quick" if quick else "full") / "vrts"
    folder.mkdir(parents=True, exist_ok=True)
    plain = raster_sources.make_raster(folder / "plain.tif", size, "Float32", 1, TILES)
    files, parts = make_mosaics(folder, plain, size)
    mosaic = build(folder / "mosaic.vrt", files)
    nested = build(
        folder / "nested.vrt", [build(folder / f"part_{number}.vrt", part) for number, part in enumerate(parts)]
    )
    warped = folder / "warped.vrt"
    gdal.Warp(str(warped), str(plain), dstSRS="EPSG:32610", resampleAlg="cubic", format="VRT").FlushCache()
    handles = [path for part in parts for path in part]
    half = {"width": size[0] // 2, "height": size[1] // 2}
    cubic, average = {**half, "resampleAlg": "cubic"}, {**half, "resampleAlg": "average"}
    return [
        Vrt("warped", warped, [plain], "warped", warped=True),
        Vrt("filtered", filtered(folder / "filtered.vrt", plain), [plain], "filtered"),
        Vrt("half_cubic", plain, [plain], "half_cubic", translate=cubic),
        Vrt("half_average", plain, [plain], "half_average", translate=average, rounded=True),
        Vrt("mosaic", mosaic, files, "mosaic"),
        Vrt("mosaic_half_cubic", mosaic, files, "mosaic_half", translate=cubic),
        Vrt("nested", nested, handles, "mosaic"),
        Vrt("warped_slope", warped, [plain], "warped_slope", dem="slope", warped=True),
        Vrt("mosaic_slope", mosaic, files, "mosaic_slope", dem="slope"),
        Vrt("nested_slope", nested, handles, "mosaic_slope", dem="slope"),
    ]


def largest_difference(a, b):
    datasets = [gdal.Open(str(path)) for path in (a, b)]
    width, height = datasets[0].RasterXSize, datasets[0].RasterYSize
    largest = 0
    for y in range(0, height, raster_sources.ROWS_AT_A_TIME):
        rows = min(raster_sources.ROWS_AT_A_TIME, height - y)
        ours, theirs = (dataset.ReadAsArray(0, y, width, rows) for dataset in datasets)
        largest = max(largest, float(np.abs(ours - theirs).max()))
    return largest


class Pixels:
    """What GTiff writes: checksums, or, where GDAL rounds by window, the file."""

    def __init__(self, folder):
        self.folder = folder

    def differ(self, source, target):
        if not source.rounded:
            return raster_sources.checksums(target) != raster_sources.reference(source, self.folder)
        theirs = self.folder / f"{source.content}.tif"
        if not theirs.exists():
            gdal.Translate(str(theirs), str(source.path), format="GTiff", **source.translate)
        return largest_difference(target, theirs) > ROUNDING


def judge(source, figures):
    told = {key: int(value) for key, value in figures["streaming"].items() if value.isdigit()}
    rss, cap = figures["peak_rss_bytes"], told["CAP_BYTES"]
    broken = []
    if rss > cap + SLACK_BYTES:
        broken.append(f"peak RSS of {rss / MIB:.1f} MB is over the cap of {cap / MIB:.1f} MB")
    if not told["PEAK_BYTES"] <= told["PREDICTED_PEAK_BYTES"] <= cap:
        broken.append(f"PEAK {told['PEAK_BYTES']} <= PREDICTED {told['PREDICTED_PEAK_BYTES']} <= CAP {cap} is not so")
    most = MAX_AMPLIFICATION * source.read_bytes() + source.header_bytes()
    if figures["read_bytes"] > most and not source.warped:
        broken.append(f"amplification by bytes read {figures['amplification']:.3f}")
    if told["BLOCK_DECODES"] > MAX_AMPLIFICATION * told["SOURCE_BLOCKS"]:
        broken.append(f"{told['BLOCK_DECODES']} decodes of {told['SOURCE_BLOCKS']} blocks")
    return broken


def row_of(source, asked_mb, figures):
    keys = ("wall_s", "peak_rss_bytes", "read_bytes", "amplification")
    # Over the bytes of each file once, however many handles GDAL opens on it.
    files = sum(path.stat().st_size for path in set(source.files))
    return {
        "vrt": source.name,
        "asked_mb": asked_mb,
        **{key: figures[key] for key in keys},
        "by_files": figures["read_bytes"] / files,
        **figures["streaming"],
    }


def line_of(row):
    cap, rss, peak, predicted = (
        int(row[key]) / MIB for key in ("CAP_BYTES", "peak_rss_bytes", "PEAK_BYTES", "PREDICTED_PEAK_BYTES")
    )
    return (
        f"{row['vrt']:<18} {row['asked_mb']:>3} MB: cap {cap:6.1f}, peak RSS {rss:6.1f}, PEAK {peak:6.1f}, "
        f"PREDICTED {predicted:6.1f}, {row['SWEEP']}, read {row['amplification']:.3f} of the blocks ({row['by_files']:.3f} of "
        f"the files), {row['BLOCK_DECODES']} decodes of {row['SOURCE_BLOCKS']} ({row['REPEATED_BLOCKS']} repeated), "
        f"{row['wall_s']:.1f} s"
    )


def run(folder, made_in, plugin, quick, names=None):
    """names: of the VRTs; None: all. Gives (rows, violations)."""
    target = folder / "out.tif"
    pixels = Pixels(folder)
    chosen = [source for source in make(made_in, quick) if not names or source.name in names]

    def measure(source, asked_mb):
        options = [*OUTPUT, f"MEMORY_CAP={asked_mb}MB"]
        figures = runner.run_copy(source, "StreamTIFF", options, target, None, None, plugin)
        broken = judge(source, figures)
        if pixels.differ(source, target):
            broken.append("pixels differ from GTiff's")
        return row_of(source, asked_mb, figures), broken

    measurements = [
        (f"{source.name} at {asked_mb} MB", functools.partial(measure, source, asked_mb))
        for source in chosen
        for asked_mb in CAPS_MB
    ]
    rows, violations = runner.measure_each(measurements, line_of, target, folder / "vrts.jsonl")
    for source in chosen:
        if source.rounded:
            runner.remove_target(folder / f"{source.content}.tif")
    return rows, violations
