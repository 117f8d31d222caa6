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
#include <string.h>

/* One dump of rtnetlink for one interface; each answer goes to callback. 0 or -errno. */
static int dump(uint16_t type, unsigned int ifindex, uint32_t parent, mnl_cb_t callback, void *data)
{
	char buffer[32768] __attribute__((aligned(NLMSG_ALIGNTO)));
	struct nlmsghdr *header = mnl_nlmsg_put_header(buffer);
	struct mnl_socket *socket = mnl_socket_open(NETLINK_ROUTE);
	struct tcmsg *message;
	int result = MNL_CB_ERROR, err = 0;
	ssize_t length;

	if (!socket)
		return -errno;
	header->nlmsg_type = type;
	header->nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP;
	header->nlmsg_seq = 1;
	message = mnl_nlmsg_put_extra_header(header, sizeof(*message));
	message->tcm_family = AF_UNSPEC;
	message->tcm_ifindex = (int)ifindex;
	message->tcm_parent = parent;
	if (mnl_socket_bind(socket, 0, MNL_SOCKET_AUTOPID) < 0 ||
	    mnl_socket_sendto(socket, header, header->nlmsg_len) < 0)
		err = -errno;
	while (!err) {
		length = mnl_socket_recvfrom(socket, buffer, sizeof(buffer));
		if (length >= 0)
			result = mnl_cb_run(buffer, (size_t)length, 1,
					    mnl_socket_get_portid(socket), callback, data);
		if (length < 0 || result < 0)
			err = -errno;
		else if (result == MNL_CB_STOP)
			break;
	}
	mnl_socket_close(socket);
	return err;
}

struct kind_search {
	int ifindex;
	int kind;
};

static int note_kind(const struct nlmsghdr *header, void *data)
{
	const struct tcmsg *message = mnl_nlmsg_get_payload(header);
	struct kind_search *search = data;
	const struct nlattr *attribute;

	if (header->nlmsg_type != RTM_NEWQDISC || message->tcm_ifindex != search->ifindex ||
	    message->tcm_parent != TC_H_CLSACT)
		return MNL_CB_OK;
	mnl_attr_for_each(attribute, header, sizeof(*message))
		if (mnl_attr_get_type(attribute) == TCA_KIND)
			search->kind = strcmp(mnl_attr_get_str(attribute), "clsact") ?
					       QUEUE_INGRESS :
					       QUEUE_CLSACT;
	return MNL_CB_OK;
}

int queue_clsact_kind(unsigned int ifindex)
{
	struct kind_search search = {.ifindex = (int)ifindex, .kind = QUEUE_NOTHING};
	int err = dump(RTM_GETQDISC, ifindex, 0, note_kind, &search);

	return err ? err : search.kind;
}

static int count_filter(const struct nlmsghdr *header, void *data)
{
	unsigned int *filters = data;

	if (header->nlmsg_type == RTM_NEWTFILTER)
		(*filters)++;
	return MNL_CB_OK;
}

int queue_clsact_in_use(unsigned int ifindex)
{
	static const uint32_t sides[] = {TC_H_MIN_INGRESS, TC_H_MIN_EGRESS};
	unsigned int filters = 0;

	for (size_t i = 0; i < sizeof(sides) / sizeof(sides[0]); i++) {
		int err = dump(RTM_GETTFILTER, ifindex, TC_H_MAKE(TC_H_CLSACT, sides[i]),
			       count_filter, &filters);

		if (err)
			return err;
	}
	return filters > 0;
}
