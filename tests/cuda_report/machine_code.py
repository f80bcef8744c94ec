"""What a pair of query and datum costs the CUDA kernels of a KDE, in machine code: after cuda_report, whose JSON and
assembled kernels this reads.

usage: machine_code.py REPORT.json CUBINS NVDISASM [--peers PEERS.json] [--readme README.md [--write]]

Prints tables, of the kernels that log-density and score take at each d, of the library's others and of the peers'
(peer_kernels.py), and which goals are missed; adds the counts of all kernels to the JSON. With --readme compares the
tables with those that stand in that file between the markers, and with --write puts them there.
"""

import argparse
import json
import pathlib
import re
import subprocess
import sys

import kde_loops
import sass

ARCHITECTURES = ("sm_80", "sm_90")
# Instructions of the inner loop a pair that the kernels aim at, by d.
GOALS = {2: 6.2, 3: 6.2, 16: 8.8, 32: 10.5, 64: 18.0}
MOST_EXPONENTIALS = 1.05
MOST_BYTES = 1.1  # of the least
SHOWN = ("float", "integer", "matrix", "exponential", "shared", "move", "control", "nothing")
# Of the other kernels that do pairs those in the second table, and the classes it shows.
OTHERS = (
    *(f"kde_small_kernel<{types}>" for types in (
        "float, float, 2, plain", "float, float, 4, plain", "float, float, 2, general", "float, double, 2, general",
        "double, double, 2, general")),
    *(f"kde_tiled_kernel<{types}>" for types in (
        "float, float, moments, plain", "float, double, moments, general", "double, double, moments, general")),
    "kde_streamed_tensor_kernel", "kde_general_streamed_tensor_kernel",
    *(f"kde_screen_kernel<{sweep}, plain, {is_long}>" for is_long in ("false", "true") for sweep in ("false", "true")),
    *(f"kde_boxes_{what}_kernel<{types}, {d}>" for what in ("choice", "sum")
      for types in ("float, float", "double, double") for d in (2, 6)),
)
SHOWN_OF_OTHERS = ("float", "double", "integer", "matrix", "exponential", "shared", "global", "move", "convert",
                   "control", "nothing")
STREAMED, STREAMED_TILE = "kde_streamed_tensor_kernel", 128
PROMISED_CONFLICTS = 0.0001  # a pair: none but of what is done once a chunk


def disassemble(nvdisasm, cubin):
    run = subprocess.run([nvdisasm, "-c", cubin], capture_output=True, text=True)
    if run.returncode != 0:
        raise RuntimeError(f"{nvdisasm} -c {cubin} failed: {run.stderr.strip()}")
    return sass.read_kernels(run.stdout)


def describe(turn, pairs):
    return {
        "pairs_a_turn": pairs,
        "instructions_per_pair": turn.instructions / pairs,
        "by_class": {name: count / pairs for name, count in turn.counts.items()},
        "is_all": turn.alone,  # else other loops share the work
    }


def count_own(cubins, nvdisasm, resources):
    """Of kernels that have a loop with exponentials {(kernel, architecture): counts}, a thread making one for a pair;
    and of those whose loops kde_loops.py knows {(kernel, architecture): {(part, unit): counts}}."""
    names = {(row["symbol"], row["architecture"]): row["kernel"] for row in resources}
    counts, parts = {}, {}
    for cubin in sorted(cubins.glob("*.cubin")):
        architecture = cubin.name.split(".")[-2]
        for symbol, blocks in disassemble(nvdisasm, cubin).items():
            name = names.get((symbol, architecture))
            if not name:
                continue
            flow = sass.Flow(blocks)
            found = sass.hottest(flow)
            if found:
                counts[name, architecture] = describe(found[1], found[1].exponentials)
            try:
                for part, unit, by_class in kde_loops.loops_of(name, flow):
                    row = {"instructions": sum(by_class.values()), "by_class": by_class}
                    parts.setdefault((name, architecture), {})[part, unit] = row
            except kde_loops.Unknown as what:
                print(f"{name} on {architecture} is NOT counted: {what}")
    return counts, parts


def count_peers(peers, nvdisasm):
    for peer in peers["kernels"]:
        blocks = disassemble(nvdisasm, peer["cubin"])[peer["symbol"]]
        _, turn = sass.hottest(sass.Flow(blocks))
        # Where both arms of a branch are executed under predicates, exponentials say nothing: what is read does.
        pairs = turn.shared_bytes / (4 * peer["d"]) if peer["reads_each_datum"] else turn.exponentials
        peer.update(describe(turn, pairs))


def least_bytes(row):
    """Of the kernel's own tiling: a tile of queries reads all data once, a chunk of data all queries, and it leaves
    sums in double. A tensor kernel reads operands: numbers of two halves, with the columns of a norm, and of few
    coordinates those that kde_tensor_small_layout.h lists; of a query its slope and level too, and where it stands.
    Streamed, a tile of data reads all queries, too, and adds to the sums."""
    tiles, chunks = row["grid"]
    n, m, d = row["n"], row["m"], row["d"]
    if row["kernel"] == STREAMED:
        data_tiles = -(-n // STREAMED_TILE)
        # The data twice, for distances and for weighted sums, which are read but for a chunk's first tile and written.
        return (4 * d * (2 * tiles * n + data_tiles * m) + 8 * d * m * (2 * data_tiles - chunks)) / (n * m)
    datum = query = 4 * d
    scalars = 2
    compiled = re.match(r"kde_(small_)?tensor_kernel<(\d+)", row["kernel"])
    if compiled:
        dims = int(compiled.group(2))
        datum = {2: 64, 3: 112}[dims] if compiled.group(1) else 4 * (dims + 8)
        query = (48 if compiled.group(1) else datum) + 12
        scalars = 3
    return (tiles * n * datum + chunks * m * (query + 8 * (d + scalars))) / (n * m)


def table(head, rows):
    lines = ["| " + " | ".join(head) + " |", "|" + "---|" * len(head)]
    return lines + ["| " + " | ".join(row) + " |" for row in rows]


def both(values, form="{:.2f}"):
    shown = [form.format(value) if value is not None else "-" for value in values]
    return shown[0] if shown[0] == shown[1] else " / ".join(shown)


def own_tables(report, counts, parts):
    """Lines, and the goals that are missed."""
    resources = {(row["kernel"], row["architecture"]): row for row in report["resources"]}
    loops, limits, missed = [], [], []
    scores = [row for row in report["work"] if row["operation"] == "score" and row["dtype"] == "f32"]
    for d in sorted({row["d"] for row in scores}):
        row = max((r for r in scores if r["d"] == d), key=lambda r: r["exponentials_per_unit"])
        kernel = row["kernel"]
        found = [counts.get((kernel, architecture)) for architecture in ARCHITECTURES]
        at_d = [parts.get((kernel, architecture), {}).get(("", f"a pair, d = {d}")) for architecture in ARCHITECTURES]
        if all(at_d):
            of_pair = [count["instructions"] for count in at_d]
            shown = [f"{at_d[1]['by_class'][name]:.2f}" for name in SHOWN]
        elif all(found) and found[0]["is_all"]:
            of_pair = [count["instructions_per_pair"] for count in found]
            shown = [f"{found[1]['by_class'][name]:.2f}" for name in SHOWN]
        else:
            of_pair, shown = [None, None], ["-"] * len(SHOWN)
        goal = GOALS.get(d)
        verdict = ""
        if goal:
            # Both as printed.
            reached = None not in of_pair and all(round(value, 2) <= goal for value in of_pair)
            verdict = f"{goal}: " + ("reached" if reached else "MISSED")
            if not reached:
                missed.append(f"d = {d}: {both(of_pair)} instructions a pair, {goal} wanted")
        loops.append([str(d), f"`{kernel}`", both(of_pair), verdict] + shown)

        of_kernel = [resources[kernel, architecture] for architecture in ARCHITECTURES]
        least = least_bytes(row)
        conflicts, exponentials = row["bank_conflicts_per_unit"], row["exponentials_per_unit"]
        limits.append([
            str(d),
            both([r["registers"] for r in of_kernel], "{}"),
            both([(r["static_shared_bytes"] + r["dynamic_shared_bytes"]) / 1024 for r in of_kernel], "{:.1f}"),
            both([r["blocks_per_multiprocessor"] * r["threads"] for r in of_kernel], "{}"),
            both([100 * r["occupancy"] for r in of_kernel], "{:.0f}%"),
            f"{row['instructions_per_unit']:.2f}",
            f"{exponentials:.3f}",
            f"{row['matrix_multiply_adds_per_unit']:.0f}",
            f"{conflicts:.4f}",
            f"{row['global_bytes_per_unit']:.3f}",
            f"{least:.3f}",
        ])
        if exponentials > MOST_EXPONENTIALS:
            missed.append(f"d = {d}: {exponentials:.3f} exponentials a pair, {MOST_EXPONENTIALS} wanted")
        if conflicts > PROMISED_CONFLICTS:
            missed.append(f"d = {d}: {conflicts:.4f} bank conflicts a pair")
        if row["global_bytes_per_unit"] > MOST_BYTES * least:
            missed.append(f"d = {d}: {row['global_bytes_per_unit'] / least:.2f} times the least bytes")
    lines = table(["d", "kernel", "sm_80 / sm_90", "goal", *SHOWN], loops) + [""]
    lines += table(["d", "registers", "shared KiB", "threads a multiprocessor", "occupancy", "PTX instructions",
                    "exponentials", "mma multiply-adds", "bank conflicts", "global bytes", "least"], limits)
    return lines, missed


def other_table(counts, parts):
    rows = []
    for kernel in OTHERS:
        of_kernel = [parts.get((kernel, architecture)) for architecture in ARCHITECTURES]
        if all(of_kernel):
            for part, unit in of_kernel[1]:
                found = [rows_of.get((part, unit)) for rows_of in of_kernel]
                rows.append([f"`{kernel}`" + (f", {part}" if part else ""), unit, found])
        else:
            found = [counts.get((kernel, architecture)) for architecture in ARCHITECTURES]
            found = [count and count["is_all"] and {"instructions": count["instructions_per_pair"], **count}
                     for count in found]
            rows.append([f"`{kernel}`", "a pair", found])
    lines = []
    for name, unit, found in rows:
        of_pair = [count["instructions"] if count else None for count in found]
        shown = [f"{found[1]['by_class'][kind]:.2f}" if found[1] else "-" for kind in SHOWN_OF_OTHERS]
        lines.append([name, unit, both(of_pair), *shown])
    return table(["kernel", "of", "sm_80 / sm_90", *SHOWN_OF_OTHERS], lines)


def peer_table(peers):
    rows = []
    for peer in peers["kernels"]:
        shown = [f"{peer['by_class'][name]:.2f}" for name in SHOWN]
        rows.append([str(peer["d"]), peer["name"], peer["architecture"], f"{peer['instructions_per_pair']:.2f}",
                     str(peer["registers"])] + shown)
    return table(["d", "kernel", "", "instructions a pair", "registers", *SHOWN], rows)


def put(text, marker, lines):
    """The text with the lines between its markers."""
    pattern = re.compile(rf"(<!-- {marker} -->\n).*?(<!-- end of {marker} -->)", re.S)
    if not pattern.search(text):
        raise RuntimeError(f"there are no markers <!-- {marker} -->")
    return pattern.sub(lambda found: found[1] + "\n".join(["", *lines, "", ""]) + found[2], text)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("report", type=pathlib.Path)
    parser.add_argument("cubins", type=pathlib.Path)
    parser.add_argument("nvdisasm")
    parser.add_argument("--peers", type=pathlib.Path)
    parser.add_argument("--readme", type=pathlib.Path)
    parser.add_argument("--write", action="store_true")
    options = parser.parse_args()
    # Ways through a kernel are as long as it has blocks.
    sys.setrecursionlimit(100000)

    report = json.loads(options.report.read_text())
    counts, parts = count_own(options.cubins, options.nvdisasm, report["resources"])
    report["machine_code"] = [
        {"kernel": kernel, "architecture": architecture, **count}
        for (kernel, architecture), count in sorted(counts.items())
    ]
    report["machine_code_loops"] = [
        {"kernel": kernel, "architecture": architecture, "part": part, "of": unit, **count}
        for (kernel, architecture), rows in sorted(parts.items()) for (part, unit), count in rows.items()
    ]
    if not any(row["operation"] == "score" and row["dtype"] == "f32" for row in report["work"]):
        print("no scores were counted (ONLY leaves them out): there are no tables of machine code")
        return
    own, missed = own_tables(report, counts, parts)
    others = other_table(counts, parts)
    tables = {"counts": own, "other counts": others}
    print("\nMachine code of the inner loop, instructions a pair of query and datum (classes: sm_90); then, of the same "
          "kernel, what it takes of a multiprocessor, and what ptxvm counts of a pair.\n")
    print("\n".join(own) + "\n\nThe machine code of other kernels:\n\n" + "\n".join(others) + "\n")
    print("\n".join("MISSED: " + line for line in missed) or "All goals are reached.")
    if options.peers and options.peers.exists():
        peers = json.loads(options.peers.read_text())
        for line in peers["left_out"]:
            print("left out: " + line)
        count_peers(peers, options.nvdisasm)
        report["peers"] = peers
        if not peers["left_out"]:
            tables["peers"] = peer_table(peers)
            print("\nThe same of others' kernels:\n\n" + "\n".join(tables["peers"]))
    options.report.write_text(json.dumps(report, indent=2) + "\n")

    if options.readme:
        old = options.readme.read_text()
        new = old
        for marker, lines in tables.items():
            new = put(new, marker, lines)
        if new == old:
            print(f"\nThe tables in {options.readme} are these.")
        elif options.write:
            options.readme.write_text(new)
            print(f"\nThe tables in {options.readme} were written.")
        else:
            print(f"\nThe tables in {options.readme} are others: UPDATE=1 make cuda-report writes these there.")


if __name__ == "__main__":
    main()
