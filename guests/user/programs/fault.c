/* fault [kind]: does something that a program must not do. The kernel ends it, and nothing else. */
#include "../lib/user.h"

#define BAD_POINTER 0xdead0000ul
#define KERNEL_POINTER 0xffffffc080200000ul

static u64 sink;

/* Eats the stack, a page at a time, until it meets the end. */
static u64 overflow(u64 depth)
{
    volatile u8 page[4096];

    page[0] = (u8)depth;
    return depth == UINT64_MAX ? 0 : overflow(depth + 1) + page[0];
}

int main(int argc, char **argv)
{
    const char *kind = argc > 1 ? argv[1] : "write";

    printf("task %ld tries: %s\n", call(SYS_GETPID), kind);
    if (strcmp(kind, "write") == 0)
        *(volatile u64 *)BAD_POINTER = 1;
    else if (strcmp(kind, "read") == 0)
        sink = *(volatile u64 *)BAD_POINTER;
    else if (strcmp(kind, "jump") == 0)
        ((void (*)(void))BAD_POINTER)();
    else if (strcmp(kind, "null") == 0)
        sink = **(volatile u64 *volatile *)&(u64 *){NULL};
    else if (strcmp(kind, "code") == 0)
        *(volatile u64 *)(u64)main = 0;
    else if (strcmp(kind, "kernel") == 0)
        sink = *(volatile u64 *)KERNEL_POINTER;
    else if (strcmp(kind, "illegal") == 0)
        __asm__ volatile("unimp");
    else if (strcmp(kind, "csr") == 0)
        __asm__ volatile("csrw sscratch, zero");
    else if (strcmp(kind, "break") == 0)
        __asm__ volatile("ebreak");
    else if (strcmp(kind, "stack") == 0)
        sink = overflow(0);
    else if (strcmp(kind, "call") == 0)
        printf("a bad pointer in a system call gives %ld\n", call(SYS_WRITE, KERNEL_POINTER, 8ul));
    else
        print("kinds: write read jump null code kernel illegal csr break stack call\n");
    return 0;
}
