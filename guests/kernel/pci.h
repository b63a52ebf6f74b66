/* PCI Express, as much as a driver needs: configuration space, BARs, and where interrupts go. Bus 0 only. */
#ifndef PCI_H
#define PCI_H

#include "../common/types.h"

enum pci_register {
    PCI_ID = 0x00,       /* vendor, device above */
    PCI_COMMAND = 0x04,  /* status above */
    PCI_BAR0 = 0x10,
    PCI_CAPABILITIES = 0x34,
    PCI_INTERRUPT = 0x3c, /* line, pin above */
};

#define PCI_BUS_SIZE 0x100000
#define PCI_SLOTS 32
#define PCI_VENDOR_CAPABILITY 9
/* How much of the window for BARs the kernel maps and hands out. */
#define PCI_WINDOW 0x200000ul

u32 pci_read(u32 slot, u32 offset);
void pci_write(u32 slot, u32 offset, u32 value);
/* Gives the device's memory BARs addresses and lets it use memory; the virtual address of each goes to `bars`. */
bool pci_enable(u32 slot, u64 bars[6]);
/* The interrupt of the device's pin, at the PLIC; 0 when it has none. */
u32 pci_irq(u32 slot);

#endif
