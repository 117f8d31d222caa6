// SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
/*
 * The only user of libbpf, the skeleton, pins and links.
 *
 * Order is what keeps the promise: a policy is in place before anything is
 * attached, a new hook is attached before an old one goes, and a policy
 * changes by one pointer. A process may die between any two steps.
 */
#include "limiter.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <net/if.h>
#include <net/if_arp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/utsname.h>
#include <sys/vfs.h>
#include <time.h>
#include <unistd.h>

#include "bwctl.skel.h"
#include "netns.h"
#include "queue.h"

#ifndef ARPHRD_IP6GRE
#define ARPHRD_IP6GRE 823
#endif

/* Since Linux 6.6; the headers of Debian 12 are older. */
#define ATTACH_TCX_INGRESS ((enum bpf_attach_type)46)
#define ATTACH_TCX_EGRESS  ((enum bpf_attach_type)47)
#define ATTACH_BEFORE	   (1U << 3) /* BPF_F_BEFORE; beside nothing: before all others */

#define LOCK_STEP_NS 20000000L
#define LOCK_WAIT_NS 30000000000LL
#define LOCK_SAY_NS  1000000000LL

#define CLSACT_PRIORITIES 8
#define CLSACT_HANDLE \
	0x6277 /* ours at whatever priority, so that a crash leaves no filter unknown */
#define POLICY_PIN     "policy"
#define POLICY_PIN_NEW "policy-new"
#define BPFFS_ROOT     "/sys/fs/bpf"
#define WARNINGS       65536
#define PATH	       512

enum pinned_map {
	MAP_POLICIES,
	MAP_CLOCKS,
	MAP_LEASES,
	MAP_COUNTERS,
	MAP_FRAGMENTS,
	MAP_INTERFACES,
	MAPS
};

static const char *const map_names[MAPS] = {
	"policies", "clocks", "leases", "counters", "fragments", "interfaces",
};

struct limiter {
	char pin_dir[PATH];
	int lock_fd;
	bool fresh; /* nothing was pinned when we got the lock: to be removed if it comes to nothing */
	int map_fd[MAPS];
	struct bwctl_bpf *skeleton; /* only when it was opened to create */
	uint64_t netns_inode;
};

static int fail(char why[LOG_TEXT], int err, const char *format, ...)
	__attribute__((format(printf, 3, 4)));

/* The text, a colon and what errno stands for. Returns err, which is negative. */
static int fail(char why[LOG_TEXT], int err, const char *format, ...)
{
	va_list arguments;
	int length;

	va_start(arguments, format);
	length = vsnprintf(why, LOG_TEXT, format, arguments);
	va_end(arguments);
	if (length >= 0 && length < LOG_TEXT)
		snprintf(why + length, (size_t)(LOG_TEXT - length), ": %s", strerror(-err));
	return err;
}

static int refuse(char why[LOG_TEXT], int err, const char *format, ...)
	__attribute__((format(printf, 3, 4)));

/* The text alone says it all. */
static int refuse(char why[LOG_TEXT], int err, const char *format, ...)
{
	va_list arguments;

	va_start(arguments, format);
	vsnprintf(why, LOG_TEXT, format, arguments);
	va_end(arguments);
	return err;
}

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

static void pin_path(const struct limiter *limiter, const char *name, char path[PATH + 64])
{
	snprintf(path, PATH + 64, "%s/%s", limiter->pin_dir, name);
}

/* By namespace and index: a name may change or hold a dot, which bpffs refuses. */
static void link_path(const struct limiter *limiter, const struct bwctl_interface_key *key,
		      enum bwctl_direction direction, char path[PATH + 64])
{
	char name[64];

	snprintf(name, sizeof(name), "link-%llu-%u-%s", (unsigned long long)key->netns_inode,
		 key->ifindex, direction == BWCTL_INGRESS ? "ingress" : "egress");
	pin_path(limiter, name, path);
}

/* ---- the pin directory, its file system and its lock ---- */

static bool is_bpffs(const char *path)
{
	struct statfs fs;

	return !statfs(path, &fs) && (unsigned long)fs.f_type == BPF_FS_MAGIC;
}

/*
 * A process in a mount namespace of its own (as under "ip netns exec", which
 * also hides the real /sys/fs/bpf) would take a BPF file system mounted here
 * with it when it ends, and the limit too. Where the first process cannot be
 * looked at, what ip(8) makes is told by its /sys: the source is the namespace's name.
 */
static bool mount_would_vanish(void)
{
	char line[4096], point[PATH], type[64], source[PATH];
	struct stat own, first;
	bool vanishes = false;
	const char *rest;
	FILE *mounts;

	if (!stat("/proc/self/ns/mnt", &own) && !stat("/proc/1/ns/mnt", &first))
		return own.st_ino != first.st_ino;
	mounts = fopen("/proc/self/mountinfo", "re");
	if (!mounts)
		return true;
	while (fgets(line, sizeof(line), mounts)) {
		rest = strstr(line, " - ");
		if (rest && sscanf(line, "%*d %*d %*s %*s %511s", point) == 1 &&
		    !strcmp(point, "/sys") && sscanf(rest, " - %63s %511s", type, source) == 2)
			vanishes = strcmp(source, "sysfs") && strcmp(source, "none");
	}
	fclose(mounts);
	return vanishes;
}

/*
 * Takes the name of the pin directory, if it can be one: a directory of its own in a BPF file
 * system. The file system may be missing yet at its usual place.
 */
static int take_pin_dir(struct limiter *limiter, const char *pin_dir, char why[LOG_TEXT])
{
	char parent[PATH];
	size_t length = strlen(pin_dir);
	char *slash;

	if (length >= sizeof(limiter->pin_dir))
		return refuse(why, -EINVAL, "the pin directory's name is too long");
	strcpy(limiter->pin_dir, pin_dir);
	while (length > 1 && limiter->pin_dir[length - 1] == '/')
		limiter->pin_dir[--length] = '\0';
	strcpy(parent, limiter->pin_dir);
	slash = strrchr(parent, '/');
	if (!slash || slash == parent)
		return refuse(why, -EINVAL,
			      "'%s' cannot be a pin directory: expected a path below " BPFFS_ROOT,
			      pin_dir);
	if (strchr(slash, '.'))
		return refuse(
			why, -EINVAL,
			"'%s' cannot be a pin directory: a BPF file system takes no dot in a name",
			pin_dir);
	*slash = '\0';
	if (!is_bpffs(parent) && strcmp(parent, BPFFS_ROOT))
		return refuse(why, -EINVAL,
			      "'%s' is not on a BPF file system: expected a path below " BPFFS_ROOT,
			      pin_dir);
	return 0;
}

static int make_pin_dir(struct limiter *limiter, char why[LOG_TEXT])
{
	if (!strncmp(limiter->pin_dir, BPFFS_ROOT "/", strlen(BPFFS_ROOT "/")) &&
	    !is_bpffs(BPFFS_ROOT)) {
		if (mount_would_vanish())
			return refuse(
				why, -EINVAL,
				"no BPF file system on " BPFFS_ROOT
				" in this mount namespace (\"ip netns exec\" hides it; use bwctl -n NAME)");
		log_note("mounting the BPF file system on " BPFFS_ROOT);
		if (mount("bpf", BPFFS_ROOT, "bpf", 0, "mode=0700"))
			return fail(why, -errno, "cannot mount the BPF file system on " BPFFS_ROOT);
	}
	if (mkdir(limiter->pin_dir, 0700) && errno != EEXIST)
		return fail(why, -errno, "cannot make '%s'", limiter->pin_dir);
	return 0;
}

static int lock_with_patience(int fd, int operation)
{
	struct timespec step = {.tv_nsec = LOCK_STEP_NS};
	long long waited_ns = 0;

	while (flock(fd, operation | LOCK_NB)) {
		if (errno != EWOULDBLOCK && errno != EINTR)
			return -errno;
		if (waited_ns >= LOCK_WAIT_NS)
			return -EBUSY;
		if (waited_ns == LOCK_SAY_NS)
			log_hint("waiting for another bwctl to finish");
		nanosleep(&step, NULL);
		waited_ns += LOCK_STEP_NS;
	}
	return 0;
}

/*
 * Locks the pin directory itself, so that nothing else is left lying about.
 * While we waited an unload may have removed it, and a load made another.
 */
static int open_and_lock(struct limiter *limiter, enum limiter_access access, char why[LOG_TEXT])
{
	for (;;) {
		struct stat held, there;
		int err;

		if (access == LIMITER_CREATE) {
			err = make_pin_dir(limiter, why);
			if (err)
				return err;
		}
		limiter->lock_fd = open(limiter->pin_dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
		if (limiter->lock_fd < 0 && errno == ENOENT && access == LIMITER_CREATE)
			continue;
		if (limiter->lock_fd < 0) {
			err = -errno;
			return err == -ENOENT ?
				       refuse(why, err, "nothing is loaded") :
				       fail(why, err, "cannot open '%s'", limiter->pin_dir);
		}
		err = lock_with_patience(limiter->lock_fd,
					 access == LIMITER_READ ? LOCK_SH : LOCK_EX);
		if (err == -EBUSY)
			return refuse(why, err, "another bwctl has been busy for %lld seconds",
				      LOCK_WAIT_NS / 1000000000LL);
		if (err)
			return fail(why, err, "cannot lock '%s'", limiter->pin_dir);
		if (!fstat(limiter->lock_fd, &held) && !stat(limiter->pin_dir, &there) &&
		    held.st_ino == there.st_ino && held.st_dev == there.st_dev)
			return 0;
		close(limiter->lock_fd);
		limiter->lock_fd = -1;
	}
}

/* ---- maps and programs ---- */

static int refuse_other_abi(const struct limiter *limiter, char why[LOG_TEXT])
{
	return refuse(
		why, -EPROTO,
		"the limiter in '%s' was made by a bwctl with other maps; its limit stays in force until 'bwctl unload'",
		limiter->pin_dir);
}

static uint32_t expected_value_size(enum pinned_map map)
{
	static const uint32_t sizes[MAPS] = {
		[MAP_POLICIES] = sizeof(__u32),
		[MAP_CLOCKS] = sizeof(struct bwctl_clock),
		[MAP_LEASES] = sizeof(struct bwctl_lease),
		[MAP_COUNTERS] = sizeof(struct bwctl_counters),
		[MAP_FRAGMENTS] = sizeof(__u8),
		[MAP_INTERFACES] = sizeof(struct bwctl_interface),
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

/* The maps as they are pinned. -ENOENT: at least one is missing. */
static int open_maps(struct limiter *limiter, char why[LOG_TEXT])
{
	bool is_other = false;
	int missing = 0;

	for (int i = 0; i < MAPS; i++) {
		struct bpf_map_info info = {0};
		__u32 length = sizeof(info);
		char path[PATH + 64];

		pin_path(limiter, map_names[i], path);
		limiter->map_fd[i] = bpf_obj_get(path);
		if (limiter->map_fd[i] < 0 && errno == ENOENT) {
			missing = -ENOENT;
			continue;
		}
		if (limiter->map_fd[i] < 0)
			return fail(why, -errno, "cannot open '%s'", path);
		if (bpf_obj_get_info_by_fd(limiter->map_fd[i], &info, &length))
			return fail(why, -errno, "cannot inspect '%s'", path);
		is_other = is_other || info.value_size != expected_value_size(i);
	}
	return is_other ? refuse_other_abi(limiter, why) : missing;
}

/* A pinned policy, if it is the one with this id: a file descriptor, or -errno. */
static int open_policy(const struct limiter *limiter, const char *name, __u32 id)
{
	struct bpf_map_info info = {0};
	__u32 length = sizeof(info);
	char path[PATH + 64];
	int err, fd;

	pin_path(limiter, name, path);
	fd = bpf_obj_get(path);
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
static int policy_map(const struct limiter *limiter)
{
	__u32 zero = 0, id;
	int fd;

	if (bpf_map_lookup_elem(limiter->map_fd[MAP_POLICIES], &zero, &id))
		return -errno;
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

static int check_policy_abi(const struct limiter *limiter, char why[LOG_TEXT])
{
	struct bpf_map_info info = {0};
	__u32 length = sizeof(info);
	int err = 0, fd = policy_map(limiter);

	if (fd == -ENOENT)
		return 0;
	if (fd < 0)
		return fail(why, fd, "cannot open the policy in force");
	if (bpf_obj_get_info_by_fd(fd, &info, &length))
		err = fail(why, -errno, "cannot inspect the policy in force");
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

/* Loads the programs; maps that are pinned are used, others made and pinned. */
static int load_programs(struct limiter *limiter, char why[LOG_TEXT])
{
	struct bpf_object_skeleton *parts;
	struct utsname kernel;
	int err;

	warnings_length = 0;
	warnings[0] = '\0';
	limiter->skeleton = bwctl_bpf__open();
	if (!limiter->skeleton)
		return fail(why, -errno, "cannot open the BPF programs");
	parts = limiter->skeleton->skeleton;
	for (int i = 0; i < parts->map_cnt; i++) {
		char path[PATH + 64];

		pin_path(limiter, parts->maps[i].name, path);
		err = bpf_map__set_pin_path(*parts->maps[i].map, path);
		if (err)
			return fail(why, err, "cannot pin '%s'", path);
	}
	log_note("loading the programs; maps in '%s'", limiter->pin_dir);
	err = bwctl_bpf__load(limiter->skeleton);
	if (!err)
		return 0;
	if (err == -EPERM)
		return fail(why, err, "cannot load the BPF programs");
	/* The clock needs compare-and-swap in BPF (commit 5ffa25502b5a, Linux 5.12). */
	if (kernel_is_older_than(5, 12, &kernel))
		return refuse(
			why, err,
			"cannot load the BPF programs: Linux 5.12 or newer is needed, this is %s",
			kernel.release);
	log_verbatim(warnings);
	return fail(why, err, "cannot load the BPF programs");
}

static bool is_empty(const char *directory)
{
	DIR *entries = opendir(directory);
	const struct dirent *entry;
	bool empty = entries != NULL;

	while (entries && (entry = readdir(entries)))
		if (entry->d_name[0] != '.')
			empty = false;
	if (entries)
		closedir(entries);
	return empty;
}

/* Whether a program uses the counters that are pinned here. */
static bool is_program_of(const struct limiter *limiter, __u32 program_id)
{
	struct bpf_map_info counters = {0};
	__u32 maps[64], length = sizeof(counters);
	struct bpf_prog_info program = {.nr_map_ids = 64, .map_ids = (__u64)(uintptr_t)maps};
	bool found = false;
	int fd;

	if (bpf_obj_get_info_by_fd(limiter->map_fd[MAP_COUNTERS], &counters, &length))
		return false;
	fd = bpf_prog_get_fd_by_id(program_id);
	if (fd < 0)
		return false;
	length = sizeof(program);
	if (!bpf_obj_get_info_by_fd(fd, &program, &length))
		for (__u32 i = 0; i < program.nr_map_ids && i < 64; i++)
			found = found || maps[i] == counters.id;
	close(fd);
	return found;
}

/*
 * Filters of a limiter whose notes cannot be read: looked for on every
 * interface of this network namespace. Its links go with their pins.
 */
static int detach_unknown(const struct limiter *limiter, char why[LOG_TEXT])
{
	struct if_nameindex *all = if_nameindex(), *each;
	int err = 0;

	for (each = all; each && each->if_index && !err; each++)
		for (int direction = 0; direction < BWCTL_DIRECTIONS; direction++)
			for (__u32 priority = 1; priority <= CLSACT_PRIORITIES; priority++) {
				LIBBPF_OPTS(bpf_tc_hook, hook, .ifindex = (int)each->if_index,
					    .attach_point = direction == BWCTL_INGRESS ?
								    BPF_TC_INGRESS :
								    BPF_TC_EGRESS);
				LIBBPF_OPTS(bpf_tc_opts, seen, .handle = CLSACT_HANDLE,
					    .priority = priority);
				LIBBPF_OPTS(bpf_tc_opts, ours, .handle = CLSACT_HANDLE,
					    .priority = priority);

				if (bpf_tc_query(&hook, &seen) ||
				    !is_program_of(limiter, seen.prog_id))
					continue;
				err = bpf_tc_detach(&hook, &ours);
				if (err)
					fail(why, err, "cannot detach from '%s'", each->if_name);
			}
	if (all)
		if_freenameindex(all);
	return err;
}

/* A limiter that this process began to make and could not finish leaves nothing. */
static void limiter_abandon(struct limiter *limiter)
{
	char ignored[LOG_TEXT];

	if (limiter->fresh && limiter->lock_fd >= 0)
		limiter_remove(limiter, ignored);
}

int limiter_open(struct limiter **ret_limiter, const char *pin_dir, enum limiter_access access,
		 char why[LOG_TEXT])
{
	struct limiter *limiter = calloc(1, sizeof(*limiter));
	struct stat netns;
	int err;

	if (!limiter)
		return fail(why, -ENOMEM, "cannot open the limiter");
	limiter->lock_fd = -1;
	for (int i = 0; i < MAPS; i++)
		limiter->map_fd[i] = -1;
	libbpf_set_print(libbpf_message);
	err = take_pin_dir(limiter, pin_dir, why);
	if (err)
		goto out;
	if (stat("/proc/self/ns/net", &netns)) {
		err = fail(why, -errno, "cannot tell the network namespace");
		goto out;
	}
	limiter->netns_inode = netns.st_ino;

	err = open_and_lock(limiter, access, why);
	if (err)
		goto out;
	limiter->fresh = access == LIMITER_CREATE && is_empty(limiter->pin_dir);
	err = open_maps(limiter, why);
	if (!err)
		err = check_policy_abi(limiter, why);
	/* Detaching and unpinning need to know nothing of what the maps hold. */
	if (err == -EPROTO && access == LIMITER_REMOVE) {
		err = detach_unknown(limiter, why);
		if (!err)
			close_maps(limiter);
	}
	/* A directory and not all of its maps: what a command left that died, or somebody who cleaned up. */
	if (err == -ENOENT && (access == LIMITER_CREATE || access == LIMITER_REMOVE))
		err = 0;
	else if (err == -ENOENT)
		err = refuse(why, -ENODATA, "the limiter in '%s' is not whole", limiter->pin_dir);
	if (err)
		goto out;
	if (access == LIMITER_CREATE) {
		err = load_programs(limiter, why);
		if (!err) {
			close_maps(limiter);
			err = open_maps(limiter, why);
		}
	}
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
	bwctl_bpf__destroy(limiter->skeleton);
	close_maps(limiter);
	if (limiter->lock_fd >= 0)
		close(limiter->lock_fd);
	free(limiter);
}

/* ---- policy and counters ---- */

int limiter_former_policy(struct limiter *limiter, struct bwctl_policy *ret_policy,
			  char why[LOG_TEXT])
{
	struct bpf_map_info info = {0};
	__u32 length = sizeof(info), zero = 0;
	char path[PATH + 64];
	int err, fd;

	pin_path(limiter, POLICY_PIN, path);
	fd = bpf_obj_get(path);
	if (fd < 0)
		return fail(why, -errno, "cannot open '%s'", path);
	err = bpf_obj_get_info_by_fd(fd, &info, &length) ? -errno : 0;
	if (!err && info.value_size != sizeof(*ret_policy))
		err = -EPROTO;
	if (!err && bpf_map_lookup_elem(fd, &zero, ret_policy))
		err = -errno;
	else if (!err && ret_policy->abi != BWCTL_ABI)
		err = -EPROTO;
	close(fd);
	return err == -EPROTO ? refuse_other_abi(limiter, why) :
	       err	      ? fail(why, err, "cannot read the former policy") :
				0;
}

int limiter_policy(struct limiter *limiter, struct bwctl_policy *ret_policy, char why[LOG_TEXT])
{
	__u32 zero = 0;
	int err = 0, fd = policy_map(limiter);

	if (fd == -ENOENT)
		return refuse(why, fd, "no policy is in force yet");
	if (fd < 0)
		return fail(why, fd, "cannot open the policy in force");
	if (bpf_map_lookup_elem(fd, &zero, ret_policy))
		err = fail(why, -errno, "cannot read the policy in force");
	close(fd);
	return err;
}

/* The pin that a publisher left who died: gets its name if it is in force, else goes. */
static int settle_pins(const struct limiter *limiter)
{
	char new_path[PATH + 64], path[PATH + 64];
	__u32 zero = 0, id = 0;
	int fd;

	pin_path(limiter, POLICY_PIN_NEW, new_path);
	pin_path(limiter, POLICY_PIN, path);
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

int limiter_publish(struct limiter *limiter, const struct bwctl_policy *policy, char why[LOG_TEXT])
{
	LIBBPF_OPTS(bpf_map_create_opts, options, .map_flags = BPF_F_RDONLY_PROG);
	char new_path[PATH + 64];
	__u32 zero = 0;
	int err, fd;

	pin_path(limiter, POLICY_PIN_NEW, new_path);
	err = settle_pins(limiter);
	if (err)
		return fail(why, err, "cannot name the policy in force");
	fd = bpf_map_create(BPF_MAP_TYPE_ARRAY, "policy", sizeof(zero), sizeof(*policy), 1,
			    &options);
	if (fd < 0)
		return fail(why, -errno, "cannot make a policy map");
	if (bpf_map_update_elem(fd, &zero, policy, BPF_ANY) || bpf_map_freeze(fd) ||
	    bpf_obj_pin(fd, new_path))
		err = fail(why, -errno, "cannot write the policy");
	/* Waits for the programs that still run under the former policy (commit 1ae80cf31938). */
	else if (bpf_map_update_elem(limiter->map_fd[MAP_POLICIES], &zero, &fd, BPF_ANY))
		err = fail(why, -errno, "cannot put the policy in force");
	close(fd);
	if (!err)
		log_note("policy %llu is in force", (unsigned long long)policy->generation);
	/* In force from here on, or not at all: what is left is only a name. */
	settle_pins(limiter);
	return err;
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

static void add_tally(struct bwctl_tally *sum, const struct bwctl_tally *tally)
{
	sum->packets += tally->packets;
	sum->bytes += tally->bytes;
}

int limiter_counters(struct limiter *limiter, struct bwctl_counters ret_counters[BWCTL_DIRECTIONS],
		     char why[LOG_TEXT])
{
	int err = 0, cpus = libbpf_num_possible_cpus();
	struct bwctl_counters *each;

	if (cpus < 0)
		return fail(why, cpus, "cannot tell the number of CPUs");
	each = calloc((size_t)cpus, sizeof(*each));
	if (!each)
		return fail(why, -ENOMEM, "cannot read the counters");
	memset(ret_counters, 0, BWCTL_DIRECTIONS * sizeof(*ret_counters));
	for (__u32 direction = 0; direction < BWCTL_DIRECTIONS; direction++) {
		struct bwctl_counters *sum = &ret_counters[direction];

		if (bpf_map_lookup_elem(limiter->map_fd[MAP_COUNTERS], &direction, each)) {
			err = fail(why, -errno, "cannot read the counters");
			break;
		}
		for (int cpu = 0; cpu < cpus; cpu++) {
			for (int flow = 0; flow < BWCTL_FLOWS; flow++) {
				add_tally(&sum->flows[flow].passed, &each[cpu].flows[flow].passed);
				add_tally(&sum->flows[flow].dropped,
					  &each[cpu].flows[flow].dropped);
			}
			add_tally(&sum->contended, &each[cpu].contended);
		}
	}
	free(each);
	return err;
}

/* ---- interfaces ---- */

/* The interface a link is attached to; 0 when it is gone from there, or there is no such link. */
static uint32_t link_ifindex(const char *path)
{
	struct bpf_link_info info = {0};
	__u32 length = sizeof(info);
	int fd = bpf_obj_get(path);
	uint32_t ifindex = 0;

	if (fd < 0)
		return 0;
	/* tcx's part of the information begins with the index, as XDP's does. */
	if (!bpf_obj_get_info_by_fd(fd, &info, &length))
		ifindex = info.xdp.ifindex;
	close(fd);
	return ifindex;
}

static enum bpf_tc_attach_point tc_point(enum bwctl_direction direction)
{
	return direction == BWCTL_INGRESS ? BPF_TC_INGRESS : BPF_TC_EGRESS;
}

/* Whether our filter is where it was put; its handle is nobody else's. */
static bool clsact_is_attached(const struct bwctl_interface_key *key,
			       const struct bwctl_interface *record, enum bwctl_direction direction)
{
	LIBBPF_OPTS(bpf_tc_hook, hook, .ifindex = (int)key->ifindex,
		    .attach_point = tc_point(direction));
	LIBBPF_OPTS(bpf_tc_opts, filter, .handle = CLSACT_HANDLE,
		    .priority = record->priority[direction]);

	return record->priority[direction] && !bpf_tc_query(&hook, &filter);
}

static void look_at(struct limiter *limiter, struct limiter_interface *interface)
{
	const struct bwctl_interface_key *key = &interface->key;
	bool own, dead = false;

	memcpy(interface->name, interface->record.name, sizeof(interface->name));
	own = key->netns_inode == limiter->netns_inode;
	interface->here = own || !netns_exists(key->netns_inode);
	interface->exists = own && if_indextoname(key->ifindex, interface->name);
	if (!interface->exists)
		memcpy(interface->name, interface->record.name, sizeof(interface->name));
	for (int direction = 0; direction < BWCTL_DIRECTIONS; direction++) {
		char path[PATH + 64];

		interface->hook[direction] = BWCTL_HOOK_NONE;
		link_path(limiter, key, direction, path);
		if (link_ifindex(path) == key->ifindex)
			interface->hook[direction] = BWCTL_HOOK_TCX;
		else if (!access(path, F_OK))
			dead = true; /* its device is gone, and maybe the namespace with it */
		/* Filters can only be asked for in their own namespace: elsewhere the record stands. */
		else if (own ? clsact_is_attached(key, &interface->record, direction) :
			       !interface->here && interface->record.priority[direction])
			interface->hook[direction] = BWCTL_HOOK_CLSACT;
	}
	interface->here = interface->here || dead;
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
				return fail(why, -ENOMEM, "cannot list the interfaces");
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

/* Whether frames of a device begin with an Ethernet header. 1, 0, or -errno. */
static int has_ethernet_header(const char *name, char why[LOG_TEXT])
{
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	struct ifreq request = {0};
	int err;

	if (fd < 0)
		return fail(why, -errno, "cannot look at '%s'", name);
	snprintf(request.ifr_name, sizeof(request.ifr_name), "%s", name);
	err = ioctl(fd, SIOCGIFHWADDR, &request) ? -errno : 0;
	close(fd);
	if (err)
		return fail(why, err, "cannot look at '%s'", name);
	switch (request.ifr_hwaddr.sa_family) {
	case ARPHRD_ETHER:
	case ARPHRD_LOOPBACK:
		return 1;
	case ARPHRD_NONE: /* tun, WireGuard */
	case ARPHRD_PPP:
	case ARPHRD_RAWIP:
	case ARPHRD_TUNNEL:
	case ARPHRD_TUNNEL6:
	case ARPHRD_SIT:
	case ARPHRD_IPGRE:
	case ARPHRD_IP6GRE:
		return 0;
	}
	return refuse(why, -EOPNOTSUPP,
		      "'%s' has link type %d: expected Ethernet, or a device for bare IP packets",
		      name, request.ifr_hwaddr.sa_family);
}

static int program_for(const struct limiter *limiter, bool ethernet, enum bwctl_direction direction)
{
	struct bwctl_bpf *skeleton = limiter->skeleton;
	struct bpf_program *program;

	if (direction == BWCTL_INGRESS)
		program = ethernet ? skeleton->progs.bwctl_eth_in : skeleton->progs.bwctl_ip_in;
	else
		program = ethernet ? skeleton->progs.bwctl_eth_out : skeleton->progs.bwctl_ip_out;
	return bpf_program__fd(program);
}

/*
 * First of all programs there: one that ran earlier and let a packet pass
 * would end the run, and the packet would not be metered.
 */
static int attach_tcx(const struct limiter *limiter, const struct bwctl_interface_key *key,
		      enum bwctl_direction direction, int program_fd)
{
	LIBBPF_OPTS(bpf_link_create_opts, options, .flags = ATTACH_BEFORE);
	char path[PATH + 64];
	int err = 0, fd;

	link_path(limiter, key, direction, path);
	if (link_ifindex(path) == key->ifindex) {
		fd = bpf_obj_get(path);
		if (fd < 0)
			return -errno;
		log_note("replacing the program of '%s'", path);
		err = bpf_link_update(fd, program_fd, NULL) ? -errno : 0;
		close(fd);
		return err;
	}
	if (unlink(path) && errno != ENOENT)
		return -errno;
	log_note("attaching by tcx, pinned as '%s'", path);
	fd = bpf_link_create(program_fd, (int)key->ifindex,
			     direction == BWCTL_INGRESS ? ATTACH_TCX_INGRESS : ATTACH_TCX_EGRESS,
			     &options);
	if (fd < 0)
		return -errno;
	if (bpf_obj_pin(fd, path))
		err = -errno;
	close(fd);
	return err;
}

static int detach_tcx(const struct limiter *limiter, const struct bwctl_interface_key *key,
		      enum bwctl_direction direction)
{
	char path[PATH + 64];
	int err = 0, fd;

	link_path(limiter, key, direction, path);
	fd = bpf_obj_get(path);
	if (fd < 0)
		return errno == ENOENT ? 0 : -errno;
	/* Detached at once, not when the last reference happens to go. */
	if (bpf_link_detach(fd) && link_ifindex(path))
		err = -errno;
	close(fd);
	if (!err && unlink(path) && errno != ENOENT)
		err = -errno;
	return err;
}

static int note_interface(const struct limiter *limiter, const struct bwctl_interface_key *key,
			  const struct bwctl_interface *record)
{
	return bpf_map_update_elem(limiter->map_fd[MAP_INTERFACES], key, record, BPF_ANY) ? -errno :
											    0;
}

/*
 * As near the front as filters allow: the first priority that takes a BPF
 * filter for all protocols. Where it goes is written down first.
 */
static int attach_clsact(const struct limiter *limiter, const struct bwctl_interface_key *key,
			 enum bwctl_direction direction, int program_fd,
			 struct bwctl_interface *record)
{
	LIBBPF_OPTS(bpf_tc_hook, hook, .ifindex = (int)key->ifindex,
		    .attach_point = tc_point(direction));
	__u32 priority = record->priority[direction];
	int err;

	if (clsact_is_attached(key, record, direction)) {
		LIBBPF_OPTS(bpf_tc_opts, filter, .prog_fd = program_fd, .flags = BPF_TC_F_REPLACE,
			    .handle = CLSACT_HANDLE, .priority = priority);

		return bpf_tc_attach(&hook, &filter);
	}
	for (priority = 1;; priority++) {
		LIBBPF_OPTS(bpf_tc_opts, filter, .prog_fd = program_fd, .handle = CLSACT_HANDLE,
			    .priority = priority);

		record->priority[direction] = priority;
		log_note("attaching by clsact to the %s of interface %u, priority %u",
			 direction == BWCTL_INGRESS ? "ingress" : "egress", key->ifindex, priority);
		err = note_interface(limiter, key, record);
		if (err)
			return err;
		err = bpf_tc_attach(&hook, &filter);
		if (!err || priority == CLSACT_PRIORITIES)
			return err;
	}
}

/* Both filters, if there are any; and the qdisc, when it is ours and nobody else has come to use it. */
static int detach_clsact(const struct bwctl_interface_key *key, struct bwctl_interface *record)
{
	LIBBPF_OPTS(bpf_tc_hook, qdisc, .ifindex = (int)key->ifindex,
		    .attach_point = BPF_TC_INGRESS | BPF_TC_EGRESS);
	int err, first = 0;

	for (int direction = 0; direction < BWCTL_DIRECTIONS; direction++) {
		LIBBPF_OPTS(bpf_tc_hook, hook, .ifindex = (int)key->ifindex,
			    .attach_point = tc_point(direction));
		LIBBPF_OPTS(bpf_tc_opts, filter, .handle = CLSACT_HANDLE,
			    .priority = record->priority[direction]);

		err = clsact_is_attached(key, record, direction) ? bpf_tc_detach(&hook, &filter) :
								   0;
		if (!err)
			record->priority[direction] = 0;
		first = first ? first : err;
	}
	if (first || !record->clsact_created)
		return first;
	err = queue_clsact_in_use(key->ifindex);
	if (!err)
		err = bpf_tc_hook_destroy(&qdisc);
	/* Somebody's now, or removed by somebody. */
	if (err == 1 || err == -EINVAL || err == -ENODEV || err == -ENOENT)
		err = 0;
	if (!err)
		record->clsact_created = 0;
	return err;
}

static int detach_tcx_both(const struct limiter *limiter, const struct bwctl_interface_key *key)
{
	int err, first = 0;

	for (int direction = 0; direction < BWCTL_DIRECTIONS; direction++) {
		err = detach_tcx(limiter, key, direction);
		first = first ? first : err;
	}
	return first;
}

/* Both directions on one kind of hook. Written down before it is done: what a crash leaves, unload finds. */
static int attach_hook(const struct limiter *limiter, const struct bwctl_interface_key *key,
		       bool ethernet, enum bwctl_hook hook, struct bwctl_interface *record)
{
	LIBBPF_OPTS(bpf_tc_hook, clsact, .ifindex = (int)key->ifindex,
		    .attach_point = BPF_TC_INGRESS | BPF_TC_EGRESS);
	bool create = false;
	int err;

	if (hook == BWCTL_HOOK_CLSACT) {
		err = queue_clsact_kind(key->ifindex);
		if (err < 0)
			return err;
		if (err == QUEUE_INGRESS)
			return -EBUSY;
		create = err == QUEUE_NOTHING;
		if (create)
			record->clsact_created = 1;
	}
	err = note_interface(limiter, key, record);
	if (!err && create) {
		err = bpf_tc_hook_create(&clsact);
		/* Somebody was faster: it is theirs. */
		if (err == -EEXIST) {
			record->clsact_created = 0;
			err = note_interface(limiter, key, record);
		}
	}
	for (int direction = 0; direction < BWCTL_DIRECTIONS && !err; direction++) {
		int program_fd = program_for(limiter, ethernet, direction);

		if (hook == BWCTL_HOOK_TCX)
			err = attach_tcx(limiter, key, direction, program_fd);
		else
			err = attach_clsact(limiter, key, direction, program_fd, record);
	}
	return err;
}

static int detach_hook(const struct limiter *limiter, const struct bwctl_interface_key *key,
		       enum bwctl_hook hook, struct bwctl_interface *record)
{
	int err = hook == BWCTL_HOOK_TCX ? detach_tcx_both(limiter, key) :
					   detach_clsact(key, record);

	return err ? err : note_interface(limiter, key, record);
}

int limiter_attach(struct limiter *limiter, const char *name, enum bwctl_hook hook,
		   struct limiter_interface *ret_interface, char why[LOG_TEXT])
{
	struct limiter_interface before = {.key.netns_inode = limiter->netns_inode};
	const struct bwctl_interface_key *key = &before.key;
	enum bwctl_hook chosen = hook == BWCTL_HOOK_NONE ? BWCTL_HOOK_TCX : hook;
	enum bwctl_hook other;
	struct bwctl_interface record;
	int ethernet, err;
	bool was_loaded;

	before.key.ifindex = if_nametoindex(name);
	if (!before.key.ifindex)
		return refuse(why, -ENODEV, "no interface '%s' in this network namespace", name);
	ethernet = has_ethernet_header(name, why);
	if (ethernet < 0)
		return ethernet;
	was_loaded = !bpf_map_lookup_elem(limiter->map_fd[MAP_INTERFACES], key, &before.record);
	look_at(limiter, &before);
	record = before.record;
	snprintf(record.name, sizeof(record.name), "%s", name);

	err = attach_hook(limiter, key, ethernet, chosen, &record);
	/* Before 6.6 the kernel does not know this kind of link. */
	if (err == -EINVAL && hook == BWCTL_HOOK_NONE) {
		chosen = BWCTL_HOOK_CLSACT;
		err = attach_hook(limiter, key, ethernet, chosen, &record);
	}
	if (err) {
		if (err == -EBUSY && chosen == BWCTL_HOOK_CLSACT)
			refuse(why, err,
			       "cannot attach to '%s' by clsact: it has an ingress qdisc, which leaves no place for egress",
			       name);
		else
			fail(why, err, "cannot attach to '%s' by %s", name,
			     chosen == BWCTL_HOOK_TCX ? "tcx" : "clsact");
		/* What was there before is there still; what was not goes again. */
		if (before.hook[BWCTL_INGRESS] != chosen && before.hook[BWCTL_EGRESS] != chosen)
			detach_hook(limiter, key, chosen, &record);
		if (!was_loaded)
			bpf_map_delete_elem(limiter->map_fd[MAP_INTERFACES], key);
		return err;
	}
	/* The new hook meters already; only now may the old one go. */
	other = chosen == BWCTL_HOOK_TCX ? BWCTL_HOOK_CLSACT : BWCTL_HOOK_TCX;
	err = detach_hook(limiter, key, other, &record);
	if (err)
		return fail(why, err, "cannot remove the former programs from '%s'", name);
	*ret_interface = (struct limiter_interface){.key = *key, .record = record};
	look_at(limiter, ret_interface);
	return 0;
}

int limiter_detach(struct limiter *limiter, const struct limiter_interface *interface,
		   char why[LOG_TEXT])
{
	const struct bwctl_interface_key *key = &interface->key;
	struct bwctl_interface record = interface->record;
	int err;

	err = detach_tcx_both(limiter, key);
	if (!err && key->netns_inode == limiter->netns_inode)
		err = detach_clsact(key, &record);
	if (err)
		return fail(why, err, "cannot detach from '%s'", interface->name);
	if (bpf_map_delete_elem(limiter->map_fd[MAP_INTERFACES], key) && errno != ENOENT)
		return fail(why, -errno, "cannot forget '%s'", interface->name);
	return 0;
}

/* Links of which the notes are lost: without its pin a link goes, and its program with it. */
static int remove_lost_links(const struct limiter *limiter)
{
	DIR *pins = opendir(limiter->pin_dir);
	char path[PATH + 64], side[8];
	unsigned long long inode;
	unsigned int ifindex;
	struct dirent *pin;
	int err = 0;

	if (!pins)
		return errno == ENOENT ? 0 : -errno;
	while (!err && (pin = readdir(pins))) {
		if (sscanf(pin->d_name, "link-%llu-%u-%7s", &inode, &ifindex, side) != 3 ||
		    (strcmp(side, "ingress") && strcmp(side, "egress")))
			continue;
		snprintf(path, sizeof(path), "%s/%.63s", limiter->pin_dir, pin->d_name);
		err = unlink(path) && errno != ENOENT ? -errno : 0;
	}
	closedir(pins);
	return err;
}

bool limiter_is_fresh(const struct limiter *limiter)
{
	return limiter->fresh;
}

int limiter_remove(struct limiter *limiter, char why[LOG_TEXT])
{
	static const char *const policy_pins[] = {POLICY_PIN, POLICY_PIN_NEW};
	char path[PATH + 64];
	int err;

	err = remove_lost_links(limiter);
	if (err)
		return fail(why, err, "cannot remove a link in '%s'", limiter->pin_dir);
	for (size_t i = 0; i < MAPS + 2; i++) {
		pin_path(limiter, i < MAPS ? map_names[i] : policy_pins[i - MAPS], path);
		if (unlink(path) && errno != ENOENT)
			return fail(why, -errno, "cannot remove '%s'", path);
	}
	if (rmdir(limiter->pin_dir) && errno != ENOENT)
		return fail(why, -errno, "cannot remove '%s'", limiter->pin_dir);
	return 0;
}
