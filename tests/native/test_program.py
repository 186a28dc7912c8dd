"""Programs are read again as they were written."""

from seqsweep.native.program import OPERATIONS, PARTS, Instruction, Matrix, Program

TEXT = """\
weight weight_ih 2 -1
weight weight_hh 2 1
weight bias_ih 2 0
states 1
weights:
input:
  v0 v1 = product weight_ih[0:2] x + bias_ih.0 bias_ih.1
state:
  v2 v3 = product weight_hh[0:2] s0 + v0 v1
  v4 = fma v2 -0.5 v3
output:
output':
state':
  g0 = add ds0 dy
  g1 = mul g0 -0.5
  g2 = transposed weight_hh[0:2] g1 g0
  g3 = without_tiny g2
input':
  outer weight_hh[0:2] g1 g0 ; s0
  outer weight_ih[0:2] g1 g0 ; x
  transposed weight_ih[0:2] g1 g0
  g4 = sum g1
  g5 = sum g0
weights':
next v4
result v4
carry g3
totals g0
gradient bias_ih.0 g4
gradient bias_ih.1 g5
"""


def test_a_text_is_read_and_written_without_a_change():
    program = Program.parse(TEXT)
    assert str(program) == TEXT
    assert Program.parse(str(program)) == program
    assert program.weights == {"weight_ih": (2, -1), "weight_hh": (2, 1), "bias_ih": (2, 0)}
    matrix = Matrix("weight_hh", 0, 2)
    assert program.parts["state"] == (
        Instruction("product", ("v2", "v3"), ("s0",), matrix, ("v0", "v1")),
        Instruction("fma", ("v4",), ("v2", "-0.5", "v3")),
    )
    assert program.parts["input'"][0] == Instruction("outer", (), ("g1", "g0"), matrix, ("s0",))
    assert tuple(program.parts) == PARTS and len(set(OPERATIONS)) == len(OPERATIONS)


def test_any_change_of_a_program_changes_its_digest():
    for old, new in (("-0.5", "-0.25"), ("mul", "div"), ("carry g3", "carry g2")):
        changed = Program.parse(TEXT.replace(old, new))
        assert changed.digest != Program.parse(TEXT).digest
