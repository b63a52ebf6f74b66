/* What a kernel needs: it is one function, which returns 0 when its result is right. */
#ifndef BOARD_H
#define BOARD_H

#include <stddef.h>
#include <stdint.h>

int kernel(void);

/* A value that the compiler cannot know, so that it does not compute the result itself. */
static inline uint64_t hidden(uint64_t v)
{
    __asm__ volatile("" : "+r"(v));
    return v;
}

#endif
