/* LU decomposition of a dense matrix of doubles with pivots, and a solution that is known. */
#include "board.h"

#define N 128
#define ROUNDS 60

static double a[N][N], b[N], x[N];

static double magnitude(double v)
{
    return v < 0 ? -v : v;
}

static void decompose(void)
{
    for (int k = 0; k < N; k++) {
        int best = k;
        for (int i = k + 1; i < N; i++)
            if (magnitude(a[i][k]) > magnitude(a[best][k]))
                best = i;
        for (int j = 0; j < N; j++) {
            double t = a[k][j];
            a[k][j] = a[best][j];
            a[best][j] = t;
        }
        double t = b[k];
        b[k] = b[best];
        b[best] = t;
        for (int i = k + 1; i < N; i++) {
            double factor = a[i][k] / a[k][k];
            a[i][k] = factor;
            for (int j = k + 1; j < N; j++)
                a[i][j] -= factor * a[k][j];
            b[i] -= factor * b[k];
        }
    }
}

int kernel(void)
{
    uint64_t seed = hidden(1);

    for (int round = 0; round < ROUNDS; round++) {
        for (int i = 0; i < N; i++) {
            b[i] = 0;
            for (int j = 0; j < N; j++) {
                seed = seed * 6364136223846793005ul + 1442695040888963407ul;
                a[i][j] = (double)(int64_t)(seed >> 32) * 0x1p-32 - 0.5;
                b[i] += a[i][j] * (j + 1);
            }
        }
        decompose();
        for (int i = N - 1; i >= 0; i--) {
            double sum = b[i];
            for (int j = i + 1; j < N; j++)
                sum -= a[i][j] * x[j];
            x[i] = sum / a[i][i];
        }
        for (int i = 0; i < N; i++)
            if (magnitude(x[i] - (i + 1)) > 1e-6)
                return 1;
    }
    return 0;
}
