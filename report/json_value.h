/* SPDX-License-Identifier: GPL-2.0-or-later */
/* How figures that may not have been measured are written into the JSON report. */
#pragma once

#include <stdint.h>

#include "../capture/base/json.h"

void json_fact(struct json *j, const char *key, uint64_t v); /* FACT_NONE → null */
void json_bytes(struct json *j, const char *key, double v);  /* whole bytes; NaN → null */
/* [low, high] in whole bytes; null when either is not finite */
void json_interval(struct json *j, const char *key, double low, double high);
/* 0 → false, FACT_NONE → null, else true */
void json_flag(struct json *j, const char *key, uint64_t v);
