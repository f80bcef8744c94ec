"""Machine code as `nvdisasm -c` prints it: the loop that a kernel spends its time in, and the instructions of a
turn of it by class.

The loop of a kernel is the innermost one with exponentials (MUFU.EX2) that reads data in each turn. A loop that
reads none repeats a step, rarely, as one does that lost its range, and counts as one passage in the loop around it.
Of the ways through a turn that pass exponentials the shortest counts: what branches leave out usually, as a raised
softmax reference, is left out. Instructions with a predicate count as executed.
"""

import functools
import re
from dataclasses import dataclass, field

LINE = re.compile(r"^\s+/\*[0-9a-f]+\*/\s+(?:\{\s*)?(@!?U?P\w+)?\s*([A-Z][\w.]*)\s*(.*?)\s*;")
LABEL = re.compile(r"^(\.L_\w+):")
SECTION = re.compile(r"^\.text\.(\S+):")
TARGET = re.compile(r"`\((\.L_\w+)\)")

# The first that matches the opcode with its operands. "nothing": ptxas separates mma that way.
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
        if self.guard == "@!UPT":
            return "nothing"
        return next((name for name, pattern in CLASSES if pattern.match(text)), "integer")

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

    def count(self, kind):
        return sum(instruction.kind == kind for instruction in self.instructions)

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


def loops_of(blocks):
    """{header: set of blocks}: the natural loops, those of one header as one."""
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
    position = {node: i for i, node in enumerate(order)}
    above = {0: 0}

    def common(a, b):
        while a != b:
            while position[a] > position[b]:
                a = above[a]
            while position[b] > position[a]:
                b = above[b]
        return a

    changed = True
    while changed:
        changed = False
        for node in order[1:]:
            known = [p for p in predecessors[node] if p in above]
            new = functools.reduce(common, known)
            changed |= above.get(node) != new
            above[node] = new

    def dominates(header, node):
        while position[node] > position[header]:
            node = above[node]
        return node == header

    loops = {}
    for node in order:
        for header in blocks[node].successors:
            if dominates(header, node):
                body, waiting = loops.setdefault(header, {header}), [node]
                while waiting:
                    member = waiting.pop()
                    if member not in body:
                        body.add(member)
                        waiting += predecessors[member]
    return loops


@dataclass
class Turn:
    """A turn of a loop: the blocks that it passes, and what they hold."""

    path: list
    counts: dict
    shared_bytes: int  # that a thread reads from shared memory, ldmatrix aside
    alone: bool = True  # whether no other loop, whose turns are not known, shares a pair's work

    @property
    def instructions(self):
        return sum(self.counts.values())


def shortest(ways):
    return min((way for way in ways if way), key=lambda way: way[0], default=None)


def turn_of(blocks, header, body):
    """The shortest way through the loop that passes an exponential, or else the shortest one."""
    known = {}

    def ways_from(node, trail):
        """(shortest way to the end of the turn, shortest with an exponential): (instructions, path) or None."""
        if node in known:
            return known[node]
        block = blocks[node]
        following = [ways_from(s, trail | {s}) for s in block.successors if s in body and s not in trail]
        end = (0, []) if header in block.successors else None
        plain = shortest([way[0] for way in following] + [end])
        marked = plain if block.count("exponential") else shortest([way[1] for way in following])
        length = len(block.instructions)
        known[node] = tuple(way and (length + way[0], [node] + way[1]) for way in (plain, marked))
        return known[node]

    plain, marked = ways_from(header, frozenset([header]))
    path = (marked or plain)[1]
    instructions = [instruction for node in path for instruction in blocks[node].instructions]
    counts = {name: sum(i.kind == name for i in instructions) for name in NAMES}
    return Turn(path, counts, sum(i.shared_bytes for i in instructions))


def hottest_turn(blocks):
    """The turn of the innermost loop with exponentials that reads data; None where there is no such loop."""
    if not any(block.count("exponential") for block in blocks):
        return None
    turns = [(turn_of(blocks, header, body), body) for header, body in loops_of(blocks).items()]
    turns = [(turn, body) for turn, body in turns if any(blocks[node].reads for node in turn.path)]
    innermost = []
    for turn, body in turns:
        inside = [t for t, b in turns if b < body]
        if turn.counts["exponential"] and not any(t.counts["exponential"] for t in inside):
            around = [b for _, b in turns if body < b]
            # One with exponentials is another way for other pairs, as for those with data left out.
            beside = [t for t, b in turns if not b & body and any(b < outer for outer in around)
                      and not t.counts["exponential"]]
            turn.alone = not any(t.counts["float"] + t.counts["matrix"] for t in inside + beside)
            innermost.append(turn)
    return max(innermost, default=None,
               key=lambda turn: (turn.counts["exponential"], turn.counts["matrix"], -turn.instructions))
