#include "plic.h"
#include "hart.h"
#include "print.h"
#include "riscv.h"
#include "trace.h"

#define MAX_IRQ 1024 /* that a PLIC can have */
#define MAX_HANDLERS 16
#define PRIORITY(irq) (0x4 * (u64)(irq))
#define ENABLE(context, irq) (0x2000 + 0x80 * (u64)(context) + (irq) / 32 * 4)
#define THRESHOLD(context) (0x200000 + 0x1000 * (u64)(context))
#define CLAIM(context) (0x200004 + 0x1000 * (u64)(context))

static struct {
    u32 irq;
    irq_handler handler;
    void *argument;
} handlers[MAX_HANDLERS];
static u32 count, next_hart;

static u64 plic(u64 offset)
{
    return board.plic.base + KERNEL_OFFSET + offset;
}

static bool usable(const struct hart *hart)
{
    return board.plic.base && hart->online && hart->board->plic_context >= 0;
}

void plic_init_self(void)
{
    i32 context = this_hart()->board->plic_context;

    if (board.plic.base && context >= 0)
        mmio_write32(plic(THRESHOLD(context)), 0);
}

void plic_connect(u32 irq, irq_handler handler, void *argument)
{
    struct hart *hart = NULL;

    if (irq == 0 || irq >= MAX_IRQ || count == MAX_HANDLERS)
        panic("interrupt %u cannot be connected", irq);
    handlers[count].irq = irq;
    handlers[count].handler = handler;
    handlers[count].argument = argument;
    /* Release: a hart that sees the count sees the handler. */
    __atomic_store_n(&count, count + 1, __ATOMIC_RELEASE);
    for (u32 i = 0; i + 1 < count; i++) {
        if (handlers[i].irq == irq)
            return; /* shared, and routed already */
    }
    /* Devices are spread over the harts, one after the other. */
    for (u32 i = 0; i < board.hart_count && !hart; i++) {
        struct hart *candidate = &harts[next_hart++ % board.hart_count];
        hart = usable(candidate) ? candidate : NULL;
    }
    if (!hart)
        panic("no hart takes interrupts of devices");
    mmio_write32(plic(PRIORITY(irq)), 1);
    mmio_write32(plic(ENABLE(hart->board->plic_context, irq)),
                 mmio_read32(plic(ENABLE(hart->board->plic_context, irq))) | 1u << irq % 32);
}

void plic_interrupt(void)
{
    u64 claim = plic(CLAIM(this_hart()->board->plic_context));
    u32 irq;

    while ((irq = mmio_read32(claim)) != 0) {
        trace(TRACE_DEVICE, irq);
        for (u32 i = 0; i < __atomic_load_n(&count, __ATOMIC_ACQUIRE); i++) {
            if (handlers[i].irq == irq)
                handlers[i].handler(handlers[i].argument);
        }
        mmio_write32(claim, irq);
    }
}
