/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The formats, one file each; exports.c is the table. */
#pragma once

#include "../exports.h"

int export_folded(const struct model *m, export_write_fn write, void *ctx, struct err *e);
int export_pprof(const struct model *m, export_write_fn write, void *ctx, struct err *e);
int export_speedscope(const struct model *m, export_write_fn write, void *ctx, struct err *e);
int export_perf_script(const struct model *m, export_write_fn write, void *ctx, struct err *e);
int export_chrome(const struct model *m, export_write_fn write, void *ctx, struct err *e);
int export_openmetrics(const struct model *m, export_write_fn write, void *ctx, struct err *e);
