"""Results as Markdown tables and as JSON."""

import json

MIB = 1 << 20


def table(headings, rows):
    lines = ["| " + " | ".join(headings) + " |", "|" + "---|" * len(headings)]
    return "\n".join(lines + ["| " + " | ".join(map(str, row)) + " |" for row in rows])


def machine_line(machine):
    return (
        f"{machine['cpu']}, {machine['cores']} cores, {machine['ram_gib']} GiB, {machine['system']}, "
        f"GDAL {machine['gdal']}. MB are 2^20 bytes; peak is peak RSS during the copy over RSS before it; "
        "amplification is bytes read over the bytes of the source that hold the pixels asked for.\n"
    )


def mb(count):
    return f"{int(count) / MIB:.1f}"


def write_matrix(folder, machine, rows, violations):
    headings = ["source", "output", "asked MB", "cap MB", "threads", "sweep", "peak MB", "PEAK", "PREDICTED"]
    headings += ["amplification", "decodes/blocks", "spill MB", "wall s", "CPU s"]
    lines = []
    for row in rows:
        decodes = int(row["BLOCK_DECODES"]) / int(row["SOURCE_BLOCKS"])
        line = [row["source"], row["output"], row["asked_mb"], mb(row["CAP_BYTES"])]
        line += [f"{row['threads']} ({row['THREADS']})", row["SWEEP"]]
        line += [mb(row[key]) for key in ("peak_rss_bytes", "PEAK_BYTES", "PREDICTED_PEAK_BYTES")]
        line += [f"{row['amplification']:.3f}", f"{decodes:.3f}", mb(row["SPILL_BYTES"])]
        lines.append([*line, f"{row['wall_s']:.1f}", f"{row['cpu_s']:.1f}"])
    text = [machine_line(machine), table(headings, lines), f"\n{len(violations)} violations"]
    text += [f"- {violation}" for violation in violations]
    (folder / "matrix.md").write_text("\n".join(text) + "\n")
    document = {"machine": machine, "rows": rows, "violations": violations}
    (folder / "matrix.json").write_text(json.dumps(document, indent=1))


def write_neighbours(folder, machine, rows, speed, violations):
    headings = ["raster", "way", "asked MB", "cap MB", "peak MB", "amplification", "decodes/blocks", "wall s"]
    headings += ["gdaldem: peak MB", "amplification", "wall s", "wall ratio"]
    lines = []
    for row in rows:
        theirs, decodes = row["gdaldem"], int(row["BLOCK_DECODES"]) / int(row["SOURCE_BLOCKS"])
        line = [row["case"], row["way"], row["asked_mb"], mb(row["CAP_BYTES"]), mb(row["peak_rss_bytes"])]
        line += [f"{row['amplification']:.3f}", f"{decodes:.3f}", f"{row['wall_s']:.1f}"]
        line += [mb(theirs["peak_rss_bytes"]), f"{theirs['amplification']:.3f}", f"{theirs['wall_s']:.1f}"]
        lines.append([*line, f"{row['ratio']:.2f}"])
    note = f"DERIVE=slope beside gdaldem slope to the same kind of file, 2 threads: {speed['ratio']:.2f} of its time.\n"
    text = [machine_line(machine), table(headings, lines), "", note, f"{len(violations)} violations"]
    text += [f"- {violation}" for violation in violations]
    (folder / "neighbours.md").write_text("\n".join(text) + "\n")
    document = {"machine": machine, "rows": rows, "speed": speed, "violations": violations}
    (folder / "neighbours.json").write_text(json.dumps(document, indent=1))


def write_vrts(folder, machine, rows, violations):
    headings = ["VRT", "asked MB", "cap MB", "sweep", "peak MB", "PEAK", "PREDICTED", "amplification", "of the files"]
    headings += ["decodes/blocks", "repeated", "wall s"]
    lines = []
    for row in rows:
        decodes = int(row["BLOCK_DECODES"]) / int(row["SOURCE_BLOCKS"])
        line = [row["vrt"], row["asked_mb"], mb(row["CAP_BYTES"]), row["SWEEP"]]
        line += [mb(row[key]) for key in ("peak_rss_bytes", "PEAK_BYTES", "PREDICTED_PEAK_BYTES")]
        line += [f"{row['amplification']:.3f}", f"{row['by_files']:.3f}", f"{decodes:.3f}", row["REPEATED_BLOCKS"]]
        lines.append([*line, f"{row['wall_s']:.1f}"])
    text = [machine_line(machine), table(headings, lines), f"\n{len(violations)} violations"]
    text += [f"- {violation}" for violation in violations]
    (folder / "vrts.md").write_text("\n".join(text) + "\n")
    (folder / "vrts.json").write_text(json.dumps({"machine": machine, "rows": rows, "violations": violations}, indent=1))


def write_speed(folder, machine, rows):
    headings = ["copy", "asked MB", "side", "cap MB", "wall s", "CPU s", "peak MB", "MB read", "amplification"]
    headings += ["wall ratio", "CPU ratio", "goal"]
    lines = []
    for row in rows:
        for side in ("StreamTIFF", "GTiff"):
            median = row[side]
            ours = side == "StreamTIFF"
            goal = f"{row['goal']} {'met' if row['met'] else 'missed'}"
            line = [row["source"], row["asked_mb"], side] if ours else ["", "", side]
            line += [mb(median["cap_bytes"]), f"{median['wall_s']:.1f}", f"{median['cpu_s']:.1f}"]
            line += [mb(median["peak_rss_bytes"]), mb(median["read_bytes"]), f"{median['amplification']:.2f}"]
            lines.append(line + ([f"**{row['ratio']:.2f}**", f"{row['cpu_ratio']:.2f}", goal] if ours else ["", "", ""]))
    pairs = rows[0]["pairs"] if rows else 0
    note = f"NUM_THREADS=2, both sides in turn, {pairs} pair(s): medians. GTiff's cap is GDAL_CACHEMAX.\n"
    text = "\n".join([machine_line(machine), note, table(headings, lines)]) + "\n"
    print("\n" + text)
    (folder / "speed.md").write_text(text)
    (folder / "speed.json").write_text(json.dumps({"machine": machine, "rows": rows}, indent=1))


def write_cog(folder, machine, rows, vips, violations):
    headings = ["copy", "asked MB", "side", "cap MB", "wall s", "peak MB", "amplification", "wall ratio", "goal"]
    lines = []
    for row in rows:
        for side in ("StreamTIFF", "COG"):
            ours = side == "StreamTIFF"
            cap = mb(row["streaming"]["CAP_BYTES"]) if ours else row["cachemax_mb"] or "default"
            stopped = " (stopped)" if not ours and row["timed_out"] else ""
            line = [row["source"], row["asked_mb"], side] if ours else ["", "", side]
            line += [cap, f"{row[side]['wall_s']:.1f}{stopped}", mb(row[side]["peak_rss_bytes"])]
            line += [f"{row[side]['amplification']:.2f}"]
            lines.append(line + ([f"**{row['ratio']:.2f}**", row["goal"] or ""] if ours else ["", ""]))
    note = "LAYOUT=COG and GDAL's COG driver, NUM_THREADS=2, both sides in turn: medians. Its cap is GDAL_CACHEMAX.\n"
    text = [machine_line(machine), note, table(headings, lines), ""]
    if vips:
        text.append(f"Beside vips: {vips['wall_ratio']:.2f} of its time, {vips['peak_ratio']:.2f} of its memory.\n")
    text += [f"{len(violations)} violations", *(f"- {violation}" for violation in violations)]
    (folder / "cog.md").write_text("\n".join(text) + "\n")
    document = {"machine": machine, "rows": rows, "vips": vips, "violations": violations}
    (folder / "cog.json").write_text(json.dumps(document, indent=1))


def write_writer(folder, machine, rows, violations):
    headings = ["raster", "cap MB", "order", "side", "wall s", "peak MB", "spill MB", "MB written", "file MB", "wall ratio"]
    lines = []
    for row in rows:
        for side in ("StreamTIFFWriter", "GTiff"):
            ours, median = side == "StreamTIFFWriter", row[side]
            line = [row["raster"], row["cap_mb"], row["pattern"], side] if ours else ["", "", "", side]
            stopped = " (stopped)" if row["timed_out"] and not ours else ""
            line += [f"{median['wall_s']:.1f}{stopped}", mb(median["peak_rss_bytes"])]
            line += [mb(row["streaming"]["SPILL_BYTES"]) if ours else "", mb(median["written_bytes"])]
            lines.append([*line, mb(median["file_bytes"]), f"**{row['ratio']:.2f}**" if ours else ""])
    note = "Windows pushed through Create(), NUM_THREADS=2, GDAL_CACHEMAX as the cap, both sides in turn: medians.\n"
    text = [machine_line(machine), note, table(headings, lines), f"\n{len(violations)} violations"]
    text += [f"- {violation}" for violation in violations]
    (folder / "writer.md").write_text("\n".join(text) + "\n")
    document = {"machine": machine, "rows": rows, "violations": violations}
    (folder / "writer.json").write_text(json.dumps(document, indent=1))


def write_profile(folder, machine, tool, rows):
    kinds = list(rows[0]["shares"])
    headings = ["copy", "start s", "copy s", *kinds, "**not work**"]
    lines = []
    for row in rows:
        shares = [f"{row['shares'][kind]:.1%}" for kind in kinds]
        lines.append([row["case"], f"{row['start_s']:.2f}", f"{row['copy_s']:.2f}", *shares, f"**{row['rest']:.1%}**"])
    threads = []
    for row in rows:
        for number, thread in enumerate(row["threads"]):
            times = [f"{thread[key]:.2f}" for key in ("lived_s", "computed_s", "queued_s", "slept_s")]
            threads.append([row["case"] if number == 0 else "", "caller" if number == 0 else f"worker {number}", *times])
    unit = "10^9 instructions" if tool == "valgrind" else "CPU seconds"
    note = f"By {tool}, in {unit}; work is codec, predictor and operator (kernels, resampling); the process's start is apart.\n"
    text = [machine_line(machine), note, table(headings, lines), ""]
    text.append(table(["copy", "thread", "lived s", "computed s", "queued for a core s", "slept s"], threads))
    (folder / "profile.md").write_text("\n".join(text) + "\n")
    (folder / "profile.json").write_text(json.dumps({"machine": machine, "tool": tool, "rows": rows}, indent=1))


def write_scaling(folder, machine, rows):
    cores = [line["cores"] for line in rows[0]["cores"]]
    headings = ["copy", "cap MB", *(f"{count} cores" for count in cores), f"at {cores[-1]}: encoders", "readers", "tiles"]
    headings += ["what bounds it", "measured on 2", "without queueing"]
    lines = []
    for row in rows:
        last = row["cores"][-1]
        line = [row["case"], row["cap_mb"], *(f"{told['speed_up']:.1f}" for told in row["cores"])]
        line += [last["plan"][key] for key in ("encoders", "readers", "slots")] + [last["bound"]]
        measured = zip(*row["measured_s"]) if row["measured_s"] else ()
        lines.append([*line, *(f"{one / two:.2f}" for one, two in measured)] if row["measured_s"] else [*line, "", ""])
    steps = ["read_s", "fill_s", "encode_s", "commit_s"]
    loads = [[row["case"], *(f"{1000 * row['load'][step]:.2f}" for step in steps), f"{row['load']['tail_s']:.2f}"] for row in rows[::2]]
    text = [machine_line(machine), "Speed-up over one core, simulated from the profile's times; measured: on two cores over one.\n"]
    text += [table(headings, lines), "", table(["copy", *(f"{step[:-2]} ms" for step in steps), "tail s"], loads)]
    (folder / "scaling.md").write_text("\n".join(text) + "\n")
    (folder / "scaling.json").write_text(json.dumps({"machine": machine, "rows": rows}, indent=1))
