"""One picture: time and peak memory against the cap, for GTiff, COG and StreamTIFF at the same work."""

import runner

MIB = 1 << 20
CAPS_MB = (16, 32, 64, 128, 256)
TIME_LIMIT_S = 90
WORK = {"tiled512_deflate": "gdal_translate", "slope_tiled512": "gdaldem slope"}
COLOURS = {"StreamTIFF": "#0b7a75", "GTiff": "#d1495b", "COG": "#edae49"}


def side(driver, cap_mb):
    """(options, GDAL_CACHEMAX in MB): tiles of 512 pixels, DEFLATE with predictor 3, two threads, no overviews."""
    common = ["COMPRESS=DEFLATE", "NUM_THREADS=2"]
    if driver == "COG":
        return [*common, "PREDICTOR=YES", "BLOCKSIZE=512", "OVERVIEWS=NONE"], cap_mb
    tiles = [*common, "PREDICTOR=3", "TILED=YES", "BLOCKXSIZE=512", "BLOCKYSIZE=512"]
    return (tiles, cap_mb) if driver == "GTiff" else ([*tiles, f"MEMORY_CAP={cap_mb}MB"], None)


def measure(all_sources, folder, plugin, quick):
    target = folder / "out.tif"
    points = []
    for name in WORK:
        for cap_mb in CAPS_MB:
            for driver in COLOURS:
                options, cachemax_mb = side(driver, cap_mb)
                limit = TIME_LIMIT_S / 10 if quick else TIME_LIMIT_S
                try:
                    figures = runner.run_copy(all_sources[name], driver, options, target, cachemax_mb, limit, plugin)
                finally:
                    runner.remove_target(target)
                point = {"work": name, "driver": driver, "asked_mb": cap_mb, "limit_s": limit, **figures}
                points.append(point)
                stopped = " (stopped)" if figures.get("timed_out") else ""
                cost = f"{figures['wall_s']:.1f} s{stopped}, {figures['peak_rss_bytes'] / MIB:.0f} MB"
                print(f"{name:<18} {driver:<10} {cap_mb:>3} MB: {cost}", flush=True)
    return points


def draw_times(axis, points):
    for driver, colour in COLOURS.items():
        mine = [point for point in points if point["driver"] == driver]
        width = 2.5 if driver == "StreamTIFF" else 1.5
        axis.plot([p["asked_mb"] for p in mine], [p["wall_s"] for p in mine], marker="o", color=colour, linewidth=width)
        stopped = [(p["asked_mb"], p["wall_s"]) for p in mine if p.get("timed_out")]
        # Only a lower bound: an open arrowhead that points on.
        if stopped:
            axis.plot(*zip(*stopped), "^", ms=11, mfc="white", mec=colour, mew=1.5, clip_on=False)
    if any(point.get("timed_out") for point in points):
        limit_s = points[0]["limit_s"]
        axis.axhline(limit_s, color="grey", linewidth=0.8)
        at = {"xycoords": ("axes fraction", "data"), "xytext": (-4, -12), "textcoords": "offset points", "ha": "right"}
        axis.annotate(f"stopped at {limit_s:.0f} s, unfinished", (1, limit_s), fontsize=9, **at)


def draw_peaks(axis, points):
    axis.plot(CAPS_MB, CAPS_MB, color="grey", linestyle="--", linewidth=1, label="the cap asked for")
    for driver, colour in COLOURS.items():
        mine = [point for point in points if point["driver"] == driver]
        caps = [point["asked_mb"] for point in mine]
        width = 2.5 if driver == "StreamTIFF" else 1.5
        peaks = [point["peak_rss_bytes"] / MIB for point in mine]
        axis.plot(caps, peaks, marker="o", color=colour, linewidth=width, label=driver)
        if driver == "StreamTIFF":
            effective = [int(p["streaming"]["CAP_BYTES"]) / MIB for p in mine]
            style = {"color": colour, "linestyle": ":", "linewidth": 1.5}
            axis.plot(caps, effective, **style, label="StreamTIFF's cap: raised where too small")


def draw(points, machine, path):
    import matplotlib
    import PIL.Image

    matplotlib.use("Agg")
    from matplotlib import pyplot, ticker

    figure, axes = pyplot.subplots(2, len(WORK), figsize=(12, 7), dpi=100, sharex=True, sharey="row")
    for column, (name, title) in enumerate(WORK.items()):
        draw_times(axes[0][column], [point for point in points if point["work"] == name])
        draw_peaks(axes[1][column], [point for point in points if point["work"] == name])
        axes[0][column].set_title(title)
        axes[1][column].set_xlabel("cap: MEMORY_CAP, or GDAL_CACHEMAX [MB]")
    for axis in axes.flat:
        axis.set_xscale("log", base=2)
        axis.set_yscale("log")
        axis.set_xticks(CAPS_MB, [str(cap) for cap in CAPS_MB])
        axis.yaxis.set_major_locator(ticker.LogLocator(subs=(1, 2, 5)))
        axis.yaxis.set_major_formatter(ticker.FormatStrFormatter("%g"))
        axis.yaxis.set_minor_locator(ticker.NullLocator())
        axis.grid(True, which="major", color="#dddddd")
    axes[0][0].set_ylabel("wall time [s]")
    axes[1][0].set_ylabel("peak memory over baseline [MB]")
    axes[1][0].legend(frameon=False, fontsize=9)
    work = "Float32 terrain in 512 x 512 DEFLATE tiles, to the same"
    figure.suptitle(f"{work}; 2 threads, GDAL {machine['gdal']}, {machine['cores']} cores", fontsize=10)
    figure.tight_layout()
    figure.savefig(path)
    with PIL.Image.open(path) as image:  # few colours: a third of the size
        image.convert("RGB").quantize(48, dither=PIL.Image.Dither.NONE).save(path, optimize=True)
