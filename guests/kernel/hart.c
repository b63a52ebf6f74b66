#include "hart.h"
#include "page.h"
#include "plic.h"
#include "print.h"
#include "riscv.h"
#include "sbi.h"
#include "sched.h"
#include "timer.h"
#include "vm.h"

#define START_PATIENCE_SECONDS 5

struct hart harts[MAX_HARTS];
static u8 stacks[MAX_HARTS][STACK_SIZE] __attribute__((aligned(16)));

extern u8 boot_stack[];
extern void trap_entry(void);
extern void secondary_start(void);

void hart_init_boot(void)
{
    harts[0].stack = (u64)boot_stack + STACK_SIZE;
    harts[0].online = true;
    __asm__ volatile("mv tp, %0" ::"r"(&harts[0]));
    /* So that a mistake from here on is a panic with a message. */
    csr_write(sscratch, 0);
    csr_write(stvec, (u64)trap_entry);
}

void hart_init_all(u64 boot_id)
{
    u32 next = 1;

    for (u32 i = 0; i < board.hart_count; i++) {
        /* Whatever its number, the boot hart is harts[0]; the others follow in the tree's order. */
        struct hart *hart = board.harts[i].id == boot_id ? &harts[0] : &harts[next++];

        if (hart == &harts[MAX_HARTS])
            panic("boot hart %lu is not in the device tree", boot_id);
        hart->index = (u32)(hart - harts);
        hart->board = &board.harts[i];
        hart->next_wake = NEVER;
        if (hart != &harts[0])
            hart->stack = (u64)stacks[hart->index] + STACK_SIZE;
    }
    if (!harts[0].board)
        panic("boot hart %lu is not in the device tree", boot_id);
}

void hart_init_self(void)
{
    csr_write(sscratch, 0);
    csr_write(stvec, (u64)trap_entry);
    csr_write(scounteren, 7); /* programs may read cycle, time and instret */
    csr_clear(sstatus, SSTATUS_SIE | SSTATUS_FS);
    timer_init_self();
    csr_write(sie, 1ul << IRQ_SOFTWARE | 1ul << IRQ_TIMER | 1ul << IRQ_EXTERNAL);
    plic_init_self();
}

/* Starts one and waits until it has arrived. */
static void start(struct hart *hart)
{
    const u64 address = virt_to_phys(secondary_start), record = virt_to_phys(hart);
    u64 patience = read_time() + START_PATIENCE_SECONDS * board.timebase;
    i64 error = sbi_hart_start(hart->board->id, address, record);

    /* Acquire: pairs with the release in secondary_main, after which the hart takes tasks. */
    while (!error && !__atomic_load_n(&hart->online, __ATOMIC_ACQUIRE)) {
        if (read_time() > patience) {
            printk("hart %lu does not arrive\n", hart->board->id);
            return;
        }
        cpu_pause();
        if (sbi_hart_is_stopped(hart->board->id)) /* it came in by the wrong door: see head.S */
            error = sbi_hart_start(hart->board->id, address, record);
    }
    if (error)
        printk("hart %lu does not start: SBI error %ld\n", hart->board->id, error);
}

void hart_start_others(void)
{
    for (u32 i = 1; i < board.hart_count; i++)
        start(&harts[i]);
}

void secondary_main(void)
{
    vm_switch_kernel();
    hart_init_self();
    __atomic_store_n(&this_hart()->online, true, __ATOMIC_RELEASE);
    scheduler();
}

void hart_kick(struct hart *hart)
{
    if (hart != this_hart())
        sbi_send_ipi(hart->board->id);
}
