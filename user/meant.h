/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * What somebody probably meant who types what is no command, or a name where there is no
 * such interface. What it says is a hint: it may be wrong, and nothing is done about it.
 */
#ifndef MEANT_H
#define MEANT_H

#include <stdbool.h>
#include <stddef.h>

/* Hints at the command for a word that is none. Nothing if nothing is likely. */
void meant_command(const char *word, const char *const names[], size_t count);

/* Hints at what a word behind load, or behind unload, probably stands for. */
void meant_interface(const char *word, bool loads);

/* Hints at what a file that there is not, or that is none, probably stands for. */
void meant_apply(const char *word);

#endif
