/* Page faults: memory is mapped, touched page by page, and given back. */
#define _GNU_SOURCE
#include <sys/mman.h>

#include "board.h"

#define PAGE 4096u
#define SIZE (16u << 20)

int kernel(void)
{
    for (int round = 0; round < 16; round++) {
        volatile unsigned char *memory = mmap(NULL, SIZE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        unsigned sum = 0;
        if (memory == MAP_FAILED)
            return 1;
        /* One fault a page, also where the kernel has huge pages (one that cannot is asked in vain). */
        madvise((void *)memory, SIZE, MADV_NOHUGEPAGE);
        for (unsigned at = 0; at < SIZE; at += PAGE)
            memory[at] = 1;
        for (unsigned at = 0; at < SIZE; at += PAGE)
            sum += memory[at] + memory[at + 1];
        if (sum != SIZE / PAGE || munmap((void *)memory, SIZE))
            return 1;
    }
    return 0;
}
