/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The sections of "ossnap-report/1", one file each; json.c puts them in order. */
#pragma once

#include "json_value.h"
#include "report.h"

void json_heaps(struct json *j, const struct model *m); /* json_heaps.c */
void json_heap_growth(struct json *j, const struct model *m);
void json_memory(struct json *j, const struct report *r);     /* json_memory.c */
void json_gpu(struct json *j, const struct model *m);	      /* json_gpu.c */
void json_guard(struct json *j, const struct report *r);      /* json_guard.c */
void json_page_cache(struct json *j, const struct report *r); /* json_cache.c */
void json_cgroups(struct json *j, const struct model *m);     /* json_groups.c */
void json_stacks(struct json *j, const struct report *r);     /* json_stacks.c */
void json_hotspot(struct json *j, const struct report *r);    /* json_hotspot.c */
