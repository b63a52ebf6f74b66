"""Registers, CSRs and memory as scripts see them: ``vm.x.a0``, ``vm.csr.mstatus``, ``vm.mem[a:b]``."""

from cpython.bytes cimport PyBytes_FromStringAndSize
from cpython.long cimport PyLong_AsUnsignedLongLongMask
from cpython.object cimport PyObject_GenericGetAttr
from libc.stdint cimport uint8_t, uint32_t, uint64_t
from libc.string cimport memcpy

from vmcore._fast.hart.state cimport Hart
from vmcore._fast.memory.mmu cimport WALK_OK, WANT_R
from vmcore._fast.memory.ram cimport ram_span
from vmcore._fast.memory.tlb cimport TLB_MASK, TlbEntry
from vmcore._fast.run cimport Core
from vmcore.errors import ClosedError, ConfigError, MemoryAccessError, SymbolError

cdef tuple X_ABI = (
    "zero", "ra", "sp", "gp", "tp", "t0", "t1", "t2", "s0", "s1", "a0", "a1", "a2", "a3", "a4", "a5", "a6", "a7",
    "s2", "s3", "s4", "s5", "s6", "s7", "s8", "s9", "s10", "s11", "t3", "t4", "t5", "t6")
cdef tuple F_ABI = (
    "ft0", "ft1", "ft2", "ft3", "ft4", "ft5", "ft6", "ft7", "fs0", "fs1", "fa0", "fa1", "fa2", "fa3", "fa4", "fa5",
    "fa6", "fa7", "fs2", "fs3", "fs4", "fs5", "fs6", "fs7", "fs8", "fs9", "fs10", "fs11", "ft8", "ft9", "ft10",
    "ft11")
cdef dict X_NAMES = {name: i for i, name in enumerate(X_ABI)} | {f"x{i}": i for i in range(32)} | {"fp": 8}
cdef dict F_NAMES = {name: i for i, name in enumerate(F_ABI)} | {f"f{i}": i for i in range(32)}


cdef int number_of(dict names, object key, str what) except -1:
    cdef object n = names.get(key)
    if n is None:
        if isinstance(key, int) and 0 <= key < 32:
            return <int>key
        raise ConfigError(f"no {what} register {key!r}",
                          hint=f"Registers are 0 to 31 or {', '.join(list(names)[:6])}, ...")
    return <int>n


cdef inline uint64_t to_address(Core core, object key) except? 0xFFFFFFFFFFFFFFFFu:
    if isinstance(key, int):
        try:
            return <uint64_t>key
        except OverflowError:
            if not -(1 << 63) <= key < 0:
                raise MemoryAccessError(f"{key:#x} is no address of 64 bits") from None
        return PyLong_AsUnsignedLongLongMask(key)
    if core.resolver is None:
        raise SymbolError(f"no symbol {key!r}: no image with symbols is loaded")
    return <uint64_t>(core.resolver(key) & 0xFFFFFFFFFFFFFFFF)


cdef class Registers:
    """The integer registers of one hart, by ABI name (``a0``), number (``x10``) or index.

    Values are unsigned 64-bit integers; assigned values are taken modulo 2**64.
    """

    cdef Core core
    cdef Hart *hart

    def __init__(self, Core core, index):
        self.core = core
        self.hart = core.hart(index)

    def __getattribute__(self, str name):
        # Not __getattr__: that is asked only after the ordinary search has failed, which costs far more than the read.
        n = X_NAMES.get(name)
        if n is None:
            return PyObject_GenericGetAttr(self, name)
        if self.core.closed:
            raise ClosedError("the machine is closed")
        if self.core.team:
            self.core.still(self.hart)
        return self.hart.x[<int>n]

    def __setattr__(self, str name, value):
        n = X_NAMES.get(name)
        if n is None:
            raise AttributeError(f"no register {name!r}; there are x0 to x31 and their ABI names")
        self[n] = value

    def __getitem__(self, key):
        cdef int n = number_of(X_NAMES, key, "integer")
        if self.core.closed:
            raise ClosedError("the machine is closed")
        if self.core.team:
            self.core.still(self.hart)
        return self.hart.x[n]

    def __setitem__(self, key, value):
        cdef int n = number_of(X_NAMES, key, "integer")
        if self.core.closed:
            raise ClosedError("the machine is closed")
        if self.core.team:
            self.core.still(self.hart)
        if n:
            self.hart.x[n] = <uint64_t>(value & 0xFFFFFFFFFFFFFFFF)

    def __len__(self):
        return 32

    def __iter__(self):
        return iter([self[i] for i in range(32)])

    def __dir__(self):
        return list(X_NAMES)

    def as_dict(self):
        """Return all registers as a dict from ABI name to value."""
        return {name: self[i] for i, name in enumerate(X_ABI)}

    def __repr__(self):
        lines = []
        for row in range(8):
            lines.append("  ".join(f"{X_ABI[i]:>4} {self[i]:016x}" for i in range(4 * row, 4 * row + 4)))
        return "\n".join(lines)


cdef class FloatRegisters:
    """The floating-point registers of one hart, by ABI name (``fa0``), number (``f10``) or index.

    Values are Python floats: a NaN-boxed single reads as its value, anything else as a double. Floats are stored as
    doubles. :meth:`bits` and :meth:`set_bits` reach the 64 bits themselves.
    """

    cdef Core core
    cdef Hart *hart

    def __init__(self, Core core, index):
        self.core = core
        self.hart = core.hart(index)

    def __getattribute__(self, str name):
        n = F_NAMES.get(name)
        if n is None:
            return PyObject_GenericGetAttr(self, name)
        return self[n]

    def __setattr__(self, str name, value):
        n = F_NAMES.get(name)
        if n is None:
            raise AttributeError(f"no register {name!r}; there are f0 to f31 and their ABI names")
        self[n] = value

    def __getitem__(self, key):
        cdef uint64_t bits = self.bits(key)
        cdef uint32_t low = <uint32_t>bits
        cdef float single
        cdef double value
        if bits >> 32 == 0xFFFFFFFFu:
            memcpy(&single, &low, 4)
            return <double>single
        memcpy(&value, &bits, 8)
        return value

    def __setitem__(self, key, value):
        cdef double number = value
        cdef uint64_t bits
        memcpy(&bits, &number, 8)
        self.set_bits(key, bits)

    def bits(self, key):
        """Return the 64 bits of a register as an int."""
        cdef int n = number_of(F_NAMES, key, "floating-point")
        if self.core.closed:
            raise ClosedError("the machine is closed")
        if self.core.team:
            self.core.still(self.hart)
        return self.hart.f[n]

    def set_bits(self, key, value):
        """Set the 64 bits of a register."""
        cdef int n = number_of(F_NAMES, key, "floating-point")
        if self.core.closed:
            raise ClosedError("the machine is closed")
        if self.core.team:
            self.core.still(self.hart)
        self.hart.f[n] = <uint64_t>(value & 0xFFFFFFFFFFFFFFFF)

    def __len__(self):
        return 32

    def __dir__(self):
        return [*F_NAMES, "bits", "set_bits"]

    def __repr__(self):
        return "\n".join("  ".join(f"{F_ABI[i]:>4} {self.bits(i):016x} {self[i]:<12.6g}" for i in range(r, r + 2))
                         for r in range(0, 32, 2))


cdef class Csrs:
    """The control and status registers of one hart, by name or number, as M-mode would access them.

    Parameters
    ----------
    core : Core
    index : int
        Hart.
    names : dict
        CSR name -> number.
    """

    cdef Core core
    cdef dict names
    cdef object index

    def __init__(self, Core core, index, dict names):
        core.hart(index)
        self.core = core
        self.index = index
        self.names = names

    cdef object number(self, object key):
        if isinstance(key, int):
            if not 0 <= key <= 0xFFF:
                raise ConfigError(f"CSR number {key!r}: allowed are 0 to 0xfff")
            return key
        n = self.names.get(key)
        if n is None:
            raise ConfigError(f"no CSR {key!r}", hint="Use a name of the privileged specification, or a number")
        return n

    def __getattribute__(self, str name):
        if name not in self.names:
            return PyObject_GenericGetAttr(self, name)
        return self[name]

    def __setattr__(self, str name, value):
        if name not in self.names:
            raise AttributeError(f"no CSR {name!r}")
        self[name] = value

    def __getitem__(self, key):
        value = self.core.csr_read(self.index, self.number(key))
        if value is None:
            raise ConfigError(f"hart {self.index} has no CSR {key!r}", hint="Its ISA string does not include it")
        return value

    def __setitem__(self, key, value):
        if not self.core.csr_write(self.index, self.number(key), value):
            raise ConfigError(f"hart {self.index} has no writable CSR {key!r}")

    def __dir__(self):
        return list(self.names)


cdef class MemoryFace:
    """Guest memory by address: virtual, as one hart sees it now, or physical.

    ``mem[a:b]`` is bytes, ``mem[a]`` one byte; both can be assigned. Addresses may be symbols. Access rights of the
    guest do not apply: what is mapped can be read and written.

    Parameters
    ----------
    core : Core
    index : int or None
        The hart whose virtual memory this is; None for physical memory.
    """

    cdef Core core
    cdef Hart *hart
    cdef object index

    def __init__(self, Core core, index=None):
        self.core = core
        self.index = index
        self.hart = core.hart(0 if index is None else index)

    cdef object get(self, uint64_t at, uint64_t n):
        cdef uint64_t got = 0
        cdef uint8_t *host
        cdef TlbEntry *e
        if self.core.closed:
            raise ClosedError("the machine is closed")
        if self.index is None:
            host = ram_span(&self.core.sys.mem, at, n, False, &got)
            if host != NULL and got == n:
                return PyBytes_FromStringAndSize(<char *>host, n)
            return self.core.memory.read(at, n)
        if self.core.team:
            self.core.still(self.hart)
        e = &self.hart.tlb_r[(at >> 12) & TLB_MASK]
        if n - 1 < 4096 and (at ^ e.tag) <= 4096 - n:
            return PyBytes_FromStringAndSize(<char *>(at + e.addend), n)
        if n <= 4096 - (at & 4095) and self.core.look_up(self.hart, at, WANT_R) == WALK_OK:
            host = ram_span(&self.core.sys.mem, self.hart.walk.gpa, n, False, &got)
            if host != NULL and got == n:
                return PyBytes_FromStringAndSize(<char *>host, n)
        return self.core.read_virt(self.index, at, n)

    def __getitem__(self, key):
        cdef uint64_t a, b
        cdef slice part
        if isinstance(key, slice):
            part = <slice>key
            if part.step is not None or part.start is None or part.stop is None:
                raise MemoryAccessError(f"memory slice {key!r} needs a start and an end, and no step")
            a = to_address(self.core, part.start)
            b = to_address(self.core, part.stop)
            if b < a:
                raise MemoryAccessError(f"memory slice ends at {b:#x}, before its start {a:#x}")
            if b - a > <uint64_t>1 << 36:
                raise MemoryAccessError(f"memory slice of {b - a:#x} bytes is larger than any guest's RAM")
            return self.get(a, b - a)
        return self.get(to_address(self.core, key), 1)[0]

    def __setitem__(self, key, value):
        cdef uint64_t a, b
        if not isinstance(key, slice):
            self.write(key, bytes([value]))
            return
        if key.step is not None or key.start is None:
            raise MemoryAccessError(f"memory slice {key!r} needs a start, and no step")
        a = to_address(self.core, key.start)
        data = memoryview(value).cast("B")
        if key.stop is not None:
            b = to_address(self.core, key.stop)
            if b - a != <uint64_t>len(data):
                raise MemoryAccessError(f"{len(data)} bytes do not fill the slice {a:#x} to {b:#x}",
                                        hint="Assign exactly as many bytes as the slice has, or leave its end out")
        self.write(a, data)

    def read(self, address, n):
        """Return `n` bytes at `address` (a number or a symbol)."""
        if n < 0 or n > 1 << 36:
            raise MemoryAccessError(f"cannot read {n} bytes")
        return self.get(to_address(self.core, address), n)

    def write(self, address, data):
        """Write `data` at `address` (a number or a symbol); all of it or, with an error, nothing."""
        cdef uint64_t at = to_address(self.core, address)
        cdef const uint8_t[::1] raw = memoryview(data).cast("B")
        if self.core.closed:
            raise ClosedError("the machine is closed")
        if self.index is None:
            self.core.memory.poke(at, raw)
            self.core.fence_i()
        else:
            self.core.write_virt(self.index, at, raw)

    def u8(self, address):
        """Return the byte at `address`."""
        return self.read(address, 1)[0]

    def u16(self, address):
        """Return the little-endian 16-bit value at `address`."""
        return int.from_bytes(self.read(address, 2), "little")

    def u32(self, address):
        """Return the little-endian 32-bit value at `address`."""
        return int.from_bytes(self.read(address, 4), "little")

    def u64(self, address):
        """Return the little-endian 64-bit value at `address`."""
        return int.from_bytes(self.read(address, 8), "little")

    def string(self, address, limit=4096):
        """Return the NUL-terminated string at `address`, at most `limit` bytes of it, decoded as UTF-8."""
        cdef uint64_t at = to_address(self.core, address)
        out = bytearray()
        while len(out) < limit:
            n = min(4096 - (at & 4095), limit - len(out))
            part = self.get(at, n)
            end = part.find(b"\0")
            if end >= 0:
                return (bytes(out) + part[:end]).decode("utf-8", "replace")
            out += part
            at += n
        return bytes(out).decode("utf-8", "replace")

    def __repr__(self):
        where = "physical" if self.index is None else f"virtual, hart {self.index}"
        return f"<memory: {where}>"
