/* Sv39 page tables: the kernel's map, and one address space for each task. */
#ifndef VM_H
#define VM_H

#include "../common/types.h"

#define PTE_VALID 0x01u
#define PTE_READ 0x02u
#define PTE_WRITE 0x04u
#define PTE_EXECUTE 0x08u
#define PTE_USER 0x10u
#define PTE_GLOBAL 0x20u
#define PTE_ACCESSED 0x40u
#define PTE_DIRTY 0x80u

/* User space: the program at the bottom, its heap behind it, the stack at the top. */
#define USER_BASE 0x10000ul
#define USER_HEAP_LIMIT 0x20000000ul
#define USER_STACK_TOP 0x40000000ul
#define USER_STACK_SIZE 0x40000ul

struct space {
    u64 root; /* physical address of the table */
    u64 asid;
    u64 heap_start, heap_end;
    u64 pages; /* that the task owns, tables included */
};

void vm_init(void);
/* Page table of the kernel alone, on the hart that calls. */
void vm_switch_kernel(void);
/* Off a task's table, which may vanish as soon as the task runs elsewhere. */
void vm_leave(void);
void vm_switch(const struct space *space);

bool space_create(struct space *space, u64 asid);
void space_destroy(struct space *space);
/* Gives the page at `address` a frame (a zeroed one) with these permissions; its physical address, or 0. */
u64 space_map_page(struct space *space, u64 address, u32 permissions);
/* A page fault at `address`: memory that is handed out on first use gets its page, and the access may go on. */
enum fault_answer { FAULT_SERVED, FAULT_FORBIDDEN, FAULT_NO_MEMORY };
enum fault_answer space_fault(struct space *space, u64 address, u32 access);
/* Between the kernel and a program's memory; false when the program may not access all of it. */
bool copy_from_user(struct space *space, void *to, u64 from, u64 size);
bool copy_to_user(struct space *space, u64 to, const void *from, u64 size);

#endif
