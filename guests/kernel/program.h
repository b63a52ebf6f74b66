/* The user programs that the image carries. */
#ifndef PROGRAM_H
#define PROGRAM_H

#include "task.h"

/*
 * Loads the program that the first word of the command line names into the task's address space, puts the command line
 * onto its stack, and sets the frame to its first instruction. 0, or an error.
 */
i64 program_load(struct task *task, const char *command);

#endif
