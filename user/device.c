// SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
/*
 * The network devices of this namespace, one dump of each kind, and ethtool for each.
 */
#include "device.h"

#include <arpa/inet.h>
#include <errno.h>
#include <linux/ethtool.h>
#include <linux/if.h>
#include <linux/if_link.h>
#include <linux/if_tunnel.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/pkt_cls.h>
#include <linux/pkt_sched.h>
#include <linux/rtnetlink.h>
#include <linux/sockios.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "hooks.h"
#include "netlink.h"
#include "why.h"

struct list {
	struct device *devices;
	size_t count, room;
	int err;
};

static struct device *find(const struct list *list, uint32_t ifindex)
{
	for (size_t i = 0; i < list->count; i++)
		if (list->devices[i].ifindex == ifindex)
			return &list->devices[i];
	return NULL;
}

/* ---- links ---- */

static void note_xdp(struct device *device, const struct nlattr *xdp)
{
	static const enum device_xdp kinds[] = {
		[XDP_ATTACHED_NONE] = DEVICE_XDP_NONE,	  [XDP_ATTACHED_DRV] = DEVICE_XDP_NATIVE,
		[XDP_ATTACHED_SKB] = DEVICE_XDP_GENERIC,  [XDP_ATTACHED_HW] = DEVICE_XDP_HARDWARE,
		[XDP_ATTACHED_MULTI] = DEVICE_XDP_NATIVE,
	};
	const struct nlattr *attached = netlink_find_in(xdp, IFLA_XDP_ATTACHED);
	uint8_t kind = attached ? mnl_attr_get_u8(attached) : XDP_ATTACHED_NONE;

	if (kind < sizeof(kinds) / sizeof(kinds[0]))
		device->xdp = kinds[kind];
	device->xdp_program = netlink_number(netlink_find_in(xdp, IFLA_XDP_PROG_ID), 0);
	if (!device->xdp_program)
		device->xdp_program = netlink_number(netlink_find_in(xdp, IFLA_XDP_DRV_PROG_ID), 0);
}

/* What these say of a link is the other end, which nothing stands on. */
static bool is_pair(const char *kind)
{
	return !strcmp(kind, "veth") || !strcmp(kind, "netkit") || !strcmp(kind, "vxcan");
}

/* The device that a tunnel is bound to, which some kinds have in their own attributes alone. */
static uint32_t bound_to(const char *kind, const struct nlattr *options)
{
	static const struct {
		const char *kind;
		uint16_t link;
	} rows[] = {
		{"vxlan", IFLA_VXLAN_LINK},   {"gre", IFLA_GRE_LINK},
		{"gretap", IFLA_GRE_LINK},    {"erspan", IFLA_GRE_LINK},
		{"ip6gre", IFLA_GRE_LINK},    {"ip6gretap", IFLA_GRE_LINK},
		{"ip6erspan", IFLA_GRE_LINK}, {"ipip", IFLA_IPTUN_LINK},
		{"sit", IFLA_IPTUN_LINK},     {"ip6tnl", IFLA_IPTUN_LINK},
		{"vti", IFLA_VTI_LINK},	      {"vti6", IFLA_VTI_LINK},
		{"xfrm", IFLA_XFRM_LINK},
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		if (!strcmp(kind, rows[i].kind))
			return netlink_number(netlink_find_in(options, rows[i].link), 0);
	return 0;
}

/* Those of one dump, which may have to begin again. */
struct links {
	struct list *list;
	size_t count;
};

static int note_link(const struct nlmsghdr *header, void *data)
{
	const struct ifinfomsg *message = mnl_nlmsg_get_payload(header);
	const size_t offset = sizeof(*message);
	const struct nlattr *info = netlink_find(header, offset, IFLA_LINKINFO);
	struct links *links = data;
	struct list *list = links->list;
	struct device *device;

	if (header->nlmsg_type != RTM_NEWLINK)
		return MNL_CB_OK;
	if (links->count == list->room) {
		size_t room = list->room ? list->room * 2 : 16;
		struct device *more = realloc(list->devices, room * sizeof(*more));

		if (!more) {
			list->err = -ENOMEM;
			return MNL_CB_STOP;
		}
		list->devices = more;
		list->room = room;
	}
	device = &list->devices[links->count++];
	memset(device, 0, sizeof(*device));
	device->ifindex = (uint32_t)message->ifi_index;
	device->is_loopback = message->ifi_flags & IFF_LOOPBACK;
	device->is_up = message->ifi_flags & IFF_UP;
	device->has_carrier = message->ifi_flags & IFF_RUNNING;
	netlink_copy_text(device->name, sizeof(device->name),
			  netlink_find(header, offset, IFLA_IFNAME));
	netlink_copy_text(device->kind, sizeof(device->kind),
			  netlink_find_in(info, IFLA_INFO_KIND));
	device->master = netlink_number(netlink_find(header, offset, IFLA_MASTER), 0);
	if (!is_pair(device->kind) && !netlink_find(header, offset, IFLA_LINK_NETNSID)) {
		device->below = netlink_number(netlink_find(header, offset, IFLA_LINK), 0);
		/* A tunnel that is bound to none may name itself. */
		if (!device->below || device->below == device->ifindex)
			device->below =
				bound_to(device->kind, netlink_find_in(info, IFLA_INFO_DATA));
	}
	note_xdp(device, netlink_find(header, offset, IFLA_XDP));
	return MNL_CB_OK;
}

static struct nlmsghdr *dump_of(struct netlink_question *question, uint16_t type, uint8_t family,
				size_t length)
{
	struct nlmsghdr *header = mnl_nlmsg_put_header(question->bytes);
	uint8_t *message = mnl_nlmsg_put_extra_header(header, length);

	header->nlmsg_type = type;
	header->nlmsg_flags = NLM_F_DUMP;
	*message = family;
	return header;
}

static int read_links(struct list *list)
{
	struct links links = {.list = list};
	struct netlink_question question;
	struct nlmsghdr *header =
		dump_of(&question, RTM_GETLINK, AF_UNSPEC, sizeof(struct ifinfomsg));
	int err;

	mnl_attr_put_u32(header, IFLA_EXT_MASK, RTEXT_FILTER_SKIP_STATS);
	err = netlink_dump(NETLINK_ROUTE, header, note_link, &links, sizeof(links));
	list->count = links.count;
	return err ? err : list->err;
}

/* ---- addresses and routes ---- */

static int note_address(const struct nlmsghdr *header, void *data)
{
	const struct ifaddrmsg *message = mnl_nlmsg_get_payload(header);
	struct device *device = find(data, message->ifa_index);

	if (header->nlmsg_type == RTM_NEWADDR && device && message->ifa_scope < RT_SCOPE_LINK)
		device->has_address = true;
	return MNL_CB_OK;
}

static void note_way(struct list *list, uint32_t ifindex)
{
	struct device *device = find(list, ifindex);

	if (device)
		device->is_default_route = true;
}

static int note_route(const struct nlmsghdr *header, void *data)
{
	const struct rtmsg *message = mnl_nlmsg_get_payload(header);
	const size_t offset = sizeof(*message);
	const struct nlattr *several;
	const struct rtnexthop *way;
	int left;

	if (header->nlmsg_type != RTM_NEWROUTE || message->rtm_dst_len ||
	    message->rtm_type != RTN_UNICAST || message->rtm_flags & RTM_F_CLONED)
		return MNL_CB_OK;
	note_way(data, netlink_number(netlink_find(header, offset, RTA_OIF), 0));
	several = netlink_find(header, offset, RTA_MULTIPATH);
	if (!several)
		return MNL_CB_OK;
	left = mnl_attr_get_payload_len(several);
	for (way = mnl_attr_get_payload(several); RTNH_OK(way, left);
	     left -= RTNH_ALIGN(way->rtnh_len), way = RTNH_NEXT(way))
		note_way(data, (uint32_t)way->rtnh_ifindex);
	return MNL_CB_OK;
}

static int read_routes(struct list *list)
{
	static const uint8_t families[] = {AF_INET, AF_INET6};
	struct netlink_question question;
	int err = netlink_dump(NETLINK_ROUTE,
			       dump_of(&question, RTM_GETADDR, AF_UNSPEC, sizeof(struct ifaddrmsg)),
			       note_address, list, 0);

	for (size_t i = 0; i < sizeof(families) && !err; i++) {
		err = netlink_dump(NETLINK_ROUTE,
				   dump_of(&question, RTM_GETROUTE, families[i],
					   sizeof(struct rtmsg)),
				   note_route, list, 0);
		/* A kernel without IPv6. */
		if (err == -EOPNOTSUPP || err == -EAFNOSUPPORT)
			err = 0;
	}
	return err;
}

/* ---- filters ---- */

struct side {
	struct device_filter *filters; /* DEVICE_FILTERS of them */
	size_t count;
};

/* Each kind of filter has an attribute of its own for what it says of the hardware. */
static bool is_in_hardware(const char *kind, const struct nlattr *options)
{
	static const struct {
		const char *kind;
		uint16_t flags;
	} rows[] = {
		{"flower", TCA_FLOWER_FLAGS},
		{"matchall", TCA_MATCHALL_FLAGS},
		{"u32", TCA_U32_FLAGS},
		{"bpf", TCA_BPF_FLAGS_GEN},
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		if (!strcmp(kind, rows[i].kind))
			return netlink_number(netlink_find_in(options, rows[i].flags), 0) &
			       TCA_CLS_FLAGS_IN_HW;
	return false;
}

bool device_filter_is_own(const struct device_filter *filter)
{
	return filter->handle == HOOKS_CLSACT_HANDLE && !strcmp(filter->kind, "bpf");
}

/* Whether packets of somebody's filter pass by the kernel. */
static bool is_taken_over(const struct device_filter *filter)
{
	return filter->in_hardware && !device_filter_is_own(filter);
}

/* What keeps filters comes before them, with handle 0 (tcf_chain_dump() in cls_api.c). */
static int note_filter(const struct nlmsghdr *header, void *data)
{
	const struct tcmsg *message = mnl_nlmsg_get_payload(header);
	const size_t offset = sizeof(*message);
	struct side *side = data;
	struct device_filter *filters = side->filters;
	struct device_filter filter = {0};

	if (header->nlmsg_type != RTM_NEWTFILTER || !message->tcm_handle)
		return MNL_CB_OK;
	netlink_copy_text(filter.kind, sizeof(filter.kind), netlink_find(header, offset, TCA_KIND));
	filter.priority = TC_H_MAJ(message->tcm_info) >> 16;
	filter.handle = message->tcm_handle;
	filter.in_hardware = is_in_hardware(filter.kind, netlink_find(header, offset, TCA_OPTIONS));
	/* The first ones are those that run before ours; of the others, one in hardware counts. */
	if (side->count < DEVICE_FILTERS)
		filters[side->count++] = filter;
	else if (is_taken_over(&filter) && !is_taken_over(&filters[DEVICE_FILTERS - 1]))
		filters[DEVICE_FILTERS - 1] = filter;
	return MNL_CB_OK;
}

int device_read_filters(uint32_t ifindex, enum bwctl_direction direction,
			struct device_filter ret_filters[DEVICE_FILTERS], size_t *ret_count)
{
	static const uint32_t parents[BWCTL_DIRECTIONS] = {
		[BWCTL_INGRESS] = TC_H_MAKE(TC_H_CLSACT, TC_H_MIN_INGRESS),
		[BWCTL_EGRESS] = TC_H_MAKE(TC_H_CLSACT, TC_H_MIN_EGRESS),
	};
	struct side side = {.filters = ret_filters};
	struct netlink_question question;
	struct nlmsghdr *header =
		dump_of(&question, RTM_GETTFILTER, AF_UNSPEC, sizeof(struct tcmsg));
	struct tcmsg *message = mnl_nlmsg_get_payload(header);
	int err;

	message->tcm_ifindex = (int)ifindex;
	message->tcm_parent = parents[direction];
	err = netlink_dump(NETLINK_ROUTE, header, note_filter, &side, sizeof(side));
	*ret_count = side.count;
	return err == -ENODEV ? 0 : err;
}

static int read_filters(struct device *device)
{
	int err = 0;

	for (int direction = 0; direction < BWCTL_DIRECTIONS && !err; direction++)
		err = device_read_filters(device->ifindex, direction, device->filters[direction],
					  &device->filter_count[direction]);
	return err;
}

/* ---- flowtables ---- */

static int note_flowtable(const struct nlmsghdr *header, void *data)
{
	const struct nfgenmsg *message = mnl_nlmsg_get_payload(header);
	const size_t offset = sizeof(*message);
	const struct nlattr *devices, *each = NULL;
	struct list *list = data;
	bool in_hardware;

	if (NFNL_MSG_TYPE(header->nlmsg_type) != NFT_MSG_NEWFLOWTABLE)
		return MNL_CB_OK;
	devices = netlink_find_in(netlink_find(header, offset, NFTA_FLOWTABLE_HOOK),
				  NFTA_FLOWTABLE_HOOK_DEVS);
	in_hardware = ntohl(netlink_number(netlink_find(header, offset, NFTA_FLOWTABLE_FLAGS), 0)) &
		      NFT_FLOWTABLE_HW_OFFLOAD;
	while ((each = netlink_next_in(devices, each))) {
		for (size_t i = 0; i < list->count; i++) {
			struct device *device = &list->devices[i];

			/* What a name begins with is given without its NUL. */
			if (strncmp(device->name, mnl_attr_get_payload(each),
				    mnl_attr_get_payload_len(each)))
				continue;
			/* Of several, the one that is to be named is in hardware. */
			if (*device->flowtable && (device->flowtable_in_hardware || !in_hardware))
				continue;
			netlink_copy_text(device->flowtable, sizeof(device->flowtable),
					  netlink_find(header, offset, NFTA_FLOWTABLE_NAME));
			device->flowtable_in_hardware |= in_hardware;
		}
	}
	return MNL_CB_OK;
}

static int read_flowtables(struct list *list)
{
	struct netlink_question question;
	int err;

	if (!netlink_has_nftables())
		return 0;
	err = netlink_dump(NETLINK_NETFILTER,
			   dump_of(&question, NFNL_SUBSYS_NFTABLES << 8 | NFT_MSG_GETFLOWTABLE,
				   AF_UNSPEC, sizeof(struct nfgenmsg)),
			   note_flowtable, list, 0);
	/* no nfnetlink; no nf_tables in it */
	return err == -EPROTONOSUPPORT || err == -EINVAL || err == -EOPNOTSUPP ? 0 : err;
}

/* ---- ethtool ---- */

static int ethtool(int fd, const char *name, void *command)
{
	struct ifreq request = {0};

	snprintf(request.ifr_name, sizeof(request.ifr_name), "%s", name);
	request.ifr_data = command;
	return ioctl(fd, SIOCETHTOOL, &request) ? -errno : 0;
}

static uint64_t read_speed(int fd, const char *name)
{
	union {
		struct ethtool_link_settings settings;
		char room[sizeof(struct ethtool_link_settings) + 3 * 4 * 127];
	} link = {.settings = {.cmd = ETHTOOL_GLINKSETTINGS}};
	int words;

	/* The first answer is only how many words the masks have, as a negative number. */
	if (ethtool(fd, name, &link) || link.settings.link_mode_masks_nwords >= 0)
		return 0;
	words = -link.settings.link_mode_masks_nwords;
	memset(&link, 0, sizeof(link));
	link.settings.cmd = ETHTOOL_GLINKSETTINGS;
	link.settings.link_mode_masks_nwords = (int8_t)words;
	if (ethtool(fd, name, &link) || link.settings.speed == (uint32_t)SPEED_UNKNOWN)
		return 0;
	return (uint64_t)link.settings.speed * 1000000;
}

static void read_features(int fd, struct device *device)
{
	static const char *const names[DEVICE_FEATURES] = {
		[DEVICE_LRO] = "rx-lro",
		[DEVICE_GRO_HW] = "rx-gro-hw",
		[DEVICE_HW_TC] = "hw-tc-offload",
	};
	/* How many there are comes behind what is asked for. */
	union {
		struct ethtool_sset_info info;
		char room[sizeof(struct ethtool_sset_info) + sizeof(uint32_t)];
	} set = {.info = {.cmd = ETHTOOL_GSSET_INFO, .sset_mask = 1ULL << ETH_SS_FEATURES}};
	uint32_t length;
	struct ethtool_gstrings *strings = NULL;
	struct ethtool_gfeatures *features = NULL;
	uint32_t blocks;

	if (ethtool(fd, device->name, &set) || !set.info.sset_mask)
		return;
	memcpy(&length, set.room + sizeof(set.info), sizeof(length));
	blocks = (length + 31) / 32;
	strings = calloc(1, sizeof(*strings) + (size_t)length * ETH_GSTRING_LEN);
	features = calloc(1, sizeof(*features) + blocks * sizeof(features->features[0]));
	if (!strings || !features)
		goto out;
	strings->cmd = ETHTOOL_GSTRINGS;
	strings->string_set = ETH_SS_FEATURES;
	strings->len = length;
	features->cmd = ETHTOOL_GFEATURES;
	features->size = blocks;
	if (ethtool(fd, device->name, strings) || ethtool(fd, device->name, features))
		goto out;
	for (uint32_t i = 0; i < length; i++) {
		const char *name = (const char *)strings->data + (size_t)i * ETH_GSTRING_LEN;

		for (int feature = 0; feature < DEVICE_FEATURES; feature++)
			if (!strncmp(name, names[feature], ETH_GSTRING_LEN)) {
				const struct ethtool_get_features_block *block =
					&features->features[i / 32];

				device->feature[feature] = block->active >> (i % 32) & 1;
				device->is_fixed[feature] = !(block->available >> (i % 32) & 1) ||
							    block->never_changed >> (i % 32) & 1;
			}
	}
out:
	free(strings);
	free(features);
}

/* ---- all of it ---- */

static int by_index(const void *a, const void *b)
{
	const struct device *one = a, *other = b;

	return one->ifindex < other->ifindex ? -1 : one->ifindex > other->ifindex;
}

int device_read_all(struct device **ret_devices, size_t *ret_count, char why[LOG_TEXT])
{
	struct list list = {0};
	int err = read_links(&list);
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	if (!err)
		err = read_routes(&list);
	for (size_t i = 0; i < list.count && !err; i++)
		err = read_filters(&list.devices[i]);
	if (!err)
		err = read_flowtables(&list);
	for (size_t i = 0; i < list.count && !err && fd >= 0; i++) {
		list.devices[i].speed_bits_s = read_speed(fd, list.devices[i].name);
		read_features(fd, &list.devices[i]);
	}
	if (fd >= 0)
		close(fd);
	if (err) {
		free(list.devices);
		return why_fail(why, err, "cannot look at the interfaces");
	}
	if (list.count)
		qsort(list.devices, list.count, sizeof(*list.devices), by_index);
	*ret_devices = list.devices;
	*ret_count = list.count;
	return 0;
}

const struct device *device_find(const struct device *devices, size_t count, uint32_t ifindex)
{
	for (size_t i = 0; i < count && ifindex; i++)
		if (devices[i].ifindex == ifindex)
			return &devices[i];
	return NULL;
}

/* steps: a ring, which the kernel does not let anybody make, would not end. */
static bool is_below(const struct device *devices, size_t count, const struct device *lower,
		     const struct device *upper, size_t steps)
{
	if (!steps)
		return false;
	if (upper->below == lower->ifindex || lower->master == upper->ifindex)
		return true;
	for (size_t i = 0; i < count; i++)
		if ((upper->below == devices[i].ifindex || devices[i].master == upper->ifindex) &&
		    is_below(devices, count, lower, &devices[i], steps - 1))
			return true;
	return false;
}

/* As deep as the kernel lets devices stand on each other (MAX_NEST_DEV in netdevice.h). */
bool device_is_below(const struct device *devices, size_t count, const struct device *lower,
		     const struct device *upper)
{
	return is_below(devices, count, lower, upper, 8);
}
