#include "plic.h"
#include "hart.h"
#include "print.h"
#include "riscv.h"
#include "trace.h"

#define MAX_IRQ 128
#define PRIORITY(irq) (0x4 * (u64)(irq))
#define ENABLE(context, irq) (0x2000 + 0x80 * (u64)(context) + (irq) / 32 * 4)
#define THRESHOLD(context) (0x200000 + 0x1000 * (u64)(context))
#define CLAIM(context) (0x200004 + 0x1000 * (u64)(context))

static struct {
    irq_handler handler;
    void *argument;
} handlers[MAX_IRQ];
static u32 next_hart;

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

    if (irq == 0 || irq >= MAX_IRQ)
        panic("interrupt number %u is not 1..%u", irq, MAX_IRQ - 1);
    /* Devices are spread over the harts, one after the other. */
    for (u32 i = 0; i < board.hart_count && !hart; i++) {
        struct hart *candidate = &harts[next_hart++ % board.hart_count];
        hart = usable(candidate) ? candidate : NULL;
    }
    if (!hart)
        panic("no hart takes interrupts of devices");
    handlers[irq].handler = handler;
    handlers[irq].argument = argument;
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
        if (irq < MAX_IRQ && handlers[irq].handler)
            handlers[irq].handler(handlers[irq].argument);
        mmio_write32(claim, irq);
    }
}
