/* What Cython cannot say: a 128-bit integer, bit patterns as host floating-point numbers, and the host's fused
 * multiply-add where it has one.
 */
#ifndef VMCORE_SOFTFLOAT_H
#define VMCORE_SOFTFLOAT_H

#include <float.h>
#include <stdint.h>

typedef unsigned __int128 vmcore_u128;

#define vmcore_clz64(v) ((int)__builtin_clzll(v))

/* Unions, so that no local has its address taken: that would cost a handler its tail calls. */
typedef union { uint64_t u; double d; } vmcore_pun64;
typedef union { uint32_t u; float s; } vmcore_pun32;

static inline double vmcore_as_double(uint64_t u) { vmcore_pun64 p; p.u = u; return p.d; }
static inline uint64_t vmcore_double_bits(double d) { vmcore_pun64 p; p.d = d; return p.u; }
static inline float vmcore_as_float(uint32_t u) { vmcore_pun32 p; p.u = u; return p.s; }
static inline uint32_t vmcore_float_bits(float s) { vmcore_pun32 p; p.s = s; return p.u; }

/* The host computes float and double in their own format (SSE2, every AArch64): only then may it stand in for the
 * software arithmetic. x87 arithmetic does not.
 */
#if defined(FLT_EVAL_METHOD) && FLT_EVAL_METHOD == 0
#define VMCORE_HOST_FPU 1
#else
#define VMCORE_HOST_FPU 0
#endif

/* The host's rounding mode, its flush-to-zero modes and its exception masks belong to whoever loaded us: a library
 * built with -ffast-math flushes subnormals, a debugging aid unmasks exceptions. vmcore_fpu_enter() sets the IEEE
 * defaults and returns what was there; vmcore_fpu_leave() puts it back.
 */
#if defined(__SSE2__)
#include <xmmintrin.h>
#define VMCORE_MXCSR_DEFAULT 0x1f80u
static inline uint64_t vmcore_fpu_enter(void) {
    uint32_t old = _mm_getcsr();
    if ((old & 0xffc0u) != VMCORE_MXCSR_DEFAULT) _mm_setcsr(VMCORE_MXCSR_DEFAULT);
    return old;
}
static inline void vmcore_fpu_leave(uint64_t old) {
    if ((old & 0xffc0u) != VMCORE_MXCSR_DEFAULT) _mm_setcsr((uint32_t)old);
}
#elif defined(__aarch64__)
static inline uint64_t vmcore_fpu_enter(void) {
    uint64_t old, zero = 0;
    __asm__ volatile("mrs %0, fpcr" : "=r"(old));
    if (old) __asm__ volatile("msr fpcr, %0" : : "r"(zero));
    return old;
}
static inline void vmcore_fpu_leave(uint64_t old) {
    if (old) __asm__ volatile("msr fpcr, %0" : : "r"(old));
}
#else
static inline uint64_t vmcore_fpu_enter(void) { return 0; }
static inline void vmcore_fpu_leave(uint64_t old) { (void)old; }
#endif

/* Square root as an instruction, without libm's errno: the callers never pass a negative number. */
#if defined(__SSE2__)
#include <emmintrin.h>
static inline double vmcore_sqrt(double a) {
    return _mm_cvtsd_f64(_mm_sqrt_sd(_mm_set_sd(a), _mm_set_sd(a)));
}
static inline float vmcore_sqrtf(float a) { return _mm_cvtss_f32(_mm_sqrt_ss(_mm_set_ss(a))); }
#else
static inline double vmcore_sqrt(double a) { return __builtin_sqrt(a); }
static inline float vmcore_sqrtf(float a) { return __builtin_sqrtf(a); }
#endif

/* Fused multiply-add. On x86-64 one build serves processors with and without it, so it is chosen at run time:
 * vmcore_has_fma is set once by vmcore_find_fma(). A VEX-encoded scalar operation clears the upper lanes, so mixing
 * it with SSE code costs nothing.
 */
static int vmcore_has_fma = 0;

#if VMCORE_HOST_FPU && (defined(__FMA__) || defined(__aarch64__))
static inline void vmcore_find_fma(void) { vmcore_has_fma = 1; }
static inline double vmcore_fma(double a, double b, double c) { return __builtin_fma(a, b, c); }
static inline float vmcore_fmaf(float a, float b, float c) { return __builtin_fmaf(a, b, c); }
#elif VMCORE_HOST_FPU && defined(__x86_64__)
static inline void vmcore_find_fma(void) {
    __builtin_cpu_init();
    vmcore_has_fma = __builtin_cpu_supports("fma") != 0;
}
static inline double vmcore_fma(double a, double b, double c) {
    __asm__("vfmadd231sd %2, %1, %0" : "+x"(c) : "x"(a), "x"(b));
    return c;
}
static inline float vmcore_fmaf(float a, float b, float c) {
    __asm__("vfmadd231ss %2, %1, %0" : "+x"(c) : "x"(a), "x"(b));
    return c;
}
#else
static inline void vmcore_find_fma(void) { vmcore_has_fma = 0; }
static inline double vmcore_fma(double a, double b, double c) { (void)a; (void)b; return c; }
static inline float vmcore_fmaf(float a, float b, float c) { (void)a; (void)b; return c; }
#endif

/* A function that the compiler cannot see: a handler that ends in a jump to it stays free of its registers to save. */
#define vmcore_unseen(fn) ({ __typeof__(&*(fn)) unseen_ = (fn); __asm__("" : "+r"(unseen_)); unseen_; })

#endif
