/* The control and status registers and fences of S-mode. */
#ifndef RISCV_H
#define RISCV_H

#include "../common/types.h"

#define csr_read(name)                                              \
    ({                                                              \
        u64 value_;                                                 \
        __asm__ volatile("csrr %0, " #name : "=r"(value_)::"memory"); \
        value_;                                                     \
    })
#define csr_write(name, value) __asm__ volatile("csrw " #name ", %0" ::"r"((u64)(value)) : "memory")
#define csr_set(name, bits) __asm__ volatile("csrs " #name ", %0" ::"r"((u64)(bits)) : "memory")
#define csr_clear(name, bits) __asm__ volatile("csrc " #name ", %0" ::"r"((u64)(bits)) : "memory")

#define SSTATUS_SIE (1ul << 1)
#define SSTATUS_SPIE (1ul << 5)
#define SSTATUS_SPP (1ul << 8)
#define SSTATUS_FS (3ul << 13)
#define SSTATUS_FS_CLEAN (2ul << 13)
#define SSTATUS_FS_DIRTY (3ul << 13)

/* Interrupt numbers, in sie, sip and scause. */
#define IRQ_SOFTWARE 1
#define IRQ_TIMER 5
#define IRQ_EXTERNAL 9
#define CAUSE_INTERRUPT (1ul << 63)

enum cause {
    CAUSE_FETCH_MISALIGNED = 0,
    CAUSE_FETCH_ACCESS = 1,
    CAUSE_ILLEGAL = 2,
    CAUSE_BREAKPOINT = 3,
    CAUSE_LOAD_MISALIGNED = 4,
    CAUSE_LOAD_ACCESS = 5,
    CAUSE_STORE_MISALIGNED = 6,
    CAUSE_STORE_ACCESS = 7,
    CAUSE_USER_CALL = 8,
    CAUSE_FETCH_PAGE = 12,
    CAUSE_LOAD_PAGE = 13,
    CAUSE_STORE_PAGE = 15,
};

static inline void wait_for_interrupt(void)
{
    __asm__ volatile("wfi" ::: "memory");
}

/* "I am spinning": a hint (Zihintpause), a plain fence where it is unknown. */
static inline void cpu_pause(void)
{
    __asm__ volatile(".insn i 0x0f, 0, x0, x0, 0x010" ::: "memory");
}

static inline void fence_all(void)
{
    __asm__ volatile("fence iorw, iorw" ::: "memory");
}

static inline u64 read_time(void)
{
    u64 value;

    __asm__ volatile("rdtime %0" : "=r"(value)::"memory");
    return value;
}

/* Device registers. The fences keep an access in order with those to memory that it announces or that announced it. */
static inline u32 mmio_read32(u64 address)
{
    u32 value = *(volatile u32 *)address;

    fence_all();
    return value;
}

static inline void mmio_write32(u64 address, u32 value)
{
    fence_all();
    *(volatile u32 *)address = value;
}

static inline u16 mmio_read16(u64 address)
{
    u16 value = *(volatile u16 *)address;

    fence_all();
    return value;
}

static inline void mmio_write16(u64 address, u16 value)
{
    fence_all();
    *(volatile u16 *)address = value;
}

static inline u8 mmio_read8(u64 address)
{
    u8 value = *(volatile u8 *)address;

    fence_all();
    return value;
}

static inline void mmio_write8(u64 address, u8 value)
{
    fence_all();
    *(volatile u8 *)address = value;
}

#endif
