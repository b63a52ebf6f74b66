#include "sbi.h"
#include "../common/format.h"

#define SBI_LEGACY_PUT_CHAR 1
#define SBI_IMPLEMENTATION_VMCORE 0x766d63 /* "vmc" */
#define ALL_HARTS ((u64)-1) /* as hart_mask_base */

struct sbi_result sbi_call(u64 extension, u64 function, u64 arg0, u64 arg1, u64 arg2, u64 arg3, u64 arg4)
{
    register u64 a0 __asm__("a0") = arg0;
    register u64 a1 __asm__("a1") = arg1;
    register u64 a2 __asm__("a2") = arg2;
    register u64 a3 __asm__("a3") = arg3;
    register u64 a4 __asm__("a4") = arg4;
    register u64 a6 __asm__("a6") = function;
    register u64 a7 __asm__("a7") = extension;

    __asm__ volatile("ecall" : "+r"(a0), "+r"(a1) : "r"(a2), "r"(a3), "r"(a4), "r"(a6), "r"(a7) : "memory");
    return (struct sbi_result){(i64)a0, (i64)a1};
}

static i64 base_value(u64 function)
{
    return sbi_call(SBI_EXT_BASE, function, 0, 0, 0, 0, 0).value;
}

void sbi_describe(char *out, size_t size)
{
    static const char *const known[] = {"BBL", "OpenSBI", "Xvisor", "KVM", "RustSBI", "Diosix", "Coffer"};
    u64 version = (u64)base_value(0), id = (u64)base_value(1), implementation = (u64)base_value(2);
    u32 major = (version >> 24) & 0x7f, minor = version & 0xffffff;

    if (id == 1)
        format_text(out, size, "SBI %u.%u by OpenSBI %lu.%lu", major, minor, implementation >> 16,
                    implementation & 0xffff);
    else if (id < sizeof(known) / sizeof(known[0]))
        format_text(out, size, "SBI %u.%u by %s", major, minor, known[id]);
    else if (id == SBI_IMPLEMENTATION_VMCORE)
        format_text(out, size, "SBI %u.%u by vmcore", major, minor);
    else
        format_text(out, size, "SBI %u.%u by implementation 0x%lx", major, minor, id);
}

bool sbi_has(u64 extension)
{
    return sbi_call(SBI_EXT_BASE, 3, extension, 0, 0, 0, 0).value != 0;
}

void sbi_set_timer(u64 time)
{
    sbi_call(SBI_EXT_TIME, 0, time, 0, 0, 0, 0);
}

void sbi_send_ipi(u64 hart_id)
{
    sbi_call(SBI_EXT_IPI, 0, 1, hart_id, 0, 0, 0);
}

i64 sbi_hart_start(u64 hart_id, u64 address, u64 argument)
{
    return sbi_call(SBI_EXT_HSM, 0, hart_id, address, argument, 0, 0).error;
}

bool sbi_hart_is_stopped(u64 hart_id)
{
    return sbi_call(SBI_EXT_HSM, 2, hart_id, 0, 0, 0, 0).value == 1;
}

void sbi_flush_asid(u64 asid)
{
    sbi_call(SBI_EXT_RFENCE, 2, 0, ALL_HARTS, 0, (u64)-1, asid);
}

void sbi_system_reset(u32 type, u32 reason)
{
    sbi_call(SBI_EXT_SRST, 0, type, reason, 0, 0, 0);
}

void sbi_put_char(char c)
{
    if (sbi_has(SBI_EXT_CONSOLE))
        sbi_call(SBI_EXT_CONSOLE, 2, (u8)c, 0, 0, 0, 0);
    else
        sbi_call(SBI_LEGACY_PUT_CHAR, 0, (u8)c, 0, 0, 0, 0);
}
