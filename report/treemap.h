/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A rectangle divided by areas, kept as square as they can be (Bruls, Huizing, van Wijk 2000). */
#pragma once

#include <stddef.h>

struct rect {
	double x, y, w, h;
};

/* values: positive, largest first.  out has n rectangles; together they fill area. */
void treemap(const double *values, size_t n, struct rect area, struct rect *out);
