#!/usr/bin/python3
"""Measures StreamTIFF: memory matrix, neighbourhood operators, VRTs, speed beside GTiff and COG, pushes, a chart beside both, a profile, and a model of more cores.

    run.py [--quick] [--out DIR] [--plugin DIR] [--only matrix,neighbours,vrts,speed,cog,writer,chart,profile,scaling] [--sources NAMES]
           [--threads 2,8,1] [--pairs N]

Sources are made once in DIR (default: `benchmark` beside the plugin's folder; about 7 GB, 1 GB free for the work).
Results go to DIR/results: matrix.md, neighbours.md, vrts.md, speed.md, cog.md, writer.md, chart.png, profile.md, scaling.md, and the same as JSON. The exit code is 1 where
a promise was broken: peak RSS <= effective cap + 8 MiB, PEAK <= PREDICTED <= cap, amplification <= 1.02 (1.1 for a VRT whose windows share blocks; and a page of
4096 bytes for each block that is not read right after its neighbour: C's files are read in pages), pixels as GTiff's,
the same file from 1, 2 and 8 threads. Times are for reading; goals that were missed are named in the table.
Linux only: the figures are those of /proc.
"""

import argparse
import json
import os
import pathlib
import signal
import sys
import tempfile

PARTS = ("matrix", "neighbours", "vrts", "speed", "cog", "writer", "chart", "profile", "scaling")


def arguments():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="small rasters, a part of the matrix, one pair of runs")
    parser.add_argument("--out", type=pathlib.Path, help="work folder")
    plugin = os.environ.get("GDAL_DRIVER_PATH")
    parser.add_argument(
        "--plugin",
        type=pathlib.Path,
        default=plugin and pathlib.Path(plugin),
        help="folder of gdal_StreamTIFF.so (default: $GDAL_DRIVER_PATH, else GDAL's own)",
    )
    parser.add_argument("--only", default=",".join(PARTS), help="parts, with commas: " + ", ".join(PARTS))
    parser.add_argument("--sources", help="these sources only, with commas")
    parser.add_argument("--threads", default="2,8,1", help="thread counts of the matrix (default 2,8,1)")
    parser.add_argument("--pairs", type=int, help="runs of each side in the speed part (default 3, with --quick 1)")
    args = parser.parse_args()
    args.only = args.only.split(",")
    args.threads = [int(count) for count in args.threads.split(",")]
    if unknown := set(args.only) - set(PARTS):
        parser.error(f"unknown part: {', '.join(unknown)}")
    if args.plugin and not (args.plugin / "gdal_StreamTIFF.so").exists():
        parser.error(f"no gdal_StreamTIFF.so in {args.plugin}")
    home = args.plugin.resolve().parent if args.plugin else pathlib.Path(tempfile.gettempdir()) / "streamtiff"
    args.out = (args.out or home / "benchmark").resolve()
    return args


def main():
    args = arguments()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit("ended"))
    # The plugin is for the measured processes; here GDAL only makes sources and compares.
    os.environ["GDAL_DRIVER_PATH"] = "disable"
    from osgeo import gdal

    import chart
    import cog
    import matrix
    import neighbours
    import profile_copy
    import report
    import runner
    import scaling
    import sources
    import speed
    import vrts
    import writer

    gdal.UseExceptions()
    gdal.SetConfigOption("GDAL_NUM_THREADS", "2")  # decodes when files are compared
    results = args.out / "results"
    results.mkdir(parents=True, exist_ok=True)
    needs_all = set(args.only) - {"neighbours", "vrts", "writer"}
    all_sources = sources.make_sources(args.out / "sources", args.quick) if needs_all else {}
    names = args.sources.split(",") if args.sources else list(all_sources)
    if needs_all and (unknown := set(names) - set(all_sources)):
        sys.exit(f"unknown source: {', '.join(unknown)}; there are {', '.join(all_sources)}")
    machine = runner.machine()
    violations = []
    if "matrix" in args.only:
        decoded = [name for name in names if name not in sources.PASSED_ONLY]
        rows, violations = matrix.run(decoded, args.threads, all_sources, results, args.plugin, args.quick)
        report.write_matrix(results, machine, rows, violations)
    if "neighbours" in args.only:
        pairs = args.pairs or (1 if args.quick else 3)
        rows, times, broken = neighbours.run(results, args.out / "sources", args.plugin, args.quick, pairs)
        report.write_neighbours(results, machine, rows, times, broken)
        violations += broken
    if "vrts" in args.only:
        rows, broken = vrts.run(results, args.out / "sources", args.plugin, args.quick, args.sources and names)
        report.write_vrts(results, machine, rows, broken)
        violations += broken
    if "speed" in args.only:
        pairs = args.pairs or (1 if args.quick else 3)
        rows = speed.run(names, all_sources, results, args.plugin, pairs)
        report.write_speed(results, machine, rows)
    if "cog" in args.only:
        pairs = args.pairs or (1 if args.quick else 3)
        rows, vips, broken = cog.run(names, all_sources, results, args.plugin, pairs)
        report.write_cog(results, machine, rows, vips, broken)
        violations += broken
    if "writer" in args.only:
        rows, broken = writer.run(results, args.plugin, args.quick, args.pairs or 1)
        report.write_writer(results, machine, rows, broken)
        violations += broken
    if "chart" in args.only:
        points = chart.measure(all_sources, results, args.plugin, args.quick)
        (results / "chart.json").write_text(json.dumps({"machine": machine, "points": points}, indent=1))
        chart.draw(points, machine, results / "chart.png")
    if {"profile", "scaling"} & set(args.only):
        tool, rows = profile_copy.run(all_sources, results, args.plugin, args.quick)
        if rows:
            report.write_profile(results, machine, tool, rows)
        if "scaling" in args.only and tool == "perf":
            sizes = sources.QUICK if args.quick else sources.FULL
            report.write_scaling(results, machine, scaling.run(rows, all_sources, sizes, results, args.plugin))
        elif "scaling" in args.only:
            print("SKIPPED: scaling: it needs the profile of perf")
    print(f"\nresults in {results}")
    print(f"{len(violations)} violations")
    return 1 if violations else 0


if __name__ == "__main__":
    sys.exit(main())
