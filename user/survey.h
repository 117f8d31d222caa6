/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * All that "bwctl check" goes by, as it is now: kernel, limiter, devices, policy file,
 * units. Gathers, and judges nothing; check.h does that. Nothing is changed by it.
 */
#ifndef SURVEY_H
#define SURVEY_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#include "device.h"
#include "hooks.h"
#include "machine.h"
#include "policy_file.h"
#include "report.h"
#include "saved.h"
#include "skeleton.h"

enum survey_file {
	SURVEY_FILE_NONE,    /* the user wants none */
	SURVEY_FILE_MISSING, /* there is none */
	SURVEY_FILE_UNKNOWN, /* it cannot be read */
	SURVEY_FILE_BROKEN,
	SURVEY_FILE_GOOD
};

enum survey_unit {
	SURVEY_UNIT_NONE, /* not installed */
	SURVEY_UNIT_DISABLED,
	SURVEY_UNIT_MASKED,
	SURVEY_UNIT_ENABLED
};

struct survey {
	struct machine machine;
	struct skeleton_trial trial;
	int trial_err; /* why there is none, or 0 */
	char trial_why[LOG_TEXT];

	const char *pin_dir;
	int bpffs; /* what pins_look() says, or -errno */
	char bpffs_why[LOG_TEXT];
	bool has_pin_dir; /* it is there, and: */
	mode_t pin_mode;
	uid_t pin_owner;

	/*
	 * Read at first, NULL if it could not be: a second before report where CPUs that contend had
	 * refused a packet by then, else just as long before as the look at the kernel takes.
	 */
	struct report *earlier;
	struct report *report; /* NULL: it cannot be read, and why */
	int report_err;
	char report_why[LOG_TEXT];
	bool only_looks; /* it was read without the lock: nobody is said to be alive */
	struct hooks_seen (*hooks)[BWCTL_DIRECTIONS]; /* of each interface in the report */

	struct device *devices;
	size_t device_count;
	int devices_err;
	char devices_why[LOG_TEXT];

	const char *config; /* the name of the policy file */
	enum survey_file file;
	char file_why[LOG_TEXT];    /* what is wrong with it first, */
	size_t file_errors;	    /* and how much in all */
	struct policy_file *named;  /* what it says, NULL unless it is GOOD or BROKEN */
	char *text;		    /* for that */
	enum saved_answer is_saved; /* whether it says what is in force; of a GOOD or MISSING one */

	enum survey_unit unit; /* bwctl.service */
};

/* 0, or -ENOMEM. What cannot be looked at is noted as such. Free with survey_free(). */
int survey_take(const char *pin_dir, const char *config, struct survey **ret_survey);
void survey_free(struct survey *survey);

#endif
