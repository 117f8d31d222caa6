// SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
/*
 * A file that is read whole, and replaced whole or not at all: written beside
 * it under another name, brought to the disk, and renamed.
 */
#include "store.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/magic.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "why.h"

/* What is quoted of a path, so that the rest of an error is not cut off. */
#define QUOTED "'%.300s'"

static int read_all(int fd, char *text, size_t *ret_length)
{
	size_t length = 0;

	while (length <= STORE_MAX_BYTES) {
		ssize_t got = read(fd, text + length, STORE_MAX_BYTES + 1 - length);

		if (got < 0 && errno == EINTR)
			continue;
		if (got < 0)
			return -errno;
		if (!got)
			break;
		length += (size_t)got;
	}
	*ret_length = length;
	return length > STORE_MAX_BYTES ? -EFBIG : 0;
}

/*
 * A pipe without a name has somebody who writes to it, or has its end: the shell's <(...) is one.
 * Of one with a name that is not known, nor of a device whether it ever says anything.
 */
static bool is_endless(int fd)
{
	struct statfs system;
	struct stat file;

	int flags;

	if (fstat(fd, &file))
		return true;
	if (S_ISREG(file.st_mode) || S_ISDIR(file.st_mode))
		return false;
	if (!S_ISFIFO(file.st_mode) || fstatfs(fd, &system) || system.f_type != PIPEFS_MAGIC)
		return true;
	flags = fcntl(fd, F_GETFL);
	return flags < 0 || fcntl(fd, F_SETFL, flags & ~O_NONBLOCK) < 0;
}

/* A descriptor, or -errno: -EINVAL for what is no file. Waits for nobody. */
static int open_to_read(const char *path)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);

	if (fd < 0)
		return errno == ENXIO ? -EINVAL :
					-errno; /* a socket, or a device without a driver */
	if (is_endless(fd)) {
		close(fd);
		return -EINVAL;
	}
	return fd;
}

int store_open(const char *path, char why[LOG_TEXT])
{
	bool standard = !strcmp(path, "-") || !strcmp(path, "/dev/stdin");
	int fd = standard ? STDIN_FILENO : open_to_read(path);

	if (fd == -EINVAL)
		return why_refuse(why, fd, "cannot read " QUOTED ": it is not a regular file",
				  path);
	return fd < 0 ? why_fail(why, fd, "cannot open " QUOTED, path) : fd;
}

int store_read(const char *path, char **ret_text, size_t *ret_length, char why[LOG_TEXT])
{
	int fd = store_open(path, why);
	char *text = NULL;
	int err = 0;

	if (fd < 0)
		return fd;
	text = malloc(STORE_MAX_BYTES + 2);
	err = text ? read_all(fd, text, ret_length) : -ENOMEM;
	if (fd != STDIN_FILENO)
		close(fd);
	if (!err) {
		text[*ret_length] = '\0';
		*ret_text = text;
		return 0;
	}
	free(text);
	if (err == -EFBIG)
		return why_refuse(why, err, QUOTED " is too large: expected at most %d bytes", path,
				  STORE_MAX_BYTES);
	return why_fail(why, err, "cannot read " QUOTED, path);
}

int store_refuse_other(const char *path, char why[LOG_TEXT])
{
	struct stat file;

	if (stat(path, &file) || S_ISREG(file.st_mode) || S_ISDIR(file.st_mode))
		return 0;
	return why_refuse(why, -EINVAL, "cannot write " QUOTED ": it is not a regular file", path);
}

/* A file that is being written beside the one whose place it is to take. */
struct draft {
	char target[PATH_MAX];	  /* no part of it a symbolic link */
	char name[PATH_MAX + 16]; /* its own, in the same directory */
	char directory[PATH_MAX]; /* that one */
	struct stat former;	  /* of the file that there is */
	bool exists;
};

static int find_target(const char *path, struct draft *draft, char why[LOG_TEXT])
{
	struct stat link;
	char *slash;

	draft->exists = realpath(path, draft->target);
	if (!draft->exists && (errno != ENOENT || !lstat(path, &link)))
		return why_fail(why, -errno, "cannot find what " QUOTED " leads to", path);
	if (!draft->exists) {
		/* A new file: of its name only the directory can be looked up. */
		const char *base = strrchr(path, '/') ? strrchr(path, '/') + 1 : path;
		char parent[PATH_MAX];
		size_t length;

		if (strlen(path) >= sizeof(parent) - 2)
			return why_fail(why, -ENAMETOOLONG, "cannot write " QUOTED, path);
		snprintf(parent, sizeof(parent), "%.*s.", (int)(base - path), path);
		if (!realpath(parent, draft->target))
			return why_fail(why, -errno, "cannot write " QUOTED, path);
		length = strlen(draft->target);
		if (!*base || length + strlen(base) + 2 > sizeof(draft->target))
			return why_fail(why, *base ? -ENAMETOOLONG : -EISDIR,
					"cannot write " QUOTED, path);
		snprintf(draft->target + length, sizeof(draft->target) - length, "%s%s",
			 length > 1 ? "/" : "", base);
	} else if (stat(draft->target, &draft->former)) {
		return why_fail(why, -errno, "cannot write " QUOTED, path);
	} else if (!S_ISREG(draft->former.st_mode)) {
		return why_refuse(why, -EINVAL, "cannot write " QUOTED ": it is not a regular file",
				  path);
	}
	strcpy(draft->directory, draft->target);
	slash = strrchr(draft->directory, '/');
	slash[slash == draft->directory] = '\0';
	return 0;
}

static int open_draft(struct draft *draft)
{
	const char *base = strrchr(draft->target, '/') + 1;
	int fd;

	snprintf(draft->name, sizeof(draft->name), "%.*s.%s.XXXXXX", (int)(base - draft->target),
		 draft->target, base);
	fd = mkostemp(draft->name, O_CLOEXEC);
	return fd < 0 ? -errno : fd;
}

static int write_all(int fd, const char *text, size_t length)
{
	while (length) {
		ssize_t written = write(fd, text, length);

		if (written < 0 && errno == EINTR)
			continue;
		if (written <= 0)
			return written ? -errno : -EIO;
		text += written;
		length -= (size_t)written;
	}
	return 0;
}

/* The umask, which can only be asked for by changing it. */
static mode_t new_file_mode(void)
{
	mode_t mask = umask(0);

	umask(mask);
	return 0644 & ~mask;
}

static int fill_draft(int fd, const struct draft *draft, const char *text, size_t length)
{
	mode_t mode = draft->exists ? draft->former.st_mode & 07777 : new_file_mode();
	int err = write_all(fd, text, length);

	/* The owner first: a change of it takes bits of the mode away. */
	if (!err && draft->exists && fchown(fd, draft->former.st_uid, draft->former.st_gid))
		err = -errno;
	if (!err && fchmod(fd, mode))
		err = -errno;
	if (!err && fsync(fd))
		err = -errno;
	if (close(fd) && !err)
		err = -errno;
	return err;
}

/* A name is on the disk when its directory is. */
static int sync_directory(const char *directory)
{
	int fd = open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	int err = 0;

	if (fd < 0)
		return -errno;
	/* Some file systems cannot, and need not. */
	if (fsync(fd) && errno != EINVAL)
		err = -errno;
	close(fd);
	return err;
}

static int replace(const char *path, const char *text, size_t length, char why[LOG_TEXT])
{
	struct draft draft;
	int fd, err = find_target(path, &draft, why);

	if (err)
		return err;
	fd = open_draft(&draft);
	if (fd < 0)
		return why_fail(why, fd, "cannot write in the directory of " QUOTED, path);
	err = fill_draft(fd, &draft, text, length);
	if (!err && rename(draft.name, draft.target))
		err = -errno;
	if (err) {
		unlink(draft.name);
		return why_fail(why, err, "cannot write " QUOTED, path);
	}
	err = sync_directory(draft.directory);
	return err ? why_fail(why, err, QUOTED " is written, but may not be on the disk", path) : 0;
}

int store_replace(const char *path, const char *text, size_t length, char why[LOG_TEXT])
{
	sigset_t all, before;
	int err;

	/* Whoever interrupts it is to leave no draft behind; it does not take long. */
	sigfillset(&all);
	sigprocmask(SIG_SETMASK, &all, &before);
	err = replace(path, text, length, why);
	sigprocmask(SIG_SETMASK, &before, NULL);
	return err;
}
