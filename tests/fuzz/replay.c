// SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
/*
 * A fuzz target without a fuzzer: each file of its corpus once, as TAP. Whatever
 * compiler there is builds it.
 */
#include <dirent.h>
#include <errno.h>
#include <string.h>

#include "fuzz.h"

static int select_file(const struct dirent *entry)
{
	return entry->d_name[0] != '.';
}

static int replay(const char *name)
{
	char path[512];
	uint8_t *data;
	size_t size;
	FILE *file;

	snprintf(path, sizeof(path), "%s/%s", CORPUS, name);
	file = fopen(path, "rb");
	data = malloc(65536);
	if (!file || !data)
		return -1;
	size = fread(data, 1, 65536, file);
	fclose(file);
	LLVMFuzzerTestOneInput(data, size);
	free(data);
	return 0;
}

int main(void)
{
	struct dirent **entries;
	int count = scandir(CORPUS, &entries, select_file, alphasort);

	if (count <= 0) {
		printf("Bail out! no corpus in %s: %s\n", CORPUS, strerror(errno));
		return 1;
	}
	printf("1..%d\n", count);
	for (int i = 0; i < count; i++) {
		/* Said before, too: of one that aborts the name is known. */
		printf("# %s\n", entries[i]->d_name);
		fflush(stdout);
		printf("%sok %d - %s\n", replay(entries[i]->d_name) ? "not " : "", i + 1,
		       entries[i]->d_name);
		free(entries[i]);
	}
	free(entries);
	return 0;
}
