// SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
/*
 * Gathers what "bwctl check" goes by.
 */
#include "survey.h"

#include <dirent.h>
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "limiter.h"
#include "pins.h"
#include "store.h"

#define UNIT "bwctl.service"

/* ---- kernel ---- */

static void look_at_kernel(struct survey *survey)
{
	machine_look(&survey->machine);
	survey->trial_err = skeleton_try(limiter_leads(), &survey->trial, survey->trial_why);
	machine_try(&survey->machine, survey->trial_err ? -1 : survey->trial.lead_fd);
	if (!survey->trial_err && survey->trial.lead_fd >= 0)
		close(survey->trial.lead_fd);
	survey->trial.lead_fd = -1;
}

/* ---- the limiter ---- */

/*
 * With the lock, so that nobody is in between, and all that is pinned can be looked at. Who may not
 * have it, or somebody holds it for too long: without.
 */
static void look_at_limiter(struct survey *survey)
{
	struct pins pins;
	struct stat there;

	survey->bpffs = pins_take(&pins, survey->pin_dir, false, survey->bpffs_why);
	if (!survey->bpffs)
		survey->bpffs = pins_look(&pins, survey->bpffs_why);
	survey->has_pin_dir = !stat(survey->pin_dir, &there);
	if (survey->has_pin_dir) {
		survey->pin_mode = there.st_mode;
		survey->pin_owner = there.st_uid;
	}
	survey->report_err =
		report_read(survey->pin_dir, LIMITER_READ, &survey->report, survey->report_why);
	survey->only_looks = survey->report_err == -EBUSY || survey->report_err == -EACCES;
	if (survey->only_looks)
		survey->report_err = report_read(survey->pin_dir, LIMITER_LOOK, &survey->report,
						 survey->report_why);
	if (survey->report_err)
		survey->report = NULL;
}

static int look_at_hooks(struct survey *survey)
{
	const struct report *report = survey->report;
	char ignored[LOG_TEXT];
	struct pins pins;

	if (!report)
		return 0;
	survey->hooks = calloc(report->interface_count + 1, sizeof(*survey->hooks));
	if (!survey->hooks)
		return -ENOMEM;
	if (pins_take(&pins, survey->pin_dir, true, ignored))
		return 0;
	for (size_t i = 0; i < report->interface_count; i++) {
		const struct limiter_interface *interface = &report->interfaces[i];

		for (int direction = 0; direction < BWCTL_DIRECTIONS && interface->exists;
		     direction++)
			if (interface->hook[direction] != BWCTL_HOOK_NONE)
				hooks_look(&pins, &interface->key, &interface->record, direction,
					   interface->hook[direction],
					   &survey->hooks[i][direction]);
	}
	return 0;
}

/* ---- the policy file ---- */

static void note_broken(struct survey *survey)
{
	survey->file = SURVEY_FILE_BROKEN;
	survey->file_errors = survey->named->error_count;
	snprintf(survey->file_why, sizeof(survey->file_why), "%s", survey->named->errors[0]);
}

static void look_at_file(struct survey *survey)
{
	int cpus = limiter_possible_cpus(), err;
	size_t length;

	survey->is_saved = SAVED_UNKNOWN;
	if (!*survey->config)
		return;
	err = store_read(survey->config, &survey->text, &length, survey->file_why);
	survey->file = err == -ENOENT ? SURVEY_FILE_MISSING :
		       err	      ? SURVEY_FILE_UNKNOWN :
					SURVEY_FILE_GOOD;
	if (!err) {
		err = policy_file_parse(survey->config, survey->text, length, &survey->named);
		if (!err)
			err = policy_file_require(survey->named);
		if (!err)
			err = policy_file_derive(survey->named, cpus > 0 ? (unsigned int)cpus : 1,
						 limiter_leases_are_safe());
		if (err && survey->named)
			note_broken(survey);
		else if (err)
			survey->file = SURVEY_FILE_UNKNOWN;
	}
	if (!survey->report || !report_is_loaded(survey->report))
		return;
	/* What was read, which a pipe does not say twice. */
	if (survey->file == SURVEY_FILE_GOOD)
		survey->is_saved = saved_says(survey->named, &survey->report->policy.asked) ?
					   SAVED_YES :
					   SAVED_NO;
	else if (survey->file == SURVEY_FILE_MISSING)
		survey->is_saved = saved_ask(NULL, survey->config, &survey->report->policy);
}

/* ---- the unit ---- */

/* Where systemd looks for units, and what enables one are links in its first two. */
static const char *const unit_places[] = {
	"/etc/systemd/system",	   "/run/systemd/system", "/usr/local/lib/systemd/system",
	"/usr/lib/systemd/system", "/lib/systemd/system",
};
#define UNIT_PLACES	  (sizeof(unit_places) / sizeof(unit_places[0]))
#define UNIT_LINKS_PLACES 2

/* Whether a place has a directory NAME.wants or NAME.requires with the unit in it. */
static bool is_wanted(const char *place)
{
	DIR *entries = opendir(place);
	const struct dirent *entry;
	char path[PATH_MAX];
	struct stat link;
	bool found = false;

	while (entries && !found && (entry = readdir(entries))) {
		const char *suffix = strrchr(entry->d_name, '.');

		if (!suffix || (strcmp(suffix, ".wants") && strcmp(suffix, ".requires")))
			continue;
		snprintf(path, sizeof(path), "%s/%s/" UNIT, place, entry->d_name);
		found = !lstat(path, &link);
	}
	if (entries)
		closedir(entries);
	return found;
}

static enum survey_unit look_at_unit(void)
{
	enum survey_unit unit = SURVEY_UNIT_NONE;
	char path[PATH_MAX], target[PATH_MAX];
	struct stat file;

	for (size_t i = 0; i < UNIT_PLACES && unit == SURVEY_UNIT_NONE; i++) {
		ssize_t length;

		snprintf(path, sizeof(path), "%s/" UNIT, unit_places[i]);
		if (lstat(path, &file))
			continue;
		length = readlink(path, target, sizeof(target) - 1);
		target[length > 0 ? length : 0] = '\0';
		/* One that is masked is a link to nowhere, or empty. */
		unit = !strcmp(target, "/dev/null") || (S_ISREG(file.st_mode) && !file.st_size) ?
			       SURVEY_UNIT_MASKED :
			       SURVEY_UNIT_DISABLED;
	}
	for (size_t i = 0; i < UNIT_LINKS_PLACES && unit == SURVEY_UNIT_DISABLED; i++)
		if (is_wanted(unit_places[i]))
			unit = SURVEY_UNIT_ENABLED;
	return unit;
}

/* What has come by since then is what comes by now. */
static void look_before(struct survey *survey, struct timespec *ret_when)
{
	char ignored[LOG_TEXT];

	if (report_read(survey->pin_dir, LIMITER_LOOK, &survey->earlier, ignored))
		survey->earlier = NULL;
	clock_gettime(CLOCK_MONOTONIC, ret_when);
}

/*
 * A second shows whether packets are still refused; the look at the kernel, which who is not root
 * has done in milliseconds, does not. Where none ever was there is nothing to wait for.
 */
static void wait_to_see(const struct survey *survey, struct timespec when)
{
	bool has_refused = false;

	for (int direction = 0; direction < BWCTL_DIRECTIONS && survey->earlier; direction++)
		has_refused |= survey->earlier->counters[direction].now.contended.packets;
	when.tv_sec++;
	while (has_refused && clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &when, NULL) == EINTR)
		;
}

int survey_take(const char *pin_dir, const char *config, struct survey **ret_survey)
{
	struct survey *survey = calloc(1, sizeof(*survey));
	struct timespec before;
	int err;

	if (!survey)
		return -ENOMEM;
	survey->pin_dir = pin_dir;
	survey->config = config;
	look_before(survey, &before);
	/* First what takes long: what is loaded and what devices there are belong together. */
	look_at_kernel(survey);
	wait_to_see(survey, before);
	look_at_limiter(survey);
	err = look_at_hooks(survey);
	if (err) {
		survey_free(survey);
		return err;
	}
	survey->devices_err =
		device_read_all(&survey->devices, &survey->device_count, survey->devices_why);
	look_at_file(survey);
	survey->unit = look_at_unit();
	*ret_survey = survey;
	return 0;
}

void survey_free(struct survey *survey)
{
	if (!survey)
		return;
	report_free(survey->earlier);
	report_free(survey->report);
	free(survey->hooks);
	free(survey->devices);
	policy_file_free(survey->named);
	free(survey->text);
	free(survey);
}
