/* The line editor. The kernel hands over keys as they come; what the user sees is all made here. */
#include "sh.h"

#define HISTORY 16

enum key {
    CTRL_A = 1, CTRL_C = 3, CTRL_D = 4, CTRL_E = 5, BACKSPACE = 8, CTRL_K = 11, CTRL_L = 12, CTRL_U = 21, ESCAPE = 27,
    DELETE = 127,
};

static char history[HISTORY][LINE_LENGTH];
static u32 history_count;

struct editor {
    const char *prompt;
    char *line;
    size_t size, length, at;
    u32 back; /* how many lines up in the history */
};

static int read_key(void)
{
    static char keys[64];
    static i64 count, next;

    if (next == count) {
        count = call(SYS_READ, keys, sizeof(keys));
        next = 0;
        if (count <= 0)
            exit(1);
    }
    return (u8)keys[next++];
}

/* Shows what is right of the cursor anew and puts the cursor back; `gone` characters were there before. */
static void show_tail(const struct editor *e, size_t gone)
{
    char out[2 * LINE_LENGTH + 8];
    size_t tail = e->length - e->at, used = 0;

    memcpy(out, e->line + e->at, tail);
    used = tail;
    for (size_t i = 0; i < gone; i++)
        out[used++] = ' ';
    for (size_t i = 0; i < tail + gone; i++)
        out[used++] = '\b';
    call(SYS_WRITE, out, used);
}

static void move_to(struct editor *e, size_t at)
{
    for (; e->at > at; e->at--)
        print("\b");
    if (at > e->at)
        call(SYS_WRITE, e->line + e->at, at - e->at);
    e->at = at;
}

static void insert(struct editor *e, char c)
{
    if (e->length + 1 >= e->size)
        return;
    memmove(e->line + e->at + 1, e->line + e->at, e->length - e->at);
    e->line[e->at++] = c;
    e->length++;
    call(SYS_WRITE, &c, 1ul);
    if (e->at < e->length)
        show_tail(e, 0);
}

static void erase(struct editor *e)
{
    if (e->at == e->length)
        return;
    memmove(e->line + e->at, e->line + e->at + 1, e->length - e->at - 1);
    e->length--;
    show_tail(e, 1);
}

static void replace(struct editor *e, const char *text)
{
    size_t old = e->length;

    move_to(e, 0);
    strcopy(e->line, text, e->size);
    e->length = strlen(e->line);
    show_tail(e, old > e->length ? old - e->length : 0);
    move_to(e, e->length);
}

static void recall(struct editor *e, i32 step)
{
    u32 back = e->back + (u32)step;

    if (back > history_count || back > HISTORY)
        return;
    e->back = back;
    replace(e, back ? history[(history_count - back) % HISTORY] : "");
}

/* Keys that a terminal sends as ESC [ and a letter, or a number and '~'. */
static void escape(struct editor *e)
{
    int key;

    if (read_key() != '[')
        return;
    key = read_key();
    switch (key) {
    case 'A':
        recall(e, 1);
        break;
    case 'B':
        recall(e, -1);
        break;
    case 'C':
        move_to(e, MIN(e->at + 1, e->length));
        break;
    case 'D':
        move_to(e, e->at ? e->at - 1 : 0);
        break;
    case 'H':
        move_to(e, 0);
        break;
    case 'F':
        move_to(e, e->length);
        break;
    case '3':
        erase(e);
        break;
    default:
        break;
    }
    while (key >= '0' && key <= '9')
        key = read_key();
}

/* False when the line is complete. */
static bool handle(struct editor *e, int key)
{
    static bool after_return;

    if (key == '\n' && after_return) { /* the second half of "\r\n" */
        after_return = false;
        return true;
    }
    after_return = key == '\r';
    switch (key) {
    case '\r':
    case '\n':
        print("\n");
        return false;
    case CTRL_C:
        print("^C\n");
        e->length = 0;
        return false;
    case CTRL_D:
        if (e->length == 0) {
            strcopy(e->line, "poweroff", e->size);
            e->length = strlen(e->line);
            printf("%s\n", e->line);
            return false;
        }
        erase(e);
        break;
    case BACKSPACE:
    case DELETE:
        if (e->at) {
            move_to(e, e->at - 1);
            erase(e);
        }
        break;
    case CTRL_A:
        move_to(e, 0);
        break;
    case CTRL_E:
        move_to(e, e->length);
        break;
    case CTRL_U:
        replace(e, "");
        break;
    case CTRL_K:
        while (e->at < e->length)
            erase(e);
        break;
    case CTRL_L:
        printf("\033[H\033[2J%s", e->prompt);
        e->at = 0;
        move_to(e, e->length);
        break;
    case ESCAPE:
        escape(e);
        break;
    default:
        if (key >= ' ')
            insert(e, (char)key);
        break;
    }
    return true;
}

void read_line(const char *prompt, char *line, size_t size)
{
    struct editor e = {prompt, line, size, 0, 0, 0};

    print(prompt);
    while (handle(&e, read_key()))
        ;
    line[e.length] = 0;
    if (e.length && strcmp(line, history_count ? history[(history_count - 1) % HISTORY] : "") != 0)
        strcopy(history[history_count++ % HISTORY], line, LINE_LENGTH);
}
