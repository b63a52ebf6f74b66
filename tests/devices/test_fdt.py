"""Flattened device trees: what is written, and what a hostile blob can do."""

import struct

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from vmcore.devices import platform
from vmcore.devices.fdt import MAX_BLOB, MAX_DEPTH, Node, Tree, u64
from vmcore.errors import ConfigError, LoadError


def dump(blob):
    """Read a blob by the letter of the specification: a list of (path, property, value), nodes as (path, None, None).

    Asserts every structural rule, so it stands in for libfdt's own check.
    """
    fields = struct.unpack_from(">10I", blob)
    magic, total, struct_at, text_at, reserve_at, version, oldest, _, text_size, struct_size = fields
    assert (magic, total, version, oldest) == (0xD00DFEED, len(blob), 17, 16)
    assert reserve_at % 8 == struct_at % 4 == struct_size % 4 == 0
    assert 40 <= reserve_at < struct_at < text_at <= text_at + text_size <= total
    assert blob[struct_at - 16 : struct_at] == bytes(16), "the reservations end with zeros"
    at, path, out, may_have_properties = struct_at, [], [], False
    while True:
        (token,) = struct.unpack_from(">I", blob, at)
        at += 4
        if token == 1:
            end = blob.index(b"\0", at)
            path.append(blob[at:end].decode())
            at = end + 4 - end % 4
            out.append(("/".join(path) or "/", None, None))
            may_have_properties = True
        elif token == 2:
            path.pop()
            may_have_properties = False
        elif token == 3:
            assert may_have_properties, "properties stand before the nodes"
            size, name_at = struct.unpack_from(">II", blob, at)
            name = blob[text_at + name_at : blob.index(b"\0", text_at + name_at)].decode()
            assert text_at + name_at + len(name) < text_at + text_size
            out.append(("/".join(path) or "/", name, blob[at + 8 : at + 8 + size]))
            at += 8 + size + -size % 4
        else:
            assert token == 9
            assert not path
            assert at == struct_at + struct_size
            return out


def board(harts=2):
    root = Tree()
    root["#address-cells"] = root["#size-cells"] = 2
    root["compatible"] = "riscv-virtio"
    cpus = root.add("cpus")
    intcs = []
    for i in range(harts):
        intc = cpus.add(f"cpu@{i}").add("interrupt-controller")
        intc["compatible"] = "riscv,cpu-intc"
        intcs.append(intc)
    soc = root.add("soc")
    soc["ranges"] = True
    plic = platform.add_plic(soc, 0xC00_0000, intcs)
    platform.add_clint(soc, 0x200_0000, intcs)
    platform.add_sswi(soc, 0x2F0_0000, intcs)
    platform.add_uart(soc, 0x1000_0000, plic, 10)
    platform.add_rtc(soc, 0x10_1000, plic, 11)
    platform.add_power(root, soc, 0x10_0000)
    platform.add_flash(root, 0x2000_0000)
    return root


def test_values_are_encoded_as_the_specification_says():
    root = Tree()
    root["a"] = 1
    root["b"] = [1, 0xFFFF_FFFF]
    root["c"] = "text"
    root["d"] = ["one", "two"]
    root["e"] = b"\1\2\3"
    root["f"] = True
    root["g"] = ()
    root["h"] = u64(0x1_0000_0002, 3)
    node = root.add("n@1")
    root["i"] = node
    root["j"] = [node, 7, node]
    assert dump(root.to_blob()) == [
        ("/", None, None),
        ("/", "a", b"\0\0\0\1"),
        ("/", "b", b"\0\0\0\1\xff\xff\xff\xff"),
        ("/", "c", b"text\0"),
        ("/", "d", b"one\0two\0"),
        ("/", "e", b"\1\2\3"),
        ("/", "f", b""),
        ("/", "g", b""),
        ("/", "h", b"\0\0\0\1\0\0\0\2\0\0\0\0\0\0\0\3"),
        ("/", "i", b"\0\0\0\1"),
        ("/", "j", b"\0\0\0\1\0\0\0\7\0\0\0\1"),
        ("/n@1", None, None),
        ("/n@1", "phandle", b"\0\0\0\1"),
    ]


@pytest.mark.parametrize(
    "value", [-1, 1 << 32, False, [True], [1, -1], ["a", 1], [1, "a"], 1.5, None, "a\0b", [1 << 32] * 20, object()]
)
def test_values_that_no_property_can_have(value):
    with pytest.raises(ConfigError):
        Tree()["x"] = value


@pytest.mark.parametrize("name", ["", "a/b", "a b", "a\0", "ä", "x" * 256])
def test_names_that_nothing_can_have(name):
    root = Tree()
    with pytest.raises(ConfigError):
        root[name] = 1
    with pytest.raises(ConfigError):
        root.add(name)
    assert root == Tree()


def test_structure_errors():
    root = Tree()
    root.add("a")
    with pytest.raises(ConfigError, match="already"):
        root.add("a")
    with pytest.raises(ConfigError, match="no node"):
        root.remove("b")
    root.remove("a")
    assert root.children == []
    with pytest.raises(ConfigError, match="another"):
        root["x"] = Tree().add("b")
    node: Node = root
    for _ in range(MAX_DEPTH - 1):
        node = node.add("n")
    with pytest.raises(ConfigError, match="deep"):
        node.add("n")
    assert Tree.from_blob(root.to_blob()) == root


@pytest.mark.parametrize("value", [-1, 1 << 64])
def test_u64_takes_64_bits(value):
    with pytest.raises(ConfigError):
        u64(value)


def test_phandles_are_unique_whoever_chose_them():
    root = Tree()
    a, b, c = root.add("a"), root.add("b"), root.add("c")
    assert a.phandle == a.phandle == 1
    b["phandle"] = 7
    assert (b.phandle, c.phandle) == (7, 8)
    again = Tree.from_blob(root.to_blob())
    assert again.add("d").phandle == 9
    for wrong in (0, 0xFFFF_FFFF, [1, 2], "x"):
        with pytest.raises(ConfigError):
            c["phandle"] = wrong
    b["phandle"] = 0xFFFF_FFFE
    with pytest.raises(ConfigError, match="no phandle left"):
        _ = root.add("e").phandle


def test_looking_around():
    root = board()
    uart = root.find("/soc/serial@10000000")
    assert uart is not None
    assert uart.path == "/soc/serial@10000000"
    assert uart.parent is root.find("/soc")
    assert uart.depth == 2
    assert uart.strings("compatible") == ["ns16550a"]
    assert uart.cells("reg") == [0, 0x1000_0000, 0, 0x100]
    assert "reg" in uart
    assert "nothing" not in uart
    del uart["reg"]
    assert "reg" not in uart
    assert root.find("/soc/nothing/below") is None
    assert root.find("/") is root
    assert "serial@10000000" in repr(uart)
    uart["odd"] = b"abc"
    uart["latin"] = b"\xff\0"
    for name in ("odd", "latin"):
        with pytest.raises(ConfigError):
            uart.strings(name)
    with pytest.raises(ConfigError):
        uart.cells("odd")


def test_reservations_boot_cpu_and_padding():
    root = Tree()
    root.reserved.append((0x8000_0000, 0x1000))
    root.boot_cpu = 3
    blob = root.to_blob(pad=100)
    assert struct.unpack_from(">I", blob, 4)[0] == len(blob)
    again = Tree.from_blob(blob)
    assert (again.reserved, again.boot_cpu) == ([(0x8000_0000, 0x1000)], 3)
    assert "/memreserve/ 0x0000000080000000 0x0000000000001000;" in again.to_dts()
    with pytest.raises(ConfigError, match="most"):
        root.to_blob(pad=MAX_BLOB)


def test_source_text():
    root = Tree()
    root["cells"] = [1, 0x20]
    root["text"] = ["a", 'b"\\']
    root["bytes"] = b"\1\2\3"
    root["flag"] = True
    root.add("a@1")["zero"] = b"\0"
    root.add("b")
    assert root.to_dts() == (
        "/dts-v1/;\n\n/ {\n"
        '\tcells = <0x1 0x20>;\n\ttext = "a", "b\\"\\\\";\n\tbytes = [01 02 03];\n\tflag;\n\n'
        "\ta@1 {\n\t\tzero = [00];\n\t};\n\n\tb {\n\t};\n};\n"
    )


def test_platform_nodes_have_the_bindings_of_the_virt_board():
    root = board()
    got = {}
    for path, name, value in dump(root.to_blob()):
        if name is not None and name != "phandle":
            got.setdefault(path, {})[name] = value
    intc = [root.find(f"/cpus/cpu@{i}/interrupt-controller").phandle for i in range(2)]
    plic = root.find("/soc/plic@c000000").phandle
    test = root.find("/soc/test@100000").phandle

    def cells(*values):
        return struct.pack(f">{len(values)}I", *values)

    interrupt = {"interrupt-parent": cells(plic)}
    expected = {
        "/soc/plic@c000000": {
            "compatible": b"sifive,plic-1.0.0\0riscv,plic0\0",
            "reg": cells(0, 0xC00_0000, 0, 0x60_0000),
            "interrupts-extended": cells(intc[0], 11, intc[0], 9, intc[1], 11, intc[1], 9),
            "interrupt-controller": b"",
            "#interrupt-cells": cells(1),
            "#address-cells": cells(0),
            "riscv,ndev": cells(96),
        },
        "/soc/clint@2000000": {
            "compatible": b"sifive,clint0\0riscv,clint0\0",
            "reg": cells(0, 0x200_0000, 0, 0x1_0000),
            "interrupts-extended": cells(intc[0], 3, intc[0], 7, intc[1], 3, intc[1], 7),
        },
        "/soc/sswi@2f00000": {
            "compatible": b"riscv,aclint-sswi\0",
            "reg": cells(0, 0x2F0_0000, 0, 0x4000),
            "interrupts-extended": cells(intc[0], 1, intc[1], 1),
            "interrupt-controller": b"",
            "#interrupt-cells": cells(0),
        },
        "/soc/serial@10000000": {
            "compatible": b"ns16550a\0",
            "reg": cells(0, 0x1000_0000, 0, 0x100),
            "clock-frequency": cells(3686400),
            "interrupts": cells(10),
            **interrupt,
        },
        "/soc/rtc@101000": {
            "compatible": b"google,goldfish-rtc\0",
            "reg": cells(0, 0x10_1000, 0, 0x1000),
            "interrupts": cells(11),
            **interrupt,
        },
        "/soc/test@100000": {
            "compatible": b"sifive,test1\0sifive,test0\0syscon\0",
            "reg": cells(0, 0x10_0000, 0, 0x1000),
        },
        "/poweroff": {
            "compatible": b"syscon-poweroff\0",
            "regmap": cells(test),
            "offset": cells(0),
            "value": cells(0x5555),
        },
        "/reboot": {
            "compatible": b"syscon-reboot\0",
            "regmap": cells(test),
            "offset": cells(0),
            "value": cells(0x7777),
        },
        "/flash@20000000": {
            "compatible": b"cfi-flash\0",
            "reg": cells(0, 0x2000_0000, 0, 0x200_0000, 0, 0x2200_0000, 0, 0x200_0000),
            "bank-width": cells(4),
        },
    }
    assert {path: got[path] for path in expected} == expected


names = st.text("abcXYZ019,._+-", min_size=1, max_size=12)
values = st.one_of(
    st.binary(max_size=20),
    st.integers(0, 2**32 - 1),
    st.lists(st.integers(0, 2**32 - 1), max_size=20),
    st.text('abc "\\é', max_size=8),
    st.lists(st.text("ab", max_size=4), min_size=1, max_size=3),
    st.just(True),
)
nodes = st.recursive(
    st.tuples(st.dictionaries(names, values, max_size=4), st.just({})),
    lambda below: st.tuples(
        st.dictionaries(names, values, max_size=4),
        st.dictionaries(st.tuples(names, names).map(lambda n: n[0] + "@" + n[1]), below, max_size=4),
    ),
    max_leaves=12,
)


def fill(node, described):
    properties, children = described
    for name, value in properties.items():
        if name != "phandle":
            node[name] = value
    for name, below in children.items():
        fill(node.add(name), below)


@given(nodes)
def test_round_trip(described):
    root = Tree()
    fill(root, described)
    blob = root.to_blob()
    listed = dump(blob)
    assert len([1 for _, name, _ in listed if name is None]) == len(list(root))
    again = Tree.from_blob(blob)
    assert again == root
    assert again.to_blob() == blob
    assert again.to_dts() == root.to_dts()


GOOD = board().to_blob()


def parse(blob):
    """A blob gives a tree that can be written again, or a LoadError; nothing else."""
    try:
        tree = Tree.from_blob(blob)
    except LoadError:
        return None
    assert Tree.from_blob(tree.to_blob()) == tree
    tree.to_dts()
    return tree


@given(st.integers(0, len(GOOD) - 1), st.binary(min_size=1, max_size=8))
def test_damaged_blobs_give_a_typed_error(at, patch):
    parse((GOOD[:at] + patch + GOOD[at + len(patch) :])[: len(GOOD)])


@given(st.integers(0, len(GOOD) - 1))
def test_truncated_blobs_give_a_typed_error(size):
    with pytest.raises(LoadError):
        Tree.from_blob(GOOD[:size])


def blob_of(*words, text=b"a\0", **header):
    """Build a blob by hand from structure words (ints or bytes)."""
    body = b"".join(w if isinstance(w, bytes) else struct.pack(">I", w) for w in words)
    h = {
        "magic": 0xD00DFEED,
        "total": 56 + len(body) + len(text),
        "struct_at": 56,
        "text_at": 56 + len(body),
        "reserve_at": 40,
        "version": 17,
        "oldest": 16,
        "cpu": 0,
        "text_size": len(text),
        "struct_size": len(body),
        **header,
    }
    return struct.pack(">10I", *h.values()) + bytes(16) + body + text


ROOT = (1, b"\0\0\0\0")


@given(
    st.lists(st.one_of(st.sampled_from([*range(10), b"\0\0\0\0", b"a\0\0\0"]), st.integers(0, 2**32 - 1)), max_size=30)
)
@example([1, b"\0\0\0\0", 2, 9])
def test_random_structure_blocks_give_a_typed_error(words):
    parse(blob_of(*words))


def test_a_blob_by_hand_is_read():
    tree = parse(blob_of(4, *ROOT, 3, 1, 0, b"x\0\0\0", 4, 1, b"n\0\0\0", 2, 2, 4, 9))
    assert tree is not None
    assert tree["a"] == b"x"
    assert tree.find("/n") is not None


@pytest.mark.parametrize(
    ("blob", "says"),
    [
        (blob_of(*ROOT, 2, 9, magic=1), "begins with"),
        (blob_of(*ROOT, 2, 9, version=16), "version"),
        (blob_of(*ROOT, 2, 9, oldest=18), "version"),
        (blob_of(*ROOT, 2, 9, total=0xFFFF_FFFF), "should have"),
        (blob_of(*ROOT, 2, 9, struct_at=57), "structure block"),
        (blob_of(*ROOT, 2, 9, struct_size=0xFFFF_FFFF), "structure block"),
        (blob_of(*ROOT, 2, 9, text_at=0xFFFF_FFFF), "strings block"),
        (blob_of(*ROOT, 2, 9, reserve_at=41), "reservations"),
        (blob_of(*ROOT, 2, 9, reserve_at=72), "reservations have no end"),
        (blob_of(*ROOT, 2), "END token"),
        (blob_of(*ROOT, 9), "cannot stand"),
        (blob_of(9), "cannot stand"),
        (blob_of(2), "cannot stand"),
        (blob_of(3, 0, 0), "cannot stand"),
        (blob_of(*ROOT, 2, *ROOT, 2, 9), "cannot stand"),
        (blob_of(*ROOT, 5), "cannot stand"),
        (blob_of(1, b"abcd" * 100), "no end"),
        (blob_of(*ROOT, *ROOT, 2, 2, 9), "no node name"),
        (blob_of(*ROOT, 1, b"a/b\0", 2, 2, 9), "no node name"),
        (blob_of(*ROOT, 1, b"\xff\0\0\0", 2, 2, 9), "no node name"),
        (blob_of(*ROOT, 1, b"n\0\0\0", 2, 1, b"n\0\0\0", 2, 2, 9), "two nodes"),
        (blob_of(*ROOT, 3, 0, 0, 3, 0, 0, 2, 9), "two properties"),
        (blob_of(*ROOT, 3, 0xFFFF_FFF0, 0, 2, 9), "passes the end"),
        (blob_of(*ROOT, 3, 0, 1, 2, 9), "property name"),
        (blob_of(*ROOT, 3, 0, 0xFFFF_FFFF, 2, 9), "property name"),
        (blob_of(*ROOT, 3, 0, 0, 2, 9, text=b"a" * 300), "property name"),
        (blob_of(*ROOT, 3, 0, 0, 2, 9, text=b"phandle\0"), "phandle"),
        (blob_of(*(1, b"n\0\0\0") * 65), "deeper than 64"),
        (bytes(3), "header"),
        (b"", "header"),
    ],
)
def test_what_is_wrong_is_said(blob, says):
    with pytest.raises(LoadError, match=says):
        Tree.from_blob(blob)


def test_bytes_behind_the_blob_do_not_matter():
    assert Tree.from_blob(GOOD + bytes(100)) == Tree.from_blob(memoryview(GOOD))
