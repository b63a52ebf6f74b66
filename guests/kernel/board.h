/* What the device tree says about the machine, gathered once at boot. */
#ifndef BOARD_H
#define BOARD_H

#include "../common/abi.h"
#include "../common/fdt.h"

#define MAX_VIRTIO 16
#define MAX_RESERVED 16

struct range {
    u64 base, size;
};

struct board_device {
    u64 base;
    u32 irq;
};

struct board_hart {
    u64 id;
    u32 intc_phandle; /* of its interrupt controller: how the PLIC names it */
    i32 plic_context; /* of its S-mode, -1 when there is none */
    bool sstc;   /* it has a timer of its own, stimecmp */
    bool floats; /* it has the D extension */
    char isa[ISA_LENGTH];
};

struct board_pci {
    u64 ecam; /* configuration space; 0 when there is no PCI */
    u64 window, window_on_bus; /* for BARs: as the harts see it, and as devices do */
    const u8 *map, *map_mask; /* interrupt-map and its mask, in the device tree */
    u32 map_length;
};

struct board {
    struct fdt fdt;
    struct range ram;
    struct range reserved[MAX_RESERVED]; /* RAM that is not ours: device tree, initrd, firmware */
    u32 reserved_count;
    u64 timebase; /* ticks a second */
    struct board_hart harts[MAX_HARTS];
    u32 hart_count;
    struct board_device uart;
    u32 uart_shift; /* registers are 1 << uart_shift bytes apart */
    struct range plic;
    u64 test_finisher; /* the sifive,test device: a power switch that passes a code on; 0 for none */
    struct board_device virtio[MAX_VIRTIO];
    u32 virtio_count;
    struct board_pci pci;
    char model[48];
    char bootargs[256];
};

extern struct board board;

/* Reads the tree at this physical address into `board`. */
void board_read(u64 dtb);

#endif
