import pytest
from hypothesis import given
from hypothesis import strategies as st

from vmcore._fast.hart.isabits import ISA_BITS
from vmcore.errors import IsaError
from vmcore.isa.riscv import EXTENSIONS, Isa, parse_isa
from vmcore.isa.riscv.extensions import REFUSED, canonical_order, closure


def bits(*names):
    return sum(1 << ISA_BITS[name] for name in names)


def test_rv64gc_means_exactly_that():
    always = ("s", "u", "zicsr", "zifencei", "zicntr", "sv39", "sv48", "sv57")
    assert parse_isa("rv64gc").mask == bits("m", "a", "f", "d", "c", *always)
    assert parse_isa("rv64i").mask == bits(*always)
    assert parse_isa("rv64imac_zba").mask == bits("m", "a", "c", "zba", *always)


def test_the_default_has_every_bit_and_57_bit_addresses():
    isa = Isa.default()
    assert isa.mask == (1 << len(ISA_BITS)) - 1
    assert isa.vm == 57
    assert Isa.default() == isa == parse_isa(isa.string())


@pytest.mark.parametrize(
    ("text", "vm"),
    [("rv64gc", 57), ("rv64gc_sv39", 39), ("rv64gc_sv48", 48), ("rv64gc_sv57", 57), ("rv64gc_svbare", 0),
     ("rv64gc_sv39_sv48", 48), ("rv64gcsv39", 39), ("rv64gc_sv391p0", 39)],
)  # fmt: skip
def test_the_widest_translation_named_is_offered(text, vm):
    isa = parse_isa(text)
    assert isa.vm == vm
    assert [isa.has(f"sv{width}") for width in (39, 48, 57)] == [vm >= width for width in (39, 48, 57)]


@pytest.mark.parametrize(
    ("text", "same"),
    [
        ("RV64IMAFDC_Zba", "rv64gc_zba"),
        ("rv64i2p1m2p0a2p1f2p2d2p2c2p0_zba1p0", "rv64gc_zba"),
        ("rv64i2m2", "rv64im"),
        ("rv64ggcc_c_zba_zba", "rv64gc_zba"),
        ("rv64gcZba_Zbb", "rv64gc_zba_zbb"),
        ("rv64g_c", "rv64gc"),
        ("rv64gcsu", "rv64gc"),
        ("rv64id", "rv64ifd"),
        ("rv64i_zfh", "rv64if_zfhmin_zfh"),
        ("rv64i_zbs_zbb_zba", "rv64ib"),
        ("rv64i_zk", "rv64i_zkn_zkr_zkt"),
        ("rv64i_zkn", "rv64i_zbkb_zbkc_zbkx_zkne_zknd_zknh"),
        ("rv64i_zks", "rv64i_zbkb_zbkc_zbkx_zksed_zksh"),
        (" rv64gc\n", "rv64gc"),
        ("rv64im_zmmul", "rv64im"),
        ("rv64ia_zaamo_zalrsc", "rv64ia"),
    ],
)
def test_spellings_of_the_same_thing(text, same):
    assert parse_isa(text) == parse_isa(same)


def test_the_string_is_in_canonical_order():
    text = parse_isa("rv64i_svinval_zba_zicsr_smstateen_d_c_a_m_zfa_sv39").string()
    assert text == ("rv64imafdc_zicntr_zicsr_zifencei_zmmul_zaamo_zalrsc_zfa_zca_zcd_zba_ssstateen_sv39_svinval_"
                    "smstateen")  # fmt: skip
    assert parse_isa("rv64gcb").string().count("_b") == 0


def test_the_list_for_the_device_tree_has_no_bundles_and_no_modes():
    names = parse_isa("rv64gcb_zk").extensions
    assert names[:6] == list("imafdc")
    assert {"zba", "zbb", "zbs", "zkne", "zkr", "zca", "zcd"} <= set(names)
    assert not {"b", "g", "s", "u", "zk", "zkn"} & set(names)


def test_promises_of_profiles_are_kept_but_change_nothing():
    isa = parse_isa("rv64gc_zic64b_za64rs_ziccrse_ss1p13_sm1p12_sstvala")
    assert isa.mask == parse_isa("rv64gc").mask
    assert "zic64b" in isa.extensions


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "does not begin with 'rv64'"),
        ("riscv", "does not begin with 'rv64'"),
        ("rv32gc", "RV32 is not offered"),
        ("rv128i", "RV128 is not offered"),
        ("rv64", "base instruction set is missing"),
        ("rv64mac", "base instruction set is missing"),
        ("rv64e", "16 registers"),
        ("rv64gcv", "vector"),
        ("rv64gc_v", "vector"),
        ("rv64gc_zve64d", "vector"),
        ("rv64gc_zvl128b", "vector"),
        ("rv64gch", "hypervisor"),
        ("rv64gc_zfinx", "contradicts 'f'"),
        ("rv64gc_zcmp", "contradicts 'd'"),
        ("rv64gcy", "unknown extension 'y'"),
        ("rv64gc_zfoo", "unknown extension 'zfoo'"),
        ("rv64gc_zbba", "did you mean 'zb"),
        ("rv64gc_xthead", "unknown extension 'xthead'"),
        ("rv64gc_sfoo", "unknown extension 'sfoo'"),
        ("rv64gc-zba", "unknown extension '-'"),
        ("rv64gc__zba", "missing"),
        ("rv64gc_", "missing"),
        ("rv64gc_zba3p0", "version 3.0 of 'zba' is not offered"),
        ("rv64i2p0_i2p1", "two versions"),
        ("rv64gc_svbare_sv39", "contradicts 'sv39'"),
        ("rv64gc_svbare_svnapot", "needs 'sv39'"),
        ("rv64i_zcb", "needs 'c'"),
        ("rv64i_zca", "needs 'c'"),
        ("rv64ic_zcd", "needs 'd'"),
        ("rv64i_zacas", "needs 'a'"),
        ("rv64i_zabha", "needs 'a'"),
        ("rv64i_zawrs", "needs 'a'"),
        ("rv64i_zmmul", "needs 'm'"),
        ("rv64gc\0", "unknown extension"),
    ],
)
def test_wrong_strings_get_one_clear_error(text, words):
    with pytest.raises(IsaError) as error:
        parse_isa(text)
    assert words in str(error.value)
    assert error.value.hint
    assert len(str(error.value)) < 1500


def test_a_very_long_string_is_not_shown_in_full():
    with pytest.raises(IsaError, match="At most 2000") as error:
        parse_isa("rv64g" + "c" * 100_000)
    assert len(str(error.value)) < 400


@pytest.mark.parametrize("name", REFUSED)
def test_what_is_refused_says_why(name):
    with pytest.raises(IsaError, match="cannot be had"):
        parse_isa(f"rv64gc_{name}")


def test_machines_without_the_lower_modes():
    assert parse_isa("rv64imac", privileges="m").mask == bits("m", "a", "c", "zicsr", "zifencei", "zicntr")
    assert parse_isa("rv64imac", privileges="mu").has("u")
    for text in ("rv64gc_sstc", "rv64gc_sv39", "rv64gcs"):
        with pytest.raises(IsaError, match="'s'"):
            parse_isa(text, privileges="mu")
    with pytest.raises(IsaError, match="privilege modes"):
        parse_isa("rv64gc", privileges="hs")


def test_every_bit_has_an_extension_and_the_table_is_closed():
    assert set(ISA_BITS) <= set(EXTENSIONS)
    for one in EXTENSIONS.values():
        assert {*one.implies, *one.needs, *one.part_of} <= set(EXTENSIONS)
    assert not set(REFUSED) & set(EXTENSIONS)


@given(st.sets(st.sampled_from(sorted(set(EXTENSIONS) - {"svbare"}))), st.randoms())
def test_any_choice_that_is_accepted_survives_its_own_string(chosen, rng):
    names = sorted(chosen)
    rng.shuffle(names)
    text = "_".join(["rv64i", *(name.upper() if rng.random() < 0.3 else name for name in names)])
    try:
        isa = parse_isa(text)
    except IsaError as error:
        assert "needs" in str(error)
        return
    assert chosen <= isa.names
    assert closure(isa.names) == isa.names
    assert parse_isa(isa.string()).mask == isa.mask
    assert parse_isa(isa.string()) == isa
    assert isa.extensions == sorted(isa.extensions, key=canonical_order)


@given(st.text(max_size=40) | st.text("rv64imafdcgbz_sx0123p", max_size=30).map(lambda text: "rv64i" + text))
def test_no_string_gets_anything_but_an_isa_or_an_isa_error(text):
    try:
        isa = parse_isa(text)
    except IsaError:
        return
    assert isa.mask < 1 << 64
