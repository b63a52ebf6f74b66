#include "pci.h"
#include "../common/fdt.h"
#include "board.h"
#include "layout.h"
#include "riscv.h"

#define FUNCTIONS 8
#define COMMAND_MEMORY 2u
#define COMMAND_MASTER 4u
#define BAR_IO 1u
#define BAR_64 4u
#define BAR_FLAGS 15u
/* An entry of interrupt-map: address (3 cells), pin, the PLIC's phandle, its interrupt number. */
#define MAP_CELLS 6

static u64 window_used;

static u64 address_of(u32 slot, u32 offset)
{
    return board.pci.ecam + KERNEL_OFFSET + ((u64)slot * FUNCTIONS << 12) + offset;
}

u32 pci_read(u32 slot, u32 offset)
{
    return mmio_read32(address_of(slot, offset & ~3u));
}

void pci_write(u32 slot, u32 offset, u32 value)
{
    mmio_write32(address_of(slot, offset & ~3u), value);
}

bool pci_enable(u32 slot, u64 bars[6])
{
    for (u32 i = 0; i < 6; i++) {
        u32 at = PCI_BAR0 + 4 * i, flags = pci_read(slot, at) & BAR_FLAGS;
        u64 size, base;

        bars[i] = 0;
        if (flags & BAR_IO)
            continue;
        /* The bits of the address that can be set tell the size. */
        pci_write(slot, at, 0xffffffff);
        size = (u32)-(pci_read(slot, at) & ~BAR_FLAGS);
        if (size) {
            base = ALIGN_UP(window_used, size);
            if (size > PCI_WINDOW || base + size > PCI_WINDOW)
                return false;
            window_used = base + size;
            bars[i] = board.pci.window + base + KERNEL_OFFSET;
            pci_write(slot, at, (u32)(board.pci.window_on_bus + base));
        }
        if (flags & BAR_64) {
            pci_write(slot, at + 4, 0);
            bars[++i] = 0;
        }
    }
    pci_write(slot, PCI_COMMAND, (pci_read(slot, PCI_COMMAND) & 0xffff) | COMMAND_MEMORY | COMMAND_MASTER);
    return true;
}

u32 pci_irq(u32 slot)
{
    u32 pin = pci_read(slot, PCI_INTERRUPT) >> 8 & 0xff;
    u32 address = slot << 11;

    if (!board.pci.map_mask || pin == 0)
        return 0;
    for (u32 at = 0; at + MAP_CELLS * 4 <= board.pci.map_length; at += MAP_CELLS * 4) {
        const u8 *entry = board.pci.map + at;

        if (fdt_u32(entry) == (address & fdt_u32(board.pci.map_mask)) &&
            fdt_u32(entry + 12) == (pin & fdt_u32(board.pci.map_mask + 12)))
            return fdt_u32(entry + 20);
    }
    return 0;
}
