/* An interpreter inside the guest: a small stack machine that counts Collatz steps. Switch dispatch, dependent loads. */
#include "board.h"

enum { PUSH, LOAD, STORE, ADD, MUL, HALF, ODD, LESS, JUMP, BRANCH, STOP };

/* Variables: 0 the number n, 1 what it has become, 2 the steps of all numbers, 3 the limit. */
enum { NEXT_N = 4, STEP = 15, EVEN = 37, COUNT = 42, ADVANCE = 51, END = 59 };

static const int32_t program[] = {
    /*  0 */ PUSH, 1, STORE, 0,
    /*  4 */ LOAD, 0, LOAD, 3, LESS, JUMP, 12, STOP,
    /* 12 */ BRANCH, 60, STOP,
    /* 15 */ LOAD, 1, PUSH, 2, LESS, BRANCH, ADVANCE,
    /* 22 */ LOAD, 1, ODD, BRANCH, 29, JUMP, EVEN,
    /* 29 */ LOAD, 1, PUSH, 3, MUL, JUMP, 64, STOP,
    /* 37 */ LOAD, 1, HALF, STORE, 1,
    /* 42 */ LOAD, 2, PUSH, 1, ADD, STORE, 2, JUMP, STEP,
    /* 51 */ LOAD, 0, PUSH, 1, ADD, STORE, 0, JUMP,
    /* 59 */ NEXT_N,
    /* 60 */ LOAD, 0, JUMP, 71,
    /* 64 */ PUSH, 1, ADD, STORE, 1, JUMP, COUNT,
    /* 71 */ STORE, 1, JUMP, STEP,
};

static int64_t run(const int32_t *code, int64_t limit)
{
    int64_t stack[16], variables[4] = {0};
    int64_t *top = stack;
    const int32_t *at = code;

    variables[3] = limit;
    for (;;) {
        switch (*at++) {
        case PUSH:
            *top++ = *at++;
            break;
        case LOAD:
            *top++ = variables[*at++];
            break;
        case STORE:
            variables[*at++] = *--top;
            break;
        case ADD:
            top--;
            top[-1] += *top;
            break;
        case MUL:
            top--;
            top[-1] *= *top;
            break;
        case HALF:
            top[-1] >>= 1;
            break;
        case ODD:
            top[-1] &= 1;
            break;
        case LESS:
            top--;
            top[-1] = top[-1] < *top;
            break;
        case JUMP:
            at = code + *at;
            break;
        case BRANCH:
            at = *--top ? code + *at : at + 1;
            break;
        default:
            return variables[2];
        }
    }
}

int kernel(void)
{
    int64_t expected = 0, limit = (int64_t)hidden(16000);

    for (int64_t n = 1; n < limit; n++)
        for (int64_t m = n; m > 1; m = m & 1 ? 3 * m + 1 : m >> 1)
            expected++;
    return run(program, limit) != expected;
}
