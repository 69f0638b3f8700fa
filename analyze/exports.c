/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "exports.h"

#include <errno.h>
#include <string.h>

#include "exports/formats.h"

const struct export_format export_formats[] = {
	{"folded", export_folded},
	{"pprof", export_pprof},
	{"speedscope", export_speedscope},
	{"chrome", export_chrome},
	{"perf-script", export_perf_script},
	{"openmetrics", export_openmetrics},
	{"tsv", NULL},
	{0},
};

const struct export_format *export_find(const char *name, size_t len)
{
	for (const struct export_format *f = export_formats; f->name; f++)
		if (strlen(f->name) == len && !strncmp(f->name, name, len))
			return f;
	return NULL;
}
