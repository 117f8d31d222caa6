// SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
/*
 * Notices when an fq qdisc that holds packets is taken away: without it a
 * packet that was told to wait would leave at once. The kernel says so in
 * tracepoints; what is written here makes the other programs police, until
 * user space has looked at it and puts a new policy in force.
 */
#include "bwctl.h"
#include "maps.h"

#include <bpf/bpf_helpers.h>
#include <bpf/bpf_tracing.h>
#include <linux/bpf.h>

/* As much of the kernel's own as is looked at; offsets come from its BTF. */
#pragma clang attribute push(__attribute__((preserve_access_index)), apply_to = record)
struct ns_common {
	unsigned int inum;
};
struct net_device;
struct net {
	struct ns_common ns;
	struct net_device *loopback_dev;
};
typedef struct {
	struct net *net;
} possible_net_t;
struct net_device {
	int ifindex;
	possible_net_t nd_net;
	_Bool dismantle;
};
struct netdev_queue {
	struct net_device *dev;
};
struct Qdisc_ops {
	char id[16];
};
struct Qdisc {
	const struct Qdisc_ops *ops;
	struct netdev_queue *dev_queue;
};
#pragma clang attribute pop

/*
 * Whether a queue goes with all whose packets it could hold: then nothing is left
 * that could leave too early. What a device had to send goes with it: dismantle is
 * set before unregister_netdevice_many() takes its queues away, and from then on it
 * sends nothing. An IFB holds what others received: it must go with its namespace,
 * of which the loopback device tells, because nothing else takes that away.
 */
static __always_inline _Bool is_forgone(struct net_device *device, __u32 direction)
{
	if (direction == BWCTL_INGRESS)
		device = device->nd_net.net->loopback_dev;
	return device->dismantle;
}

/* A queue that holds packets of a direction (BWCTL_DIRECTIONS: of either) does so no more. */
static __always_inline int lose(struct Qdisc *qdisc, __u32 only)
{
	struct net_device *device = qdisc->dev_queue->dev;
	struct bwctl_interface_key key = {
		.netns_inode = device->nd_net.net->ns.inum,
		.ifindex = device->ifindex,
	};
	struct bwctl_holder *holder;
	const struct bwctl_policy *policy;
	struct bwctl_clock *clock;
	__u32 direction;

	if (qdisc->ops->id[0] != 'f' || qdisc->ops->id[1] != 'q' || qdisc->ops->id[2])
		return 0;
	holder = bpf_map_lookup_elem(&holders, &key);
	if (!holder)
		return 0;
	direction = holder->direction;
	if (only != BWCTL_DIRECTIONS && direction != only)
		return 0;
	if (is_forgone(device, direction))
		return 0;
	holder->is_lost = 1;
	clock = bpf_map_lookup_elem(&clocks, &direction);
	policy = policy_in_force();
	if (clock && policy)
		clock->lost_generation = policy->generation;
	return 0;
}

SEC("tp_btf/qdisc_destroy")
int BPF_PROG(bwctl_watch, struct Qdisc *qdisc)
{
	(void)ctx;
	return lose(qdisc, BWCTL_DIRECTIONS);
}

/*
 * A device that is taken down empties its queue. What it had to send itself can wait for
 * it to come up again, but an IFB that is down is the end of all that is sent there,
 * and it is its program that would have to tell: that has seen each of them.
 */
SEC("tp_btf/qdisc_reset")
int BPF_PROG(bwctl_watch_down, struct Qdisc *qdisc)
{
	(void)ctx;
	return lose(qdisc, BWCTL_INGRESS);
}

char LICENSE[] SEC("license") = "Dual BSD/GPL";
