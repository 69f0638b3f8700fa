/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "json_value.h"

#include <math.h>

#include "../analyze/facts/facts.h"

void json_fact(struct json *j, const char *key, uint64_t v)
{
	if (v == FACT_NONE)
		json_knull(j, key);
	else
		json_ku64(j, key, v);
}

static void bytes_value(struct json *j, double v)
{
	/* an estimate's fraction of a byte says nothing; 2^63 is where integers end */
	if (fabs(v) < 9.2e18)
		json_i64(j, (int64_t)floor(v + 0.5));
	else
		json_f64(j, v);
}

void json_bytes(struct json *j, const char *key, double v)
{
	json_key(j, key);
	bytes_value(j, v);
}

void json_interval(struct json *j, const char *key, double low, double high)
{
	if (!isfinite(low) || !isfinite(high)) {
		json_knull(j, key);
		return;
	}
	json_key(j, key);
	json_array(j);
	bytes_value(j, low);
	bytes_value(j, high);
	json_array_end(j);
}

void json_flag(struct json *j, const char *key, uint64_t v)
{
	if (v == FACT_NONE)
		json_knull(j, key);
	else
		json_kbool(j, key, v != 0);
}
