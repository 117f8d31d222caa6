// SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
/*
 * The pin directory, its file system and its lock.
 */
#include "pins.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <time.h>
#include <unistd.h>

#include "why.h"

#define LOCK_STEP_NS 20000000L
#define LOCK_WAIT_NS 30000000000LL
#define LOCK_SAY_NS  1000000000LL
#define BPFFS_ROOT   "/sys/fs/bpf"

void pins_path(const struct pins *pins, const char *name, char ret_path[PINS_PATH])
{
	snprintf(ret_path, PINS_PATH, "%s/%s", pins->directory, name);
}

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
	char line[4096], point[PINS_DIRECTORY], type[64], source[PINS_DIRECTORY];
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

int pins_take(struct pins *pins, const char *directory, bool looks, char why[LOG_TEXT])
{
	char parent[PINS_DIRECTORY];
	size_t length = strlen(directory);
	char *slash;

	pins->lock_fd = -1;
	if (length >= sizeof(pins->directory))
		return why_refuse(why, -EINVAL, "the pin directory's name is too long");
	strcpy(pins->directory, directory);
	while (length > 1 && pins->directory[length - 1] == '/')
		pins->directory[--length] = '\0';
	strcpy(parent, pins->directory);
	slash = strrchr(parent, '/');
	if (!slash || slash == parent)
		return why_refuse(
			why, -EINVAL,
			"'%s' cannot be a pin directory: expected a path below " BPFFS_ROOT,
			directory);
	if (strchr(slash, '.'))
		return why_refuse(
			why, -EINVAL,
			"'%s' cannot be a pin directory: a BPF file system takes no dot in a name",
			directory);
	*slash = '\0';
	/* Or a part of one that is mounted elsewhere, for somebody who sees no more of it. */
	if (!is_bpffs(parent) && !(looks && is_bpffs(pins->directory)) &&
	    strcmp(parent, BPFFS_ROOT))
		return why_refuse(
			why, -EINVAL,
			"'%s' is not on a BPF file system: expected a path below " BPFFS_ROOT,
			directory);
	return 0;
}

int pins_look(const struct pins *pins, char why[LOG_TEXT])
{
	if (strncmp(pins->directory, BPFFS_ROOT "/", strlen(BPFFS_ROOT "/")) ||
	    is_bpffs(BPFFS_ROOT))
		return 1;
	if (mount_would_vanish())
		return why_refuse(
			why, -EINVAL,
			"no BPF file system on " BPFFS_ROOT
			" in this mount namespace (\"ip netns exec\" hides it; use bwctl -n NAME)");
	return 0;
}

static int make_directory(const struct pins *pins, char why[LOG_TEXT])
{
	int found = pins_look(pins, why);

	if (found < 0)
		return found;
	if (!found) {
		log_note("mounting the BPF file system on " BPFFS_ROOT);
		if (mount("bpf", BPFFS_ROOT, "bpf", 0, "mode=0700"))
			return why_fail(why, -errno,
					"cannot mount the BPF file system on " BPFFS_ROOT);
	}
	if (mkdir(pins->directory, 0700) && errno != EEXIST)
		return why_fail(why, -errno, "cannot make '%s'", pins->directory);
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
int pins_lock(struct pins *pins, enum pins_access access, char why[LOG_TEXT])
{
	for (;;) {
		struct stat held, there;
		int err;

		if (access == PINS_MAKE) {
			err = make_directory(pins, why);
			if (err)
				return err;
		}
		pins->lock_fd = open(pins->directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
		if (pins->lock_fd < 0 && errno == ENOENT && access == PINS_MAKE)
			continue;
		if (pins->lock_fd < 0) {
			err = -errno;
			return err == -ENOENT ?
				       why_refuse(why, err, "nothing is loaded") :
				       why_fail(why, err, "cannot open '%s'", pins->directory);
		}
		err = lock_with_patience(pins->lock_fd, access == PINS_SHARED ? LOCK_SH : LOCK_EX);
		if (err == -EBUSY)
			return why_refuse(why, err, "another bwctl has been busy for %lld seconds",
					  LOCK_WAIT_NS / 1000000000LL);
		if (err)
			return why_fail(why, err, "cannot lock '%s'", pins->directory);
		if (!fstat(pins->lock_fd, &held) && !stat(pins->directory, &there) &&
		    held.st_ino == there.st_ino && held.st_dev == there.st_dev)
			return 0;
		close(pins->lock_fd);
		pins->lock_fd = -1;
	}
}

void pins_unlock(struct pins *pins)
{
	if (pins->lock_fd >= 0)
		close(pins->lock_fd);
	pins->lock_fd = -1;
}

/* Only tokens are directories. An entry of unknown kind is none. */
static bool is_token(const struct dirent *entry)
{
	return entry->d_type == DT_DIR && entry->d_name[0] != '.';
}

bool pins_is_empty(const struct pins *pins)
{
	DIR *entries = opendir(pins->directory);
	const struct dirent *entry;
	bool empty = entries != NULL;

	while (entries && (entry = readdir(entries)))
		if (entry->d_name[0] != '.' && !is_token(entry))
			empty = false;
	if (entries)
		closedir(entries);
	return empty;
}

int pins_remove(const struct pins *pins, const char *name, char why[LOG_TEXT])
{
	char path[PINS_PATH];

	pins_path(pins, name, path);
	if (unlink(path) && errno != ENOENT)
		return why_fail(why, -errno, "cannot remove '%s'", path);
	return 0;
}

/* What is to be done with each pin that is meant: 0 or -errno. */
static int for_each_named(const struct pins *pins, bool (*is_meant)(const char *name),
			  int (*act)(const char *path))
{
	DIR *entries = opendir(pins->directory);
	const struct dirent *entry;
	char path[PINS_PATH];
	int err = 0;

	if (!entries)
		return errno == ENOENT ? 0 : -errno;
	while (!err && (entry = readdir(entries))) {
		if (strlen(entry->d_name) >= PINS_PATH - PINS_DIRECTORY || !is_meant(entry->d_name))
			continue;
		pins_path(pins, entry->d_name, path);
		err = act(path);
	}
	closedir(entries);
	return err == -ENOENT ? 0 : err;
}

static int remove_one(const char *path)
{
	return unlink(path) && errno != ENOENT ? -errno : 0;
}

int pins_remove_named(const struct pins *pins, bool (*is_meant)(const char *name))
{
	return for_each_named(pins, is_meant, remove_one);
}

bool pins_are_shared(const struct pins *pins)
{
	struct stat there;

	return !stat(pins->directory, &there) && there.st_mode & S_ISGID && there.st_mode & S_IXGRP;
}

/* Its directory's group, which a pin has by itself unless it is older than the directory is shared. */
static int share_one(const char *path)
{
	char directory[PINS_PATH];
	struct stat pin, parent;
	char *slash;

	strcpy(directory, path);
	slash = strrchr(directory, '/');
	*slash = '\0';
	if (stat(path, &pin) || stat(directory, &parent))
		return -errno;
	if (pin.st_gid != parent.st_gid && chown(path, (uid_t)-1, parent.st_gid))
		return -errno;
	return chmod(path, S_IRUSR | S_IWUSR | S_IRGRP) ? -errno : 0;
}

int pins_share(const struct pins *pins, const char *name)
{
	char path[PINS_PATH];

	pins_path(pins, name, path);
	return pins_are_shared(pins) ? share_one(path) : 0;
}

int pins_share_named(const struct pins *pins, bool (*is_meant)(const char *name))
{
	return pins_are_shared(pins) ? for_each_named(pins, is_meant, share_one) : 0;
}

int pins_take_token(const struct pins *pins, const char *name, int *ret_fd, char why[LOG_TEXT])
{
	char path[PINS_PATH];
	int err = 0;

	pins_path(pins, name, path);
	if (mkdir(path, 0700) && errno != EEXIST)
		return why_fail(why, -errno, "cannot make '%s'", path);
	*ret_fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (*ret_fd < 0)
		return why_fail(why, -errno, "cannot open '%s'", path);
	if (flock(*ret_fd, LOCK_EX | LOCK_NB)) {
		err = errno == EWOULDBLOCK ? -EBUSY : -errno;
		why_fail(why, err, "cannot lock '%s'", path);
		close(*ret_fd);
		*ret_fd = -1;
	}
	return err;
}

bool pins_is_token_held(const struct pins *pins, const char *name)
{
	char path[PINS_PATH];
	bool held;
	int fd;

	pins_path(pins, name, path);
	fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0)
		return false;
	/* Shared, so that two who ask do not take each other for the holder. */
	held = flock(fd, LOCK_SH | LOCK_NB) != 0;
	close(fd);
	return held;
}

bool pins_is_token(const struct pins *pins, const char *name, int fd)
{
	struct stat held, there;
	char path[PINS_PATH];

	pins_path(pins, name, path);
	if (stat(path, &there))
		return errno == ENOENT;
	return !fstat(fd, &held) && held.st_ino == there.st_ino && held.st_dev == there.st_dev;
}

int pins_remove_token(const struct pins *pins, const char *name, char why[LOG_TEXT])
{
	char path[PINS_PATH];

	pins_path(pins, name, path);
	if (rmdir(path) && errno != ENOENT)
		return why_fail(why, -errno, "cannot remove '%s'", path);
	return 0;
}

int pins_remove_tokens(const struct pins *pins, char why[LOG_TEXT])
{
	DIR *entries = opendir(pins->directory);
	const struct dirent *entry;
	int err = 0;

	while (entries && !err && (entry = readdir(entries)))
		if (is_token(entry))
			err = pins_remove_token(pins, entry->d_name, why);
	if (entries)
		closedir(entries);
	return err;
}

int pins_remove_directory(const struct pins *pins, char why[LOG_TEXT])
{
	if (pins_are_shared(pins))
		return 0;
	if (rmdir(pins->directory) && errno != ENOENT)
		return why_fail(why, -errno, "cannot remove '%s'", pins->directory);
	return 0;
}
