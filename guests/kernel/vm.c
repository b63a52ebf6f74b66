#include "vm.h"
#include "../common/string.h"
#include "board.h"
#include "page.h"
#include "pci.h"
#include "print.h"
#include "riscv.h"
#include "sbi.h"

#define LEVELS 3
#define ENTRIES 512
#define SATP_SV39 (8ul << 60)
#define SATP_ASID_SHIFT 44
#define ASID_MASK 0xfffful
#define PAGE_AT(level) (1ul << (12 + 9 * (level)))

extern u64 boot_root[ENTRIES];
extern u8 _text[], _text_end[], _rodata_end[], _end[];

static u64 kernel_root[ENTRIES] __attribute__((aligned(PAGE_SIZE)));
static bool has_asids;

static u64 *table_of(u64 entry)
{
    return phys_to_virt((entry >> 10) << 12);
}

static u32 index_of(u64 address, u32 level)
{
    return (u32)(address >> (12 + 9 * level)) & (ENTRIES - 1);
}

/* The entry for `address` at `level`; with `pages`, missing tables are added (and counted). NULL when there is none. */
static u64 *walk(u64 *table, u64 address, u32 level, u64 *pages)
{
    for (u32 l = LEVELS - 1; l > level; l--) {
        u64 *entry = &table[index_of(address, l)];

        if (!(*entry & PTE_VALID)) {
            u64 page = pages ? page_alloc() : 0;

            if (!page)
                return NULL;
            *entry = page >> 12 << 10 | PTE_VALID;
            ++*pages;
        }
        table = table_of(*entry);
    }
    return &table[index_of(address, level)];
}

/* Accessed and dirty are set from the start: hardware need not set them, and nobody here reads them. */
static u64 leaf(u64 physical, u32 permissions)
{
    return physical >> 12 << 10 | permissions | PTE_VALID | PTE_ACCESSED | PTE_DIRTY;
}

/* Maps physical [base, end) into the kernel's half, with the largest pages that fit. */
static void map_kernel(u64 base, u64 end, u32 permissions)
{
    u64 tables = 0;

    base = ALIGN_DOWN(base, PAGE_SIZE);
    while (base < end) {
        u32 level = LEVELS - 1;
        u64 *entry;

        while (level && (base % PAGE_AT(level) || end - base < PAGE_AT(level)))
            level--;
        entry = walk(kernel_root, base + KERNEL_OFFSET, level, &tables);
        if (!entry)
            panic("no memory for the kernel's page table");
        *entry = leaf(base, permissions | PTE_GLOBAL);
        base += PAGE_AT(level);
    }
}

void vm_init(void)
{
    const u32 rw = PTE_READ | PTE_WRITE;

    map_kernel(virt_to_phys(_text), virt_to_phys(_text_end), PTE_READ | PTE_EXECUTE);
    map_kernel(virt_to_phys(_text_end), virt_to_phys(_rodata_end), PTE_READ);
    map_kernel(virt_to_phys(_rodata_end), board.ram.base + board.ram.size, rw);
    if (virt_to_phys(board.fdt.blob) < virt_to_phys(_text))
        map_kernel(virt_to_phys(board.fdt.blob), virt_to_phys(board.fdt.blob) + board.fdt.size, PTE_READ);
    if (board.uart.base)
        map_kernel(board.uart.base, board.uart.base + PAGE_SIZE, rw);
    if (board.plic.size)
        map_kernel(board.plic.base, board.plic.base + board.plic.size, rw);
    if (board.test_finisher)
        map_kernel(board.test_finisher, board.test_finisher + PAGE_SIZE, rw);
    for (u32 i = 0; i < board.virtio_count; i++)
        map_kernel(board.virtio[i].base, board.virtio[i].base + PAGE_SIZE, rw);
    if (board.pci.ecam) {
        map_kernel(board.pci.ecam, board.pci.ecam + PCI_BUS_SIZE, rw);
        map_kernel(board.pci.window, board.pci.window + PCI_WINDOW, rw);
    }

    /* Bits of the ASID that do not exist read back as 0. */
    csr_write(satp, SATP_SV39 | ASID_MASK << SATP_ASID_SHIFT | virt_to_phys(boot_root) >> 12);
    has_asids = (csr_read(satp) >> SATP_ASID_SHIFT & ASID_MASK) >= 0xff;
    vm_switch_kernel();
}

void vm_switch_kernel(void)
{
    csr_write(satp, SATP_SV39 | virt_to_phys(kernel_root) >> 12);
    __asm__ volatile("sfence.vma" ::: "memory");
}

void vm_leave(void)
{
    /* No flush: the kernel never looks at the lower half, and the next task has its own number or flushes. */
    csr_write(satp, SATP_SV39 | virt_to_phys(kernel_root) >> 12);
}

void vm_switch(const struct space *space)
{
    csr_write(satp, SATP_SV39 | (has_asids ? space->asid << SATP_ASID_SHIFT : 0) | space->root >> 12);
    if (!has_asids)
        __asm__ volatile("sfence.vma" ::: "memory");
}

bool space_create(struct space *space, u64 asid)
{
    u64 *root;

    memset(space, 0, sizeof(*space));
    space->root = page_alloc();
    if (!space->root)
        return false;
    space->asid = asid;
    space->pages = 1;
    /* The upper half, the kernel's, never changes after boot: a copy of its entries shares its tables. */
    root = phys_to_virt(space->root);
    memcpy(root + ENTRIES / 2, kernel_root + ENTRIES / 2, sizeof(kernel_root) / 2);
    return true;
}

static void free_table(u64 *table, u32 level, u32 count)
{
    for (u32 i = 0; i < count; i++) {
        if (!(table[i] & PTE_VALID))
            continue;
        if (level)
            free_table(table_of(table[i]), level - 1, ENTRIES);
        page_free((table[i] >> 10) << 12);
    }
}

void space_destroy(struct space *space)
{
    if (!space->root)
        return;
    free_table(phys_to_virt(space->root), LEVELS - 1, ENTRIES / 2);
    page_free(space->root);
    space->root = 0;
    space->pages = 0;
    /* Every hart that ran the task may still hold its translations, and the number will be used again. */
    if (has_asids)
        sbi_flush_asid(space->asid);
}

u64 space_map_page(struct space *space, u64 address, u32 permissions)
{
    u64 *entry = walk(phys_to_virt(space->root), address, 0, &space->pages);
    u64 page;

    if (!entry || *entry & PTE_VALID)
        return 0;
    page = page_alloc();
    if (!page)
        return 0;
    space->pages++;
    *entry = leaf(page, permissions | PTE_USER);
    return page;
}

enum fault_answer space_fault(struct space *space, u64 address, u32 access)
{
    u64 page = ALIGN_DOWN(address, PAGE_SIZE);
    bool heap = page >= space->heap_start && address < space->heap_end;
    bool stack = page >= USER_STACK_TOP - USER_STACK_SIZE && page < USER_STACK_TOP;
    u64 *entry;

    if ((!heap && !stack) || access == PTE_EXECUTE)
        return FAULT_FORBIDDEN;
    entry = walk(phys_to_virt(space->root), page, 0, NULL);
    if (!entry || !(*entry & PTE_VALID)) {
        if (!space_map_page(space, page, PTE_READ | PTE_WRITE))
            return FAULT_NO_MEMORY;
    }
    /* A hart may remember that there was no page. (If it was there all along, this is all there is to do.) */
    __asm__ volatile("sfence.vma %0, zero" ::"r"(page) : "memory");
    return FAULT_SERVED;
}

/* Where the kernel sees the byte at a user address, or NULL. */
static u8 *user_byte(struct space *space, u64 address, u32 access)
{
    u64 *entry;

    if (address >= USER_STACK_TOP)
        return NULL;
    entry = walk(phys_to_virt(space->root), address, 0, NULL);
    if (!entry || !(*entry & PTE_VALID)) {
        if (space_fault(space, address, access) != FAULT_SERVED)
            return NULL;
        entry = walk(phys_to_virt(space->root), address, 0, NULL);
    }
    if ((*entry & (PTE_USER | access)) != (PTE_USER | access))
        return NULL;
    return (u8 *)table_of(*entry) + address % PAGE_SIZE;
}

static bool copy_user(struct space *space, u8 *kernel, u64 user, u64 size, bool to_user)
{
    while (size) {
        u64 part = MIN(size, PAGE_SIZE - user % PAGE_SIZE);
        u8 *at = user_byte(space, user, to_user ? PTE_WRITE : PTE_READ);

        if (!at)
            return false;
        if (to_user)
            memcpy(at, kernel, part);
        else
            memcpy(kernel, at, part);
        kernel += part;
        user += part;
        size -= part;
    }
    return true;
}

bool copy_from_user(struct space *space, void *to, u64 from, u64 size)
{
    return copy_user(space, to, from, size, false);
}

bool copy_to_user(struct space *space, u64 to, const void *from, u64 size)
{
    return copy_user(space, (u8 *)from, to, size, true);
}
