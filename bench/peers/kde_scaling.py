"""Time and peak memory of a KDE against the number of data, scorefield's and its peers'.

usage: kde_scaling.py LIBSCOREFIELD SCALING.json [--largest 10000000] [--torch-python PYTHON]

One thread, log-density and score (sklearn and scipy: log-density alone) of normal data; the time is that of one
query in a batch of at most 256, the memory what the peer's process (kde_worker.py) took beyond its start, data
and preparation included. A peer that would need more than 5 s for a query, or for its preparation, stops there.
Writes rows to SCALING.json and a plot beside it.
"""

import argparse
import json
import os
import sys
import tempfile

import numpy as np

from kde_peers import Worker, queries_that_take

SIZES = {2: (1000, 10_000, 100_000, 1_000_000, 10_000_000), 64: (1000, 10_000, 100_000, 1_000_000)}
BANDWIDTH = {2: 0.1, 64: 1.0}
QUERIES = 256
PEERS = ("scorefield", "scorefield-adaptive", "keops", "numpy", "sklearn", "sklearn-1e-6", "scipy")
LIMIT = 5.0


def measure(who, python, library, folder, d, n):
    worker = Worker(who, python, library, folder, 1)
    try:
        worker.ask(do="prepare", bandwidth=BANDWIDTH[d])  # reads the peer's own modules, once
        prepared = worker.ask(do="prepare", bandwidth=BANDWIDTH[d])
        m = queries_that_take(worker, 0.3, QUERIES)
        seconds = min(worker.ask(do="run", m=m)["seconds"] for _ in range(3))
        memory = worker.ask(do="memory")
    finally:
        worker.close()
    return {
        "who": who, "d": d, "n": n, "m": m, "outputs": prepared["outputs"], "prepare_seconds": prepared["seconds"],
        "seconds_per_query": seconds / m, "bytes": memory["bytes"] - memory["before"],
    }


def plot(rows, path):
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    figure, axes = plt.subplots(2, 2, figsize=(10, 7))
    for column, d in enumerate(SIZES):
        for who in dict.fromkeys(row["who"] for row in rows):
            chosen = [row for row in rows if row["who"] == who and row["d"] == d]
            for line, name in ((0, "seconds_per_query"), (1, "bytes")):
                axes[line][column].loglog(
                    [row["n"] for row in chosen], [row[name] for row in chosen], marker="o", label=who,
                    linewidth=2.5 if "scorefield" in who else 1,
                )
        axes[0][column].set_title(f"d = {d}, one thread")
        axes[1][column].set_xlabel("number of data")
    axes[0][0].set_ylabel("seconds a query")
    axes[1][0].set_ylabel("peak memory, bytes")
    axes[0][1].legend(fontsize=7)
    figure.tight_layout()
    figure.savefig(path, dpi=120)


def slopes(rows):
    """Of log time against log N over the last decade: 1 or below is what a method without surprises has."""
    for who in dict.fromkeys(row["who"] for row in rows):
        for d in SIZES:
            chosen = [row for row in rows if row["who"] == who and row["d"] == d][-2:]
            if len(chosen) == 2:
                ratio = chosen[1]["seconds_per_query"] / chosen[0]["seconds_per_query"]
                print(f"{who}, d = {d}: slope {np.log10(ratio):.2f} up to N = {chosen[1]['n']:,}")


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("library")
    parser.add_argument("out")
    parser.add_argument("--largest", type=int, default=10_000_000)
    parser.add_argument("--torch-python", default="")
    parser.add_argument("--scratch", default=None)
    options = parser.parse_args()
    python = {who: sys.executable for who in PEERS}
    if options.torch_python:
        python["torch"] = options.torch_python
    rows = []
    print(f"{'d':>4} {'N':>10} {'who':20} {'us/query':>12} {'MiB':>9} {'prepare s':>10}")
    for d, sizes in SIZES.items():
        stopped = set()
        for n in (size for size in sizes if size <= options.largest):
            generator = np.random.default_rng(n)
            with tempfile.TemporaryDirectory(dir=options.scratch) as folder:
                np.save(os.path.join(folder, "data.npy"), generator.standard_normal((n, d), np.float32))
                np.save(os.path.join(folder, "queries.npy"), generator.standard_normal((QUERIES, d), np.float32))
                for who, its_python in python.items():
                    if who in stopped:
                        continue
                    try:
                        row = measure(who, its_python, options.library, folder, d, n)
                    except RuntimeError as failure:
                        print("left out:", str(failure).strip().splitlines()[-1])
                        stopped.add(who)
                        continue
                    if 10 * max(row["seconds_per_query"], row["prepare_seconds"]) > LIMIT:
                        stopped.add(who)
                    rows.append(row)
                    print(
                        f"{d:4} {n:10} {who:20} {row['seconds_per_query'] * 1e6:12.2f} "
                        f"{row['bytes'] / 2**20:9.1f} {row['prepare_seconds']:10.3f}", flush=True,
                    )
            with open(options.out, "w", encoding="utf-8") as file:
                json.dump(rows, file, indent=1)
    slopes(rows)
    plot(rows, os.path.splitext(options.out)[0] + ".png")


if __name__ == "__main__":
    main()
