// SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
/*
 * Texts that are made by one thread and read by many. Who finds one that is a little old
 * takes it, and so asks for the next: under load nobody has to come again.
 */
#include "scrape.h"

#include <errno.h>
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <zlib.h>

#include "gzip.h"
#include "report.h"
#include "saved.h"

#define SECOND_NS 1000000000ULL
#define FRESH_NS  (SECOND_NS / 10) /* no other is made before */
#define STALE_NS  (SECOND_NS / 4)  /* nobody gets an older one */
#define STOP_S	  2

#define PLAIN  0
#define PACKED 1

struct scrape {
	const char *pin_dir, *config;
	void (*is_made)(void *argument);
	void *argument;
	pthread_t thread;

	/* The thread's own: what was read last, and when. */
	struct saved saved;
	struct report *report; /* NULL: it failed, and why */
	enum saved_answer answer;
	char why[LOG_TEXT];
	uint64_t read_ns;

	pthread_mutex_t lock;  /* of all below */
	pthread_cond_t wanted; /* somebody asks, or it is to end */
	bool ends;
	bool wants[SCRAPE_KINDS][2];
	struct scrape_text *texts[SCRAPE_KINDS][2];
	uint64_t made_ns[SCRAPE_KINDS][2]; /* when what they say was read; 0: never */
};

static uint64_t now_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * SECOND_NS + (uint64_t)now.tv_nsec;
}

/* ---- making ---- */

/* Takes data, also when it fails. */
static struct scrape_text *make_text(struct scrape *scrape, char *data, size_t length,
				     bool is_error)
{
	struct scrape_text *text = data ? malloc(sizeof(*text)) : NULL;

	if (text)
		*text = (struct scrape_text){.data = data,
					     .length = length,
					     .is_error = is_error,
					     .read_ns = scrape->report &&
									scrape->report->counted_ns ?
								scrape->report->counted_ns :
								scrape->read_ns,
					     .holders = 1,
					     .scrape = scrape};
	else
		free(data);
	return text;
}

/* Takes json. NULL when out of memory. */
static char *dump(json_t *json)
{
	char *text = json ? json_dumps(json, JSON_COMPACT | JSON_REAL_PRECISION(15)) : NULL;

	json_decref(json);
	return text;
}

static struct scrape_text *make_error(struct scrape *scrape, enum scrape_kind kind)
{
	char *line = NULL;

	if (kind == SCRAPE_SHOW)
		line = dump(json_pack("{s:s}", "error", scrape->why));
	else if (asprintf(&line, "%s\n", scrape->why) < 0)
		line = NULL;
	return make_text(scrape, line, line ? strlen(line) : 0, true);
}

static struct scrape_text *make_show(struct scrape *scrape)
{
	json_t *json = report_json(scrape->report), *run;
	char *text;
	size_t i;

	/* What stands behind the program may be a secret, and is for whoever is root here alone. */
	json_array_foreach(json_object_get(json, "runs"), i, run) {
		const char *command = json_string_value(json_object_get(run, "command"));

		if (command)
			json_object_set_new(run, "command",
					    json_stringn(command, strcspn(command, " ")));
	}
	text = dump(json);
	return make_text(scrape, text, text ? strlen(text) : 0, false);
}

static struct scrape_text *make_plain(struct scrape *scrape, enum scrape_kind kind)
{
	size_t length = 0;
	char *data = NULL;
	FILE *out;

	if (!scrape->report)
		return make_error(scrape, kind);
	if (kind == SCRAPE_SHOW)
		return make_show(scrape);
	out = open_memstream(&data, &length);
	if (!out)
		return NULL;
	if (kind == SCRAPE_HEALTH)
		fputs("ok\n", out);
	else
		metrics_print(out, scrape->report, scrape->answer, (enum metrics_format)kind);
	if (fclose(out)) {
		free(data);
		return NULL;
	}
	return make_text(scrape, data, length, false);
}

static struct scrape_text *make_packed(struct scrape *scrape, const struct scrape_text *plain)
{
	size_t length;
	char *data = gzip_pack(plain->data, plain->length, Z_BEST_SPEED, &length);

	return data ? make_text(scrape, data, length, false) : NULL;
}

static void drop(struct scrape_text *text)
{
	if (!text || --text->holders)
		return;
	free(text->data);
	free(text);
}

/* One kind, as far as it is wanted. */
static void make(struct scrape *scrape, enum scrape_kind kind, const bool wants[2])
{
	struct scrape_text *made[2] = {make_plain(scrape, kind), NULL};

	if (wants[PACKED] && made[PLAIN])
		made[PACKED] = made[PLAIN]->is_error ? make_error(scrape, kind) :
						       make_packed(scrape, made[PLAIN]);
	pthread_mutex_lock(&scrape->lock);
	for (int packing = 0; packing < 2; packing++) {
		if (!made[packing])
			continue;
		drop(scrape->texts[kind][packing]);
		scrape->texts[kind][packing] = made[packing];
		scrape->made_ns[kind][packing] = scrape->read_ns;
	}
	pthread_mutex_unlock(&scrape->lock);
}

/* Reads the limiter, unless it was just read. An error is for the journal once, and its end. */
static void look(struct scrape *scrape)
{
	char before[LOG_TEXT];

	if (scrape->read_ns && now_ns() - scrape->read_ns < FRESH_NS)
		return;
	memcpy(before, scrape->why, sizeof(before));
	report_free(scrape->report);
	scrape->report = NULL;
	scrape->why[0] = '\0';
	scrape->answer = SAVED_UNKNOWN;
	scrape->read_ns = now_ns();
	if (report_read(scrape->pin_dir, LIMITER_LOOK, &scrape->report, scrape->why))
		scrape->report = NULL;
	else
		scrape->why[0] = '\0';
	if (scrape->report && report_is_loaded(scrape->report))
		scrape->answer = saved_ask(&scrape->saved, scrape->config, &scrape->report->policy);
	if (scrape->why[0] && strcmp(before, scrape->why))
		log_error("%s", scrape->why);
	else if (!scrape->why[0] && before[0])
		log_hint("what could not be read can be read again");
}

static bool is_wanted(const struct scrape *scrape)
{
	for (int kind = 0; kind < SCRAPE_KINDS; kind++)
		if (scrape->wants[kind][PLAIN] || scrape->wants[kind][PACKED])
			return true;
	return false;
}

static void *work(void *argument)
{
	struct scrape *scrape = argument;

	pthread_mutex_lock(&scrape->lock);
	for (;;) {
		bool wants[SCRAPE_KINDS][2];

		while (!scrape->ends && !is_wanted(scrape))
			pthread_cond_wait(&scrape->wanted, &scrape->lock);
		if (scrape->ends)
			break;
		memcpy(wants, scrape->wants, sizeof(wants));
		memset(scrape->wants, 0, sizeof(scrape->wants));
		pthread_mutex_unlock(&scrape->lock);
		look(scrape);
		for (int kind = 0; kind < SCRAPE_KINDS; kind++)
			if (wants[kind][PLAIN] || wants[kind][PACKED])
				make(scrape, kind, wants[kind]);
		scrape->is_made(scrape->argument);
		pthread_mutex_lock(&scrape->lock);
	}
	pthread_mutex_unlock(&scrape->lock);
	return NULL;
}

/* ---- taking ---- */

struct scrape_text *scrape_take(struct scrape *scrape, enum scrape_kind kind, bool gzip)
{
	int packing = gzip ? PACKED : PLAIN;
	uint64_t asked_ns = now_ns();
	struct scrape_text *text = NULL;

	pthread_mutex_lock(&scrape->lock);
	if (scrape->made_ns[kind][packing] + FRESH_NS < asked_ns) {
		scrape->wants[kind][packing] = true;
		pthread_cond_signal(&scrape->wanted);
	}
	if (scrape->made_ns[kind][packing] + STALE_NS >= asked_ns)
		text = scrape->texts[kind][packing];
	if (text)
		text->holders++;
	pthread_mutex_unlock(&scrape->lock);
	return text;
}

void scrape_give_back(struct scrape_text *text)
{
	struct scrape *scrape = text->scrape;

	pthread_mutex_lock(&scrape->lock);
	drop(text);
	pthread_mutex_unlock(&scrape->lock);
}

/* ---- beginning and end ---- */

int scrape_start(struct scrape **ret_scrape, const char *pin_dir, const char *config,
		 void (*is_made)(void *argument), void *argument, char why[LOG_TEXT])
{
	struct scrape *scrape = calloc(1, sizeof(*scrape));
	int err;

	if (!scrape) {
		snprintf(why, LOG_TEXT, "out of memory");
		return -ENOMEM;
	}
	scrape->pin_dir = pin_dir;
	scrape->config = config;
	scrape->is_made = is_made;
	scrape->argument = argument;
	pthread_mutex_init(&scrape->lock, NULL);
	pthread_cond_init(&scrape->wanted, NULL);
	err = -pthread_create(&scrape->thread, NULL, work, scrape);
	if (err) {
		snprintf(why, LOG_TEXT, "cannot start a thread: %s", strerror(-err));
		free(scrape);
		return err;
	}
	*ret_scrape = scrape;
	return 0;
}

int scrape_stop(struct scrape *scrape)
{
	struct timespec until;

	pthread_mutex_lock(&scrape->lock);
	scrape->ends = true;
	pthread_cond_broadcast(&scrape->wanted);
	pthread_mutex_unlock(&scrape->lock);
	clock_gettime(CLOCK_REALTIME, &until);
	until.tv_sec += STOP_S;
	if (pthread_timedjoin_np(scrape->thread, NULL, &until))
		return -EBUSY;
	for (int kind = 0; kind < SCRAPE_KINDS; kind++)
		for (int packing = 0; packing < 2; packing++)
			drop(scrape->texts[kind][packing]);
	report_free(scrape->report);
	pthread_cond_destroy(&scrape->wanted);
	pthread_mutex_destroy(&scrape->lock);
	free(scrape);
	return 0;
}
