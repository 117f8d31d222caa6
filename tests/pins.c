/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * What may be done with what is pinned: tries all of it on each pin, reading and
 * writing, with keys and values of the right sizes, so that what is refused is
 * refused for want of rights. Prints a line for each attempt. It knows nothing of
 * bwctl.
 */
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <err.h>
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define PATH 512

enum {
	MISUSE = 2
};

enum kind {
	KIND_OTHER,
	KIND_MAP,
	KIND_PROGRAM,
	KIND_LINK
};

static _Noreturn void usage(void)
{
	fputs("usage: pins [--destroy] PIN...\n"
	      "Prints \"PIN ATTEMPT ok\" or \"PIN ATTEMPT ERROR\", as EACCES, for each of:\n"
	      "  read             what it has for who reads it as a file\n"
	      "  open-read, open  for reading; for reading and writing\n"
	      "on what that gave, with ro- or rw- before the name:\n"
	      "  open-id          by the number of what is pinned there\n"
	      "  lookup, update   the first entry of a map; with the value that it has\n"
	      "  delete           that entry, which is put back\n"
	      "and with --destroy what cannot be taken back:\n"
	      "  freeze, detach   a map; a link\n"
	      "  chmod, rename, unlink\n"
	      "An update of a map of maps takes CAP_SYS_ADMIN; without, nothing is deleted from\n"
	      "one but by --destroy.\n",
	      stderr);
	exit(MISUSE);
}

/* result: not negative, or -1 and errno. */
static int print(const char *pin, const char *prefix, const char *attempt, int result)
{
	const char *name = result < 0 ? strerrorname_np(errno) : "ok";

	printf("%s %s%s %s\n", pin, prefix, attempt, name ? name : strerror(errno));
	return result;
}

static enum kind find_kind(int fd)
{
	char proc[64], kind[64] = "";

	/* The kernel has no other way to say which of the three it is. */
	snprintf(proc, sizeof(proc), "/proc/self/fd/%d", fd);
	if (readlink(proc, kind, sizeof(kind) - 1) < 0)
		err(EXIT_FAILURE, "cannot read '%s'", proc);
	if (strstr(kind, "map"))
		return KIND_MAP;
	if (strstr(kind, "prog"))
		return KIND_PROGRAM;
	return strstr(kind, "link") ? KIND_LINK : KIND_OTHER;
}

static bool is_per_cpu(uint32_t type)
{
	return type == BPF_MAP_TYPE_PERCPU_ARRAY || type == BPF_MAP_TYPE_PERCPU_HASH ||
	       type == BPF_MAP_TYPE_LRU_PERCPU_HASH;
}

static size_t value_bytes(const struct bpf_map_info *info)
{
	return is_per_cpu(info->type) ?
		       (info->value_size + 7UL) / 8 * 8 * (size_t)libbpf_num_possible_cpus() :
		       info->value_size;
}

static void try_map(const char *pin, const char *prefix, int fd, bool destroys)
{
	struct bpf_map_info info = {0};
	uint32_t length = sizeof(info), inner_id;
	uint64_t flags = BPF_EXIST;
	bool can_restore = true;
	int inner_fd = -1;
	void *key, *value;

	if (bpf_obj_get_info_by_fd(fd, &info, &length))
		err(EXIT_FAILURE, "cannot inspect '%s'", pin);
	key = calloc(1, info.key_size + 1UL);
	value = calloc(1, value_bytes(&info) + 1);
	if (!key || !value)
		err(EXIT_FAILURE, "'%s'", pin);

	/* An empty map gets the key of zeros: ENOENT is not EPERM. */
	(void)bpf_map_get_next_key(fd, NULL, key);
	print(pin, prefix, "lookup", bpf_map_lookup_elem(fd, key, value));
	if (info.type == BPF_MAP_TYPE_ARRAY_OF_MAPS || info.type == BPF_MAP_TYPE_HASH_OF_MAPS) {
		/* Read as a number, written as a descriptor. */
		memcpy(&inner_id, value, sizeof(inner_id));
		inner_fd = bpf_map_get_fd_by_id(inner_id);
		memcpy(value, &inner_fd, sizeof(inner_fd));
		can_restore = inner_fd >= 0;
		flags = BPF_ANY;
	}
	print(pin, prefix, "update", bpf_map_update_elem(fd, key, value, flags));
	if (can_restore || destroys)
		if (!print(pin, prefix, "delete", bpf_map_delete_elem(fd, key)) && can_restore &&
		    bpf_map_update_elem(fd, key, value, BPF_ANY))
			err(EXIT_FAILURE, "cannot put back what was deleted from '%s'", pin);
	if (destroys)
		print(pin, prefix, "freeze", bpf_map_freeze(fd));

	if (inner_fd >= 0)
		close(inner_fd);
	free(key);
	free(value);
}

static int open_by_id(int fd, enum kind kind)
{
	union {
		struct bpf_map_info map;
		struct bpf_prog_info program;
		struct bpf_link_info link;
	} info = {0};
	uint32_t length = kind == KIND_MAP  ? sizeof(info.map) :
			  kind == KIND_LINK ? sizeof(info.link) :
					      sizeof(info.program);

	if (bpf_obj_get_info_by_fd(fd, &info, &length))
		return -1;
	if (kind == KIND_MAP)
		return bpf_map_get_fd_by_id(info.map.id);
	return kind == KIND_LINK ? bpf_link_get_fd_by_id(info.link.id) :
				   bpf_prog_get_fd_by_id(info.program.id);
}

static void try_open(const char *pin, const char *prefix, int fd, bool destroys)
{
	enum kind kind = find_kind(fd);
	int other_fd;

	if (kind == KIND_OTHER)
		errx(EXIT_FAILURE, "'%s' is neither a map nor a program nor a link", pin);
	other_fd = print(pin, prefix, "open-id", open_by_id(fd, kind));
	if (other_fd >= 0)
		close(other_fd);
	if (kind == KIND_MAP)
		try_map(pin, prefix, fd, destroys);
	else if (kind == KIND_LINK && destroys)
		print(pin, prefix, "detach", bpf_link_detach(fd));
}

static int read_file(const char *pin)
{
	char bytes[64];
	int fd = open(pin, O_RDONLY | O_CLOEXEC), result, error;

	if (fd < 0)
		return -1;
	result = read(fd, bytes, sizeof(bytes)) < 0 ? -1 : 0;
	error = errno;
	close(fd);
	errno = error;
	return result;
}

static void try_file(const char *pin)
{
	char other[PATH];
	struct stat there;

	if (snprintf(other, sizeof(other), "%s-other", pin) >= (int)sizeof(other))
		errx(EXIT_FAILURE, "the name '%s' is too long", pin);
	print(pin, "", "chmod",
	      stat(pin, &there) ? -1 : chmod(pin, there.st_mode | S_IWGRP | S_IWOTH));
	if (!print(pin, "", "rename", rename(pin, other)) && rename(other, pin))
		err(EXIT_FAILURE, "cannot rename '%s' back", other);
	print(pin, "", "unlink", unlink(pin));
}

static void try_pin(const char *pin, bool destroys)
{
	LIBBPF_OPTS(bpf_obj_get_opts, read_only, .file_flags = BPF_F_RDONLY);
	int fd;

	print(pin, "", "read", read_file(pin));
	fd = print(pin, "", "open-read", bpf_obj_get_opts(pin, &read_only));
	if (fd >= 0) {
		try_open(pin, "ro-", fd, destroys);
		close(fd);
	}
	fd = print(pin, "", "open", bpf_obj_get(pin));
	if (fd >= 0) {
		try_open(pin, "rw-", fd, destroys);
		close(fd);
	}
	if (destroys)
		try_file(pin);
}

int main(int argc, char *argv[])
{
	bool destroys = argc > 1 && !strcmp(argv[1], "--destroy");
	int first = destroys ? 2 : 1;

	if (first >= argc || argv[first][0] == '-')
		usage();
	for (int i = first; i < argc; i++)
		try_pin(argv[i], destroys);
	return EXIT_SUCCESS;
}
