// SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
/*
 * Programs on the ingress and egress of an interface: tcx links, which are
 * pinned, and clsact filters, which are found by handle and priority.
 */
#include "hooks.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <net/if.h>
#include <net/if_arp.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "queue.h"
#include "why.h"

#ifndef ARPHRD_IP6GRE
#define ARPHRD_IP6GRE 823
#endif

/* Since Linux 6.6; the headers of Debian 12 are older. */
#define ATTACH_TCX_INGRESS ((enum bpf_attach_type)46)
#define ATTACH_TCX_EGRESS  ((enum bpf_attach_type)47)
#define ATTACH_BEFORE	   (1U << 3) /* BPF_F_BEFORE; beside nothing: before all others */

#define CLSACT_PRIORITIES 8

/* ---- what there is ---- */

int hooks_has_ethernet_header(const char *name, char why[LOG_TEXT])
{
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	struct ifreq request = {0};
	int err;

	if (fd < 0)
		return why_fail(why, -errno, "cannot look at '%s'", name);
	snprintf(request.ifr_name, sizeof(request.ifr_name), "%s", name);
	err = ioctl(fd, SIOCGIFHWADDR, &request) ? -errno : 0;
	close(fd);
	if (err)
		return why_fail(why, err, "cannot look at '%s'", name);
	switch (request.ifr_hwaddr.sa_family) {
	case ARPHRD_ETHER:
	case ARPHRD_LOOPBACK:
		return 1;
	case ARPHRD_NONE: /* tun, WireGuard */
	case ARPHRD_PPP:
	case ARPHRD_RAWIP:
	case ARPHRD_TUNNEL:
	case ARPHRD_TUNNEL6:
	case ARPHRD_SIT:
	case ARPHRD_IPGRE:
	case ARPHRD_IP6GRE:
		return 0;
	}
	return why_refuse(
		why, -EOPNOTSUPP,
		"'%s' has link type %d: expected Ethernet, or a device for bare IP packets", name,
		request.ifr_hwaddr.sa_family);
}

/* By namespace and index: a name may change or hold a dot, which bpffs refuses. */
static void link_path(const struct pins *pins, const struct bwctl_interface_key *key,
		      enum bwctl_direction direction, char ret_path[PINS_PATH])
{
	char name[64];

	snprintf(name, sizeof(name), "link-%llu-%u-%s", (unsigned long long)key->netns_inode,
		 key->ifindex, direction == BWCTL_INGRESS ? "ingress" : "egress");
	pins_path(pins, name, ret_path);
}

/* What the kernel says of a link; all zero when there is none. */
static struct bpf_link_info link_info(const char *path)
{
	struct bpf_link_info info = {0};
	__u32 length = sizeof(info);
	int fd = bpf_obj_get(path);

	if (fd < 0)
		return info;
	if (bpf_obj_get_info_by_fd(fd, &info, &length))
		memset(&info, 0, sizeof(info));
	close(fd);
	return info;
}

/* The interface a link is attached to; 0 when it is gone from there, or there is no such link. */
static uint32_t link_ifindex(const char *path)
{
	/* tcx's part of the information begins with the index, as XDP's does. */
	return link_info(path).xdp.ifindex;
}

/* The rest of a line: whether the id is among those in it. */
static bool has_id(const char *ids, uint32_t wanted)
{
	char *end;

	for (;; ids = end) {
		unsigned long id = strtoul(ids, &end, 10);

		if (end == ids || *ids == '\n')
			return false;
		if (id == wanted)
			return true;
	}
}

/*
 * A line of bpf/links.bpf.c's for a program of that direction. The one of the IFB uses none of
 * the maps that can be told, but the index is no other's.
 */
static bool is_told(const struct pins *pins, const struct bwctl_interface_key *key,
		    enum bwctl_direction direction)
{
	const char *const names[] = {direction == BWCTL_INGRESS ? "bwctl_eth_in" : "bwctl_eth_out",
				     direction == BWCTL_INGRESS ? "bwctl_ip_in" : "bwctl_ip_out",
				     direction == BWCTL_INGRESS ? "" : "bwctl_hold"};

	for (const char *line = pins->links; *line; line = strchr(line, '\n') + 1) {
		unsigned long long inode;
		unsigned int ifindex;
		char name[BWCTL_NAME];
		int length;

		if (!strchr(line, '\n'))
			return false;
		if (sscanf(line, "%15s %llu %u%n", name, &inode, &ifindex, &length) != 3 ||
		    inode != key->netns_inode || ifindex != key->ifindex)
			continue;
		if (strcmp(name, "bwctl_hold") && !has_id(line + length, pins->links_map))
			continue;
		for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
			if (!strcmp(name, names[i]))
				return true;
	}
	return false;
}

enum hooks_link hooks_link_state(const struct pins *pins, const struct bwctl_interface_key *key,
				 enum bwctl_direction direction)
{
	char path[PINS_PATH];
	uint32_t ifindex;

	if (pins->links)
		return is_told(pins, key, direction) ? HOOKS_LINK_ATTACHED : HOOKS_LINK_NONE;
	link_path(pins, key, direction, path);
	ifindex = link_ifindex(path);
	if (ifindex)
		return ifindex == key->ifindex ? HOOKS_LINK_ATTACHED : HOOKS_LINK_MOVED;
	return access(path, F_OK) ? HOOKS_LINK_NONE : HOOKS_LINK_DEAD;
}

static enum bpf_attach_type tcx_point(enum bwctl_direction direction)
{
	return direction == BWCTL_INGRESS ? ATTACH_TCX_INGRESS : ATTACH_TCX_EGRESS;
}

unsigned int hooks_count_tcx(uint32_t ifindex, enum bwctl_direction direction)
{
	__u32 ids[64], count = sizeof(ids) / sizeof(ids[0]);

	if (bpf_prog_query((int)ifindex, tcx_point(direction), 0, NULL, ids, &count) &&
	    errno != ENOSPC)
		return 0;
	return count;
}

static enum bpf_tc_attach_point tc_point(enum bwctl_direction direction)
{
	return direction == BWCTL_INGRESS ? BPF_TC_INGRESS : BPF_TC_EGRESS;
}

bool hooks_clsact_is_attached(const struct bwctl_interface_key *key,
			      const struct bwctl_interface *record, enum bwctl_direction direction)
{
	LIBBPF_OPTS(bpf_tc_hook, hook, .ifindex = (int)key->ifindex,
		    .attach_point = tc_point(direction));
	/* The handle is nobody else's. */
	LIBBPF_OPTS(bpf_tc_opts, filter, .handle = HOOKS_CLSACT_HANDLE,
		    .priority = record->priority[direction]);

	return record->priority[direction] && !bpf_tc_query(&hook, &filter);
}

static bool look_at_program(uint32_t id, struct hooks_program *ret_program)
{
	struct bpf_prog_info info = {0};
	__u32 length = sizeof(info);
	int fd = bpf_prog_get_fd_by_id(id);
	bool known;

	if (fd < 0)
		return false;
	known = !bpf_obj_get_info_by_fd(fd, &info, &length);
	close(fd);
	ret_program->id = id;
	snprintf(ret_program->name, sizeof(ret_program->name), "%s", info.name);
	memcpy(ret_program->tag, info.tag, sizeof(ret_program->tag));
	return known;
}

void hooks_look(const struct pins *pins, const struct bwctl_interface_key *key,
		const struct bwctl_interface *record, enum bwctl_direction direction,
		enum bwctl_hook hook, struct hooks_seen *ret_seen)
{
	LIBBPF_OPTS(bpf_tc_hook, place, .ifindex = (int)key->ifindex,
		    .attach_point = tc_point(direction));
	LIBBPF_OPTS(bpf_tc_opts, filter, .handle = HOOKS_CLSACT_HANDLE,
		    .priority = record->priority[direction]);
	__u32 ids[64], count = sizeof(ids) / sizeof(ids[0]), own = 0;
	char path[PINS_PATH];

	*ret_seen = (struct hooks_seen){0};
	if (hook == BWCTL_HOOK_TCX) {
		link_path(pins, key, direction, path);
		own = link_info(path).prog_id;
	} else if (!bpf_tc_query(&place, &filter)) {
		own = filter.prog_id;
	}
	ret_seen->is_known = own && look_at_program(own, &ret_seen->ours);
	ret_seen->knows_before = own;
	if (!own)
		return;
	if (bpf_prog_query((int)key->ifindex, tcx_point(direction), 0, NULL, ids, &count)) {
		ret_seen->knows_before = errno == EINVAL; /* there is no tcx */
		return;
	}
	/* All of tcx comes before clsact. */
	while (ret_seen->before < count && (hook != BWCTL_HOOK_TCX || ids[ret_seen->before] != own))
		ret_seen->before++;
	if (ret_seen->before)
		look_at_program(ids[0], &ret_seen->first);
}

/* ---- attaching ---- */

int hooks_prepare(struct hooks_place *place, enum bwctl_hook hook)
{
	LIBBPF_OPTS(bpf_tc_hook, clsact, .ifindex = (int)place->key->ifindex,
		    .attach_point = BPF_TC_INGRESS | BPF_TC_EGRESS);
	bool create = false;
	int err;

	if (hook == BWCTL_HOOK_CLSACT) {
		err = queue_clsact_kind(place->key->ifindex);
		if (err < 0)
			return err;
		if (err == QUEUE_INGRESS)
			return -EBUSY;
		create = err == QUEUE_NOTHING;
		if (create)
			place->record->clsact_created = 1;
	}
	err = place->note(place);
	if (err || !create)
		return err;
	err = bpf_tc_hook_create(&clsact);
	/* Somebody was faster: it is theirs. */
	if (err == -EEXIST) {
		place->record->clsact_created = 0;
		err = place->note(place);
	}
	return err;
}

/*
 * First of all programs there: one that ran earlier and let a packet pass
 * would end the run, and the packet would not be metered.
 */
static int attach_tcx(const struct hooks_place *place, enum bwctl_direction direction,
		      int program_fd)
{
	LIBBPF_OPTS(bpf_link_create_opts, options, .flags = ATTACH_BEFORE);
	char path[PINS_PATH];
	int err = 0, fd;

	link_path(place->pins, place->key, direction, path);
	if (link_ifindex(path) == place->key->ifindex) {
		fd = bpf_obj_get(path);
		if (fd < 0)
			return -errno;
		log_note("replacing the program of '%s'", path);
		err = bpf_link_update(fd, program_fd, NULL) ? -errno : 0;
		close(fd);
		return err;
	}
	if (unlink(path) && errno != ENOENT)
		return -errno;
	log_note("attaching by tcx, pinned as '%s'", path);
	fd = bpf_link_create(program_fd, (int)place->key->ifindex, tcx_point(direction), &options);
	if (fd < 0)
		return -errno;
	if (bpf_obj_pin(fd, path))
		err = -errno;
	close(fd);
	return err;
}

/*
 * As near the front as filters allow: the first priority that takes a BPF
 * filter for all protocols. Where it goes is written down first.
 */
static int attach_clsact(struct hooks_place *place, enum bwctl_direction direction, int program_fd)
{
	LIBBPF_OPTS(bpf_tc_hook, hook, .ifindex = (int)place->key->ifindex,
		    .attach_point = tc_point(direction));
	__u32 priority = place->record->priority[direction];
	int err;

	if (hooks_clsact_is_attached(place->key, place->record, direction)) {
		LIBBPF_OPTS(bpf_tc_opts, filter, .prog_fd = program_fd, .flags = BPF_TC_F_REPLACE,
			    .handle = HOOKS_CLSACT_HANDLE, .priority = priority);

		return bpf_tc_attach(&hook, &filter);
	}
	for (priority = 1;; priority++) {
		LIBBPF_OPTS(bpf_tc_opts, filter, .prog_fd = program_fd,
			    .handle = HOOKS_CLSACT_HANDLE, .priority = priority);

		place->record->priority[direction] = priority;
		log_note("attaching by clsact to the %s of interface %u, priority %u",
			 direction == BWCTL_INGRESS ? "ingress" : "egress", place->key->ifindex,
			 priority);
		err = place->note(place);
		if (err)
			return err;
		err = bpf_tc_attach(&hook, &filter);
		if (!err || priority == CLSACT_PRIORITIES)
			return err;
	}
}

int hooks_attach(struct hooks_place *place, enum bwctl_direction direction, enum bwctl_hook hook,
		 int program_fd)
{
	return hook == BWCTL_HOOK_TCX ? attach_tcx(place, direction, program_fd) :
					attach_clsact(place, direction, program_fd);
}

/* ---- detaching ---- */

static int detach_tcx(const struct hooks_place *place, enum bwctl_direction direction)
{
	char path[PINS_PATH];
	int err = 0, fd;

	link_path(place->pins, place->key, direction, path);
	fd = bpf_obj_get(path);
	if (fd < 0)
		return errno == ENOENT ? 0 : -errno;
	/* Detached at once, not when the last reference happens to go. */
	if (bpf_link_detach(fd) && link_ifindex(path))
		err = -errno;
	close(fd);
	if (!err && unlink(path) && errno != ENOENT)
		err = -errno;
	return err;
}

static int detach_clsact(struct hooks_place *place, enum bwctl_direction direction)
{
	LIBBPF_OPTS(bpf_tc_hook, hook, .ifindex = (int)place->key->ifindex,
		    .attach_point = tc_point(direction));
	LIBBPF_OPTS(bpf_tc_opts, filter, .handle = HOOKS_CLSACT_HANDLE,
		    .priority = place->record->priority[direction]);
	int err = 0;

	if (hooks_clsact_is_attached(place->key, place->record, direction))
		err = bpf_tc_detach(&hook, &filter);
	/* As long as that one tells packets to wait, this one is needed. */
	if (!err && direction == BWCTL_INGRESS)
		err = queue_lead_remove(place->key->ifindex, HOOKS_LEAD_PRIORITY,
					HOOKS_CLSACT_HANDLE);
	if (!err)
		place->record->priority[direction] = 0;
	return err;
}

int hooks_detach(struct hooks_place *place, enum bwctl_direction direction, enum bwctl_hook hook)
{
	return hook == BWCTL_HOOK_TCX ? detach_tcx(place, direction) :
					detach_clsact(place, direction);
}

int hooks_remove_clsact(struct hooks_place *place)
{
	LIBBPF_OPTS(bpf_tc_hook, qdisc, .ifindex = (int)place->key->ifindex,
		    .attach_point = BPF_TC_INGRESS | BPF_TC_EGRESS);
	int err;

	if (!place->record->clsact_created)
		return 0;
	err = queue_clsact_in_use(place->key->ifindex);
	if (!err)
		err = bpf_tc_hook_destroy(&qdisc);
	/* Somebody's now, or removed by somebody. */
	if (err == 1 || err == -EINVAL || err == -ENODEV || err == -ENOENT)
		err = 0;
	if (!err)
		place->record->clsact_created = 0;
	return err;
}

/* ---- when the notes are lost ---- */

static bool is_link(const char *name)
{
	unsigned long long inode;
	unsigned int ifindex;
	char side[8];

	return sscanf(name, "link-%llu-%u-%7s", &inode, &ifindex, side) == 3 &&
	       (!strcmp(side, "ingress") || !strcmp(side, "egress"));
}

int hooks_remove_lost_links(const struct pins *pins)
{
	return pins_remove_named(pins, is_link);
}

static bool program_uses(__u32 program_id, __u32 map_id)
{
	__u32 maps[64], length;
	struct bpf_prog_info program = {.nr_map_ids = 64, .map_ids = (__u64)(uintptr_t)maps};
	int fd = bpf_prog_get_fd_by_id(program_id);
	bool found = false;

	if (fd < 0)
		return false;
	length = sizeof(program);
	if (!bpf_obj_get_info_by_fd(fd, &program, &length))
		for (__u32 i = 0; i < program.nr_map_ids && i < 64; i++)
			found = found || maps[i] == map_id;
	close(fd);
	return found;
}

static __u32 map_id(int map_fd)
{
	struct bpf_map_info map = {0};
	__u32 length = sizeof(map);

	return bpf_obj_get_info_by_fd(map_fd, &map, &length) ? 0 : map.id;
}

int hooks_detach_unknown(const struct pins *pins, const struct bwctl_interface_key *key, int map_fd)
{
	struct bwctl_interface record = {0};
	struct hooks_place place = {.pins = pins, .key = key, .record = &record};
	__u32 map = map_id(map_fd);
	int err = 0, found = 0;

	for (int direction = 0; direction < BWCTL_DIRECTIONS && !err; direction++) {
		if (hooks_link_state(pins, key, direction) != HOOKS_LINK_NONE)
			found = 1;
		err = detach_tcx(&place, direction);
		for (__u32 priority = 1; priority <= CLSACT_PRIORITIES && map && !err; priority++) {
			LIBBPF_OPTS(bpf_tc_hook, hook, .ifindex = (int)key->ifindex,
				    .attach_point = tc_point(direction));
			LIBBPF_OPTS(bpf_tc_opts, seen, .handle = HOOKS_CLSACT_HANDLE,
				    .priority = priority);

			if (bpf_tc_query(&hook, &seen) || !program_uses(seen.prog_id, map))
				continue;
			found = 1;
			record.priority[direction] = priority;
			err = detach_clsact(&place, direction);
		}
	}
	return err ? err : found;
}
