// SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
/*
 * Maps, the policy in force, the interfaces that are loaded and their programs.
 *
 * Order is what keeps the promise: a policy is in place before anything is
 * attached, a new hook is attached before an old one goes, and a policy
 * changes by one pointer. A process may die between any two steps.
 */
#include "limiter.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <net/if.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/utsname.h>
#include <time.h>
#include <unistd.h>

#include "holder.h"
#include "hooks.h"
#include "netns.h"
#include "pins.h"
#include "policy.h"
#include "runs.h"
#include "skeleton.h"
#include "store.h"
#include "why.h"

#define POLICY_PIN     "policy"
#define POLICY_PIN_NEW "policy-new"

/* How long a packet may still wait when its interface is unloaded. */
#define DRAIN_MAX_NS (2 * POLICY_HORIZON_MAX_NS + 500000000ULL)

enum pinned_map {
	MAP_POLICIES,
	MAP_CLOCKS,
	MAP_CLASS_CLOCKS,
	MAP_LEASES,
	MAP_COUNTERS,
	MAP_FRAGMENTS,
	MAP_INTERFACES,
	MAP_HOLDERS,
	MAPS
};

static const char *const map_names[MAPS] = {
	"policies", "clocks",	 "class_clocks", "leases",
	"counters", "fragments", "interfaces",	 "holders",
};

/* The programs of an interface that is going to be attached to. */
struct prepared {
	struct bwctl_interface_key key;
	char name[BWCTL_NAME];
	uint32_t slot;
	struct skeleton_programs programs;
};

struct limiter {
	struct pins pins;
	bool looks; /* LIMITER_LOOK: maps are only read */
	bool fresh; /* nothing was pinned when we got the lock: to be removed if it comes to nothing */
	int map_fd[MAPS];
	__u32 policy_id;      /* of the map that was in force when last it was opened */
	int hold_fd, lead_fd; /* programs of the IFB and of the way there; -1: none */
	bool can_hold;
	bool is_watched;
	struct prepared *prepared;
	size_t prepared_count;
	uint64_t netns_inode;
	bool has_left_sizes;
};

/* ---- maps and programs ---- */

static int refuse_other_abi(const struct limiter *limiter, char why[LOG_TEXT])
{
	return why_refuse(
		why, -EPROTO,
		"the limiter in '%s' was made by a bwctl with other maps; its limit stays in force until 'bwctl unload'",
		limiter->pins.directory);
}

static uint32_t expected_value_size(enum pinned_map map)
{
	static const uint32_t sizes[MAPS] = {
		[MAP_POLICIES] = sizeof(__u32),
		[MAP_CLOCKS] = sizeof(struct bwctl_clock),
		[MAP_CLASS_CLOCKS] = sizeof(struct bwctl_clock),
		[MAP_LEASES] = sizeof(struct bwctl_lease),
		[MAP_COUNTERS] = sizeof(struct bwctl_counters),
		[MAP_FRAGMENTS] = sizeof(__u16),
		[MAP_INTERFACES] = sizeof(struct bwctl_interface),
		[MAP_HOLDERS] = sizeof(struct bwctl_holder),
	};

	return sizes[map];
}

static void close_maps(struct limiter *limiter)
{
	for (int i = 0; i < MAPS; i++) {
		if (limiter->map_fd[i] >= 0)
			close(limiter->map_fd[i]);
		limiter->map_fd[i] = -1;
	}
}

/* A map by its pin: a file descriptor, or -1 and errno. */
static int open_map(const struct limiter *limiter, const char *name)
{
	LIBBPF_OPTS(bpf_obj_get_opts, options, .file_flags = limiter->looks ? BPF_F_RDONLY : 0);
	char path[PINS_PATH];

	pins_path(&limiter->pins, name, path);
	return bpf_obj_get_opts(path, &options);
}

/* Maps that say something to who only looks on. */
static bool is_telling(const char *name)
{
	static const enum pinned_map telling[] = {MAP_POLICIES, MAP_CLOCKS, MAP_COUNTERS,
						  MAP_INTERFACES, MAP_HOLDERS};

	for (size_t i = 0; i < sizeof(telling) / sizeof(telling[0]); i++)
		if (!strcmp(name, map_names[telling[i]]))
			return true;
	return false;
}

/* The maps as they are pinned. -ENOENT: at least one is missing. */
static int open_maps(struct limiter *limiter, char why[LOG_TEXT])
{
	bool is_other = false;
	int missing = 0, found = 0;

	for (int i = 0; i < MAPS; i++) {
		struct bpf_map_info info = {0};
		__u32 length = sizeof(info);

		if (limiter->looks && !is_telling(map_names[i]))
			continue;
		limiter->map_fd[i] = open_map(limiter, map_names[i]);
		if (limiter->map_fd[i] < 0 && errno == ENOENT) {
			missing = -ENOENT;
			continue;
		}
		if (limiter->map_fd[i] < 0)
			return why_fail(why, -errno, "cannot open '%s/%s'", limiter->pins.directory,
					map_names[i]);
		found++;
		if (bpf_obj_get_info_by_fd(limiter->map_fd[i], &info, &length))
			return why_fail(why, -errno, "cannot inspect '%s/%s'",
					limiter->pins.directory, map_names[i]);
		is_other = is_other || info.value_size != expected_value_size(i);
	}
	if (limiter->looks && missing)
		missing = found ? -ENODATA : why_refuse(why, -ENOENT, "nothing is loaded");
	if (missing == -ENODATA)
		why_refuse(why, missing, "the limiter in '%s' is not whole",
			   limiter->pins.directory);
	return is_other ? refuse_other_abi(limiter, why) : missing;
}

/* A pinned policy, if it is the one with this id: a file descriptor, or -errno. */
static int open_policy(const struct limiter *limiter, const char *name, __u32 id)
{
	struct bpf_map_info info = {0};
	__u32 length = sizeof(info);
	int err, fd = open_map(limiter, name);

	if (fd < 0)
		return -errno;
	err = bpf_obj_get_info_by_fd(fd, &info, &length) ? -errno : 0;
	if (!err && info.id == id)
		return fd;
	close(fd);
	return err ? err : -ESTALE;
}

/*
 * The policy map in force: a file descriptor, or -errno. By its pin, because
 * to open a map by id takes CAP_SYS_ADMIN. A publisher that died between the
 * swap and the renaming has left it under its first name.
 */
static int policy_map(struct limiter *limiter)
{
	__u32 zero = 0, id;
	int fd;

	if (bpf_map_lookup_elem(limiter->map_fd[MAP_POLICIES], &zero, &id))
		return -errno;
	limiter->policy_id = id;
	fd = open_policy(limiter, POLICY_PIN, id);
	if (fd < 0)
		fd = open_policy(limiter, POLICY_PIN_NEW, id);
	/* Somebody removed the pin. It is in force all the same, and may not be taken for none. */
	if (fd < 0)
		fd = bpf_map_get_fd_by_id(id);
	return fd >= 0 ? fd : errno == ENOENT ? -ENODATA : -errno;
}

/* 0 when it cannot be read. */
static __u32 policy_abi(int fd)
{
	struct bwctl_policy *policy = calloc(1, sizeof(*policy));
	__u32 zero = 0, abi = 0;

	if (policy && !bpf_map_lookup_elem(fd, &zero, policy))
		abi = policy->abi;
	free(policy);
	return abi;
}

static int check_policy_abi(struct limiter *limiter, char why[LOG_TEXT])
{
	struct bpf_map_info info = {0};
	__u32 length = sizeof(info);
	int err = 0, fd = policy_map(limiter);

	if (fd == -ENOENT)
		return 0;
	if (fd < 0)
		return why_fail(why, fd, "cannot open the policy in force");
	if (bpf_obj_get_info_by_fd(fd, &info, &length))
		err = why_fail(why, -errno, "cannot inspect the policy in force");
	else if (info.value_size != sizeof(struct bwctl_policy))
		err = refuse_other_abi(limiter, why);
	else if (policy_abi(fd) != BWCTL_ABI)
		err = refuse_other_abi(limiter, why);
	close(fd);
	return err;
}

static bool kernel_is_older_than(unsigned int major, unsigned int minor, struct utsname *kernel)
{
	unsigned int has_major, has_minor;

	if (uname(kernel) || sscanf(kernel->release, "%u.%u", &has_major, &has_minor) != 2)
		return false;
	return has_major < major || (has_major == major && has_minor < minor);
}

/*
 * What a program redirects to an IFB is dropped there by kernels of the time
 * before tcx (6.1 does, 6.12 does not): there a filter has to do it.
 */
static bool is_led(void)
{
	struct utsname kernel;

	return kernel_is_older_than(6, 6, &kernel);
}

/* What other commands need to let packets wait. */
static void find_holding(struct limiter *limiter)
{
	char path[PINS_PATH];
	int fd;

	pins_path(&limiter->pins, SKELETON_HOLD_PIN, path);
	limiter->hold_fd = bpf_obj_get(path);
	pins_path(&limiter->pins, SKELETON_LEAD_PIN, path);
	limiter->lead_fd = bpf_obj_get(path);
	pins_path(&limiter->pins, SKELETON_WATCH_PIN, path);
	fd = bpf_obj_get(path);
	limiter->is_watched = fd >= 0;
	if (fd >= 0)
		close(fd);
	limiter->can_hold = limiter->hold_fd >= 0 && (!is_led() || limiter->lead_fd >= 0);
}

static bool is_pinned(const struct limiter *limiter, const char *name)
{
	char path[PINS_PATH];

	pins_path(&limiter->pins, name, path);
	return !access(path, F_OK);
}

/* By what is written down: the index of the IFB goes by the directory's name, which may be another here. */
static uint32_t find_hold_ifindex(const struct limiter *limiter)
{
	struct bwctl_interface_key key, *previous = NULL;
	struct bwctl_holder holder;

	while (!bpf_map_get_next_key(limiter->map_fd[MAP_HOLDERS], previous, &key)) {
		if (!bpf_map_lookup_elem(limiter->map_fd[MAP_HOLDERS], &key, &holder) &&
		    holder.direction == BWCTL_INGRESS)
			return key.ifindex;
		previous = &key;
	}
	return 0;
}

/* The same, for who may not open programs and links. */
static int look_on(struct limiter *limiter, char why[LOG_TEXT])
{
	struct bpf_map_info info = {0};
	__u32 info_length = sizeof(info);
	char path[PINS_PATH];
	size_t length;

	limiter->pins.hold_ifindex = find_hold_ifindex(limiter);
	limiter->is_watched = is_pinned(limiter, SKELETON_WATCH_PIN);
	limiter->can_hold = is_pinned(limiter, SKELETON_HOLD_PIN) &&
			    (!is_led() || is_pinned(limiter, SKELETON_LEAD_PIN));
	/* Before tcx there are no links. Root may look for itself. */
	if (is_led() || !access(limiter->pins.directory, R_OK))
		return 0;
	pins_path(&limiter->pins, SKELETON_LINKS_PIN, path);
	if (!is_pinned(limiter, SKELETON_LINKS_PIN))
		return why_refuse(
			why, -ENODATA,
			"what is attached cannot be told: no '%s' (bwctl load IFACE makes it)",
			path);
	if (bpf_obj_get_info_by_fd(limiter->map_fd[MAP_COUNTERS], &info, &info_length))
		return why_fail(why, -errno, "cannot inspect '%s/%s'", limiter->pins.directory,
				map_names[MAP_COUNTERS]);
	limiter->pins.links_map = info.id;
	return store_read(path, &limiter->pins.links, &length, why);
}

/* A limiter that this process began to make and could not finish leaves nothing. */
static void limiter_abandon(struct limiter *limiter)
{
	char ignored[LOG_TEXT];

	if (limiter->fresh)
		limiter_remove(limiter, ignored);
}

static uint64_t held_until(const struct limiter *limiter, enum pinned_map map, __u32 entries)
{
	uint64_t until_ns = 0;

	for (__u32 entry = 0; entry < entries; entry++) {
		struct bwctl_clock clock;

		if (bpf_map_lookup_elem(limiter->map_fd[map], &entry, &clock))
			continue;
		if (clock.held.until_ns > until_ns)
			until_ns = clock.held.until_ns;
		if (clock.high_held.until_ns > until_ns)
			until_ns = clock.high_held.until_ns;
	}
	return until_ns;
}

/* Packets that wait leave in their time, before the queue goes in which they do. */
static void drain(const struct limiter *limiter)
{
	uint64_t now_ns = limiter_now_ns();
	uint64_t until_ns = held_until(limiter, MAP_CLOCKS, BWCTL_DIRECTIONS);
	uint64_t own_ns = held_until(limiter, MAP_CLASS_CLOCKS, BWCTL_DIRECTIONS * BWCTL_CLASSES);
	struct timespec rest;

	if (until_ns < own_ns)
		until_ns = own_ns;
	if (until_ns <= now_ns)
		return;
	until_ns += POLICY_LATE_NS + POLICY_DRIFT_MAX_NS;
	if (until_ns > now_ns + DRAIN_MAX_NS)
		until_ns = now_ns + DRAIN_MAX_NS;
	rest.tv_sec = (time_t)((until_ns - now_ns) / 1000000000ULL);
	rest.tv_nsec = (long)((until_ns - now_ns) % 1000000000ULL);
	nanosleep(&rest, NULL);
}

/*
 * Detaching and unpinning need to know nothing of what the maps hold: links are
 * told by their pins, filters by the counters that they use, roots by their handle.
 */
static int detach_unknown(struct limiter *limiter, bool is_other, char why[LOG_TEXT])
{
	struct if_nameindex *all = if_nameindex();
	int err = all ? 0 : -errno;

	for (const struct if_nameindex *each = all; each && each->if_index && err >= 0; each++) {
		struct bwctl_interface_key key = {.netns_inode = limiter->netns_inode,
						  .ifindex = each->if_index};

		/* The IFB goes last, with the pins: what it holds belongs to the others. */
		if (each->if_index == holder_hold_ifindex(&limiter->pins))
			continue;
		err = hooks_detach_unknown(&limiter->pins, &key, limiter->map_fd[MAP_COUNTERS]);
		if (err > 0) {
			/* Of clocks of another kind it cannot be read how long. */
			if (!is_other)
				drain(limiter);
			err = holder_release_unknown(each->if_index);
			limiter->has_left_sizes = limiter->has_left_sizes || err > 0;
		}
		if (err < 0)
			why_fail(why, err, "cannot detach from '%s'", each->if_name);
	}
	if (all)
		if_freenameindex(all);
	if (err >= 0 && is_other)
		close_maps(limiter);
	return err < 0 ? err : 0;
}

/*
 * By namespace and index, as links are. Written into by the programs of that
 * interface alone.
 */
static void counters_pin(const struct bwctl_interface_key *key, char ret_name[64])
{
	snprintf(ret_name, 64, "counters-%llu-%u", (unsigned long long)key->netns_inode,
		 key->ifindex);
}

static bool is_counters_pin(const char *name)
{
	unsigned long long inode;
	unsigned int ifindex;
	char more;

	return sscanf(name, "counters-%llu-%u%c", &inode, &ifindex, &more) == 2;
}

static bool is_shared_pin(const char *name)
{
	return is_telling(name) || is_counters_pin(name) || !strcmp(name, POLICY_PIN) ||
	       !strcmp(name, SKELETON_LINKS_PIN);
}

int limiter_open(struct limiter **ret_limiter, const char *pin_dir, enum limiter_access access,
		 char why[LOG_TEXT])
{
	struct limiter *limiter = calloc(1, sizeof(*limiter));
	struct stat netns;
	int err;

	if (!limiter)
		return why_fail(why, -ENOMEM, "cannot open the limiter");
	for (int i = 0; i < MAPS; i++)
		limiter->map_fd[i] = -1;
	limiter->hold_fd = limiter->lead_fd = -1;
	skeleton_hear();
	err = pins_take(&limiter->pins, pin_dir, access == LIMITER_LOOK, why);
	if (err)
		goto out;
	if (stat("/proc/self/ns/net", &netns)) {
		err = why_fail(why, -errno, "cannot tell the network namespace");
		goto out;
	}
	limiter->netns_inode = netns.st_ino;
	limiter->looks = access == LIMITER_LOOK;
	if (limiter->looks) {
		err = open_maps(limiter, why);
		if (!err)
			err = check_policy_abi(limiter, why);
		if (!err)
			err = look_on(limiter, why);
		goto out;
	}

	err = pins_lock(&limiter->pins,
			access == LIMITER_READ	 ? PINS_SHARED :
			access == LIMITER_CREATE ? PINS_MAKE :
						   PINS_EXCLUSIVE,
			why);
	if (err)
		goto out;
	limiter->fresh = (access == LIMITER_CREATE || access == LIMITER_REMOVE) &&
			 pins_is_empty(&limiter->pins);
	err = open_maps(limiter, why);
	if (!err)
		err = check_policy_abi(limiter, why);
	if (access == LIMITER_REMOVE &&
	    (err == -EPROTO || (err == -ENOENT && limiter->map_fd[MAP_INTERFACES] < 0)))
		err = detach_unknown(limiter, err == -EPROTO, why);
	/* A directory and not all of its maps: what a command left that died, or somebody who cleaned up. */
	if (err == -ENOENT && (access == LIMITER_CREATE || access == LIMITER_REMOVE))
		err = 0;
	else if (err == -ENOENT && pins_is_empty(&limiter->pins))
		why_refuse(why, err, "nothing is loaded");
	else if (err == -ENOENT)
		err = why_refuse(why, -ENODATA, "the limiter in '%s' is not whole",
				 limiter->pins.directory);
	if (err)
		goto out;
	if (access == LIMITER_CREATE) {
		err = skeleton_load_shared(&limiter->pins, is_led(), !is_led(), why);
		if (!err) {
			close_maps(limiter);
			err = open_maps(limiter, why);
		}
		/* At once: somebody may look on while the programs of interfaces are loaded. */
		if (!err && pins_share_named(&limiter->pins, is_shared_pin))
			log_note("not all of '%s' can be shared", limiter->pins.directory);
	}
	find_holding(limiter);
out:
	if (err) {
		limiter_abandon(limiter);
		limiter_close(limiter);
	} else {
		*ret_limiter = limiter;
	}
	return err;
}

void limiter_close(struct limiter *limiter)
{
	if (!limiter)
		return;
	for (size_t i = 0; i < limiter->prepared_count; i++)
		skeleton_close(&limiter->prepared[i].programs);
	free(limiter->prepared);
	close_maps(limiter);
	if (limiter->hold_fd >= 0)
		close(limiter->hold_fd);
	if (limiter->lead_fd >= 0)
		close(limiter->lead_fd);
	/* What a command made is there to be looked at, whatever came of it. */
	if (limiter->pins.lock_fd >= 0 && pins_share_named(&limiter->pins, is_shared_pin))
		log_note("not all of '%s' can be shared", limiter->pins.directory);
	pins_unlock(&limiter->pins);
	free(limiter->pins.links);
	free(limiter);
}

/* ---- policy and counters ---- */

int limiter_former_policy(struct limiter *limiter, struct bwctl_policy *ret_policy,
			  char why[LOG_TEXT])
{
	struct bpf_map_info info = {0};
	__u32 length = sizeof(info), zero = 0;
	char path[PINS_PATH];
	int err, fd;

	pins_path(&limiter->pins, POLICY_PIN, path);
	fd = bpf_obj_get(path);
	if (fd < 0)
		return why_fail(why, -errno, "cannot open '%s'", path);
	err = bpf_obj_get_info_by_fd(fd, &info, &length) ? -errno : 0;
	if (!err && info.value_size != sizeof(*ret_policy))
		err = -EPROTO;
	if (!err && bpf_map_lookup_elem(fd, &zero, ret_policy))
		err = -errno;
	else if (!err && ret_policy->abi != BWCTL_ABI)
		err = -EPROTO;
	close(fd);
	return err == -EPROTO ? refuse_other_abi(limiter, why) :
	       err	      ? why_fail(why, err, "cannot read the former policy") :
				0;
}

int limiter_policy(struct limiter *limiter, struct bwctl_policy *ret_policy, char why[LOG_TEXT])
{
	__u32 zero = 0;
	int err = 0, fd = policy_map(limiter);

	if (fd == -ENOENT)
		return why_refuse(why, fd, "no policy is in force yet");
	if (fd < 0)
		return why_fail(why, fd, "cannot open the policy in force");
	if (bpf_map_lookup_elem(fd, &zero, ret_policy))
		err = why_fail(why, -errno, "cannot read the policy in force");
	close(fd);
	return err;
}

/* The pin that a publisher left who died: gets its name if it is in force, else goes. */
static int settle_pins(const struct limiter *limiter)
{
	char new_path[PINS_PATH], path[PINS_PATH];
	__u32 zero = 0, id = 0;
	int fd;

	pins_path(&limiter->pins, POLICY_PIN_NEW, new_path);
	pins_path(&limiter->pins, POLICY_PIN, path);
	if (bpf_map_lookup_elem(limiter->map_fd[MAP_POLICIES], &zero, &id) && errno != ENOENT)
		return -errno;
	fd = open_policy(limiter, POLICY_PIN_NEW, id);
	if (fd == -ENOENT)
		return 0;
	if (fd == -ESTALE)
		return unlink(new_path) ? -errno : 0;
	if (fd < 0)
		return fd;
	close(fd);
	return rename(new_path, path) ? -errno : 0;
}

bool limiter_is_same(const struct limiter *limiter)
{
	__u32 zero = 0, id;

	return !bpf_map_lookup_elem(limiter->map_fd[MAP_POLICIES], &zero, &id) &&
	       id == limiter->policy_id;
}

int limiter_begin(const struct limiter *limiter, uint64_t *ret_since_ns, uint32_t *ret_id,
		  char why[LOG_TEXT])
{
	struct bpf_map_info info = {0};
	__u32 length = sizeof(info);
	char path[PINS_PATH];
	struct timespec up = {0};
	struct stat made;

	pins_path(&limiter->pins, map_names[MAP_COUNTERS], path);
	if (bpf_obj_get_info_by_fd(limiter->map_fd[MAP_COUNTERS], &info, &length))
		return why_fail(why, -errno, "cannot inspect '%s'", path);
	*ret_id = info.id;
	clock_gettime(CLOCK_BOOTTIME, &up);
	/* Made before the machine began: by a clock that was set since. */
	*ret_since_ns = stat(path, &made) || made.st_mtim.tv_sec < time(NULL) - up.tv_sec - 1 ?
				0 :
				(uint64_t)made.st_mtim.tv_sec * 1000000000 +
					(uint64_t)made.st_mtim.tv_nsec;
	return 0;
}

int limiter_clock(struct limiter *limiter, enum bwctl_direction direction,
		  struct bwctl_clock *ret_clock)
{
	__u32 key = direction;

	return bpf_map_lookup_elem(limiter->map_fd[MAP_CLOCKS], &key, ret_clock) ? -errno : 0;
}

int limiter_possible_cpus(void)
{
	return libbpf_num_possible_cpus();
}

bool limiter_leases_are_safe(void)
{
	struct utsname kernel;

	return access("/sys/kernel/realtime", F_OK) && !uname(&kernel) &&
	       !strstr(kernel.version, "PREEMPT_RT");
}

bool limiter_leads(void)
{
	return is_led();
}

uint64_t limiter_now_ns(void)
{
	long long seconds, nanoseconds, offset_ns = 0;
	struct timespec now;
	FILE *offsets;
	char line[128];

	clock_gettime(CLOCK_MONOTONIC, &now);
	offsets = fopen("/proc/self/timens_offsets", "re");
	while (offsets && fgets(line, sizeof(line), offsets))
		if (sscanf(line, "monotonic %lld %lld", &seconds, &nanoseconds) == 2)
			offset_ns = seconds * 1000000000LL + nanoseconds;
	if (offsets)
		fclose(offsets);
	return (uint64_t)((long long)now.tv_sec * 1000000000LL + now.tv_nsec - offset_ns);
}

bool limiter_has_lost_queue(struct limiter *limiter, const struct bwctl_policy *policy,
			    enum bwctl_direction direction)
{
	struct bwctl_clock clock;
	__u32 key = direction;

	return policy->meter[direction].horizon_ns[0] &&
	       !bpf_map_lookup_elem(limiter->map_fd[MAP_CLOCKS], &key, &clock) &&
	       clock.lost_generation == policy->generation;
}

/* The map that an interface counts in: a file descriptor, or -errno; -ENOENT: none of this kind. */
static int open_interface_counters(const struct limiter *limiter,
				   const struct bwctl_interface_key *key)
{
	struct bpf_map_info info = {0};
	__u32 length = sizeof(info);
	char name[64];
	int err, fd;

	counters_pin(key, name);
	fd = open_map(limiter, name);
	if (fd < 0)
		return -errno;
	err = bpf_obj_get_info_by_fd(fd, &info, &length) ? -errno : 0;
	if (!err && (info.type != BPF_MAP_TYPE_PERCPU_ARRAY || info.max_entries != BWCTL_COUNTED ||
		     info.value_size != sizeof(struct bwctl_interface_counters)))
		err = -ENOENT;
	if (!err)
		return fd;
	close(fd);
	return err;
}

int limiter_counters(struct limiter *limiter, struct counters ret_counters[BWCTL_DIRECTIONS],
		     char why[LOG_TEXT])
{
	int err = counters_read(limiter->map_fd[MAP_COUNTERS], ret_counters);

	return err ? why_fail(why, err, "cannot read the counters") : 0;
}

int limiter_interface_counters(struct limiter *limiter, const struct bwctl_interface_key *key,
			       struct counters_interface ret_counters[BWCTL_DIRECTIONS],
			       char why[LOG_TEXT])
{
	int fd = open_interface_counters(limiter, key);
	int err = fd < 0 ? fd : counters_read_interface(fd, ret_counters);

	if (fd >= 0)
		close(fd);
	return err ? why_fail(why, err, "cannot read the counters of an interface") : 0;
}

/* These classes and flows begin at zero, on each interface and altogether. */
static int begin_counters(struct limiter *limiter, const struct counters_set *set)
{
	struct bwctl_interface_key key, *previous = NULL;
	int fd, err = counters_begin(limiter->map_fd[MAP_COUNTERS], set);

	while (!err && !bpf_map_get_next_key(limiter->map_fd[MAP_INTERFACES], previous, &key)) {
		fd = open_interface_counters(limiter, &key);
		if (fd >= 0) {
			err = counters_begin_interface(fd, set);
			close(fd);
		} else if (fd != -ENOENT) {
			err = fd;
		}
		previous = &key;
	}
	return err;
}

/* What was asked for under the policy in force, or the last that was; free() it. NULL: nothing. */
static struct bwctl_policy *last_policy(struct limiter *limiter)
{
	struct bwctl_policy *policy = malloc(sizeof(*policy));
	char ignored[LOG_TEXT];

	if (!policy)
		return NULL;
	if (!limiter_policy(limiter, policy, ignored) ||
	    !limiter_former_policy(limiter, policy, ignored))
		return policy;
	free(policy);
	return NULL;
}

static int put_in_force(struct limiter *limiter, const struct bwctl_policy *policy,
			char why[LOG_TEXT])
{
	LIBBPF_OPTS(bpf_map_create_opts, options, .map_flags = BPF_F_RDONLY_PROG);
	char new_path[PINS_PATH];
	__u32 zero = 0;
	int err, fd;

	pins_path(&limiter->pins, POLICY_PIN_NEW, new_path);
	err = settle_pins(limiter);
	if (err)
		return why_fail(why, err, "cannot name the policy in force");
	fd = bpf_map_create(BPF_MAP_TYPE_ARRAY, "policy", sizeof(zero), sizeof(*policy), 1,
			    &options);
	if (fd < 0)
		return why_fail(why, -errno, "cannot make a policy map");
	if (bpf_map_update_elem(fd, &zero, policy, BPF_ANY) || bpf_map_freeze(fd) ||
	    bpf_obj_pin(fd, new_path))
		err = why_fail(why, -errno, "cannot write the policy");
	/* That somebody cannot look on is no reason not to change a limit. */
	if (!err)
		pins_share(&limiter->pins, POLICY_PIN_NEW);
	/* Waits for the programs that still run under the former policy (commit 1ae80cf31938). */
	if (!err && bpf_map_update_elem(limiter->map_fd[MAP_POLICIES], &zero, &fd, BPF_ANY))
		err = why_fail(why, -errno, "cannot put the policy in force");
	close(fd);
	if (!err)
		log_note("policy %llu is in force", (unsigned long long)policy->generation);
	/* In force from here on, or not at all: what is left is only a name. */
	settle_pins(limiter);
	return err;
}

/*
 * Numbers that nobody has in the policy in force are cleared before: until then nobody
 * sees it. One that goes from one name to another still counts for the former until the
 * next policy is in force, so that it is cleared after, when nobody who takes the lock can look yet.
 */
int limiter_publish(struct limiter *limiter, const struct bwctl_policy *policy, char why[LOG_TEXT])
{
	struct bwctl_policy *previous = last_policy(limiter);
	struct counters_set set;
	int err = 0;

	if (previous && counters_newcomers(&previous->asked, &policy->asked, true, &set))
		err = begin_counters(limiter, &set);
	if (err)
		why_fail(why, err, "cannot begin to count");
	else
		err = put_in_force(limiter, policy, why);
	if (!err && previous && counters_newcomers(&previous->asked, &policy->asked, false, &set) &&
	    begin_counters(limiter, &set))
		log_hint("the counters of what is new include what had its number before");
	free(previous);
	return err;
}

/* ---- interfaces ---- */

static int note_interface(const struct hooks_place *place)
{
	const struct limiter *limiter = place->owner;

	if (bpf_map_update_elem(limiter->map_fd[MAP_INTERFACES], place->key, place->record,
				BPF_ANY))
		return -errno;
	return 0;
}

static struct hooks_place place_of(const struct limiter *limiter,
				   const struct bwctl_interface_key *key,
				   struct bwctl_interface *record)
{
	return (struct hooks_place){.pins = &limiter->pins,
				    .key = key,
				    .record = record,
				    .note = note_interface,
				    .owner = limiter};
}

static struct holder_means means_of(const struct limiter *limiter)
{
	return (struct holder_means){.pins = &limiter->pins,
				     .netns_inode = limiter->netns_inode,
				     .holders_fd = limiter->map_fd[MAP_HOLDERS],
				     .can_hold = limiter->can_hold,
				     .hold_fd = limiter->hold_fd,
				     .is_led = is_led(),
				     .lead_fd = limiter->lead_fd,
				     .is_watched = limiter->is_watched};
}

static void look_at(struct limiter *limiter, struct limiter_interface *interface)
{
	const struct bwctl_interface_key *key = &interface->key;
	bool own, dead = false;

	memcpy(interface->name, interface->record.name, sizeof(interface->name));
	interface->own = own = key->netns_inode == limiter->netns_inode;
	/* Who only looks on may not see the processes by which that is told. */
	interface->here = own || (!limiter->looks && !netns_exists(key->netns_inode));
	interface->exists = own && if_indextoname(key->ifindex, interface->name);
	if (!interface->exists)
		memcpy(interface->name, interface->record.name, sizeof(interface->name));
	for (int direction = 0; direction < BWCTL_DIRECTIONS; direction++) {
		enum hooks_link link = hooks_link_state(&limiter->pins, key, direction);

		interface->hook[direction] = BWCTL_HOOK_NONE;
		if (link == HOOKS_LINK_ATTACHED || (link == HOOKS_LINK_MOVED && !interface->exists))
			interface->hook[direction] = BWCTL_HOOK_TCX;
		else if (link == HOOKS_LINK_DEAD)
			dead = true; /* its device is gone, and maybe the namespace with it */
		/* Filters can only be asked for in their own namespace: elsewhere the record stands. */
		else if (own ? hooks_clsact_is_attached(key, &interface->record, direction) :
			       !interface->here && interface->record.priority[direction])
			interface->hook[direction] = BWCTL_HOOK_CLSACT;
	}
	interface->here = interface->here || dead;
	if (interface->exists) {
		struct holder_means means = means_of(limiter);
		struct hooks_place place = place_of(limiter, key, &interface->record);

		for (int direction = 0; direction < BWCTL_DIRECTIONS; direction++)
			interface->holds[direction] = holder_hold(&means, &place, interface->name,
								  direction, HOLDER_IS,
								  interface->hindrance[direction]);
	}
}

void limiter_first(const struct limiter *limiter, const struct limiter_interface *interface,
		   enum bwctl_direction direction, struct first *ret_first)
{
	first_look(&limiter->pins, &interface->key, &interface->record, direction,
		   interface->exists ? interface->hook[direction] : BWCTL_HOOK_NONE, ret_first);
}

int limiter_find(struct limiter *limiter, const char *name, struct bwctl_interface_key *ret_key,
		 char why[LOG_TEXT])
{
	*ret_key = (struct bwctl_interface_key){
		.netns_inode = limiter->netns_inode,
		.ifindex = if_nametoindex(name),
	};
	if (ret_key->ifindex)
		return 0;
	return why_refuse(why, -ENODEV, "no interface '%s' in this network namespace", name);
}

uint32_t limiter_redirect_ifindex(const struct limiter *limiter)
{
	return is_led() ? 0 : holder_hold_ifindex(&limiter->pins);
}

/* Of an interface that is about to be loaded: empty, without a name. */
static struct bwctl_interface record_of(const struct limiter *limiter,
					const struct bwctl_interface_key *key)
{
	struct bwctl_interface record;

	if (bpf_map_lookup_elem(limiter->map_fd[MAP_INTERFACES], key, &record))
		memset(&record, 0, sizeof(record));
	return record;
}

/* Queues of another network namespace are as they were left, unless their loss was noticed. */
static int look_elsewhere(const struct limiter *limiter, const struct bwctl_interface_key *key,
			  const char *name, enum bwctl_direction direction, char why[LOG_TEXT])
{
	struct bwctl_interface_key holding = *key;
	struct bwctl_holder holder;

	if (direction == BWCTL_INGRESS)
		holding.ifindex = holder_hold_ifindex(&limiter->pins);
	if (!bpf_map_lookup_elem(limiter->map_fd[MAP_HOLDERS], &holding, &holder) &&
	    !holder.is_lost)
		return 0;
	return why_refuse(why, -EOPNOTSUPP,
			  "packets cannot wait on '%s' in another network namespace", name);
}

int limiter_hold(struct limiter *limiter, const struct bwctl_interface_key *key, const char *name,
		 enum bwctl_direction direction, enum holder_task task, char why[LOG_TEXT])
{
	struct bwctl_interface record = record_of(limiter, key);
	struct hooks_place place = place_of(limiter, key, &record);
	struct holder_means means = means_of(limiter);
	enum hooks_link link;
	int err;

	if (key->netns_inode != limiter->netns_inode)
		return look_elsewhere(limiter, key, name, direction, why);
	err = holder_hold(&means, &place, name, direction, task, why);
	link = hooks_link_state(&limiter->pins, key, direction);
	/* Links go along to another network namespace, queues do not. */
	if (err == -ENODEV && (link == HOOKS_LINK_ATTACHED || link == HOOKS_LINK_MOVED))
		return why_refuse(why, -EOPNOTSUPP, "'%s' is in another network namespace now",
				  name);
	return err;
}

int limiter_fit(struct limiter *limiter, const struct bwctl_interface_key *key,
		const uint32_t segments[BWCTL_DIRECTIONS])
{
	struct bwctl_interface record = record_of(limiter, key);
	struct hooks_place place = place_of(limiter, key, &record);

	return key->netns_inode == limiter->netns_inode ? holder_fit(&place, segments) : 0;
}

/* Whether any interface of this network namespace is still loaded. */
static bool is_loaded_here(const struct limiter *limiter)
{
	struct bwctl_interface_key key, *previous = NULL;

	while (!bpf_map_get_next_key(limiter->map_fd[MAP_INTERFACES], previous, &key)) {
		if (key.netns_inode == limiter->netns_inode)
			return true;
		previous = &key;
	}
	return false;
}

/* Forgets an interface that has no program of ours any more, and gives back what it had. */
static int forget(struct limiter *limiter, struct hooks_place *place)
{
	struct holder_means means = means_of(limiter);
	int err = holder_release(&means, place, place->key->netns_inode == limiter->netns_inode);
	char name[64], ignored[LOG_TEXT];

	counters_pin(place->key, name);
	if (!err)
		err = pins_remove(&limiter->pins, name, ignored);
	if (!err && bpf_map_delete_elem(limiter->map_fd[MAP_INTERFACES], place->key) &&
	    errno != ENOENT)
		err = -errno;
	if (!err && !is_loaded_here(limiter))
		err = holder_release_hold(&means);
	return err;
}

static int by_index(const void *a, const void *b)
{
	const struct limiter_interface *one = a, *other = b;

	if (one->key.netns_inode != other->key.netns_inode)
		return one->key.netns_inode < other->key.netns_inode ? -1 : 1;
	return one->key.ifindex < other->key.ifindex ? -1 : one->key.ifindex > other->key.ifindex;
}

int limiter_interfaces(struct limiter *limiter, struct limiter_interface **ret_interfaces,
		       size_t *ret_count, char why[LOG_TEXT])
{
	int fd = limiter->map_fd[MAP_INTERFACES];
	struct bwctl_interface_key key, *previous = NULL;
	struct limiter_interface *interfaces = NULL;
	size_t count = 0, room = 0;

	while (!bpf_map_get_next_key(fd, previous, &key)) {
		if (count == room) {
			struct limiter_interface *more;

			room = room ? room * 2 : 8;
			more = realloc(interfaces, room * sizeof(*more));
			if (!more) {
				free(interfaces);
				return why_fail(why, -ENOMEM, "cannot list the interfaces");
			}
			interfaces = more;
		}
		memset(&interfaces[count], 0, sizeof(*interfaces));
		interfaces[count].key = key;
		if (!bpf_map_lookup_elem(fd, &key, &interfaces[count].record)) {
			look_at(limiter, &interfaces[count]);
			count++;
		}
		previous = &key;
	}
	if (count)
		qsort(interfaces, count, sizeof(*interfaces), by_index);
	*ret_interfaces = interfaces;
	*ret_count = count;
	return 0;
}

/* ---- loading ---- */

static const struct prepared *find_prepared(const struct limiter *limiter,
					    const struct bwctl_interface_key *key)
{
	for (size_t i = 0; i < limiter->prepared_count; i++)
		if (!memcmp(&limiter->prepared[i].key, key, sizeof(*key)))
			return &limiter->prepared[i];
	return NULL;
}

void limiter_note_names(struct limiter *limiter)
{
	struct bwctl_interface_key key, *previous = NULL;
	struct bwctl_interface record;
	char name[IF_NAMESIZE];

	while (!bpf_map_get_next_key(limiter->map_fd[MAP_INTERFACES], previous, &key)) {
		previous = &key;
		if (key.netns_inode != limiter->netns_inode ||
		    bpf_map_lookup_elem(limiter->map_fd[MAP_INTERFACES], &key, &record) ||
		    !record.name[0] || !if_indextoname(key.ifindex, name) ||
		    !strcmp(record.name, name))
			continue;
		snprintf(record.name, sizeof(record.name), "%s", name);
		/* If that fails, an older name is all that is wrong. */
		bpf_map_update_elem(limiter->map_fd[MAP_INTERFACES], &key, &record, BPF_EXIST);
	}
}

void limiter_slots(struct limiter *limiter, char ret_names[BWCTL_SLOTS][BWCTL_NAME])
{
	struct bwctl_interface_key key, *previous = NULL;
	struct bwctl_interface record;
	char name[IF_NAMESIZE];

	memset(ret_names, 0, (size_t)BWCTL_SLOTS * BWCTL_NAME);
	while (!bpf_map_get_next_key(limiter->map_fd[MAP_INTERFACES], previous, &key)) {
		previous = &key;
		/* Without a name it is not loaded: what holds packets for it may be there already. */
		if (bpf_map_lookup_elem(limiter->map_fd[MAP_INTERFACES], &key, &record) ||
		    record.slot >= BWCTL_SLOTS || !record.name[0])
			continue;
		if (key.netns_inode != limiter->netns_inode || !if_indextoname(key.ifindex, name))
			snprintf(name, sizeof(name), "%s", record.name);
		snprintf(ret_names[record.slot], BWCTL_NAME, "%s", name);
	}
	for (size_t i = 0; i < limiter->prepared_count; i++)
		memcpy(ret_names[limiter->prepared[i].slot], limiter->prepared[i].name, BWCTL_NAME);
}

/* The lowest number that no interface has. -ENOSPC when there is none. */
static int free_slot(struct limiter *limiter)
{
	static char names[BWCTL_SLOTS][BWCTL_NAME];

	limiter_slots(limiter, names);
	for (int slot = 0; slot < BWCTL_SLOTS; slot++)
		if (!names[slot][0])
			return slot;
	return -ENOSPC;
}

/*
 * Whether an interface was loaded under this name in this network namespace and is gone: its
 * programs went with it. Not one that went to another namespace, where its link goes on.
 */
static bool is_former(struct limiter *limiter, const struct bwctl_interface_key *key,
		      const char *name, struct limiter_interface *ret_former)
{
	*ret_former = (struct limiter_interface){.key = *key, .record = record_of(limiter, key)};
	if (key->netns_inode != limiter->netns_inode || strcmp(ret_former->record.name, name))
		return false;
	look_at(limiter, ret_former);
	return !ret_former->exists && ret_former->hook[BWCTL_INGRESS] == BWCTL_HOOK_NONE &&
	       ret_former->hook[BWCTL_EGRESS] == BWCTL_HOOK_NONE;
}

/* The first of these, if there are any. */
static bool find_former(struct limiter *limiter, const char *name,
			struct limiter_interface *ret_former)
{
	struct bwctl_interface_key key, *previous = NULL;

	while (!bpf_map_get_next_key(limiter->map_fd[MAP_INTERFACES], previous, &key)) {
		previous = &key;
		if (is_former(limiter, &key, name, ret_former))
			return true;
	}
	return false;
}

/* The number of an interface that is about to be loaded: that of its former self, or a free one. */
static int new_slot(struct limiter *limiter, const char *name)
{
	struct limiter_interface former;

	return find_former(limiter, name, &former) ? (int)former.record.slot : free_slot(limiter);
}

/* Loads an interface's programs, with the number and the counters it has, or new ones. */
static int prepare(struct limiter *limiter, const struct bwctl_interface_key *key, const char *name,
		   bool ethernet, char why[LOG_TEXT])
{
	struct bwctl_interface record = record_of(limiter, key);
	bool was_loaded = record.name[0];
	int slot = was_loaded ? (int)record.slot : new_slot(limiter, name);
	struct prepared *more, *next;
	int err, fd = -1;

	if (slot < 0)
		return why_refuse(why, slot, "cannot load '%s': %d interfaces are loaded already",
				  name, BWCTL_SLOTS);
	more = realloc(limiter->prepared, (limiter->prepared_count + 1) * sizeof(*more));
	if (!more)
		return why_fail(why, -ENOMEM, "cannot load '%s'", name);
	limiter->prepared = more;
	next = &more[limiter->prepared_count];
	*next = (struct prepared){.key = *key, .slot = (uint32_t)slot};
	snprintf(next->name, sizeof(next->name), "%s", name);
	if (was_loaded)
		fd = open_interface_counters(limiter, key);
	log_note("loading the programs of '%s'", name);
	err = skeleton_load(&limiter->pins, next->slot, ethernet, fd, &next->programs, why);
	if (!err)
		limiter->prepared_count++;
	if (fd >= 0)
		close(fd);
	return err;
}

int limiter_prepare(struct limiter *limiter, const char *name, char why[LOG_TEXT])
{
	struct bwctl_interface_key key;
	int ethernet;

	if (limiter_find(limiter, name, &key, why) || find_prepared(limiter, &key))
		return 0;
	ethernet = hooks_has_ethernet_header(name, why);
	return ethernet < 0 ? 0 : prepare(limiter, &key, name, ethernet, why);
}

/* What an interface counts in gets its name, unless it has it: after the interface is on record. */
static int pin_counters(const struct limiter *limiter, const struct prepared *prepared)
{
	int err, fd = open_interface_counters(limiter, &prepared->key);
	struct bpf_map_info there = {0}, own = {0};
	__u32 length = sizeof(there);
	char path[PINS_PATH], name[64];

	if (fd >= 0) {
		err = bpf_obj_get_info_by_fd(fd, &there, &length) ||
				      bpf_obj_get_info_by_fd(prepared->programs.counters_fd, &own,
							     &length) ?
			      -errno :
			      0;
		close(fd);
		if (err || there.id == own.id)
			return err;
	}
	counters_pin(&prepared->key, name);
	pins_path(&limiter->pins, name, path);
	if (unlink(path) && errno != ENOENT)
		return -errno;
	if (bpf_obj_pin(prepared->programs.counters_fd, path))
		return -errno;
	pins_share(&limiter->pins, name);
	return 0;
}

/* Both directions on one kind of hook. */
static int attach_both(struct hooks_place *place, enum bwctl_hook hook,
		       const struct prepared *prepared)
{
	int err = hooks_prepare(place, hook);

	for (int direction = 0; direction < BWCTL_DIRECTIONS && !err; direction++)
		err = hooks_attach(place, direction, hook,
				   prepared->programs.program_fd[direction]);
	return err;
}

/* Goes on after an error: what can go, goes. The record is changed and not written down. */
static int detach_both(struct hooks_place *place, enum bwctl_hook hook)
{
	int err, first = 0;

	for (int direction = 0; direction < BWCTL_DIRECTIONS; direction++) {
		err = hooks_detach(place, direction, hook);
		first = first ? first : err;
	}
	if (!first && hook == BWCTL_HOOK_CLSACT)
		first = hooks_remove_clsact(place);
	return first;
}

static int detach_and_note(struct hooks_place *place, enum bwctl_hook hook)
{
	int err = detach_both(place, hook);

	return err ? err : note_interface(place);
}

/* A device that came back is one interface, not two of which one is gone. */
static int forget_former(struct limiter *limiter, const char *name)
{
	struct limiter_interface former;
	int err = 0;

	while (!err && find_former(limiter, name, &former)) {
		struct hooks_place place = place_of(limiter, &former.key, &former.record);

		err = detach_both(&place, BWCTL_HOOK_TCX);
		if (!err)
			err = forget(limiter, &place);
	}
	return err;
}

int limiter_attach(struct limiter *limiter, const char *name, enum bwctl_hook hook,
		   struct limiter_interface *ret_interface, char why[LOG_TEXT])
{
	struct limiter_interface before = {0};
	const struct bwctl_interface_key *key = &before.key;
	enum bwctl_hook chosen = hook == BWCTL_HOOK_NONE ? BWCTL_HOOK_TCX : hook;
	enum bwctl_hook other;
	struct bwctl_interface record;
	struct hooks_place place = place_of(limiter, key, &record);
	const struct prepared *prepared;
	int ethernet, err;
	bool was_loaded;

	err = limiter_find(limiter, name, &before.key, why);
	if (err)
		return err;
	before.record = record_of(limiter, key);
	was_loaded = before.record.name[0];
	ethernet = hooks_has_ethernet_header(name, why);
	if (ethernet < 0) {
		record = before.record;
		if (!was_loaded)
			forget(limiter, &place);
		return ethernet;
	}
	prepared = find_prepared(limiter, key);
	if (!prepared) {
		err = prepare(limiter, key, name, ethernet, why);
		prepared = find_prepared(limiter, key);
		if (err) {
			record = before.record;
			if (!was_loaded)
				forget(limiter, &place);
			return err;
		}
	}
	look_at(limiter, &before);
	record = before.record;
	snprintf(record.name, sizeof(record.name), "%s", name);
	record.slot = prepared->slot;

	err = note_interface(&place);
	if (!err)
		err = pin_counters(limiter, prepared);
	if (err) {
		why_fail(why, err, "cannot note that '%s' is loaded", name);
		if (!was_loaded)
			forget(limiter, &place);
		return err;
	}
	err = attach_both(&place, chosen, prepared);
	/* Before 6.6 the kernel does not know this kind of link. */
	if (err == -EINVAL && hook == BWCTL_HOOK_NONE) {
		chosen = BWCTL_HOOK_CLSACT;
		err = attach_both(&place, chosen, prepared);
	}
	if (err) {
		if (err == -EBUSY && chosen == BWCTL_HOOK_CLSACT)
			why_refuse(
				why, err,
				"cannot attach to '%s' by clsact: it has an ingress qdisc, which leaves no place for egress",
				name);
		else
			why_fail(why, err, "cannot attach to '%s' by %s", name,
				 chosen == BWCTL_HOOK_TCX ? "tcx" : "clsact");
		/* What was there before is there still; what was not goes again. */
		if (before.hook[BWCTL_INGRESS] != chosen && before.hook[BWCTL_EGRESS] != chosen)
			detach_and_note(&place, chosen);
		if (!was_loaded)
			forget(limiter, &place);
		return err;
	}
	/* The new hook meters already; only now may the old one go. */
	other = chosen == BWCTL_HOOK_TCX ? BWCTL_HOOK_CLSACT : BWCTL_HOOK_TCX;
	err = detach_and_note(&place, other);
	if (err)
		return why_fail(why, err, "cannot remove the former programs from '%s'", name);
	err = forget_former(limiter, name);
	if (err)
		return why_fail(why, err, "cannot forget the former '%s', which is gone", name);
	*ret_interface = (struct limiter_interface){.key = *key, .record = record};
	look_at(limiter, ret_interface);
	return 0;
}

int limiter_detach(struct limiter *limiter, const struct limiter_interface *interface,
		   char why[LOG_TEXT])
{
	const struct bwctl_interface_key *key = &interface->key;
	struct bwctl_interface record = interface->record;
	struct hooks_place place = place_of(limiter, key, &record);
	int err;

	err = detach_both(&place, BWCTL_HOOK_TCX);
	if (!err && key->netns_inode == limiter->netns_inode)
		err = detach_both(&place, BWCTL_HOOK_CLSACT);
	if (err)
		return why_fail(why, err, "cannot detach from '%s'", interface->name);
	if (key->netns_inode == limiter->netns_inode)
		drain(limiter);
	err = forget(limiter, &place);
	return err ? why_fail(why, err, "cannot give back what '%s' had", interface->name) : 0;
}

/* ---- runs ---- */

#define TOKEN_NAME 32

static const char *token_name(uint64_t id, char name[TOKEN_NAME])
{
	snprintf(name, TOKEN_NAME, "run-%llu", (unsigned long long)id);
	return name;
}

int limiter_start_run(struct limiter *limiter, const struct bwctl_policy *policy,
		      struct bwctl_run *run, int *ret_fd, char why[LOG_TEXT])
{
	char name[TOKEN_NAME];
	int err = -EBUSY;

	/* One whose limiter was unloaded may still hold a lock that is in no policy. */
	for (run->id = 0; err == -EBUSY;) {
		run->id++;
		if (!runs_find(policy, run->id))
			err = pins_take_token(&limiter->pins, token_name(run->id, name), ret_fd,
					      why);
	}
	return err;
}

bool limiter_owns_run(struct limiter *limiter, uint64_t id, int fd)
{
	char name[TOKEN_NAME];

	return pins_is_token(&limiter->pins, token_name(id, name), fd);
}

int limiter_forget_run(struct limiter *limiter, uint64_t id, char why[LOG_TEXT])
{
	char name[TOKEN_NAME];

	return pins_remove_token(&limiter->pins, token_name(id, name), why);
}

void limiter_runs(struct limiter *limiter, const struct bwctl_policy *policy,
		  bool ret_is_alive[BWCTL_RUNS])
{
	char name[TOKEN_NAME];

	for (int i = 0; i < BWCTL_RUNS; i++)
		ret_is_alive[i] =
			policy->runs[i].id &&
			pins_is_token_held(&limiter->pins, token_name(policy->runs[i].id, name));
}

bool limiter_is_fresh(const struct limiter *limiter)
{
	return limiter->fresh;
}

bool limiter_has_left_sizes(const struct limiter *limiter)
{
	return limiter->has_left_sizes;
}

int limiter_remove(struct limiter *limiter, char why[LOG_TEXT])
{
	static const char *const other_pins[] = {
		POLICY_PIN,
		POLICY_PIN_NEW,
		SKELETON_HOLD_PIN,
		SKELETON_HOLD_PIN "-new",
		SKELETON_LEAD_PIN,
		SKELETON_LEAD_PIN "-new",
		SKELETON_WATCH_PIN,
		SKELETON_WATCH_PIN "-new",
		SKELETON_WATCH_DOWN_PIN,
		SKELETON_WATCH_DOWN_PIN "-new",
		SKELETON_LINKS_PIN,
		SKELETON_LINKS_PIN "-new",
	};
	struct holder_means means = means_of(limiter);
	int err;

	err = holder_release_hold(&means);
	if (err)
		return why_fail(why, err, "cannot remove the IFB device");

	err = hooks_remove_lost_links(&limiter->pins);
	if (err)
		return why_fail(why, err, "cannot remove a link in '%s'", limiter->pins.directory);
	err = pins_remove_named(&limiter->pins, is_counters_pin);
	if (err)
		return why_fail(why, err, "cannot remove counters in '%s'",
				limiter->pins.directory);
	for (size_t i = 0; i < MAPS + sizeof(other_pins) / sizeof(other_pins[0]); i++) {
		err = pins_remove(&limiter->pins, i < MAPS ? map_names[i] : other_pins[i - MAPS],
				  why);
		if (err)
			return err;
	}
	err = pins_remove_tokens(&limiter->pins, why);
	return err ? err : pins_remove_directory(&limiter->pins, why);
}
