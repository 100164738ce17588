"""Runs GTiff's CreateCopy and ours on the same source with the same options, and tells every difference."""

import contextlib
import os
import pathlib
import shutil

import numpy
import streamtiff
import tiff_tags
from osgeo import gdal

VERSION = int(gdal.VersionInfo()) // 100  # 30602, 31303
DRIVERS = ("GTiff", streamtiff.DRIVER)

# All that differs by default, so that each side is told.
LAYOUT = ("COMPRESS=NONE", "PREDICTOR=1", "TILED=YES", "BLOCKXSIZE=32", "BLOCKYSIZE=16", "BIGTIFF=NO")


def with_layout(options):
    """The options, and those of LAYOUT that they do not name (strips have no BLOCKXSIZE)."""
    named = {option.split("=")[0] for option in options}
    strips = "TILED=NO" in options
    rest = [o for o in LAYOUT if o.split("=")[0] not in named and not (strips and o.startswith("BLOCKXSIZE"))]
    return [*rest, *options]


# --- what can be seen of a file --------------------------------------------------------------------


def _metadata(thing, clean):
    told = {}
    for domain in thing.GetMetadataDomainList() or []:
        if domain == "STREAMING":
            continue
        found = thing.GetMetadata_List(domain) if ":" in domain else thing.GetMetadata(domain)
        told[domain or "default"] = clean(found)
    return told


def _layout(told):
    """What GTiff says of the order of the file's parts, apart from the other items of its domain."""
    structure = told.get("metadata IMAGE_STRUCTURE")
    if structure and "LAYOUT" in structure:
        told["layout"] = structure.pop("LAYOUT")
    return told


def _nodata(band):
    if band.DataType == gdal.GDT_Int64:
        return getattr(band, "GetNoDataValueAsInt64", band.GetNoDataValue)()
    if band.DataType == gdal.GDT_UInt64:
        return getattr(band, "GetNoDataValueAsUInt64", band.GetNoDataValue)()
    return band.GetNoDataValue()


def _rat(band):
    table = band.GetDefaultRAT()
    if table is None:
        return None
    columns = [(table.GetNameOfCol(c), table.GetUsageOfCol(c), table.GetTypeOfCol(c)) for c in range(table.GetColumnCount())]
    cells = [[table.GetValueAsString(r, c) for c in range(len(columns))] for r in range(table.GetRowCount())]
    binning = table.GetLinearBinning()  # its numbers mean something only where the first says so
    return columns, cells, binning if binning[0] else None, table.GetTableType()


def _colors(band):
    table = band.GetColorTable()
    return None if table is None else [table.GetColorEntry(i) for i in range(table.GetCount())]


def _sampled(band):
    return {"size": (band.XSize, band.YSize), "block size": tuple(band.GetBlockSize()), "pixels": band.ReadRaster()}


def _mask(band):
    mask = band.GetMaskBand()
    told = {"mask flags": band.GetMaskFlags()}
    if not band.GetMaskFlags() & (gdal.GMF_ALL_VALID | gdal.GMF_NODATA | gdal.GMF_ALPHA):
        told.update({f"mask {key}": value for key, value in _sampled(mask).items()})
        told["mask overviews"] = mask.GetOverviewCount()
    else:
        told["mask pixels"] = mask.ReadRaster()
    return told


def _band(band, clean):
    told = {
        "type": gdal.GetDataTypeName(band.DataType),
        **_sampled(band),
        **_mask(band),
        "nodata": repr(_nodata(band)),
        "scale": band.GetScale(),
        "offset": band.GetOffset(),
        "unit": band.GetUnitType(),
        "description": band.GetDescription(),
        "categories": band.GetCategoryNames(),
        "color interpretation": gdal.GetColorInterpretationName(band.GetColorInterpretation()),
        "color table": _colors(band),
        "histogram": band.GetDefaultHistogram(force=0),
        "statistics": band.GetStatistics(0, 0),
        "RAT": _rat(band),
        "overviews": [_sampled(band.GetOverview(i)) for i in range(band.GetOverviewCount())],
    }
    told.update({f"metadata {domain}": found for domain, found in _metadata(band, clean).items()})
    return told


def _srs(reference):
    if reference is None:
        return None
    axes = getattr(reference, "GetDataAxisToSRSAxisMapping", lambda: None)()
    epoch = getattr(reference, "GetCoordinateEpoch", lambda: 0)()
    return reference.ExportToWkt(["FORMAT=WKT2_2019"]), axes, epoch


def _gcps(dataset):
    return [(g.Id, g.Info, g.GCPPixel, g.GCPLine, g.GCPX, g.GCPY, g.GCPZ) for g in dataset.GetGCPs()]


def _dataset(dataset, clean):
    told = {
        "size": (dataset.RasterXSize, dataset.RasterYSize, dataset.RasterCount),
        "geotransform": dataset.GetGeoTransform(can_return_null=True),
        "SRS": _srs(dataset.GetSpatialRef()),
        "GCPs": _gcps(dataset),
        "SRS of the GCPs": _srs(dataset.GetGCPSpatialRef()),
        "file list": sorted(clean(os.path.basename(name)) for name in dataset.GetFileList() or []),
    }
    told.update({f"metadata {domain}": found for domain, found in _metadata(dataset, clean).items()})
    _layout(told)
    for number in range(1, dataset.RasterCount + 1):
        band = _band(dataset.GetRasterBand(number), clean)
        told.update({f"band {number}: {key}": value for key, value in band.items()})
    return told


def _cleaner(folder):
    """Takes the folder of an output out of whatever a driver says."""

    def clean(value):
        if isinstance(value, str):
            return value.replace(str(folder), "FOLDER")
        if isinstance(value, dict):
            return {key: clean(item) for key, item in value.items()}
        if isinstance(value, (list, tuple)):
            return [clean(item) for item in value]
        return value

    return clean


def _side_files(folder, clean):
    """What lies beside the raster, as text; a raster (a mask, overviews) by what its tags say."""
    told = {}
    for path in sorted(folder.iterdir()):
        data = path.read_bytes()
        if path.name == "out.tif":
            continue
        if data[:2] in (b"II", b"MM"):
            told[path.name] = tiff_tags.shape(data)
        else:
            told[path.name] = clean(data.decode("utf-8", "replace"))
    return told


def inspect(folder):
    """All that can be seen of folder/out.tif and of what lies beside it: {what: value}."""
    clean = _cleaner(folder)
    path = folder / "out.tif"
    told = {f"file {name}": text for name, text in _side_files(folder, clean).items()}
    if not path.exists():
        return {**told, "no file": True}
    told.update({f"tag {where}:{tag}": value for (where, tag), value in tiff_tags.shape(path.read_bytes()).items()})
    with streamtiff.messages() as kept:
        dataset = gdal.OpenEx(str(path), gdal.OF_RASTER, allowed_drivers=["GTiff"])
        if dataset is None:
            return {**told, "cannot be opened": kept}
        told.update(_dataset(dataset, clean))
    dataset = None
    told["messages when it is read"] = sorted(clean(text) for _, _, text in kept)
    return told


# --- copying ---------------------------------------------------------------------------------------


class Copy:
    """One CreateCopy: refused, or what it left; and what it said."""

    def __init__(self, driver, folder, source, options, strict=0):
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        clean = _cleaner(folder)
        with streamtiff.messages() as kept:
            dataset = gdal.GetDriverByName(driver).CreateCopy(
                str(folder / "out.tif"), source, strict=strict, options=list(options)
            )
            self.refused = dataset is None
            self.figures = None if self.refused else dataset.GetMetadata("STREAMING")
            dataset = None
        self.failures = [clean(text) for kind, _, text in kept if kind >= gdal.CE_Failure]
        self.warnings = [clean(text) for kind, _, text in kept if kind == gdal.CE_Warning]
        self.seen = {"refused": True} if self.refused else inspect(folder)
        self.seen["warnings"] = self.warnings
        self.seen["failures"] = self.failures


def same(a, b):
    """Equality for which NaN is NaN."""
    return a == b or repr(a) == repr(b)


def differences(folder, source, options=(), strict=0, ours_only=()):
    """{what: (GTiff's, ours)} of all that differs between the two copies of source (a dataset)."""
    folder = pathlib.Path(folder)
    options = with_layout(options)
    theirs = Copy("GTiff", folder / "GTiff", source, options, strict)
    ours = Copy(streamtiff.DRIVER, folder / "StreamTIFF", source, [*options, *ours_only], strict)
    if ours.figures:
        streamtiff.check_figures({k: int(v) if v.isdigit() else v for k, v in ours.figures.items()})
    unread = theirs.seen.get("messages when it is read")
    if ours.refused and unread:
        return {"unreadable file": (unread, ours.failures)}
    if ours.refused != theirs.refused and not (ours.refused and theirs.failures):
        return {"refused": (theirs.failures or theirs.refused, ours.failures or ours.refused)}
    if ours.refused:
        assert len(ours.failures) == 1, ours.failures
        assert sorted(path.name for path in (folder / "StreamTIFF").iterdir()) == []
        if not theirs.refused:
            return {"half-written file": (theirs.failures, ours.failures)}
        return {} if theirs.failures == ours.failures else {"text of the refusal": (theirs.failures, ours.failures)}
    found = {}
    for key in {**theirs.seen, **ours.seen}:
        a, b = theirs.seen.get(key), ours.seen.get(key)
        if not same(a, b):
            found[key] = (a, b)
    return found


@contextlib.contextmanager
def config(**options):
    for key, value in options.items():
        gdal.SetConfigOption(key, value)
    try:
        yield
    finally:
        for key in options:
            gdal.SetConfigOption(key, None)


def brief(found):
    """Differences in a form that a person can read."""
    lines = []
    for key, (theirs, ours) in sorted(found.items()):
        lines.append(f"{key}: GTiff {_short(theirs)} / ours {_short(ours)}")
    return "\n".join(lines)


def _short(value):
    text = repr(value)
    if isinstance(value, (bytes, bytearray)):
        array = numpy.frombuffer(value, "u1")
        text = f"{len(value)} bytes, sum {int(array.sum())}, {text}"
    return text if len(text) < 200 else text[:200] + "..."
