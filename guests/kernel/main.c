/* The order in which the kernel comes to life. */
#include "board.h"
#include "console.h"
#include "hart.h"
#include "page.h"
#include "print.h"
#include "sbi.h"
#include "sched.h"
#include "timer.h"
#include "virtio_blk.h"
#include "vm.h"

static const char banner[] =
    "\n"
    " __   ___ __ ___   ___ ___  _ __ ___\n"
    " \\ \\ / / '_ ` _ \\ / __/ _ \\| '__/ _ \\\n"
    "  \\ V /| | | | | | (_| (_) | | |  __/\n"
    "   \\_/ |_| |_| |_|\\___\\___/|_|  \\___|   bundled guest\n"
    "\n";

static u32 online_harts(void)
{
    u32 count = 0;

    for (u32 i = 0; i < board.hart_count; i++)
        count += harts[i].online;
    return count;
}

static void greet(void)
{
    char firmware[64];
    const struct board_hart *hart = harts[0].board;

    sbi_describe(firmware, sizeof(firmware));
    printk("%s", banner);
    printk("  machine   %s\n", board.model);
    printk("  firmware  %s\n", firmware);
    printk("  harts     %u of %u running, %s\n", online_harts(), board.hart_count,
           hart->sstc ? "timer by Sstc" : "timer by SBI");
    printk("  memory    %lu MiB, %lu MiB free, Sv39\n", board.ram.size >> 20, page_free_count() * PAGE_SIZE >> 20);
    printk("  console   ns16550 at 0x%lx, interrupt %u\n", board.uart.base, board.uart.irq);
    for (u32 i = 0; i < disk_count(); i++) {
        struct disk_info info;

        disk_info(i, &info);
        printk("  disk %u    virtio-blk, %lu KiB%s, interrupt %u\n", i, info.sectors / 2,
               info.read_only ? ", read-only" : "", info.irq);
    }
    printk("\n");
}

/* Reached from head.S with the MMU on, one stack, and the other harts asleep. */
_Noreturn void kernel_main(u64 hart_id, u64 dtb)
{
    i64 shell;

    hart_init_boot();
    board_read(dtb);
    hart_init_all(hart_id);
    page_init();
    vm_init();
    console_init();
    hart_init_self();
    hart_start_others();
    console_start();
    disks_init();
    greet();
    shell = task_spawn("sh", 0, false);
    if (shell != 1)
        panic("the shell does not start: %ld", shell);
    scheduler();
}
