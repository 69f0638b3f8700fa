/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The names of the columns in `--export tsv`; report_tsv() itself is in report.h. */
#pragma once

#include "table.h"

#define TSV_COLUMN_NAME 96
/* By the column's title and kind; unique within a table. */
void tsv_column_name(const struct column *c, char out[TSV_COLUMN_NAME]);
