// SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
/*
 * policies SEED COUNT DIRECTORY: files in it, named 0 to COUNT - 1, each a policy of
 * policies.h that can be put in force.
 */
#include <stdbool.h>
#include <stdlib.h>

#include "policies.h"
#include "policy_file.h"

/* Small enough for the flow table of programs, and windows that fit bursts. */
#define CLASSES 6
#define FLOWS	12

static bool can_be_in_force(const char *text)
{
	struct policy_file *file;
	bool can;

	if (policy_file_parse("policy", text, strlen(text), &file)) {
		fprintf(stderr, "%s\n%s", file->errors[0], text);
		exit(1);
	}
	can = !policy_file_derive(file, 64, true) && !policy_file_derive(file, 64, false);
	policy_file_free(file);
	return can;
}

static char *make(void)
{
	static struct bwctl_asked asked;
	char *text;

	while (true) {
		pick_policy(&asked, CLASSES, FLOWS);
		policy_file_print(&asked, NULL, 0, &text);
		if (!text)
			exit(1);
		/* Not every kernel can pace. */
		if (asked.request[0].mode != BWCTL_MODE_PACE && can_be_in_force(text))
			return text;
		free(text);
	}
}

int main(int argc, char *argv[])
{
	char path[512];

	if (argc != 4) {
		fprintf(stderr, "usage: policies SEED COUNT DIRECTORY\n");
		return 2;
	}
	policies_seed ^= strtoull(argv[1], NULL, 10);
	for (unsigned long n = 0; n < strtoul(argv[2], NULL, 10); n++) {
		char *text = make();
		FILE *file;

		snprintf(path, sizeof(path), "%s/%lu", argv[3], n);
		file = fopen(path, "w");
		if (!file || fputs(text, file) < 0 || fclose(file)) {
			perror(path);
			return 1;
		}
		free(text);
	}
	return 0;
}
