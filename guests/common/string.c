#include "string.h"

/* Built with -fno-builtin, or the compiler would turn these loops into calls of themselves. */

void *memcpy(void *to, const void *from, size_t n)
{
    u8 *d = to;
    const u8 *s = from;

    if ((((uintptr_t)d | (uintptr_t)s) & 7) == 0) {
        for (; n >= 8; n -= 8, d += 8, s += 8)
            *(u64 *)d = *(const u64 *)s;
    }
    while (n--)
        *d++ = *s++;
    return to;
}

void *memmove(void *to, const void *from, size_t n)
{
    u8 *d = to;
    const u8 *s = from;

    if (d <= s || d >= s + n)
        return memcpy(to, from, n);
    while (n--) /* from the end, so that an overlap is read before it is overwritten */
        d[n] = s[n];
    return to;
}

void *memset(void *to, int byte, size_t n)
{
    u8 *d = to;
    u64 word = (u8)byte * 0x0101010101010101ul;

    for (; n && ((uintptr_t)d & 7); n--)
        *d++ = (u8)byte;
    for (; n >= 8; n -= 8, d += 8)
        *(u64 *)d = word;
    while (n--)
        *d++ = (u8)byte;
    return to;
}

int memcmp(const void *a, const void *b, size_t n)
{
    const u8 *x = a, *y = b;

    for (; n; n--, x++, y++) {
        if (*x != *y)
            return *x - *y;
    }
    return 0;
}

size_t strnlen(const char *s, size_t max)
{
    size_t n = 0;

    while (n < max && s[n])
        n++;
    return n;
}

size_t strlen(const char *s)
{
    return strnlen(s, SIZE_MAX);
}

int strncmp(const char *a, const char *b, size_t n)
{
    for (; n; n--, a++, b++) {
        if (*a != *b || !*a)
            return (u8)*a - (u8)*b;
    }
    return 0;
}

int strcmp(const char *a, const char *b)
{
    return strncmp(a, b, SIZE_MAX);
}

const char *strchr(const char *s, int c)
{
    for (; *s; s++) {
        if (*s == (char)c)
            return s;
    }
    return NULL;
}

void strcopy(char *to, const char *from, size_t size)
{
    size_t n = strnlen(from, size - 1);

    memcpy(to, from, n);
    to[n] = 0;
}

bool has_word(const char *text, const char *word)
{
    size_t n = strlen(word);

    while (*text) {
        size_t length = 0;

        while (*text == ' ')
            text++;
        while (text[length] && text[length] != ' ')
            length++;
        if (length == n && strncmp(text, word, n) == 0)
            return true;
        text += length;
    }
    return false;
}

bool parse_number(const char *s, u64 *value)
{
    u64 base = 10, result = 0;

    if (s[0] == '0' && s[1] == 'x') {
        base = 16;
        s += 2;
    }
    if (!*s)
        return false;
    for (; *s; s++) {
        u64 digit;

        if (*s >= '0' && *s <= '9')
            digit = *s - '0';
        else if (base == 16 && (*s | 0x20) >= 'a' && (*s | 0x20) <= 'f')
            digit = (*s | 0x20) - 'a' + 10;
        else
            return false;
        if (result > (UINT64_MAX - digit) / base)
            return false;
        result = result * base + digit;
    }
    *value = result;
    return true;
}
