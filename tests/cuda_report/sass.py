"""Machine code as `nvdisasm -c` prints it: the loop that a kernel spends its time in, and the instructions of a
turn of it by class.

The loop of a kernel is the innermost one with exponentials that reads data in each turn. A loop that
reads none repeats a step, rarely, as one does that lost its range, and counts as one passage in the loop around it.
Of the ways through a turn that pass exponentials the shortest counts: what branches leave out usually, as a raised
softmax reference, is left out. Instructions with a predicate count as executed.

Where loops over coordinates lie inside of that loop, nest_of() has the turns of all of them, each without what those
inside it do. Of the ways through such a turn those count that pass the most blocks of what is `wanted`, as products
and stores, and of them the shortest.
"""

import functools
import re
from dataclasses import dataclass, field

LINE = re.compile(r"^\s+/\*[0-9a-f]+\*/\s+(?:\{\s*)?(@!?U?P\w+)?\s*([A-Z][\w.]*)\s*(.*?)\s*;")
LABEL = re.compile(r"^(\.L_\w+):")
SECTION = re.compile(r"^\.text\.(\S+):")
TARGET = re.compile(r"`\((\.L_\w+)\)")
# Of single precision an instruction of its own; of double precision each begins by adding 1.5 2^52, which rounds.
EXPONENTIAL = re.compile(r"MUFU\.EX2\b|D(ADD|FMA) .*[ ,]6\.7553994")

# The first that matches the opcode with its operands. "nothing": what is never executed, or does nothing; ptxas
# separates mma that way, and copies to shared memory from what is before them.
CLASSES = [
    ("nothing", r"NOP\b|(?=@!UPT).*UIADD3 URZ, URZ"),
    ("move", r"(IMAD\.MOV|MOV|UMOV|PRMT|UPRMT|SHFL|MOVM|CS2R|S2R|S2UR|R2UR|P2R|R2P|SEL|USEL|HFMA2\.MMA \w+, -RZ, RZ)\b"),
    ("matrix", r"(HMMA|IMMA|DMMA|HGMMA)\b"),
    ("exponential", r"MUFU\.EX2\b"),
    ("special", r"MUFU\b"),
    ("shared", r"(LDS|LDSM|STS|STSM|ATOMS)\b"),
    ("global", r"(LDG|LDGSTS|LDGDEPBAR|DEPBAR|STG|LD|ST|RED|ATOMG?|UBLKCP|ARRIVES)\b"),
    ("constant", r"(LDC|ULDC)\b"),
    ("float", r"(F(ADD|MUL|FMA|MNMX|SETP|SEL|SET|CHK|RND)|H(ADD2|MUL2|FMA2|SETP2|SET2|MNMX2)|F2FP)\b"),
    ("double", r"D(ADD|MUL|FMA|MNMX|SETP)\b"),
    ("convert", r"(F2F|F2I|I2F|I2FP|I2I)\b"),
    ("control", r"(BRA|BRX|JMP|CALL|RET|EXIT|BSSY|BSYNC|BREAK|WARPSYNC|BAR|VOTEU?|U?PLOP3|YIELD|SYNCS|NANOSLEEP|ERRBAR|MEMBAR|CCTL|KILL|BMOV)\b"),
]
CLASSES = [(name, re.compile(pattern)) for name, pattern in CLASSES]
NAMES = [name for name, _ in CLASSES] + ["integer"]
READS = re.compile(r"(LDS|LDSM|LDG|LD|LDC|LDGSTS)\b")


@dataclass
class Instruction:
    guard: str
    opcode: str
    operands: str

    @functools.cached_property
    def kind(self):
        """The name of its class."""
        text = f"{self.opcode} {self.operands}"
        if self.guard in ("@!UPT", "@!PT"):
            return "nothing"
        return next((name for name, pattern in CLASSES if pattern.match(text)), "integer")

    @functools.cached_property
    def begins_exponential(self):
        return bool(EXPONENTIAL.match(f"{self.opcode} {self.operands}"))

    @property
    def shared_bytes(self):
        found = re.match(r"LDS(?!M)(?:\.U)?(?:\.(\d+))?", self.opcode)
        return int(found.group(1) or 32) // 8 if found else 0

    @property
    def target(self):
        """The label that this may jump to. ptxas also leaves loops by calls that do not return."""
        if self.opcode.startswith(("BRA", "CALL.REL.NOINC")):
            found = TARGET.search(self.operands)
            return found.group(1) if found else None
        return None

    @property
    def ends(self):
        """Whether control never passes to the next instruction."""
        jumps = self.opcode.startswith(("BRA", "EXIT", "RET", "JMP", "BRX", "KILL")) or (
            self.opcode.startswith("CALL.REL.NOINC") and self.target is not None)
        # BRA.DIV and BRA P0, target are conditional without a guard.
        conditional = self.opcode.startswith("BRA.DIV") or re.match(r"!?U?P\d,", self.operands)
        return jumps and self.guard in ("", "@PT") and not conditional


@dataclass
class Block:
    instructions: list = field(default_factory=list)
    successors: list = field(default_factory=list)

    @property
    def exponentials(self):
        return sum(instruction.begins_exponential for instruction in self.instructions)

    def has(self, pattern):
        return any(pattern.match(instruction.opcode) for instruction in self.instructions)

    @property
    def reads(self):
        return any(READS.match(instruction.opcode) for instruction in self.instructions)


def read_kernels(listing):
    """{mangled name: blocks in order} of what nvdisasm -c printed."""
    kernels, entries = {}, None
    for line in listing.splitlines():
        section, label, instruction = SECTION.match(line), LABEL.match(line), LINE.match(line)
        if section:
            entries = kernels.setdefault(section.group(1), [])
        elif entries is None:
            continue
        elif label:
            entries.append(label.group(1))
        elif instruction:
            guard, opcode, operands = instruction.groups()
            entries.append(Instruction(guard or "", opcode, operands))
    return {name: blocks_of(entries) for name, entries in kernels.items() if entries}


def blocks_of(entries):
    blocks, at, open_block = [Block()], {}, True
    for entry in entries:
        if isinstance(entry, str):
            if blocks[-1].instructions:
                blocks.append(Block())
            at[entry] = len(blocks) - 1
        else:
            if not open_block:
                blocks.append(Block())
            blocks[-1].instructions.append(entry)
        open_block = isinstance(entry, str) or not (entry.target or entry.ends)
    for index, block in enumerate(blocks):
        last = block.instructions[-1] if block.instructions else None
        if last and last.target in at:
            block.successors.append(at[last.target])
        if (not last or not last.ends) and index + 1 < len(blocks):
            block.successors.append(index + 1)
    return blocks


class Flow:
    """The natural loops of a kernel, those of one header as one: {header: set of blocks}; and what dominates what."""

    def __init__(self, blocks):
        self.blocks = blocks
        order, seen = [], set()
        stack = [(0, iter(blocks[0].successors))]
        seen.add(0)
        while stack:
            node, successors = stack[-1]
            following = next((s for s in successors if s not in seen), None)
            if following is None:
                order.append(node)
                stack.pop()
            else:
                seen.add(following)
                stack.append((following, iter(blocks[following].successors)))
        order.reverse()
        predecessors = {node: [] for node in order}
        for node in order:
            for following in blocks[node].successors:
                predecessors[following].append(node)
        # Immediate dominators, by Cooper, Harvey and Kennedy's intersection of paths to the entry.
        self.position = {node: i for i, node in enumerate(order)}
        self.above = {0: 0}

        def common(a, b):
            while a != b:
                while self.position[a] > self.position[b]:
                    a = self.above[a]
                while self.position[b] > self.position[a]:
                    b = self.above[b]
            return a

        changed = True
        while changed:
            changed = False
            for node in order[1:]:
                known = [p for p in predecessors[node] if p in self.above]
                new = functools.reduce(common, known)
                changed |= self.above.get(node) != new
                self.above[node] = new

        self.loops = {}
        for node in order:
            for header in blocks[node].successors:
                if self.dominates(header, node):
                    body, waiting = self.loops.setdefault(header, {header}), [node]
                    while waiting:
                        member = waiting.pop()
                        if member not in body:
                            body.add(member)
                            waiting += predecessors[member]

    def dominates(self, header, node):
        while self.position[node] > self.position[header]:
            node = self.above[node]
        return node == header

    def inside(self, header):
        """The headers of the loops that lie in that one and in no other inside it, in order."""
        body = self.loops[header]
        within = [h for h, b in self.loops.items() if b < body]
        return sorted(h for h in within if not any(self.loops[h] < self.loops[other] for other in within))

    def leads_to(self, inner, header):
        """What a turn of the loop passes on its way to an inner loop alone: what dominates that and not all ends."""
        ends = [n for n in self.loops[header] if header in self.blocks[n].successors]
        return {n for n in self.loops[header]
                if self.dominates(n, inner) and not all(self.dominates(n, end) for end in ends)}


@dataclass
class Turn:
    """A turn of a loop: the blocks that it passes, and what they hold."""

    path: list
    code: list  # instructions; of blocks of the path that are counted
    alone: bool = True  # whether no other loop, whose turns are not known, shares a pair's work

    @functools.cached_property
    def counts(self):
        return {name: sum(i.kind == name for i in self.code) for name in NAMES}

    @property
    def instructions(self):
        return len(self.code)

    @property
    def exponentials(self):
        return sum(i.begins_exponential for i in self.code)

    @property
    def shared_bytes(self):
        """That a thread reads from shared memory, ldmatrix aside."""
        return sum(i.shared_bytes for i in self.code)

    def count(self, pattern):
        """Of opcodes that match."""
        return sum(bool(pattern.match(i.opcode)) for i in self.code)


def turn_of(flow, header, gain, most=None, inside=frozenset(), avoided=frozenset()):
    """Of the ways through the loop that gain the most, `most` at most, the shortest. Blocks of loops `inside` are passed
    and not counted."""
    blocks, body, known = flow.blocks, flow.loops[header], {}

    def ways_from(node, trail):
        """{gain: (instructions, path)}: the shortest ways to the end of the turn."""
        if node in known:
            return known[node]
        block = blocks[node]
        following = [ways_from(s, trail | {s}).items() for s in block.successors
                     if s in body and s not in trail and s not in avoided]
        end = [{0: (0, [])}.items()] if header in block.successors else []
        length = 0 if node in inside else len(block.instructions)
        ways = {}
        for ahead, (instructions, path) in (way for ways in following + end for way in ways):
            total = gain(node) + ahead
            total = total if most is None else min(total, most)
            if total not in ways or length + instructions < ways[total][0]:
                ways[total] = (length + instructions, [node] + path)
        known[node] = ways
        return ways

    ways = ways_from(header, frozenset([header]))
    path = ways[max(ways)][1]
    return Turn(path, [i for node in path if node not in inside for i in blocks[node].instructions])


def innermost(flow):
    """{header: turn} of the innermost loops with exponentials that read data; the turns pass exponentials."""
    blocks = flow.blocks
    if not any(block.exponentials for block in blocks):
        return {}
    turns = {header: turn_of(flow, header, lambda node: min(blocks[node].exponentials, 1), most=1)
             for header in flow.loops}
    turns = {header: turn for header, turn in turns.items() if any(blocks[node].reads for node in turn.path)}
    found = {}
    for header, turn in turns.items():
        body = flow.loops[header]
        inside = [t for h, t in turns.items() if flow.loops[h] < body]
        if turn.exponentials and not any(t.exponentials for t in inside):
            around = [flow.loops[h] for h in turns if body < flow.loops[h]]
            # One with exponentials is another way for other pairs, as for those with data left out.
            beside = [t for h, t in turns.items() if not flow.loops[h] & body
                      and any(flow.loops[h] < outer for outer in around) and not t.exponentials]
            turn.alone = not any(t.counts["float"] + t.counts["double"] + t.counts["matrix"] for t in inside + beside)
            found[header] = turn
    return found


def hottest(flow):
    """(header, turn) of the innermost loop with exponentials that reads data; None where there is no such loop."""
    return max(innermost(flow).items(), default=None,
               key=lambda found: (found[1].exponentials, found[1].counts["matrix"], -found[1].instructions))


@dataclass
class Loop:
    header: int
    turn: Turn  # without what the loops inside do
    inside: list  # of those that the turn passes

    def shape(self):
        return [loop.shape() for loop in self.inside]


def nest_of(flow, header, wanted, avoided=frozenset()):
    """The loop with those inside it, by turns that pass the most blocks with opcodes that match `wanted`."""
    headers = flow.inside(header)
    inside = frozenset().union(*(flow.loops[h] for h in headers))
    heads = {h: any(flow.blocks[node].has(wanted) for node in flow.loops[h]) for h in headers}

    def gain(node):
        return int(heads.get(node, False)) if node in inside else int(flow.blocks[node].has(wanted))

    turn = turn_of(flow, header, gain, inside=inside, avoided=avoided)
    return Loop(header, turn, [nest_of(flow, h, wanted) for h in headers if h in turn.path])
