/* Physical memory, in pages of 4 KiB. */
#ifndef PAGE_H
#define PAGE_H

#include "../common/types.h"
#include "layout.h"

static inline void *phys_to_virt(u64 physical)
{
    return (void *)(physical + KERNEL_OFFSET);
}

static inline u64 virt_to_phys(const void *virtual_address)
{
    return (u64)virtual_address - KERNEL_OFFSET;
}

/* Takes over the RAM behind the kernel's image, less what board.reserved names. */
void page_init(void);
/* A page full of zeros, by its physical address; 0 when there is none left. */
u64 page_alloc(void);
void page_free(u64 physical);
u64 page_free_count(void);

#endif
