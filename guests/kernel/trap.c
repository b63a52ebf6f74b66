/* Every trap arrives here: interrupts, system calls, and programs that did something wrong. */
#include "hart.h"
#include "plic.h"
#include "print.h"
#include "riscv.h"
#include "sched.h"
#include "syscall.h"
#include "timer.h"
#include "trace.h"

static const char *const cause_names[] = {
    "misaligned fetch", "fetch access fault", "illegal instruction", "breakpoint",
    "misaligned load", "load access fault", "misaligned store", "store access fault",
    "system call", "environment call", "reserved trap", "environment call",
    "fetch page fault", "load page fault", "reserved trap", "store page fault",
};

u64 page_faults;

static void interrupt(u64 number)
{
    struct hart *hart = this_hart();

    switch (number) {
    case IRQ_TIMER:
        timer_interrupt();
        break;
    case IRQ_SOFTWARE:
        /* An IPI carries no message: it ended the wfi, or the queue is looked at soon anyway. */
        csr_clear(sip, 1ul << IRQ_SOFTWARE);
        hart->ipis++;
        trace(TRACE_IPI, 0);
        break;
    case IRQ_EXTERNAL:
        hart->device_irqs++;
        plic_interrupt();
        break;
    default:
        panic("interrupt %lu, which nobody enabled", number);
    }
}

static const char *name_of(u64 cause)
{
    return cause < ARRAY_SIZE(cause_names) ? cause_names[cause] : "unknown trap";
}

static u32 access_of(u64 cause)
{
    return cause == CAUSE_STORE_PAGE ? PTE_WRITE : cause == CAUSE_FETCH_PAGE ? PTE_EXECUTE : PTE_READ;
}

static void user_fault(struct frame *frame, u64 cause, u64 value)
{
    struct task *task = current_task();
    const char *what = name_of(cause);

    trace(TRACE_FAULT, value);
    if (cause == CAUSE_FETCH_PAGE || cause == CAUSE_LOAD_PAGE || cause == CAUSE_STORE_PAGE) {
        enum fault_answer answer = space_fault(&task->space, value, access_of(cause));

        __atomic_fetch_add(&page_faults, 1, __ATOMIC_RELAXED);
        if (answer == FAULT_SERVED)
            return;
        if (answer == FAULT_NO_MEMORY)
            what = "out of memory";
    }
    printk("[hart %u] task %u (%s) killed: %s at 0x%lx, pc 0x%lx\n", this_hart()->index, task->pid, task->name, what,
           value, frame->x[0]);
    task_exit(STATUS_KILLED + (i64)MIN(cause, KILLED_BY_USER - 1));
}

void trap(struct frame *frame)
{
    u64 cause = csr_read(scause), value = csr_read(stval);

    if (cause & CAUSE_INTERRUPT) {
        interrupt(cause & ~CAUSE_INTERRUPT);
    } else if (frame->status & SSTATUS_SPP) {
        panic("%s at 0x%lx in the kernel", name_of(cause), value);
    } else if (cause == CAUSE_USER_CALL) {
        frame->x[0] += 4; /* behind the ecall */
        system_call(frame);
    } else {
        user_fault(frame, cause, value);
    }
    if (frame->status & SSTATUS_SPP)
        return;
    if (__atomic_load_n(&current_task()->killed, __ATOMIC_RELAXED))
        task_exit(STATUS_KILLED + KILLED_BY_USER);
    if (this_hart()->reschedule)
        yield();
}
