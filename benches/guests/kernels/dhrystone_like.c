/* The statements that Dhrystone weighs: records that are assigned whole and reached through pointers, strings compared
 * and copied, small procedures with results by reference, a two-dimensional array, enumerations. */
#include "board.h"

#define ROUNDS 700000

enum colour { RED, GREEN, BLUE, WHITE, BLACK };

typedef struct record {
    struct record *link;
    enum colour colour;
    int32_t number;
    int32_t level;
    char name[32];
} record;

static record first, second;
static int32_t table[50][50], row[50];
static int32_t total;
static char letter;

static const char hello[] = "A SENTENCE OF THIRTY LETTERS, 1";
static const char other[] = "A SENTENCE OF THIRTY LETTERS, 2";

__attribute__((noinline)) static void copy(char *to, const char *from)
{
    while ((*to++ = *from++))
        ;
}

__attribute__((noinline)) static int compare(const char *a, const char *b)
{
    while (*a && *a == *b) {
        a++;
        b++;
    }
    return *a - *b;
}

__attribute__((noinline)) static enum colour mix(enum colour a, enum colour b)
{
    enum colour c = a;

    if (c == b)
        return WHITE;
    switch (b) {
    case RED:
        return GREEN;
    case GREEN:
        return total > 100 ? RED : BLUE;
    case BLUE:
        return GREEN;
    default:
        return BLACK;
    }
}

__attribute__((noinline)) static void add_up(int32_t a, int32_t b, int32_t *result)
{
    *result = a + 2 + b;
}

__attribute__((noinline)) static void fill(int32_t *line, int32_t (*square)[50], int32_t at, int32_t value)
{
    int32_t place = at + 5;

    line[place] = value;
    line[place + 1] = line[place];
    line[place + 30] = place;
    for (int32_t i = place; i <= place + 1; i++)
        square[place][i] = place;
    square[place][place - 1]++;
    square[place + 20][place] = line[place];
    total = 5;
}

__attribute__((noinline)) static void advance(record *one)
{
    record *next = one->link;

    *next = *one;
    one->number = 5;
    next->number = one->number;
    next->link = one->link;
    add_up(next->level, 10, &next->number);
    if (next->colour == one->colour) {
        next->level = 6;
        next->colour = mix(one->colour, BLUE);
        add_up(next->number, 10, &next->number);
    } else {
        *one = *next;
    }
}

__attribute__((noinline)) static int after(const char *a, const char *b)
{
    int32_t place = 2;
    char c = 'A';

    while (place <= 2)
        if (a[place] == b[place + 1]) {
            c = 'B';
            place++;
        } else {
            place += 2;
        }
    if (c > 'W' && c < 'Z')
        place = 7;
    if (c == 'R')
        return 1;
    if (compare(a, b) > 0) {
        place += 7;
        total = place;
        return 1;
    }
    return 0;
}

int kernel(void)
{
    char one[32], two[32];
    int32_t quotient = 0, sum = 0;
    int32_t rounds = (int32_t)hidden(ROUNDS);

    first = (record){&second, BLUE, 0, 40, ""};
    copy(first.name, hello);
    copy(one, hello);
    table[8][7] = 10;
    for (int32_t round = 1; round <= rounds; round++) {
        int32_t a = 2, b = 3, c = 0;
        letter = 'A';
        copy(two, other);
        if (after(one, two))
            return 1;
        while (a < b) {
            c = 5 * a - b;
            add_up(a, b, &c);
            a++;
        }
        fill(row, table, a, c);
        advance(&first);
        for (char at = 'A'; at <= letter + 1; at++)
            if (mix(RED, (enum colour)(at - 'A')) == GREEN)
                copy(two, hello);
        b = b * a;
        quotient = b / c;
        sum += 7 * (b - c) - a + quotient;
    }
    /* Each value follows from the statements above; only the round number counts up. */
    return quotient != 1 || sum != rounds * (7 * (9 - 7) - 3 + 1) || table[8][7] != 10 + rounds || total != 5 ||
           row[8] != 7 || row[38] != 8 || table[28][8] != 7 || second.number != 40 + 2 + 10 + 2 + 10 ||
           second.level != 6 || second.colour != WHITE || compare(second.name, hello);
}
