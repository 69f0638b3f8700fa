/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The sections of "ossnap-report/1", and how figures that may not have been measured are written.
 */
#pragma once

#include "../capture/base/json.h"
#include "report.h"

/* json.c */
void json_fact(struct json *j, const char *key, uint64_t v); /* FACT_NONE → null */
void json_bytes(struct json *j, const char *key, double v);  /* whole bytes; NaN → null */
void json_interval(struct json *j, const char *key, double low, double high);
/* 0 → false, FACT_NONE → null, else true */
void json_flag(struct json *j, const char *key, uint64_t v);

void json_memory(struct json *j, const struct report *r);     /* json_memory.c */
void json_page_cache(struct json *j, const struct report *r); /* json_cache.c */
