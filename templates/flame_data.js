/*
 * The stacks as report/flame.c packed them: one tree in preorder, so that node i's subtree is
 * i … end[i] − 1, and the samples that weigh it.
 */
"use strict";

/* States from here on are of heaps that grew: by page faults, by allocations; even ones stayed.
 * The last one: new pages of which nobody looked whether they stayed. */
const GROWTH = 16, NOT_LOOKED_AT = 20;
const isFault = state => state === GROWTH || state === GROWTH + 1 || state === NOT_LOOKED_AT;

function hueOf(text) {
	let h = 2166136261;

	for (let i = 0; i < text.length; i++)
		h = Math.imul(h ^ text.charCodeAt(i), 16777619);
	return (h >>> 0) / 4294967296;
}

class FlameData {
	constructor(d) {
		const n = d.up.length;

		Object.assign(this, d);
		this.count = n;
		this.parent = new Int32Array(n);
		this.name = Int32Array.from(d.name);
		this.depth = new Uint16Array(n);
		this.end = new Int32Array(n).fill(1);
		for (let i = 1; i < n; i++) {
			this.parent[i] = i - d.up[i];
			this.depth[i] = this.depth[this.parent[i]] + 1;
		}
		for (let i = n - 1; i >= 0; i--) {
			if (this.end[i] <= i)
				this.end[i] = i + 1;
			if (i && this.end[this.parent[i]] < this.end[i])
				this.end[this.parent[i]] = this.end[i];
		}
		const s = d.samples;
		this.time = new Float64Array(s.t.length);
		for (let i = 0, t = 0; i < s.t.length; i++)
			this.time[i] = (t += s.t[i]) / 1e6;
		this.first = this.time.length ? this.time[0] : 0;
		this.bytes = false; /* whether the view is of memory */
	}

	/* One sample's weight in this view: seconds, or bytes. */
	weight(i) {
		const state = this.samples.state[i];

		if (state >= GROWTH)
			return this.samples.us[i];
		return state ? this.samples.us[i] / 1e6 : this.thin / this.hz;
	}

	figure(v) {
		return this.bytes ? figureBytes(v) : figureSeconds(v);
	}

	/* {self, total, samples} by node, of the samples that keep() lets pass. */
	weigh(keep) {
		const total = new Float64Array(this.count);
		const s = this.samples;
		let samples = 0;

		for (let i = 0; i < this.time.length; i++) {
			if (!keep(i))
				continue;
			total[s.node[i]] += this.weight(i);
			samples++;
		}
		const self = total.slice();
		for (let i = this.count - 1; i > 0; i--)
			total[this.parent[i]] += total[i];
		return { self, total, samples };
	}

	/* By function: a frame below another of the same function counts once in its total. */
	functions(w) {
		const self = new Float64Array(this.names.length), total = self.slice();
		const open = new Int32Array(this.names.length);
		const stack = [];

		for (let i = 1; i < this.count; i++) {
			while (stack.length && i >= this.end[stack[stack.length - 1]])
				open[this.name[stack.pop()]]--;
			const f = this.name[i];

			self[f] += w.self[i];
			if (!open[f])
				total[f] += w.total[i];
			open[f]++;
			stack.push(i);
		}
		return { self, total };
	}

	/* Who calls function f, and whom it calls: Maps of name → seconds. */
	around(w, f) {
		const callers = new Map(), callees = new Map();
		const add = (m, k, v) => v > 0 && m.set(k, (m.get(k) || 0) + v);

		for (let i = 1; i < this.count; i++) {
			if (this.name[i] === f)
				add(callers, this.parent[i] ? this.name[this.parent[i]] : -1, w.total[i]);
			if (this.parent[i] && this.name[this.parent[i]] === f)
				add(callees, this.name[i], w.total[i]);
		}
		return { callers, callees };
	}
}
