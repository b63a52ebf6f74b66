/*
 * One walk over the device tree. The properties of a node come before its children, so a node is complete, and is
 * looked at, when its first child begins or when it ends.
 */
#include "board.h"
#include "../common/string.h"
#include "layout.h"
#include "pci.h"
#include "print.h"

#define MAX_DEPTH 12
#define MAX_DTB (2u << 20)
#define RANGE_CELLS 7
#define RANGE_MEMORY_32 2
#define S_EXTERNAL 9 /* the interrupt number that marks an S-mode context of the PLIC */

struct value {
    const u8 *data;
    u32 length;
};

/* The properties of a node that anything here wants. */
struct node {
    const char *name;
    u32 address_cells, size_cells;
    u32 phandle;
    i32 hart; /* for what is inside a cpu node: its place in board.harts */
    bool visited, disabled;
    struct value compatible, reg, interrupts, interrupts_extended, device_type, isa, isa_extensions, reg_shift;
    struct value timebase, bootargs, model, initrd_start, initrd_end, ranges, interrupt_map, interrupt_map_mask;
};

struct board board;
static struct value plic_wiring;

static const struct {
    const char *name;
    size_t offset;
} wanted[] = {
    {"compatible", offsetof(struct node, compatible)},
    {"reg", offsetof(struct node, reg)},
    {"interrupts", offsetof(struct node, interrupts)},
    {"interrupts-extended", offsetof(struct node, interrupts_extended)},
    {"device_type", offsetof(struct node, device_type)},
    {"riscv,isa", offsetof(struct node, isa)},
    {"riscv,isa-extensions", offsetof(struct node, isa_extensions)},
    {"reg-shift", offsetof(struct node, reg_shift)},
    {"timebase-frequency", offsetof(struct node, timebase)},
    {"bootargs", offsetof(struct node, bootargs)},
    {"model", offsetof(struct node, model)},
    {"linux,initrd-start", offsetof(struct node, initrd_start)},
    {"linux,initrd-end", offsetof(struct node, initrd_end)},
    {"ranges", offsetof(struct node, ranges)},
    {"interrupt-map", offsetof(struct node, interrupt_map)},
    {"interrupt-map-mask", offsetof(struct node, interrupt_map_mask)},
};

static u64 number(struct value v)
{
    return v.length == 8 ? fdt_cells(v.data, 2) : v.length >= 4 ? fdt_u32(v.data) : 0;
}

static void copy_text(char *out, size_t size, struct value v)
{
    size_t n = MIN(strnlen((const char *)v.data, v.length), size - 1);

    memcpy(out, v.data, n);
    out[n] = 0;
}

static bool is(const struct node *node, const char *compatible)
{
    return fdt_has_string(node->compatible.data, node->compatible.length, compatible);
}

/* Entry `index` of the node's reg, in the cells that its parent declares. */
static bool reg_entry(const struct node *node, const struct node *parent, u32 index, struct range *out)
{
    u32 entry = (parent->address_cells + parent->size_cells) * 4;

    if (entry == 0 || ((u64)index + 1) * entry > node->reg.length)
        return false;
    out->base = fdt_cells(node->reg.data + index * entry, parent->address_cells);
    out->size = fdt_cells(node->reg.data + index * entry + parent->address_cells * 4, parent->size_cells);
    return true;
}

static void reserve(u64 base, u64 size)
{
    if (size == 0)
        return;
    if (board.reserved_count == MAX_RESERVED)
        panic("more than %d reserved ranges", MAX_RESERVED);
    board.reserved[board.reserved_count++] = (struct range){base, size};
}

static void visit_cpu(struct node *node, const struct node *parent)
{
    struct board_hart *hart = &board.harts[board.hart_count];
    struct range reg;

    if (node->disabled || board.hart_count == MAX_HARTS || !reg_entry(node, parent, 0, &reg))
        return;
    node->hart = (i32)board.hart_count++;
    hart->id = reg.base;
    hart->plic_context = -1;
    copy_text(hart->isa, sizeof(hart->isa), node->isa);
    hart->sstc = fdt_has_string(node->isa_extensions.data, node->isa_extensions.length, "sstc");
    hart->floats = fdt_has_string(node->isa_extensions.data, node->isa_extensions.length, "d");
    for (u32 i = 4; i < node->isa.length && node->isa.data[i] && node->isa.data[i] != '_'; i++)
        hart->floats |= node->isa.data[i] == 'd' || node->isa.data[i] == 'g';
    /* In the older property, long names follow the letters with a '_' before each. */
    for (u32 i = 0; i + 5 <= node->isa.length && !hart->sstc; i++) {
        const char *at = (const char *)node->isa.data + i;
        hart->sstc = strncmp(at, "_sstc", 5) == 0 && (i + 5 == node->isa.length || at[5] == '_' || at[5] == 0);
    }
}

/* Each range: address on the bus (3 cells, the first tells its kind), address for the harts, size. */
static void visit_pci(const struct node *node, u64 ecam)
{
    for (u32 at = 0; at + RANGE_CELLS * 4 <= node->ranges.length; at += RANGE_CELLS * 4) {
        const u8 *range = node->ranges.data + at;

        if ((fdt_u32(range) >> 24 & 3) == RANGE_MEMORY_32 && fdt_cells(range + 20, 2) >= PCI_WINDOW) {
            board.pci.window_on_bus = fdt_cells(range + 4, 2);
            board.pci.window = fdt_cells(range + 12, 2);
            board.pci.ecam = ecam;
        }
    }
    board.pci.map = node->interrupt_map.data;
    board.pci.map_length = node->interrupt_map.length;
    board.pci.map_mask = node->interrupt_map_mask.length >= 16 ? node->interrupt_map_mask.data : NULL;
}

static void visit(struct node *node, const struct node *parent, const struct node *grandparent)
{
    struct range reg = {0, 0};
    bool has_reg = reg_entry(node, parent, 0, &reg);
    u32 irq = node->interrupts.length >= 4 ? fdt_u32(node->interrupts.data) : 0;

    if (node->timebase.data)
        board.timebase = number(node->timebase);
    if (node->model.data && !grandparent)
        copy_text(board.model, sizeof(board.model), node->model);
    if (node->device_type.data && fdt_has_string(node->device_type.data, node->device_type.length, "cpu")) {
        visit_cpu(node, parent);
    } else if (node->device_type.data && fdt_has_string(node->device_type.data, node->device_type.length, "memory")) {
        if (has_reg && board.ram.size == 0)
            board.ram = reg;
    } else if (is(node, "riscv,cpu-intc")) {
        if (node->hart >= 0)
            board.harts[node->hart].intc_phandle = node->phandle;
    } else if (strcmp(node->name, "chosen") == 0) {
        if (node->bootargs.data)
            copy_text(board.bootargs, sizeof(board.bootargs), node->bootargs);
        if (node->initrd_start.data && number(node->initrd_end) > number(node->initrd_start))
            reserve(number(node->initrd_start), number(node->initrd_end) - number(node->initrd_start));
    } else if (strcmp(parent->name, "reserved-memory") == 0) {
        for (u32 i = 0; reg_entry(node, parent, i, &reg); i++)
            reserve(reg.base, reg.size);
    } else if (node->disabled || !has_reg) {
        return;
    } else if ((is(node, "ns16550a") || is(node, "ns16550")) && board.uart.base == 0) {
        board.uart = (struct board_device){reg.base, irq};
        board.uart_shift = (u32)number(node->reg_shift);
    } else if (is(node, "riscv,plic0") || is(node, "sifive,plic-1.0.0")) {
        board.plic = reg;
        plic_wiring = node->interrupts_extended;
    } else if (is(node, "sifive,test1") || is(node, "sifive,test0")) {
        board.test_finisher = reg.base;
    } else if (is(node, "pci-host-ecam-generic") && reg.size >= PCI_BUS_SIZE) {
        visit_pci(node, reg.base);
    } else if (is(node, "virtio,mmio") && board.virtio_count < MAX_VIRTIO) {
        board.virtio[board.virtio_count++] = (struct board_device){reg.base, irq};
    }
}

/* The PLIC's contexts are the pairs <interrupt controller of a hart, interrupt it raises there>, in order. */
static void find_plic_contexts(void)
{
    for (u32 context = 0; (context + 1) * 8 <= plic_wiring.length; context++) {
        const u8 *pair = plic_wiring.data + context * 8;

        for (u32 i = 0; i < board.hart_count; i++) {
            if (fdt_u32(pair) == board.harts[i].intc_phandle && fdt_u32(pair + 4) == S_EXTERNAL)
                board.harts[i].plic_context = (i32)context;
        }
    }
}

static void note_property(struct node *node, const struct fdt_item *item)
{
    struct value v = {item->data, item->length};

    if (strcmp(item->name, "#address-cells") == 0)
        node->address_cells = MIN((u32)number(v), 3);
    else if (strcmp(item->name, "#size-cells") == 0)
        node->size_cells = MIN((u32)number(v), 3);
    else if (strcmp(item->name, "phandle") == 0)
        node->phandle = (u32)number(v);
    else if (strcmp(item->name, "status") == 0)
        node->disabled = !fdt_has_string(v.data, v.length, "okay") && !fdt_has_string(v.data, v.length, "ok");
    for (size_t i = 0; i < ARRAY_SIZE(wanted); i++) {
        if (strcmp(item->name, wanted[i].name) == 0)
            *(struct value *)((u8 *)node + wanted[i].offset) = v;
    }
}

void board_read(u64 dtb)
{
    static struct node path[MAX_DEPTH]; /* path[0] stands for "above the root" */
    const u8 *blob = (const u8 *)(dtb + KERNEL_OFFSET);
    struct fdt_item item;
    u32 depth = 0, at, entry;

    if (!fdt_open(&board.fdt, blob, MAX_DTB))
        panic("no device tree at 0x%lx", dtb);
    board.timebase = 10000000;
    path[0].name = "";
    reserve(dtb, board.fdt.size);
    for (entry = fdt_u32(blob + 16); entry + 16 <= board.fdt.size; entry += 16) {
        if (fdt_cells(blob + entry + 8, 2) == 0)
            break;
        reserve(fdt_cells(blob + entry, 2), fdt_cells(blob + entry + 8, 2));
    }

    at = board.fdt.structure;
    do {
        struct node *node = &path[depth];

        fdt_next(&board.fdt, &at, &item);
        if (item.kind == FDT_PROPERTY && depth > 0) {
            note_property(node, &item);
            continue;
        }
        if (depth > 0 && !node->visited) {
            visit(node, &path[depth - 1], depth > 1 ? &path[depth - 2] : NULL);
            node->visited = true;
        }
        if (item.kind == FDT_NODE) {
            if (++depth == MAX_DEPTH)
                panic("device tree deeper than %d", MAX_DEPTH);
            memset(&path[depth], 0, sizeof(path[depth]));
            path[depth].name = item.name;
            path[depth].address_cells = 2;
            path[depth].size_cells = 1;
            path[depth].hart = depth > 1 ? path[depth - 1].hart : -1;
        } else if (item.kind == FDT_NODE_END && depth > 0) {
            depth--;
        }
    } while (item.kind != FDT_DONE && (depth > 0 || item.kind != FDT_NODE_END));

    find_plic_contexts();
    if (board.ram.size == 0 || board.hart_count == 0)
        panic("device tree at 0x%lx names no %s", dtb, board.ram.size ? "harts" : "memory");
}
