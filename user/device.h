/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * What the network devices of this namespace are: how they stand on each other, what
 * works on their packets beside bwctl, how fast they are, what is routed by them. Only
 * asks, by rtnetlink, nfnetlink and ethtool; changes nothing, and knows nothing of limits.
 */
#ifndef DEVICE_H
#define DEVICE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "bwctl.h"
#include "log.h"

#define DEVICE_KIND	 16
#define DEVICE_FILTERS	 16
#define DEVICE_FLOWTABLE 64

/* As "ethtool -k" has them. */
enum device_feature {
	DEVICE_LRO,    /* rx-lro: merges packets as it likes */
	DEVICE_GRO_HW, /* rx-gro-hw: merges what can be told apart again, of any size */
	DEVICE_HW_TC,  /* hw-tc-offload: takes filters over, and their packets with them */
	DEVICE_FEATURES
};

enum device_xdp {
	DEVICE_XDP_NONE,
	DEVICE_XDP_NATIVE,
	DEVICE_XDP_GENERIC,
	DEVICE_XDP_HARDWARE
};

/* A filter on clsact or ingress. */
struct device_filter {
	char kind[DEVICE_KIND];
	uint32_t priority, handle;
	bool in_hardware;
};

struct device {
	uint32_t ifindex;
	char name[BWCTL_NAME], kind[DEVICE_KIND]; /* kind empty: not of a kind, such as a NIC */
	uint32_t below; /* the one that it stands on, as a VLAN or a tunnel bound to it does; 0: none here */
	uint32_t master; /* the bond, bridge or the like that it is a part of; 0: none */
	bool is_loopback, is_up, has_carrier;
	bool has_address;      /* one that reaches farther than the link */
	bool is_default_route; /* of IPv4 or IPv6 */
	enum device_xdp xdp;
	uint32_t xdp_program;
	bool feature[DEVICE_FEATURES];
	bool is_fixed[DEVICE_FEATURES]; /* nobody can change it */
	uint64_t speed_bits_s;		/* 0: unknown */
	struct device_filter filters[BWCTL_DIRECTIONS]
				    [DEVICE_FILTERS]; /* in the order in which they run */
	size_t filter_count[BWCTL_DIRECTIONS];
	char flowtable[DEVICE_FLOWTABLE]; /* of nftables, one that takes its packets; empty: none */
	bool flowtable_in_hardware;
};

/* All there are, by index. free() them. 0, or -errno and why. */
int device_read_all(struct device **ret_devices, size_t *ret_count, char why[LOG_TEXT]);

/*
 * The filters on one direction of a device, in the order in which they run: the first ones, and one
 * in hardware if there is any. 0, also where the device is gone, or -errno.
 */
int device_read_filters(uint32_t ifindex, enum bwctl_direction direction,
			struct device_filter ret_filters[DEVICE_FILTERS], size_t *ret_count);

/* Whether a filter is one of bwctl's own, which the kernel runs whatever the device does with it. */
bool device_filter_is_own(const struct device_filter *filter);

/* The one with this index, or NULL. */
const struct device *device_find(const struct device *devices, size_t count, uint32_t ifindex);

/*
 * Whether what passes one device passes the other too, because that stands on it or it is a part of
 * that, directly or through others.
 */
bool device_is_below(const struct device *devices, size_t count, const struct device *lower,
		     const struct device *upper);

#endif
