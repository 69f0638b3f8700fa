/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The model's weights, set by hand (no fit stands behind them yet):
 *
 *	z = base + memory m + m (busy c(i/0.7) + refault c(r/0.5) + stall c(lg(1+d)/3)
 *	    + kswapd c(k) + soon c(1-TTE/5s) + now c(1-TTE/1s))
 *
 * weight_now is what makes a fast hog count before its first stall.
 */
#pragma once

static const double weight_base = -6;
static const double weight_memory = 4;
static const double weight_busy = 4;
static const double weight_refault = 3;
static const double weight_stall = 2;
static const double weight_kswapd = 1;
static const double weight_soon = 2;
static const double weight_now = 4;
