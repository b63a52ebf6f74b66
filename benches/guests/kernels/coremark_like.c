/* Work of the kinds that CoreMark mixes: a linked list that is searched, reversed and sorted, small matrices, a state
 * machine over text, and a checksum bit by bit over every result. */
#include "board.h"

#define ROUNDS 6000
#define NODES 60
#define N 10
#define TEXT 512

typedef struct node {
    struct node *next;
    int16_t *info; /* [0] the value, [1] the place */
} node;

typedef int (*order_t)(const node *, const node *);

static node nodes[NODES];
static int16_t infos[NODES][2];
static int16_t left[N][N], right[N][N];
static int32_t product[N][N];
static char text[TEXT];

static uint16_t crc16(uint32_t value, int bits, uint16_t crc)
{
    for (int i = 0; i < bits; i++) {
        unsigned carry = (crc ^ value) & 1;
        value >>= 1;
        crc >>= 1;
        if (carry)
            crc ^= 0xA001;
    }
    return crc;
}

/* The list. */

static int by_value(const node *a, const node *b)
{
    return a->info[0] - b->info[0];
}

static int by_place(const node *a, const node *b)
{
    return a->info[1] - b->info[1];
}

static node *reverse(node *list)
{
    node *done = NULL;

    while (list) {
        node *next = list->next;
        list->next = done;
        done = list;
        list = next;
    }
    return done;
}

static const node *search(const node *list, int16_t value)
{
    while (list && list->info[0] != value)
        list = list->next;
    return list;
}

static node *merge(node *a, node *b, order_t order)
{
    node head, *tail = &head;

    while (a && b) {
        node **from = order(a, b) <= 0 ? &a : &b;
        tail->next = *from;
        tail = *from;
        *from = tail->next;
    }
    tail->next = a ? a : b;
    return head.next;
}

/* Bottom up: `runs[i]` is empty or a sorted list of 2^i nodes. */
static node *sort(node *list, order_t order)
{
    node *runs[8] = {0}, *sorted = NULL;

    while (list) {
        node *run = list;
        int i = 0;
        list = list->next;
        run->next = NULL;
        for (; runs[i]; i++) {
            run = merge(runs[i], run, order);
            runs[i] = NULL;
        }
        runs[i] = run;
    }
    for (int i = 0; i < 8; i++)
        sorted = merge(runs[i], sorted, order);
    return sorted;
}

static int in_order(const node *list, order_t order)
{
    int seen = 1;

    for (; list->next; list = list->next, seen++)
        if (order(list, list->next) > 0)
            return 0;
    return seen == NODES;
}

static int list_work(uint16_t *crc, int16_t seed)
{
    node *list = nodes;
    int found = 0;

    for (int i = 0; i < NODES; i++) {
        nodes[i].next = i + 1 < NODES ? &nodes[i + 1] : NULL;
        nodes[i].info = infos[i];
        infos[i][0] = (int16_t)((i * 37 + seed) % NODES); /* 37 and 60 share no factor: every value comes once */
        infos[i][1] = (int16_t)i;
    }
    for (int16_t value = 0; value < 2 * NODES; value += 7) {
        const node *at = search(list, value);
        list = reverse(list);
        if (at) {
            found++;
            *crc = crc16((uint16_t)at->info[1], 16, *crc);
        }
    }
    list = sort(list, by_value);
    if (!in_order(list, by_value) || list->info[0] != 0 || found != (NODES + 6) / 7)
        return 1;
    for (const node *at = list; at; at = at->next)
        *crc = crc16((uint16_t)at->info[1], 16, *crc);
    list = sort(list, by_place);
    return !in_order(list, by_place);
}

/* The matrices. */

static int matrix_work(uint16_t *crc, int16_t seed)
{
    int32_t trace = 0, expected = 0;

    for (int i = 0; i < N; i++)
        for (int j = 0; j < N; j++) {
            left[i][j] = (int16_t)(i * 5 + j * 3 + seed);
            right[i][j] = (int16_t)(i - j + 2);
        }
    for (int i = 0; i < N; i++)
        for (int j = 0; j < N; j++)
            left[i][j] = (int16_t)(left[i][j] + 7);
    for (int i = 0; i < N; i++)
        for (int j = 0; j < N; j++) {
            int32_t sum = 0;
            for (int k = 0; k < N; k++)
                sum += left[i][k] * right[k][j];
            product[i][j] = sum;
        }
    for (int i = 0; i < N; i++)
        trace += product[i][i];
    for (int i = 0; i < N; i++)
        for (int j = 0; j < N; j++)
            expected += left[i][j] * right[j][i];
    for (int i = 0; i < N; i++)
        for (int j = 0; j < N; j++) {
            /* Bit fields of products, as fixed-point code picks them out. */
            int32_t both = left[i][j] * right[j][i];
            *crc = crc16((uint32_t)((both >> 2 & 15) * (both >> 5 & 127) + product[i][j]), 16, *crc);
        }
    return trace != expected;
}

/* The state machine: what is each word of the text? */

enum { START, SIGN, INTEGER, POINT, FRACTION, EXPONENT, EXPONENT_SIGN, SCIENTIFIC, INVALID, STATES };

static int digit(char c)
{
    return c >= '0' && c <= '9';
}

static int step(int state, char c)
{
    switch (state) {
    case START:
        return digit(c) ? INTEGER : c == '+' || c == '-' ? SIGN : c == '.' ? POINT : INVALID;
    case SIGN:
        return digit(c) ? INTEGER : c == '.' ? POINT : INVALID;
    case INTEGER:
        return digit(c) ? INTEGER : c == '.' ? FRACTION : c == 'e' ? EXPONENT : INVALID;
    case POINT:
        return digit(c) ? FRACTION : INVALID;
    case FRACTION:
        return digit(c) ? FRACTION : c == 'e' ? EXPONENT : INVALID;
    case EXPONENT:
        return digit(c) ? SCIENTIFIC : c == '+' || c == '-' ? EXPONENT_SIGN : INVALID;
    case EXPONENT_SIGN:
    case SCIENTIFIC:
        return digit(c) ? SCIENTIFIC : INVALID;
    default:
        return INVALID;
    }
}

static void classify(uint32_t counts[STATES], uint32_t *words)
{
    const char *at = text;

    while (*at) {
        int state = START;
        for (; *at && *at != ','; at++)
            state = step(state, *at);
        counts[state]++;
        ++*words;
        if (*at)
            at++;
    }
}

static int text_work(uint16_t *crc, int16_t seed)
{
    static const char *const samples[] = {"5012", "-874", "+122", "35.54400", ".1234500", "-110.700",
                                          "5.500e+3", "-.123e-2", "87e832", "T0.3e-1F", "1T3.4e4z", "34.0e-T^"};
    uint32_t counts[STATES] = {0}, broken[STATES] = {0}, words = 0, again = 0, made = 0, integers = 0;
    char *to = text;

    for (unsigned i = (uint16_t)seed; to < text + TEXT - 12; i += 5, made++) {
        integers += i % 12 < 3;
        for (const char *from = samples[i % 12]; *from; from++)
            *to++ = *from;
        *to++ = ',';
    }
    *to = 0;
    classify(counts, &words);
    for (char *at = text; *at; at += 11)
        if (*at != ',')
            *at ^= 1;
    classify(broken, &again);
    for (char *at = text; *at; at += 11)
        if (*at != ',')
            *at ^= 1;
    for (int i = 0; i < STATES; i++)
        *crc = crc16(counts[i] << 8 | broken[i], 32, *crc);
    return words != made || counts[INTEGER] != integers;
}

int kernel(void)
{
    uint16_t first[4] = {0}, crc = 0;

    /* The check value of CRC-16/ARC. */
    for (char c = '1'; c <= '9'; c++)
        crc = crc16((uint8_t)c, 8, crc);
    if (crc != 0xBB3D)
        return 1;
    for (int round = 0; round < ROUNDS; round++) {
        int16_t seed = (int16_t)(hidden((uint64_t)round) % 4);
        crc = 0;
        if (list_work(&crc, seed) || matrix_work(&crc, seed) || text_work(&crc, seed))
            return 1;
        /* The same seed gives the same checksum, every time. */
        if (round < 4)
            first[seed] = crc;
        else if (first[seed] != crc)
            return 1;
    }
    return first[0] == first[1];
}
