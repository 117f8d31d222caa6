// SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
/*
 * The program that does nothing: what a packet costs at the hook at least.
 */
#include <linux/bpf.h>
#include <linux/pkt_cls.h>

#include <bpf/bpf_helpers.h>

SEC("tc")
int empty(struct __sk_buff *skb)
{
	(void)skb;
	return TC_ACT_UNSPEC;
}

char LICENSE[] SEC("license") = "Dual BSD/GPL";
