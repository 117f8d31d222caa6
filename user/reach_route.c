// SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
/*
 * What the kernel knows of the way to an address.
 */
#include "reach_route.h"

#include <errno.h>
#include <libmnl/libmnl.h>
#include <linux/neighbour.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

struct reach_routes {
	struct mnl_socket *socket;
	uint32_t sequence;
	union {
		struct nlmsghdr header;
		char bytes[8192];
	} buffer;
};

struct way {
	uint32_t ifindex;
	uint8_t hop_family; /* AF_UNSPEC: the host itself */
	uint8_t hop[16];
};

struct reach_routes *reach_routes_open(void)
{
	struct reach_routes *routes = calloc(1, sizeof(*routes));

	if (!routes)
		return NULL;
	routes->socket = mnl_socket_open2(NETLINK_ROUTE, SOCK_CLOEXEC);
	if (routes->socket && !mnl_socket_bind(routes->socket, 0, MNL_SOCKET_AUTOPID))
		return routes;
	reach_routes_close(routes);
	return NULL;
}

void reach_routes_close(struct reach_routes *routes)
{
	if (routes && routes->socket)
		mnl_socket_close(routes->socket);
	free(routes);
}

static struct nlmsghdr *begin(struct reach_routes *routes, uint16_t type)
{
	struct nlmsghdr *message = mnl_nlmsg_put_header(routes->buffer.bytes);

	message->nlmsg_type = type;
	message->nlmsg_flags = NLM_F_REQUEST;
	message->nlmsg_seq = ++routes->sequence;
	return message;
}

/* Sends what has been begun, and reads the one message that answers it. */
static bool ask(struct reach_routes *routes, struct nlmsghdr *message, mnl_cb_t take,
		void *argument)
{
	ssize_t length;

	if (mnl_socket_sendto(routes->socket, message, message->nlmsg_len) < 0)
		return false;
	length = mnl_socket_recvfrom(routes->socket, routes->buffer.bytes,
				     sizeof(routes->buffer.bytes));
	return length > 0 && mnl_cb_run(routes->buffer.bytes, (size_t)length, routes->sequence,
					mnl_socket_get_portid(routes->socket), take, argument) >= 0;
}

static const void *bytes_of(const union reach_address *address, size_t *ret_length)
{
	bool is_v6 = address->any.sa_family == AF_INET6;

	*ret_length = is_v6 ? 16 : 4;
	return is_v6 ? (const void *)&address->v6.sin6_addr : (const void *)&address->v4.sin_addr;
}

static int take_route(const struct nlmsghdr *message, void *argument)
{
	const struct rtmsg *route = mnl_nlmsg_get_payload(message);
	const struct nlattr *attribute;
	struct way *way = argument;

	if (message->nlmsg_type != RTM_NEWROUTE)
		return MNL_CB_OK;
	mnl_attr_for_each(attribute, message, sizeof(*route)) {
		const uint8_t *payload = mnl_attr_get_payload(attribute);
		size_t length = mnl_attr_get_payload_len(attribute);

		if (mnl_attr_get_type(attribute) == RTA_OIF) {
			way->ifindex = mnl_attr_get_u32(attribute);
		} else if (mnl_attr_get_type(attribute) == RTA_GATEWAY &&
			   length <= sizeof(way->hop)) {
			memcpy(way->hop, payload, length);
			way->hop_family = route->rtm_family;
		} else if (mnl_attr_get_type(attribute) == RTA_VIA && length > 2 &&
			   length - 2 <= sizeof(way->hop)) {
			/* The family, two bytes of this machine's, and the address: struct rtvia. */
			uint16_t family;

			memcpy(&family, payload, sizeof(family));
			memcpy(way->hop, payload + 2, length - 2);
			way->hop_family = (uint8_t)family;
		}
	}
	return MNL_CB_OK;
}

static bool find_way(struct reach_routes *routes, const union reach_address *address,
		     struct way *ret_way)
{
	struct nlmsghdr *message = begin(routes, RTM_GETROUTE);
	struct rtmsg *request = mnl_nlmsg_put_extra_header(message, sizeof(*request));
	const void *bytes;
	size_t length;

	*ret_way = (struct way){0};
	bytes = bytes_of(address, &length);
	request->rtm_family = (uint8_t)address->any.sa_family;
	request->rtm_dst_len = (uint8_t)(8 * length);
	mnl_attr_put(message, RTA_DST, length, bytes);
	if (address->any.sa_family == AF_INET6 && address->v6.sin6_scope_id)
		mnl_attr_put_u32(message, RTA_OIF, address->v6.sin6_scope_id);
	return ask(routes, message, take_route, ret_way) && ret_way->ifindex;
}

uint32_t reach_route_interface(struct reach_routes *routes, const union reach_address *address)
{
	struct way way;

	return find_way(routes, address, &way) ? way.ifindex : 0;
}

static int take_neighbour(const struct nlmsghdr *message, void *argument)
{
	const struct ndmsg *neighbour = mnl_nlmsg_get_payload(message);

	if (message->nlmsg_type == RTM_NEWNEIGH)
		*(uint16_t *)argument = neighbour->ndm_state;
	return MNL_CB_OK;
}

/* Not one on which there is nobody to look for, and the kernel has no entries. */
static bool has_neighbours(uint32_t ifindex)
{
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	struct ifreq request = {0};
	bool has = fd >= 0 && if_indextoname(ifindex, request.ifr_name) &&
		   !ioctl(fd, SIOCGIFFLAGS, &request) &&
		   !(request.ifr_flags & (IFF_NOARP | IFF_POINTOPOINT | IFF_LOOPBACK));

	if (fd >= 0)
		close(fd);
	return has;
}

bool reach_route_has_failed(struct reach_routes *routes, const union reach_address *address)
{
	struct nlmsghdr *message;
	struct ndmsg *request;
	struct way way;
	uint16_t state = 0;
	const void *bytes;
	size_t length;

	if (!find_way(routes, address, &way))
		return false;
	bytes = bytes_of(address, &length);
	if (way.hop_family) {
		bytes = way.hop;
		length = way.hop_family == AF_INET6 ? 16 : 4;
	}
	message = begin(routes, RTM_GETNEIGH);
	request = mnl_nlmsg_put_extra_header(message, sizeof(*request));
	request->ndm_family = length == 16 ? AF_INET6 : AF_INET;
	request->ndm_ifindex = (int)way.ifindex;
	mnl_attr_put(message, NDA_DST, length, bytes);
	errno = 0;
	if (ask(routes, message, take_neighbour, &state))
		return state & (NUD_FAILED | NUD_INCOMPLETE);
	/* One that failed may have been forgotten since. */
	return errno == ENOENT && has_neighbours(way.ifindex);
}
