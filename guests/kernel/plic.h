/* The platform-level interrupt controller: which device's interrupt goes to which hart. */
#ifndef PLIC_H
#define PLIC_H

#include "../common/types.h"

typedef void (*irq_handler)(void *argument);

/* Of the hart that calls: lets every priority through. */
void plic_init_self(void);
/*
 * From now on `handler` runs, on one of the harts, whenever the device raises its interrupt. Devices on PCI share
 * interrupts: each handler looks whether it is meant.
 */
void plic_connect(u32 irq, irq_handler handler, void *argument);
void plic_interrupt(void);

#endif
