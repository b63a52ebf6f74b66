/* The Mandelbrot set on a grid: a chain of double operations and a comparison for each step. */
#include "board.h"

#define SIDE 600
#define LIMIT 200

static int inside(double x, double y)
{
    double re = 0, im = 0;

    for (int i = 0; i < LIMIT; i++) {
        double re2 = re * re, im2 = im * im;
        if (re2 + im2 > 4)
            return 0;
        im = 2 * re * im + y;
        re = re2 - im2 + x;
    }
    return 1;
}

int kernel(void)
{
    double cell = 3.0 / (double)hidden(SIDE), area;
    int64_t upper = 0, lower = 0;

    for (int j = 0; j < SIDE; j++)
        for (int i = 0; i < SIDE; i++) {
            int found = inside(-2.25 + cell * (i + 0.5), cell * (j - SIDE / 2 + 0.5));
            *(j < SIDE / 2 ? &lower : &upper) += found;
        }
    /* The set mirrors at the real axis, and its area is 1.5066; this many steps and this grid find a little more. */
    area = (double)(upper + lower) * cell * cell;
    return upper != lower || !(area > 1.48 && area < 1.56);
}
