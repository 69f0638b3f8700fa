/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../base/cleanup.h"
#include "../base/sbuf.h"
#include "manifest.h"
#include "names.h"

static const char *const status_names[COLLECTOR_STATUS_COUNT] = {
	"ok", "partial", "timeout", "denied", "unsupported", "skipped", "error",
};

const char *collector_status_name(enum collector_status s)
{
	return s < COLLECTOR_STATUS_COUNT ? status_names[s] : "error";
}

int collector_status_parse(const char *word, enum collector_status *ret)
{
	for (int i = 0; i < COLLECTOR_STATUS_COUNT; i++) {
		if (strcmp(word, status_names[i]) == 0) {
			*ret = (enum collector_status)i;
			return 0;
		}
	}
	return -EINVAL;
}

bool collector_status_complete(enum collector_status s)
{
	return s == COLLECTOR_OK || s == COLLECTOR_UNSUPPORTED || s == COLLECTOR_SKIPPED;
}

/* ------------------------------------------------------------------ writing */

/* The longest text of a field in either member, with its NUL. */
#define TEXT_MAX 1024

/*
 * JSON cannot carry bytes that are not UTF-8; written as \xNN they are four times as long.  Cut
 * here what would then not fit in the reader's field of cap bytes.
 */
static void fit(char out[TEXT_MAX], const char *s, size_t cap)
{
	size_t len = strlen(s), n = 0;

	for (size_t i = 0; i < len;) {
		int c = utf8_len((const unsigned char *)s + i, len - i);
		size_t need = c ? (size_t)c : 4;

		if (n + need >= cap)
			break;
		if (c)
			memcpy(out + n, s + i, need);
		else
			snprintf(out + n, 5, "\\x%02x", (unsigned char)s[i]);
		n += need;
		i += c ? (size_t)c : 1;
	}
	out[n] = 0;
}

static void put_text(struct json *j, const char *key, const char *s, size_t cap)
{
	char out[TEXT_MAX];

	fit(out, s, cap);
	json_kstr(j, key, out);
}

#define PUT_TEXT(j, key, array) put_text(j, key, array, sizeof(array))

/* null instead of an empty text */
#define PUT_OPTIONAL(j, key, array)                                                                \
	do {                                                                                       \
		if ((array)[0])                                                                    \
			PUT_TEXT(j, key, array);                                                   \
		else                                                                               \
			json_knull(j, key);                                                        \
	} while (0)

static void put_words(struct json *j, const char *key, const char *s, size_t cap, char separator)
{
	char out[TEXT_MAX];
	const char *p = out, *end;

	fit(out, s, cap);
	json_key(j, key);
	json_array(j);
	while (*p) {
		end = strchrnul(p, separator);
		json_strn(j, p, (size_t)(end - p));
		p = *end ? end + 1 : end;
	}
	json_array_end(j);
}

/* The reader takes what fits a signed number. */
static void put_u64(struct json *j, const char *key, uint64_t v)
{
	json_ku64(j, key, v > INT64_MAX ? INT64_MAX : v);
}

static void put_ns(struct json *j, const char *key, uint64_t ns)
{
	char text[24];

	snprintf(text, sizeof(text), "%llu", (unsigned long long)ns);
	json_kstr(j, key, text);
}

static void open_object(struct json *j, const char *key)
{
	json_key(j, key);
	json_object(j);
}

static void open_array(struct json *j, const char *key)
{
	json_key(j, key);
	json_array(j);
}

static void put_format(struct json *j)
{
	json_kstr(j, "format", BUNDLE_FORMAT);
	json_kstr(j, "version", BUNDLE_VERSION);
}

static void put_plan(struct json *j, const struct capture_head *h)
{
	open_object(j, "plan");
	json_kf64(j, "duration_s", h->duration_s);
	put_words(j, "collectors", h->collectors, sizeof(h->collectors), ',');
	PUT_TEXT(j, "memory_source", h->memory_source);
	PUT_TEXT(j, "sample", h->sample);
	json_object_end(j);

	open_object(j, "limits");
	put_u64(j, "max_size", h->max_size);
	json_kf64(j, "max_cpu", h->max_cpu);
	put_u64(j, "max_memory", h->max_memory);
	put_u64(j, "min_free", h->min_free);
	json_object_end(j);
}

static void put_host(struct json *j, const struct capture_head *h)
{
	open_object(j, "privilege");
	put_u64(j, "euid", h->euid);
	PUT_TEXT(j, "capabilities", h->capabilities);
	PUT_TEXT(j, "lockdown", h->lockdown);
	json_object_end(j);

	open_object(j, "host");
	PUT_TEXT(j, "hostname", h->hostname);
	PUT_TEXT(j, "kernel", h->kernel);
	PUT_TEXT(j, "os", h->os);
	PUT_TEXT(j, "arch", h->arch);
	put_u64(j, "cpus", h->cpus);
	put_u64(j, "page_size", h->page_size);
	PUT_OPTIONAL(j, "btf_id", h->btf_id);
	json_kbool(j, "container", h->container);
	json_object_end(j);
}

void capture_head_write(struct json *j, const struct capture_head *h)
{
	json_object(j);
	put_format(j);
	PUT_TEXT(j, "name", h->name);
	PUT_TEXT(j, "tool", h->tool);
	PUT_OPTIONAL(j, "label", h->label);
	PUT_OPTIONAL(j, "ticket", h->ticket);
	put_words(j, "arguments", h->arguments, sizeof(h->arguments), ' ');
	open_object(j, "clock");
	put_ns(j, "realtime_ns", h->clock.realtime_ns);
	put_ns(j, "monotonic_ns", h->clock.monotonic_ns);
	put_ns(j, "boottime_ns", h->clock.boottime_ns);
	put_ns(j, "spread_ns", h->clock.spread_ns);
	put_ns(j, "window_start_monotonic_ns", h->window_start_monotonic_ns);
	json_object_end(j);
	put_plan(j, h);
	put_host(j, h);
	PUT_TEXT(j, "redaction", h->redaction);
	json_object_end(j);
}

static void put_collector(struct json *j, const struct collector_result *c)
{
	json_object(j);
	PUT_TEXT(j, "name", c->name);
	json_kstr(j, "status", collector_status_name(c->status));
	put_u64(j, "errno", c->no > 0 ? (uint64_t)c->no : 0);
	PUT_TEXT(j, "reason", c->reason);
	json_kf64(j, "start_ms", c->start_ms);
	json_kf64(j, "end_ms", c->end_ms);
	json_kf64(j, "cpu_s", c->cpu_s);
	put_u64(j, "max_rss_bytes", c->max_rss_bytes);
	put_u64(j, "dropped", c->dropped);
	open_array(j, "loss");
	for (size_t i = 0; i < c->loss_count && i < MANIFEST_MAX_LOSS; i++) {
		json_object(j);
		PUT_TEXT(j, "cause", c->loss[i].cause);
		put_u64(j, "count", c->loss[i].count);
		json_object_end(j);
	}
	json_array_end(j);
	open_array(j, "notes");
	for (size_t i = 0; i < c->note_count && i < MANIFEST_MAX_NOTES; i++) {
		char out[TEXT_MAX];

		fit(out, c->notes[i], sizeof(c->notes[i]));
		json_str(j, out);
	}
	json_array_end(j);
	if (c->abandoned_pid > 0)
		put_u64(j, "abandoned_pid", (uint64_t)c->abandoned_pid);
	else
		json_knull(j, "abandoned_pid");
	json_object_end(j);
}

static void put_member(struct json *j, const struct bundle_member *m)
{
	static const char hex[] = "0123456789abcdef";
	char sha[2 * sizeof(m->sha256) + 1] = "";

	for (size_t i = 0; i < sizeof(m->sha256); i++) {
		sha[2 * i] = hex[m->sha256[i] >> 4];
		sha[2 * i + 1] = hex[m->sha256[i] & 15];
	}
	json_object(j);
	PUT_TEXT(j, "name", m->name);
	put_u64(j, "size", m->size);
	json_kstr(j, "sha256", sha);
	json_kbool(j, "truncated", m->truncated);
	json_object_end(j);
}

static void put_observer(struct json *j, const struct capture_manifest *m)
{
	open_object(j, "observer");
	json_kf64(j, "cpu_s", m->observer_cpu_s);
	json_kf64(j, "wall_s", m->observer_wall_s);
	put_u64(j, "max_rss_bytes", m->observer_max_rss_bytes);
	put_u64(j, "bytes_written", m->bytes_written);
	json_object_end(j);
}

void capture_manifest_write(struct json *j, const struct capture_manifest *m,
			    const struct bundle_member *members, size_t member_count)
{
	json_object(j);
	put_format(j);
	json_kbool(j, "complete", m->complete);
	json_ki64(j, "exit", m->exit_code);
	PUT_OPTIONAL(j, "interrupted", m->interrupted);
	put_ns(j, "finished_realtime_ns", m->finished_realtime_ns);
	put_ns(j, "finished_monotonic_ns", m->finished_monotonic_ns);
	put_ns(j, "window_end_monotonic_ns", m->window_end_monotonic_ns);
	put_observer(j, m);
	open_array(j, "collectors");
	for (size_t i = 0; i < m->collector_count && i < MANIFEST_MAX_COLLECTORS; i++)
		put_collector(j, &m->collectors[i]);
	json_array_end(j);
	open_array(j, "redacted");
	for (size_t i = 0; i < m->redacted_count && i < ARRAY_SIZE(m->redacted); i++) {
		json_object(j);
		PUT_TEXT(j, "kind", m->redacted[i].kind);
		PUT_TEXT(j, "where", m->redacted[i].where);
		put_u64(j, "count", m->redacted[i].count);
		json_object_end(j);
	}
	json_array_end(j);
	open_array(j, "members");
	for (size_t i = 0; i < member_count; i++)
		put_member(j, &members[i]);
	json_array_end(j);
	json_object_end(j);
}
