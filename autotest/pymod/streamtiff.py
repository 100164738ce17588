"""What the tests share: copies whose messages are kept, and comparisons of whole rasters with what GTiff writes."""

import contextlib
import ctypes
import json
import os
import pathlib
import subprocess
import sys
import zlib

from osgeo import gdal

try:
    import pytest
except ImportError:  # parity_smoke.py needs none
    pytest = None

DRIVER = "StreamTIFF"
MIB = 1 << 20
SANITIZER = os.environ.get("STREAMTIFF_SANITIZER") or None
MEASURED_COPY = pathlib.Path(__file__).with_name("measured_copy.py")

# A sanitizer's shadow memory and quarantine grow with every allocation: the process's size says nothing then.
needs_true_rss = pytest and pytest.mark.skipif(SANITIZER is not None, reason=f"RSS means nothing under {SANITIZER}")


def codecs():
    """Names of the codecs that the driver lists, which are those of the libtiff it is linked with."""
    listed = gdal.GetDriverByName(DRIVER).GetMetadataItem("DMD_CREATIONOPTIONLIST")
    text = listed.split("name='COMPRESS'")[-1].split('name="COMPRESS"')[-1].split("</Option>")[0]
    return [part.split("</Value>")[0] for part in text.split("<Value>")[1:]]


@contextlib.contextmanager
def messages():
    """Collects the warnings and failures raised inside as (class, number, text); nothing is printed."""
    kept = []

    def keep(error_class, number, text):
        if error_class >= gdal.CE_Warning:
            kept.append((error_class, number, text))

    gdal.PushErrorHandler(keep)
    try:
        yield kept
    finally:
        gdal.PopErrorHandler()


def texts(kept, error_class):
    return [text for kind, _, text in kept if kind == error_class]


def create_copy(target, source, *options, driver=DRIVER, strict=0, callback=None):
    """CreateCopy that must work without a warning. Gives the dataset back."""
    if isinstance(source, (str, os.PathLike)):
        source = gdal.Open(str(source))
        assert source is not None, gdal.GetLastErrorMsg()
    with messages() as kept:
        dataset = gdal.GetDriverByName(driver).CreateCopy(
            str(target), source, strict=strict, options=list(options), callback=callback
        )
    assert dataset is not None, kept
    assert kept == []
    return dataset


def refused(target, source, *options, strict=0, callback=None):
    """CreateCopy that must fail: with exactly one failure, and nothing left of the target. Gives its text."""
    folder = os.path.dirname(str(target))
    before = listing(folder)
    with messages() as kept:
        dataset = gdal.GetDriverByName(DRIVER).CreateCopy(
            str(target), source, strict=strict, options=list(options), callback=callback
        )
    assert dataset is None
    failures = texts(kept, gdal.CE_Failure)
    assert len(failures) == 1, kept
    assert listing(folder) == before
    return failures[0]


def listing(folder):
    """Names in a folder, of the disk or of /vsimem."""
    return sorted(gdal.ReadDirRecursive(str(folder)) or [])


def streaming(dataset):
    """The STREAMING metadata domain, its figures as numbers."""
    figures = dataset.GetMetadata("STREAMING")
    assert figures, "no STREAMING domain"
    return {key: int(value) if value.isdigit() else value for key, value in figures.items()}


def check_figures(figures, spills_less=False):
    """What the plan promised must have come true, whatever was copied. spills_less: some overview tiles are of one value."""
    assert figures["CAP_BYTES"] == max(figures["REQUESTED_CAP_BYTES"], figures["FLOOR_BYTES"])
    assert figures["PEAK_BYTES"] <= figures["PREDICTED_PEAK_BYTES"] <= figures["CAP_BYTES"]
    spilled = figures["SPILL_BYTES"] - figures["VIEW_SPILL_BYTES"]
    assert spilled == figures["PREDICTED_SPILL_BYTES"] or (spills_less and spilled < figures["PREDICTED_SPILL_BYTES"])
    assert figures["BLOCK_DECODES"] == figures["PREDICTED_DECODES"]
    if figures["SOURCE_KIND"] == "BLOCKS":
        assert figures["BLOCK_DECODES"] - figures["DECODES_BEFORE"] == figures["SOURCE_BLOCKS"]
        assert figures["DECODES_MEASURED"] == "YES"


def pixels(dataset):
    """All pixels of each band, as bytes: NaN and negative zero are compared as what they are."""
    if isinstance(dataset, (str, os.PathLike)):
        dataset = gdal.Open(str(dataset))
    return [dataset.GetRasterBand(i + 1).ReadRaster() for i in range(dataset.RasterCount)]


def checksums(dataset):
    return [zlib.crc32(band) for band in pixels(dataset)]


def info(dataset):
    """gdalinfo's JSON without what names the file, and without the order of its parts: since 3.11 GTiff says of some small
    files that they are COGs."""
    if isinstance(dataset, (str, os.PathLike)):
        dataset = gdal.Open(str(dataset))
    told = json.loads(json.dumps(gdal.Info(dataset, format="json", listMDD=True)))
    for key in ("files", "description"):
        told.pop(key, None)
    told.get("metadata", {}).pop("STREAMING", None)
    told.get("metadata", {}).get("IMAGE_STRUCTURE", {}).pop("LAYOUT", None)
    return told


def same_as_gtiff(tmp_path, source, *options, also=()):
    """Copies with both drivers and the same options, and compares pixels and all that gdalinfo tells.

    also: options that only ours has. The defaults that differ from GTiff's must be among the options.
    Gives the path of our file."""
    if isinstance(source, (str, os.PathLike)):
        source = gdal.Open(str(source))
    ours, theirs = tmp_path / "streamtiff.tif", tmp_path / "gtiff.tif"
    with messages() as expected:
        reference = create_quietly("GTiff", theirs, source, options)
    with messages() as kept:
        dataset = create_quietly(DRIVER, ours, source, [*options, *also])
    assert dataset is not None, kept
    assert reference is not None, expected
    assert sorted((*kind, text.replace(ours.name, theirs.name)) for *kind, text in kept) == sorted(map(tuple, expected))
    check_figures(streaming(dataset))
    dataset = reference = None
    assert pixels(ours) == pixels(theirs)
    assert info(ours) == info(theirs)
    assert sorted(path.name.replace("streamtiff", "gtiff") for path in tmp_path.glob("streamtiff*")) == sorted(
        path.name for path in tmp_path.glob("gtiff*")
    )
    return ours


def create_quietly(driver, target, source, options):
    return gdal.GetDriverByName(driver).CreateCopy(str(target), source, strict=0, options=list(options))


def measured_copy(job, time_limit_s=240):
    """Runs measured_copy.py in a fresh process. Gives its figures. What is measured is decoding and encoding, unless the job's
    options say something of PASSTHROUGH."""
    if job.get("driver", DRIVER) == DRIVER and not any(text.startswith("PASSTHROUGH=") for text in job["options"]):
        job = {**job, "options": [*job["options"], "PASSTHROUGH=NO"]}
    process = subprocess.run(
        [sys.executable, str(MEASURED_COPY), json.dumps(job)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        timeout=time_limit_s,
    )
    assert process.returncode == 0, process.stderr
    return json.loads(process.stdout.splitlines()[-1])


@contextlib.contextmanager
def small_disk(folder, size_bytes):
    """Mounts a tmpfs of that size on a folder; skips where that is not permitted."""
    libc = ctypes.CDLL(None, use_errno=True)
    if not sys.platform.startswith("linux"):
        pytest.skip("tmpfs is Linux's")
    if libc.mount(b"tmpfs", os.fsencode(folder), b"tmpfs", 0, f"size={size_bytes}".encode()) != 0:
        pytest.skip(f"a tmpfs cannot be mounted here: {os.strerror(ctypes.get_errno())}")
    try:
        yield
    finally:
        libc.umount2(os.fsencode(folder), 2)  # MNT_DETACH: a file left open must not keep it
