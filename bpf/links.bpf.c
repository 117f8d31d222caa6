// SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
/*
 * A file that says where programs of bwctl hang by tcx, a line for each: its
 * name, the inode of the network namespace, and the index of the device. To ask
 * the kernel itself takes the same as to detach them, and who only reads counters
 * should not have that.
 */
#include "bwctl.h"

#include <bpf/bpf_core_read.h>
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_tracing.h>
#include <linux/bpf.h>

#define LINK_TYPE_TCX 11 /* BPF_LINK_TYPE_TCX, since Linux 6.6 */

/* As much of the kernel's own as is looked at; offsets come from its BTF. */
#pragma clang attribute push(__attribute__((preserve_access_index)), apply_to = record)
struct ns_common {
	unsigned int inum;
};
struct net {
	struct ns_common ns;
};
typedef struct {
	struct net *net;
} possible_net_t;
struct net_device {
	int ifindex;
	possible_net_t nd_net;
};
struct bpf_prog_aux {
	char name[16];
};
struct bpf_prog {
	struct bpf_prog_aux *aux;
};
struct bpf_link {
	enum bpf_link_type type;
	struct bpf_prog *prog;
};
struct tcx_link {
	struct bpf_link link;
	struct net_device *dev;
};
struct seq_file;
struct bpf_iter_meta {
	struct seq_file *seq;
};
struct bpf_iter__bpf_link {
	struct bpf_iter_meta *meta;
	struct bpf_link *link;
};
#pragma clang attribute pop

SEC("iter/bpf_link")
int bwctl_links(struct bpf_iter__bpf_link *context)
{
	struct bpf_link *link = context->link;
	const struct tcx_link *tcx = (const void *)link;
	const struct net_device *device;
	char name[16];

	if (!link || link->type != LINK_TYPE_TCX)
		return 0;
	/* NULL when it was detached, or the device is gone. */
	device = BPF_CORE_READ(tcx, dev);
	if (!device)
		return 0;
	BPF_CORE_READ_STR_INTO(&name, link, prog, aux, name);
	if (name[0] != 'b' || name[1] != 'w' || name[2] != 'c' || name[3] != 't' ||
	    name[4] != 'l' || name[5] != '_')
		return 0;
	BPF_SEQ_PRINTF(context->meta->seq, "%s %u %d\n", name,
		       BPF_CORE_READ(device, nd_net.net, ns.inum), BPF_CORE_READ(device, ifindex));
	return 0;
}

char LICENSE[] SEC("license") = "Dual BSD/GPL";
