#!/usr/bin/env node
// SPDX-License-Identifier: GPL-2.0-or-later
// fit.mjs [--write] DIR: fits fastoom's model to the traces that tests/vm/exhaust.sh and tests/vm/trace_groups.sh
// have left in DIR, prints its scores on what it was not fitted to, and with --write makes capture/fastoom/weights.h.
//
// A reading counts as positive from 5 s before the onset: the first stall of 250 ms or more of the latency probe,
// or the kernel's own kill.  Readings weigh as much as the time until the next one, at most a second.  Cells in
// which the kernel killed although no process was to blame (tmpfs) are left out.
import { readdirSync, readFileSync, writeFileSync, existsSync } from "node:fs";
import { join, dirname } from "node:path";
import { fileURLToPath } from "node:url";

const args = process.argv.slice(2).filter(a => a !== "--write");
const write = process.argv.includes("--write");
const dir = args[0];
const BEFORE = 5, ONSET_MS = 250;
const profiles = { low: [0.10, 0.02, 0.95], medium: [0.20, 0.04, 0.80], high: [0.30, 0.08, 0.60] };
const names = ["base", "memory", "busy", "refault", "stall", "kswapd", "soon", "now"];
const clamp = x => (x > 1 ? 1 : x > 0 ? x : 0);
// held out by scenario; what is held out by machine is everything but the first kernel's
const TEST_SCENARIOS = new Set(["leak-20", "crowd", "parked", "group-20"]);
const TRAIN_MACHINE = /^6\.1_768_/;

// as in predict.c
function terms(f, profile) {
	const [high, low] = profiles[profile];
	const m = clamp((high - f.available) / (high - low));
	return [1, m, m * clamp(f.busy / 0.7) * (f.consuming ? 1 : clamp(f.refault / 0.1)), m * clamp(f.refault / 0.5),
		m * clamp(Math.log10(1 + Math.max(0, f.stall)) / 3), m * clamp(f.kswapd), m * clamp(1 - f.tte / 5),
		m * clamp(1 - f.tte)];
}
const sigmoid = z => 1 / (1 + Math.exp(-z));
const dot = (w, x) => w.reduce((s, v, i) => s + v * x[i], 0);

function readCell(run, line) {
	const [name, kind, start, state, left, kernel, , , , relief] = line.split(" ");
	const trace = join(dir, run, "traces", name + ".tsv"), stalls = join(dir, run, "stalls", name);
	if (!existsSync(trace)) return [];
	const from = Number(start), end = relief === "-" ? Infinity : from + Number(relief);
	let onset = Infinity;
	if (kind === "danger") {
		const first = (existsSync(stalls) ? readFileSync(stalls, "utf8").trim().split("\n") : []).map(l => l.split(" ").map(Number))
			.find(([at, ms]) => at >= from && ms >= ONSET_MS);
		onset = Math.min(first ? first[0] : Infinity, Number(kernel) > 0 ? end : Infinity);
		if (onset === Infinity) return [];
	} else if (Number(kernel) > 0 || Number(left) < 3) {
		return [];
	}
	const rows = readFileSync(trace, "utf8").trim().split("\n").map(l => {
		const v = l.split("\t").slice(1).map(Number);
		return { t: v[0], available: v[1], busy: v[2], refault: v[3], stall: v[4], kswapd: v[5], tte: v[6], swap: v[7],
			consuming: v[8] > 0, under_oom: v[9] > 0 };
	}).filter(f => f.t >= from && f.t < end);
	return rows.map((f, i) => ({ ...f, run, scenario: name, y: f.t >= onset - BEFORE ? 1 : 0,
		weight: Math.min(1, i + 1 < rows.length ? rows[i + 1].t - f.t : 0.05) })).filter(f => f.weight > 0);
}

const all = [];
for (const run of readdirSync(dir).sort()) {
	const cells = join(dir, run, "cells");
	if (!existsSync(cells) || run.split("_")[3] !== "none") continue;
	for (const line of readFileSync(cells, "utf8").trim().split("\n")) all.push(...readCell(run, line));
}
const train = all.filter(s => TRAIN_MACHINE.test(s.run) && !TEST_SCENARIOS.has(s.scenario));
const tests = {
	"scenarios it was not fitted to": all.filter(s => TRAIN_MACHINE.test(s.run) && TEST_SCENARIOS.has(s.scenario)),
	"other kernels and memory sizes": all.filter(s => !TRAIN_MACHINE.test(s.run) && !s.run.startsWith("v1")),
	"v1 groups of a live machine": all.filter(s => s.run.startsWith("v1")),
};

// Logistic regression on the time-weighted readings with medium's m.  The base is held at what keeps a calm machine
// calm (a probability above 0.05 means looking 20 times a second); a signal may only add; a ridge keeps what the traces
// do not show near the hand-set weight it began with.
function fit(samples, prior) {
	const w = prior.slice(), ridge = 0.005, total = samples.reduce((s, x) => s + x.weight, 0);
	const xs = samples.map(s => terms(s, "medium"));
	for (let round = 0; round < 6000; round++) {
		const g = w.map((v, i) => ridge * (v - prior[i]));
		samples.forEach((s, k) => {
			const e = (sigmoid(dot(w, xs[k])) - s.y) * s.weight / total;
			xs[k].forEach((x, i) => { g[i] += e * x; });
		});
		g.forEach((v, i) => { if (i > 0) w[i] = Math.max(0, w[i] - 2 * v); });
	}
	return w;
}

const hand = [-6, 4, 4, 3, 2, 1, 2, 4];
const brier = (samples, p) => samples.reduce((s, x) => s + x.weight * (p(x) - x.y) ** 2, 0) / samples.reduce((s, x) => s + x.weight, 0);
function rates(samples, says) {
	let tp = 0, fn = 0, fp = 0, tn = 0;
	for (const s of samples) {
		const d = says(s);
		if (s.y) d ? tp += s.weight : fn += s.weight;
		else d ? fp += s.weight : tn += s.weight;
	}
	return [tp / (tp + fn), fp / (fp + tn)];
}
function area(samples, score) {
	const sorted = samples.map(s => [score(s), s]).sort((a, b) => b[0] - a[0]);
	let tp = 0, fp = 0, sum = 0, P = 0, N = 0;
	for (const s of samples) s.y ? P += s.weight : N += s.weight;
	for (let i = 0; i < sorted.length;) {
		let dp = 0, dn = 0, v = sorted[i][0];
		for (; i < sorted.length && sorted[i][0] === v; i++) sorted[i][1].y ? dp += sorted[i][1].weight : dn += sorted[i][1].weight;
		sum += dn * (tp + dp / 2);
		tp += dp; fp += dn;
	}
	return P && N ? sum / (P * N) : NaN;
}
const p_of = (w, profile) => s => (s.under_oom ? 1 : sigmoid(dot(w, terms(s, profile))));
const threshold = s => s.available < 0.10 && s.swap < 0.10 ? 1 : 0;
const f2 = v => (isNaN(v) ? "–" : v.toFixed(2)), f3 = v => (isNaN(v) ? "–" : v.toFixed(3));

const w = fit(train, hand);
const count = s => `${s.length} readings, ${new Set(s.map(x => x.run + x.scenario)).size} cells, ${(100 * s.reduce((a, x) => a + x.y * x.weight, 0) / s.reduce((a, x) => a + x.weight, 0)).toFixed(0)} % of the time positive`;
console.log(`fitted to ${count(train)}`);
console.log(names.map((n, i) => `${n} ${w[i].toFixed(2)} (by hand ${hand[i]})`).join(", "));
console.log("\n| Held out | Model | Brier | ROC area | low: true / false | medium | high |\n|---|---|---|---|---|---|---|");
for (const [what, s] of Object.entries({ "(what it was fitted to)": train, ...tests })) {
	if (!s.length) continue;
	for (const [name, weights] of [["fitted", w], ["by hand", hand]])
		console.log(`| ${name === "fitted" ? `${what}: ${count(s)}` : ""} | ${name} | ${f3(brier(s, p_of(weights, "medium")))} | ${f3(area(s, p_of(weights, "medium")))} | ` +
			Object.keys(profiles).map(k => rates(s, x => p_of(weights, k)(x) >= profiles[k][2]).map(f2).join(" / ")).join(" | ") + " |");
	console.log(`| | available and swap below 10 % | ${f3(brier(s, threshold))} | ${f3(area(s, x => -Math.max(x.available, x.swap)))} | ${rates(s, threshold).map(f2).join(" / ")} | | |`);
}
if (write) {
	const out = join(dirname(fileURLToPath(import.meta.url)), "../../capture/fastoom/weights.h");
	writeFileSync(out, `/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The model's weights.  Written by tests/vm/fit.mjs, from ${count(train)};
 * the formula is in predict.c:
 *
 *	z = base + memory m + m (busy c(i/0.7) + refault c(r/0.5) + stall c(lg(1+d)/3)
 *	    + kswapd c(k) + soon c(1-TTE/5s) + now c(1-TTE/1s))
 */
#pragma once

${names.map((n, i) => `static const double weight_${n} = ${w[i].toFixed(3)};`).join("\n")}
`);
}
