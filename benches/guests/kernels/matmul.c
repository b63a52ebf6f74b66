/* Product of two matrices of 32-bit integers: multiply-add with two address streams. */
#include "board.h"

#define N 160

static int32_t a[N][N], b[N][N], c[N][N];

int kernel(void)
{
    for (int i = 0; i < N; i++)
        for (int j = 0; j < N; j++) {
            a[i][j] = i + 2 * j;
            b[i][j] = i == j ? 3 : 0;
        }
    b[0][1] = 5;
    for (int round = 0; round < 24; round++)
        for (int i = 0; i < N; i++)
            for (int j = 0; j < N; j++) {
                int32_t sum = 0;
                for (int k = 0; k < N; k++)
                    sum += a[i][k] * b[k][j];
                c[i][j] = sum;
            }
    for (int i = 0; i < N; i++)
        for (int j = 0; j < N; j++)
            if (c[i][j] != 3 * a[i][j] + (j == 1 ? 5 * a[i][0] : 0))
                return 1;
    return 0;
}
