from itertools import combinations
from random import Random

import pytest

from vmcore._fast.hart.isabits import ISA_BITS
from vmcore.isa.riscv import BY_MNEMONIC, FORMATS, INSTRUCTIONS, Isa, find, install_tables, parse_isa
from vmcore.isa.riscv.assemble import random_encoding

# Written down from the specification, independently of the rows: what each extension must bring.
EXPECTED = {
    "i": """lui auipc jal jalr beq bne blt bge bltu bgeu lb lh lw lbu lhu lwu ld sb sh sw sd addi slti sltiu xori ori
        andi slli srli srai add sub sll slt sltu xor srl sra or and addiw slliw srliw sraiw addw subw sllw srlw sraw
        fence fence.tso ecall ebreak mret wfi""",
    "m": "mul mulh mulhsu mulhu div divu rem remu mulw divw divuw remw remuw",
    "a": """lr.w sc.w amoswap.w amoadd.w amoxor.w amoand.w amoor.w amomin.w amomax.w amominu.w amomaxu.w
        lr.d sc.d amoswap.d amoadd.d amoxor.d amoand.d amoor.d amomin.d amomax.d amominu.d amomaxu.d""",
    "f": """flw fsw fmadd.s fmsub.s fnmsub.s fnmadd.s fadd.s fsub.s fmul.s fdiv.s fsqrt.s fsgnj.s fsgnjn.s fsgnjx.s
        fmin.s fmax.s fcvt.w.s fcvt.wu.s fcvt.l.s fcvt.lu.s fmv.x.w feq.s flt.s fle.s fclass.s fcvt.s.w fcvt.s.wu
        fcvt.s.l fcvt.s.lu fmv.w.x""",
    "d": """fld fsd fmadd.d fmsub.d fnmsub.d fnmadd.d fadd.d fsub.d fmul.d fdiv.d fsqrt.d fsgnj.d fsgnjn.d fsgnjx.d
        fmin.d fmax.d fcvt.s.d fcvt.d.s fcvt.w.d fcvt.wu.d fcvt.l.d fcvt.lu.d fmv.x.d feq.d flt.d fle.d fclass.d
        fcvt.d.w fcvt.d.wu fcvt.d.l fcvt.d.lu fmv.d.x""",
    "c": """c.addi4spn c.fld c.lw c.ld c.fsd c.sw c.sd c.nop c.addi c.addiw c.li c.addi16sp c.lui c.srli c.srai c.andi
        c.sub c.xor c.or c.and c.subw c.addw c.j c.beqz c.bnez c.slli c.fldsp c.lwsp c.ldsp c.jr c.mv c.ebreak c.jalr
        c.add c.fsdsp c.swsp c.sdsp""",
    "s": "sret sfence.vma",
    "zicsr": "csrrw csrrs csrrc csrrwi csrrsi csrrci",
    "zifencei": "fence.i",
    "zba": "add.uw sh1add sh1add.uw sh2add sh2add.uw sh3add sh3add.uw slli.uw",
    "zbb": """andn orn xnor clz clzw ctz ctzw cpop cpopw max maxu min minu sext.b sext.h zext.h rol rolw ror rori roriw
        rorw orc.b rev8""",
    "zbc": "clmul clmulh clmulr",
    "zbs": "bclr bclri bext bexti binv binvi bset bseti",
    "zbkb": "rol rolw ror rori roriw rorw andn orn xnor pack packh packw brev8 rev8",
    "zbkc": "clmul clmulh",
    "zbkx": "xperm4 xperm8",
    "zknd": "aes64ds aes64dsm aes64im aes64ks1i aes64ks2",
    "zkne": "aes64es aes64esm aes64ks1i aes64ks2",
    "zknh": """sha256sig0 sha256sig1 sha256sum0 sha256sum1 sha512sig0 sha512sig1 sha512sum0 sha512sum1""",
    "zksed": "sm4ed sm4ks",
    "zksh": "sm3p0 sm3p1",
    "zicond": "czero.eqz czero.nez",
    "zcb": """c.lbu c.lhu c.lh c.sb c.sh c.zext.b c.sext.b c.zext.h c.sext.h c.zext.w c.not c.mul""",
    "zfhmin": "flh fsh fmv.x.h fmv.h.x fcvt.s.h fcvt.h.s fcvt.d.h fcvt.h.d",
    "zfh": """fmadd.h fmsub.h fnmsub.h fnmadd.h fadd.h fsub.h fmul.h fdiv.h fsqrt.h fsgnj.h fsgnjn.h fsgnjx.h fmin.h
        fmax.h fcvt.w.h fcvt.wu.h fcvt.l.h fcvt.lu.h feq.h flt.h fle.h fclass.h fcvt.h.w fcvt.h.wu fcvt.h.l
        fcvt.h.lu""",
    "zfa": """fli.s fli.d fli.h fminm.s fmaxm.s fminm.d fmaxm.d fminm.h fmaxm.h fround.s froundnx.s fround.d froundnx.d
        fround.h froundnx.h fcvtmod.w.d fleq.s fltq.s fleq.d fltq.d fleq.h fltq.h""",
    "zicbom": "cbo.inval cbo.clean cbo.flush",
    "zicboz": "cbo.zero",
    "zicbop": "prefetch.i prefetch.r prefetch.w",
    "zihintpause": "pause",
    "zihintntl": "ntl.p1 ntl.pall ntl.s1 ntl.all c.ntl.p1 c.ntl.pall c.ntl.s1 c.ntl.all",
    "zawrs": "wrs.nto wrs.sto",
    "zacas": "amocas.w amocas.d amocas.q amocas.b amocas.h",
    "zabha": """amoswap.b amoadd.b amoxor.b amoand.b amoor.b amomin.b amomax.b amominu.b amomaxu.b
        amoswap.h amoadd.h amoxor.h amoand.h amoor.h amomin.h amomax.h amominu.h amomaxu.h""",
    "zimop": " ".join([f"mop.r.{n}" for n in range(32)] + [f"mop.rr.{n}" for n in range(8)]),
    "zcmop": " ".join(f"c.mop.{n}" for n in range(1, 16, 2)),
    "svinval": "sinval.vma sfence.w.inval sfence.inval.ir",
}

# What an instruction needs besides the extension that defines it.
ALSO = {
    "d": """c.fld c.fsd c.fldsp c.fsdsp fcvt.d.h fcvt.h.d fli.d fminm.d fmaxm.d fround.d froundnx.d fcvtmod.w.d fleq.d
        fltq.d""",
    "zfh": "fli.h fminm.h fmaxm.h fround.h froundnx.h fleq.h fltq.h",
    "zabha": "amocas.b amocas.h",
    "m": "c.mul",
    "zbb": "c.sext.b c.zext.h c.sext.h",
    "zba": "c.zext.w",
    "c": "c.ntl.p1 c.ntl.pall c.ntl.s1 c.ntl.all",
}


@pytest.mark.parametrize("extension", EXPECTED)
def test_each_extension_brings_exactly_its_instructions(extension):
    found = {one.mnemonic for one in INSTRUCTIONS if extension in (one.any or ("i",))}
    assert found == set(EXPECTED[extension].split())


def test_instructions_that_combine_extensions_need_both():
    found = {(name, one.mnemonic) for one in INSTRUCTIONS for name in one.all}
    assert found == {(name, mnemonic) for name, text in ALSO.items() for mnemonic in text.split()}


def test_every_mnemonic_is_there_once():
    assert len(BY_MNEMONIC) == len(INSTRUCTIONS)
    assert set(BY_MNEMONIC) == {mnemonic for text in EXPECTED.values() for mnemonic in text.split()}


def test_rows_that_overlap_are_ordered_by_how_specific_they_are():
    for one, other in combinations(INSTRUCTIONS, 2):
        if one.size == other.size and not (one.match ^ other.match) & one.mask & other.mask:
            wider = one.mask | other.mask
            assert wider in (one.mask, other.mask), (one.mnemonic, other.mnemonic)
            assert one.mask != other.mask, (one.mnemonic, other.mnemonic)


@pytest.mark.parametrize("row", INSTRUCTIONS, ids=lambda row: row.mnemonic)
def test_a_row_is_consistent(row):
    assert not row.match & ~row.mask
    assert row.match & 3 == 3 if row.size == 4 else row.match & 3 != 3
    assert row.semantics
    assert set(row.any) | set(row.all) <= set(ISA_BITS)
    if row.format.rd[1]:
        assert ("fd" in row.tokens) != ("rd" in row.tokens)
    fixed = row.mask & row.format.operand_bits
    assert not fixed or row.mnemonic in ("c.zext.b", "c.not")
    if row.size == 2 and row.handler in BY_MNEMONIC:
        assert row.format.shape == BY_MNEMONIC[row.handler].format.shape


@pytest.mark.parametrize("row", INSTRUCTIONS, ids=lambda row: row.mnemonic)
def test_an_encoding_finds_its_row_only_while_its_extensions_are_on(row):
    rng = Random(row.match)
    everything = Isa.default().mask
    for _ in range(10):
        word = random_encoding(row, rng, ignored=True)
        assert find(word) is row
        assert find(word, everything) is row
        for name in row.all:
            assert find(word, everything & ~(1 << ISA_BITS[name])) is not row
        if row.any:
            off = sum(1 << ISA_BITS[name] for name in row.any)
            assert find(word, everything & ~off) is not row


@pytest.mark.parametrize(
    ("word", "why"),
    [
        (0x0000, "all zeros"),
        (0x0004, "c.addi4spn of 0"),
        (0x8C40, "c.sh of Zcb with bit 6 set"),
        (0x9000, "quadrant 0, funct6 100100"),
        (0x2001, "c.addiw of x0"),
        (0x6001, "c.lui x0, 0"),
        (0x6101, "c.addi16sp of 0"),
        (0x6881, "c.lui of 0 to x17, beyond the may-be-operations"),
        (0x4002, "c.lwsp to x0"),
        (0x6002, "c.ldsp to x0"),
        (0x8002, "c.jr of x0"),
        (0x9C79, "funct 11 110 of Zcb"),
        (0x9C7D, "funct 11 111 of Zcb"),
        (0x0000_0033 | 0x77 << 25, "funct7 of no extension"),
        (0x1000_0073 | 0x12 << 20, "no such system instruction"),
        (0x1200_00F3, "sfence.vma with rd"),
        (0x1010_202F, "lr.w with rs2"),
        (0x0010_0073 | 1 << 7, "ebreak with rd"),
        (0x0200_101B, "slliw by 32"),
        (0x4000_0063 | 2 << 12, "branch with funct3 2"),
        (0xFFFF_FFFF, "all ones"),
    ],
)
def test_reserved_encodings_match_no_row(word, why):
    assert find(word) is None, why


@pytest.mark.parametrize(
    ("word", "mnemonic"),
    [
        (0x0001, "c.nop"),
        (0x0005, "c.nop"),
        (0x0081, "c.addi"),
        (0x4001, "c.li"),
        (0x6005, "c.lui"),
        (0x0002, "c.slli"),
        (0x0082, "c.slli"),
        (0x8001, "c.srli"),
        (0x8006, "c.mv"),
        (0x9006, "c.add"),
        (0x900A, "c.ntl.p1"),
        (0x6081, "c.mop.1"),
        (0x0330000F, "fence"),
        (0xF33F8F8F, "fence"),
        (0x8330000F, "fence.tso"),
        (0x0100000F, "pause"),
        (0xFFFF9F8F, "fence.i"),
        (0x00006013, "prefetch.i"),
        (0x00206013, "ori"),
    ],
)
def test_hints_and_ignored_fields_match_a_row(word, mnemonic):
    assert find(word).mnemonic == mnemonic


def test_hints_of_an_extension_that_is_off_fall_back_to_what_they_are_made_of():
    plain = parse_isa("rv64gc").mask
    assert find(0x0100000F, plain).mnemonic == "fence"
    assert find(0x00006013, plain).mnemonic == "ori"
    assert find(0x00200033, plain).mnemonic == "add"
    assert find(0x900A, plain).mnemonic == "c.add"
    assert find(0x0800_403B, parse_isa("rv64gc_zbkb").mask).mnemonic == "packw"
    assert find(0x0800_403B, parse_isa("rv64gc_zbb").mask).mnemonic == "zext.h"


def test_reserved_operands_are_told_from_good_ones():
    fadd, pair, keys = BY_MNEMONIC["fadd.d"], BY_MNEMONIC["amocas.q"], BY_MNEMONIC["aes64ks1i"]
    assert [rm for rm in range(8) if fadd.reserved(fadd.match | rm << 12)] == [5, 6]
    assert [rd for rd in range(8) if pair.reserved(pair.match | rd << 7)] == [1, 3, 5, 7]
    assert [rs2 for rs2 in range(8) if pair.reserved(pair.match | rs2 << 20)] == [1, 3, 5, 7]
    assert [number for number in range(16) if keys.reserved(keys.match | number << 20)] == [11, 12, 13, 14, 15]


def test_the_tables_for_the_decoder_say_what_the_rows_say():
    formats, rows = install_tables()
    assert [one[0] for one in formats] == list(FORMATS)
    names = {one[0] for one in formats}
    assert len(rows) == len(INSTRUCTIONS)
    for tuple_, row in zip(rows, INSTRUCTIONS, strict=True):
        mnemonic, handler, match, mask, form, any_mask, all_mask, rd_is_float, nonzero = tuple_
        assert (mnemonic, handler, match, mask) == (row.mnemonic, row.handler, row.match, row.mask)
        assert form in names
        assert {name for name, bit in ISA_BITS.items() if any_mask >> bit & 1} == set(row.any)
        assert {name for name, bit in ISA_BITS.items() if all_mask >> bit & 1} == set(row.all)
        assert rd_is_float == ("fd" in row.syntax.split(","))
        assert [bool(nonzero & bit) for bit in (1, 2, 4, 8)] == [n in row.nonzero for n in ("rd", "rs1", "rs2", "imm")]
