/* sh: reads commands and runs them. The first task, parent of all others. */
#include "sh.h"

#define PROMPT "vmcore> "

static void run_line(const char *line);

static void cmd_help(int argc, char **argv)
{
    (void)argc, (void)argv;
    for (const struct command *c = commands; c->name; c++) {
        if (c->help)
            printf("  %-10s %-18s %s\n", c->name, c->usage, c->help);
    }
    print("Commands are separated by ';'. A program with '&' at its end runs in the background; Ctrl-C ends one.\n");
}

static void cmd_echo(int argc, char **argv)
{
    for (int i = 1; i < argc; i++)
        printf(i > 1 ? " %s" : "%s", argv[i]);
    print("\n");
}

static void cmd_poweroff(int argc, char **argv)
{
    call(SYS_POWER, (u64)POWER_OFF, argument(argc, argv, 1, 0));
}

static void cmd_reboot(int argc, char **argv)
{
    (void)argc, (void)argv;
    call(SYS_POWER, (u64)POWER_REBOOT, 0ul);
}

static void cmd_panic(int argc, char **argv)
{
    (void)argc, (void)argv;
    call(SYS_PANIC);
}

static void cmd_clear(int argc, char **argv)
{
    (void)argc, (void)argv;
    print("\033[H\033[2J");
}

/* What the machine shows when nobody is there to type. */
static void cmd_demo(int argc, char **argv)
{
    static const char *const tour[] = {"harts", "ps", "mandelbrot", "primes 1000000", "bench",
                                       "spawn 8", "fault", "fault kernel", "harts", "mem", "uptime"};

    (void)argc, (void)argv;
    for (u32 i = 0; i < ARRAY_SIZE(tour); i++) {
        printf(PROMPT "%s\n", tour[i]);
        run_line(tour[i]);
    }
}

/* Those without a function are programs. */
const struct command commands[] = {
    {"help", "", "this list", cmd_help},
    {"ps", "", "the tasks", cmd_ps},
    {"harts", "", "the harts and what they did (also: cpus)", cmd_harts},
    {"cpus", NULL, NULL, cmd_harts},
    {"mem", "", "memory", cmd_mem},
    {"uptime", "", "time since boot", cmd_uptime},
    {"bench", "[scale]", "integer, memory and float loops", NULL},
    {"mandelbrot", "[iterations]", "the set, in characters", NULL},
    {"primes", "[n]", "counts the primes up to n", NULL},
    {"spawn", "[n] [rounds]", "n tasks that compute, spread over the harts", cmd_spawn},
    {"fault", "[kind]", "a task that misbehaves (fault help: kinds)", NULL},
    {"stress", "[rounds]", "tasks, memory, disk and kills all at once", NULL},
    {"sleep", "[ms]", "does nothing for a while", NULL},
    {"kill", "PID", "ends a task", cmd_kill},
    {"disk", "[verb ...]", "shows, reads, writes and checks sectors", cmd_disk},
    {"dtb", "[name]", "the device tree, or the nodes so named", cmd_dtb},
    {"trace", "[n]", "the kernel's latest events", cmd_trace},
    {"echo", "[text]", "says it again", cmd_echo},
    {"demo", "", "a tour", cmd_demo},
    {"clear", "", "an empty screen", cmd_clear},
    {"panic", "", "the end of a kernel", cmd_panic},
    {"reboot", "", "starts the machine anew", cmd_reboot},
    {"poweroff", "[code]", "ends the machine, with a status", cmd_poweroff},
    {NULL, NULL, NULL, NULL},
};

static void run_command(char *text)
{
    char words[LINE_LENGTH], *argv[MAX_ARGUMENTS + 1], *at = words;
    size_t length = strlen(text);
    bool background = false;
    int argc = 0;

    while (length && (text[length - 1] == ' ' || text[length - 1] == '&')) {
        background |= text[length - 1] == '&';
        text[--length] = 0;
    }
    while (*text == ' ')
        text++;
    if (!*text)
        return;
    strcopy(words, text, sizeof(words));
    while (argc < MAX_ARGUMENTS) {
        while (*at == ' ')
            *at++ = 0;
        if (!*at)
            break;
        argv[argc++] = at;
        while (*at && *at != ' ')
            at++;
    }
    argv[argc] = NULL;
    for (const struct command *c = commands; c->name; c++) {
        if (c->run && strcmp(c->name, argv[0]) == 0) {
            c->run(argc, argv);
            return;
        }
    }
    run_program(text, background);
}

static void run_line(const char *line)
{
    char copy[LINE_LENGTH], *at = copy;

    strcopy(copy, line, sizeof(copy));
    for (;;) {
        char *end = (char *)strchr(at, ';');

        if (end)
            *end = 0;
        run_command(at);
        if (!end)
            return;
        at = end + 1;
    }
}

int main(int argc, char **argv)
{
    char bootargs[256], line[LINE_LENGTH];

    (void)argc, (void)argv;
    call(SYS_BOOTARGS, bootargs, sizeof(bootargs));
    if (has_word(bootargs, "demo")) {
        cmd_demo(0, NULL);
        print(PROMPT "poweroff\n");
        call(SYS_POWER, (u64)POWER_OFF, 0ul);
    }
    print("Type help for the commands.\n\n");
    for (;;) {
        reap();
        read_line(PROMPT, line, sizeof(line));
        run_line(line);
    }
}
