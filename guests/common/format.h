/* printf's formatting into a buffer: %d %u %x %c %s %%, with l, a width, '-' and '0'. */
#ifndef FORMAT_H
#define FORMAT_H

#include "types.h"
#include <stdarg.h>

/* Writes at most size - 1 characters and a 0; returns how many characters are in the buffer. */
size_t format_args(char *out, size_t size, const char *format, va_list args);
size_t format_text(char *out, size_t size, const char *format, ...) __attribute__((format(printf, 3, 4)));

#endif
