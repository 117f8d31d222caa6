/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * The only one that changes anything by rtnetlink, besides libbpf: the fq
 * qdisc that holds what is paced, the IFB device that holds what comes in,
 * the largest super-packet of a device, and others' work beside these. Knows
 * interfaces of the current network namespace by index; nothing of limits,
 * and what is to be restored is remembered by the caller. -ENODEV everywhere:
 * no such interface.
 */
#ifndef QUEUE_H
#define QUEUE_H

#include <stdbool.h>
#include <stdint.h>

#define QUEUE_KIND   16 /* size of a kind of qdisc, the kernel's IFNAMSIZ */
#define QUEUE_WHAT   64
#define QUEUE_HANDLE 0x6277 /* major handle of the roots that are ours; 'bw' */
#define QUEUE_HORIZON \
	100000000000 /* ns, what our fq can hold: a super-packet at the lowest limit */

/*
 * What an interface has in the place of the clsact qdisc. Only one of the two
 * can be there, and ingress has no hook for what goes out. Positive, or -errno.
 */
enum queue_clsact {
	QUEUE_NOTHING,
	QUEUE_CLSACT,
	QUEUE_INGRESS,
};
int queue_clsact_kind(unsigned int ifindex);

/*
 * Whether any filter hangs on the clsact qdisc of an interface, on either
 * side. Returns 1, 0, or -errno.
 */
int queue_clsact_in_use(unsigned int ifindex);

enum queue_root {
	QUEUE_ROOT_DEFAULT, /* the kernel's choice (handle 0:); or none, before it is up */
	QUEUE_ROOT_FQ, /* not ours, but holds packets as it is: fq, or mq with fq on every queue */
	QUEUE_ROOT_FQ_PACES, /* the same, and TCP leaves its pacing to it (pacing, fq's default) */
	QUEUE_ROOT_OURS,     /* as queue_root_replace() makes it */
	QUEUE_ROOT_BROKEN,   /* ours, but an fq was changed or is gone: may pass nothing */
	QUEUE_ROOT_FOREIGN,  /* an administrator's: any other root with a handle */
};

/*
 * What sends an interface's packets. An fq of an administrator that refuses
 * packets due later than horizon_ns from now (TCA_FQ_HORIZON, kernel >= 5.8)
 * is FOREIGN; ours holds them for QUEUE_HORIZON, whatever horizon_ns is. The
 * kernel's own fq (sysctl net.core.default_qdisc) is DEFAULT. ret_kind is the
 * root's kind, such as "htb", or "" where there is none. Returns an enum
 * queue_root, or -errno.
 */
int queue_root_look(unsigned int ifindex, uint64_t horizon_ns, char ret_kind[QUEUE_KIND]);

/*
 * Makes a root that is DEFAULT or BROKEN ours, one that is OURS stays: fq with
 * handle QUEUE_HANDLE:, or, where the kernel's choice is mq (a device with
 * several queues), mq with that handle and fq under every queue the device can
 * have, so that it stays whole when more of them come into use (ethtool -L).
 * Each fq has room for more than bwctl admits, and is made with nopacing: TCP then
 * paces itself before it hands packets down, and not by their time
 * (fq_classify() in sch_fq.c). What waits in the former root is lost, as with
 * any change of a root.
 *
 * Returns 0; -EBUSY for an FQ or FOREIGN root, which is not touched; -ENOENT
 * when the kernel has no fq; or -errno. After a failure the kernel's default
 * is there. Giving a device its first qdisc can raise its tx_queue_len from 0
 * to 1000 (qdisc_create() in net/sched/sch_api.c): see queue_sizes_read().
 */
int queue_root_replace(unsigned int ifindex);

/*
 * Deletes the root if it is ours, whole or not; the kernel puts its default
 * back. Returns 0, also when there is nothing of ours or no device; or -errno.
 */
int queue_root_restore(unsigned int ifindex);

/*
 * Bytes, except segs; 0: this kernel has no such thing. tx_queue_len is
 * in packets, and 0 is a value of its own.
 */
struct queue_sizes {
	uint32_t tx_queue_len;
	uint32_t gso_max_size, gso_max_segs, gro_max_size;
	uint32_t gso_ipv4_max_size, gro_ipv4_max_size; /* kernel >= 6.3 */
};

int queue_sizes_read(unsigned int ifindex, struct queue_sizes *ret);

/*
 * Writes the members that are not 0 and differ from what is there, except
 * tx_queue_len, which is not looked at. A gso_max_size or gro_max_size up to
 * 65536 takes its ipv4 companion along (netif_set_gso_max_size() in
 * net/core/dev.c) unless that is asked for too. Write only what has been read:
 * old kernels ignore members they do not know. Returns 0 or -errno; after a
 * failure some members may have been written.
 */
int queue_sizes_write(unsigned int ifindex, const struct queue_sizes *sizes);

/* Writes tx_queue_len, 0 too, if it differs. Returns 0 or -errno. */
int queue_length_write(unsigned int ifindex, uint32_t tx_queue_len);

/*
 * Creates an IFB device with exactly this interface index, the kernel's next
 * name for a pattern such as "bwctl%d", and as many queues each way; gives it
 * our root, and sets it up. No IPv6 address comes up on it. Loads the module
 * ifb, without the two devices that come with it, if there is one to load.
 *
 * Returns 0; -EEXIST when the index (or a name without %d) is taken; -ENOENT
 * when the kernel has no IFB or no fq; or -errno. After a failure there is no
 * device.
 */
int queue_ifb_create(const char *name_pattern, unsigned int ifindex, uint32_t queues);

/*
 * 1: an IFB that is up and whose root is QUEUE_ROOT_OURS; 0: something else,
 * or not quite that; -ENODEV: nothing has this index; or -errno.
 */
int queue_ifb_look(unsigned int ifindex);

/*
 * Removes an IFB. Returns 0, also when nothing has this index; -EBUSY when
 * it is another kind of device, which stays; or -errno.
 */
int queue_ifb_remove(unsigned int ifindex);

/* The number of receive queues, at least 1; or -errno. */
int queue_rx_queues(unsigned int ifindex);

/*
 * Puts a filter on the ingress side of clsact, which has to be there, or
 * replaces that with the same priority and handle: packets for which its
 * program (a descriptor, BPF_PROG_TYPE_SCHED_CLS) returns -1 leave through
 * another interface (the action mirred), as the kernel has it that is meant for
 * IFB. Returns 0; -ENOENT when the kernel has no mirred; or -errno.
 */
int queue_lead_write(unsigned int ifindex, uint16_t priority, uint32_t handle, int program_fd,
		     unsigned int to_ifindex);

/* Whether that filter is there, and leads to that interface. Returns 1, 0, or -errno. */
int queue_lead_look(unsigned int ifindex, uint16_t priority, uint32_t handle,
		    unsigned int to_ifindex);

/* Removes it. Returns 0, also when it or its interface is not there; or -errno. */
int queue_lead_remove(unsigned int ifindex, uint16_t priority, uint32_t handle);

/*
 * Whether something that is not ours works on what comes in, and would miss
 * packets that come back from an IFB (ifb_ri_tasklet() in drivers/net/ifb.c
 * has them skip tc and netfilter) or, as generic XDP, see them twice: a filter
 * on the ingress side of clsact or ingress, other than BPF filters with handle
 * own_handle; an nftables chain with hook ingress; a generic XDP program. tcx
 * links are not looked at, nor nftables flowtables (which only save time).
 * Loads no kernel module. Returns 1 and a noun phrase such as "a tc filter"; 0
 * and ""; or -errno.
 */
int queue_ingress_neighbour(unsigned int ifindex, uint32_t own_handle, char ret_what[QUEUE_WHAT]);

#endif
