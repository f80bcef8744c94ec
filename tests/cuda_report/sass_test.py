"""What sass.py makes of listings whose counts are known."""

import unittest

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


class Sass(unittest.TestCase):
    def test_the_loop_and_its_classes(self):
        kernels = sass.read_kernels(LISTING)
        self.assertEqual(list(kernels), ["kernel"])
        turn = sass.hottest_turn(kernels["kernel"])
        counts = {name: count for name, count in turn.counts.items() if count}
        self.assertEqual(counts, {"shared": 3, "matrix": 1, "nothing": 1, "exponential": 2, "float": 1, "move": 1,
                                  "integer": 1, "control": 3})
        self.assertEqual(turn.shared_bytes, 12)
        self.assertTrue(turn.alone)

    def test_without_exponentials_there_is_no_loop(self):
        plain = LISTING.replace("MUFU.EX2", "MUFU.RCP")
        self.assertIsNone(sass.hottest_turn(sass.read_kernels(plain)["kernel"]))

    def test_other_loops_are_told(self):
        inner = LISTING.replace("@P1 BRA `(.L_x_3)", "@P1 BRA `(.L_x_4)").replace(
            "MOV.U32 R65, RZ, RZ, R67 ;", "MOV.U32 R65, RZ, RZ, R67 ;\n.L_x_7:\n        /*0104*/  LDS R8, [R8] ;\n"
            "        /*0106*/  FADD R8, R8, R8 ;\n"
            "        /*0108*/              @P4 BRA `(.L_x_7) ;")
        turn = sass.hottest_turn(sass.read_kernels(inner)["kernel"])
        self.assertFalse(turn.alone)
        self.assertEqual(turn.counts["exponential"], 2)
        copies = "@P3 BRA `(.L_x_1) ;"
        self.assertIn(copies, LISTING)
        for work, alone in (("STS [R8], R8", True), ("FADD R8, R8, R8", False)):
            beside = LISTING.replace(copies, f"LDS R8, [R8] ;\n.L_x_8:\n        /*0144*/  LDS R8, [R8] ;\n"
                                     f"        /*0146*/  {work} ;\n        /*0148*/  @P4 BRA `(.L_x_8) ;\n"
                                     f"        /*014a*/  {copies}")
            turn = sass.hottest_turn(sass.read_kernels(beside)["kernel"])
            self.assertEqual(turn.alone, alone)


if __name__ == "__main__":
    unittest.main()
