/*
 * Two sources: pages that came back, in a list threaded through the pages themselves, and pages never used so far,
 * taken from the ranges of free RAM one after the other. So memory that nobody needs is never touched.
 */
#include "page.h"
#include "../common/string.h"
#include "board.h"
#include "lock.h"
#include "print.h"

#define MAX_RANGES (MAX_RESERVED + 1)

struct free_page {
    struct free_page *next;
};

extern u8 _end[];

static struct spinlock page_lock;
static struct free_page *returned;
static struct range fresh[MAX_RANGES];
static u32 fresh_count;
static u64 free_pages;

/* Adds [base, end) less the reserved ranges from `index` on. */
static void add_fresh(u64 base, u64 end, u32 index)
{
    for (; index < board.reserved_count; index++) {
        u64 taken = ALIGN_DOWN(board.reserved[index].base, PAGE_SIZE);
        u64 taken_end = ALIGN_UP(board.reserved[index].base + board.reserved[index].size, PAGE_SIZE);

        if (taken >= end || taken_end <= base)
            continue;
        if (taken > base)
            add_fresh(base, taken, index + 1);
        if (taken_end >= end)
            return;
        base = taken_end;
    }
    if (base >= end || fresh_count == MAX_RANGES)
        return;
    fresh[fresh_count++] = (struct range){base, end - base};
    free_pages += (end - base) / PAGE_SIZE;
}

void page_init(void)
{
    add_fresh(virt_to_phys(_end), ALIGN_DOWN(board.ram.base + board.ram.size, PAGE_SIZE), 0);
    if (free_pages == 0)
        panic("no free memory behind the kernel");
}

u64 page_alloc(void)
{
    u64 page = 0;

    lock(&page_lock);
    if (returned) {
        page = virt_to_phys(returned);
        returned = returned->next;
    } else if (fresh_count) {
        struct range *range = &fresh[fresh_count - 1];

        page = range->base;
        range->base += PAGE_SIZE;
        range->size -= PAGE_SIZE;
        if (range->size == 0)
            fresh_count--;
    }
    if (page)
        free_pages--;
    unlock(&page_lock);
    if (page)
        memset(phys_to_virt(page), 0, PAGE_SIZE);
    return page;
}

void page_free(u64 physical)
{
    struct free_page *page = phys_to_virt(physical);

    if (physical & (PAGE_SIZE - 1) || physical < virt_to_phys(_end))
        panic("page_free of 0x%lx", physical);
    lock(&page_lock);
    page->next = returned;
    returned = page;
    free_pages++;
    unlock(&page_lock);
}

u64 page_free_count(void)
{
    return __atomic_load_n(&free_pages, __ATOMIC_RELAXED);
}
