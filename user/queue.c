// SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
/*
 * The only user of rtnetlink, besides what libbpf does for itself.
 */
#include "queue.h"

#include <errno.h>
#include <libmnl/libmnl.h>
#include <linux/pkt_sched.h>
#include <linux/rtnetlink.h>
#include <stdint.h>
#include <time.h>

static int count_filter(const struct nlmsghdr *header, void *data)
{
	unsigned int *filters = data;

	if (header->nlmsg_type == RTM_NEWTFILTER)
		(*filters)++;
	return MNL_CB_OK;
}

static int count_filters(struct mnl_socket *socket, unsigned int ifindex, uint32_t parent,
			 unsigned int *filters)
{
	char buffer[32768] __attribute__((aligned(NLMSG_ALIGNTO)));
	struct nlmsghdr *header = mnl_nlmsg_put_header(buffer);
	struct tcmsg *message;
	uint32_t sequence = (uint32_t)time(NULL);
	ssize_t length;
	int result;

	header->nlmsg_type = RTM_GETTFILTER;
	header->nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP;
	header->nlmsg_seq = sequence;
	message = mnl_nlmsg_put_extra_header(header, sizeof(*message));
	message->tcm_family = AF_UNSPEC;
	message->tcm_ifindex = (int)ifindex;
	message->tcm_parent = parent;
	if (mnl_socket_sendto(socket, header, header->nlmsg_len) < 0)
		return -errno;
	do {
		length = mnl_socket_recvfrom(socket, buffer, sizeof(buffer));
		if (length < 0)
			return -errno;
		result = mnl_cb_run(buffer, (size_t)length, sequence,
				    mnl_socket_get_portid(socket), count_filter, filters);
	} while (result > MNL_CB_STOP);
	return result < 0 ? -errno : 0;
}

int queue_clsact_in_use(unsigned int ifindex)
{
	struct mnl_socket *socket = mnl_socket_open(NETLINK_ROUTE);
	unsigned int filters = 0;
	int err;

	if (!socket)
		return -errno;
	err = mnl_socket_bind(socket, 0, MNL_SOCKET_AUTOPID) < 0 ? -errno : 0;
	if (!err)
		err = count_filters(socket, ifindex,
				    TC_H_MAKE(TC_H_CLSACT, TC_H_MIN_INGRESS), &filters);
	if (!err)
		err = count_filters(socket, ifindex,
				    TC_H_MAKE(TC_H_CLSACT, TC_H_MIN_EGRESS), &filters);
	mnl_socket_close(socket);
	return err ? err : filters > 0;
}
