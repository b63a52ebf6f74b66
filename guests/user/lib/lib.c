#include "user.h"

_Noreturn void program_start(char *command)
{
    char *argv[MAX_ARGUMENTS + 1];
    int argc = 0;

    /* The command line is split where it lies, on our own stack. */
    while (argc < MAX_ARGUMENTS) {
        while (*command == ' ')
            *command++ = 0;
        if (!*command)
            break;
        argv[argc++] = command;
        while (*command && *command != ' ')
            command++;
    }
    argv[argc] = NULL;
    exit(main(argc, argv));
}

void exit(i64 status)
{
    call(SYS_EXIT, status);
    __builtin_trap();
}

void print(const char *text)
{
    call(SYS_WRITE, text, strlen(text));
}

void printf(const char *format, ...)
{
    char line[512];
    va_list args;
    size_t length;

    va_start(args, format);
    length = format_args(line, sizeof(line), format, args);
    va_end(args);
    call(SYS_WRITE, line, length);
}

void *grow(size_t bytes)
{
    i64 at = call(SYS_SBRK, bytes);

    if (at < 0) {
        print("out of memory\n");
        exit(1);
    }
    return (void *)at;
}

u64 argument(int argc, char **argv, int index, u64 otherwise)
{
    u64 value;

    return index < argc && parse_number(argv[index], &value) ? value : otherwise;
}

const char *seconds(u64 ns)
{
    static char texts[4][32];
    static u32 next;
    char *text = texts[next++ % 4];

    format_text(text, sizeof(texts[0]), "%lu.%06lu s", ns / 1000000000, ns / 1000 % 1000000);
    return text;
}
