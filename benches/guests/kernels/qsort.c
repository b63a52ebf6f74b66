/* Quicksort of 32-bit numbers through a comparison function: unpredictable branches and indirect calls. */
#include "board.h"

#define COUNT 300000

typedef int (*compare_t)(const int32_t *, const int32_t *);

static int32_t numbers[COUNT];

static int ascending(const int32_t *a, const int32_t *b)
{
    return (*a > *b) - (*a < *b);
}

static void sort(int32_t *a, int64_t n, compare_t compare)
{
    while (n > 1) {
        int32_t pivot = a[n / 2];
        int64_t i = 0, j = n - 1;
        while (i <= j) {
            while (compare(&a[i], &pivot) < 0)
                i++;
            while (compare(&a[j], &pivot) > 0)
                j--;
            if (i <= j) {
                int32_t t = a[i];
                a[i++] = a[j];
                a[j--] = t;
            }
        }
        sort(a, j + 1, compare);
        a += i;
        n -= i;
    }
}

int kernel(void)
{
    compare_t compare = (compare_t)hidden((uint64_t)ascending);
    uint64_t seed = 1;

    for (int round = 0; round < 4; round++) {
        for (int i = 0; i < COUNT; i++) {
            seed = seed * 6364136223846793005ul + 1442695040888963407ul;
            numbers[i] = (int32_t)(seed >> 33);
        }
        sort(numbers, COUNT, compare);
        for (int i = 1; i < COUNT; i++)
            if (numbers[i - 1] > numbers[i])
                return 1;
    }
    return 0;
}
