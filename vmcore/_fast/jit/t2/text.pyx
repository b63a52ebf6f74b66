"""Graphs as text.

The grammar, with literals in quotes and everything after ``;`` on a line left out::

    region   = ["region" {"insns" INT | "fpu"}] {block}
    block    = BLOCK ["(" [arg {"," arg}] ")"] ["@" INT] ":" {node} end
    arg      = NODE "." TYPE
    node     = [NODE "="] OP ["." TYPE] [value {"," value}] ["#" INT] {mark} [snap]
    mark     = "size" INT | "mode" INT | "write" | "signed" | "early" | "covered" | "remat"
    value    = NODE | INT
    end      = "goto" edge | "branch" value "," edge "," edge | "leave" snap | "leave_to" value snap
    edge     = BLOCK ["(" [value {"," value}] ")"] ["times" INT]
    snap     = "[" ("next" | "step") INT ["count" INT] ["insn" INT] ":" {REGISTER "=" value} "]"

NODE is ``v`` and a number, BLOCK ``b`` and a number, REGISTER ``x1`` to ``x31`` or ``f0`` to ``f31``, TYPE ``int``,
``f64`` or ``f32``, OP a name from ops.h. A type is written where the operation leaves it open. The first block is the
one where the region is entered. ``fpu`` in the head goes without saying where there is that operation. ``entry`` takes
a register in place of ``#`` and its number, ``const`` a number.

A number where a value is expected is a constant; these stand in the first block and are not written, unless
they are marked or stand elsewhere. ``#`` is what ir.pxd calls `imm`.
"""

import re

from libc.stdint cimport int32_t, int64_t, uint8_t, uint32_t, uint64_t

from vmcore._fast.jit.t2.build cimport base_node, const_node, entry_node
from vmcore._fast.jit.t2.ir cimport (
    END_BRANCH, END_GOTO, END_LEAVE, END_LEAVE_TO, END_NONE, F_REGISTERS, MEM_AHEAD, MEM_EARLY, MEM_GUESS, MEM_SIGNED,
    MEM_WRITE, MOST_OFF, NODE_COVERED, NODE_REMAT, OP_ARG, OP_BASE, OP_CONST, OP_COUNT_OF, OP_ENTRY, OP_FPU, OP_HOST,
    T_NONE, append, append_arg, edge_arg, new_block, new_snap, op_row, operand, pool_take, snap_node, snap_reg, BlockOf,
    Edge, Graph, Node, OpRow, Snap)
from vmcore.errors import ConfigError

cdef enum:
    OWN_TYPE = 0xFF           # the node says it

cdef object LEAST = -0x8000000000000000
cdef object MOST = 0xFFFFFFFFFFFFFFFF
cdef tuple TYPES = ("none", "int", "f64", "f32")
cdef tuple KINDS = ("next", "step")
cdef dict OPERATIONS = {op_row(op).name.decode(): op for op in range(1, OP_COUNT_OF)}
cdef dict MARKS = {"write": MEM_WRITE, "signed": MEM_SIGNED, "early": MEM_EARLY, "guess": MEM_GUESS, "ahead": MEM_AHEAD,
                   "covered": NODE_COVERED, "remat": NODE_REMAT}
cdef object TOKEN = re.compile(r"\s*(?:([a-z_][a-z0-9_]*|-?0x[0-9a-fA-F]+|-?\d+|[=.,()@:#\[\]])|(\S))")


# --- writing ----------------------------------------------------------------------------------------------------------

cdef class _Writer:
    """One graph, and the numbers of its nodes and blocks."""

    cdef const Graph *g
    cdef dict nodes
    cdef dict blocks
    cdef list lines
    cdef list owners          # the node of each line, 0: it is no node's

    cdef say(self, str line, uint32_t node=0):
        self.lines.append(line)
        self.owners.append(node)

    cdef number_all(self, bint renumber):
        cdef uint32_t i, node
        self.nodes = {}
        self.blocks = {}
        self.lines = []
        self.owners = []
        for i in range(1, self.g.nblocks):
            if self.g.blocks[i].end == END_NONE and self.g.blocks[i].first == 0:
                continue
            self.blocks[i] = len(self.blocks) + 1 if renumber else i
            node = self.g.blocks[i].first
            while node:
                if self.g.nodes[node].type and not self.is_plain(node):
                    self.nodes[node] = len(self.nodes) + 1 if renumber else node
                node = self.g.nodes[node].next

    cdef bint is_plain(self, uint32_t node):
        cdef const Node *n = &self.g.nodes[node]
        return n.op == OP_CONST and n.block == 1 and n.flags == 0

    cdef str number(self, int64_t value):
        return str(value) if -4096 <= value <= 4096 else hex(value)

    cdef str value(self, uint32_t node):
        if self.is_plain(node):
            return self.number(self.g.nodes[node].imm)
        return f"v{self.nodes.get(node, f'_lost_{node}')}"

    cdef str register(self, int64_t reg):
        return f"f{reg - F_REGISTERS}" if reg >= F_REGISTERS else f"x{reg}"

    cdef str snap(self, uint32_t number):
        cdef const Snap *s = &self.g.snaps[number]
        cdef uint32_t i
        text = f" [{KINDS[s.kind]} {s.off:#x}"
        if s.count:
            text += f" count {s.count}"
        if s.insn:
            text += f" insn {s.insn}"
        regs = [(snap_reg(self.g, s, i), snap_node(self.g, s, i)) for i in range(s.nregs)]
        return text + ":" + "".join(f" {self.register(reg)}={self.value(node)}" for reg, node in regs) + "]"

    cdef str node(self, uint32_t node):
        cdef const Node *n = &self.g.nodes[node]
        cdef const OpRow *row = op_row(n.op)
        cdef uint32_t i
        text = f"v{self.nodes[node]} = " if n.type else ""
        text += row.name.decode()
        if n.op == OP_ENTRY:
            return f"{text} {self.register(n.imm)}"
        if row.type == OWN_TYPE:
            text += f".{TYPES[n.type]}"
        values = [self.value(operand(n, i)) for i in range(row.args) if not (n.op == OP_HOST and operand(n, i) == 0)]
        if n.op == OP_CONST:
            values = [self.number(n.imm)]
        text += " " * bool(values) + ", ".join(values)
        if n.imm and n.op != OP_CONST:
            text += f" #{self.number(n.imm)}"
        if n.size:
            text += f" size {n.size}"
        if n.mode:
            text += f" mode {n.mode}"
        for name, flag in MARKS.items():
            if n.flags & flag:
                text += f" {name}"
        return text + self.snap(n.snap) if n.snap else text

    cdef str edge(self, const Edge *e):
        cdef uint32_t i
        to = f"b{self.blocks.get(e.to, e.to)}"
        if e.nargs:
            to += f"({', '.join([self.value(edge_arg(self.g, e, i)) for i in range(e.nargs)])})"
        return f"{to} times {e.times}" if e.times else to

    cdef str end(self, const BlockOf *b):
        if b.end == END_GOTO:
            return f"goto {self.edge(&b.edges[0])}"
        if b.end == END_BRANCH:
            return f"branch {self.value(b.cond)}, {self.edge(&b.edges[0])}, {self.edge(&b.edges[1])}"
        if b.end == END_LEAVE:
            return f"leave{self.snap(b.snap)}"
        return f"leave_to {self.value(b.cond)}{self.snap(b.snap)}" if b.end == END_LEAVE_TO else "; no end"

    cdef block(self, uint32_t number):
        cdef const BlockOf *b = &self.g.blocks[number]
        cdef uint32_t node = b.first
        args = []
        while node and self.g.nodes[node].op == OP_ARG:
            args.append(f"v{self.nodes[node]}.{TYPES[self.g.nodes[node].type]}")
            node = self.g.nodes[node].next
        text = f"b{self.blocks[number]}" + (f"({', '.join(args)})" if args else "")
        self.say(text + (f" @{b.off:#x}:" if b.off else ":"))
        while node:
            if not self.is_plain(node):
                self.say(f"  {self.node(node)}", node)
            node = self.g.nodes[node].next
        self.say(f"  {self.end(b)}")

    cdef write(self, const Graph *g, bint renumber):
        cdef uint32_t number
        self.g = g
        self.number_all(renumber)
        head = (f" insns {g.insns}" if g.insns else "") + (" fpu" if g.has_fpu else "")
        if head:
            self.say(f"region{head}")
        for number in self.blocks:
            self.block(number)


cdef str graph_text(const Graph *g, bint renumber):
    cdef _Writer w = _Writer.__new__(_Writer)
    w.write(g, renumber)
    return "\n".join(w.lines) + "\n"


cdef list graph_lines(const Graph *g):
    cdef _Writer w = _Writer.__new__(_Writer)
    w.write(g, False)
    return list(zip(w.owners, w.lines, strict=True))


# --- reading ----------------------------------------------------------------------------------------------------------
#
# A node may be named before it is there, so names are put in last.

cdef class _Reader:
    """A text, and how far it was read."""

    cdef Graph *g
    cdef list tokens          # of (text, line)
    cdef uint32_t at
    cdef dict nodes           # by name
    cdef dict blocks
    cdef list uses            # of (function that puts it in, name, line)

    cdef split(self, str text):
        self.tokens = []
        for number, line in enumerate(text.splitlines(), 1):
            for match in TOKEN.finditer(line.partition(";")[0]):
                if match[2]:
                    raise self.wrong(f"{match[2]!r} means nothing", number)
                self.tokens.append((match[1], number))

    cdef wrong(self, str what, line=None):
        if line is None:
            line = self.tokens[min(self.at, len(self.tokens) - 1)][1] if self.tokens else 1
        return ConfigError(f"line {line}: {what}", hint="The grammar is in the documentation of the text form")

    cdef str peek(self):
        return self.tokens[self.at][0] if self.at < len(self.tokens) else ""

    cdef str take(self):
        found = self.peek()
        if not found:
            raise self.wrong("the text ends too early")
        self.at += 1
        return found

    cdef bint have(self, str token):
        if self.peek() != token:
            return False
        self.at += 1
        return True

    cdef want(self, str token):
        if not self.have(token):
            raise self.wrong(f"{self.peek()!r} where {token!r} is expected")

    cdef bint is_name(self, str kind):
        token = self.peek()
        return token[:1] == kind and token[1:].isdigit()

    cdef str name(self, str kind):
        if not self.is_name(kind):
            raise self.wrong(f"{self.peek()!r} where {kind} and a number are expected")
        return self.take()

    cdef bint is_int(self):
        token = self.peek()
        return token[:1].isdigit() or token[:1] == "-"

    cdef int64_t integer(self, low=LEAST, high=MOST) except? -1:
        if not self.is_int():
            raise self.wrong(f"{self.peek()!r} where a number is expected")
        value = int(self.peek(), 0)
        if not low <= value <= high:
            raise self.wrong(f"{value:#x} is not from {low:#x} to {high:#x}")
        self.at += 1
        return <int64_t><uint64_t>(value & MOST)

    cdef int32_t place(self) except? -1:
        # Of an instruction, from the start of the region's first page.
        return <int32_t>self.integer(-MOST_OFF, MOST_OFF)

    cdef uint8_t type(self) except? 0:
        token = self.peek()
        if token not in TYPES[1:]:
            raise self.wrong(f"{token!r} is no type: they are int, f64, f32")
        self.at += 1
        return TYPES.index(token)

    cdef register(self):
        token = self.peek()
        if token[:1] not in ("x", "f") or not token[1:].isdigit() or int(token[1:]) > 31 or token == "x0":
            raise self.wrong(f"{token!r} is no register: they are x1 to x31, f0 to f31")
        self.at += 1
        return int(token[1:]) + (F_REGISTERS if token[0] == "f" else 0)

    cdef value(self, put):
        """Read a value; `put` is called with its node, now or when all nodes are there."""
        cdef uint32_t node
        if self.is_int():
            node = const_node(self.g, self.integer())
            self.check_room(node)
            put(node)
        else:
            line = self.tokens[min(self.at, len(self.tokens) - 1)][1] if self.tokens else 1
            self.uses.append((put, self.name("v"), line))

    cdef check_room(self, uint32_t made):
        if made == 0 or self.g.failed:
            raise MemoryError("no memory for a graph, or it is too large")

    cdef uint32_t block_of(self, str name) except 0:
        cdef uint32_t block
        if name not in self.blocks:
            block = new_block(self.g)
            self.check_room(block)
            self.blocks[name] = block
        return self.blocks[name]

    cdef uint32_t snap(self) except 0:
        cdef uint32_t number, kind, i
        cdef int32_t off
        cdef uint32_t count = 0
        cdef uint32_t insn = 0
        self.want("[")
        token = self.take()
        if token not in KINDS:
            raise self.wrong(f"{token!r} where next or step is expected")
        kind = KINDS.index(token)
        off = self.place()
        if self.have("count"):
            count = self.integer(0, 0x7FFFFFFF)
        if self.have("insn"):
            insn = self.integer(0, 0x7FFFFFFF)
        self.want(":")
        regs = []
        while not self.have("]"):
            reg = self.register()
            self.want("=")
            regs.append((reg, self.at))
            self.skip_value()
        number = new_snap(self.g, off, count, kind, len(regs))
        self.check_room(number)
        self.g.snaps[number].insn = insn
        after = self.at
        for i in range(len(regs)):
            self.at = regs[i][1]
            self.value(self.into_pool(self.g.snaps[number].regs + i, regs[i][0], 8))
        self.at = after
        return number

    cdef skip_value(self):
        if self.is_int():
            self.integer()
        else:
            self.name("v")

    def into_pool(self, uint32_t at, uint32_t low, uint32_t shift):
        """Return what puts a node into the pool."""
        def put(uint32_t node):
            self.g.pool[at] = low | node << shift
        return put

    def into_node(self, uint32_t user, uint32_t i):
        """Return what makes a node an operand."""
        def put(uint32_t node):
            if i == 0:
                self.g.nodes[user].a = node
            elif i == 1:
                self.g.nodes[user].b = node
            else:
                self.g.nodes[user].c = node
        return put

    def into_cond(self, uint32_t block):
        """Return what makes a node the condition of a block."""
        def put(uint32_t node):
            self.g.blocks[block].cond = node
        return put

    cdef define(self, str name, uint32_t node):
        self.check_room(node)
        if name in self.nodes:
            raise self.wrong(f"{name} is made twice")
        self.nodes[name] = node

    cdef edge(self, uint32_t block):
        cdef uint32_t first, i
        cdef BlockOf *b
        cdef uint32_t to = self.block_of(self.name("b"))
        cdef uint32_t number = self.g.blocks[block].nedges
        starts = []
        if self.have("(") and not self.have(")"):
            starts.append(self.at)
            self.skip_value()
            while not self.have(")"):
                self.want(",")
                starts.append(self.at)
                self.skip_value()
        first = pool_take(self.g, len(starts)) if starts else 0
        if starts:
            self.check_room(first)
        b = &self.g.blocks[block]
        b.edges[number].to = to
        b.edges[number].args = first
        b.edges[number].nargs = len(starts)
        b.nedges += 1
        if self.have("times"):
            b.edges[number].times = self.integer(0, 0xFFFF)
        after = self.at
        for i in range(len(starts)):
            self.at = starts[i]
            self.value(self.into_pool(first + i, 0, 0))
        self.at = after

    cdef end(self, uint32_t block, str how):
        cdef uint32_t snap
        if how == "goto":
            self.g.blocks[block].end = END_GOTO
            self.edge(block)
            return
        if how == "branch":
            self.g.blocks[block].end = END_BRANCH
            self.value(self.into_cond(block))
            self.want(",")
            self.edge(block)
            self.want(",")
            self.edge(block)
            return
        self.g.blocks[block].end = END_LEAVE if how == "leave" else END_LEAVE_TO
        if how == "leave_to":
            self.value(self.into_cond(block))
        snap = self.snap()
        self.g.blocks[block].snap = snap

    cdef node(self, uint32_t block, str name, str op_name):
        cdef uint32_t op, node, i, snap
        cdef uint8_t type
        cdef uint8_t flags = 0
        cdef const OpRow *row
        if op_name not in OPERATIONS or op_name == "arg":
            raise self.wrong(f"there is no operation {op_name!r}")
        op = OPERATIONS[op_name]
        row = op_row(op)
        type = row.type
        if self.have("."):
            type = self.type()
            if row.type != OWN_TYPE and row.type != type:
                raise self.wrong(f"{op_name} is not of that type")
        if op == OP_ENTRY:
            return self.define(name, entry_node(self.g, self.register()))
        if op == OP_FPU:
            self.g.has_fpu = True
        if op == OP_BASE:
            return self.define(name, base_node(self.g))
        if type == OWN_TYPE:
            raise self.wrong(f"{op_name} needs a type, such as {op_name}.int")
        if (type != T_NONE) != bool(name):
            raise self.wrong(f"{op_name} has {'a' if type else 'no'} result")
        node = append(self.g, block, op, type, 0, 0, 0, self.integer() if op == OP_CONST else 0)
        self.check_room(node)
        for i in range(row.args):
            if i:
                if op == OP_HOST and self.peek() != ",":
                    break
                self.want(",")
            self.value(self.into_node(node, i))
        if self.have("#"):
            self.g.nodes[node].imm = self.integer()
        if self.have("size"):
            self.g.nodes[node].size = self.integer(0, 65535)
        if self.have("mode"):
            self.g.nodes[node].mode = self.integer(0, 7)
        while self.peek() in MARKS:
            flags |= <uint8_t>MARKS[self.take()]
        self.g.nodes[node].flags = flags
        if self.peek() == "[":
            snap = self.snap()
            self.g.nodes[node].snap = snap
        if name:
            self.define(name, node)

    cdef block(self):
        cdef uint32_t block = self.block_of(self.name("b"))
        if self.g.blocks[block].end or self.g.blocks[block].first and block != 1:
            raise self.wrong(f"block {block} is made twice")
        if self.have("(") and not self.have(")"):
            while True:
                name = self.name("v")
                self.want(".")
                self.define(name, append_arg(self.g, block, self.type()))
                if self.have(")"):
                    break
                self.want(",")
        if self.have("@"):
            self.g.blocks[block].off = self.place()
        self.want(":")
        while True:
            name = ""
            if self.is_name("v"):
                name = self.take()
                self.want("=")
            token = self.take()
            if not name and token in ("goto", "branch", "leave", "leave_to"):
                return self.end(block, token)
            self.node(block, name, token)

    cdef number_blocks(self):
        # In the order in which they stand there; else a text would be written in another order than it was read in.
        before = ""
        for token, _ in self.tokens[self.at:]:
            if token[:1] == "b" and token[1:].isdigit() and before not in ("goto", ","):
                self.block_of(token)
            before = token

    cdef read(self):
        if self.have("region"):
            while True:
                if self.have("insns"):
                    self.g.insns = self.integer(0, 0x7FFFFFFF)
                elif self.have("fpu"):
                    self.g.has_fpu = True
                else:
                    break
        self.number_blocks()
        while self.at < len(self.tokens):
            self.block()
        for name, block in self.blocks.items():
            if self.g.blocks[block].end == END_NONE:
                raise self.wrong(f"{name} is not there")
        for put, name, line in self.uses:
            if name not in self.nodes:
                raise self.wrong(f"{name} is not there", line)
            put(self.nodes[name])


cdef int read_graph(Graph *g, str text) except -1:
    cdef _Reader r = _Reader.__new__(_Reader)
    r.g = g
    r.at = 0
    r.nodes = {}
    r.blocks = {}
    r.uses = []
    r.split(text)
    r.read()
    return 0
