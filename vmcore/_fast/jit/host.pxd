# What the host's processor has beyond the least of x86-64. A static copy in each module that asks, after it has called
# find_features().

cdef extern from *:
    """
    static int vmcore_host_bits = 0;

    #define VMCORE_HAS_POPCNT 1
    #define VMCORE_HAS_LZCNT 2
    #define VMCORE_HAS_TZCNT 4
    #define VMCORE_HAS_FMA 8
    #define VMCORE_HAS_SSE41 16

    #if defined(__x86_64__)
    #include <cpuid.h>
    static void vmcore_find_features(void) {
        unsigned a, b, c, d;
        int found = 0;
        /* The registers that FMA's encoding asks for must also be saved by the system: __builtin_cpu_supports knows. */
        __builtin_cpu_init();
        if (__builtin_cpu_supports("fma")) found |= VMCORE_HAS_FMA;
        if (__builtin_cpu_supports("popcnt")) found |= VMCORE_HAS_POPCNT;
        if (__builtin_cpu_supports("sse4.1")) found |= VMCORE_HAS_SSE41;
        if (__get_cpuid_count(7, 0, &a, &b, &c, &d) && b & bit_BMI) found |= VMCORE_HAS_TZCNT;
        if (__get_cpuid(0x80000001, &a, &b, &c, &d) && c & (1 << 5)) found |= VMCORE_HAS_LZCNT;
        vmcore_host_bits = found;
    }
    #else
    static void vmcore_find_features(void) {}
    #endif
    """
    enum:
        HAS_POPCNT "VMCORE_HAS_POPCNT"
        HAS_LZCNT "VMCORE_HAS_LZCNT"
        HAS_TZCNT "VMCORE_HAS_TZCNT"
        HAS_FMA "VMCORE_HAS_FMA"
        HAS_SSE41 "VMCORE_HAS_SSE41"
    int host_bits "vmcore_host_bits"
    void find_features "vmcore_find_features"() nogil
