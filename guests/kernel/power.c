#include "power.h"
#include "board.h"
#include "console.h"
#include "layout.h"
#include "print.h"
#include "riscv.h"
#include "sbi.h"

/* System reset of the SBI. */
enum { RESET_SHUTDOWN = 0, RESET_COLD = 1 };
enum { REASON_NONE = 0, REASON_FAILURE = 1 };
/* Command of the sifive,test device; the code goes into the upper half. */
#define FINISHER_FAIL 0x3333u
#define CODE_PANIC 134 /* what a shell shows for a program that aborted */

static _Noreturn void shut_down(u32 code)
{
    /* The firmware knows only "shut down"; a code can be told to the test device alone. */
    if (code && board.test_finisher) {
        u64 patience = read_time() + board.timebase / 10;

        mmio_write32(board.test_finisher + KERNEL_OFFSET, (code & 0xffff) << 16 | FINISHER_FAIL);
        while (read_time() < patience) /* a device may take its time */
            cpu_pause();
    }
    sbi_system_reset(RESET_SHUTDOWN, code ? REASON_FAILURE : REASON_NONE);
    halt_forever();
}

void power_off(u32 code)
{
    console_flush();
    shut_down(code);
}

void power_reboot(void)
{
    console_flush();
    sbi_system_reset(RESET_COLD, REASON_NONE);
    halt_forever();
}

void power_failure(void)
{
    shut_down(CODE_PANIC);
}
