// SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
/*
 * Memory for a command that lives for a moment. To be given it page by page takes
 * longer than what is done with it: a policy is nearly a megabyte, and libbpf reads the
 * kernel's own BTF, some 6 MB, and copies it, for each skeleton that wants it. So the
 * heap gets it in huge pages, where there are any, and keeps what is let go for the next.
 */
#include "room.h"

#include <malloc.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>

#define ROOM	  ((size_t)18 << 20)
#define HUGE_PAGE ((size_t)2 << 20)

void room_make(void)
{
	char *room, *start;

	mallopt(M_MMAP_THRESHOLD, (int)(ROOM + HUGE_PAGE));
	mallopt(M_TRIM_THRESHOLD, (int)(2 * ROOM));
	room = malloc(ROOM);
	if (!room)
		return;
	start = room + HUGE_PAGE - (uintptr_t)room % HUGE_PAGE;
	madvise(start, (size_t)(room + ROOM - start) / HUGE_PAGE * HUGE_PAGE, MADV_HUGEPAGE);
	free(room);
}

void room_give_back(void)
{
	malloc_trim(0);
}
