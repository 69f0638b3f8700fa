/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the parts of sample.h stand on: the sample itself, its memory, and nasty names. */
#pragma once

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../../report/report.h"

#define MIB (1024ULL * 1024)
#define GIB (1024ULL * MIB)

/* Names that have broken reports before. */
static const char *const nasty_names[] = {
	"/var/log/<script>alert(1)</script>.log",
	"/tmp/</template><img src=x onerror=alert(2)>",
	"/tmp/</style></script><script>alert(3)</script>",
	"/data/quote\"onmouseover=\"alert(4)' ` & &lt;",
	"/home/u/invoice\xe2\x80\xae"
	"fdp.exe",
	"/tmp/new\nline\ttab\x1b[31mred\r",
	"/srv/\xd7\xa9\xd7\x9c\xd7\x95\xd7\x9d/\xe4\xb8\xad\xe6\x96\x87/\xc3\xa9t\xc3\xa9.txt",
	"/tmp/zero\xe2\x80\x8bwidth\xef\xbb\xbf\xc2\x85",
	"/tmp/?table files 0> <?table files 0> ]]> <!-- -->",
	"/tmp/=cmd|' /C calc'!A0",
	"/tmp/__proto__",
	"/tmp/bad\xff\xfe\xc3(utf8", /* the decoder lets none through; the report must not rely on
					it */
};
#define NASTY (sizeof(nasty_names) / sizeof(*nasty_names))

struct sample {
	struct facts facts;
	struct model model;
	struct findings findings;
	struct report report;
	char **strings;
	size_t string_count;
};

static inline const char *sample_str(struct sample *s, const char *text)
{
	char *copy = strdup(text);
	char **grown = realloc(s->strings, (s->string_count + 1) * sizeof(*grown));

	if (!copy || !grown)
		abort();
	s->strings = grown;
	s->strings[s->string_count++] = copy;
	return copy;
}

static inline void *sample_rows(struct sample *s, size_t n, size_t size)
{
	char **grown = realloc(s->strings, (s->string_count + 1) * sizeof(*grown));
	void *rows = calloc(n ? n : 1, size);

	if (!rows || !grown)
		abort();
	s->strings = grown;
	s->strings[s->string_count++] = rows;
	return rows;
}

static inline struct estimate exactly(double bytes)
{
	return (struct estimate){bytes, bytes, bytes};
}

/* Nothing measured at all: what the worker hands over when a capture failed early. */
static inline void sample_empty(struct sample *s)
{
	memset(s, 0, sizeof(*s));
	s->model.facts = &s->facts;
	s->model.memory_total = s->model.memory_available = FACT_NONE;
	s->model.shmem_bytes = FACT_NONE;
	s->model.unaccounted = INT64_MIN;
	s->model.found_bytes = s->model.found_low = s->model.found_high = NAN;
	s->model.meminfo_bytes = NAN;
	s->model.residual_bytes = s->model.residual_low = s->model.residual_high = NAN;
	s->findings.verdict.severity = SEVERITY_INFO;
	s->findings.verdict.text = "Nothing can be said: nothing was captured.";
	s->report =
		(struct report){.facts = &s->facts, .model = &s->model, .findings = &s->findings};
}

static inline void sample_destroy(struct sample *s)
{
	for (size_t i = 0; i < s->string_count; i++)
		free(s->strings[i]);
	free(s->strings);
}
