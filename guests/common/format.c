#include "format.h"
#include "string.h"

struct sink {
    char *out;
    size_t used, size;
};

static void put(struct sink *sink, char c)
{
    if (sink->used + 1 < sink->size)
        sink->out[sink->used++] = c;
}

static void put_padded(struct sink *sink, const char *text, size_t length, size_t width, bool left, char fill)
{
    size_t pad = width > length ? width - length : 0;

    if (!left) {
        for (; pad; pad--)
            put(sink, fill);
    }
    for (size_t i = 0; i < length; i++)
        put(sink, text[i]);
    if (left) {
        for (; pad; pad--)
            put(sink, ' ');
    }
}

static void put_number(struct sink *sink, u64 value, bool negative, unsigned base, size_t width, bool left, char fill)
{
    char digits[24];
    size_t at = sizeof(digits);

    do {
        digits[--at] = "0123456789abcdef"[value % base];
        value /= base;
    } while (value);
    if (negative && fill == '0') { /* the sign goes before the zeros */
        put(sink, '-');
        width = width ? width - 1 : 0;
    } else if (negative) {
        digits[--at] = '-';
    }
    put_padded(sink, digits + at, sizeof(digits) - at, width, left, fill);
}

size_t format_args(char *out, size_t size, const char *format, va_list args)
{
    struct sink sink = {out, 0, size};

    for (; *format; format++) {
        bool left = false, wide = false;
        char fill = ' ';
        size_t width = 0;
        i64 number;
        const char *text;
        char c;

        if (*format != '%') {
            put(&sink, *format);
            continue;
        }
        for (format++; *format == '-' || *format == '0'; format++) {
            if (*format == '-')
                left = true;
            else
                fill = '0';
        }
        if (*format == '*') {
            width = (size_t)va_arg(args, int);
            format++;
        }
        for (; *format >= '0' && *format <= '9'; format++)
            width = width * 10 + (size_t)(*format - '0');
        for (; *format == 'l'; format++)
            wide = true;
        switch (*format) {
        case 'd':
            number = wide ? va_arg(args, i64) : va_arg(args, int);
            put_number(&sink, number < 0 ? -(u64)number : (u64)number, number < 0, 10, width, left, fill);
            break;
        case 'u':
            put_number(&sink, wide ? va_arg(args, u64) : va_arg(args, unsigned), false, 10, width, left, fill);
            break;
        case 'x':
            put_number(&sink, wide ? va_arg(args, u64) : va_arg(args, unsigned), false, 16, width, left, fill);
            break;
        case 's':
            text = va_arg(args, const char *);
            put_padded(&sink, text, strlen(text), width, left, ' ');
            break;
        case 'c':
            c = (char)va_arg(args, int);
            put_padded(&sink, &c, 1, width, left, ' ');
            break;
        case '%':
            put(&sink, '%');
            break;
        default: /* a mistake in the caller's format: show it */
            put(&sink, '?');
            format -= *format == 0;
            break;
        }
    }
    if (size)
        out[sink.used] = 0;
    return sink.used;
}

size_t format_text(char *out, size_t size, const char *format, ...)
{
    va_list args;
    size_t length;

    va_start(args, format);
    length = format_args(out, size, format, args);
    va_end(args);
    return length;
}
