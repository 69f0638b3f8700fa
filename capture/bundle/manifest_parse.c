/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The tables of what is read from the two JSON members. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "../base/cleanup.h"
#include "manifest.h"
#include "names.h"
#include "shape.h"

/* The writer keeps the head under 64 KiB; 4,096 members take less than 2 MiB. */
#define HEAD_MAX (64u << 10)
#define MANIFEST_MAX (4u << 20)

struct version {
	unsigned major, minor;
	bool format_ok;
};

static int convert_format(const char *text, size_t len, void *to)
{
	bool *ok = to;

	*ok = len == strlen(BUNDLE_FORMAT) && memcmp(text, BUNDLE_FORMAT, len) == 0;
	return *ok ? 0 : -EINVAL;
}

/* "MAJOR.MINOR" */
static int convert_version(const char *text, size_t len, void *to)
{
	unsigned part[2] = {0};
	struct version *v = to;
	size_t i = 0;

	for (int k = 0; k < 2; k++) {
		size_t start = i;

		for (; i < len && i - start < 6 && text[i] >= '0' && text[i] <= '9'; i++)
			part[k] = part[k] * 10 + (unsigned)(text[i] - '0');
		if (i == start || (k == 0 && (i >= len || text[i++] != '.')))
			return -EINVAL;
	}
	if (i != len)
		return -EINVAL;
	v->major = part[0];
	v->minor = part[1];
	return 0;
}

static int convert_status(const char *text, size_t len, void *to)
{
	char word[16] = "";

	if (len >= sizeof(word))
		return -EINVAL;
	memcpy(word, text, len);
	return collector_status_parse(word, to);
}

static int hex_digit(char c)
{
	return c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

static int convert_sha256(const char *text, size_t len, void *to)
{
	uint8_t *out = to;

	if (len != 64)
		return -EINVAL;
	for (size_t i = 0; i < 32; i++) {
		int high = hex_digit(text[2 * i]), low = hex_digit(text[2 * i + 1]);

		if (high < 0 || low < 0)
			return -EINVAL;
		out[i] = (uint8_t)(high << 4 | low);
	}
	return 0;
}

static int convert_member_name(const char *text, size_t len, void *to)
{
	if (!bundle_name_ok(text, len) || len >= sizeof(((struct bundle_member *)0)->name))
		return -EINVAL;
	memcpy(to, text, len);
	((char *)to)[len] = 0;
	return 0;
}

#define FIELD(type, member) .offset = offsetof(type, member), .size = sizeof(((type *)0)->member)
#define SHAPE(name, type)                                                                          \
	static const struct shape name = {name##_fields, ARRAY_SIZE(name##_fields), sizeof(type)}

static const struct shape_field version_fields[] = {
	{"format", SHAPE_CONVERT, true, FIELD(struct version, format_ok),
	 .convert = convert_format},
	{"version", SHAPE_CONVERT, true, .offset = 0, .convert = convert_version},
};
SHAPE(version, struct version);

#define HEAD(member) FIELD(struct capture_head, member)

static const struct shape_field clocks_fields[] = {
	{"realtime_ns", SHAPE_NS, true, HEAD(clock.realtime_ns)},
	{"monotonic_ns", SHAPE_NS, true, HEAD(clock.monotonic_ns)},
	{"boottime_ns", SHAPE_NS, true, HEAD(clock.boottime_ns)},
	{"spread_ns", SHAPE_NS, HEAD(clock.spread_ns)},
	{"window_start_monotonic_ns", SHAPE_NS, true, HEAD(window_start_monotonic_ns)},
};
SHAPE(clocks, struct capture_head);

static const struct shape_field plan_fields[] = {
	{"duration_s", SHAPE_F64, HEAD(duration_s)},
	{"collectors", SHAPE_WORDS, HEAD(collectors), .separator = ','},
	{"memory_source", SHAPE_TEXT, HEAD(memory_source)},
	{"sample", SHAPE_TEXT, HEAD(sample)},
};
SHAPE(plan, struct capture_head);

static const struct shape_field limits_fields[] = {
	{"max_size", SHAPE_U64, HEAD(max_size)},
	{"max_cpu", SHAPE_F64, HEAD(max_cpu)},
	{"max_memory", SHAPE_U64, HEAD(max_memory)},
	{"min_free", SHAPE_U64, HEAD(min_free)},
};
SHAPE(limits, struct capture_head);

static const struct shape_field privilege_fields[] = {
	{"euid", SHAPE_U32, HEAD(euid)},
	{"capabilities", SHAPE_TEXT, HEAD(capabilities)},
	{"lockdown", SHAPE_TEXT, HEAD(lockdown)},
};
SHAPE(privilege, struct capture_head);

static const struct shape_field host_fields[] = {
	{"hostname", SHAPE_TEXT, HEAD(hostname)},
	{"kernel", SHAPE_TEXT, HEAD(kernel)},
	{"os", SHAPE_TEXT, HEAD(os)},
	{"arch", SHAPE_TEXT, HEAD(arch)},
	{"cpus", SHAPE_U32, HEAD(cpus)},
	{"page_size", SHAPE_U32, HEAD(page_size)},
	{"btf_id", SHAPE_TEXT, .nullable = true, HEAD(btf_id)},
	{"container", SHAPE_BOOL, HEAD(container)},
};
SHAPE(host, struct capture_head);

static const struct shape_field head_fields[] = {
	{"name", SHAPE_TEXT, true, HEAD(name)},
	{"tool", SHAPE_TEXT, HEAD(tool)},
	{"label", SHAPE_TEXT, .nullable = true, HEAD(label)},
	{"ticket", SHAPE_TEXT, .nullable = true, HEAD(ticket)},
	{"arguments", SHAPE_WORDS, HEAD(arguments), .separator = ' '},
	{"clock", SHAPE_OBJECT, true, .shape = &clocks},
	{"plan", SHAPE_OBJECT, .shape = &plan},
	{"limits", SHAPE_OBJECT, .shape = &limits},
	{"privilege", SHAPE_OBJECT, .shape = &privilege},
	{"host", SHAPE_OBJECT, .shape = &host},
	{"redaction", SHAPE_TEXT, HEAD(redaction)},
};
SHAPE(head, struct capture_head);

#define RESULT(member) FIELD(struct collector_result, member)

static const struct shape_field loss_fields[] = {
	{"cause", SHAPE_TEXT, true, FIELD(struct collector_loss, cause)},
	{"count", SHAPE_U64, true, FIELD(struct collector_loss, count)},
};
SHAPE(loss, struct collector_loss);

static const struct shape_field collector_fields[] = {
	{"name", SHAPE_TEXT, true, RESULT(name)},
	{"status", SHAPE_CONVERT, true, RESULT(status), .convert = convert_status},
	{"errno", SHAPE_INT, RESULT(no), .max = 4095},
	{"reason", SHAPE_TEXT, .nullable = true, RESULT(reason)},
	{"start_ms", SHAPE_F64, .negative = true, RESULT(start_ms)},
	{"end_ms", SHAPE_F64, .negative = true, RESULT(end_ms)},
	{"cpu_s", SHAPE_F64, RESULT(cpu_s)},
	{"max_rss_bytes", SHAPE_U64, RESULT(max_rss_bytes)},
	{"dropped", SHAPE_U64, true, RESULT(dropped)},
	{"loss", SHAPE_LIST, RESULT(loss),
	 .count_offset = offsetof(struct collector_result, loss_count), .max = MANIFEST_MAX_LOSS,
	 .shape = &loss},
	{"notes", SHAPE_TEXTS, RESULT(notes[0]),
	 .count_offset = offsetof(struct collector_result, note_count), .max = MANIFEST_MAX_NOTES},
	{"abandoned_pid", SHAPE_INT, .nullable = true, RESULT(abandoned_pid)},
};
SHAPE(collector, struct collector_result);

static const struct shape_field redaction_fields[] = {
	{"kind", SHAPE_TEXT, true, FIELD(struct redaction_count, kind)},
	{"where", SHAPE_TEXT, true, FIELD(struct redaction_count, where)},
	{"count", SHAPE_U64, true, FIELD(struct redaction_count, count)},
};
SHAPE(redaction, struct redaction_count);

static const struct shape_field member_fields[] = {
	{"name", SHAPE_CONVERT, true, FIELD(struct bundle_member, name),
	 .convert = convert_member_name},
	{"size", SHAPE_U64, true, FIELD(struct bundle_member, size)},
	{"sha256", SHAPE_CONVERT, true, FIELD(struct bundle_member, sha256),
	 .convert = convert_sha256},
	{"truncated", SHAPE_BOOL, FIELD(struct bundle_member, truncated)},
};
SHAPE(member, struct bundle_member);

#define MANIFEST(member) FIELD(struct capture_manifest, member)

static const struct shape_field observer_fields[] = {
	{"cpu_s", SHAPE_F64, MANIFEST(observer_cpu_s)},
	{"wall_s", SHAPE_F64, MANIFEST(observer_wall_s)},
	{"max_rss_bytes", SHAPE_U64, MANIFEST(observer_max_rss_bytes)},
	{"bytes_written", SHAPE_U64, MANIFEST(bytes_written)},
};
SHAPE(observer, struct capture_manifest);

static const struct shape_field manifest_fields[] = {
	{"complete", SHAPE_BOOL, true, MANIFEST(complete)},
	{"exit", SHAPE_INT, MANIFEST(exit_code), .max = 255},
	{"interrupted", SHAPE_TEXT, .nullable = true, MANIFEST(interrupted)},
	{"finished_realtime_ns", SHAPE_NS, MANIFEST(finished_realtime_ns)},
	{"finished_monotonic_ns", SHAPE_NS, MANIFEST(finished_monotonic_ns)},
	{"window_end_monotonic_ns", SHAPE_NS, MANIFEST(window_end_monotonic_ns)},
	{"observer", SHAPE_OBJECT, .shape = &observer},
	{"collectors", SHAPE_LIST, MANIFEST(collectors),
	 .count_offset = offsetof(struct capture_manifest, collector_count),
	 .max = MANIFEST_MAX_COLLECTORS, .shape = &collector},
	{"redacted", SHAPE_LIST, MANIFEST(redacted),
	 .count_offset = offsetof(struct capture_manifest, redacted_count),
	 .max = ARRAY_SIZE(((struct capture_manifest *)0)->redacted), .shape = &redaction},
	{"members", SHAPE_STREAM, true, .max = BUNDLE_MAX_MEMBERS, .shape = &member},
};
SHAPE(manifest, struct capture_manifest);

/* The version decides how the rest is to be read, wherever in the object it stands. */
static int parse_version(const char *what, const char *text, size_t len, size_t max,
			 struct version *ret, struct err *e)
{
	struct version v = {0};
	int r;

	if (len > max)
		return err_set(e, EBADMSG, "%s: %zu bytes, at most %zu are read", what, len, max);
	r = shape_parse(&version, &v, what, text, len, NULL, NULL, NULL, e);
	if (r < 0)
		return r;
	if (v.major != BUNDLE_MAJOR)
		return err_set(e, EPROTONOSUPPORT,
			       "%s: archive format %u.%u, this program reads %d.x (use %s ossnap)",
			       what, v.major, v.minor, BUNDLE_MAJOR,
			       v.major > BUNDLE_MAJOR ? "a newer" : "an older");
	*ret = v;
	return 0;
}

int capture_head_parse(const char *text, size_t len, struct capture_head *ret, struct err *e)
{
	struct version v = {0};
	int r = parse_version(BUNDLE_HEAD, text, len, HEAD_MAX, &v, e);

	if (r < 0)
		return r;
	_cleanup_free_ struct capture_head *h = calloc(1, sizeof(*h));

	if (!h)
		return err_errno(e, ENOMEM, BUNDLE_HEAD);
	r = shape_parse(&head, h, BUNDLE_HEAD, text, len, NULL, NULL, NULL, e);
	if (r < 0)
		return r;
	h->version_major = v.major;
	h->version_minor = v.minor;
	*ret = *h;
	return 0;
}

struct listing {
	int (*fn)(void *ctx, const struct bundle_member *m);
	void *ctx;
};

static int list_member(void *ctx, const void *element)
{
	const struct listing *l = ctx;

	return l->fn ? l->fn(l->ctx, element) : 0;
}

int capture_manifest_parse(const char *text, size_t len, struct capture_manifest *ret,
			   int (*fn)(void *ctx, const struct bundle_member *m), void *ctx,
			   struct err *e)
{
	struct listing listing = {.fn = fn, .ctx = ctx};
	struct bundle_member scratch;
	struct version v = {0};
	int r = parse_version(BUNDLE_MANIFEST, text, len, MANIFEST_MAX, &v, e);

	if (r < 0)
		return r;
	_cleanup_free_ struct capture_manifest *m = calloc(1, sizeof(*m));

	if (!m)
		return err_errno(e, ENOMEM, BUNDLE_MANIFEST);
	r = shape_parse(&manifest, m, BUNDLE_MANIFEST, text, len, &scratch, list_member, &listing,
			e);
	if (r < 0)
		return r;
	m->version_major = v.major;
	m->version_minor = v.minor;
	*ret = *m;
	return 0;
}
