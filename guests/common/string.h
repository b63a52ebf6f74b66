/* The few memory and string functions of the C library that kernel and programs use. */
#ifndef STRING_H
#define STRING_H

#include "types.h"

void *memcpy(void *to, const void *from, size_t n);
void *memmove(void *to, const void *from, size_t n);
void *memset(void *to, int byte, size_t n);
int memcmp(const void *a, const void *b, size_t n);
size_t strlen(const char *s);
size_t strnlen(const char *s, size_t max);
int strcmp(const char *a, const char *b);
int strncmp(const char *a, const char *b, size_t n);
const char *strchr(const char *s, int c);
/* Copies at most size - 1 characters and always ends the result with a 0. */
void strcopy(char *to, const char *from, size_t size);
/* Is `word` one of the words, separated by blanks, of `text`? */
bool has_word(const char *text, const char *word);
/* Reads a number (decimal, or hexadecimal after 0x). False unless all of `s` is one. */
bool parse_number(const char *s, u64 *value);

#endif
