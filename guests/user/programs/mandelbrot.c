/* mandelbrot [iterations]: the set in characters, one double-precision orbit for each. */
#include "../lib/user.h"

#define WIDTH 78
#define HEIGHT 24

static u64 escape_time(double cx, double cy, u64 limit)
{
    double x = 0, y = 0;
    u64 n = 0;

    for (; n < limit && x * x + y * y <= 4; n++) {
        double next = x * x - y * y + cx;

        y = 2 * x * y + cy;
        x = next;
    }
    return n;
}

int main(int argc, char **argv)
{
    static const char shades[] = " .,:;-~=+*oxOX%#";
    u64 limit = argument(argc, argv, 1, 1000), start = now_ns(), total = 0;

    for (int row = 0; row < HEIGHT; row++) {
        char line[WIDTH + 1];

        for (int column = 0; column < WIDTH; column++) {
            u64 n = escape_time(-2.3 + 3.3 * column / (WIDTH - 1), -1.15 + 2.3 * row / (HEIGHT - 1), limit);

            total += n;
            line[column] = n == limit ? '@' : shades[MIN(n, sizeof(shades) - 2)];
        }
        line[WIDTH] = 0;
        printf("%s\n", line);
    }
    printf("%lu iterations (%s)\n", total, seconds(now_ns() - start));
    return 0;
}
