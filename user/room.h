/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * Memory for a command that lives for a moment.
 */
#ifndef ROOM_H
#define ROOM_H

/* Makes large blocks cheap to get, and to get again. To be called first; nothing depends on it. */
void room_make(void);

/* Gives back what is not in use, before a long wait. */
void room_give_back(void);

#endif
