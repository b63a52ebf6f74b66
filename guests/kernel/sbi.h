/* Calls to the firmware: the RISC-V Supervisor Binary Interface, version 0.2 or later. */
#ifndef SBI_H
#define SBI_H

#include "../common/types.h"
#include "layout.h"

#define SBI_EXT_BASE 0x10
#define SBI_EXT_TIME 0x54494d45
#define SBI_EXT_IPI 0x735049
#define SBI_EXT_RFENCE 0x52464e43
#define SBI_EXT_SRST 0x53525354
#define SBI_EXT_CONSOLE 0x4442434e

struct sbi_result {
    i64 error, value;
};

struct sbi_result sbi_call(u64 extension, u64 function, u64 a0, u64 a1, u64 a2, u64 a3, u64 a4);
/* Specification version, firmware's name and version, for the greeting. */
void sbi_describe(char *out, size_t size);
bool sbi_has(u64 extension);
void sbi_set_timer(u64 time);
void sbi_send_ipi(u64 hart_id);
/* Starts a stopped hart at a physical address, with its number in a0 and `argument` in a1. */
i64 sbi_hart_start(u64 hart_id, u64 address, u64 argument);
bool sbi_hart_is_stopped(u64 hart_id);
/* Drops, on every hart, the translations of one address space. */
void sbi_flush_asid(u64 asid);
void sbi_system_reset(u32 type, u32 reason);
void sbi_put_char(char c);

#endif
