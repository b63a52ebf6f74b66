#include "print.h"
#include "../common/format.h"
#include "console.h"
#include "hart.h"
#include "power.h"
#include "riscv.h"

static u32 panicked;

void printk(const char *format, ...)
{
    char line[256];
    va_list args;
    size_t length;

    va_start(args, format);
    length = format_args(line, sizeof(line), format, args);
    va_end(args);
    console_put(line, length);
}

bool panicking(void)
{
    return __atomic_load_n(&panicked, __ATOMIC_RELAXED);
}

void halt_forever(void)
{
    csr_clear(sstatus, SSTATUS_SIE);
    csr_write(sie, 0);
    for (;;)
        wait_for_interrupt();
}

void panic(const char *format, ...)
{
    char line[256];
    va_list args;
    size_t length;
    struct task *task;

    csr_clear(sstatus, SSTATUS_SIE);
    if (__atomic_exchange_n(&panicked, 1, __ATOMIC_ACQ_REL))
        halt_forever(); /* another hart was first, or the panic itself went wrong */

    va_start(args, format);
    length = format_args(line, sizeof(line), format, args);
    va_end(args);
    console_put_now("\n*** kernel panic: ", 19);
    console_put_now(line, length);
    length = format_text(line, sizeof(line), "\n    hart %u, sepc 0x%lx, scause 0x%lx, stval 0x%lx\n",
                         this_hart()->index, csr_read(sepc), csr_read(scause), csr_read(stval));
    console_put_now(line, length);
    task = current_task();
    if (task) {
        length = format_text(line, sizeof(line), "    task %u (%s)\n", task->pid, task->name);
        console_put_now(line, length);
    }
    power_failure();
}
