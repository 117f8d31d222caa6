// SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
/*
 * A question to the kernel by netlink, and what is in its answers.
 */
#include "netlink.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/utsname.h>
#include <unistd.h>

#define ANSWER \
	32768 /* what the kernel puts into one answer at most (netlink_dump() in af_netlink.c) */

#define TRIES 10

int netlink_ask(int bus, struct nlmsghdr *header, mnl_cb_t callback, void *data)
{
	char buffer[ANSWER] __attribute__((aligned(NLMSG_ALIGNTO)));
	struct mnl_socket *socket = mnl_socket_open2(bus, SOCK_CLOEXEC);
	int result = MNL_CB_ERROR, err = 0;
	ssize_t length;

	if (!socket)
		return -errno;
	header->nlmsg_flags |= NLM_F_REQUEST;
	header->nlmsg_seq = 1;
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

int netlink_dump(int bus, struct nlmsghdr *header, mnl_cb_t callback, void *data, size_t size)
{
	char before[NETLINK_DUMP_DATA];
	int err = -EINTR;

	if (size > sizeof(before))
		return -EINVAL;
	header->nlmsg_flags |= NLM_F_DUMP;
	memcpy(before, data, size);
	for (int i = 0; i < TRIES && err == -EINTR; i++) {
		memcpy(data, before, size);
		err = netlink_ask(bus, header, callback, data);
	}
	return err;
}

const struct nlattr *netlink_find(const struct nlmsghdr *header, size_t offset, uint16_t type)
{
	const struct nlattr *attribute;

	mnl_attr_for_each(attribute, header, offset)
		if (mnl_attr_get_type(attribute) == type)
			return attribute;
	return NULL;
}

const struct nlattr *netlink_next_in(const struct nlattr *nest, const struct nlattr *last)
{
	const struct nlattr *next;

	if (!nest)
		return NULL;
	next = last ? mnl_attr_next(last) : mnl_attr_get_payload(nest);
	return mnl_attr_ok(next, (int)((const char *)mnl_attr_get_payload(nest) +
				       mnl_attr_get_payload_len(nest) - (const char *)next)) ?
		       next :
		       NULL;
}

const struct nlattr *netlink_find_in(const struct nlattr *nest, uint16_t type)
{
	const struct nlattr *attribute = netlink_next_in(nest, NULL);

	while (attribute && mnl_attr_get_type(attribute) != type)
		attribute = netlink_next_in(nest, attribute);
	return attribute;
}

uint32_t netlink_number(const struct nlattr *attribute, uint32_t otherwise)
{
	return attribute && mnl_attr_get_payload_len(attribute) >= sizeof(uint32_t) ?
		       mnl_attr_get_u32(attribute) :
		       otherwise;
}

void netlink_copy_text(char *text, size_t size, const struct nlattr *attribute)
{
	snprintf(text, size, "%s", attribute ? mnl_attr_get_str(attribute) : "");
}

bool netlink_is_text(const struct nlattr *attribute, const char *text)
{
	return attribute && !strcmp(mnl_attr_get_str(attribute), text);
}

/*
 * One that is built in shows in /sys/module only if it has parameters, and this one has none; but
 * it is in modules.builtin. Where that is not to be found, either the kernel has no modules or
 * nobody can tell: then asking is better than passing a firewall by.
 */
bool netlink_has_nftables(void)
{
	char path[sizeof("/lib/modules//modules.builtin") + sizeof(((struct utsname *)0)->release)];
	char line[512];
	bool found = false;
	struct utsname system;
	FILE *builtin;

	if (!access("/sys/module/nf_tables", F_OK) || access("/proc/modules", F_OK) ||
	    uname(&system))
		return true;
	snprintf(path, sizeof(path), "/lib/modules/%s/modules.builtin", system.release);
	builtin = fopen(path, "re");
	if (!builtin)
		return true;
	while (!found && fgets(line, sizeof(line), builtin))
		found = strstr(line, "/nf_tables.ko");
	fclose(builtin);
	return found;
}
