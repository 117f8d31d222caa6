/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * A CPU that is in the way of others: moves the first number of a map's value by one, as
 * often as it can, by a program as those that move it for packets.
 */
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <linux/bpf.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "tool.h"

#define COUNT(array)	  (sizeof(array) / sizeof((array)[0]))
#define ADDS		  64
#define RUNS		  10000
#define SHORTEST_ETHERNET 14
#define FOUND		  1

enum {
	MISUSE = 2
};

/* Adds one, ADDS times, to the number at the beginning of the map's value at index. */
static int load_adding(int map_fd, uint32_t index)
{
	struct bpf_insn instructions[ADDS + 10] = {
		/* value = lookup(map, &index) */
		{.code = BPF_ST | BPF_MEM | BPF_W,
		 .dst_reg = BPF_REG_10,
		 .off = -4,
		 .imm = (int32_t)index},
		{.code = BPF_ALU64 | BPF_MOV | BPF_X, .dst_reg = BPF_REG_2, .src_reg = BPF_REG_10},
		{.code = BPF_ALU64 | BPF_ADD | BPF_K, .dst_reg = BPF_REG_2, .imm = -4},
		{.code = BPF_LD | BPF_IMM | BPF_DW,
		 .dst_reg = BPF_REG_1,
		 .src_reg = BPF_PSEUDO_MAP_FD,
		 .imm = map_fd},
		{0},
		{.code = BPF_JMP | BPF_CALL, .imm = BPF_FUNC_map_lookup_elem},
		/* if (value) the additions */
		{.code = BPF_JMP | BPF_JEQ | BPF_K, .dst_reg = BPF_REG_0, .off = ADDS + 2},
		{.code = BPF_ALU64 | BPF_MOV | BPF_K, .dst_reg = BPF_REG_1, .imm = 1},
	};
	size_t i = 8;
	int fd;

	for (; i < 8 + ADDS; i++)
		instructions[i] = (struct bpf_insn){.code = BPF_STX | BPF_ATOMIC | BPF_DW,
						    .dst_reg = BPF_REG_0,
						    .src_reg = BPF_REG_1,
						    .imm = BPF_ADD};
	/* Zero if there is no such value. */
	instructions[i++] = (struct bpf_insn){
		.code = BPF_ALU64 | BPF_MOV | BPF_K, .dst_reg = BPF_REG_0, .imm = FOUND};
	instructions[i] = (struct bpf_insn){.code = BPF_JMP | BPF_EXIT};
	fd = bpf_prog_load(BPF_PROG_TYPE_SCHED_CLS, "rival", "Dual BSD/GPL", instructions,
			   COUNT(instructions), NULL);
	if (fd < 0)
		err(EXIT_FAILURE, "cannot load the program");
	return fd;
}

int main(int argc, char *argv[])
{
	uint8_t frame[SHORTEST_ETHERNET] = {0};
	LIBBPF_OPTS(bpf_test_run_opts, run, .data_in = frame, .data_size_in = sizeof(frame),
		    .repeat = RUNS);
	uint64_t until_ns;
	int map_fd, fd;

	if (argc != 4)
		errx(MISUSE, "usage: rival MAP INDEX SECONDS\n"
			     "MAP is the path of one that is pinned.");
	map_fd = bpf_obj_get(argv[1]);
	if (map_fd < 0)
		err(EXIT_FAILURE, "%s", argv[1]);
	fd = load_adding(map_fd, (uint32_t)parse_integer("INDEX", argv[2], 0, UINT16_MAX));
	until_ns = now_ns() + parse_seconds(argv[3]);
	while (now_ns() < until_ns) {
		if (bpf_prog_test_run_opts(fd, &run))
			err(EXIT_FAILURE, "cannot run the program");
		if (run.retval != FOUND)
			errx(EXIT_FAILURE, "%s: no value at %s", argv[1], argv[2]);
	}
	return EXIT_SUCCESS;
}
