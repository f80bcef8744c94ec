"""What sass.py and kde_loops.py make of listings whose counts are known."""

import re
import unittest

import kde_loops
import sass

# A loop of two exponentials a turn, whose step is redone where a value is too large; before it a loop without any,
# around it one over tiles. ptxas leaves the loops by calls that do not return.
LISTING = """
\t.section\t.text.kernel,"ax",@progbits
.text.kernel:
        /*0000*/                   MOV R1, c[0x0][0x28] ;
.L_x_0:
        /*0010*/                   LDG.E R2, [R2] ;
        /*0020*/              @P0 BRA `(.L_x_0) ;
.L_x_1:
        /*0030*/                   BAR.SYNC 0x0 ;
.L_x_2:
        /*0040*/                   LDSM.16.M88.4 R72, [R9] ;
        /*0050*/                   LDS.64 R4, [R9] ;
        /*0060*/                   LDS R6, [R9] ;
        /*0070*/                   HMMA.16816.F32 R80, R16.reuse, R72, RZ ;
        /*0080*/                   @!UPT UIADD3 URZ, URZ, URZ, URZ ;
.L_x_3:
        /*0090*/                   MUFU.EX2 R60, R60 ;
        /*00a0*/                   MUFU.EX2 R61, R61 ;
        /*00b0*/                   FFMA R60, R3, R52, -R98 ;
        /*00c0*/              @!P0 BRA `(.L_x_4) ;
        /*00d0*/                   MUFU.EX2 R60, R60 ;
        /*00e0*/                   FMUL R60, R60, R60 ;
        /*00f0*/               @P1 BRA `(.L_x_3) ;
.L_x_4:
        /*0100*/                   IMAD.MOV.U32 R65, RZ, RZ, R67 ;
        /*0110*/                   IADD3 R9, R9, 0x1200, RZ ;
        /*0120*/              @!P2 CALL.REL.NOINC `(.L_x_5) ;
        /*0130*/                   BRA `(.L_x_2) ;
.L_x_5:
        /*0140*/               @P3 BRA `(.L_x_1) ;
        /*0150*/                   EXIT ;
.L_x_6:
        /*0160*/                   BRA `(.L_x_6);
"""


def listing_of(code):
    """As nvdisasm prints it, of lines of labels and instructions; "3 HMMA" stands for three."""
    lines = []
    for line in code.strip().splitlines():
        label, number, instruction = re.match(r"\s*(?:(\w+):)?(?:(\d+) )?(.*)", line).groups()
        if label:
            lines.append(f".L_{label}:")
        instruction = re.sub(r"\bto (\w+)", r"`(.L_\1)", instruction)
        lines += [f"        /*0000*/                   {instruction} ;"] * (int(number or 1) if instruction else 0)
    return ".text.kernel:\n" + "\n".join(lines) + "\n"


def flow_of(listing):
    return sass.Flow(sass.read_kernels(listing)["kernel"])


def total(by_class):
    return sum(by_class.values())


# A tile's loop, with loops over slabs of columns for distances and for sums, and in each one over 16 columns. Without
# weights the second is skipped; a reference is raised seldom; the last columns are no vector's.
STREAMED = """
    MOV R1, c[0x0][0x28]
tile:
    2 LDGSTS.E.BYPASS.128 [R2], [R4.64]
slab:
    BAR.SYNC.DEFER_BLOCKING 0x0
    @P0 BRA to staged
    LDGSTS.E.BYPASS.128 [R2], [R4.64]
staged:
    IADD3 R2, R2, 0x1, RZ
step:
    2 LDSM.16.M88.4 R8, [R2]
    8 HMMA.16816.F32 R12, R8, R10, R12
    @P1 BRA to step
    @P2 BRA to slab
    4 FADD R12, R12, R16
    @!P3 BRA to kept
    10 FMUL R13, R13, R13
kept:
    2 MUFU.EX2 R12, R12
    BAR.RED.OR.DEFER_BLOCKING 0x0, P0
    @!P0 BRA to skipped
    LDGSTS.E.BYPASS.128 [R2], [R4.64]
    @P4 BRA to summed
again:
    BAR.SYNC.DEFER_BLOCKING 0x0
    LDGSTS.E.BYPASS.128 [R2], [R4.64]
pair:
    LDSM.16.MT88.4 R8, [R2]
    6 HMMA.16816.F32 R12, R8, R10, R12
    @P5 BRA to stored
    8 F2F.F64.F32 R20, R12
    STG.E.128 [R4.64], R20
stored:
    @P6 BRA to totals
    STG.E.128 [R4.64+0x20], R20
    BRA to written
totals:
    STS.64 [R6], R20
written:
    @P0 CALL.REL.NOINC to left
    BRA to pair
left:
    @P1 BRA to again
summed:
    BAR.SYNC.DEFER_BLOCKING 0x0
skipped:
    @P2 BRA to tile
    EXIT
"""

# Copies in a loop, a first step of 16 columns, a loop over the others, and what is looked for.
SCREEN = """
    MOV R1, c[0x0][0x28]
tile:
    @P0 BRA to copied
copy:
    IADD3 R2, R2, 0x10, RZ
    LDGSTS.E.BYPASS.128 [R2], [R4.64]
    @P1 BRA to copy
copied:
    BAR.SYNC.DEFER_BLOCKING 0x0
    4 HMMA.16816.F32 R12, R8, R10, RZ
    @!P2 BRA to look
step:
    LDSM.16.M88.4 R8, [R2]
    4 HMMA.16816.F32 R12, R8, R10, R12
    @P3 BRA to step
look:
    16 FMNMX R16, R12, R16, !PT
    @!P4 BRA to none
    STG.E [R4.64], R2
none:
    @P5 BRA to tile
    EXIT
"""

# Distances of 16 columns a turn; weights, of a branch for data that are seen; slabs of columns in two halves.
TILED = """
    MOV R1, c[0x0][0x28]
tile:
    LDGSTS.E.BYPASS.128 [R2], [R4.64]
stage:
    LDGSTS.E.BYPASS.128 [R2], [R4.64]
    64 FFMA R12, R8, R10, R12
    @P0 BRA to stage
    @!P1 BRA to hidden
    6 FFMA R12, R13, R14, R15
hidden:
    2 MUFU.EX2 R12, R12
    @!P2 BRA to next
slab:
    LDG.E R8, [R4.64]
half:
    LDGSTS.E.BYPASS.128 [R2], [R4.64]
sum:
    LDS.128 R8, [R2]
    4 FADD R12, R8, -R10
    4 FFMA R13, R12, R14, R13
    @P3 BRA to sum
    @P4 BRA to half
    @P5 BRA to beyond
    STG.E.64 [R4.64], R12
beyond:
    @P6 BRA to slab
next:
    @P0 BRA to tile
    EXIT
"""

# Down a tree by its boxes, and up again.
BOXES = """
    MOV R1, c[0x0][0x28]
best:
    3 LDG.E R8, [R4.64]
    @P0 BRA to best
down:
    5 LDG.E R8, [R4.64]
    VOTE.ANY R9, PT, P1
    @P2 BRA to down
up:
    SHFL.IDX PT, R9, R9, R10, 0x1f
    @P3 BRA to up
    @P4 BRA to down
    EXIT
"""


class Sass(unittest.TestCase):
    def test_the_loop_and_its_classes(self):
        self.assertEqual(list(sass.read_kernels(LISTING)), ["kernel"])
        _, turn = sass.hottest(flow_of(LISTING))
        counts = {name: count for name, count in turn.counts.items() if count}
        self.assertEqual(counts, {"shared": 3, "matrix": 1, "nothing": 1, "exponential": 2, "float": 1, "move": 1,
                                  "integer": 1, "control": 3})
        self.assertEqual(turn.shared_bytes, 12)
        self.assertTrue(turn.alone)

    def test_without_exponentials_there_is_no_loop(self):
        plain = LISTING.replace("MUFU.EX2", "MUFU.RCP")
        self.assertIsNone(sass.hottest(flow_of(plain)))

    def test_other_loops_are_told(self):
        inner = LISTING.replace("@P1 BRA `(.L_x_3)", "@P1 BRA `(.L_x_4)").replace(
            "MOV.U32 R65, RZ, RZ, R67 ;", "MOV.U32 R65, RZ, RZ, R67 ;\n.L_x_7:\n        /*0104*/  LDS R8, [R8] ;\n"
            "        /*0106*/  FADD R8, R8, R8 ;\n"
            "        /*0108*/              @P4 BRA `(.L_x_7) ;")
        _, turn = sass.hottest(flow_of(inner))
        self.assertFalse(turn.alone)
        self.assertEqual(turn.counts["exponential"], 2)
        copies = "@P3 BRA `(.L_x_1) ;"
        self.assertIn(copies, LISTING)
        for work, alone in (("STS [R8], R8", True), ("FADD R8, R8, R8", False)):
            beside = LISTING.replace(copies, f"LDS R8, [R8] ;\n.L_x_8:\n        /*0144*/  LDS R8, [R8] ;\n"
                                     f"        /*0146*/  {work} ;\n        /*0148*/  @P4 BRA `(.L_x_8) ;\n"
                                     f"        /*014a*/  {copies}")
            _, turn = sass.hottest(flow_of(beside))
            self.assertEqual(turn.alone, alone)

    def test_exponentials_in_double_precision_begin_by_rounding(self):
        doubles = LISTING.replace("MUFU.EX2 R60, R60", "DADD R60, R4, 6.75539944105574400000e+15").replace(
            "MUFU.EX2 R61, R61", "DADD R60, R60, -6.75539944105574400000e+15")
        _, turn = sass.hottest(flow_of(doubles))
        self.assertEqual((turn.exponentials, turn.counts["exponential"], turn.counts["double"]), (1, 0, 2))

    def test_loops_inside_of_a_turn_are_counted_apart(self):
        flow = flow_of(listing_of(STREAMED))
        header, _ = sass.hottest(flow)
        tile = sass.nest_of(flow, header, re.compile("HMMA|LDGSTS|STG"))
        self.assertEqual(tile.shape(), [[[]], [[]]])
        # The branch that raises nothing is the shorter one; copies and stores are passed though they are not.
        self.assertEqual(tile.turn.instructions, 2 + 4 + 1 + 2 + 2 + 2 + 1 + 1)
        slab, again = tile.inside
        self.assertEqual((slab.turn.instructions, again.turn.instructions), (5, 3))
        self.assertEqual((slab.inside[0].turn.instructions, again.inside[0].turn.instructions), (11, 22))
        self.assertEqual(again.inside[0].turn.count(re.compile("STG")), 2)
        without = sass.nest_of(flow, header, re.compile("HMMA|LDGSTS|STG"), flow.leads_to(again.header, header))
        self.assertEqual((without.shape(), without.turn.instructions), ([[[]]], 2 + 4 + 1 + 2 + 2 + 1))

    def test_streamed_coordinates(self):
        rows = {(part, unit): total(by_class) for part, unit, by_class in
                kde_loops.loops_of("kde_streamed_tensor_kernel", flow_of(listing_of(STREAMED)))}
        # 8 products are 4 pairs' on 32 columns, 6 as many: an instruction of a step is one of 8 pairs and 16 columns.
        self.assertEqual(rows["distances", "a pair, 16 coordinates"], 11 / 8)
        self.assertEqual(rows["weighted sums", "a pair, 16 coordinates"], 22 / 8)
        # Two pairs a thread; d = 128 is 144 columns, five slabs, and 9 / 4 turns of either inner loop.
        self.assertEqual(rows["no weights", "a pair, d = 128"], (12 + 5 * 5 + 11 * 9 / 4) / 2)
        self.assertEqual(rows["", "a pair, d = 128"], (15 + 5 * (5 + 3) + (11 + 22) * 9 / 4) / 2)
        # 800 columns.
        self.assertEqual(rows["", "a pair, d = 784"], (15 + 25 * (5 + 3) + (11 + 22) * 50 / 4) / 2)

    def test_screens(self):
        rows = {unit: total(by_class) for _, unit, by_class in
                kde_loops.loops_of("kde_screen_kernel<true, plain, false>", flow_of(listing_of(SCREEN)))}
        # 16 pairs a thread.
        self.assertEqual(rows["a pair, 16 coordinates"], 6 / 16)
        self.assertEqual(rows["a pair, d = 16"], (25 + 3) / 16)
        self.assertEqual(rows["a pair, d = 64"], (25 + 4 * 3 + 3 * 6) / 16)

    def test_tiled_coordinates(self):
        rows = {(part, unit): total(by_class) for part, unit, by_class in
                kde_loops.loops_of("kde_tiled_kernel<float, float, moments, plain>", flow_of(listing_of(TILED)))}
        self.assertEqual(rows["distances", "a pair, 16 coordinates"], 66 / 2)
        # Four pairs and coordinates a turn.
        self.assertEqual(rows["weighted sums", "a pair, 16 coordinates"], 10 * 16 / 4)
        # Two pairs a thread, so slabs of 8 columns, in two halves, and of four turns.
        self.assertEqual(rows["", "a pair, d = 16"], (12 + 66 + 2 * (4 + 2 * 2 + 4 * 10)) / 2)
        self.assertEqual(rows["", "a pair, d = 784"], (12 + 49 * 66 + 98 * (4 + 2 * 2 + 4 * 10)) / 2)

    def test_boxes(self):
        rows = kde_loops.loops_of("kde_boxes_choice_kernel<float, float, 2>", flow_of(listing_of(BOXES)))
        self.assertEqual([(part, unit, total(by_class)) for part, unit, by_class in rows], [("", "a box", 7)])

    def test_other_loops_than_expected_are_errors(self):
        unrolled = STREAMED.replace("    @P1 BRA to step\n", "")
        with self.assertRaises(kde_loops.Unknown):
            kde_loops.loops_of("kde_streamed_tensor_kernel", flow_of(listing_of(unrolled)))
        self.assertEqual(kde_loops.loops_of("kde_draw_kernel<float>", flow_of(listing_of(unrolled))), [])


if __name__ == "__main__":
    unittest.main()
