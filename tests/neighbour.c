/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * Somebody else's program on the same interface: attaches one that counts every
 * packet it is shown, by tcx, by a clsact filter or by XDP, and leaves; what it
 * leaves is pinned. Or takes the place of a program in a link that is pinned. Reads the count later, lists who is attached in which order,
 * and what BPF objects somebody has. It knows nothing of bwctl and must never be
 * disturbed by it.
 */
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <err.h>
#include <errno.h>
#include <inttypes.h>
#include <linux/if_link.h>
#include <linux/pkt_cls.h>
#include <net/if.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* Since Linux 6.6; the headers of Debian 12 are older. */
#define ATTACH_TCX_INGRESS ((enum bpf_attach_type)46)
#define ATTACH_TCX_EGRESS  ((enum bpf_attach_type)47)
#define ATTACH_BEFORE	   (1U << 3)

#define PATH	 256
#define PROGRAMS 64

enum {
	MISUSE = 2
};

static _Noreturn void usage(void)
{
	fputs("usage: neighbour tcx IFACE ingress|egress PIN [first] [pass]\n"
	      "       neighbour clsact IFACE ingress|egress PIN PRIORITY\n"
	      "       neighbour xdp IFACE PIN [driver]\n"
	      "       neighbour xdp IFACE hardware\n"
	      "       neighbour replace LINK\n"
	      "       neighbour count PIN\n"
	      "       neighbour tcx-list IFACE\n"
	      "       neighbour objects PATH...\n"
	      "       neighbour alive <OBJECTS\n"
	      "PIN is a path on a BPF file system: PIN-count and PIN-link are made there. The\n"
	      "verdict of a program is \"next\"; with pass, it is a final \"pass\".\n"
	      "objects prints what is pinned at each PATH and what hangs on it, as lines of\n"
	      "\"prog ID\" and \"map ID\"; alive prints those of such lines that still exist.\n",
	      stderr);
	exit(MISUSE);
}

static const char *pin_path(const char *pin, const char *what, char path[PATH])
{
	if (snprintf(path, PATH, "%s-%s", pin, what) >= PATH)
		errx(EXIT_FAILURE, "the name '%s' is too long", pin);
	return path;
}

static unsigned int find_interface(const char *name)
{
	unsigned int ifindex = if_nametoindex(name);

	if (!ifindex)
		err(EXIT_FAILURE, "no interface '%s'", name);
	return ifindex;
}

static bool is_egress(const char *direction)
{
	if (strcmp(direction, "ingress") && strcmp(direction, "egress"))
		usage();
	return !strcmp(direction, "egress");
}

static int make_counter(const char *pin)
{
	int fd = bpf_map_create(BPF_MAP_TYPE_ARRAY, "neighbour", sizeof(uint32_t), sizeof(uint64_t),
				1, NULL);
	char path[PATH];

	if (fd < 0 || bpf_obj_pin(fd, pin_path(pin, "count", path)))
		err(EXIT_FAILURE, "cannot make the counter '%s'", path);
	return fd;
}

/* A program that adds one to the map's only value and returns the verdict. */
static int load_counting(enum bpf_prog_type type, int map_fd, int32_t verdict)
{
	const struct bpf_insn instructions[] = {
		/* key = 0; value = lookup(map, &key) */
		{.code = BPF_ST | BPF_MEM | BPF_W, .dst_reg = BPF_REG_10, .off = -4},
		{.code = BPF_ALU64 | BPF_MOV | BPF_X, .dst_reg = BPF_REG_2, .src_reg = BPF_REG_10},
		{.code = BPF_ALU64 | BPF_ADD | BPF_K, .dst_reg = BPF_REG_2, .imm = -4},
		{.code = BPF_LD | BPF_IMM | BPF_DW,
		 .dst_reg = BPF_REG_1,
		 .src_reg = BPF_PSEUDO_MAP_FD,
		 .imm = map_fd},
		{0},
		{.code = BPF_JMP | BPF_CALL, .imm = BPF_FUNC_map_lookup_elem},
		/* if (value) atomic_add(value, 1) */
		{.code = BPF_JMP | BPF_JEQ | BPF_K, .dst_reg = BPF_REG_0, .off = 2},
		{.code = BPF_ALU64 | BPF_MOV | BPF_K, .dst_reg = BPF_REG_1, .imm = 1},
		{.code = BPF_STX | BPF_ATOMIC | BPF_DW,
		 .dst_reg = BPF_REG_0,
		 .src_reg = BPF_REG_1,
		 .imm = BPF_ADD},
		{.code = BPF_ALU64 | BPF_MOV | BPF_K, .dst_reg = BPF_REG_0, .imm = verdict},
		{.code = BPF_JMP | BPF_EXIT},
	};
	int fd = bpf_prog_load(type, "neighbour", "Dual BSD/GPL", instructions,
			       sizeof(instructions) / sizeof(instructions[0]), NULL);

	if (fd < 0)
		err(EXIT_FAILURE, "cannot load the program");
	return fd;
}

static void link_and_pin(int program_fd, unsigned int ifindex, enum bpf_attach_type type,
			 unsigned int flags, const char *pin)
{
	LIBBPF_OPTS(bpf_link_create_opts, options, .flags = flags);
	int fd = bpf_link_create(program_fd, (int)ifindex, type, &options);
	char path[PATH];

	if (fd < 0)
		err(EXIT_FAILURE, "cannot attach");
	if (bpf_obj_pin(fd, pin_path(pin, "link", path)))
		err(EXIT_FAILURE, "cannot pin '%s'", path);
}

static void attach_tcx(const char *name, bool egress, const char *pin, char *words[])
{
	unsigned int ifindex = find_interface(name), flags = 0;
	int32_t verdict = TC_ACT_UNSPEC;

	for (; *words; words++) {
		if (!strcmp(*words, "first"))
			flags = ATTACH_BEFORE;
		else if (!strcmp(*words, "pass"))
			verdict = TC_ACT_OK;
		else
			usage();
	}
	link_and_pin(load_counting(BPF_PROG_TYPE_SCHED_CLS, make_counter(pin), verdict), ifindex,
		     egress ? ATTACH_TCX_EGRESS : ATTACH_TCX_INGRESS, flags, pin);
}

static void attach_clsact(const char *name, bool egress, const char *pin, const char *priority)
{
	LIBBPF_OPTS(bpf_tc_hook, hook, .ifindex = (int)find_interface(name),
		    .attach_point = egress ? BPF_TC_EGRESS : BPF_TC_INGRESS);
	LIBBPF_OPTS(bpf_tc_opts, filter, .priority = (uint32_t)atoi(priority));
	int error;

	filter.prog_fd = load_counting(BPF_PROG_TYPE_SCHED_CLS, make_counter(pin), TC_ACT_UNSPEC);
	error = bpf_tc_attach(&hook, &filter);
	if (error)
		errx(EXIT_FAILURE, "cannot attach: %s", strerror(-error));
}

static void attach_xdp(const char *name, const char *pin, unsigned int mode)
{
	int program_fd = load_counting(BPF_PROG_TYPE_XDP, make_counter(pin), XDP_PASS);

	link_and_pin(program_fd, find_interface(name), BPF_XDP, mode, pin);
}

/* Such a program is the device's; it counts nothing, and "ip link set IFACE xdpoffload off" ends it. */
static void attach_xdp_hardware(const char *name)
{
	const struct bpf_insn instructions[] = {
		{.code = BPF_ALU64 | BPF_MOV | BPF_K, .dst_reg = BPF_REG_0, .imm = XDP_PASS},
		{.code = BPF_JMP | BPF_EXIT},
	};
	unsigned int ifindex = find_interface(name);
	LIBBPF_OPTS(bpf_prog_load_opts, options, .prog_ifindex = ifindex);
	int error, fd = bpf_prog_load(BPF_PROG_TYPE_XDP, "neighbour", "Dual BSD/GPL", instructions,
				      sizeof(instructions) / sizeof(instructions[0]), &options);

	if (fd < 0)
		err(EXIT_FAILURE, "cannot load the program");
	error = bpf_xdp_attach((int)ifindex, fd, XDP_FLAGS_HW_MODE, NULL);
	if (error)
		errx(EXIT_FAILURE, "cannot attach: %s", strerror(-error));
}

/* A link stays where it is and has another program then. */
static void replace(const char *link)
{
	int map = bpf_map_create(BPF_MAP_TYPE_ARRAY, "neighbour", sizeof(uint32_t),
				 sizeof(uint64_t), 1, NULL);
	int fd = bpf_obj_get(link);

	if (fd < 0 || map < 0 ||
	    bpf_link_update(fd, load_counting(BPF_PROG_TYPE_SCHED_CLS, map, TC_ACT_UNSPEC), NULL))
		err(EXIT_FAILURE, "cannot replace the program of '%s'", link);
}

static void print_count(const char *pin)
{
	uint32_t key = 0;
	uint64_t packets;
	char path[PATH];
	int fd = bpf_obj_get(pin_path(pin, "count", path));

	if (fd < 0 || bpf_map_lookup_elem(fd, &key, &packets))
		err(EXIT_FAILURE, "cannot read '%s'", path);
	printf("%" PRIu64 "\n", packets);
}

/* One line per program, "ingress ID NAME", in the order in which they run. */
static void list_tcx(const char *name)
{
	int ifindex = (int)find_interface(name);

	for (int egress = 0; egress < 2; egress++) {
		uint32_t ids[PROGRAMS], count = PROGRAMS;

		if (bpf_prog_query(ifindex, egress ? ATTACH_TCX_EGRESS : ATTACH_TCX_INGRESS, 0,
				   NULL, ids, &count))
			err(EXIT_FAILURE, "cannot list the programs on '%s'", name);
		for (uint32_t i = 0; i < count; i++) {
			struct bpf_prog_info info = {0};
			uint32_t length = sizeof(info);
			int fd = bpf_prog_get_fd_by_id(ids[i]);

			if (fd < 0 || bpf_obj_get_info_by_fd(fd, &info, &length))
				err(EXIT_FAILURE, "cannot inspect program %u", ids[i]);
			close(fd);
			printf("%s %u %s\n", egress ? "egress" : "ingress", ids[i], info.name);
		}
	}
}

/* A map, and the map in it if it is a map of maps. */
static void print_map(int fd)
{
	struct bpf_map_info info = {0};
	uint32_t length = sizeof(info), key = 0, inner_id;

	if (bpf_obj_get_info_by_fd(fd, &info, &length))
		err(EXIT_FAILURE, "cannot inspect a map");
	printf("map %u\n", info.id);
	if (info.type == BPF_MAP_TYPE_ARRAY_OF_MAPS && !bpf_map_lookup_elem(fd, &key, &inner_id))
		printf("map %u\n", inner_id);
}

static void print_objects(const char *path)
{
	int fd = bpf_obj_get(path);
	char proc[64], kind[64] = "";

	if (fd < 0)
		err(EXIT_FAILURE, "cannot open '%s'", path);
	/* The kernel has no other way to say which of the three it is. */
	snprintf(proc, sizeof(proc), "/proc/self/fd/%d", fd);
	if (readlink(proc, kind, sizeof(kind) - 1) < 0)
		err(EXIT_FAILURE, "cannot read '%s'", proc);
	if (strstr(kind, "map")) {
		print_map(fd);
	} else if (strstr(kind, "link")) {
		struct bpf_link_info info = {0};
		uint32_t length = sizeof(info);

		if (bpf_obj_get_info_by_fd(fd, &info, &length))
			err(EXIT_FAILURE, "cannot inspect '%s'", path);
		printf("prog %u\n", info.prog_id);
	}
	close(fd);
}

static void print_alive(void)
{
	char kind[5];
	uint32_t id;

	while (scanf("%4s %" SCNu32, kind, &id) == 2) {
		int fd = strcmp(kind, "map") ? bpf_prog_get_fd_by_id(id) : bpf_map_get_fd_by_id(id);

		if (fd < 0 && errno != ENOENT)
			err(EXIT_FAILURE, "cannot look for %s %u", kind, id);
		if (fd < 0)
			continue;
		printf("%s %u\n", kind, id);
		close(fd);
	}
}

int main(int argc, char *argv[])
{
	const char *command = argc > 1 ? argv[1] : "";

	if (!strcmp(command, "tcx") && argc >= 5)
		attach_tcx(argv[2], is_egress(argv[3]), argv[4], argv + 5);
	else if (!strcmp(command, "clsact") && argc == 6)
		attach_clsact(argv[2], is_egress(argv[3]), argv[4], argv[5]);
	else if (!strcmp(command, "xdp") && argc == 4 && !strcmp(argv[3], "hardware"))
		attach_xdp_hardware(argv[2]);
	else if (!strcmp(command, "xdp") && argc == 4)
		attach_xdp(argv[2], argv[3], XDP_FLAGS_SKB_MODE);
	else if (!strcmp(command, "xdp") && argc == 5 && !strcmp(argv[4], "driver"))
		attach_xdp(argv[2], argv[3], XDP_FLAGS_DRV_MODE);
	else if (!strcmp(command, "replace") && argc == 3)
		replace(argv[2]);
	else if (!strcmp(command, "count") && argc == 3)
		print_count(argv[2]);
	else if (!strcmp(command, "tcx-list") && argc == 3)
		list_tcx(argv[2]);
	else if (!strcmp(command, "objects") && argc >= 3)
		for (int i = 2; i < argc; i++)
			print_objects(argv[i]);
	else if (!strcmp(command, "alive") && argc == 2)
		print_alive();
	else
		usage();
	return EXIT_SUCCESS;
}
