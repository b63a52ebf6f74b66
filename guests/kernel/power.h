/* The ends of a run. */
#ifndef POWER_H
#define POWER_H

#include "../common/types.h"

/* Off, with an exit code for whoever runs the machine. */
_Noreturn void power_off(u32 code);
_Noreturn void power_reboot(void);
/* Off, after a panic: takes no lock. */
_Noreturn void power_failure(void);

#endif
