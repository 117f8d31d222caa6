/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * The maps of a limiter. With skeleton, counters, hooks and pins, on which it
 * stands, the only user of libbpf. A limiter is what is pinned in one directory
 * of the BPF file system; it outlives every process. Interfaces are those of
 * the network namespace this process is in.
 *
 * Functions return 0 or -errno and then say why in the text they are given,
 * in full ("cannot attach to 'eth0': Operation not permitted"). They never print.
 */
#ifndef LIMITER_H
#define LIMITER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "bwctl.h"
#include "counters.h"
#include "first.h"
#include "holder.h"
#include "log.h"

#define LIMITER_PIN_DIR "/sys/fs/bpf/bwctl"

struct limiter;

enum limiter_access {
	LIMITER_LOOK, /* what is there, by pins that are shared, at no privilege; see limiter_is_same() */
	LIMITER_READ,	/* what is there; shared with other readers */
	LIMITER_CHANGE, /* one at a time */
	LIMITER_CREATE, /* the same, and made when it is not there: BPF file system, maps, programs */
	LIMITER_REMOVE, /* as CHANGE, but to take away what there is: maps may be missing */
};

/* One interface that is loaded, and what the kernel says of it now. */
struct limiter_interface {
	struct bwctl_interface_key key;
	struct bwctl_interface record;
	bool own;      /* of this network namespace */
	bool here;     /* of this one, or of one that is gone */
	bool exists;   /* in this network namespace, now */
	char name[16]; /* its name now; as it was loaded when it is gone or elsewhere */
	enum bwctl_hook hook[BWCTL_DIRECTIONS]; /* BWCTL_HOOK_NONE: nothing of ours is attached */
	int holds[BWCTL_DIRECTIONS];		/* what holder_hold() says of it now, */
	char hindrance[BWCTL_DIRECTIONS][LOG_TEXT]; /* and why packets cannot wait, or empty */
};

/*
 * Opens the limiter pinned in pin_dir, and waits for its lock while another
 * command has it (-EBUSY after 30 seconds). -ENOENT when there is none, unless
 * it is to be created; -ENODATA when it is not whole. Close with limiter_close().
 */
int limiter_open(struct limiter **ret_limiter, const char *pin_dir, enum limiter_access access,
		 char why[LOG_TEXT]);
void limiter_close(struct limiter *limiter);

/*
 * The policy in force, whole. ret_policy is about 800 KB: not for the stack. -ENOENT
 * when none has been put in place yet.
 */
int limiter_policy(struct limiter *limiter, struct bwctl_policy *ret_policy, char why[LOG_TEXT]);

/*
 * Whether the policy that limiter_policy() found is still in force. LIMITER_LOOK takes no lock,
 * so that who looks on can keep nobody waiting: what was read since belongs together if it is.
 */
bool limiter_is_same(const struct limiter *limiter);

/*
 * The policy that was in force, when limiter_policy() finds none because a map
 * was lost. -ENOENT when there was none.
 */
int limiter_former_policy(struct limiter *limiter, struct bwctl_policy *ret_policy,
			  char why[LOG_TEXT]);

/*
 * Puts a policy in place of the one in force: one pointer swap. When it
 * returns, no program uses the former one any more. Classes and flows whose names
 * are new begin to count at zero, whoever had their numbers before.
 */
int limiter_publish(struct limiter *limiter, const struct bwctl_policy *policy, char why[LOG_TEXT]);

/*
 * Whether a queue that held packets has been taken away since the policy was put
 * in force: that direction polices until another is.
 */
bool limiter_has_lost_queue(struct limiter *limiter, const struct bwctl_policy *policy,
			    enum bwctl_direction direction);

/*
 * Since when it counts: CLOCK_REALTIME, 0 if that is not known; and a number that no other limiter
 * has, nor this one once its counters were lost.
 */
int limiter_begin(const struct limiter *limiter, uint64_t *ret_since_ns, uint32_t *ret_id,
		  char why[LOG_TEXT]);

/* What was counted since the limiter was made, of all interfaces, [direction]. */
int limiter_counters(struct limiter *limiter, struct counters ret_counters[BWCTL_DIRECTIONS],
		     char why[LOG_TEXT]);

/* The same of one interface, since it was loaded. -ENOENT when it has not counted yet. */
int limiter_interface_counters(struct limiter *limiter, const struct bwctl_interface_key *key,
			       struct counters_interface ret_counters[BWCTL_DIRECTIONS],
			       char why[LOG_TEXT]);

/* The clock of one direction as it stands; 0 or -errno. */
int limiter_clock(struct limiter *limiter, enum bwctl_direction direction,
		  struct bwctl_clock *ret_clock);

/* CPUs the kernel may ever run, which is how many leases there can be. Positive, or -errno. */
int limiter_possible_cpus(void);

/*
 * Whether a CPU's programs cannot interrupt each other, on which leases rely:
 * not so on a PREEMPT_RT kernel.
 */
bool limiter_leases_are_safe(void);

/* Whether on this kernel a filter leads to the IFB, and not the program that meters. */
bool limiter_leads(void);

/* CLOCK_MONOTONIC as the programs have it, whatever time namespace this process is in. */
uint64_t limiter_now_ns(void);

/* The interfaces that are loaded, in the order of their index. free() the array. */
int limiter_interfaces(struct limiter *limiter, struct limiter_interface **ret_interfaces,
		       size_t *ret_count, char why[LOG_TEXT]);

/* Who comes before ours there. Not known of what is in another network namespace. */
void limiter_first(const struct limiter *limiter, const struct limiter_interface *interface,
		   enum bwctl_direction direction, struct first *ret_first);

/* The key of an interface of this network namespace. -ENODEV and why when there is none. */
int limiter_find(struct limiter *limiter, const char *name, struct bwctl_interface_key *ret_key,
		 char why[LOG_TEXT]);

/*
 * What holder_hold() does, if the interface is in this network namespace; of
 * others only whether packets can wait there now. 0, 1, or -errno and why not.
 */
int limiter_hold(struct limiter *limiter, const struct bwctl_interface_key *key, const char *name,
		 enum bwctl_direction direction, enum holder_task task, char why[LOG_TEXT]);

/*
 * Where a program redirects what waits on ingress: the IFB of this limiter, which has
 * the same index in every network namespace. 0: it does not, a filter does.
 */
uint32_t limiter_redirect_ifindex(const struct limiter *limiter);

/* Super-packets of an interface of this network namespace: holder_fit(). */
int limiter_fit(struct limiter *limiter, const struct bwctl_interface_key *key,
		const uint32_t segments[BWCTL_DIRECTIONS]);

/*
 * Loads the programs of an interface that is about to be attached to, so that what
 * the kernel refuses shows before anything is changed. A limiter opened with
 * LIMITER_CREATE. 0 as well when there is no such interface, or it is of no kind that
 * can be limited: limiter_attach() says so.
 */
int limiter_prepare(struct limiter *limiter, const char *name, char why[LOG_TEXT]);

/*
 * Writes down what the interfaces of this network namespace are called now, if they were renamed:
 * who looks from another one has only that.
 */
void limiter_note_names(struct limiter *limiter);

/*
 * The names of the interfaces that are loaded, or prepared, each at its number
 * (bwctl_interface.slot), empty where there is none. Those of other network
 * namespaces have the names that were written down last.
 */
void limiter_slots(struct limiter *limiter, char ret_names[BWCTL_SLOTS][BWCTL_NAME]);

/*
 * Attaches to both directions of an interface, or replaces the programs that
 * are there, in place. BWCTL_HOOK_NONE chooses tcx where the kernel has it. A limiter
 * opened with LIMITER_CREATE; a policy must be in force. ret_interface is what it became.
 * One that was loaded under that name and is gone is forgotten.
 */
int limiter_attach(struct limiter *limiter, const char *name, enum bwctl_hook hook,
		   struct limiter_interface *ret_interface, char why[LOG_TEXT]);

/* Detaches from an interface of this network namespace; one that is gone is forgotten. */
int limiter_detach(struct limiter *limiter, const struct limiter_interface *interface,
		   char why[LOG_TEXT]);

/* Whether it was opened to be created or removed, and nothing was there. */
bool limiter_is_fresh(const struct limiter *limiter);

/*
 * Whether opening it with LIMITER_REMOVE took off an interface of which nothing was
 * written down, and sizes that a low limit had lowered may be what it has now.
 */
bool limiter_has_left_sizes(const struct limiter *limiter);

/*
 * "bwctl run": a lock below the pin directory says that the process lives which asked for
 * a run. limiter_start_run() takes one, for as long as this process lives, and gives the run
 * an id that no other of the policy has. Publishing the policy is the caller's.
 */
int limiter_start_run(struct limiter *limiter, const struct bwctl_policy *policy,
		      struct bwctl_run *run, int *ret_fd, char why[LOG_TEXT]);

/*
 * Whether an id is still that of the run which this process started. Not so when all was
 * unloaded since, and another run has it.
 */
bool limiter_owns_run(struct limiter *limiter, uint64_t id, int fd);

/* Removes the lock of a run that is in no policy any more. */
int limiter_forget_run(struct limiter *limiter, uint64_t id, char why[LOG_TEXT]);

/* Whose process lives, by place in policy->runs. */
void limiter_runs(struct limiter *limiter, const struct bwctl_policy *policy,
		  bool ret_is_alive[BWCTL_RUNS]);

/* Removes every pin. For when no interface is loaded any more. */
int limiter_remove(struct limiter *limiter, char why[LOG_TEXT]);

#endif
