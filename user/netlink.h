/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * A question to the kernel by netlink, and what is in its answers. Does not know what is
 * asked for: queue and device do.
 */
#ifndef NETLINK_H
#define NETLINK_H

#include <libmnl/libmnl.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define NETLINK_QUESTION 1024 /* the longest request */

struct netlink_question {
	char bytes[NETLINK_QUESTION] __attribute__((aligned(NLMSG_ALIGNTO)));
};

/*
 * One request, the caller's flags being either NLM_F_ACK or NLM_F_DUMP besides
 * others; each answer goes to callback, which may be NULL. 0 or -errno.
 */
int netlink_ask(int bus, struct nlmsghdr *header, mnl_cb_t callback, void *data);

#define NETLINK_DUMP_DATA 512

/*
 * A request with NLM_F_DUMP. What is dumped may change meanwhile, and then the kernel says that the
 * dump is not whole (nl_dump_check_consistent() in netlink.h): asked again some times, with data, of size
 * bytes (at most NETLINK_DUMP_DATA), as it was before. -EINTR if it changes all the time.
 */
int netlink_dump(int bus, struct nlmsghdr *header, mnl_cb_t callback, void *data, size_t size);

/* The attribute of a type behind a message's own header, or NULL. */
const struct nlattr *netlink_find(const struct nlmsghdr *header, size_t offset, uint16_t type);

/* What is in an attribute (or in NULL), one by one: the first after NULL, NULL after the last. */
const struct nlattr *netlink_next_in(const struct nlattr *nest, const struct nlattr *last);

/* The attribute of a type in an attribute, which may be NULL. */
const struct nlattr *netlink_find_in(const struct nlattr *nest, uint16_t type);

uint32_t netlink_number(const struct nlattr *attribute, uint32_t otherwise);

/* size: that of text, which is emptied when there is no attribute. */
void netlink_copy_text(char *text, size_t size, const struct nlattr *attribute);

bool netlink_is_text(const struct nlattr *attribute, const char *text);

/* Whether asking nf_tables loads no module (nfnetlink_rcv_msg() would). */
bool netlink_has_nftables(void);

#endif
