/*
 * What kernel and user programs agree on: system call numbers and the records that calls fill in.
 *
 * A call puts its number in a7 and its arguments in a0..a5, executes `ecall`, and finds the result in a0; a negative
 * result is one of the errors below.
 */
#ifndef ABI_H
#define ABI_H

#include "types.h"

enum {
    SYS_EXIT = 1,   /* (code)                     never returns */
    SYS_WRITE,      /* (buffer, length)           -> bytes written to the console */
    SYS_READ,       /* (buffer, length)           -> bytes read, at least one: waits for a key */
    SYS_YIELD,      /* ()                         give the rest of the time slice away */
    SYS_SLEEP,      /* (microseconds) */
    SYS_GETPID,     /* ()                         -> pid */
    SYS_GETHART,    /* ()                         -> number of the hart that runs the caller */
    SYS_TIME,       /* ()                         -> nanoseconds since boot */
    SYS_SPAWN,      /* (command line, length, foreground?) -> pid of a new task that runs the program it names;
                       Ctrl-C ends the one in the foreground */
    SYS_WAIT,       /* (pid or -1, &status, wait?)-> pid of a child that ended, 0 if none has yet */
    SYS_KILL,       /* (pid) */
    SYS_SBRK,       /* (bytes)                    -> old end of the heap */
    SYS_TASK_INFO,  /* (index, struct task_info *)-> 1, or 0 when the slot is empty, or E_INVAL past the last */
    SYS_HART_INFO,  /* (index, struct hart_info *) */
    SYS_MEM_INFO,   /* (struct mem_info *) */
    SYS_DISK_INFO,  /* (index, struct disk_info *) */
    SYS_DISK_READ,  /* (index, sector, buffer, sectors) */
    SYS_DISK_WRITE, /* (index, sector, buffer, sectors) */
    SYS_DTB,        /* (offset, buffer, length)   -> bytes of the device tree copied */
    SYS_BOOTARGS,   /* (buffer, length)           -> length of the kernel's command line */
    SYS_TRACE,      /* (struct trace_event *, n)  -> latest events, oldest first */
    SYS_POWER,      /* (enum power, code)         never returns */
    SYS_PANIC,      /* ()                         never returns: shows what a kernel panic looks like */
    SYS_COUNT,
};

enum {
    E_INVAL = -1,  /* an argument is out of range */
    E_FAULT = -2,  /* a pointer does not point to the caller's memory */
    E_NOENT = -3,  /* no such program, task or device */
    E_NOMEM = -4,  /* no free page or task slot */
    E_IO = -5,     /* the device reported an error */
    E_KILLED = -6, /* the caller was killed while it waited */
};

enum power { POWER_OFF, POWER_REBOOT };

enum task_state { TASK_FREE, TASK_READY, TASK_RUNNING, TASK_BLOCKED, TASK_ZOMBIE };

#define NAME_LENGTH 16
#define ISA_LENGTH 384
#define SECTOR_SIZE 512
#define MAX_HARTS 8
/* Exit status of a task that the kernel killed: this plus the trap's cause (or KILLED_BY_USER). */
#define STATUS_KILLED 128
#define KILLED_BY_USER 64

struct task_info {
    u32 pid, parent, state, hart;
    u64 run_ns, switches, pages;
    char name[NAME_LENGTH];
};

struct hart_info {
    u64 id;
    u32 online, boot;
    u64 idle_ns, switches, timer_irqs, device_irqs, ipis;
    u32 running_pid, queued;
    char isa[ISA_LENGTH];
};

struct mem_info {
    u64 ram_base, ram_bytes, kernel_bytes, free_bytes, page_faults;
};

struct disk_info {
    u64 sectors;
    u32 read_only, irq;
    u64 reads, writes;
};

struct trace_event {
    u64 time_ns;
    u32 hart, pid;
    u32 kind;
    u32 reserved;
    u64 value;
};

enum trace_kind {
    TRACE_NONE,
    TRACE_SWITCH,  /* to task `value` */
    TRACE_IDLE,
    TRACE_SYSCALL, /* number `value` */
    TRACE_TIMER,
    TRACE_IPI,
    TRACE_DEVICE,  /* interrupt `value` */
    TRACE_FAULT,   /* at address `value` */
    TRACE_EXIT,    /* with status `value` */
};

#endif
