"""Block code for CSRs and fences, and for whatever is run by calling its handler."""

from vmcore._fast.hart.state cimport Op, orders_store_load
from vmcore._fast.jit.block cimport (
    AWAY_NEXT, Block, away, call_handler, full_fence, poll, register_emitter, step)
from vmcore._fast.jit.x64.asm cimport CC_L, x_jcc


cdef void e_csr(Block *b, const Op *op) noexcept nogil:
    # Counters and time are read exactly: what was executed before is subtracted first. That is a poll, as a budget that
    # is both raised and used up would not look like it at the next one.
    if b.count > 1:
        b.count -= 1
        poll(b)
        away(b, x_jcc(&b.a, CC_L), AWAY_NEXT, b.off)
        b.count = 1
    call_handler(b, op)


cdef void e_fence(Block *b, const Op *op) noexcept nogil:
    # Where one thread runs all harts, its own order is every hart's order.
    if b.sys.parallel and orders_store_load(op.imm):
        full_fence(b)


cdef void e_pause(Block *b, const Op *op) noexcept nogil:
    # A hint to let others go first, where there are others.
    if b.sys.nharts > 1:
        step(b)


cdef void e_call(Block *b, const Op *op) noexcept nogil:
    # A handler that reads and writes registers only. It may refuse (a rounding mode that is reserved).
    call_handler(b, op)


for _name in ("csrrw", "csrrwi", "csrrs", "csrrsi", "csrrc", "csrrci"):
    register_emitter(_name, e_csr, False)
register_emitter("fence", e_fence, False)
register_emitter("pause", e_pause, False)

# Scalar cryptography, carry-less products and permutations: too rare to have code of their own.
for _name in (
    "clmul", "clmulh", "clmulr", "xperm4", "xperm8", "brev8",
    "aes64es", "aes64esm", "aes64ds", "aes64dsm", "aes64im", "aes64ks1i", "aes64ks2",
    "sha256sig0", "sha256sig1", "sha256sum0", "sha256sum1", "sha512sig0", "sha512sig1", "sha512sum0", "sha512sum1",
    "sm4ed", "sm4ks", "sm3p0", "sm3p1", "mop",
):
    register_emitter(_name, e_call, False)
