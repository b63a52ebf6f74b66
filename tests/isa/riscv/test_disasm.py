import pytest
from hypothesis import given
from hypothesis import strategies as st

from vmcore.isa.riscv.disasm import FLOAT_REGISTERS, INTEGER_REGISTERS, Disassembler, disassemble, instruction_length


def text(code, **options):
    (line,) = disassemble(code.to_bytes(4 if code & 3 == 3 else 2, "little"), 0x8000_0000, **options)
    return line.text


@pytest.mark.parametrize(
    ("word", "friendly", "plain"),
    [
        (0x00000013, "nop", "addi zero,zero,0"),
        (0xFFF50513, "addi a0,a0,-1", "addi a0,a0,-1"),
        (0x02A00513, "li a0,42", "addi a0,zero,42"),
        (0x4529, "li a0,10", "c.li a0,10"),
        (0x8082, "ret", "c.jr ra"),
        (0x00008067, "ret", "jalr zero,0(ra)"),
        (0x010000EF, "jal 0x80000010", "jal ra,0x80000010"),
        (0xA001, "j 0x80000000", "c.j 0x80000000"),
        (0xFE0518E3, "bnez a0,0x7ffffff0", "bne a0,zero,0x7ffffff0"),
        (0x00000297, "auipc t0,0x0", "auipc t0,0x0"),
        (0x800002B7, "lui t0,0x80000", "lui t0,0x80000"),
        (0x30529073, "csrw mtvec,t0", "csrrw zero,mtvec,t0"),
        (0xF1402573, "csrr a0,mhartid", "csrrs a0,mhartid,zero"),
        (0xC0102573, "rdtime a0", "csrrs a0,time,zero"),
        (0x0FF0000F, "fence", "fence iorw,iorw"),
        (0x0310000F, "fence rw,w", "fence rw,w"),
        (0x12000073, "sfence.vma", "sfence.vma zero,zero"),
        (0x1005A52F, "lr.w a0,(a1)", "lr.w a0,(a1)"),
        (0x06C5B52F, "amoadd.d.aqrl a0,a2,(a1)", "amoadd.d.aqrl a0,a2,(a1)"),
        (0x02C5F553, "fadd.d fa0,fa1,fa2", "fadd.d fa0,fa1,fa2"),
        (0x02C59553, "fadd.d fa0,fa1,fa2,rtz", "fadd.d fa0,fa1,fa2,rtz"),
        (0x22B58553, "fmv.d fa0,fa1", "fsgnj.d fa0,fa1,fa1"),
        (0xF0180553, "fli.s fa0,1.0", "fli.s fa0,1.0"),
        (0x1141, "addi sp,sp,-16", "c.addi sp,-16"),
        (0xE406, "sd ra,8(sp)", "c.sdsp ra,8(sp)"),
        (0x9C61, "zext.b s0,s0", "c.zext.b s0"),
        (0x9C75, "not s0,s0", "c.not s0"),
        (0x0000, "unimp", "c.unimp"),
        (0xC0001073, "unimp", "csrrw zero,cycle,zero"),
        (0xFFFFFFE3, "bgeu t6,t6,0x7ffffffe", "bgeu t6,t6,0x7ffffffe"),
        (0x02C5D553, ".insn 4, 0x02c5d553", ".insn 4, 0x02c5d553"),
    ],
)
def test_known_words(word, friendly, plain):
    assert text(word) == friendly
    assert text(word, aliases=False) == plain


def test_targets_are_shown_with_symbols():
    symbols = {0x8000_0000: "_start", 0x8000_0010: "main"}
    assert text(0x010000EF, symbols=symbols) == "jal 0x80000010 <main>"
    assert text(0x014000EF, symbols=symbols) == "jal 0x80000014 <main+0x4>"
    assert text(0xFE0518E3, symbols=symbols) == "bnez a0,0x7ffffff0"


def test_an_instruction_of_an_extension_that_is_off_is_unknown():
    assert text(0x02A58533) == "mul a0,a1,a0"
    assert text(0x02A58533, isa="rv64i") == ".insn 4, 0x02a58533"
    assert text(0x8082, isa="rv64i") == ".insn 2, 0x8082"


def test_lines_say_where_and_what():
    lines = list(disassemble(bytes.fromhex("97020000 0145"), 0x1000))
    assert [(line.address, line.raw.hex()) for line in lines] == [(0x1000, "97020000"), (0x1004, "0145")]
    assert str(lines[0]) == "    1000:\t00000297    \tauipc\tt0,0x0"


def test_code_cut_short():
    assert [line.text for line in disassemble(b"\x13")] == [".byte 0x13"]
    assert [line.text for line in disassemble(b"\x13\x05")] == [".insn 2, 0x0513"]
    assert [line.text for line in disassemble(b"\x13\x05\x10")] == [".insn 2, 0x0513", ".byte 0x10"]
    assert list(disassemble(b"")) == []


def test_long_encodings_are_one_line():
    assert instruction_length(0x001F) == 6
    assert instruction_length(0x003F) == 8
    (line,) = disassemble(b"\x1f\x00" + b"\x11" * 4)
    assert line.text == ".insn 6, 0x11111111001f"


@given(st.binary(max_size=200), st.integers(0, 2**64 - 1), st.booleans())
def test_any_bytes_are_covered_exactly_once(code, address, aliases):
    lines = list(disassemble(code, address, aliases=aliases))
    assert b"".join(line.raw for line in lines) == code
    for line in lines:
        assert 0 <= line.address < 2**64
        assert line.mnemonic
        assert "\n" not in str(line)


def test_registers_have_their_abi_names():
    assert INTEGER_REGISTERS[10] == "a0"
    assert INTEGER_REGISTERS[8] == "s0"
    assert INTEGER_REGISTERS[31] == "t6"
    assert FLOAT_REGISTERS[10] == "fa0"
    assert FLOAT_REGISTERS[28] == "ft8"
    assert len({*INTEGER_REGISTERS, *FLOAT_REGISTERS}) == 64


def test_a_disassembler_is_used_for_single_lines():
    line = Disassembler("rv64gc").line((0x00000013).to_bytes(4, "little") + b"\xff", 16)
    assert (line.text, line.address) == ("nop", 16)
