# Start, the M-mode trap handler behind run(), and the stubs that test programs run in any privilege.

    .option norvc
    .section .text.start, "ax"
    .globl _start
_start:
    csrr t0, mhartid
    bnez t0, other
    la sp, stack_top
    la t0, m_entry
    csrw mtvec, t0
    la t0, run_save
    csrw mscratch, t0
    li t0, 0x6000                    # FS = Dirty, so that a test may use the registers of F
    csrs mstatus, t0
    call prepare
    call main
    li a0, 0
    call finish
park:
    wfi
    j park

# The other harts: hart_main(hart) on a stack of its own, if the program has one (programs for one hart do not).
other:
    li t1, 7
    bgtu t0, t1, park
    la t1, other_trap
    csrw mtvec, t1
    la sp, hart_stacks
    addi t1, t0, 1
    slli t1, t1, 12
    add sp, sp, t1
    mv a0, t0
    call hart_main
    j park
    .balign 4
other_trap:
    la sp, hart_stacks
    li t0, 4096
    add sp, sp, t0
    csrr a0, mcause
    csrr a1, mepc
    csrr a2, mtval
    call stray_trap
    j park
    .weak hart_main
hart_main:
    j park

# u64 run(u64 priv, u64 pc, u64 a0, u64 a1, u64 a2): continue at `pc` in privilege `priv` until a trap reaches M-mode;
# the trap and the registers are then in T. Returns mcause.
    .globl run
run:
    la t0, run_save
    sd ra, 0(t0)
    sd sp, 8(t0)
    sd gp, 16(t0)
    sd tp, 24(t0)
    sd s0, 32(t0)
    sd s1, 40(t0)
    sd s2, 48(t0)
    sd s3, 56(t0)
    sd s4, 64(t0)
    sd s5, 72(t0)
    sd s6, 80(t0)
    sd s7, 88(t0)
    sd s8, 96(t0)
    sd s9, 104(t0)
    sd s10, 112(t0)
    sd s11, 120(t0)
    li t1, 1
    sd t1, 128(t0)
    li t1, 0x1800                    # mstatus.MPP
    csrc mstatus, t1
    slli a0, a0, 11
    csrs mstatus, a0
    csrw mepc, a1
    mv a0, a2
    mv a1, a3
    mv a2, a4
    mret

    .balign 4
    .globl m_entry
m_entry:
    csrrw sp, mscratch, sp
    sd a0, 136(sp)
    sd a1, 144(sp)
    sd a2, 152(sp)
    ld a0, 128(sp)
    beqz a0, stray
    sd zero, 128(sp)
    la a1, T
    csrr a0, mcause
    sd a0, 0(a1)
    csrr a2, mepc
    sd a2, 8(a1)
    csrr a2, mtval
    sd a2, 16(a1)
    csrr a2, mstatus
    sd a2, 24(a1)
    ld a2, 136(sp)
    sd a2, 32(a1)
    ld a2, 144(sp)
    sd a2, 40(a1)
    ld a2, 152(sp)
    sd a2, 48(a1)
    csrw mscratch, sp
    mv t0, sp
    li a1, 0x20000                   # MPRV must not outlive the test that set it
    csrc mstatus, a1
    ld ra, 0(t0)
    ld sp, 8(t0)
    ld gp, 16(t0)
    ld tp, 24(t0)
    ld s0, 32(t0)
    ld s1, 40(t0)
    ld s2, 48(t0)
    ld s3, 56(t0)
    ld s4, 64(t0)
    ld s5, 72(t0)
    ld s6, 80(t0)
    ld s7, 88(t0)
    ld s8, 96(t0)
    ld s9, 104(t0)
    ld s10, 112(t0)
    ld s11, 120(t0)
    ret
stray:
    la sp, stack_top
    csrr a0, mcause
    csrr a1, mepc
    csrr a2, mtval
    call stray_trap
    j park

    .bss
    .balign 64
run_save: .skip 256
    .balign 16
hart_stacks: .skip 8 * 4096
    .globl T
T:  .skip 64

# Each stub does one thing with the address in a0 and ends in an ecall; what it loads goes to a1.
    .section .stubs, "ax"
    .macro stub name, text:vararg
    .balign 8
    .globl \name
\name:
    \text
    ecall
    .endm
    stub st_nop, nop
    stub st_lb, lbu a1, 0(a0)
    stub st_lh, lhu a1, 0(a0)
    stub st_lw, lwu a1, 0(a0)
    stub st_ld, ld a1, 0(a0)
    stub st_sb, sb a1, 0(a0)
    stub st_sh, sh a1, 0(a0)
    stub st_sw, sw a1, 0(a0)
    stub st_sd, sd a1, 0(a0)
    stub st_lrw, lr.w a1, (a0)
    stub st_lrd, lr.d a1, (a0)
    stub st_scw, sc.w a1, a2, (a0)
    stub st_scd, sc.d a1, a2, (a0)
    stub st_amow, amoadd.w a1, a2, (a0)
    stub st_amod, amoadd.d a1, a2, (a0)
    stub st_fld, fld fa0, 0(a0)
    stub st_flw, flw fa0, 0(a0)
    stub st_fsd, fsd fa0, 0(a0)
    stub st_jr, jr a0
    stub st_fencei, fence.i
    stub st_wfi, wfi
    stub st_mret, mret
    stub st_sret, sret
    stub st_ebreak, ebreak
    .balign 8
    .globl st_spin
st_spin:
    j st_spin
# M-mode: load or store with MPRV = 1 and MPP = a2.
    .balign 8
    .globl st_mprv_ld
st_mprv_ld:
    slli a2, a2, 11
    li a3, 0x1800
    csrc mstatus, a3
    csrs mstatus, a2
    li a3, 0x20000
    csrs mstatus, a3
    ld a1, 0(a0)
    csrc mstatus, a3
    ecall
    .balign 8
    .globl st_mprv_sd
st_mprv_sd:
    slli a2, a2, 11
    li a3, 0x1800
    csrc mstatus, a3
    csrs mstatus, a2
    li a3, 0x20000
    csrs mstatus, a3
    sd a1, 0(a0)
    csrc mstatus, a3
    ecall
# S-mode trap handler: reports to M-mode by an ecall; scause, sepc and stval stay to be read there.
    .balign 64
    .globl st_strap
st_strap:
    ecall
    .balign 256
    .globl st_svector
st_svector:
    .rept 16
    ecall
    .endr

    .section .dyn, "awx"
    .balign 4096
    .globl dyn
dyn: .skip 4096
