"""Instructions a pair of query and datum of the KDE kernels whose turn over a tile of data has loops over coordinates:
of these loops, and of all that a tile takes at a given d.

At d a pair takes the turns of all loops of a tile, each as many times as at that d, over the pairs of the tile; a
turn's way is sass.nest_of()'s, of the most copies to shared memory, products and exponentials, and where sums are added
to global memory, stores. What a kernel does once a chunk is left out. How many turns a loop takes follows from what one
does: of the loops without others inside from their products (copies), of the others from the columns that a stage has.
A thread's pairs are its exponentials; of a screen, which has none, those of the products of its first step.
"""

import re
from collections import Counter

import sass

MMA = re.compile(r"HMMA\.16816\b")  # 16 queries, 8 data, 16 columns: 4 pairs a lane
PAIRS_OF_MMA = 16 * 8 / 32
FMA = re.compile(r"[FD]FMA\b")
COPIES = re.compile(r"HMMA|LDGSTS|MUFU\.EX2")
SUMS = re.compile(r"HMMA|LDGSTS|MUFU\.EX2|STG")


class Unknown(Exception):
    """Loops that are not as this file knows them."""


def expect(loop, shape):
    if loop.shape() != shape:
        raise Unknown(f"loops {loop.shape()} instead of {shape}")


class Cost(Counter):
    """Instructions by class."""

    def take(self, turn, times=1):
        for name, count in turn.counts.items():
            self[name] += count * times
        return self

    def over(self, units):
        return {name: self[name] / units for name in sass.NAMES}


def steps_of(columns):
    return columns // 16


def streamed(flow):
    """kde_tensor_stream_cuda.cu: (part, unit, instructions by class)."""
    dims = (128, 784)
    stage_columns = 32
    header, _ = sass.hottest(flow)
    tile = sass.nest_of(flow, header, SUMS)
    expect(tile, [[[]], [[]]])
    pairs = tile.turn.exponentials
    products = (4, 3)
    for name, loop, of_pair in zip(("distances", "weighted sums"), tile.inside, products):
        turn = loop.inside[0].turn
        yield name, "a pair, 16 coordinates", Cost().take(turn).over(turn.count(MMA) * PAIRS_OF_MMA / of_pair)
    skipped = flow.leads_to(tile.inside[1].header, header)
    for name, nest in (("", tile), ("no weights", sass.nest_of(flow, header, SUMS, skipped))):
        for d in dims:
            columns = -(-(d + 8) // 16) * 16
            cost = Cost().take(nest.turn)
            for loop, of_pair in zip(nest.inside, products):
                turn = loop.inside[0].turn
                cost.take(loop.turn, -(-columns // stage_columns))
                cost.take(turn, of_pair * steps_of(columns) * pairs / PAIRS_OF_MMA / turn.count(MMA))
            yield name, f"a pair, d = {d}", cost.over(pairs)


def tiled(flow):
    """kde_tiled_cuda.cuh, moments."""
    stage_columns = 16
    header, _ = sass.hottest(flow)
    # Of data that are seen.
    tile = sass.nest_of(flow, header, re.compile(f"{SUMS.pattern}|[FD]FMA"))
    expect(tile, [[], [[[]]]])
    pairs = tile.turn.exponentials
    distances, slabs = tile.inside
    halves = slabs.inside[0]
    sums = halves.inside[0]
    # A thread has as many sums as pairs, of 64 data.
    slab_columns = 64 * pairs // 16
    yield "distances", "a pair, 16 coordinates", Cost().take(distances.turn).over(pairs)
    yield "weighted sums", "a pair, 16 coordinates", Cost().take(sums.turn).over(sums.turn.count(FMA) / 16)
    for d in (16, 784):
        slab = -(-d // slab_columns)
        cost = Cost().take(tile.turn).take(distances.turn, -(-d // stage_columns))
        cost.take(slabs.turn, slab).take(halves.turn, 2 * slab)
        cost.take(sums.turn, slab * slab_columns * pairs / sums.turn.count(FMA))
        yield "", f"a pair, d = {d}", cost.over(pairs)


def innermost_products(flow):
    """The header of the loop around the one loop that has products and no loop inside."""
    inner = [h for h, body in flow.loops.items()
             if not flow.inside(h) and any(flow.blocks[node].has(MMA) for node in body)]
    if len(inner) != 1:
        raise Unknown(f"{len(inner)} innermost loops with products")
    around = [h for h, body in flow.loops.items() if flow.loops[inner[0]] < body]
    return min(around, key=lambda h: len(flow.loops[h]))


def screen(flow):
    """kde_survivors_cuda.cu, one stage of columns."""
    header = innermost_products(flow)
    tile = sass.nest_of(flow, header, COPIES)
    expect(tile, [[], []])
    copies, products = tile.inside
    pairs = tile.turn.count(MMA) * PAIRS_OF_MMA
    yield "products", "a pair, 16 coordinates", Cost().take(products.turn).over(products.turn.count(MMA) * PAIRS_OF_MMA)
    for d in (16, 64):
        cost = Cost().take(tile.turn).take(copies.turn, steps_of(d)).take(products.turn, steps_of(d) - 1)
        yield "", f"a pair, d = {d}", cost.over(pairs)


def long_screen(flow):
    """The same, of several stages."""
    d, stage_columns, flush_stages = 784, 64, 2
    header = innermost_products(flow)
    stage = sass.nest_of(flow, header, COPIES)
    expect(stage, [[], [], []])
    *copies, products = stage.inside
    pairs = stage.turn.count(MMA) * PAIRS_OF_MMA
    # Turns that add the products to their sums, and the last one of a tile.
    added, looked = (sass.nest_of(flow, header, re.compile(rf"HMMA|LDGSTS|{opcode}")).turn
                     for opcode in ("FADD", "FMNMX"))
    around = min((h for h, body in flow.loops.items() if flow.loops[header] < body), key=lambda h: len(flow.loops[h]))
    stages = -(-d // stage_columns)
    cost = Cost().take(sass.nest_of(flow, around, COPIES).turn)
    cost.take(stage.turn, stages - -(-stages // flush_stages) - 1).take(added, -(-stages // flush_stages)).take(looked)
    for loop in copies:
        cost.take(loop.turn, stages * stage_columns / 16)
    cost.take(products.turn, steps_of(d) - stages)
    yield "", f"a pair, d = {d}", cost.over(pairs)


def boxes(flow):
    """kde_boxes_choice_kernel: a lane's box of the loop that goes through the tree, which has the way up inside."""
    reads = re.compile(r"LDG\b")
    trees = [sass.nest_of(flow, h, reads).turn for h in flow.loops if flow.inside(h)]
    trees = [turn for turn in trees if turn.count(reads)]
    if len(trees) != 1:
        raise Unknown(f"{len(trees)} loops that go through boxes")
    yield "", "a box", Cost().take(trees[0]).over(1)


KERNELS = [
    (re.compile(r"kde_(general_)?streamed_tensor_kernel$"), streamed),
    (re.compile(r"kde_tiled_kernel<\w+, \w+, moments, "), tiled),
    (re.compile(r"kde_screen_kernel<\w+, \w+, false>"), screen),
    (re.compile(r"kde_screen_kernel<\w+, \w+, true>"), long_screen),
    (re.compile(r"kde_boxes_choice_kernel<"), boxes),
]


def loops_of(kernel, flow):
    """[(part, unit, instructions by class)] of a kernel that is listed here; else nothing."""
    for pattern, parts in KERNELS:
        if pattern.match(kernel):
            return list(parts(flow))
    return []
