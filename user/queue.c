// SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
/*
 * Writes to rtnetlink, as nobody else does besides what libbpf does for itself; and asks
 * nfnetlink whether somebody else is there. Whether a qdisc is ours is decided from its handle and kind alone, and
 * by the kernel again when it is deleted: nothing is remembered here.
 */
#include "queue.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <libmnl/libmnl.h>
#include <linux/if_ether.h>
#include <linux/if_link.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/pkt_cls.h>
#include <linux/pkt_sched.h>
#include <linux/rtnetlink.h>
#include <linux/tc_act/tc_mirred.h>
#include <net/if.h>
#include <spawn.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "netlink.h"

/* Unknown to the headers of Debian 12, and enumerators where they are known. */
#define LINK_GSO_IPV4_MAX_SIZE 63
#define LINK_GRO_IPV4_MAX_SIZE 64
#define DEVICE_PREFIX	       2 /* NFTA_DEVICE_PREFIX */

#define OUR_HANDLE ((uint32_t)QUEUE_HANDLE << 16)

/* In packets. fq's own 10000, and 100 of one flow, would drop what bwctl has admitted. */
#define OUR_LIMIT      100000
#define OUR_FLOW_LIMIT 50000
#define OUR_HORIZON_US (QUEUE_HORIZON / 1000)

#define IFB_LENGTH 1000 /* packets; ifb.c itself says 32 */

static struct nlmsghdr *traffic_control(struct netlink_question *question, uint16_t type,
					uint16_t flags, unsigned int ifindex, uint32_t parent)
{
	struct nlmsghdr *header = mnl_nlmsg_put_header(question->bytes);
	struct tcmsg *message = mnl_nlmsg_put_extra_header(header, sizeof(*message));

	header->nlmsg_type = type;
	header->nlmsg_flags = flags;
	message->tcm_family = AF_UNSPEC;
	message->tcm_ifindex = (int)ifindex;
	message->tcm_parent = parent;
	return header;
}

static struct nlmsghdr *link_request(struct netlink_question *question, uint16_t type,
				     uint16_t flags, unsigned int ifindex)
{
	struct nlmsghdr *header = mnl_nlmsg_put_header(question->bytes);
	struct ifinfomsg *message = mnl_nlmsg_put_extra_header(header, sizeof(*message));

	header->nlmsg_type = type;
	header->nlmsg_flags = flags | NLM_F_ACK;
	message->ifi_family = AF_UNSPEC;
	message->ifi_index = (int)ifindex;
	return header;
}

/* clsact, and the filters on it */

struct kind_search {
	int ifindex;
	int kind;
};

static int note_kind(const struct nlmsghdr *header, void *data)
{
	const struct tcmsg *message = mnl_nlmsg_get_payload(header);
	struct kind_search *search = data;

	if (header->nlmsg_type == RTM_NEWQDISC && message->tcm_ifindex == search->ifindex &&
	    message->tcm_parent == TC_H_CLSACT)
		search->kind = netlink_is_text(netlink_find(header, sizeof(*message), TCA_KIND),
					       "clsact") ?
				       QUEUE_CLSACT :
				       QUEUE_INGRESS;
	return MNL_CB_OK;
}

int queue_clsact_kind(unsigned int ifindex)
{
	struct kind_search search = {.ifindex = (int)ifindex, .kind = QUEUE_NOTHING};
	struct netlink_question question;
	int err = netlink_dump(NETLINK_ROUTE,
			       traffic_control(&question, RTM_GETQDISC, NLM_F_DUMP, ifindex, 0),
			       note_kind, &search, sizeof(search));

	return err ? err : search.kind;
}

static int dump_filters(unsigned int ifindex, uint32_t side, mnl_cb_t callback, void *data,
			size_t size)
{
	struct netlink_question question;

	return netlink_dump(NETLINK_ROUTE,
			    traffic_control(&question, RTM_GETTFILTER, NLM_F_DUMP, ifindex,
					    TC_H_MAKE(TC_H_CLSACT, side)),
			    callback, data, size);
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
		int err = dump_filters(ifindex, sides[i], count_filter, &filters, sizeof(filters));

		if (err)
			return err;
	}
	return filters > 0;
}

/* links */

struct link {
	char name[IF_NAMESIZE];
	char kind[QUEUE_KIND]; /* empty: not of a kind, such as a NIC */
	bool up;
	bool generic_xdp;
	uint32_t tx_queues, rx_queues;
	struct queue_sizes sizes;
};

static const struct {
	uint16_t type;
	size_t offset;
	bool taken_along; /* by the member before, see queue_sizes_write() */
} sizes_table[] = {
	{IFLA_GSO_MAX_SIZE, offsetof(struct queue_sizes, gso_max_size), false},
	{LINK_GSO_IPV4_MAX_SIZE, offsetof(struct queue_sizes, gso_ipv4_max_size), true},
	{IFLA_GRO_MAX_SIZE, offsetof(struct queue_sizes, gro_max_size), false},
	{LINK_GRO_IPV4_MAX_SIZE, offsetof(struct queue_sizes, gro_ipv4_max_size), true},
	{IFLA_GSO_MAX_SEGS, offsetof(struct queue_sizes, gso_max_segs), false},
};
#define SIZES (sizeof(sizes_table) / sizeof(sizes_table[0]))

static uint32_t *size_member(struct queue_sizes *sizes, size_t i)
{
	return (uint32_t *)((char *)sizes + sizes_table[i].offset);
}

static int note_link(const struct nlmsghdr *header, void *data)
{
	const struct ifinfomsg *message = mnl_nlmsg_get_payload(header);
	const size_t offset = sizeof(*message);
	struct link *link = data;
	const struct nlattr *xdp, *attached;

	if (header->nlmsg_type != RTM_NEWLINK)
		return MNL_CB_OK;
	link->up = message->ifi_flags & IFF_UP;
	netlink_copy_text(link->name, sizeof(link->name),
			  netlink_find(header, offset, IFLA_IFNAME));
	netlink_copy_text(link->kind, sizeof(link->kind),
			  netlink_find_in(netlink_find(header, offset, IFLA_LINKINFO),
					  IFLA_INFO_KIND));
	link->tx_queues = netlink_number(netlink_find(header, offset, IFLA_NUM_TX_QUEUES), 1);
	link->rx_queues = netlink_number(netlink_find(header, offset, IFLA_NUM_RX_QUEUES), 1);
	link->sizes.tx_queue_len = netlink_number(netlink_find(header, offset, IFLA_TXQLEN), 0);
	for (size_t i = 0; i < SIZES; i++)
		*size_member(&link->sizes, i) =
			netlink_number(netlink_find(header, offset, sizes_table[i].type), 0);
	xdp = netlink_find(header, offset, IFLA_XDP);
	attached = netlink_find_in(xdp, IFLA_XDP_ATTACHED);
	/* beside one in the driver: XDP_ATTACHED_MULTI (rtnl_xdp_fill() in rtnetlink.c) */
	link->generic_xdp = (attached && mnl_attr_get_u8(attached) == XDP_ATTACHED_SKB) ||
			    netlink_number(netlink_find_in(xdp, IFLA_XDP_SKB_PROG_ID), 0);
	return MNL_CB_OK;
}

static int link_read(unsigned int ifindex, struct link *ret)
{
	struct netlink_question question;
	struct nlmsghdr *header = link_request(&question, RTM_GETLINK, 0, ifindex);

	memset(ret, 0, sizeof(*ret));
	if (!ifindex)
		return -ENODEV; /* to the kernel, a request without a device: -EINVAL */
	mnl_attr_put_u32(header, IFLA_EXT_MASK, RTEXT_FILTER_SKIP_STATS);
	return netlink_ask(NETLINK_ROUTE, header, note_link, ret);
}

int queue_rx_queues(unsigned int ifindex)
{
	struct link link;
	int err = link_read(ifindex, &link);

	return err ? err : (int)link.rx_queues;
}

int queue_sizes_read(unsigned int ifindex, struct queue_sizes *ret)
{
	struct link link;
	int err = link_read(ifindex, &link);

	*ret = link.sizes;
	return err;
}

int queue_sizes_write(unsigned int ifindex, const struct queue_sizes *sizes)
{
	struct netlink_question question;
	struct nlmsghdr *header = link_request(&question, RTM_SETLINK, 0, ifindex);
	const uint32_t before = header->nlmsg_len;
	struct queue_sizes wanted = *sizes;
	bool written = false;
	struct link link;
	int err = link_read(ifindex, &link);

	if (err)
		return err;
	/*
	 * One message: do_setlink() in net/core/rtnetlink.c goes by its own order, in which what
	 * takes another along comes first. What is taken along is written even if it is right now.
	 */
	for (size_t i = 0; i < SIZES; i++) {
		uint32_t value = *size_member(&wanted, i);

		written = value && (value != *size_member(&link.sizes, i) ||
				    (sizes_table[i].taken_along && written));
		if (written)
			mnl_attr_put_u32(header, sizes_table[i].type, value);
	}
	return header->nlmsg_len == before ? 0 : netlink_ask(NETLINK_ROUTE, header, NULL, NULL);
}

int queue_length_write(unsigned int ifindex, uint32_t tx_queue_len)
{
	struct netlink_question question;
	struct nlmsghdr *header = link_request(&question, RTM_SETLINK, 0, ifindex);
	struct link link;
	int err = link_read(ifindex, &link);

	if (err || link.sizes.tx_queue_len == tx_queue_len)
		return err;
	mnl_attr_put_u32(header, IFLA_TXQLEN, tx_queue_len);
	return netlink_ask(NETLINK_ROUTE, header, NULL, NULL);
}

/* roots */

struct root {
	int ifindex;
	uint64_t horizon_ns;
	uint32_t tx_queues;

	bool found;
	uint32_t handle;
	char kind[QUEUE_KIND];
	bool fit;		     /* fq, and it can hold packets */
	bool paces;		     /* it, or one of the leaves, has sockets pace by it */
	uint32_t fit_leaves, leaves; /* under an mq */
	uint32_t last_leaf;	     /* the highest queue that has one, from 1 */
};

/*
 * Whether a qdisc is an fq that can hold packets: long enough; and many enough
 * and without pacing by itself, if it is ours. Notes whether it paces.
 */
static bool is_fit(const struct nlmsghdr *header, struct root *root)
{
	const struct nlattr *options = netlink_find(header, sizeof(struct tcmsg), TCA_OPTIONS);
	uint64_t horizon_us = netlink_number(netlink_find_in(options, TCA_FQ_HORIZON), UINT32_MAX);
	bool paces = netlink_number(netlink_find_in(options, TCA_FQ_RATE_ENABLE), 1);

	if (!netlink_is_text(netlink_find(header, sizeof(struct tcmsg), TCA_KIND), "fq"))
		return false;
	root->paces = root->paces || paces;
	if (root->handle != OUR_HANDLE)
		return horizon_us * 1000 >= root->horizon_ns || horizon_us == UINT32_MAX;
	return !paces && horizon_us >= OUR_HORIZON_US &&
	       netlink_number(netlink_find_in(options, TCA_FQ_PLIMIT), 0) >= OUR_LIMIT &&
	       netlink_number(netlink_find_in(options, TCA_FQ_FLOW_PLIMIT), 0) >= OUR_FLOW_LIMIT;
}

/* tc_dump_qdisc_root() in net/sched/sch_api.c gives a root before what hangs on it. */
static int note_root(const struct nlmsghdr *header, void *data)
{
	const struct tcmsg *message = mnl_nlmsg_get_payload(header);
	struct root *root = data;

	if (header->nlmsg_type != RTM_NEWQDISC || message->tcm_ifindex != root->ifindex)
		return MNL_CB_OK;
	if (message->tcm_parent == TC_H_ROOT) {
		root->found = true;
		root->handle = message->tcm_handle;
		netlink_copy_text(root->kind, sizeof(root->kind),
				  netlink_find(header, sizeof(*message), TCA_KIND));
		root->fit = is_fit(header, root);
	} else if (root->found && TC_H_MAJ(message->tcm_parent) == root->handle) {
		root->leaves++;
		root->fit_leaves += is_fit(header, root);
		if (root->last_leaf < TC_H_MIN(message->tcm_parent))
			root->last_leaf = TC_H_MIN(message->tcm_parent);
	}
	return MNL_CB_OK;
}

static bool is_mq(const struct root *root)
{
	return !strcmp(root->kind, "mq");
}

static int root_read(unsigned int ifindex, uint64_t horizon_ns, struct root *ret)
{
	struct netlink_question question;
	struct link link;
	int err = link_read(ifindex, &link);

	*ret = (struct root){
		.ifindex = (int)ifindex, .horizon_ns = horizon_ns, .tx_queues = link.tx_queues};
	if (err)
		return err;
	return netlink_dump(NETLINK_ROUTE,
			    traffic_control(&question, RTM_GETQDISC, NLM_F_DUMP, ifindex, 0),
			    note_root, ret, sizeof(*ret));
}

static enum queue_root root_state(const struct root *root)
{
	bool fit = root->fit;

	/*
	 * Of an mq that is not ours, a default leaf shows only while its queue is in use
	 * (mq_attach() in net/sched/sch_mq.c), so their number tells nothing. But a gap does: from
	 * a queue whose leaf was deleted nothing is sent (dev_graft_qdisc() in sch_generic.c).
	 */
	if (is_mq(root))
		fit = root->leaves && root->fit_leaves == root->leaves &&
		      root->leaves ==
			      (root->handle == OUR_HANDLE ? root->tx_queues : root->last_leaf);
	if (root->handle == OUR_HANDLE && (is_mq(root) || !strcmp(root->kind, "fq")))
		return fit ? QUEUE_ROOT_OURS : QUEUE_ROOT_BROKEN;
	if (!root->handle)
		return QUEUE_ROOT_DEFAULT;
	if (!fit)
		return QUEUE_ROOT_FOREIGN;
	return root->paces ? QUEUE_ROOT_FQ_PACES : QUEUE_ROOT_FQ;
}

int queue_root_look(unsigned int ifindex, uint64_t horizon_ns, char ret_kind[QUEUE_KIND])
{
	struct root root;
	int err = root_read(ifindex, horizon_ns, &root);

	memcpy(ret_kind, root.kind, QUEUE_KIND);
	return err ? err : (int)root_state(&root);
}

/* flags: 0 changes what has this kind and handle, NLM_F_CREATE makes one where none is. */
static int qdisc_write(unsigned int ifindex, const char *kind, uint32_t parent, uint32_t handle,
		       uint16_t flags)
{
	struct netlink_question question;
	struct nlmsghdr *header =
		traffic_control(&question, RTM_NEWQDISC, NLM_F_ACK | flags, ifindex, parent);
	struct tcmsg *message = mnl_nlmsg_get_payload(header);
	struct nlattr *options;

	message->tcm_handle = handle;
	mnl_attr_put_strz(header, TCA_KIND, kind);
	if (!strcmp(kind, "fq")) {
		options = mnl_attr_nest_start(header, TCA_OPTIONS);
		mnl_attr_put_u32(header, TCA_FQ_PLIMIT, OUR_LIMIT);
		mnl_attr_put_u32(header, TCA_FQ_FLOW_PLIMIT, OUR_FLOW_LIMIT);
		mnl_attr_put_u32(header, TCA_FQ_RATE_ENABLE, 0);
		mnl_attr_put_u32(header, TCA_FQ_HORIZON, OUR_HORIZON_US);
		mnl_attr_nest_end(header, options);
	}
	return netlink_ask(NETLINK_ROUTE, header, NULL, NULL);
}

/* An fq under every queue of our mq: an fq that is there is changed, anything else replaced. */
static int leaves_write(unsigned int ifindex, uint32_t queues)
{
	int err = 0;

	for (uint32_t i = 1; i <= queues && !err; i++)
		err = qdisc_write(ifindex, "fq", OUR_HANDLE | i, 0, NLM_F_CREATE | NLM_F_REPLACE);
	return err;
}

/* Our root where none or the kernel's default is. Without NLM_F_REPLACE, another's is -EEXIST. */
static int root_create(unsigned int ifindex, bool mq, uint32_t queues)
{
	int err = qdisc_write(ifindex, mq ? "mq" : "fq", TC_H_ROOT, OUR_HANDLE, NLM_F_CREATE);

	if (err == -EEXIST)
		return -EBUSY;
	return err || !mq ? err : leaves_write(ifindex, queues);
}

int queue_root_replace(unsigned int ifindex)
{
	struct root root;
	int err = root_read(ifindex, 0, &root);

	if (err)
		return err;
	switch (root_state(&root)) {
	case QUEUE_ROOT_OURS:
		return 0;
	case QUEUE_ROOT_FQ:
	case QUEUE_ROOT_FQ_PACES:
	case QUEUE_ROOT_FOREIGN:
		return -EBUSY;
	case QUEUE_ROOT_BROKEN: /* the root is kept, and with it what waits in it */
		err = is_mq(&root) ? leaves_write(ifindex, root.tx_queues) :
				     qdisc_write(ifindex, "fq", TC_H_ROOT, OUR_HANDLE, 0);
		break;
	case QUEUE_ROOT_DEFAULT: /* none at all: several queues mostly get mq */
		err = root_create(ifindex, is_mq(&root) || (!root.found && root.tx_queues > 1),
				  root.tx_queues);
		break;
	}
	if (err && err != -EBUSY)
		queue_root_restore(ifindex);
	return err;
}

int queue_root_restore(unsigned int ifindex)
{
	struct netlink_question question;
	struct nlmsghdr *header =
		traffic_control(&question, RTM_DELQDISC, NLM_F_ACK, ifindex, TC_H_ROOT);
	struct tcmsg *message = mnl_nlmsg_get_payload(header);
	enum queue_root state;
	struct root root;
	int err = root_read(ifindex, 0, &root);

	if (err)
		return err == -ENODEV ? 0 : err;
	state = root_state(&root);
	if (state != QUEUE_ROOT_OURS && state != QUEUE_ROOT_BROKEN)
		return 0;
	/* The kernel compares both again (tc_get_qdisc() in net/sched/sch_api.c), or -EINVAL. */
	message->tcm_handle = OUR_HANDLE;
	mnl_attr_put_strz(header, TCA_KIND, root.kind);
	err = netlink_ask(NETLINK_ROUTE, header, NULL, NULL);
	return err == -ENODEV || err == -ENOENT || err == -EINVAL ? 0 : err;
}

/* IFB */

/* The kernel's own request for the module would leave ifb0 and ifb1 behind. */
static void ifb_load(void)
{
	static char *const paths[] = {"/usr/sbin/modprobe", "/sbin/modprobe"};
	char *const arguments[] = {"modprobe", "-q", "ifb", "numifbs=0", NULL};
	char *const environment[] = {"PATH=/usr/sbin:/sbin", NULL};
	posix_spawn_file_actions_t actions;
	int err = ENOENT, status;
	pid_t pid;

	if (!access("/sys/module/ifb", F_OK) || posix_spawn_file_actions_init(&actions))
		return;
	if (!posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDWR, 0) &&
	    !posix_spawn_file_actions_adddup2(&actions, 0, 1) &&
	    !posix_spawn_file_actions_adddup2(&actions, 0, 2))
		for (size_t i = 0; i < sizeof(paths) / sizeof(paths[0]) && err == ENOENT; i++)
			err = posix_spawn(&pid, paths[i], &actions, NULL, arguments, environment);
	posix_spawn_file_actions_destroy(&actions);
	while (!err && waitpid(pid, &status, 0) < 0 && errno == EINTR)
		;
}

static int link_delete(unsigned int ifindex)
{
	struct netlink_question question;
	int err = netlink_ask(NETLINK_ROUTE, link_request(&question, RTM_DELLINK, 0, ifindex), NULL,
			      NULL);

	return err == -ENODEV ? 0 : err;
}

static int ifb_new(const char *name_pattern, unsigned int ifindex, uint32_t queues)
{
	struct netlink_question question;
	struct nlmsghdr *header =
		link_request(&question, RTM_NEWLINK, NLM_F_CREATE | NLM_F_EXCL, ifindex);
	struct nlattr *info;

	mnl_attr_put_strz(header, IFLA_IFNAME, name_pattern);
	mnl_attr_put_u32(header, IFLA_NUM_TX_QUEUES, queues);
	mnl_attr_put_u32(header, IFLA_NUM_RX_QUEUES, queues);
	mnl_attr_put_u32(header, IFLA_TXQLEN, IFB_LENGTH);
	info = mnl_attr_nest_start(header, IFLA_LINKINFO);
	mnl_attr_put_strz(header, IFLA_INFO_KIND, "ifb");
	mnl_attr_nest_end(header, info);
	return netlink_ask(NETLINK_ROUTE, header, NULL, NULL);
}

/* Best effort: a kernel without IPv6 refuses, and gives no address either. */
static void link_no_address(unsigned int ifindex)
{
	struct netlink_question question;
	struct nlmsghdr *header = link_request(&question, RTM_SETLINK, 0, ifindex);
	struct nlattr *families = mnl_attr_nest_start(header, IFLA_AF_SPEC);
	struct nlattr *family = mnl_attr_nest_start(header, AF_INET6);

	mnl_attr_put_u8(header, IFLA_INET6_ADDR_GEN_MODE, IN6_ADDR_GEN_MODE_NONE);
	mnl_attr_nest_end(header, family);
	mnl_attr_nest_end(header, families);
	netlink_ask(NETLINK_ROUTE, header, NULL, NULL);
}

static int link_up(unsigned int ifindex)
{
	struct netlink_question question;
	struct nlmsghdr *header = link_request(&question, RTM_SETLINK, 0, ifindex);
	struct ifinfomsg *message = mnl_nlmsg_get_payload(header);

	message->ifi_flags = IFF_UP;
	message->ifi_change = IFF_UP;
	return netlink_ask(NETLINK_ROUTE, header, NULL, NULL);
}

int queue_ifb_create(const char *name_pattern, unsigned int ifindex, uint32_t queues)
{
	struct link link;
	int err = link_read(ifindex, &link);

	if (strlen(name_pattern) >= IF_NAMESIZE || !ifindex)
		return -EINVAL;
	if (err != -ENODEV)
		return err ? err : -EEXIST;
	ifb_load();
	err = ifb_new(name_pattern, ifindex, queues);
	if (err == -EBUSY) /* taken meanwhile (register_netdevice() in net/core/dev.c) */
		return -EEXIST;
	if (err == -EOPNOTSUPP) /* an unknown kind (rtnl_newlink() in net/core/rtnetlink.c) */
		return -ENOENT;
	if (err)
		return err;
	link_no_address(ifindex);
	/* The root while it is down: then nothing has to be stopped and started for each queue. */
	err = root_create(ifindex, queues > 1, queues);
	if (!err)
		err = link_up(ifindex);
	if (err)
		link_delete(ifindex);
	return err;
}

int queue_ifb_look(unsigned int ifindex)
{
	char kind[QUEUE_KIND];
	struct link link;
	int err = link_read(ifindex, &link), state;

	if (err || strcmp(link.kind, "ifb") || !link.up)
		return err;
	state = queue_root_look(ifindex, 0, kind);
	return state < 0 ? state : state == QUEUE_ROOT_OURS;
}

int queue_ifb_remove(unsigned int ifindex)
{
	struct link link;
	int err = link_read(ifindex, &link);

	if (err)
		return err == -ENODEV ? 0 : err;
	return strcmp(link.kind, "ifb") ? -EBUSY : link_delete(ifindex);
}

/* the filter that leads to the IFB */

#define INGRESS_SIDE TC_H_MAKE(TC_H_CLSACT, TC_H_MIN_INGRESS)

static struct nlmsghdr *lead_request(struct netlink_question *question, uint16_t type,
				     uint16_t flags, unsigned int ifindex, uint16_t priority,
				     uint32_t handle)
{
	struct nlmsghdr *header =
		traffic_control(question, type, NLM_F_ACK | flags, ifindex, INGRESS_SIDE);
	struct tcmsg *message = mnl_nlmsg_get_payload(header);

	message->tcm_handle = handle;
	message->tcm_info = TC_H_MAKE((uint32_t)priority << 16, htons(ETH_P_ALL));
	mnl_attr_put_strz(header, TCA_KIND, "bpf");
	return header;
}

int queue_lead_write(unsigned int ifindex, uint16_t priority, uint32_t handle, int program_fd,
		     unsigned int to_ifindex)
{
	struct tc_mirred mirred = {
		.action = TC_ACT_STOLEN,
		.eaction = TCA_EGRESS_REDIR,
		.ifindex = to_ifindex,
	};
	struct netlink_question question;
	struct nlmsghdr *header =
		lead_request(&question, RTM_NEWTFILTER, NLM_F_CREATE, ifindex, priority, handle);
	struct nlattr *options, *actions, *first, *parameters;

	options = mnl_attr_nest_start(header, TCA_OPTIONS);
	mnl_attr_put_u32(header, TCA_BPF_FD, (uint32_t)program_fd);
	mnl_attr_put_strz(header, TCA_BPF_NAME, "bwctl_lead");
	actions = mnl_attr_nest_start(header, TCA_BPF_ACT);
	first = mnl_attr_nest_start(header, 1);
	mnl_attr_put_strz(header, TCA_ACT_KIND, "mirred");
	parameters = mnl_attr_nest_start(header, TCA_ACT_OPTIONS);
	mnl_attr_put(header, TCA_MIRRED_PARMS, sizeof(mirred), &mirred);
	mnl_attr_nest_end(header, parameters);
	mnl_attr_nest_end(header, first);
	mnl_attr_nest_end(header, actions);
	mnl_attr_nest_end(header, options);
	return netlink_ask(NETLINK_ROUTE, header, NULL, NULL);
}

struct lead {
	uint32_t info, handle, to_ifindex;
	bool found;
};

static int note_lead(const struct nlmsghdr *header, void *data)
{
	const struct tcmsg *message = mnl_nlmsg_get_payload(header);
	struct lead *lead = data;
	const struct nlattr *action, *parameters;
	const struct tc_mirred *mirred;

	if (header->nlmsg_type != RTM_NEWTFILTER || message->tcm_handle != lead->handle ||
	    message->tcm_info != lead->info ||
	    !netlink_is_text(netlink_find(header, sizeof(*message), TCA_KIND), "bpf"))
		return MNL_CB_OK;
	action = netlink_find_in(
		netlink_find_in(netlink_find(header, sizeof(*message), TCA_OPTIONS), TCA_BPF_ACT),
		1);
	parameters = netlink_find_in(netlink_find_in(action, TCA_ACT_OPTIONS), TCA_MIRRED_PARMS);
	if (!parameters || mnl_attr_get_payload_len(parameters) < sizeof(*mirred))
		return MNL_CB_OK;
	mirred = mnl_attr_get_payload(parameters);
	if (mirred->eaction == TCA_EGRESS_REDIR && mirred->ifindex == lead->to_ifindex)
		lead->found = true;
	return MNL_CB_OK;
}

int queue_lead_look(unsigned int ifindex, uint16_t priority, uint32_t handle,
		    unsigned int to_ifindex)
{
	struct lead lead = {
		.info = TC_H_MAKE((uint32_t)priority << 16, htons(ETH_P_ALL)),
		.handle = handle,
		.to_ifindex = to_ifindex,
	};
	int err = dump_filters(ifindex, TC_H_MIN_INGRESS, note_lead, &lead, sizeof(lead));

	return err ? err : lead.found;
}

int queue_lead_remove(unsigned int ifindex, uint16_t priority, uint32_t handle)
{
	struct netlink_question question;
	int err = netlink_ask(NETLINK_ROUTE,
			      lead_request(&question, RTM_DELTFILTER, 0, ifindex, priority, handle),
			      NULL, NULL);

	/* No such filter, no filter of this priority, no clsact (tc_del_tfilter() in cls_api.c). */
	return err == -ENOENT || err == -EINVAL || err == -ENODEV ? 0 : err;
}

/* what others have on ingress */

struct neighbours {
	const char *name;
	uint32_t own_handle;
	bool found;
};

/* What keeps filters comes before them, with handle 0 (tcf_chain_dump() in cls_api.c). */
static int note_filter(const struct nlmsghdr *header, void *data)
{
	const struct tcmsg *message = mnl_nlmsg_get_payload(header);
	struct neighbours *neighbours = data;

	if (header->nlmsg_type == RTM_NEWTFILTER &&
	    (!netlink_is_text(netlink_find(header, sizeof(*message), TCA_KIND), "bpf") ||
	     (message->tcm_handle && message->tcm_handle != neighbours->own_handle)))
		neighbours->found = true;
	return MNL_CB_OK;
}

/* A name with its NUL, or what a name begins with (kernel >= 6.16; there without the NUL). */
static bool is_device(const struct nlattr *attribute, bool prefix, const char *name)
{
	size_t length = mnl_attr_get_payload_len(attribute);

	if (prefix)
		length = strnlen(mnl_attr_get_payload(attribute), length);
	return !strncmp(name, mnl_attr_get_payload(attribute), length);
}

static int note_chain(const struct nlmsghdr *header, void *data)
{
	const struct nfgenmsg *message = mnl_nlmsg_get_payload(header);
	const struct nlattr *hook = netlink_find(header, sizeof(*message), NFTA_CHAIN_HOOK);
	const struct nlattr *devices = netlink_find_in(hook, NFTA_HOOK_DEVS), *device;
	struct neighbours *neighbours = data;
	uint32_t place =
		ntohl(netlink_number(netlink_find_in(hook, NFTA_HOOK_HOOKNUM), UINT32_MAX));

	if (NFNL_MSG_TYPE(header->nlmsg_type) != NFT_MSG_NEWCHAIN ||
	    !((message->nfgen_family == NFPROTO_NETDEV && place == NF_NETDEV_INGRESS) ||
	      (message->nfgen_family == NFPROTO_INET && place == NF_INET_INGRESS)))
		return MNL_CB_OK;
	device = netlink_find_in(hook, NFTA_HOOK_DEV);
	if (device && is_device(device, false, neighbours->name))
		neighbours->found = true;
	for (device = netlink_next_in(devices, NULL); device;
	     device = netlink_next_in(devices, device))
		if (is_device(device, mnl_attr_get_type(device) == DEVICE_PREFIX, neighbours->name))
			neighbours->found = true;
	return MNL_CB_OK;
}

static int nft_look(struct neighbours *neighbours)
{
	struct netlink_question question;
	struct nlmsghdr *header = mnl_nlmsg_put_header(question.bytes);
	struct nfgenmsg *message = mnl_nlmsg_put_extra_header(header, sizeof(*message));
	int err;

	if (!netlink_has_nftables())
		return 0;
	header->nlmsg_type = NFNL_SUBSYS_NFTABLES << 8 | NFT_MSG_GETCHAIN;
	header->nlmsg_flags = NLM_F_DUMP;
	message->nfgen_family = AF_UNSPEC;
	message->version = NFNETLINK_V0;
	err = netlink_dump(NETLINK_NETFILTER, header, note_chain, neighbours, sizeof(*neighbours));
	/* no nfnetlink; no nf_tables in it (nfnetlink_rcv_msg() in net/netfilter/nfnetlink.c) */
	if (err == -EPROTONOSUPPORT || err == -EINVAL || err == -EOPNOTSUPP)
		return 0;
	return err;
}

int queue_ingress_neighbour(unsigned int ifindex, uint32_t own_handle, char ret_what[QUEUE_WHAT])
{
	struct link link;
	struct neighbours neighbours = {.name = link.name, .own_handle = own_handle};
	const char *what = "a generic XDP program";
	int err = link_read(ifindex, &link);

	ret_what[0] = '\0';
	neighbours.found = link.generic_xdp;
	if (!err && !neighbours.found) {
		what = "a tc filter";
		err = dump_filters(ifindex, TC_H_MIN_INGRESS, note_filter, &neighbours,
				   sizeof(neighbours));
	}
	if (!err && !neighbours.found) {
		what = "an nftables chain";
		err = nft_look(&neighbours);
	}
	if (err)
		return err;
	if (neighbours.found)
		snprintf(ret_what, QUEUE_WHAT, "%s", what);
	return neighbours.found;
}
