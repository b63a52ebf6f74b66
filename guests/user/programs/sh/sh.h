/* The shell: built-in commands, and everything else is a program. */
#ifndef SH_H
#define SH_H

#include "../../lib/user.h"

#define LINE_LENGTH 200

struct command {
    const char *name, *usage, *help;
    void (*run)(int argc, char **argv);
};

extern const struct command commands[];

/* edit.c: reads a line, with editing and history, after showing the prompt. */
void read_line(const char *prompt, char *line, size_t size);

/* system.c */
void cmd_ps(int argc, char **argv);
void cmd_harts(int argc, char **argv);
void cmd_mem(int argc, char **argv);
void cmd_uptime(int argc, char **argv);
void cmd_trace(int argc, char **argv);
/* disk.c */
void cmd_disk(int argc, char **argv);
/* dtb.c */
void cmd_dtb(int argc, char **argv);
/* run.c */
void cmd_spawn(int argc, char **argv);
void cmd_kill(int argc, char **argv);
void run_program(const char *line, bool background);
/* Tells about background tasks that ended. */
void reap(void);

#endif
