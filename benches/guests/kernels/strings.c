/* memcpy by words, strlen, strchr and memcmp by bytes: loads and stores that hit the TLB. */
#include "board.h"

#define SIZE 8192

static char text[SIZE + 8], copy[SIZE + 8];

__attribute__((noinline)) static void copy_words(void *to, const void *from, size_t n)
{
    uint64_t *t = to;
    const uint64_t *f = from;

    for (; n >= 8; n -= 8)
        *t++ = *f++;
}

__attribute__((noinline)) static size_t length(const char *s)
{
    const char *p = s;

    while (*p)
        p++;
    return (size_t)(p - s);
}

__attribute__((noinline)) static const char *find(const char *s, char c)
{
    while (*s && *s != c)
        s++;
    return *s ? s : NULL;
}

__attribute__((noinline)) static int differ(const char *a, const char *b, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (a[i] != b[i])
            return 1;
    return 0;
}

int kernel(void)
{
    size_t total = 0;

    for (int i = 0; i < SIZE - 1; i++)
        text[i] = (char)('a' + i % 23);
    text[SIZE - 2] = 'z';
    for (int round = 0; round < 3000; round++) {
        copy_words(copy, text, SIZE);
        total += length(copy) + (size_t)(find(copy, 'z') - copy);
        if (differ(text, copy, SIZE))
            return 1;
    }
    return total != 3000ul * (SIZE - 1 + SIZE - 2);
}
