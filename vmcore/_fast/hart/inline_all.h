/* For a module whose `cdef inline` functions must really be inlined: gcc finds the floating-point core too large, but
 * only inlined does it become an own function for each format (2.5 times faster, measured).
 */
#ifndef VMCORE_INLINE_ALL_H
#define VMCORE_INLINE_ALL_H

#if defined(__GNUC__)
#undef CYTHON_INLINE
#define CYTHON_INLINE inline __attribute__((always_inline, unused))
#endif

#endif
