// SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
/*
 * The programs, from the skeletons that bwctl embeds to file descriptors. Each
 * interface has its own pair, which differs in constants and in the map it counts
 * in; nothing is loaded that is not needed, because the verifier takes its time.
 */
#include "skeleton.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "bwctl.skel.h"
#include "links.skel.h"
#include "watch.skel.h"
#include "why.h"

#define WARNINGS 65536

/*
 * libbpf's messages. Warnings are kept, because a program that the verifier
 * refuses is explained there and nowhere else.
 */
static char warnings[WARNINGS];
static size_t warnings_length;

static int libbpf_message(enum libbpf_print_level level, const char *format, va_list arguments)
{
	va_list again;
	int length;

	va_copy(again, arguments);
	if (level == LIBBPF_WARN && warnings_length < sizeof(warnings)) {
		length = vsnprintf(warnings + warnings_length, sizeof(warnings) - warnings_length,
				   format, again);
		if (length > 0)
			warnings_length += (size_t)length;
		if (warnings_length >= sizeof(warnings))
			warnings_length = sizeof(warnings) - 1;
	}
	va_end(again);
	log_debug(format, arguments);
	return 0;
}

void skeleton_hear(void)
{
	libbpf_set_print(libbpf_message);
}

static void forget_warnings(void)
{
	warnings_length = 0;
	warnings[0] = '\0';
}

static int explain(int err, char why[LOG_TEXT])
{
	unsigned int major, minor;
	struct utsname kernel;

	if (err == -EPERM)
		return why_fail(why, err, "cannot load the BPF programs");
	/* The clock needs compare-and-swap in BPF (commit 5ffa25502b5a, Linux 5.12). */
	if (!uname(&kernel) && sscanf(kernel.release, "%u.%u", &major, &minor) == 2 &&
	    (major < 5 || (major == 5 && minor < 12)))
		return why_refuse(
			why, err,
			"cannot load the BPF programs: Linux 5.12 or newer is needed, this is %s",
			kernel.release);
	log_verbatim(warnings);
	return why_fail(why, err, "cannot load the BPF programs");
}

/*
 * Maps that are pinned are used, others made and pinned. Not those of one interface,
 * and not libbpf's own for the programs' constants.
 */
static int pin_maps(const struct pins *pins, const struct bpf_object_skeleton *parts,
		    const struct bpf_map *own, char why[LOG_TEXT])
{
	for (int i = 0; i < parts->map_cnt; i++) {
		struct bpf_map *map = *parts->maps[i].map;
		char path[PINS_PATH];
		int err;

		if (map == own || bpf_map__is_internal(map))
			continue;
		pins_path(pins, parts->maps[i].name, path);
		err = bpf_map__set_pin_path(map, path);
		if (err)
			return why_fail(why, err, "cannot pin '%s'", path);
	}
	return 0;
}

/* Pins a program or link, in the place of a former one: there is always one of the two. */
static int pin_over(const struct pins *pins, int fd, const char *name, bool is_shared)
{
	char new_name[PINS_PATH], new_path[PINS_PATH], path[PINS_PATH];

	snprintf(new_name, sizeof(new_name), "%s-new", name);
	pins_path(pins, new_name, new_path);
	pins_path(pins, name, path);
	if (unlink(new_path) && errno != ENOENT)
		return -errno;
	if (bpf_obj_pin(fd, new_path))
		return -errno;
	if (is_shared)
		pins_share(pins, new_name);
	return rename(new_path, path) ? -errno : 0;
}

/*
 * The programs that watch over queues. A kernel that cannot have them polices,
 * so that a failure is no error, but worth a note.
 */
static void load_watch(const struct pins *pins)
{
	struct watch_bpf *watch = watch_bpf__open();
	char why[LOG_TEXT] = "";
	int err;

	if (!watch)
		return;
	err = pin_maps(pins, watch->skeleton, NULL, why);
	if (!err)
		err = watch_bpf__load(watch);
	if (!err)
		err = watch_bpf__attach(watch);
	if (!err)
		err = pin_over(pins, bpf_link__fd(watch->links.bwctl_watch_down),
			       SKELETON_WATCH_DOWN_PIN, false);
	if (!err)
		err = pin_over(pins, bpf_link__fd(watch->links.bwctl_watch), SKELETON_WATCH_PIN,
			       false);
	if (err)
		log_note("queues cannot be watched (%s): no pacing", strerror(-err));
	watch_bpf__destroy(watch);
}

/* Only those miss it who may not look for themselves. */
static void load_links(const struct pins *pins)
{
	struct links_bpf *links = links_bpf__open_and_load();
	struct bpf_link *iterator = NULL;
	int err = links ? 0 : -errno;

	if (!err) {
		iterator = bpf_program__attach_iter(links->progs.bwctl_links, NULL);
		err = iterator ? 0 : -errno;
	}
	if (!err)
		err = pin_over(pins, bpf_link__fd(iterator), SKELETON_LINKS_PIN, true);
	if (err)
		log_hint(
			"what is attached can be told to nobody without privileges, such as bwctl-exporter (%s)",
			strerror(-err));
	bpf_link__destroy(iterator);
	links_bpf__destroy(links);
}

/* The skeleton with its shared maps, and no program that would be loaded yet. */
static int open_skeleton(const struct pins *pins, struct bwctl_bpf **ret_skeleton,
			 char why[LOG_TEXT])
{
	struct bwctl_bpf *skeleton = bwctl_bpf__open();
	struct bpf_program *program;
	int err;

	if (!skeleton)
		return why_fail(why, -errno, "cannot open the BPF programs");
	err = pin_maps(pins, skeleton->skeleton, skeleton->maps.interface_counters, why);
	bpf_object__for_each_program(program, skeleton->obj)
		bpf_program__set_autoload(program, false);
	if (err)
		bwctl_bpf__destroy(skeleton);
	else
		*ret_skeleton = skeleton;
	return err;
}

/* Since Linux 5.18. Without it a time of departure would be taken for one of arrival. */
static bool kernel_can_hold(void)
{
	return libbpf_probe_bpf_helper(BPF_PROG_TYPE_SCHED_CLS, BPF_FUNC_skb_set_tstamp, NULL) == 1;
}

int skeleton_load_shared(const struct pins *pins, bool leads, bool tcx, char why[LOG_TEXT])
{
	struct bwctl_bpf *skeleton;
	bool can_hold;
	int err;

	forget_warnings();
	err = open_skeleton(pins, &skeleton, why);
	if (err)
		return err;
	can_hold = kernel_can_hold();
	bpf_program__set_autoload(skeleton->progs.bwctl_hold, can_hold);
	bpf_program__set_autoload(skeleton->progs.bwctl_lead, can_hold && leads);
	bpf_map__set_autocreate(skeleton->maps.interface_counters, false);
	log_note("loading what is for all interfaces; maps in '%s'", pins->directory);
	err = bwctl_bpf__load(skeleton);
	if (err) {
		explain(err, why);
		goto out;
	}
	if (can_hold)
		err = pin_over(pins, bpf_program__fd(skeleton->progs.bwctl_hold), SKELETON_HOLD_PIN,
			       false);
	if (!err && can_hold && leads)
		err = pin_over(pins, bpf_program__fd(skeleton->progs.bwctl_lead), SKELETON_LEAD_PIN,
			       false);
	if (err)
		why_fail(why, err, "cannot pin a program in '%s'", pins->directory);
	else
		load_watch(pins);
	if (!err && tcx)
		load_links(pins);
out:
	bwctl_bpf__destroy(skeleton);
	return err;
}

/* What is left of a skeleton that is closed. */
static int keep(int fd, int *ret_fd)
{
	*ret_fd = fcntl(fd, F_DUPFD_CLOEXEC, 0);
	return *ret_fd < 0 ? -errno : 0;
}

int skeleton_load(const struct pins *pins, uint32_t slot, bool ethernet, int counters_fd,
		  struct skeleton_programs *ret_programs, char why[LOG_TEXT])
{
	struct skeleton_programs programs = {.program_fd = {-1, -1}, .counters_fd = -1};
	struct bpf_program *chosen[BWCTL_DIRECTIONS];
	struct bwctl_bpf *skeleton;
	int err;

	forget_warnings();
	err = open_skeleton(pins, &skeleton, why);
	if (err)
		return err;
	chosen[BWCTL_INGRESS] = ethernet ? skeleton->progs.bwctl_eth_in :
					   skeleton->progs.bwctl_ip_in;
	chosen[BWCTL_EGRESS] = ethernet ? skeleton->progs.bwctl_eth_out :
					  skeleton->progs.bwctl_ip_out;
	for (int direction = 0; direction < BWCTL_DIRECTIONS; direction++)
		bpf_program__set_autoload(chosen[direction], true);
	skeleton->rodata->slot = slot;
	err = counters_fd < 0 ? 0 :
				bpf_map__reuse_fd(skeleton->maps.interface_counters, counters_fd);
	if (!err)
		err = bwctl_bpf__load(skeleton);
	if (err) {
		explain(err, why);
		goto out;
	}
	for (int direction = 0; direction < BWCTL_DIRECTIONS && !err; direction++)
		err = keep(bpf_program__fd(chosen[direction]), &programs.program_fd[direction]);
	if (!err)
		err = keep(bpf_map__fd(skeleton->maps.interface_counters), &programs.counters_fd);
	if (err) {
		why_fail(why, err, "cannot load the BPF programs");
		skeleton_close(&programs);
	} else {
		*ret_programs = programs;
	}
out:
	bwctl_bpf__destroy(skeleton);
	return err;
}

void skeleton_close(struct skeleton_programs *programs)
{
	for (int direction = 0; direction < BWCTL_DIRECTIONS; direction++) {
		if (programs->program_fd[direction] >= 0)
			close(programs->program_fd[direction]);
		programs->program_fd[direction] = -1;
	}
	if (programs->counters_fd >= 0)
		close(programs->counters_fd);
	programs->counters_fd = -1;
}

static int note_program(struct skeleton_trial *trial, const struct bpf_program *program)
{
	struct skeleton_program *noted = &trial->programs[trial->count];
	struct bpf_prog_info info = {0};
	__u32 length = sizeof(info);

	if (trial->count == SKELETON_PROGRAMS)
		return -ENOSPC;
	if (bpf_obj_get_info_by_fd(bpf_program__fd(program), &info, &length))
		return -errno;
	snprintf(noted->name, sizeof(noted->name), "%s", info.name);
	memcpy(noted->tag, info.tag, sizeof(noted->tag));
	noted->is_compiled = info.jited_prog_len > 0;
	trial->count++;
	return 0;
}

static int try_watch(void)
{
	struct watch_bpf *watch = watch_bpf__open_and_load();
	int err = watch ? 0 : -errno;

	watch_bpf__destroy(watch);
	return err;
}

int skeleton_try(bool leads, struct skeleton_trial *ret_trial, char why[LOG_TEXT])
{
	struct bwctl_bpf *skeleton;
	struct bpf_program *program;
	int err = 0;

	*ret_trial = (struct skeleton_trial){.lead_fd = -1};
	skeleton_hear();
	forget_warnings();
	skeleton = bwctl_bpf__open();
	if (!skeleton)
		return why_fail(why, -errno, "cannot open the BPF programs");
	ret_trial->can_hold = kernel_can_hold();
	bpf_program__set_autoload(skeleton->progs.bwctl_hold, ret_trial->can_hold);
	bpf_program__set_autoload(skeleton->progs.bwctl_lead, ret_trial->can_hold && leads);
	err = bwctl_bpf__load(skeleton);
	if (err) {
		explain(err, why);
		goto out;
	}
	bpf_object__for_each_program(program, skeleton->obj) {
		if (!err && bpf_program__fd(program) >= 0)
			err = note_program(ret_trial, program);
	}
	if (!err && ret_trial->can_hold && leads)
		err = keep(bpf_program__fd(skeleton->progs.bwctl_lead), &ret_trial->lead_fd);
	if (err)
		why_fail(why, err, "cannot look at the BPF programs");
	else
		ret_trial->watch_err = try_watch();
out:
	bwctl_bpf__destroy(skeleton);
	return err;
}
