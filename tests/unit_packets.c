/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * The production programs on invented packets: which row of the flow table each
 * belongs to, how many frames and bytes it is charged, what is answered. The
 * expected side is written out from docs/DESIGN.md, never worked out by the code
 * under test. Then what holds for any bytes at all: everything is counted, once,
 * and no number of CPUs passes more than the limit.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <linux/pkt_cls.h>
#include <linux/virtio_net.h>
#include <net/if.h>
#include <netinet/in.h>
#include <pthread.h>
#include <sched.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

#include "meter.h"
#include "programs.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))
#define S	     1000000000ULL
#define MS	     1000000ULL

/* Rows of the flow table, in DESIGN.md's order. */
enum {
	UI,
	ADMIN,
	API,
	SSH,
	TELNET,
	ICMP,
	ICMP6,
	OTHER = BWCTL_FLOW_OTHER,
	CONTROL = BWCTL_FLOW_CONTROL,
	UNSENT = 65535, /* the packet is not sent in this direction */
};

/*
 * A packet is a stack of headers, outermost first. Each says in the field of the
 * one before it what it is; lengths are filled in at the end.
 */
enum {
	STACK_END,
	STACK_ETHERNET,
	STACK_TAG,
	STACK_TYPE,
	STACK_IP4,
	STACK_FRAGMENT4,
	STACK_IP6,
	STACK_EXTENSION,
	STACK_FRAGMENT6,
	STACK_TCP,
	STACK_UDP,
	STACK_PORTS,
	STACK_ICMP,
	STACK_PAYLOAD,
	STACK_FROM,
	STACK_TO,
	STACK_POKE,
};

struct header {
	__u32 kind, a, b, c;
};

/* clang-format off */
#define ETH		    {STACK_ETHERNET, 0, 0, 0}
#define TAG(id)		    {STACK_TAG, ETH_P_8021Q, id, 0}
#define OUTER_TAG(id)	    {STACK_TAG, ETH_P_8021AD, id, 0}
#define TYPE(next)	    {STACK_TYPE, next, 0, 0} /* says what follows, adds nothing */
#define IP4_WORDS(ihl)	    {STACK_IP4, ihl, 0, 0}
#define IP4		    IP4_WORDS(5)
#define IP6		    {STACK_IP6, 0, 0, 0}
#define EXT(protocol, size) {STACK_EXTENSION, protocol, size, 0}
#define TCP(from, to)	    {STACK_TCP, from, to, 20}
#define TCP_SIZE(from, to, size) {STACK_TCP, from, to, size}
#define UDP(from, to)	    {STACK_UDP, from, to, 0}
#define PORTS(protocol, from, to) {STACK_PORTS, protocol, from, to}
#define ICMP4_TYPE(type)    {STACK_ICMP, IPPROTO_ICMP, type, 0}
#define ICMP6_TYPE(type)    {STACK_ICMP, IPPROTO_ICMPV6, type, 0}
#define PAYLOAD(size)	    {STACK_PAYLOAD, size, 0, 0}
/* Of the last IP header: fragment offset in units of 8 bytes, addresses, any byte. */
#define FRAGMENT4(id, offset, more) {STACK_FRAGMENT4, id, offset, more}
#define FRAGMENT6(id, offset, more) {STACK_FRAGMENT6, id, offset, more}
#define FROM(host)	    {STACK_FROM, host, 0, 0}
#define TO(host)	    {STACK_TO, host, 0, 0}
#define POKE(at, value)	    {STACK_POKE, at, value, 0}
/* clang-format on */

#define MORE 1
#define LAST 0

#define HOP_BY_HOP  0
#define ROUTING	    43
#define AH	    51
#define DESTINATION 60
#define MOBILITY    135
#define HIP	    139
#define SHIM6	    140

#define STACK_MAX 16
#define FRAME_MAX 3712 /* what BPF_PROG_TEST_RUN takes: a page without head and tail room */

/*
 * The largest frames that BPF_PROG_TEST_RUN refuses for being shorter than their
 * ethertype promises (IPv6) end here; the trimmer below makes such frames.
 */
#define UNTRIMMED_LEAST_BYTES 54

struct row {
	const char *name;
	struct header stack[STACK_MAX];
	__u16 in, out;
	__u32 frames;
	__u32 bytes;	   /* with the Ethernet header if there is one */
	__u32 bytes_above; /* what more may be charged where headers are estimated */
	__u32 gso_size, gso_segs;
	bool ethernet_only; /* the program for bare IP sees something else in it */
};

/* clang-format off */
/* name, in, out, bytes, stack */
#define PACKET(n, i, o, b, ...) \
	{.name = n, .in = i, .out = o, .frames = 1, .bytes = b, .stack = {__VA_ARGS__}}
#define ETHERNET_ONLY(n, i, o, b, ...) \
	{.name = n, .in = i, .out = o, .frames = 1, .bytes = b, .stack = {__VA_ARGS__}, \
	 .ethernet_only = true}
/* name, in, out, gso_size, gso_segs, frames, bytes, in excess, stack */
#define SUPER(n, i, o, size, segs, f, b, above, ...) \
	{.name = n, .in = i, .out = o, .frames = f, .bytes = b, .bytes_above = above, \
	 .gso_size = size, .gso_segs = segs, .stack = {__VA_ARGS__}}

/* One port against the edges of "> 1024". to_*: towards the port, from_*: from it. */
#define EDGE(port, high, to_in, to_out, from_in, from_out) \
	PACKET("IPv4 TCP " #high " -> " #port, to_in, to_out, 54, ETH, IP4, TCP(high, port)), \
	PACKET("IPv4 TCP " #port " -> " #high, from_in, from_out, 54, ETH, IP4, TCP(port, high)), \
	PACKET("IPv6 TCP " #high " -> " #port, to_in, to_out, 74, ETH, IP6, TCP(high, port)), \
	PACKET("IPv6 TCP " #port " -> " #high, from_in, from_out, 74, ETH, IP6, TCP(port, high))
#define EDGES(port, to_in, to_out, from_in, from_out) \
	EDGE(port, 1023, OTHER, OTHER, OTHER, OTHER), \
	EDGE(port, 1024, OTHER, OTHER, OTHER, OTHER), \
	EDGE(port, 1025, to_in, to_out, from_in, from_out), \
	EDGE(port, 65535, to_in, to_out, from_in, from_out)
/* clang-format on */

static const struct row rows[] = {
	/* the two lists, inbound and outbound */
	EDGES(443, UI, API, API, UI),
	EDGES(8443, ADMIN, OTHER, OTHER, ADMIN),
	EDGES(22, OTHER, SSH, SSH, OTHER),
	EDGES(23, OTHER, TELNET, TELNET, OTHER),
	PACKET("TCP 443 -> 443", OTHER, OTHER, 54, ETH, IP4, TCP(443, 443)),
	PACKET("TCP 8443 -> 443", UI, API, 54, ETH, IP4, TCP(8443, 443)),
	PACKET("TCP 443 -> 8443", API, UI, 54, ETH, IP4, TCP(443, 8443)),
	PACKET("TCP 8443 -> 8443", ADMIN, ADMIN, 54, ETH, IP4, TCP(8443, 8443)),
	PACKET("TCP 22 -> 443", OTHER, OTHER, 54, ETH, IP4, TCP(22, 443)),
	PACKET("TCP 22 -> 8443", SSH, OTHER, 54, ETH, IP4, TCP(22, 8443)),
	PACKET("TCP 22 -> 22", OTHER, OTHER, 54, ETH, IP4, TCP(22, 22)),
	PACKET("TCP 40000 -> 444", OTHER, OTHER, 54, ETH, IP4, TCP(40000, 444)),
	PACKET("TCP 442 -> 40000", OTHER, OTHER, 54, ETH, IP4, TCP(442, 40000)),
	PACKET("TCP 40000 -> 21", OTHER, OTHER, 54, ETH, IP4, TCP(40000, 21)),
	PACKET("TCP 40000 -> 24", OTHER, OTHER, 54, ETH, IP4, TCP(40000, 24)),
	PACKET("TCP 40000 -> 8444", OTHER, OTHER, 54, ETH, IP4, TCP(40000, 8444)),
	PACKET("TCP 40000 -> 5632, 22 with its bytes swapped", OTHER, OTHER, 54, ETH, IP4,
	       TCP(40000, 5632)),
	PACKET("TCP 0 -> 443", OTHER, OTHER, 54, ETH, IP4, TCP(0, 443)),
	PACKET("TCP 0 -> 0", OTHER, OTHER, 54, ETH, IP4, TCP(0, 0)),
	PACKET("TCP 65535 -> 65535", OTHER, OTHER, 54, ETH, IP4, TCP(65535, 65535)),
	PACKET("TCP with options and payload", OTHER, SSH, 1514, ETH, IP4, TCP_SIZE(40000, 22, 32),
	       PAYLOAD(1448)),
	PACKET("IPv6 TCP with options and payload", SSH, OTHER, 1514, ETH, IP6,
	       TCP_SIZE(22, 40000, 60), PAYLOAD(1400)),
	PACKET("TCP, ports only", OTHER, SSH, 38, ETH, IP4, TYPE(IPPROTO_TCP),
	       PORTS(IPPROTO_TCP, 40000, 22)),

	/* ICMP; neighbour and listener discovery are control */
	PACKET("ICMP echo", ICMP, ICMP, 42, ETH, IP4, ICMP4_TYPE(8)),
	PACKET("ICMP echo reply", ICMP, ICMP, 42, ETH, IP4, ICMP4_TYPE(0)),
	PACKET("ICMP unreachable", ICMP, ICMP, 70, ETH, IP4, ICMP4_TYPE(3), IP4, UDP(40000, 33434)),
	PACKET("ICMP time exceeded", ICMP, ICMP, 70, ETH, IP4, ICMP4_TYPE(11), IP4,
	       UDP(40000, 33434)),
	PACKET("ICMP type 135 is no discovery", ICMP, ICMP, 42, ETH, IP4, ICMP4_TYPE(135)),
	PACKET("ICMPv6 unreachable", ICMP6, ICMP6, 62, ETH, IP6, ICMP6_TYPE(1)),
	PACKET("ICMPv6 too big", ICMP6, ICMP6, 62, ETH, IP6, ICMP6_TYPE(2)),
	PACKET("ICMPv6 time exceeded", ICMP6, ICMP6, 62, ETH, IP6, ICMP6_TYPE(3)),
	PACKET("ICMPv6 echo", ICMP6, ICMP6, 62, ETH, IP6, ICMP6_TYPE(128)),
	PACKET("ICMPv6 echo reply", ICMP6, ICMP6, 62, ETH, IP6, ICMP6_TYPE(129)),
	PACKET("MLD query", CONTROL, CONTROL, 62, ETH, IP6, ICMP6_TYPE(130)),
	PACKET("MLD report", CONTROL, CONTROL, 62, ETH, IP6, ICMP6_TYPE(131)),
	PACKET("MLD done", CONTROL, CONTROL, 62, ETH, IP6, ICMP6_TYPE(132)),
	PACKET("router solicitation", CONTROL, CONTROL, 62, ETH, IP6, ICMP6_TYPE(133)),
	PACKET("router advertisement", CONTROL, CONTROL, 62, ETH, IP6, ICMP6_TYPE(134)),
	PACKET("neighbour solicitation", CONTROL, CONTROL, 62, ETH, IP6, ICMP6_TYPE(135)),
	PACKET("neighbour advertisement", CONTROL, CONTROL, 62, ETH, IP6, ICMP6_TYPE(136)),
	PACKET("redirect", CONTROL, CONTROL, 62, ETH, IP6, ICMP6_TYPE(137)),
	PACKET("router renumbering", ICMP6, ICMP6, 62, ETH, IP6, ICMP6_TYPE(138)),
	PACKET("MLDv2 report", CONTROL, CONTROL, 62, ETH, IP6, ICMP6_TYPE(143)),
	PACKET("MLDv2 report after a router alert", CONTROL, CONTROL, 70, ETH, IP6,
	       EXT(HOP_BY_HOP, 8), ICMP6_TYPE(143)),
	PACKET("ICMPv6 144", ICMP6, ICMP6, 62, ETH, IP6, ICMP6_TYPE(144)),
	PACKET("ICMPv6 over IPv4 is no discovery", ICMP6, ICMP6, 42, ETH, IP4, ICMP6_TYPE(135)),
	PACKET("ICMPv6 without a type", ICMP6, ICMP6, 54, ETH, IP6, TYPE(IPPROTO_ICMPV6)),

	/* any other IP, whatever its ports */
	PACKET("UDP 40000 -> 443", OTHER, OTHER, 42, ETH, IP4, UDP(40000, 443)),
	PACKET("UDP 443 -> 40000", OTHER, OTHER, 42, ETH, IP4, UDP(443, 40000)),
	PACKET("UDP 40000 -> 8443", OTHER, OTHER, 42, ETH, IP4, UDP(40000, 8443)),
	PACKET("UDP 8443 -> 40000", OTHER, OTHER, 42, ETH, IP4, UDP(8443, 40000)),
	PACKET("UDP 40000 -> 22", OTHER, OTHER, 42, ETH, IP4, UDP(40000, 22)),
	PACKET("UDP 23 -> 40000", OTHER, OTHER, 42, ETH, IP4, UDP(23, 40000)),
	PACKET("IPv6 UDP 40000 -> 443", OTHER, OTHER, 62, ETH, IP6, UDP(40000, 443)),
	PACKET("IPv6 UDP 22 -> 40000", OTHER, OTHER, 62, ETH, IP6, UDP(22, 40000)),
	PACKET("SCTP", OTHER, OTHER, 38, ETH, IP4, PORTS(IPPROTO_SCTP, 22, 40000)),
	PACKET("IPv6 SCTP", OTHER, OTHER, 58, ETH, IP6, PORTS(IPPROTO_SCTP, 40000, 443)),
	PACKET("UDP-Lite", OTHER, OTHER, 38, ETH, IP4, PORTS(IPPROTO_UDPLITE, 40000, 443)),
	PACKET("IPv6 UDP-Lite", OTHER, OTHER, 58, ETH, IP6, PORTS(IPPROTO_UDPLITE, 443, 40000)),
	PACKET("DCCP", OTHER, OTHER, 38, ETH, IP4, PORTS(IPPROTO_DCCP, 40000, 8443)),
	PACKET("GRE", OTHER, OTHER, 78, ETH, IP4, TYPE(IPPROTO_GRE), PAYLOAD(4), IP4,
	       TCP(22, 40000)),
	PACKET("IPv6 GRE", OTHER, OTHER, 58, ETH, IP6, TYPE(IPPROTO_GRE), PAYLOAD(4)),
	PACKET("IGMP", OTHER, OTHER, 42, ETH, IP4, TYPE(IPPROTO_IGMP), PAYLOAD(8)),
	PACKET("ESP", OTHER, OTHER, 74, ETH, IP4, TYPE(IPPROTO_ESP), PAYLOAD(40)),
	PACKET("IPv6 ESP", OTHER, OTHER, 94, ETH, IP6, TYPE(IPPROTO_ESP), PAYLOAD(40)),
	PACKET("IPv4 AH hides its TCP", OTHER, OTHER, 78, ETH, IP4, EXT(AH, 24), TCP(40000, 22)),
	PACKET("IPv4 in IPv4", OTHER, OTHER, 74, ETH, IP4, IP4, TCP(40000, 22)),
	PACKET("IPv6 in IPv4", OTHER, OTHER, 94, ETH, IP4, IP6, TCP(40000, 22)),
	PACKET("IPv4 in IPv6", OTHER, OTHER, 94, ETH, IP6, IP4, TCP(40000, 22)),
	PACKET("OSPF", OTHER, OTHER, 58, ETH, IP4, TYPE(89), PAYLOAD(24)),
	PACKET("protocol 255", OTHER, OTHER, 44, ETH, IP4, TYPE(255), PAYLOAD(10)),
	PACKET("protocol 0", OTHER, OTHER, 44, ETH, IP4, TYPE(0), PAYLOAD(10)),

	/* not IP */
	PACKET("ARP", CONTROL, CONTROL, 42, ETH, TYPE(ETH_P_ARP), PAYLOAD(28)),
	PACKET("ARP, padded", CONTROL, CONTROL, 60, ETH, TYPE(ETH_P_ARP), PAYLOAD(46)),
	PACKET("RARP", CONTROL, CONTROL, 42, ETH, TYPE(ETH_P_RARP), PAYLOAD(28)),
	PACKET("LLDP", CONTROL, CONTROL, 60, ETH, TYPE(0x88cc), PAYLOAD(46)),
	PACKET("LACP", CONTROL, CONTROL, 124, ETH, TYPE(ETH_P_SLOW), PAYLOAD(110)),
	PACKET("EAPOL", CONTROL, CONTROL, 60, ETH, TYPE(ETH_P_PAE), PAYLOAD(46)),
	PACKET("PPPoE", CONTROL, CONTROL, 60, ETH, TYPE(ETH_P_PPP_SES), PAYLOAD(46)),
	PACKET("MPLS", CONTROL, CONTROL, 60, ETH, TYPE(ETH_P_MPLS_UC), PAYLOAD(46)),
	PACKET("802.3 with a length", CONTROL, CONTROL, 60, ETH, TYPE(38), PAYLOAD(46)),
	PACKET("ethertype 0x1234", CONTROL, CONTROL, 60, ETH, TYPE(0x1234), PAYLOAD(46)),
	PACKET("ethertype of IPv4, bytes swapped", CONTROL, CONTROL, 54, ETH, TYPE(0x0008),
	       PAYLOAD(40)),
	PACKET("an Ethernet header alone", CONTROL, CONTROL, 14, ETH),

	/* VLAN */
	PACKET("802.1Q", OTHER, SSH, 58, ETH, TAG(100), IP4, TCP(40000, 22)),
	PACKET("802.1Q, priority only", SSH, OTHER, 58, ETH, TAG(0), IP4, TCP(22, 40000)),
	PACKET("802.1Q, all bits set", UI, API, 58, ETH, TAG(0xffff), IP4, TCP(40000, 443)),
	PACKET("802.1Q IPv6", OTHER, TELNET, 78, ETH, TAG(1), IP6, TCP(40000, 23)),
	PACKET("802.1ad", API, UI, 58, ETH, OUTER_TAG(7), IP4, TCP(443, 40000)),
	PACKET("QinQ", ADMIN, OTHER, 62, ETH, OUTER_TAG(7), TAG(9), IP4, TCP(40000, 8443)),
	PACKET("QinQ IPv6", OTHER, ADMIN, 82, ETH, OUTER_TAG(7), TAG(9), IP6, TCP(8443, 40000)),
	PACKET("802.1Q twice", OTHER, SSH, 62, ETH, TAG(7), TAG(9), IP4, TCP(40000, 22)),
	PACKET("three tags", OTHER, SSH, 66, ETH, OUTER_TAG(1), OUTER_TAG(2), TAG(3), IP4,
	       TCP(40000, 22)),
	PACKET("three tags IPv6", SSH, OTHER, 86, ETH, OUTER_TAG(1), OUTER_TAG(2), TAG(3), IP6,
	       TCP(22, 40000)),
	PACKET("four tags are too deep to be known for IP", CONTROL, CONTROL, 70, ETH, OUTER_TAG(1),
	       OUTER_TAG(2), TAG(3), TAG(4), IP4, TCP(40000, 22)),
	PACKET("802.1Q ICMPv6 discovery", CONTROL, CONTROL, 66, ETH, TAG(5), IP6, ICMP6_TYPE(135)),
	PACKET("802.1Q ARP", CONTROL, CONTROL, 46, ETH, TAG(5), TYPE(ETH_P_ARP), PAYLOAD(28)),
	PACKET("802.1Q UDP", OTHER, OTHER, 46, ETH, TAG(5), IP4, UDP(40000, 22)),
	PACKET("802.1Q ending in the tag", CONTROL, CONTROL, 16, ETH, TYPE(ETH_P_8021Q),
	       PAYLOAD(2)),

	/* IPv4 options; headers that are none */
	PACKET("ihl 6", OTHER, SSH, 58, ETH, IP4_WORDS(6), TCP(40000, 22)),
	PACKET("ihl 7", SSH, OTHER, 62, ETH, IP4_WORDS(7), TCP(22, 40000)),
	PACKET("ihl 8", UI, API, 66, ETH, IP4_WORDS(8), TCP(40000, 443)),
	PACKET("ihl 9", API, UI, 70, ETH, IP4_WORDS(9), TCP(443, 40000)),
	PACKET("ihl 10", ADMIN, OTHER, 74, ETH, IP4_WORDS(10), TCP(40000, 8443)),
	PACKET("ihl 11", OTHER, ADMIN, 78, ETH, IP4_WORDS(11), TCP(8443, 40000)),
	PACKET("ihl 12", OTHER, TELNET, 82, ETH, IP4_WORDS(12), TCP(40000, 23)),
	PACKET("ihl 13", TELNET, OTHER, 86, ETH, IP4_WORDS(13), TCP(23, 40000)),
	PACKET("ihl 14", ICMP, ICMP, 78, ETH, IP4_WORDS(14), ICMP4_TYPE(8)),
	PACKET("ihl 15", OTHER, SSH, 94, ETH, IP4_WORDS(15), TCP(40000, 22)),
	PACKET("802.1Q, ihl 15", OTHER, SSH, 98, ETH, TAG(1), IP4_WORDS(15), TCP(40000, 22)),
	PACKET("options reach beyond the end", OTHER, OTHER, 44, ETH, IP4, POKE(0, 0x4f),
	       TYPE(IPPROTO_TCP), PAYLOAD(10)),
	PACKET("ihl 0", OTHER, OTHER, 54, ETH, IP4, POKE(0, 0x40), TCP(40000, 22)),
	PACKET("ihl 1", OTHER, OTHER, 54, ETH, IP4, POKE(0, 0x41), TCP(40000, 22)),
	PACKET("ihl 4", OTHER, OTHER, 54, ETH, IP4, POKE(0, 0x44), TCP(40000, 22)),
	PACKET("ihl 4, an address like ports", OTHER, OTHER, 54, ETH, IP4, POKE(0, 0x44),
	       POKE(16, 0x9c), POKE(17, 0x40), POKE(18, 0), POKE(19, 22), TCP(40000, 22)),
	ETHERNET_ONLY("IPv4 of version 0", OTHER, OTHER, 54, ETH, IP4, POKE(0, 0x05),
		      TCP(40000, 22)),
	ETHERNET_ONLY("IPv4 of version 5", OTHER, OTHER, 54, ETH, IP4, POKE(0, 0x55),
		      TCP(40000, 22)),
	ETHERNET_ONLY("IPv4 of version 6", OTHER, OTHER, 54, ETH, IP4, POKE(0, 0x65),
		      TCP(40000, 22)),
	ETHERNET_ONLY("IPv6 of version 4", OTHER, OTHER, 74, ETH, IP6, POKE(0, 0x45),
		      TCP(40000, 22)),
	ETHERNET_ONLY("IPv6 of version 15", OTHER, OTHER, 74, ETH, IP6, POKE(0, 0xf0),
		      TCP(40000, 22)),
	PACKET("half an IPv4 header", OTHER, OTHER, 24, ETH, TYPE(ETH_P_IP), PAYLOAD(10)),
	PACKET("half an IPv6 header", OTHER, OTHER, 34, ETH, TYPE(ETH_P_IPV6), PAYLOAD(20)),
	PACKET("no IPv4 header", OTHER, OTHER, 14, ETH, TYPE(ETH_P_IP)),
	PACKET("IPv4 TCP without ports", OTHER, OTHER, 37, ETH, IP4, TYPE(IPPROTO_TCP), PAYLOAD(3)),
	PACKET("IPv6 TCP without ports", OTHER, OTHER, 57, ETH, IP6, TYPE(IPPROTO_TCP), PAYLOAD(3)),
	PACKET("do not fragment", OTHER, SSH, 54, ETH, IP4, POKE(6, 0x40), TCP(40000, 22)),
	PACKET("reserved bit", OTHER, SSH, 54, ETH, IP4, POKE(6, 0x80), TCP(40000, 22)),
	PACKET("another type of service", OTHER, SSH, 54, ETH, IP4, POKE(1, 0xff), TCP(40000, 22)),
	PACKET("IPv6 traffic class and flow label", OTHER, SSH, 74, ETH, IP6, POKE(0, 0x6f),
	       POKE(1, 0xff), TCP(40000, 22)),

	/* IPv6 extension headers */
	PACKET("hop-by-hop", OTHER, SSH, 82, ETH, IP6, EXT(HOP_BY_HOP, 8), TCP(40000, 22)),
	PACKET("routing", SSH, OTHER, 98, ETH, IP6, EXT(ROUTING, 24), TCP(22, 40000)),
	PACKET("destination options", UI, API, 90, ETH, IP6, EXT(DESTINATION, 16), TCP(40000, 443)),
	PACKET("mobility", API, UI, 82, ETH, IP6, EXT(MOBILITY, 8), TCP(443, 40000)),
	PACKET("HIP", ADMIN, OTHER, 114, ETH, IP6, EXT(HIP, 40), TCP(40000, 8443)),
	PACKET("Shim6", OTHER, ADMIN, 82, ETH, IP6, EXT(SHIM6, 8), TCP(8443, 40000)),
	PACKET("AH of 12 bytes", OTHER, TELNET, 86, ETH, IP6, EXT(AH, 12), TCP(40000, 23)),
	PACKET("AH of 24 bytes", TELNET, OTHER, 98, ETH, IP6, EXT(AH, 24), TCP(23, 40000)),
	PACKET("longest AH", OTHER, SSH, 1102, ETH, IP6, EXT(AH, 1028), TCP(40000, 22)),
	PACKET("longest destination options", OTHER, SSH, 2122, ETH, IP6, EXT(DESTINATION, 2048),
	       TCP(40000, 22)),
	PACKET("hop-by-hop, ICMPv6 echo", ICMP6, ICMP6, 70, ETH, IP6, EXT(HOP_BY_HOP, 8),
	       ICMP6_TYPE(128)),
	PACKET("AH, neighbour solicitation", CONTROL, CONTROL, 86, ETH, IP6, EXT(AH, 24),
	       ICMP6_TYPE(135)),
	PACKET("destination options, UDP", OTHER, OTHER, 70, ETH, IP6, EXT(DESTINATION, 8),
	       UDP(40000, 22)),
	PACKET("RFC 8200's order of headers", OTHER, SSH, 150, ETH, IP6, EXT(HOP_BY_HOP, 8),
	       EXT(DESTINATION, 16), EXT(ROUTING, 24), EXT(AH, 12), EXT(DESTINATION, 16),
	       TCP(40000, 22)),
	PACKET("eight extension headers", SSH, OTHER, 138, ETH, IP6, EXT(HOP_BY_HOP, 8),
	       EXT(DESTINATION, 8), EXT(DESTINATION, 8), EXT(DESTINATION, 8), EXT(DESTINATION, 8),
	       EXT(DESTINATION, 8), EXT(DESTINATION, 8), EXT(DESTINATION, 8), TCP(22, 40000)),
	PACKET("nine extension headers are not followed", OTHER, OTHER, 146, ETH, IP6,
	       EXT(HOP_BY_HOP, 8), EXT(DESTINATION, 8), EXT(DESTINATION, 8), EXT(DESTINATION, 8),
	       EXT(DESTINATION, 8), EXT(DESTINATION, 8), EXT(DESTINATION, 8), EXT(DESTINATION, 8),
	       EXT(DESTINATION, 8), TCP(22, 40000)),
	PACKET("no next header", OTHER, OTHER, 74, ETH, IP6, TYPE(IPPROTO_NONE), PAYLOAD(20)),
	PACKET("hop-by-hop, no next header", OTHER, OTHER, 62, ETH, IP6, EXT(HOP_BY_HOP, 8),
	       TYPE(IPPROTO_NONE)),
	PACKET("unknown next header", OTHER, OTHER, 74, ETH, IP6, TYPE(253), PAYLOAD(20)),
	PACKET("ESP after hop-by-hop", OTHER, OTHER, 102, ETH, IP6, EXT(HOP_BY_HOP, 8),
	       TYPE(IPPROTO_ESP), PAYLOAD(40)),
	PACKET("extension header reaches beyond the end", OTHER, OTHER, 82, ETH, IP6,
	       EXT(DESTINATION, 8), POKE(41, 200), TCP(40000, 22)),
	PACKET("extension header of one byte", OTHER, OTHER, 55, ETH, IP6, TYPE(DESTINATION),
	       PAYLOAD(1)),
	PACKET("QinQ, hop-by-hop", OTHER, SSH, 90, ETH, OUTER_TAG(1), TAG(2), IP6,
	       EXT(HOP_BY_HOP, 8), TCP(40000, 22)),

	/* fragments, in this order */
	PACKET("later fragment, its first unknown", OTHER, OTHER, 54, ETH, IP4,
	       FRAGMENT4(1, 3, LAST), TCP(40000, 22)),
	PACKET("later one, read as if it had ports", OTHER, OTHER, 54, ETH, IP4,
	       FRAGMENT4(1, 3, MORE), TCP(22, 40000)),
	PACKET("first fragment", OTHER, SSH, 54, ETH, IP4, FRAGMENT4(1, 0, MORE), TCP(40000, 22)),
	PACKET("IPv4 TCP, second fragment", OTHER, SSH, 50, ETH, IP4, FRAGMENT4(1, 3, MORE),
	       TYPE(IPPROTO_TCP), PAYLOAD(16)),
	PACKET("IPv4 TCP, last fragment", OTHER, SSH, 44, ETH, IP4, FRAGMENT4(1, 5, LAST),
	       TYPE(IPPROTO_TCP), PAYLOAD(10)),
	PACKET("IPv4 TCP, last fragment, tagged", OTHER, SSH, 48, ETH, TAG(3), IP4,
	       FRAGMENT4(1, 5, LAST), TYPE(IPPROTO_TCP), PAYLOAD(10)),
	PACKET("IPv4 TCP, last fragment, with options", OTHER, SSH, 52, ETH, IP4_WORDS(7),
	       FRAGMENT4(1, 5, LAST), TYPE(IPPROTO_TCP), PAYLOAD(10)),
	PACKET("IPv4 TCP, last fragment, farthest offset", OTHER, SSH, 44, ETH, IP4,
	       FRAGMENT4(1, 0x1fff, LAST), TYPE(IPPROTO_TCP), PAYLOAD(10)),
	PACKET("IPv4 TCP, last fragment, offset of one bit", OTHER, SSH, 44, ETH, IP4,
	       FRAGMENT4(1, 0x1000, LAST), TYPE(IPPROTO_TCP), PAYLOAD(10)),
	PACKET("same id, another address", OTHER, OTHER, 44, ETH, IP4, FROM(77),
	       FRAGMENT4(1, 5, LAST), TYPE(IPPROTO_TCP), PAYLOAD(10)),
	PACKET("same id, another destination", OTHER, OTHER, 44, ETH, IP4, TO(77),
	       FRAGMENT4(1, 5, LAST), TYPE(IPPROTO_TCP), PAYLOAD(10)),
	PACKET("later fragment of ICMP, its first unknown", OTHER, OTHER, 44, ETH, IP4,
	       FRAGMENT4(1, 5, LAST), TYPE(IPPROTO_ICMP), PAYLOAD(10)),
	PACKET("same id, another protocol", OTHER, OTHER, 44, ETH, IP4, FRAGMENT4(1, 5, LAST),
	       TYPE(IPPROTO_UDP), PAYLOAD(10)),
	PACKET("another id", OTHER, OTHER, 44, ETH, IP4, FRAGMENT4(0x100, 5, LAST),
	       TYPE(IPPROTO_TCP), PAYLOAD(10)),
	PACKET("same id used again", UI, API, 54, ETH, IP4, FRAGMENT4(1, 0, MORE), TCP(40000, 443)),
	PACKET("same id used again, last fragment", UI, API, 44, ETH, IP4, FRAGMENT4(1, 5, LAST),
	       TYPE(IPPROTO_TCP), PAYLOAD(10)),
	PACKET("first fragment with options", SSH, OTHER, 62, ETH, IP4_WORDS(7),
	       FRAGMENT4(2, 0, MORE), TCP(22, 40000)),
	PACKET("first had options, last fragment", SSH, OTHER, 44, ETH, IP4, FRAGMENT4(2, 5, LAST),
	       TYPE(IPPROTO_TCP), PAYLOAD(10)),
	PACKET("first fragment of ICMP", ICMP, ICMP, 58, ETH, IP4, FRAGMENT4(3, 0, MORE),
	       ICMP4_TYPE(8), PAYLOAD(16)),
	PACKET("ICMP, last fragment", ICMP, ICMP, 44, ETH, IP4, FRAGMENT4(3, 3, LAST),
	       TYPE(IPPROTO_ICMP), PAYLOAD(10)),
	PACKET("first fragment of UDP", OTHER, OTHER, 58, ETH, IP4, FRAGMENT4(4, 0, MORE),
	       UDP(40000, 22), PAYLOAD(16)),
	PACKET("UDP, last fragment", OTHER, OTHER, 44, ETH, IP4, FRAGMENT4(4, 3, LAST),
	       TYPE(IPPROTO_UDP), PAYLOAD(10)),
	PACKET("first fragment, inwards alone", ADMIN, UNSENT, 54, ETH, IP4, FRAGMENT4(5, 0, MORE),
	       TCP(40000, 8443)),
	PACKET("inwards alone, last fragment, outwards", UNSENT, OTHER, 44, ETH, IP4,
	       FRAGMENT4(5, 5, LAST), TYPE(IPPROTO_TCP), PAYLOAD(10)),
	PACKET("inwards alone, last fragment, inwards", ADMIN, UNSENT, 44, ETH, IP4,
	       FRAGMENT4(5, 5, LAST), TYPE(IPPROTO_TCP), PAYLOAD(10)),
	PACKET("IPv6 later fragment, its first unknown", OTHER, OTHER, 82, ETH, IP6,
	       FRAGMENT6(1, 3, LAST), TCP(40000, 22)),
	PACKET("IPv6 later fragment, read as if it were discovery", OTHER, OTHER, 70, ETH, IP6,
	       FRAGMENT6(1, 3, LAST), ICMP6_TYPE(135)),
	PACKET("IPv6 first fragment", OTHER, SSH, 82, ETH, IP6, FRAGMENT6(1, 0, MORE),
	       TCP(40000, 22)),
	PACKET("IPv6 TCP, second fragment", OTHER, SSH, 78, ETH, IP6, FRAGMENT6(1, 3, MORE),
	       TYPE(IPPROTO_TCP), PAYLOAD(16)),
	PACKET("IPv6 TCP, last fragment", OTHER, SSH, 72, ETH, IP6, FRAGMENT6(1, 5, LAST),
	       TYPE(IPPROTO_TCP), PAYLOAD(10)),
	PACKET("IPv6 TCP, last fragment, tagged", OTHER, SSH, 76, ETH, TAG(3), IP6,
	       FRAGMENT6(1, 5, LAST), TYPE(IPPROTO_TCP), PAYLOAD(10)),
	PACKET("IPv6 same id, another address", OTHER, OTHER, 72, ETH, IP6, FROM(77),
	       FRAGMENT6(1, 5, LAST), TYPE(IPPROTO_TCP), PAYLOAD(10)),
	PACKET("IPv6 same id, another destination", OTHER, OTHER, 72, ETH, IP6, TO(77),
	       FRAGMENT6(1, 5, LAST), TYPE(IPPROTO_TCP), PAYLOAD(10)),
	PACKET("IPv6 id that differs above 16 bits", OTHER, OTHER, 72, ETH, IP6,
	       FRAGMENT6(0x10001, 5, LAST), TYPE(IPPROTO_TCP), PAYLOAD(10)),
	PACKET("IPv6 first fragment between extension headers", SSH, OTHER, 98, ETH, IP6,
	       EXT(HOP_BY_HOP, 8), FRAGMENT6(2, 0, MORE), EXT(DESTINATION, 8), TCP(22, 40000)),
	PACKET("IPv6, between extension headers, last fragment", SSH, OTHER, 80, ETH, IP6,
	       EXT(HOP_BY_HOP, 8), FRAGMENT6(2, 4, LAST), TYPE(DESTINATION), PAYLOAD(10)),
	PACKET("IPv6 first fragment of an echo", ICMP6, ICMP6, 70, ETH, IP6, FRAGMENT6(3, 0, MORE),
	       ICMP6_TYPE(128)),
	PACKET("ICMPv6 echo, last fragment", ICMP6, ICMP6, 72, ETH, IP6, FRAGMENT6(3, 1, LAST),
	       TYPE(IPPROTO_ICMPV6), PAYLOAD(10)),
	PACKET("atomic fragment", OTHER, SSH, 82, ETH, IP6, FRAGMENT6(4, 0, LAST), TCP(40000, 22)),
	PACKET("a later fragment with its id", OTHER, OTHER, 72, ETH, IP6, FRAGMENT6(4, 5, LAST),
	       TYPE(IPPROTO_TCP), PAYLOAD(10)),
	PACKET("atomic fragment, neighbour solicitation", CONTROL, CONTROL, 70, ETH, IP6,
	       FRAGMENT6(4, 0, LAST), ICMP6_TYPE(135)),
	PACKET("half a fragment header", OTHER, OTHER, 58, ETH, IP6, TYPE(IPPROTO_FRAGMENT),
	       PAYLOAD(4)),
	PACKET("IPv6 first fragment, outwards alone", UNSENT, TELNET, 82, ETH, IP6,
	       FRAGMENT6(5, 0, MORE), TCP(40000, 23)),
	PACKET("IPv6, outwards alone, last fragment, inwards", OTHER, UNSENT, 72, ETH, IP6,
	       FRAGMENT6(5, 5, LAST), TYPE(IPPROTO_TCP), PAYLOAD(10)),
	PACKET("IPv6, outwards alone, last fragment, outwards", UNSENT, TELNET, 72, ETH, IP6,
	       FRAGMENT6(5, 5, LAST), TYPE(IPPROTO_TCP), PAYLOAD(10)),
	PACKET("first fragment of an MLDv2 report", CONTROL, CONTROL, 78, ETH, IP6,
	       EXT(HOP_BY_HOP, 8), FRAGMENT6(6, 0, MORE), ICMP6_TYPE(143)),
	PACKET("MLDv2 report, last fragment", CONTROL, CONTROL, 80, ETH, IP6, EXT(HOP_BY_HOP, 8),
	       FRAGMENT6(6, 1, LAST), TYPE(IPPROTO_ICMPV6), PAYLOAD(10)),

	/* super-packets: length + (frames - 1) * headers */
	SUPER("TCP, 3 segments", OTHER, SSH, 1000, 3, 3, 3054 + 2 * 54, 0, ETH, IP4, TCP(40000, 22),
	      PAYLOAD(3000)),
	SUPER("TCP, 3 segments, not counted", OTHER, SSH, 1000, 0, 3, 3054 + 2 * 54, 0, ETH, IP4,
	      TCP(40000, 22), PAYLOAD(3000)),
	SUPER("TCP, a third segment of one byte", OTHER, SSH, 1000, 3, 3, 2055 + 2 * 54, 0, ETH,
	      IP4, TCP(40000, 22), PAYLOAD(2001)),
	SUPER("TCP, a third segment of one byte, not counted", OTHER, SSH, 1000, 0, 3,
	      2055 + 2 * 54, 0, ETH, IP4, TCP(40000, 22), PAYLOAD(2001)),
	SUPER("TCP, 2 full segments, not counted", OTHER, SSH, 1000, 0, 2, 2054 + 54, 0, ETH, IP4,
	      TCP(40000, 22), PAYLOAD(2000)),
	SUPER("TCP with time stamps", SSH, OTHER, 1448, 2, 2, 2962 + 66, 0, ETH, IP4,
	      TCP_SIZE(22, 40000, 32), PAYLOAD(2896)),
	SUPER("TCP with time stamps, not counted", SSH, OTHER, 1448, 0, 2, 2962 + 66, 0, ETH, IP4,
	      TCP_SIZE(22, 40000, 32), PAYLOAD(2896)),
	SUPER("TCP with all options, IPv4 with all options", UI, API, 536, 6, 6, 3350 + 5 * 134, 0,
	      ETH, IP4_WORDS(15), TCP_SIZE(40000, 443, 60), PAYLOAD(3216)),
	SUPER("TCP, many small segments", UI, API, 48, 60, 60, 2934 + 59 * 54, 0, ETH, IP4,
	      TCP(40000, 443), PAYLOAD(2880)),
	SUPER("TCP, one segment", UI, API, 1460, 1, 1, 1514, 0, ETH, IP4, TCP(40000, 443),
	      PAYLOAD(1460)),
	SUPER("TCP, less than a segment, not counted", UI, API, 1460, 0, 1, 154, 0, ETH, IP4,
	      TCP(40000, 443), PAYLOAD(100)),
	SUPER("IPv6 TCP", API, UI, 1000, 3, 3, 3086 + 2 * 86, 0, ETH, IP6, TCP_SIZE(443, 40000, 32),
	      PAYLOAD(3000)),
	SUPER("IPv6 TCP, not counted", API, UI, 1000, 0, 3, 3086 + 2 * 86, 0, ETH, IP6,
	      TCP_SIZE(443, 40000, 32), PAYLOAD(3000)),
	SUPER("IPv6 TCP after hop-by-hop", API, UI, 1000, 0, 3, 3082 + 2 * 82, 0, ETH, IP6,
	      EXT(HOP_BY_HOP, 8), TCP(443, 40000), PAYLOAD(3000)),
	SUPER("802.1Q TCP", OTHER, SSH, 1000, 3, 3, 3058 + 2 * 58, 0, ETH, TAG(4), IP4,
	      TCP(40000, 22), PAYLOAD(3000)),
	SUPER("QinQ IPv6 TCP, not counted", OTHER, SSH, 1000, 0, 3, 3082 + 2 * 82, 0, ETH,
	      OUTER_TAG(3), TAG(4), IP6, TCP(40000, 22), PAYLOAD(3000)),
	SUPER("UDP", OTHER, OTHER, 1000, 3, 3, 2642 + 2 * 42, 0, ETH, IP4, UDP(40000, 40001),
	      PAYLOAD(2600)),
	SUPER("UDP, not counted", OTHER, OTHER, 1000, 0, 3, 2642 + 2 * 42, 0, ETH, IP4,
	      UDP(40000, 40001), PAYLOAD(2600)),
	SUPER("UDP, 2 full segments, not counted", OTHER, OTHER, 1000, 0, 2, 2042 + 42, 0, ETH, IP4,
	      UDP(40000, 40001), PAYLOAD(2000)),
	SUPER("IPv6 UDP", OTHER, OTHER, 1200, 2, 2, 1863 + 62, 0, ETH, IP6, UDP(443, 40000),
	      PAYLOAD(1801)),
	SUPER("IPv6 UDP, not counted", OTHER, OTHER, 1200, 0, 2, 1863 + 62, 0, ETH, IP6,
	      UDP(443, 40000), PAYLOAD(1801)),
	/*
	 * Tunnels: inner headers are not parsed, and may be charged too much, never too
	 * little. Where nobody has counted the segments there may be one more of them.
	 */
	SUPER("VXLAN", OTHER, OTHER, 1000, 3, 3, 3104 + 2 * 104, 2 * 256, ETH, IP4,
	      UDP(40000, 4789), PAYLOAD(8), ETH, IP4, TCP(40000, 22), PAYLOAD(3000)),
	SUPER("VXLAN, a short last segment", OTHER, OTHER, 1000, 3, 3, 2114 + 2 * 104, 2 * 10, ETH,
	      IP4, UDP(40000, 4789), PAYLOAD(8), ETH, IP4, TCP(40000, 22), PAYLOAD(2010)),
	SUPER("VXLAN, not counted", OTHER, OTHER, 1000, 0, 3, 3104 + 2 * 104, 4 * 300, ETH, IP4,
	      UDP(40000, 4789), PAYLOAD(8), ETH, IP4, TCP(40000, 22), PAYLOAD(3000)),
	SUPER("VXLAN, a short last segment, not counted", OTHER, OTHER, 1000, 0, 2, 1154 + 104,
	      4 * 300, ETH, IP4, UDP(40000, 4789), PAYLOAD(8), ETH, IP4, TCP(40000, 22),
	      PAYLOAD(1050)),
	SUPER("VXLAN on Linux's older port", OTHER, OTHER, 1000, 3, 3, 3104 + 2 * 104, 2 * 256, ETH,
	      IP4, UDP(40000, 8472), PAYLOAD(8), ETH, IP4, TCP(40000, 22), PAYLOAD(3000)),
	SUPER("VXLAN from its port", OTHER, OTHER, 1000, 3, 3, 3104 + 2 * 104, 2 * 256, ETH, IP4,
	      UDP(4789, 40000), PAYLOAD(8), ETH, IP4, TCP(40000, 22), PAYLOAD(3000)),
	SUPER("Geneve over IPv6", OTHER, OTHER, 1000, 3, 3, 3144 + 2 * 144, 2 * 256, ETH, IP6,
	      UDP(40000, 6081), PAYLOAD(8), ETH, IP6, TCP(40000, 22), PAYLOAD(3000)),
	SUPER("GRE", OTHER, OTHER, 1000, 3, 3, 3078 + 2 * 78, 2 * 256, ETH, IP4, TYPE(IPPROTO_GRE),
	      PAYLOAD(4), IP4, TCP(40000, 22), PAYLOAD(3000)),
	SUPER("IPv4 in IPv6", OTHER, OTHER, 1000, 3, 3, 3094 + 2 * 94, 2 * 256, ETH, IP6, IP4,
	      TCP(40000, 22), PAYLOAD(3000)),

	/* only without an Ethernet header: the first four bits say what it is */
	PACKET("garbage", CONTROL, CONTROL, 40, PAYLOAD(40)),
	PACKET("version 0", CONTROL, CONTROL, 40, IP4, POKE(0, 0x05), TCP(40000, 22)),
	PACKET("version 5", CONTROL, CONTROL, 40, IP4, POKE(0, 0x55), TCP(40000, 22)),
	PACKET("version 7", CONTROL, CONTROL, 60, IP6, POKE(0, 0x70), TCP(40000, 22)),
	PACKET("version 6, an IPv4 header's length", OTHER, OTHER, 20, IP4, POKE(0, 0x65)),
};

/* Of a row of the flow table. */
static const __u8 classes[BWCTL_FLOWS] = {
	[UI] = BWCTL_UI,      [ADMIN] = BWCTL_ADMIN,   [API] = BWCTL_API,
	[SSH] = BWCTL_SSH,    [TELNET] = BWCTL_TELNET, [ICMP] = BWCTL_ICMP,
	[ICMP6] = BWCTL_ICMP, [OTHER] = BWCTL_OTHER,   [CONTROL] = BWCTL_CONTROL,
};

static uint64_t random_state = 0x2545f4914f6cdd1d;

/* xorshift64 (Marsaglia 2003): the same on every machine. */
static uint64_t random_below(uint64_t bound)
{
	random_state ^= random_state << 13;
	random_state ^= random_state >> 7;
	random_state ^= random_state << 17;
	return random_state % bound;
}

static __u64 now_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (__u64)now.tv_sec * S + (__u64)now.tv_nsec;
}

static void sleep_ns(__u64 duration_ns)
{
	struct timespec duration = {.tv_sec = duration_ns / S, .tv_nsec = duration_ns % S};

	while (nanosleep(&duration, &duration))
		;
}

/* Frames */

struct frame {
	__u8 bytes[FRAME_MAX];
	__u32 length;
	__u32 network;	  /* the last IP header */
	__u32 next;	  /* where the last header says what follows */
	__u32 next_bytes; /* 2 for an ethertype, 1 for a protocol, 0 for nothing */
	struct {
		__u32 at, from; /* a 16-bit length field, and where what it measures begins */
	} lengths[8];
	__u32 lengths_count;
};

static void put16(__u8 *at, __u32 value)
{
	at[0] = (__u8)(value >> 8);
	at[1] = (__u8)value;
}

static __u32 frame_push(struct frame *frame, __u32 bytes, __u8 fill)
{
	__u32 at = frame->length;

	assert_true(at + bytes <= sizeof(frame->bytes));
	memset(frame->bytes + at, fill, bytes);
	frame->length += bytes;
	return at;
}

static void frame_say_next(struct frame *frame, __u32 value)
{
	if (frame->next_bytes == 2)
		put16(frame->bytes + frame->next, value);
	else if (frame->next_bytes == 1)
		frame->bytes[frame->next] = (__u8)value;
}

static void frame_next_at(struct frame *frame, __u32 at, __u32 bytes)
{
	frame->next = at;
	frame->next_bytes = bytes;
}

static void frame_length_at(struct frame *frame, __u32 at, __u32 from)
{
	assert_true(frame->lengths_count < COUNT(frame->lengths));
	frame->lengths[frame->lengths_count].at = at;
	frame->lengths[frame->lengths_count++].from = from;
}

static void frame_push_ipv4(struct frame *frame, __u32 words)
{
	__u32 at = frame_push(frame, words * 4, 1 /* options: no operation */);
	__u8 *ip = frame->bytes + at;
	static const __u8 header[20] = {0, 0, 0,   0, 0, 0, 0,	 0,  64,  0,
					0, 0, 192, 0, 2, 1, 198, 51, 100, 2};

	frame_say_next(frame, frame->next_bytes == 2 ? ETH_P_IP : IPPROTO_IPIP);
	memcpy(ip, header, sizeof(header));
	ip[0] = (__u8)(0x40 | words);
	frame->network = at;
	frame_length_at(frame, at + 2, at);
	frame_next_at(frame, at + 9, 1);
}

static void frame_push_ipv6(struct frame *frame)
{
	__u32 at = frame_push(frame, 40, 0);
	__u8 *ip = frame->bytes + at;

	frame_say_next(frame, frame->next_bytes == 2 ? ETH_P_IPV6 : IPPROTO_IPV6);
	ip[0] = 0x60;
	ip[7] = 64;
	memcpy(ip + 8, "\x20\x01\x0d\xb8", 4);
	memcpy(ip + 24, "\x20\x01\x0d\xb8", 4);
	ip[23] = 1;
	ip[39] = 2;
	frame->network = at;
	frame_length_at(frame, at + 4, at + 40);
	frame_next_at(frame, at + 6, 1);
}

static void frame_push_fragment6(struct frame *frame, __u32 id, __u32 offset, __u32 more)
{
	__u32 at = frame_push(frame, 8, 0);

	frame_say_next(frame, IPPROTO_FRAGMENT);
	put16(frame->bytes + at + 2, offset << 3 | more);
	put16(frame->bytes + at + 4, id >> 16);
	put16(frame->bytes + at + 6, id);
	frame_next_at(frame, at, 1);
}

static void frame_push_ports(struct frame *frame, __u32 protocol, __u32 bytes, __u32 from, __u32 to)
{
	__u32 at = frame_push(frame, bytes, 0);

	frame_say_next(frame, protocol);
	put16(frame->bytes + at, from);
	put16(frame->bytes + at + 2, to);
	if (protocol == IPPROTO_TCP && bytes >= 20)
		frame->bytes[at + 12] = (__u8)(bytes / 4 << 4);
	if (protocol == IPPROTO_UDP)
		frame_length_at(frame, at + 4, at);
	frame->next_bytes = 0;
}

static void frame_push_header(struct frame *frame, const struct header *header)
{
	__u8 *network = frame->bytes + frame->network;
	__u32 at = frame->length;

	switch (header->kind) {
	case STACK_ETHERNET:
		frame_push(frame, ETH_HLEN, 2);
		frame_next_at(frame, at + 12, 2);
		frame_say_next(frame, 0);
		break;
	case STACK_TAG:
		frame_say_next(frame, header->a);
		frame_push(frame, 4, 0);
		put16(frame->bytes + at, header->b);
		frame_next_at(frame, at + 2, 2);
		break;
	case STACK_TYPE:
		frame_say_next(frame, header->a);
		frame->next_bytes = 0;
		break;
	case STACK_IP4:
		frame_push_ipv4(frame, header->a);
		break;
	case STACK_FRAGMENT4:
		put16(network + 4, header->a);
		put16(network + 6, header->c << 13 | header->b);
		break;
	case STACK_IP6:
		frame_push_ipv6(frame);
		break;
	case STACK_EXTENSION:
		frame_say_next(frame, header->a);
		frame_push(frame, header->b, 0);
		frame->bytes[at + 1] =
			(__u8)(header->a == AH ? header->b / 4 - 2 : header->b / 8 - 1);
		frame_next_at(frame, at, 1);
		break;
	case STACK_FRAGMENT6:
		frame_push_fragment6(frame, header->a, header->b, header->c);
		break;
	case STACK_TCP:
		frame_push_ports(frame, IPPROTO_TCP, header->c, header->a, header->b);
		break;
	case STACK_UDP:
		frame_push_ports(frame, IPPROTO_UDP, 8, header->a, header->b);
		break;
	case STACK_PORTS:
		frame_push_ports(frame, header->a, 4, header->b, header->c);
		break;
	case STACK_ICMP:
		frame_say_next(frame, header->a);
		frame_push(frame, 8, 0);
		frame->bytes[at] = (__u8)header->b;
		frame->next_bytes = 0;
		break;
	case STACK_PAYLOAD:
		frame_push(frame, header->a, 0xa5);
		break;
	case STACK_FROM:
		network[network[0] >> 4 == 4 ? 15 : 23] = (__u8)header->a;
		break;
	case STACK_TO:
		network[network[0] >> 4 == 4 ? 19 : 39] = (__u8)header->a;
		break;
	case STACK_POKE:
		network[header->a] = (__u8)header->b;
		break;
	}
}

/* Bare leaves out the Ethernet header in front. */
static void frame_build(struct frame *frame, const struct header stack[STACK_MAX], bool bare)
{
	memset(frame, 0, sizeof(*frame));
	if (bare && stack[0].kind == STACK_ETHERNET) {
		stack++;
		frame->next_bytes = 0;
	}
	for (__u32 i = 0; i < STACK_MAX && stack[i].kind != STACK_END; i++)
		frame_push_header(frame, &stack[i]);
	for (__u32 i = 0; i < frame->lengths_count; i++)
		put16(frame->bytes + frame->lengths[i].at, frame->length - frame->lengths[i].from);
}

/* Has the row a meaning for the programs of this kind of device? */
static bool row_fits(const struct row *row, bool bare)
{
	if (!bare)
		return row->stack[0].kind == STACK_ETHERNET;
	if (row->stack[0].kind != STACK_ETHERNET)
		return true;
	return !row->ethernet_only &&
	       (row->stack[1].kind == STACK_IP4 || row->stack[1].kind == STACK_IP6);
}

/* The programs, and a trimmer in front of them */

struct fixture {
	struct bwctl_bpf *programs;
	int trimmer, targets;
	struct bwctl_counters seen[BWCTL_DIRECTIONS];
	struct bwctl_interface_counters seen_here[BWCTL_DIRECTIONS];
	__u8 classes[BWCTL_FLOWS]; /* under which each counter of flows is counted */
};

#define TRIMMER_FAILED 12345

#define INSN(code_, destination, source, off_, imm_)                                           \
	{                                                                                      \
		.code = (code_), .dst_reg = (destination), .src_reg = (source), .off = (off_), \
		.imm = (imm_)                                                                  \
	}
#define INSN_COPY(destination, source) INSN(BPF_ALU64 | BPF_MOV | BPF_X, destination, source, 0, 0)
#define INSN_SET(destination, value)   INSN(BPF_ALU64 | BPF_MOV | BPF_K, destination, 0, 0, value)
#define INSN_LOAD_CB(destination, n)                                                               \
	INSN(BPF_LDX | BPF_MEM | BPF_W, destination, BPF_REG_6, offsetof(struct __sk_buff, cb[n]), \
	     0)
#define INSN_CALL(helper) INSN(BPF_JMP | BPF_CALL, 0, 0, 0, helper)

/*
 * BPF_PROG_TEST_RUN takes neither a VLAN tag beside the packet nor an IP packet
 * shorter than its header. This program makes both, as a driver or a hostile
 * sender would, and tail-calls the production program: cb[0] is the length to
 * trim to, cb[1] the tag, cb[2] which program; 0 leaves a step out.
 */
static int trimmer_load(int targets_fd)
{
	const struct bpf_insn program[] = {
		INSN_COPY(BPF_REG_6, BPF_REG_1),
		INSN_LOAD_CB(BPF_REG_2, 0),
		INSN(BPF_JMP | BPF_JEQ | BPF_K, BPF_REG_2, 0, 4, 0),
		INSN_COPY(BPF_REG_1, BPF_REG_6),
		INSN_SET(BPF_REG_3, 0),
		INSN_CALL(BPF_FUNC_skb_change_tail),
		INSN(BPF_JMP | BPF_JNE | BPF_K, BPF_REG_0, 0, 11, 0),
		INSN_LOAD_CB(BPF_REG_3, 1),
		INSN(BPF_JMP | BPF_JEQ | BPF_K, BPF_REG_3, 0, 4, 0),
		INSN_COPY(BPF_REG_1, BPF_REG_6),
		INSN_SET(BPF_REG_2, htons(ETH_P_8021Q)),
		INSN_CALL(BPF_FUNC_skb_vlan_push),
		INSN(BPF_JMP | BPF_JNE | BPF_K, BPF_REG_0, 0, 5, 0),
		INSN_COPY(BPF_REG_1, BPF_REG_6),
		INSN(BPF_LD | BPF_IMM | BPF_DW, BPF_REG_2, BPF_PSEUDO_MAP_FD, 0, targets_fd),
		INSN(0, 0, 0, 0, 0),
		INSN_LOAD_CB(BPF_REG_3, 2),
		INSN_CALL(BPF_FUNC_tail_call),
		INSN_SET(BPF_REG_0, TRIMMER_FAILED),
		INSN(BPF_JMP | BPF_EXIT, 0, 0, 0, 0),
	};

	return bpf_prog_load(BPF_PROG_TYPE_SCHED_CLS, "trimmer", "Dual BSD/GPL", program,
			     COUNT(program), NULL);
}

static __u32 program_index(enum bwctl_direction direction, bool bare)
{
	return (bare ? 2 : 0) + (direction == BWCTL_EGRESS);
}

static int program_fd(struct bwctl_bpf *programs, enum bwctl_direction direction, bool bare)
{
	const struct bpf_program *all[] = {
		programs->progs.bwctl_eth_in,
		programs->progs.bwctl_eth_out,
		programs->progs.bwctl_ip_in,
		programs->progs.bwctl_ip_out,
	};

	return bpf_program__fd(all[program_index(direction, bare)]);
}

static int setup(void **state)
{
	struct fixture *fixture = calloc(1, sizeof(*fixture));

	assert_non_null(fixture);
	fixture->programs = programs_load();
	assert_non_null(fixture->programs);
	fixture->targets = bpf_map_create(BPF_MAP_TYPE_PROG_ARRAY, "targets", sizeof(__u32),
					  sizeof(__u32), 4, NULL);
	assert_true(fixture->targets >= 0);
	for (int direction = 0; direction < BWCTL_DIRECTIONS; direction++)
		for (int bare = 0; bare < 2; bare++) {
			__u32 index = program_index(direction, bare);
			int fd = program_fd(fixture->programs, direction, bare);

			assert_int_equal(
				bpf_map_update_elem(fixture->targets, &index, &fd, BPF_ANY), 0);
		}
	fixture->trimmer = trimmer_load(fixture->targets);
	assert_true(fixture->trimmer >= 0);
	*state = fixture;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *fixture = *state;

	close(fixture->trimmer);
	close(fixture->targets);
	bwctl_bpf__destroy(fixture->programs);
	free(fixture);
	return 0;
}

static void publish_policy(struct fixture *fixture, const struct bwctl_policy *policy)
{
	for (__u32 row = 0; row < BWCTL_FLOWS; row++)
		fixture->classes[policy->table.counter[row]] = policy->table.class[row];
	assert_int_equal(programs_publish(fixture->programs, policy), 0);
}

/* requests may be NULL: no limit. Returns what was published, to be freed. */
static struct bwctl_policy *publish(struct fixture *fixture, const struct bwctl_request *requests,
				    __u64 start_ns)
{
	struct bwctl_policy *policy = programs_policy(requests);

	assert_non_null(policy);
	for (int direction = 0; direction < BWCTL_DIRECTIONS; direction++)
		policy->meter[direction].start_ns = start_ns;
	publish_policy(fixture, policy);
	return policy;
}

static void set_clock(struct fixture *fixture, __u64 spent_until_ns)
{
	struct bwctl_clock clock = {.spent_until_ns = spent_until_ns};

	for (__u32 direction = 0; direction < BWCTL_DIRECTIONS; direction++)
		assert_int_equal(bpf_map_update_elem(bpf_map__fd(fixture->programs->maps.clocks),
						     &direction, &clock, BPF_ANY),
				 0);
}

static void forget_fragments(struct fixture *fixture)
{
	int fd = bpf_map__fd(fixture->programs->maps.fragments);
	struct bwctl_fragment_key key;

	while (!bpf_map_get_next_key(fd, NULL, &key))
		bpf_map_delete_elem(fd, &key);
}

/* What the counters say of what happened since they were last looked at. */
struct outcome {
	int answer;
	__u32 tallies; /* that have moved; 1 is right */
	__u32 direction, row;
	bool dropped;
	__u64 frames, bytes;
};

/* By flow, by class, and by class in the counters of the interface. */
struct outcomes {
	struct outcome flow, class, here;
};

static void outcome_note(struct outcome *outcome, __u32 direction, __u32 row, bool dropped,
			 const struct bwctl_tally *before, const struct bwctl_tally *after)
{
	if (before->packets == after->packets && before->bytes == after->bytes)
		return;
	outcome->tallies++;
	outcome->direction = direction;
	outcome->row = row;
	outcome->dropped = dropped;
	outcome->frames += after->packets - before->packets;
	outcome->bytes += after->bytes - before->bytes;
}

static void outcome_note_rows(struct outcome *outcome, __u32 direction, __u32 count,
			      const struct bwctl_flow_counters *before,
			      const struct bwctl_flow_counters *after)
{
	for (__u32 row = 0; row < count; row++) {
		outcome_note(outcome, direction, row, false, &before[row].passed,
			     &after[row].passed);
		outcome_note(outcome, direction, row, true, &before[row].dropped,
			     &after[row].dropped);
	}
}

static void outcome_read(struct fixture *fixture, __u32 direction, struct outcomes *outcomes)
{
	struct bwctl_counters *before = &fixture->seen[direction];
	struct bwctl_interface_counters *before_here = &fixture->seen_here[direction];
	struct bwctl_counters after = programs_counters(fixture->programs, direction);
	struct bwctl_interface_counters here =
		programs_interface_counters(fixture->programs, direction);

	outcome_note_rows(&outcomes->flow, direction, BWCTL_FLOWS, before->flows, after.flows);
	outcome_note_rows(&outcomes->class, direction, BWCTL_CLASSES, before->classes,
			  after.classes);
	outcome_note_rows(&outcomes->here, direction, BWCTL_CLASSES, before_here->classes,
			  here.classes);
	*before = after;
	*before_here = here;
}

/* The same under the flow's class, and there under that of the interface; by flow. */
static struct outcome outcome_take(struct fixture *fixture, int answer)
{
	struct outcomes outcomes = {.flow.answer = answer};
	struct outcome outcome, of_class;

	for (int direction = 0; direction < BWCTL_DIRECTIONS; direction++)
		outcome_read(fixture, direction, &outcomes);
	outcome = outcomes.flow;
	of_class = outcomes.class;
	if (outcome.tallies == 1) {
		assert_int_equal(of_class.row, fixture->classes[outcome.row]);
		of_class.row = outcome.row;
	}
	of_class.answer = answer;
	assert_memory_equal(&of_class, &outcome, sizeof(outcome));
	assert_memory_equal(&outcomes.here, &outcomes.class, sizeof(outcome));
	return outcome;
}

struct parcel {
	const __u8 *bytes;
	__u32 length; /* of the skb, within FRAME_MAX */
	enum bwctl_direction direction;
	bool bare;
	__u32 tag; /* beside the packet, 0 for none */
	__u32 gso_size, gso_segs;
	__u32 wire_bytes; /* skb->wire_len, 0 for the length */
};

static struct outcome deliver(struct fixture *fixture, const struct parcel *parcel)
{
	struct __sk_buff context = {
		.gso_size = parcel->gso_size,
		.gso_segs = parcel->gso_segs,
		.wire_len = parcel->wire_bytes,
		.cb = {0, parcel->tag, program_index(parcel->direction, parcel->bare)},
	};
	__u8 padded[UNTRIMMED_LEAST_BYTES] = {0};
	int fd = parcel->tag ? fixture->trimmer :
			       program_fd(fixture->programs, parcel->direction, parcel->bare);
	const __u8 *bytes = parcel->bytes;
	__u32 length = parcel->length;
	int answer, err;

	if (length < sizeof(padded)) {
		memcpy(padded, bytes, length);
		context.cb[0] = length;
		bytes = padded;
		length = sizeof(padded);
		fd = fixture->trimmer;
	}
	err = programs_run(fd, bytes, length, &context, 1, &answer, NULL);
	if (err)
		fail_msg("BPF_PROG_TEST_RUN of %u bytes: %s", parcel->length, strerror(-err));
	assert_int_not_equal(answer, TRIMMER_FAILED);
	return outcome_take(fixture, answer);
}

/* Counted once, in its direction, and answered as it was counted. */
static bool outcome_is_whole(const struct outcome *outcome, enum bwctl_direction direction)
{
	bool passed = outcome->answer == PROGRAMS_PASS;

	if (direction == BWCTL_INGRESS && !passed && outcome->answer != TC_ACT_SHOT)
		return false;
	return outcome->tallies == 1 && outcome->direction == direction &&
	       outcome->dropped == !passed;
}

/* The table */

struct pass {
	bool bare, dropped;
	__u32 overhead_bytes, tag;
};

static int check_row(struct fixture *fixture, const struct row *row, const struct pass *pass,
		     enum bwctl_direction direction, bool wire_known)
{
	__u32 flow = direction == BWCTL_INGRESS ? row->in : row->out;
	bool strip = pass->bare && row->stack[0].kind == STACK_ETHERNET;
	__u32 each = pass->overhead_bytes + (pass->tag ? 4 : 0);
	__u32 wire = row->bytes - (strip ? ETH_HLEN * row->frames : 0);
	__u32 bytes = wire + each * row->frames;
	bool estimated = row->bytes_above && !row->gso_segs;
	__u32 most_frames = row->frames + estimated;
	/* Of a tunnel even the kernel's own sum is not believed when it is the smaller one. */
	__u32 most = bytes + (estimated ? each : 0) + row->bytes_above;
	struct outcome outcome;
	struct frame frame;

	if (flow == UNSENT)
		return 0;
	frame_build(&frame, row->stack, pass->bare);
	outcome = deliver(fixture, &(struct parcel){
					   .bytes = frame.bytes,
					   .length = frame.length,
					   .direction = direction,
					   .bare = pass->bare,
					   .tag = pass->tag,
					   .gso_size = row->gso_size,
					   .gso_segs = row->gso_segs,
					   .wire_bytes = wire_known ? wire : 0,
				   });
	if (outcome_is_whole(&outcome, direction) && outcome.dropped == pass->dropped &&
	    outcome.row == flow && outcome.frames >= row->frames && outcome.frames <= most_frames &&
	    outcome.bytes >= bytes && outcome.bytes <= most)
		return 0;
	print_error("%s%s%s%s, %s: expected %s in row %u, %u frames, %u to %u bytes; "
		    "got %s (%d) in row %u, %llu frames, %llu bytes, %u counters moved\n",
		    row->name, pass->bare ? ", bare" : "", pass->tag ? ", tag stripped" : "",
		    wire_known ? ", wire_len known" : "", policy_direction_name(direction),
		    pass->dropped ? "dropped" : "passed", flow, row->frames, bytes, most,
		    outcome.dropped ? "dropped" : "passed", outcome.answer, outcome.row,
		    outcome.frames, outcome.bytes, outcome.tallies);
	return 1;
}

static int check_table(struct fixture *fixture, const struct pass *pass)
{
	int wrong = 0;

	forget_fragments(fixture);
	for (size_t i = 0; i < COUNT(rows); i++) {
		if (!row_fits(&rows[i], pass->bare))
			continue;
		wrong += check_row(fixture, &rows[i], pass, BWCTL_INGRESS, false);
		wrong += check_row(fixture, &rows[i], pass, BWCTL_EGRESS, false);
		if (rows[i].gso_size)
			wrong += check_row(fixture, &rows[i], pass, BWCTL_EGRESS, true);
	}
	return wrong;
}

static void test_table(void **state)
{
	struct fixture *fixture = *state;
	struct bwctl_policy *policy = publish(fixture, NULL, 0);

	for (__u32 flow = 0; flow < BWCTL_FLOWS; flow++)
		if (flow <= ICMP6 || flow >= OTHER)
			assert_int_equal(policy->table.class[flow], classes[flow]);
	free(policy);
	assert_true(COUNT(rows) >= 120);
	assert_int_equal(check_table(fixture, &(struct pass){.bare = false}), 0);
}

static void test_table_bare(void **state)
{
	struct fixture *fixture = *state;

	free(publish(fixture, NULL, 0));
	assert_int_equal(check_table(fixture, &(struct pass){.bare = true}), 0);
}

static void test_table_tag_stripped(void **state)
{
	struct fixture *fixture = *state;

	free(publish(fixture, NULL, 0));
	assert_int_equal(check_table(fixture, &(struct pass){.tag = 100}), 0);
}

static void test_table_overhead(void **state)
{
	struct fixture *fixture = *state;
	struct bwctl_request requests[BWCTL_DIRECTIONS] = {{.overhead_bytes = 24},
							   {.overhead_bytes = 24}};
	int wrong = 0;

	free(publish(fixture, requests, 0));
	wrong += check_table(fixture, &(struct pass){.overhead_bytes = 24});
	wrong += check_table(fixture, &(struct pass){.overhead_bytes = 24, .bare = true});
	wrong += check_table(fixture, &(struct pass){.overhead_bytes = 24, .tag = 1});
	assert_int_equal(wrong, 0);
}

/* docs/DESIGN.md's two lists, read aloud. */
static __u32 listed(enum bwctl_direction direction, __u32 from, __u32 to)
{
	if (direction == BWCTL_INGRESS) {
		if (from > 1024 && to == 443)
			return UI;
		if (from > 1024 && to == 8443)
			return ADMIN;
		if (from == 443 && to > 1024)
			return API;
		if (from == 22 && to > 1024)
			return SSH;
		if (from == 23 && to > 1024)
			return TELNET;
		return OTHER;
	}
	if (from == 443 && to > 1024)
		return UI;
	if (from == 8443 && to > 1024)
		return ADMIN;
	if (from > 1024 && to == 443)
		return API;
	if (from > 1024 && to == 22)
		return SSH;
	if (from > 1024 && to == 23)
		return TELNET;
	return OTHER;
}

static void check_ports(struct fixture *fixture, enum bwctl_direction direction, __u32 from,
			__u32 to)
{
	struct header stack[STACK_MAX] = {ETH, IP4, TCP(from, to)};
	struct outcome outcome;
	struct frame frame;

	frame_build(&frame, stack, false);
	outcome = deliver(fixture, &(struct parcel){.bytes = frame.bytes,
						    .length = frame.length,
						    .direction = direction});
	if (outcome.row != listed(direction, from, to))
		fail_msg("%s TCP %u -> %u: expected row %u, got %u",
			 policy_direction_name(direction), from, to, listed(direction, from, to),
			 outcome.row);
}

/* Of 2^32 pairs and two directions: at random, and at random with a port that is listed. */
static void test_ports_agree_with_the_lists(void **state)
{
	static const __u32 notable[] = {0,    21,   22,	  23,	24,   442,  443,  444,
					1023, 1024, 1025, 8442, 8443, 8444, 65535};
	struct fixture *fixture = *state;

	free(publish(fixture, NULL, 0));
	for (int direction = 0; direction < BWCTL_DIRECTIONS; direction++) {
		for (size_t i = 0; i < COUNT(notable) * COUNT(notable); i++)
			check_ports(fixture, direction, notable[i / COUNT(notable)],
				    notable[i % COUNT(notable)]);
		for (int i = 0; i < 10000; i++) {
			__u32 any = random_below(65536), other = random_below(65536);

			if (i % 4)
				other = notable[random_below(COUNT(notable))];
			if (i % 2)
				check_ports(fixture, direction, any, other);
			else
				check_ports(fixture, direction, other, any);
		}
	}
}

/* Any bytes at all */

static void check_counted(struct fixture *fixture, const struct parcel *parcel, const char *name)
{
	struct outcome outcome = deliver(fixture, parcel);
	bool bytes_right = parcel->gso_size ? outcome.bytes >= parcel->length :
					      outcome.bytes == parcel->length;

	if (outcome_is_whole(&outcome, parcel->direction) && !outcome.dropped && bytes_right &&
	    (parcel->gso_size || outcome.frames == 1))
		return;
	print_error("%s, %u bytes%s, %s: answer %d, %u counters moved, %llu frames, %llu bytes:",
		    name, parcel->length, parcel->bare ? ", bare" : "",
		    policy_direction_name(parcel->direction), outcome.answer, outcome.tallies,
		    outcome.frames, outcome.bytes);
	for (__u32 i = 0; i < parcel->length; i++)
		print_error(" %02x", parcel->bytes[i]);
	print_error("\n");
	fail();
}

/*
 * 14 bytes are the fewest that BPF_PROG_TEST_RUN takes, of a device without Ethernet too.
 * Behind the first 300 bytes of a super-packet there is nothing but payload: a sample will do.
 */
static void test_truncated_everywhere(void **state)
{
	struct fixture *fixture = *state;
	struct frame frame;

	free(publish(fixture, NULL, 0));
	for (size_t i = 0; i < COUNT(rows); i++)
		for (int bare = 0; bare < 2; bare++) {
			if (!row_fits(&rows[i], bare))
				continue;
			frame_build(&frame, rows[i].stack, bare);
			for (__u32 length = ETH_HLEN; length <= frame.length;
			     length += rows[i].gso_size && length > 300 ? 61 : 1)
				for (int direction = 0; direction < BWCTL_DIRECTIONS; direction++)
					check_counted(fixture,
						      &(struct parcel){.bytes = frame.bytes,
								       .length = length,
								       .direction = direction,
								       .bare = bare},
						      rows[i].name);
		}
}

static void garble(struct frame *frame)
{
	static const __u8 interesting[] = {0, 1, 0x7f, 0x80, 0xff, 44, 51, 60, 0x45, 0x60};
	__u32 changes = 1 + random_below(6);

	if (!random_below(4)) {
		frame->length =
			ETH_HLEN + random_below(random_below(8) ? 200 : FRAME_MAX - ETH_HLEN);
		for (__u32 i = 0; i < frame->length; i++)
			frame->bytes[i] = (__u8)random_below(256);
		if (random_below(2))
			put16(frame->bytes + 12, random_below(2) ? ETH_P_IP : ETH_P_IPV6);
		return;
	}
	while (changes--) {
		__u32 at = random_below(frame->length > 100 ? 100 : frame->length);

		if (random_below(2))
			frame->bytes[at] = interesting[random_below(COUNT(interesting))];
		else
			frame->bytes[at] ^= 1U << random_below(8);
	}
	if (!random_below(3) && frame->length > ETH_HLEN)
		frame->length = ETH_HLEN + random_below(frame->length - ETH_HLEN);
}

static void test_garbage(void **state)
{
	struct fixture *fixture = *state;
	__u64 sent[BWCTL_DIRECTIONS] = {0}, sent_bytes[BWCTL_DIRECTIONS] = {0};
	struct frame frame;

	free(publish(fixture, NULL, 0));
	for (int i = 0; i < 100000; i++) {
		struct parcel parcel = {.bytes = frame.bytes,
					.bare = random_below(2),
					.direction = random_below(2)};
		const struct row *row = &rows[random_below(COUNT(rows))];

		frame_build(&frame, row->stack, parcel.bare);
		if (frame.length < ETH_HLEN)
			continue;
		garble(&frame);
		parcel.length = frame.length;
		check_counted(fixture, &parcel, row->name);
		sent[parcel.direction]++;
		sent_bytes[parcel.direction] += parcel.length;
	}
	for (int direction = 0; direction < BWCTL_DIRECTIONS; direction++) {
		struct bwctl_counters sum = programs_counters(fixture->programs, direction);

		for (__u32 flow = 0; flow < BWCTL_FLOWS; flow++) {
			sent[direction] -= sum.flows[flow].passed.packets;
			sent_bytes[direction] -= sum.flows[flow].passed.bytes;
		}
		assert_int_equal(sent[direction], 0);
		assert_int_equal(sent_bytes[direction], 0);
		assert_int_equal(sum.contended.packets, 0);
	}
}

/* As the test before, as super-packets of any shape: never less than their own length. */
static void test_garbage_super_packets(void **state)
{
	struct fixture *fixture = *state;
	struct frame frame;

	free(publish(fixture, NULL, 0));
	for (int i = 0; i < 30000; i++) {
		struct parcel parcel = {.bytes = frame.bytes,
					.bare = random_below(2),
					.direction = random_below(2),
					.gso_size =
						1 + random_below(random_below(2) ? 65535 : 2000),
					.gso_segs = random_below(2) ? random_below(100) : 0};

		frame_build(&frame, rows[random_below(COUNT(rows))].stack, parcel.bare);
		if (frame.length < ETH_HLEN)
			continue;
		garble(&frame);
		if (frame.length < UNTRIMMED_LEAST_BYTES)
			continue; /* trimming makes it an ordinary packet */
		parcel.length = frame.length;
		check_counted(fixture, &parcel, "super-packet");
	}
}

/*
 * Frames that are read in place and frames that are not must come to the same
 * result: a second tag sends every one the long way, and each is worth four bytes.
 */
static void test_both_ways_agree(void **state)
{
	static const __u8 tags[] = {0x88, 0xa8, 0, 1, 0x81, 0, 0, 5};
	struct fixture *fixture = *state;
	struct frame frame, tagged;

	free(publish(fixture, NULL, 0));
	for (int i = 0; i < 20000; i++) {
		const struct row *row = &rows[random_below(COUNT(rows))];
		struct outcome plain, other;
		int direction = random_below(2);

		if (!row_fits(row, false))
			continue;
		frame_build(&frame, row->stack, false);
		garble(&frame);
		if (frame.length + sizeof(tags) > FRAME_MAX || frame.bytes[12] == 0x81 ||
		    frame.bytes[12] == 0x88)
			continue;
		plain = deliver(fixture, &(struct parcel){.bytes = frame.bytes,
							  .length = frame.length,
							  .direction = direction});
		for (__u32 more = 4; more <= sizeof(tags); more += 4) {
			memcpy(tagged.bytes, frame.bytes, 12);
			memcpy(tagged.bytes + 12, tags + sizeof(tags) - more, more);
			memcpy(tagged.bytes + 12 + more, frame.bytes + 12, frame.length - 12);
			other = deliver(fixture, &(struct parcel){.bytes = tagged.bytes,
								  .length = frame.length + more,
								  .direction = direction});
			if (plain.row != other.row || plain.bytes + more != other.bytes)
				fail_msg(
					"%s, %s: row %u and %llu bytes, with %u tags row %u and %llu",
					row->name, policy_direction_name(direction), plain.row,
					plain.bytes, more / 4, other.row, other.bytes);
		}
	}
}

/* Verdicts */

static const struct header tcp_ssh_out[STACK_MAX] = {ETH, IP4, TCP(40000, 22), PAYLOAD(946)};
static const struct header tcp_other[STACK_MAX] = {ETH, IP4, TCP(40000, 40001), PAYLOAD(946)};
static const struct header tcp_ui_in[STACK_MAX] = {ETH, IP4, TCP(40000, 443), PAYLOAD(946)};
static const struct header tcp_ui_out[STACK_MAX] = {ETH, IP4, TCP(443, 40000), PAYLOAD(946)};
static const struct header large_arp[STACK_MAX] = {ETH, TYPE(ETH_P_ARP), PAYLOAD(986)};
static const struct header arp[STACK_MAX] = {ETH, TYPE(ETH_P_ARP), PAYLOAD(46)};

static struct outcome deliver_stack(struct fixture *fixture, const struct header stack[STACK_MAX],
				    enum bwctl_direction direction)
{
	struct frame frame;

	frame_build(&frame, stack, false);
	return deliver(fixture, &(struct parcel){.bytes = frame.bytes,
						 .length = frame.length,
						 .direction = direction});
}

static void test_no_policy_no_passage(void **state)
{
	struct fixture *fixture = *state;
	struct frame frame;

	for (size_t i = 0; i < COUNT(rows); i++)
		for (int bare = 0; bare < 2; bare++) {
			if (!row_fits(&rows[i], bare))
				continue;
			frame_build(&frame, rows[i].stack, bare);
			for (int direction = 0; direction < BWCTL_DIRECTIONS; direction++) {
				struct parcel parcel = {.bytes = frame.bytes,
							.length = frame.length,
							.direction = direction,
							.bare = bare};
				int answer = deliver(fixture, &parcel).answer;

				if (direction == BWCTL_INGRESS)
					assert_int_equal(answer, TC_ACT_SHOT);
				else
					assert_int_not_equal(answer, PROGRAMS_PASS);
			}
		}
}

/* The clock is as far ahead as it may be: no class has so much headroom. */
static void test_over_the_limit_all_is_dropped(void **state)
{
	static const struct bwctl_request requests[BWCTL_DIRECTIONS] = {{.limit_bits_s = 64000},
									{.limit_bits_s = 64000}};
	struct fixture *fixture = *state;
	int wrong = 0;

	free(publish(fixture, requests, 0));
	set_clock(fixture, now_ns() + 100 * S);
	wrong += check_table(fixture, &(struct pass){.dropped = true});
	wrong += check_table(fixture, &(struct pass){.dropped = true, .bare = true});
	wrong += check_table(fixture, &(struct pass){.dropped = true, .tag = 1});
	assert_int_equal(wrong, 0);
}

/* Sends until one is refused. Returns how many bytes passed. */
static __u64 deliver_until_refused(struct fixture *fixture, const struct header stack[STACK_MAX],
				   enum bwctl_direction direction)
{
	__u64 passed_bytes = 0;

	for (int i = 0; i < 100000; i++) {
		struct outcome outcome = deliver_stack(fixture, stack, direction);

		assert_true(outcome_is_whole(&outcome, direction));
		if (outcome.dropped)
			return passed_bytes;
		passed_bytes += outcome.bytes;
	}
	fail_msg("nothing is ever refused");
	return 0;
}

/* Until when packets over the limit of all have said that it is reached. */
static __u64 over_since(struct fixture *fixture, __u32 direction)
{
	struct bwctl_clock clock;

	assert_int_equal(bpf_map_lookup_elem(bpf_map__fd(fixture->programs->maps.clocks),
					     &direction, &clock),
			 0);
	return clock.over_until_ns;
}

/*
 * At 64 kbit/s a second's worth is 8000 bytes, so nothing that a test takes
 * matters: a full bucket passes; then other and ssh are refused, but ui is not;
 * then ui is, but control is not; then that too.
 */
static void test_priorities(void **state)
{
	static const struct bwctl_request requests[BWCTL_DIRECTIONS] = {{.limit_bits_s = 64000},
									{.limit_bits_s = 64000}};
	struct fixture *fixture = *state;
	struct bwctl_policy *policy = publish(fixture, requests, 0);

	for (int direction = 0; direction < BWCTL_DIRECTIONS; direction++) {
		const struct header *ui = direction == BWCTL_INGRESS ? tcp_ui_in : tcp_ui_out;
		__u64 burst_bytes = policy->promise[direction].burst_bytes, passed_bytes, over_ns;

		passed_bytes = deliver_until_refused(fixture, tcp_other, direction);
		assert_true(passed_bytes >= burst_bytes);
		passed_bytes += deliver_until_refused(fixture, tcp_ssh_out, direction);
		assert_true(passed_bytes <= burst_bytes + 2000);
		/* What passes by its priority was not refused, and does not speak of the limit. */
		over_ns = over_since(fixture, direction);
		usleep(1000);
		assert_false(deliver_stack(fixture, ui, direction).dropped);
		assert_int_equal(over_since(fixture, direction), over_ns);
		assert_true(over_ns > 0);
		passed_bytes = deliver_until_refused(fixture, ui, direction);
		assert_true(passed_bytes >= 1000);
		assert_true(deliver_stack(fixture, tcp_other, direction).dropped);
		assert_true(deliver_until_refused(fixture, arp, direction) >= 60);
		assert_true(deliver_stack(fixture, ui, direction).dropped);
		assert_int_equal(programs_counters(fixture->programs, direction).contended.packets,
				 0);
	}
	free(policy);
}

/* One direction's limit is not the other's. */
static void test_directions_apart(void **state)
{
	struct fixture *fixture = *state;

	for (int limited = 0; limited < BWCTL_DIRECTIONS; limited++) {
		struct bwctl_request requests[BWCTL_DIRECTIONS] = {0};

		requests[limited].limit_bits_s = 64000;
		free(publish(fixture, requests, 0));
		set_clock(fixture, now_ns() + 100 * S);
		assert_true(deliver_stack(fixture, tcp_other, limited).dropped);
		assert_false(deliver_stack(fixture, tcp_other, !limited).dropped);
	}
}

/* A policy with one flow, of a class of one's own: both have the last numbers that there are. */
static struct bwctl_policy *own_class_policy(__u64 limit_bits_s)
{
	struct bwctl_request requests[BWCTL_DIRECTIONS] = {{.limit_bits_s = limit_bits_s},
							   {.limit_bits_s = limit_bits_s}};
	struct bwctl_policy *policy = programs_policy(requests);
	struct bwctl_asked *asked;

	assert_non_null(policy);
	asked = &policy->asked;
	snprintf(asked->classes[BWCTL_CLASSES - 1].name, BWCTL_NAME, "last");
	asked->classes[BWCTL_CLASSES - 1].priority = BWCTL_PRIORITY_NORMAL;
	asked->flow_count = 1;
	asked->flows[0] = (struct bwctl_flow){.name = "jump",
					      .protocol = IPPROTO_TCP,
					      .class = BWCTL_CLASSES - 1,
					      .remote_ranges = 1,
					      .remote = {{22, 22}},
					      .counter = BWCTL_FLOW_ROWS - 1};
	assert_int_equal(flow_table_build(asked, NULL, 0, &policy->table), 0);
	policy_rules(policy);
	return policy;
}

/* Counted under the flow's counter and the class's number, not under the row; so is what is dropped. */
static void test_own_class(void **state)
{
	static const __u64 limits_bits_s[] = {0, 64000};
	struct fixture *fixture = *state;

	for (size_t i = 0; i < COUNT(limits_bits_s); i++) {
		struct bwctl_policy *policy = own_class_policy(limits_bits_s[i]);
		bool dropped = limits_bits_s[i] != 0;
		struct outcome outcome;

		publish_policy(fixture, policy);
		set_clock(fixture, now_ns() + 100 * S);
		outcome = deliver_stack(fixture, tcp_ssh_out, BWCTL_EGRESS);
		assert_true(outcome_is_whole(&outcome, BWCTL_EGRESS));
		assert_int_equal(outcome.dropped, dropped);
		assert_int_equal(outcome.row, BWCTL_FLOW_ROWS - 1);
		assert_int_equal(fixture->classes[outcome.row], BWCTL_CLASSES - 1);
		outcome = deliver_stack(fixture, tcp_ui_in, BWCTL_INGRESS);
		assert_int_equal(outcome.row, OTHER);
		outcome = deliver_stack(fixture, arp, BWCTL_INGRESS);
		assert_int_equal(outcome.row, CONTROL);
		free(policy);
	}
	for (int direction = 0; direction < BWCTL_DIRECTIONS; direction++)
		assert_int_equal(fixture->seen[direction].classes[BWCTL_CLASSES - 1].passed.packets,
				 direction == BWCTL_EGRESS);
}

/* What is refused by whose limit; and that time at the limit is that of all alone. */
static void test_reasons(void **state)
{
	struct fixture *fixture = *state;
	struct bwctl_policy *policy = own_class_policy(64000);
	struct bwctl_interface_counters here;
	const struct bwctl_tally *reasons = here.reasons[BWCTL_CLASSES - 1];
	struct bwctl_clock clock;
	__u32 egress = BWCTL_EGRESS;
	int clocks = bpf_map__fd(fixture->programs->maps.clocks);

	/* All has room, the class has none. */
	policy->asked.request[BWCTL_EGRESS].limit_bits_s = 1000000000;
	policy->asked.classes[BWCTL_CLASSES - 1].limit_bits_s[BWCTL_EGRESS] = 8000;
	for (int direction = 0; direction < BWCTL_DIRECTIONS; direction++)
		policy->enforcement[direction].mode = BWCTL_MODE_POLICE;
	assert_int_equal(policy_build(policy, true, (char[LOG_TEXT]){0}), 0);
	publish_policy(fixture, policy);
	set_clock(fixture, 1);
	deliver_until_refused(fixture, tcp_ssh_out, BWCTL_EGRESS);
	/* Time goes on: another may fit by now, the one behind it does not. */
	for (int i = 0; i < 4; i++)
		deliver_until_refused(fixture, tcp_ssh_out, BWCTL_EGRESS);
	here = programs_interface_counters(fixture->programs, BWCTL_EGRESS);
	assert_int_equal(here.classes[BWCTL_CLASSES - 1].dropped.packets, 5);
	assert_int_equal(reasons[BWCTL_REASON_CLASS].packets, 5);
	assert_int_equal(reasons[BWCTL_REASON_CLASS].bytes, 5000);
	assert_int_equal(reasons[BWCTL_REASON_LIMIT].packets, 0);
	assert_int_equal(reasons[BWCTL_REASON_CONTENDED].packets, 0);
	assert_int_equal(bpf_map_lookup_elem(clocks, &egress, &clock), 0);
	assert_int_equal(clock.over_until_ns, 0);

	/* The other way round. */
	policy->asked.request[BWCTL_EGRESS].limit_bits_s = 8000;
	policy->asked.classes[BWCTL_CLASSES - 1].limit_bits_s[BWCTL_EGRESS] = 0;
	assert_int_equal(policy_build(policy, true, (char[LOG_TEXT]){0}), 0);
	publish_policy(fixture, policy);
	set_clock(fixture, 1);
	deliver_until_refused(fixture, tcp_ssh_out, BWCTL_EGRESS);
	for (int i = 0; i < 2; i++) {
		usleep(10000);
		deliver_until_refused(fixture, tcp_ssh_out, BWCTL_EGRESS);
	}
	here = programs_interface_counters(fixture->programs, BWCTL_EGRESS);
	assert_int_equal(here.classes[BWCTL_CLASSES - 1].dropped.packets, 8);
	assert_int_equal(reasons[BWCTL_REASON_CLASS].packets, 5);
	assert_int_equal(reasons[BWCTL_REASON_LIMIT].packets, 3);
	assert_int_equal(bpf_map_lookup_elem(clocks, &egress, &clock), 0);
	assert_true(clock.over_sum_ns >= 20 * MS);
	assert_true(clock.over_sum_ns < 10 * S);
	free(policy);
}

/* Passes whatever the clock says, is counted, and costs the others nothing. */
static void test_exempt(void **state)
{
	struct fixture *fixture = *state;
	struct bwctl_policy *policy = own_class_policy(64000);
	struct bwctl_counters counters;
	struct bwctl_clock clock;
	struct outcome outcome;
	__u32 egress = BWCTL_EGRESS;

	policy->asked.classes[BWCTL_CLASSES - 1].exempt = 1;
	policy_rules(policy);
	publish_policy(fixture, policy);
	for (int ahead = 0; ahead < 2; ahead++) {
		__u64 until_ns = ahead ? now_ns() + 100 * S : 1;

		set_clock(fixture, until_ns);
		for (int i = 0; i < 100; i++) {
			outcome = deliver_stack(fixture, tcp_ssh_out, BWCTL_EGRESS);
			assert_true(outcome_is_whole(&outcome, BWCTL_EGRESS));
			assert_false(outcome.dropped);
			assert_int_equal(outcome.row, BWCTL_FLOW_ROWS - 1);
		}
		assert_int_equal(bpf_map_lookup_elem(bpf_map__fd(fixture->programs->maps.clocks),
						     &egress, &clock),
				 0);
		assert_int_equal(clock.spent_until_ns, until_ns);
		assert_int_equal(deliver_stack(fixture, tcp_other, BWCTL_EGRESS).dropped, ahead);
	}
	counters = programs_counters(fixture->programs, BWCTL_EGRESS);
	assert_int_equal(counters.classes[BWCTL_CLASSES - 1].passed.packets, 200);
	assert_int_equal(counters.classes[BWCTL_CLASSES - 1].passed.bytes, 200000);
	free(policy);
}

/* What is over the limit passes, and is counted as what would have been dropped, three times over. */
static void test_observed(void **state)
{
	static const struct bwctl_request requests[BWCTL_DIRECTIONS] = {{.limit_bits_s = 64000},
									{.limit_bits_s = 64000}};
	struct fixture *fixture = *state;
	struct bwctl_policy *policy = programs_policy(requests);

	assert_non_null(policy);
	policy->observe = 1;
	publish_policy(fixture, policy);
	for (int direction = 0; direction < BWCTL_DIRECTIONS; direction++) {
		struct bwctl_interface_counters here;
		struct bwctl_counters all;
		struct bwctl_flow_counters *seen[] = {&all.flows[OTHER], &all.classes[BWCTL_OTHER],
						      &here.classes[BWCTL_OTHER]};

		for (int ahead = 0; ahead < 2; ahead++) {
			set_clock(fixture, ahead ? now_ns() + 100 * S : 1);
			for (int i = 0; i <= ahead; i++) {
				struct outcome outcome =
					deliver_stack(fixture, tcp_other, direction);

				assert_true(outcome_is_whole(&outcome, direction));
				assert_false(outcome.dropped);
			}
		}
		all = programs_counters(fixture->programs, direction);
		here = programs_interface_counters(fixture->programs, direction);
		for (size_t i = 0; i < COUNT(seen); i++) {
			assert_int_equal(seen[i]->passed.packets, 3);
			assert_int_equal(seen[i]->would_drop.packets, 2);
			assert_int_equal(seen[i]->would_drop.bytes, 2000);
			assert_int_equal(seen[i]->dropped.packets, 0);
		}
		assert_int_equal(all.contended.packets, 0);
	}
	free(policy);
}

/* What a CPU bought under one policy is worth nothing under the next, and no hindrance. */
static void test_lease_ends_with_its_policy(void **state)
{
	static const struct bwctl_request fast[BWCTL_DIRECTIONS] = {{.limit_bits_s = 10000000000},
								    {.limit_bits_s = 10000000000}};
	static const struct bwctl_request slow[BWCTL_DIRECTIONS] = {{.limit_bits_s = 64000},
								    {.limit_bits_s = 64000}};
	struct fixture *fixture = *state;
	struct bwctl_policy *policy;
	cpu_set_t before, one;
	__u64 passed_bytes;

	assert_int_equal(sched_getaffinity(0, sizeof(before), &before), 0);
	CPU_ZERO(&one);
	for (int cpu = 0; cpu < CPU_SETSIZE && !CPU_COUNT(&one); cpu++)
		if (CPU_ISSET(cpu, &before))
			CPU_SET(cpu, &one);
	assert_int_equal(sched_setaffinity(0, sizeof(one), &one), 0);
	for (int direction = 0; direction < BWCTL_DIRECTIONS; direction++) {
		passed_bytes = 0;
		policy = publish(fixture, fast, 0);
		set_clock(fixture, 0);
		assert_true(policy->meter[direction].lease_bytes > 10000);
		assert_false(deliver_stack(fixture, tcp_other, direction).dropped);
		set_clock(fixture, now_ns() + 100 * S);
		assert_false(deliver_stack(fixture, tcp_other, direction).dropped);
		policy->generation++;
		publish_policy(fixture, policy);
		assert_true(deliver_stack(fixture, tcp_other, direction).dropped);
		free(policy);

		policy = programs_policy(slow);
		assert_non_null(policy);
		policy->generation = 3;
		publish_policy(fixture, policy);
		set_clock(fixture, 0);
		for (int i = 0; i < 100; i++) {
			struct outcome outcome = deliver_stack(fixture, tcp_other, direction);

			passed_bytes += outcome.dropped ? 0 : outcome.bytes;
		}
		assert_in_range(passed_bytes, policy->promise[direction].burst_bytes,
				policy->promise[direction].burst_bytes + 5000);
		free(policy);
	}
	assert_int_equal(sched_setaffinity(0, sizeof(before), &before), 0);
}

/* A packet larger than the bucket */

#define SUPER_LIMIT_BITS_S 1000000
#define SUPER_WINDOW_NS	   (500 * MS)
#define SUPER_BURST_NS	   (20 * MS) /* about 2 kB */
#define PASSED_MAX	   16384

struct passage {
	__u64 before_ns, after_ns, bytes;
};

static struct passage passages[PASSED_MAX];
static __u32 passages_count;

/* Returns whether it passed; notes when. */
static bool offer(struct fixture *fixture, const struct parcel *parcel)
{
	struct passage passage = {.before_ns = now_ns()};
	struct outcome outcome = deliver(fixture, parcel);

	assert_true(outcome_is_whole(&outcome, parcel->direction));
	passage.after_ns = now_ns();
	passage.bytes = outcome.bytes;
	if (!outcome.dropped) {
		assert_true(passages_count < PASSED_MAX);
		passages[passages_count++] = passage;
	}
	return !outcome.dropped;
}

/* Most bytes that surely passed within some window. */
static __u64 worst_window_bytes(__u64 window_ns)
{
	__u64 worst = 0;

	for (__u32 first = 0; first < passages_count; first++) {
		__u64 bytes = 0;

		for (__u32 last = first; last < passages_count; last++) {
			if (passages[last].after_ns - passages[first].before_ns > window_ns)
				break;
			bytes += passages[last].bytes;
		}
		worst = bytes > worst ? bytes : worst;
	}
	return worst;
}

static void check_super_packet(struct fixture *fixture, const struct parcel *super,
			       __u32 super_bytes)
{
	struct bwctl_request requests[BWCTL_DIRECTIONS] = {0};
	__u64 limit_bytes = SUPER_LIMIT_BITS_S / 8 * SUPER_WINDOW_NS / S;
	struct bwctl_policy *policy;
	struct parcel small = *super;
	__u32 passed = 0;
	__u64 until_ns;

	small.length = 100;
	small.gso_size = small.gso_segs = small.wire_bytes = 0;
	requests[super->direction] = (struct bwctl_request){.limit_bits_s = SUPER_LIMIT_BITS_S,
							    .window_ns = SUPER_WINDOW_NS,
							    .burst_ns = SUPER_BURST_NS};
	policy = publish(fixture, requests, now_ns());
	set_clock(fixture, 0);
	assert_true(super_bytes > 2 * policy->promise[super->direction].burst_bytes);
	passages_count = 0;

	assert_false(offer(fixture, super));
	sleep_ns(300 * MS);
	assert_true(offer(fixture, super));
	assert_false(offer(fixture, super));
	for (until_ns = now_ns() + 1400 * MS; now_ns() < until_ns;)
		passed += offer(fixture, super);
	assert_true(passed >= 2);
	for (until_ns = now_ns() + 600 * MS; now_ns() < until_ns;) {
		offer(fixture, super);
		offer(fixture, &small);
	}
	sleep_ns(300 * MS);
	offer(fixture, super);
	for (until_ns = now_ns() + 200 * MS; now_ns() < until_ns;)
		offer(fixture, &small);
	if (worst_window_bytes(SUPER_WINDOW_NS) > limit_bytes)
		fail_msg("%s: %llu bytes within a window, the limit is %llu",
			 policy_direction_name(super->direction),
			 worst_window_bytes(SUPER_WINDOW_NS), limit_bytes);
	free(policy);
}

static void test_super_packet_beyond_the_bucket(void **state)
{
	static const struct header stack[STACK_MAX] = {ETH, IP4, TCP(40000, 40001), PAYLOAD(2880)};
	struct fixture *fixture = *state;
	struct frame frame;

	frame_build(&frame, stack, false);
	check_super_packet(fixture,
			   &(struct parcel){.bytes = frame.bytes,
					    .length = frame.length,
					    .direction = BWCTL_EGRESS,
					    .gso_size = 1448,
					    .gso_segs = 17,
					    .wire_bytes = 25000},
			   25000);
	check_super_packet(fixture,
			   &(struct parcel){.bytes = frame.bytes,
					    .length = frame.length,
					    .direction = BWCTL_INGRESS,
					    .gso_size = 16,
					    .gso_segs = 180},
			   2934 + 179 * 54);
}

/* Two CPUs */

#define FLOOD_NS	   (400 * MS)
#define FLOOD_LIMIT_BITS_S 4000000000
#define FLOOD_RUNS	   2000

struct flood {
	pthread_t thread;
	int cpu, program;
	struct frame frame;
	int err;
};

static void *flood_run(void *argument)
{
	struct flood *flood = argument;
	__u64 until_ns = now_ns() + FLOOD_NS; /* a thread may be late on a busy machine */
	cpu_set_t one;

	CPU_ZERO(&one);
	CPU_SET(flood->cpu, &one);
	flood->err = pthread_setaffinity_np(pthread_self(), sizeof(one), &one);
	while (!flood->err && now_ns() < until_ns)
		flood->err = programs_run(flood->program, flood->frame.bytes, flood->frame.length,
					  NULL, FLOOD_RUNS, NULL, NULL);
	return NULL;
}

/*
 * Floods one direction from so many CPUs; what passed must be within r * T + B. The class
 * with the most headroom: it comes closest to B, and what is too much shows soonest.
 */
static void check_flood(struct fixture *fixture, const int *cpus, int cpus_count,
			enum bwctl_direction direction, bool leases)
{
	struct bwctl_request requests[BWCTL_DIRECTIONS] = {0};
	struct flood floods[2] = {0};
	struct bwctl_policy *policy;
	struct bwctl_tally *passed;
	struct bwctl_counters counters = programs_counters(fixture->programs, direction);
	__u64 start_ns = now_ns(), duration_ns, before_bytes, bytes, rate_bytes, most_bytes;

	before_bytes = counters.flows[CONTROL].passed.bytes;
	requests[direction] = (struct bwctl_request){
		.limit_bits_s = FLOOD_LIMIT_BITS_S, .window_ns = S, .burst_ns = MS};
	policy = programs_policy(requests);
	assert_non_null(policy);
	policy->meter[direction].start_ns = start_ns;
	if (!leases)
		policy->meter[direction].lease_bytes = 0;
	publish_policy(fixture, policy);
	set_clock(fixture, 0);

	for (int i = 0; i < cpus_count; i++) {
		floods[i].cpu = cpus[i];
		floods[i].program = program_fd(fixture->programs, direction, false);
		frame_build(&floods[i].frame, large_arp, false);
		assert_int_equal(pthread_create(&floods[i].thread, NULL, flood_run, &floods[i]), 0);
	}
	for (int i = 0; i < cpus_count; i++) {
		pthread_join(floods[i].thread, NULL);
		assert_int_equal(floods[i].err, 0);
	}
	duration_ns = now_ns() - start_ns;

	counters = programs_counters(fixture->programs, direction);
	passed = &counters.flows[CONTROL].passed;
	bytes = passed->bytes - before_bytes;
	rate_bytes = (__u64)((double)policy->meter[direction].rate_bits_s / 8 * duration_ns / S);
	most_bytes = rate_bytes + policy->promise[direction].bound_bytes;
	if (bytes > most_bytes || bytes < rate_bytes / 20)
		fail_msg("%s, %d CPUs, %s leases: %llu bytes passed, r * T is %llu, r * T + B %llu",
			 policy_direction_name(direction), cpus_count, leases ? "with" : "without",
			 bytes, rate_bytes, most_bytes);
	assert_true(counters.contended.bytes <= counters.flows[CONTROL].dropped.bytes);
	free(policy);
}

static void test_two_cpus_pass_no_more_than_one(void **state)
{
	struct fixture *fixture = *state;
	int cpus[2], cpus_count = 0;
	cpu_set_t mine;

	assert_int_equal(sched_getaffinity(0, sizeof(mine), &mine), 0);
	for (int cpu = 0; cpu < CPU_SETSIZE && cpus_count < 2; cpu++)
		if (CPU_ISSET(cpu, &mine))
			cpus[cpus_count++] = cpu;
	if (cpus_count < 2) {
		print_message("skipped: one CPU, two are needed\n");
		skip();
	}
	for (int direction = 0; direction < BWCTL_DIRECTIONS; direction++)
		for (int leases = 0; leases < 2; leases++)
			for (int count = 1; count <= 2; count++)
				check_flood(fixture, cpus, count, direction, leases);
}

/* Headers outside the linear area */

#define WIRE_TCX_INGRESS 46
#define WIRE_TCX_EGRESS	 47
#define WIRE_FRAME_BYTES 5000 /* packet(7) leaves frames of less than a page linear */

struct wire {
	int home_netns, socket;
	int links[4];
	int depths; /* a map: bytes in the linear area, of the last packet in and out */
};

/* Notes how much of a packet is in its linear area, and passes it on. */
static int depth_load(int depths_fd, int direction)
{
	const struct bpf_insn program[] = {
		INSN(BPF_LDX | BPF_MEM | BPF_W, BPF_REG_6, BPF_REG_1,
		     offsetof(struct __sk_buff, data_end), 0),
		INSN(BPF_LDX | BPF_MEM | BPF_W, BPF_REG_7, BPF_REG_1,
		     offsetof(struct __sk_buff, data), 0),
		INSN(BPF_ALU64 | BPF_SUB | BPF_X, BPF_REG_6, BPF_REG_7, 0, 0),
		INSN(BPF_ST | BPF_MEM | BPF_W, BPF_REG_10, 0, -4, direction),
		INSN(BPF_LD | BPF_IMM | BPF_DW, BPF_REG_1, BPF_PSEUDO_MAP_FD, 0, depths_fd),
		INSN(0, 0, 0, 0, 0),
		INSN_COPY(BPF_REG_2, BPF_REG_10),
		INSN(BPF_ALU64 | BPF_ADD | BPF_K, BPF_REG_2, 0, 0, -4),
		INSN_CALL(BPF_FUNC_map_lookup_elem),
		INSN(BPF_JMP | BPF_JEQ | BPF_K, BPF_REG_0, 0, 1, 0),
		INSN(BPF_STX | BPF_MEM | BPF_W, BPF_REG_0, BPF_REG_6, 0, 0),
		INSN_SET(BPF_REG_0, TC_ACT_UNSPEC),
		INSN(BPF_JMP | BPF_EXIT, 0, 0, 0, 0),
	};

	return bpf_prog_load(BPF_PROG_TYPE_SCHED_CLS, "depth", "Dual BSD/GPL", program,
			     COUNT(program), NULL);
}

static bool wire_attach(struct wire *wire, struct fixture *fixture, int direction)
{
	int ifindex = (int)if_nametoindex(direction == BWCTL_INGRESS ? "right" : "left");
	int type = direction == BWCTL_INGRESS ? WIRE_TCX_INGRESS : WIRE_TCX_EGRESS;
	int depth = depth_load(wire->depths, direction);

	assert_true(ifindex && depth >= 0);
	wire->links[direction] = bpf_link_create(depth, ifindex, type, NULL);
	wire->links[2 + direction] = bpf_link_create(
		program_fd(fixture->programs, direction, false), ifindex, type, NULL);
	close(depth);
	return wire->links[direction] >= 0 && wire->links[2 + direction] >= 0;
}

/* Two ends of a wire in a network namespace of their own. False: this kernel has no tcx. */
static bool wire_open(struct wire *wire, struct fixture *fixture)
{
	struct sockaddr_ll left = {.sll_family = AF_PACKET};
	bool attached;
	int on = 1;

	wire->home_netns = open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC);
	assert_true(wire->home_netns >= 0);
	assert_int_equal(unshare(CLONE_NEWNET), 0);
	assert_int_equal(system("echo 1 2>/dev/null >/proc/sys/net/ipv6/conf/default/disable_ipv6; "
				"ip link add left mtu 9000 type veth peer name right mtu 9000 && "
				"ip link set right up && ip link set left up"),
			 0);
	wire->depths = bpf_map_create(BPF_MAP_TYPE_ARRAY, "depths", sizeof(__u32), sizeof(__u32),
				      BWCTL_DIRECTIONS, NULL);
	assert_true(wire->depths >= 0);
	attached = wire_attach(wire, fixture, BWCTL_INGRESS) &&
		   wire_attach(wire, fixture, BWCTL_EGRESS);
	wire->socket = socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, 0);
	left.sll_ifindex = (int)if_nametoindex("left");
	assert_int_equal(bind(wire->socket, (struct sockaddr *)&left, sizeof(left)), 0);
	assert_int_equal(setsockopt(wire->socket, SOL_PACKET, PACKET_VNET_HDR, &on, sizeof(on)), 0);
	return attached;
}

static void wire_close(struct wire *wire)
{
	for (size_t i = 0; i < COUNT(wire->links); i++)
		close(wire->links[i]);
	close(wire->depths);
	close(wire->socket);
	assert_int_equal(setns(wire->home_netns, CLONE_NEWNET), 0);
	close(wire->home_netns);
}

/* hdr_len of the virtio header is all of the frame that becomes linear. */
static void wire_send(struct wire *wire, const struct frame *frame)
{
	static __u8 padding[WIRE_FRAME_BYTES];
	struct virtio_net_hdr header = {.hdr_len = ETH_HLEN};
	struct iovec parts[] = {
		{.iov_base = &header, .iov_len = sizeof(header)},
		{.iov_base = (void *)frame->bytes, .iov_len = frame->length},
		{.iov_base = padding, .iov_len = WIRE_FRAME_BYTES - frame->length},
	};

	assert_int_equal(writev(wire->socket, parts, COUNT(parts)),
			 WIRE_FRAME_BYTES + sizeof(header));
}

static int check_on_wire(struct wire *wire, struct fixture *fixture, const struct row *row,
			 __u32 direction)
{
	__u32 flow = direction == BWCTL_INGRESS ? row->in : row->out, depth = 0;
	struct outcomes outcomes = {0};
	struct outcome outcome;

	for (int tries = 0; tries < 1000 && (!outcomes.flow.tallies || !outcomes.here.tallies);
	     tries++) {
		if (tries)
			sleep_ns(MS); /* the other end takes it in a softirq */
		outcome_read(fixture, direction, &outcomes);
	}
	outcome = outcomes.flow;
	assert_int_equal(bpf_map_lookup_elem(wire->depths, &direction, &depth), 0);
	/* Where it strips a tag the stack makes a few bytes more linear, no ports yet. */
	if (depth > ETH_HLEN + 12)
		fail_msg("%s: %u bytes are linear, the test proves nothing", row->name, depth);
	if (outcome.tallies == 1 && outcome.row == flow && outcome.frames == 1 &&
	    outcome.bytes == WIRE_FRAME_BYTES)
		return 0;
	print_error("%s, not linear, %s: expected row %u, got row %u, %llu frames, %llu bytes\n",
		    row->name, policy_direction_name(direction), flow, outcome.row, outcome.frames,
		    outcome.bytes);
	return 1;
}

static bool row_fits_wire(const struct row *row)
{
	__u32 tags = 0;

	for (int i = 0; i < STACK_MAX; i++)
		tags += row->stack[i].kind == STACK_TAG;
	/* On the way in the outermost tag is stripped: the limit of three is not the same. */
	return row_fits(row, false) && !row->gso_size && row->in != UNSENT && row->out != UNSENT &&
	       tags <= 3;
}

/*
 * BPF_PROG_TEST_RUN makes linear packets only (before Linux 6.19). So the table
 * goes over a wire as well, zeroes behind each packet, nothing but the Ethernet header
 * linear. On the way in the kernel strips a tag, which is then counted beside the packet.
 */
static void test_not_linear(void **state)
{
	struct fixture *fixture = *state;
	struct wire wire = {0};
	struct frame frame;
	bool attached;
	int wrong = 0;

	free(publish(fixture, NULL, 0));
	attached = wire_open(&wire, fixture);
	for (size_t i = 0; attached && i < COUNT(rows); i++) {
		if (!row_fits_wire(&rows[i]))
			continue;
		frame_build(&frame, rows[i].stack, false);
		wire_send(&wire, &frame);
		wrong += check_on_wire(&wire, fixture, &rows[i], BWCTL_EGRESS);
		wrong += check_on_wire(&wire, fixture, &rows[i], BWCTL_INGRESS);
	}
	wire_close(&wire);
	if (!attached) {
		print_message("skipped: this kernel has no tcx\n");
		skip();
	}
	assert_int_equal(wrong, 0);
}

/* Waiting */

#define PACE_LIMIT_BITS_S 64000 /* so slow that what a test takes does not matter */
#define HOLD_IFINDEX	  424242
#define HOLD_MAGIC	  0x62776374 /* bpf/pace.h */

static struct bwctl_policy *publish_pacing(struct fixture *fixture, __u64 limit_bits_s)
{
	struct bwctl_policy *policy = programs_policy(NULL);
	char why[UNITS_TEXT];

	assert_non_null(policy);
	policy->generation = 7;
	for (int direction = 0; direction < BWCTL_DIRECTIONS; direction++) {
		struct bwctl_meter *meter = &policy->meter[direction];

		policy->asked.request[direction].limit_bits_s = limit_bits_s;
		assert_int_equal(policy_derive(&policy->asked.request[direction], true,
					       policy->possible_cpus, true, meter,
					       &policy->promise[direction], why),
				 0);
		meter->hold_ifindex = HOLD_IFINDEX;
	}
	publish_policy(fixture, policy);
	return policy;
}

static void put_clock(struct fixture *fixture, __u32 direction, struct bwctl_clock clock)
{
	assert_int_equal(bpf_map_update_elem(bpf_map__fd(fixture->programs->maps.clocks),
					     &direction, &clock, BPF_ANY),
			 0);
}

static struct bwctl_clock get_clock(struct fixture *fixture, __u32 direction)
{
	struct bwctl_clock clock;

	assert_int_equal(bpf_map_lookup_elem(bpf_map__fd(fixture->programs->maps.clocks),
					     &direction, &clock),
			 0);
	return clock;
}

/* A packet as the program leaves it. */
struct sent {
	int answer;
	struct __sk_buff context;
	__u8 bytes[FRAME_MAX + ETH_HLEN];
	__u32 length;
};

static struct sent send_through(int program, const struct frame *frame, struct __sk_buff context)
{
	struct sent sent = {0};
	LIBBPF_OPTS(bpf_test_run_opts, run, .data_in = frame->bytes, .data_size_in = frame->length,
		    .data_out = sent.bytes, .data_size_out = sizeof(sent.bytes), .ctx_in = &context,
		    .ctx_size_in = sizeof(context), .ctx_out = &sent.context,
		    .ctx_size_out = sizeof(sent.context), .repeat = 1);
	int err = bpf_prog_test_run_opts(program, &run);

	if (err)
		fail_msg("BPF_PROG_TEST_RUN: %s", strerror(-err));
	sent.answer = (int)run.retval;
	sent.length = run.data_size_out;
	return sent;
}

/* What waits on the way in has come to the IFB, whichever CPU sent it there. */
static void arrive(struct fixture *fixture)
{
	int cpus = libbpf_num_possible_cpus(), fd = bpf_map__fd(fixture->programs->maps.leases);
	struct bwctl_lease *leases = calloc((size_t)cpus, sizeof(*leases));
	__u32 key = BWCTL_INGRESS;

	assert_non_null(leases);
	assert_int_equal(bpf_map_lookup_elem(fd, &key, leases), 0);
	for (int cpu = 0; cpu < cpus; cpu++)
		leases[cpu].leading = 0;
	assert_int_equal(bpf_map_update_elem(fd, &key, leases, BPF_ANY), 0);
	free(leases);
}

static struct sent send_stack(struct fixture *fixture, const struct header stack[STACK_MAX],
			      enum bwctl_direction direction, __u64 wanted_ns)
{
	struct frame frame;
	struct sent sent;

	frame_build(&frame, stack, false);
	sent = send_through(program_fd(fixture->programs, direction, false), &frame,
			    (struct __sk_buff){.tstamp = wanted_ns});
	arrive(fixture);
	return sent;
}

/* Each leaves after the other, by what it costs; those beyond the horizon are dropped. */
static void test_pace_spaces(void **state)
{
	struct fixture *fixture = *state;
	struct bwctl_policy *policy = publish_pacing(fixture, PACE_LIMIT_BITS_S);
	const struct bwctl_meter *meter = &policy->meter[BWCTL_EGRESS];
	__u64 cost_ns = meter_cost_ns(meter, 1000), first_ns = now_ns() + 50 * MS, slot_ns;
	__u64 least_delay_ns = 0, most_delay_ns = 0, before_ns, after_ns, in_buckets = 0;
	struct bwctl_flow_counters *row;
	struct bwctl_counters counters;
	struct sent sent;
	__u32 count = 0;

	put_clock(fixture, BWCTL_EGRESS, (struct bwctl_clock){.spent_until_ns = first_ns});
	for (;; count++) {
		slot_ns = first_ns + count * cost_ns;
		before_ns = now_ns();
		sent = send_stack(fixture, tcp_other, BWCTL_EGRESS, 0);
		after_ns = now_ns();
		if (sent.answer != PROGRAMS_PASS)
			break;
		assert_true(slot_ns <= after_ns + meter->horizon_ns[BWCTL_LEVEL_NORMAL]);
		if (sent.context.tstamp != slot_ns)
			fail_msg("packet %u leaves at %llu, not at %llu", count,
				 (unsigned long long)sent.context.tstamp,
				 (unsigned long long)slot_ns);
		least_delay_ns += slot_ns - after_ns;
		most_delay_ns += slot_ns - before_ns;
	}
	assert_true(slot_ns > before_ns + meter->horizon_ns[BWCTL_LEVEL_NORMAL]);
	assert_int_equal(sent.answer, TC_ACT_REDIRECT); /* to nowhere */
	assert_true(count >= 8);

	counters = programs_counters(fixture->programs, BWCTL_EGRESS);
	row = &counters.flows[OTHER];
	assert_int_equal(row->passed.packets, count);
	assert_int_equal(row->paced.packets, count);
	assert_int_equal(row->paced.bytes, count * 1000);
	assert_int_equal(row->dropped.packets, 1);
	assert_int_equal(row->marked.packets, 0);
	assert_in_range(row->delay_ns, least_delay_ns, most_delay_ns);
	assert_in_range(row->delay_max_ns, first_ns + (count - 1) * cost_ns - after_ns,
			meter->horizon_ns[BWCTL_LEVEL_NORMAL]);
	for (int i = 0; i < BWCTL_DELAY_BUCKETS; i++)
		in_buckets += counters.delays[i];
	assert_int_equal(in_buckets, count);
	assert_int_equal(counters.delays[6], 1); /* 50 ms: above 32 and up to 64 */

	/* The operator's classes get further, and control further still. */
	put_clock(fixture, BWCTL_EGRESS,
		  (struct bwctl_clock){.spent_until_ns = now_ns() + 50 * MS +
							 meter->horizon_ns[BWCTL_LEVEL_NORMAL]});
	assert_int_not_equal(send_stack(fixture, tcp_other, BWCTL_EGRESS, 0).answer, PROGRAMS_PASS);
	assert_int_equal(send_stack(fixture, tcp_ui_out, BWCTL_EGRESS, 0).answer, PROGRAMS_PASS);
	put_clock(fixture, BWCTL_EGRESS,
		  (struct bwctl_clock){.spent_until_ns = now_ns() + 50 * MS +
							 meter->horizon_ns[BWCTL_LEVEL_HIGH]});
	assert_int_not_equal(send_stack(fixture, tcp_ui_out, BWCTL_EGRESS, 0).answer,
			     PROGRAMS_PASS);
	assert_int_equal(send_stack(fixture, arp, BWCTL_EGRESS, 0).answer, PROGRAMS_PASS);
	free(policy);
}

/* What the sender wants is done, up to a drift after the slot. */
static void test_pace_wanted(void **state)
{
	struct fixture *fixture = *state;
	struct bwctl_policy *policy = publish_pacing(fixture, PACE_LIMIT_BITS_S);
	const __u64 drift_ns = POLICY_DRIFT_MAX_NS;
	const __u64 slot_ns = now_ns() + 200 * MS;
	const struct {
		__u64 wanted_ns, leaves_ns;
	} wants[] = {
		{0, slot_ns},
		{1, slot_ns},
		{slot_ns - MS, slot_ns},
		{slot_ns + 1, slot_ns + 1},
		{slot_ns + drift_ns - 1, slot_ns + drift_ns - 1},
		{slot_ns + drift_ns, slot_ns + drift_ns},
		{slot_ns + drift_ns + 1, slot_ns + drift_ns},
		{slot_ns + S, slot_ns + drift_ns},
		{UINT64_MAX / 2, slot_ns + drift_ns},
	};
	__u64 before_ns, wanted_ns;
	struct sent sent;

	policy->meter[BWCTL_EGRESS].drift_ns = drift_ns;
	publish_policy(fixture, policy);
	for (size_t i = 0; i < COUNT(wants); i++) {
		put_clock(fixture, BWCTL_EGRESS, (struct bwctl_clock){.spent_until_ns = slot_ns});
		sent = send_stack(fixture, tcp_other, BWCTL_EGRESS, wants[i].wanted_ns);
		assert_int_equal(sent.answer, PROGRAMS_PASS);
		assert_int_equal(sent.context.tstamp, wants[i].leaves_ns);
	}

	/* By a queue of ours no sender paces itself: nothing leaves later than its slot. */
	put_clock(fixture, BWCTL_EGRESS, (struct bwctl_clock){.spent_until_ns = slot_ns});
	policy->meter[BWCTL_EGRESS].drift_ns = POLICY_DRIFT_NS;
	publish_policy(fixture, policy);
	sent = send_stack(fixture, tcp_other, BWCTL_EGRESS, slot_ns + S);
	assert_int_equal(sent.context.tstamp, slot_ns + POLICY_DRIFT_NS);

	/* The same where there is nothing to wait for. */
	policy->meter[BWCTL_EGRESS].drift_ns = drift_ns;
	publish_policy(fixture, policy);
	put_clock(fixture, BWCTL_EGRESS, (struct bwctl_clock){0});
	assert_int_equal(send_stack(fixture, arp, BWCTL_EGRESS, 0).context.tstamp, 0);
	put_clock(fixture, BWCTL_EGRESS, (struct bwctl_clock){0});
	wanted_ns = now_ns() + drift_ns;
	assert_int_equal(send_stack(fixture, arp, BWCTL_EGRESS, wanted_ns).context.tstamp,
			 wanted_ns);
	put_clock(fixture, BWCTL_EGRESS, (struct bwctl_clock){0});
	before_ns = now_ns();
	sent = send_stack(fixture, arp, BWCTL_EGRESS, before_ns + S);
	assert_in_range(sent.context.tstamp, before_ns + drift_ns, now_ns() + drift_ns);
	free(policy);
}

/* One that need not wait goes behind those that do, if they are of the same policy. */
static void test_pace_order(void **state)
{
	struct fixture *fixture = *state;
	struct bwctl_policy *policy = publish_pacing(fixture, PACE_LIMIT_BITS_S);
	struct bwctl_clock clock = {.high_held.until_ns = now_ns() + 300 * MS,
				    .high_held.generation = policy->generation};
	__u64 before_ns, after_ns;
	struct sent sent;

	put_clock(fixture, BWCTL_EGRESS, clock);
	sent = send_stack(fixture, arp, BWCTL_EGRESS, 0);
	assert_int_equal(sent.context.tstamp, clock.high_held.until_ns);
	/* Those that wait in the long queue are another matter. */
	put_clock(fixture, BWCTL_EGRESS, (struct bwctl_clock){.held = clock.high_held});
	assert_int_equal(send_stack(fixture, arp, BWCTL_EGRESS, 0).context.tstamp, 0);
	put_clock(fixture, BWCTL_EGRESS, (struct bwctl_clock){.held = clock.high_held});
	sent = send_stack(fixture, tcp_other, BWCTL_EGRESS, 0);
	assert_int_equal(sent.context.tstamp, clock.high_held.until_ns);
	clock.high_held.generation--;
	put_clock(fixture, BWCTL_EGRESS, clock);
	assert_int_equal(send_stack(fixture, arp, BWCTL_EGRESS, 0).context.tstamp, 0);

	/* Shortly after the last was due it may still be there; later it is forgotten. */
	clock.high_held.generation++;
	for (int i = 0; i < 100; i++) {
		before_ns = now_ns();
		clock.high_held.until_ns = before_ns - 2 * MS;
		put_clock(fixture, BWCTL_EGRESS, clock);
		sent = send_stack(fixture, arp, BWCTL_EGRESS, 0);
		after_ns = now_ns();
		if (after_ns - before_ns <= 5 * MS)
			break; /* else it was held up: that is no longer shortly */
	}
	assert_in_range(sent.context.tstamp, before_ns, after_ns);
	clock.high_held.until_ns = now_ns() - 20 * MS;
	put_clock(fixture, BWCTL_EGRESS, clock);
	assert_int_equal(send_stack(fixture, arp, BWCTL_EGRESS, 0).context.tstamp, 0);
	assert_int_equal(get_clock(fixture, BWCTL_EGRESS).high_held.until_ns, 0);
	free(policy);
}

/* Nothing is touched but the counters, which say what would have been. */
static void test_pace_observed(void **state)
{
	struct fixture *fixture = *state;
	struct bwctl_policy *policy = publish_pacing(fixture, PACE_LIMIT_BITS_S);
	const struct bwctl_flow_counters *row;
	struct bwctl_counters counters;
	struct bwctl_clock clock = {.high_since_ns = 1};
	struct sent sent;

	policy->observe = 1;
	publish_policy(fixture, policy);
	for (int direction = 0; direction < BWCTL_DIRECTIONS; direction++) {
		/* Within the horizon it would wait, and be marked; beyond it, be dropped. */
		for (int beyond = 0; beyond < 2; beyond++) {
			clock.spent_until_ns =
				now_ns() +
				(beyond ? 10 * S : policy->meter[direction].mark_ns + 9 * MS);
			put_clock(fixture, direction, clock);
			sent = send_stack(fixture, tcp_other, direction, 12345);
			assert_int_equal(sent.answer, PROGRAMS_PASS);
			assert_int_equal(sent.context.tstamp, 12345);
			assert_int_equal(get_clock(fixture, direction).held.until_ns != 0, !beyond);
		}
		counters = programs_counters(fixture->programs, direction);
		row = &counters.flows[OTHER];
		assert_int_equal(row->passed.packets, 2);
		assert_int_equal(row->passed.bytes, 2000);
		assert_int_equal(row->dropped.packets, 0);
		assert_int_equal(row->would_drop.packets, 1);
		assert_int_equal(row->would_drop.bytes, 1000);
		assert_int_equal(row->paced.packets, 1);
		assert_int_equal(row->marked.packets, 0);
	}
	free(policy);
}

static __u32 ip4_sum(const __u8 *header)
{
	__u32 sum = 0;

	for (int i = 0; i < 20; i += 2)
		sum += (__u32)header[i] << 8 | header[i + 1];
	while (sum >> 16)
		sum = (sum & 0xffff) + (sum >> 16);
	return ~sum & 0xffff;
}

static __u32 ecn_of(const __u8 *network)
{
	return network[0] >> 4 == 4 ? network[1] & 3 : network[1] >> 4 & 3;
}

/* One packet with these ECN bits behind a long backlog. Returns the bits it leaves with. */
static __u32 send_ecn(struct fixture *fixture, enum bwctl_direction direction, bool ip6, __u32 ecn)
{
	static const struct header stack4[STACK_MAX] = {ETH, IP4, TCP(40000, 40001), PAYLOAD(10)};
	static const struct header stack6[STACK_MAX] = {ETH, IP6, TCP(40000, 40001), PAYLOAD(10)};
	struct frame frame;
	__u8 *network = frame.bytes + ETH_HLEN;
	struct sent sent;
	__u32 sum;

	frame_build(&frame, ip6 ? stack6 : stack4, false);
	if (ip6) {
		network[1] |= (__u8)(ecn << 4);
	} else {
		network[1] = (__u8)(0xb8 | ecn);
		sum = ip4_sum(network);
		put16(network + 10, sum);
	}
	sent = send_through(program_fd(fixture->programs, direction, false), &frame,
			    (struct __sk_buff){0});
	arrive(fixture);
	assert_int_equal(sent.answer, direction == BWCTL_EGRESS ? PROGRAMS_PASS : TC_ACT_REDIRECT);
	assert_int_equal(sent.length, frame.length);
	network = sent.bytes + ETH_HLEN;
	if (!ip6) {
		assert_int_equal(ip4_sum(network), 0);
		assert_int_equal(network[1] & 0xfc, 0xb8);
	}
	return ecn_of(network);
}

static void test_pace_marks(void **state)
{
	struct fixture *fixture = *state;
	struct bwctl_policy *policy = publish_pacing(fixture, PACE_LIMIT_BITS_S);
	const struct bwctl_meter *meter = &policy->meter[BWCTL_EGRESS];
	struct bwctl_clock clock = {0};
	struct bwctl_counters counters;

	/* Marked well before it is dropped, whatever the class. */
	assert_true(meter->mark_ns + 100 * MS < meter->horizon_ns[BWCTL_LEVEL_NORMAL]);
	for (int direction = 0; direction < BWCTL_DIRECTIONS; direction++) {
		for (int ip6 = 0; ip6 < 2; ip6++)
			for (__u32 ecn = 0; ecn < 4; ecn++) {
				__u32 marked = ecn ? 3 : 0;
				__u64 now = now_ns();

				/* Long enough to wait, not long enough that it is so. */
				clock = (struct bwctl_clock){
					.spent_until_ns = now + meter->mark_ns + 100 * MS};
				put_clock(fixture, direction, clock);
				assert_int_equal(send_ecn(fixture, direction, ip6, ecn), ecn);
				clock = get_clock(fixture, direction);
				assert_in_range(clock.high_since_ns, now, now_ns());

				clock.high_since_ns = now_ns() - meter->mark_after_ns;
				put_clock(fixture, direction, clock);
				assert_int_equal(send_ecn(fixture, direction, ip6, ecn), marked);

				/* Not any more once the wait has been short. */
				clock.spent_until_ns = now_ns() + meter->mark_ns - 50 * MS;
				clock.held.until_ns = 0;
				put_clock(fixture, direction, clock);
				assert_int_equal(send_ecn(fixture, direction, ip6, ecn), ecn);
				assert_int_equal(get_clock(fixture, direction).high_since_ns, 0);
			}
		counters = programs_counters(fixture->programs, direction);
		assert_int_equal(counters.flows[OTHER].marked.packets, 6);
		assert_int_equal(counters.flows[OTHER].marked.bytes, 3 * (64 + 84));
		assert_int_equal(counters.flows[OTHER].paced.packets, 24);
	}

	/* By the time that passes. */
	clock = (struct bwctl_clock){.spent_until_ns = now_ns() + meter->mark_ns + 100 * MS};
	put_clock(fixture, BWCTL_EGRESS, clock);
	assert_int_equal(send_ecn(fixture, BWCTL_EGRESS, false, 2), 2);
	sleep_ns(meter->mark_after_ns);
	assert_int_equal(send_ecn(fixture, BWCTL_EGRESS, false, 2), 3);
	free(policy);
}

static __u64 cb_ns(const struct sent *sent)
{
	return sent->context.cb[1] | (__u64)sent->context.cb[2] << 32;
}

/* On the way in: straight on, or to the IFB with the time beside it. */
static void test_pace_in(void **state)
{
	struct fixture *fixture = *state;
	struct bwctl_policy *policy = publish_pacing(fixture, PACE_LIMIT_BITS_S);
	const struct bwctl_meter *meter = &policy->meter[BWCTL_INGRESS];
	__u64 slot_ns = now_ns() + 100 * MS, cost_ns = meter_cost_ns(meter, 1000);
	struct frame bare, whole;
	struct sent sent;

	sent = send_stack(fixture, tcp_other, BWCTL_INGRESS, 0);
	assert_int_equal(sent.answer, PROGRAMS_PASS);
	assert_int_equal(sent.context.cb[0], 0);

	put_clock(fixture, BWCTL_INGRESS, (struct bwctl_clock){.spent_until_ns = slot_ns});
	for (int i = 0; i < 8; i++) {
		sent = send_stack(fixture, tcp_other, BWCTL_INGRESS, 0);
		assert_int_equal(sent.answer, TC_ACT_REDIRECT);
		assert_int_equal(sent.length, 1000);
		assert_int_equal(sent.context.cb[0], HOLD_MAGIC);
		assert_int_equal(cb_ns(&sent), slot_ns + (__u64)i * cost_ns);
	}
	put_clock(fixture, BWCTL_INGRESS,
		  (struct bwctl_clock){.spent_until_ns = now_ns() + S +
							 meter->horizon_ns[BWCTL_LEVEL_NORMAL]});
	sent = send_stack(fixture, tcp_other, BWCTL_INGRESS, 0);
	assert_int_equal(sent.answer, TC_ACT_SHOT);

	/* Without a link-layer header: one is put before it. */
	slot_ns = now_ns() + 100 * MS;
	put_clock(fixture, BWCTL_INGRESS, (struct bwctl_clock){.spent_until_ns = slot_ns});
	frame_build(&bare, tcp_other, true);
	frame_build(&whole, tcp_other, false);
	sent = send_through(program_fd(fixture->programs, BWCTL_INGRESS, true), &bare,
			    (struct __sk_buff){0});
	assert_int_equal(sent.answer, TC_ACT_REDIRECT);
	assert_int_equal(sent.length, whole.length);
	assert_memory_equal(sent.bytes + ETH_HLEN, bare.bytes, bare.length);
	assert_int_equal(cb_ns(&sent), slot_ns);
	free(policy);
}

/* The queue is gone, as user space has not seen yet: policed, whatever the horizon. */
static void test_pace_lost(void **state)
{
	struct fixture *fixture = *state;
	struct bwctl_policy *policy = publish_pacing(fixture, PACE_LIMIT_BITS_S);
	struct bwctl_clock clock = {.lost_generation = policy->generation};
	struct bwctl_counters counters;

	for (int direction = 0; direction < BWCTL_DIRECTIONS; direction++) {
		clock.spent_until_ns = now_ns() + 100 * MS;
		clock.lost_generation = policy->generation;
		put_clock(fixture, direction, clock);
		assert_int_equal(send_stack(fixture, tcp_other, direction, 0).answer,
				 direction == BWCTL_EGRESS ? TC_ACT_REDIRECT : TC_ACT_SHOT);
		counters = programs_counters(fixture->programs, direction);
		assert_int_equal(counters.flows[OTHER].dropped.packets, 1);

		clock.spent_until_ns = 0;
		clock.held.until_ns = now_ns() + 100 * MS;
		clock.held.generation = policy->generation;
		put_clock(fixture, direction, clock);
		assert_int_equal(send_stack(fixture, tcp_other, direction, 0).answer,
				 PROGRAMS_PASS);
		assert_int_equal(send_stack(fixture, tcp_other, direction, 0).context.tstamp, 0);
		counters = programs_counters(fixture->programs, direction);
		assert_int_equal(counters.flows[OTHER].paced.packets, 0);

		/* That of another policy says nothing about this one. */
		clock.lost_generation--;
		clock.spent_until_ns = now_ns() + 100 * MS;
		put_clock(fixture, direction, clock);
		assert_int_equal(send_stack(fixture, tcp_other, direction, 0).answer,
				 direction == BWCTL_EGRESS ? PROGRAMS_PASS : TC_ACT_REDIRECT);
		counters = programs_counters(fixture->programs, direction);
		assert_int_equal(counters.flows[OTHER].paced.packets, 1);
	}
	free(policy);
}

/* What pace_note() leaves beside a packet. */
static struct __sk_buff noted(__u64 depart_ns)
{
	__u32 low = (__u32)depart_ns, high = (__u32)(depart_ns >> 32);

	return (struct __sk_buff){.cb = {HOLD_MAGIC, low, high, ~low, ~high}};
}

/* The program of the IFB: the time that came along, and nothing that did not come from us. */
static void test_hold(void **state)
{
	static const struct header ip6[STACK_MAX] = {ETH, IP6, UDP(40000, 40001)};
	const struct header *stacks[] = {tcp_other, ip6, arp};
	struct fixture *fixture = *state;
	int program = bpf_program__fd(fixture->programs->progs.bwctl_hold);
	__u64 depart_ns = now_ns() + 12345678;
	struct __sk_buff beside;
	struct frame frame;
	struct sent sent;

	for (size_t i = 0; i < COUNT(stacks); i++) {
		frame_build(&frame, stacks[i], false);
		sent = send_through(program, &frame, noted(depart_ns));
		assert_int_equal(sent.answer, PROGRAMS_PASS);
		assert_int_equal(sent.context.tstamp, depart_ns);
		assert_int_equal(sent.length, frame.length);
		sent = send_through(program, &frame, (struct __sk_buff){0});
		assert_int_equal(sent.answer, TC_ACT_SHOT);
		for (int word = 0; word < 5; word++) {
			beside = noted(depart_ns);
			beside.cb[word]++;
			sent = send_through(program, &frame, beside);
			assert_int_equal(sent.answer, TC_ACT_SHOT);
		}
	}
}

/* The filter that leads to the IFB on some kernels: takes what waits, and nothing else. */
static void test_lead(void **state)
{
	struct fixture *fixture = *state;
	struct bwctl_policy *policy = publish_pacing(fixture, PACE_LIMIT_BITS_S);
	int lead = bpf_program__fd(fixture->programs->progs.bwctl_lead);
	struct frame frame;
	struct sent sent;

	policy->meter[BWCTL_INGRESS].hold_ifindex = 0;
	publish_policy(fixture, policy);
	frame_build(&frame, tcp_other, false);

	sent = send_stack(fixture, tcp_other, BWCTL_INGRESS, 0);
	assert_int_equal(send_through(lead, &frame, sent.context).answer, 0);
	sent.context = noted(now_ns());
	sent.context.cb[3]++;
	assert_int_equal(send_through(lead, &frame, sent.context).answer, 0);

	put_clock(fixture, BWCTL_INGRESS,
		  (struct bwctl_clock){.spent_until_ns = now_ns() + 100 * MS});
	sent = send_stack(fixture, tcp_other, BWCTL_INGRESS, 0);
	assert_int_equal(sent.answer, PROGRAMS_PASS);
	assert_int_equal(sent.context.cb[0], HOLD_MAGIC);
	assert_int_equal(send_through(lead, &frame, sent.context).answer, -1);
	free(policy);
}

/* What was sent to the IFB and does not come to its program is missed by the next: policed. */
static void test_missed(void **state)
{
	struct fixture *fixture = *state;
	struct bwctl_policy *policy = publish_pacing(fixture, PACE_LIMIT_BITS_S);
	int in = program_fd(fixture->programs, BWCTL_INGRESS, false);
	int hold = bpf_program__fd(fixture->programs->progs.bwctl_hold);
	struct frame frame;
	struct sent sent;
	cpu_set_t before, one;

	assert_int_equal(sched_getaffinity(0, sizeof(before), &before), 0);
	CPU_ZERO(&one);
	CPU_SET(sched_getcpu(), &one);
	assert_int_equal(sched_setaffinity(0, sizeof(one), &one), 0);
	frame_build(&frame, tcp_other, false);
	for (int i = 0; i < 3; i++) {
		put_clock(fixture, BWCTL_INGRESS,
			  (struct bwctl_clock){.spent_until_ns = now_ns() + 100 * MS});
		sent = send_through(in, &frame, (struct __sk_buff){0});
		assert_int_equal(sent.answer, TC_ACT_REDIRECT);
		if (i < 2)
			assert_int_equal(send_through(hold, &frame, sent.context).answer,
					 PROGRAMS_PASS);
	}
	assert_int_equal(send_through(in, &frame, (struct __sk_buff){0}).answer, TC_ACT_SHOT);
	assert_int_equal(get_clock(fixture, BWCTL_INGRESS).lost_generation, policy->generation);
	assert_int_equal(get_clock(fixture, BWCTL_EGRESS).lost_generation, 0);
	/* A new policy tries again. */
	policy->generation++;
	publish_policy(fixture, policy);
	assert_int_equal(send_through(in, &frame, (struct __sk_buff){0}).answer, TC_ACT_REDIRECT);
	assert_int_equal(sched_setaffinity(0, sizeof(before), &before), 0);
	free(policy);
}

/* Priority 7, which old fq lets go at once, is taken back by one where a packet waits, and only there. */
static void test_no_shortcut(void **state)
{
	struct fixture *fixture = *state;
	struct bwctl_policy *policy = publish_pacing(fixture, PACE_LIMIT_BITS_S);
	int out = program_fd(fixture->programs, BWCTL_EGRESS, false);
	int hold = bpf_program__fd(fixture->programs->progs.bwctl_hold);
	struct __sk_buff beside = noted(now_ns() + 100 * MS);
	struct frame frame;

	frame_build(&frame, tcp_other, false);
	assert_int_equal(
		send_through(out, &frame, (struct __sk_buff){.priority = 7}).context.priority, 7);
	for (__u32 priority = 0; priority < 24; priority++) {
		put_clock(fixture, BWCTL_EGRESS,
			  (struct bwctl_clock){.spent_until_ns = now_ns() + 100 * MS});
		assert_int_equal(send_through(out, &frame, (struct __sk_buff){.priority = priority})
					 .context.priority,
				 priority % 16 == 7 ? priority - 1 : priority);
		beside.priority = priority;
		assert_int_equal(send_through(hold, &frame, beside).context.priority,
				 priority % 16 == 7 ? priority - 1 : priority);
	}
	free(policy);
}

/* Policing, too, lets no sender save up packets in an fq that is still there. */
static void test_police_wanted(void **state)
{
	struct fixture *fixture = *state;
	struct bwctl_request requests[BWCTL_DIRECTIONS] = {{0}, {.limit_bits_s = 1000000000}};
	struct bwctl_policy *policy = programs_policy(requests);
	__u64 now = now_ns(), got;

	assert_non_null(policy);
	publish_policy(fixture, policy);
	put_clock(fixture, BWCTL_EGRESS, (struct bwctl_clock){0});
	got = send_stack(fixture, tcp_other, BWCTL_EGRESS, now + 10 * S).context.tstamp;
	assert_in_range(got, now + POLICY_DRIFT_MAX_NS, now_ns() + POLICY_DRIFT_MAX_NS);
	now = now_ns();
	got = send_stack(fixture, tcp_other, BWCTL_EGRESS, now + MS).context.tstamp;
	assert_int_equal(got, now + MS);
	/* Without a limit it is nobody's business. */
	got = send_stack(fixture, tcp_other, BWCTL_INGRESS, now + 10 * S).context.tstamp;
	assert_int_equal(got, now + 10 * S);
	free(policy);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_table, setup, teardown),
		cmocka_unit_test_setup_teardown(test_table_bare, setup, teardown),
		cmocka_unit_test_setup_teardown(test_table_tag_stripped, setup, teardown),
		cmocka_unit_test_setup_teardown(test_table_overhead, setup, teardown),
		cmocka_unit_test_setup_teardown(test_ports_agree_with_the_lists, setup, teardown),
		cmocka_unit_test_setup_teardown(test_truncated_everywhere, setup, teardown),
		cmocka_unit_test_setup_teardown(test_garbage, setup, teardown),
		cmocka_unit_test_setup_teardown(test_garbage_super_packets, setup, teardown),
		cmocka_unit_test_setup_teardown(test_both_ways_agree, setup, teardown),
		cmocka_unit_test_setup_teardown(test_not_linear, setup, teardown),
		cmocka_unit_test_setup_teardown(test_no_policy_no_passage, setup, teardown),
		cmocka_unit_test_setup_teardown(test_over_the_limit_all_is_dropped, setup,
						teardown),
		cmocka_unit_test_setup_teardown(test_priorities, setup, teardown),
		cmocka_unit_test_setup_teardown(test_directions_apart, setup, teardown),
		cmocka_unit_test_setup_teardown(test_own_class, setup, teardown),
		cmocka_unit_test_setup_teardown(test_reasons, setup, teardown),
		cmocka_unit_test_setup_teardown(test_exempt, setup, teardown),
		cmocka_unit_test_setup_teardown(test_observed, setup, teardown),
		cmocka_unit_test_setup_teardown(test_lease_ends_with_its_policy, setup, teardown),
		cmocka_unit_test_setup_teardown(test_super_packet_beyond_the_bucket, setup,
						teardown),
		cmocka_unit_test_setup_teardown(test_two_cpus_pass_no_more_than_one, setup,
						teardown),
		cmocka_unit_test_setup_teardown(test_pace_spaces, setup, teardown),
		cmocka_unit_test_setup_teardown(test_pace_wanted, setup, teardown),
		cmocka_unit_test_setup_teardown(test_pace_order, setup, teardown),
		cmocka_unit_test_setup_teardown(test_pace_observed, setup, teardown),
		cmocka_unit_test_setup_teardown(test_pace_marks, setup, teardown),
		cmocka_unit_test_setup_teardown(test_pace_in, setup, teardown),
		cmocka_unit_test_setup_teardown(test_pace_lost, setup, teardown),
		cmocka_unit_test_setup_teardown(test_hold, setup, teardown),
		cmocka_unit_test_setup_teardown(test_lead, setup, teardown),
		cmocka_unit_test_setup_teardown(test_missed, setup, teardown),
		cmocka_unit_test_setup_teardown(test_no_shortcut, setup, teardown),
		cmocka_unit_test_setup_teardown(test_police_wanted, setup, teardown),
	};

	if (geteuid()) {
		printf("1..0 # SKIP only root may load BPF programs\n");
		return 0;
	}
	/* The programs go by the real clock: little is to come in between, on a busy machine too. */
	if (setpriority(PRIO_PROCESS, 0, -20))
		printf("# others may come in between: %s\n", strerror(errno));
	return cmocka_run_group_tests(tests, NULL, NULL);
}
