/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "treemap.h"

#include <math.h>

/* The worst ratio of sides in a row of n values with this sum, along a side of this length. */
static double worst(double largest, double smallest, double sum, double side)
{
	double s2 = sum * sum, l2 = side * side;

	return fmax(l2 * largest / s2, s2 / (l2 * smallest));
}

void treemap(const double *values, size_t n, struct rect area, struct rect *out)
{
	double total = 0, scale;
	size_t i = 0;

	for (size_t k = 0; k < n; k++)
		total += values[k];
	if (!(total > 0)) {
		for (size_t k = 0; k < n; k++)
			out[k] = (struct rect){area.x, area.y, 0, 0};
		return;
	}
	scale = area.w * area.h / total;
	while (i < n) {
		double side = fmin(area.w, area.h), sum = values[i] * scale, at = 0;
		size_t end = i + 1;

		while (end < n) {
			double v = values[end] * scale;

			if (worst(values[i] * scale, v, sum + v, side) >
			    worst(values[i] * scale, values[end - 1] * scale, sum, side))
				break;
			sum += v;
			end++;
		}
		double depth = side > 0 ? sum / side : 0;

		for (; i < end; i++) {
			double length = depth > 0 ? values[i] * scale / depth : 0;

			if (area.w >= area.h)
				out[i] = (struct rect){area.x, area.y + at, depth, length};
			else
				out[i] = (struct rect){area.x + at, area.y, length, depth};
			at += length;
		}
		if (area.w >= area.h) {
			area.x += depth;
			area.w = fmax(0, area.w - depth);
		} else {
			area.y += depth;
			area.h = fmax(0, area.h - depth);
		}
	}
}
