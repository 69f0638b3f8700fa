/*
 * What the CPUs did: a map of the window (time by CPU), the range chosen in it as a flame graph,
 * and its functions as a table.
 *
 * Two ranges: widths are the mean of both shares, colours say which of the two has more.
 */
"use strict";

const NEED_SIGMA = 2;

class Flame {
	constructor(root) {
		this.root = root;
		this.state = "on";
		this.filter = "";
		this.find = "";
		this.ranges = [null, null]; /* [from, to) in seconds; the second: to compare with */
		this.comparing = false;
		const seen = new IntersectionObserver(e => {
			if (e.some(x => x.isIntersecting)) {
				seen.disconnect();
				this.load();
			}
		}, { rootMargin: "600px" });

		seen.observe(root);
	}

	async load() {
		try {
			this.data = new FlameData(await decode(this.root.querySelector("template").content.textContent));
		} catch (e) {
			this.root.append(make("p", "absent", "The flame graph could not be read: " + e.message));
			return;
		}
		this.build();
		this.readHash();
		this.changed();
		this.root.dataset.ready = "yes";
		new ResizeObserver(() => this.graph.draw()).observe(this.graph.canvas);
		new MutationObserver(() => this.graph.draw()).observe(document.documentElement,
			{ attributes: true, attributeFilter: ["data-theme"] });
		matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => this.graph.draw());
	}

	/* ------------------------------------------------------------ controls */

	build() {
		const tools = make("div", "tools flame-tools"), d = this.data;
		const labelled = (text, control) => {
			const label = make("label", "", text + " ");

			label.append(control);
			tools.append(label);
			return control;
		};
		const off = d.samples.state.some(s => s && s < GROWTH);
		const faults = d.samples.state.some(isFault);
		const checked = d.samples.state.some(s => s === GROWTH || s === GROWTH + 1);
		const allocations = d.samples.state.some(s => s >= GROWTH && !isFault(s));

		if (off || faults || allocations) {
			const views = [["on", "what ran (on-CPU)"]];

			if (off)
				views.push(["off", "what waited (off-CPU)"],
					["1", "asleep"], ["2", "waiting for the disk"], ["3", "waiting for a CPU"], ["4", "preempted"]);
			if (allocations)
				views.push(["unfreed", "what was allocated and not freed"], ["allocated", "what was allocated"]);
			if (checked)
				views.push(["grown", "what made heaps grow (new pages that stayed)"]);
			if (faults)
				views.push(["touched", "new pages of heaps"]);
			this.states = labelled("Show", make("select"));
			for (const [value, text] of views)
				this.states.append(new Option(text, value));
			this.states.addEventListener("change", () => {
				this.state = this.states.value;
				this.changed();
			});
		}
		this.filters = labelled("Of", make("select"));
		this.filters.addEventListener("change", () => {
			this.filter = this.filters.value;
			this.changed();
		});
		this.search = labelled("Find", make("input"));
		this.search.type = "search";
		this.search.spellcheck = false;
		this.search.placeholder = "function, or a pattern";
		let wait = 0;
		this.search.addEventListener("input", () => {
			clearTimeout(wait);
			wait = setTimeout(() => {
				this.find = this.search.value;
				this.graph.draw();
				this.writeHash();
			}, 100);
		});
		this.button = (text, act) => {
			const b = make("button", "", text);

			b.type = "button";
			b.addEventListener("click", act);
			tools.append(b);
			return b;
		};
		this.compare = this.button("Compare with a second range", () => this.setComparing(!this.comparing));
		this.compare.setAttribute("aria-pressed", "false");
		this.whole = this.button("Whole window", () => {
			this.ranges = [null, null];
			this.setComparing(false);
		});
		this.out = this.button("Zoom out", () => this.graph.zoomTo(0));
		this.found = make("output");
		tools.append(this.found);

		const map = make("canvas", "flame-map"), graph = make("canvas", "flame-graph");

		map.tabIndex = graph.tabIndex = 0;
		map.setAttribute("role", "slider");
		map.setAttribute("aria-label", "Range of time: arrow keys move it, with Shift they widen it");
		this.said = make("p", "note flame-range");
		this.said.setAttribute("aria-live", "polite");
		graph.setAttribute("role", "application");
		graph.setAttribute("aria-label",
			"Flame graph: arrow keys go from frame to frame, Enter zooms, Escape zooms out; the table below has the same in words");
		this.status = make("p", "flame-status");
		this.status.setAttribute("aria-live", "polite");
		this.table = make("div", "flame-functions");
		const scroll = make("div", "flame-scroll");
		scroll.append(graph);
		this.root.append(tools, map, this.said, scroll, this.status, this.table);
		this.map = new FlameMap(this, map);
		this.graph = new FlameGraph(this, graph);
					}

	setComparing(on) {
		this.comparing = on;
		if (!on)
			this.ranges[1] = null;
		this.compare.setAttribute("aria-pressed", String(on));
		this.changed();
	}

	fillFilters() {
		const d = this.data, s = d.samples, t = d.threads;
		const sums = { p: new Map(), t: new Map(), c: new Map() };
		let all = 0;

		for (let i = 0; i < d.time.length; i++) {
			if (!this.stateIs(s.state[i]))
				continue;
			const w = d.weight(i), k = s.thread[i];
			const add = (m, key) => m.set(key, (m.get(key) || 0) + w);

			all += w;
			add(sums.p, t.process[k]);
			add(sums.t, k);
			add(sums.c, t.cgroup[k]);
		}
		const group = (title, prefix, sum, name, most) => {
			const g = make("optgroup");

			g.label = title;
			for (const [key, w] of [...sum].sort((a, b) => b[1] - a[1] || a[0] - b[0]).slice(0, most))
				g.append(new Option(`${name(key)}  ${figureShare(all ? w / all * 100 : 0)}`, prefix + key));
			return g;
		};
		const plain = text => visible(text).map(p => p[0]).join("");

		this.filters.replaceChildren(new Option("everything", ""),
			group("Processes", "p", sums.p, p => `${plain(d.processes.comm[p])} (${d.processes.pid[p]})`, 200),
			group("Threads", "t", sums.t, k => `${plain(t.comm[k])} (${t.tid[k]})`, 100),
			group("Cgroups", "c", sums.c, c => plain(d.cgroups[c]) || "none", 100));
		if (![...this.filters.options].some(o => o.value === this.filter))
			this.filter = "";
		this.filters.value = this.filter;
	}

	stateIs(state) {
		switch (this.state) {
		case "on":
			return state === 0;
		case "off":
			return state > 0 && state < GROWTH;
		case "grown":
			return state === GROWTH;
		case "touched":
			return isFault(state);
		case "unfreed":
			return state === GROWTH + 2;
		case "allocated":
			return state >= GROWTH && !isFault(state);
		default:
			return state === Number(this.state);
		}
	}

	passes(i) {
		const s = this.data.samples, t = this.data.threads, k = s.thread[i];

		if (!this.stateIs(s.state[i]))
			return false;
		if (!this.filter)
			return true;
		const of = Number(this.filter.slice(1));

		return { p: t.process[k], t: k, c: t.cgroup[k] }[this.filter[0]] === of;
	}

	inRange(i, r) {
		const t = this.data.time[i];

		return !r || (t >= r[0] && t < r[1]);
	}

	/* ------------------------------------------------------------ weights */

	changed() {
		const d = this.data;

		d.bytes = ["grown", "touched", "unfreed", "allocated"].includes(this.state);
		this.fillFilters();
		this.a = d.weigh(i => this.passes(i) && this.inRange(i, this.ranges[0]));
		this.b = this.comparing && this.ranges[1] ?
			d.weigh(i => this.passes(i) && this.inRange(i, this.ranges[1])) : null;
		this.wide = this.b ? this.mean() : this.a.total;
		if (!this.wide[this.graph.zoom])
			this.graph.zoom = 0;
		this.graph.focus = this.graph.zoom;
		this.map.draw();
		this.graph.draw();
		this.drawTable();
		this.sayRange();
		this.writeHash();
	}

	/* Shares, so that ranges of unlike length compare; an empty one has none. */
	mean() {
		const { a, b } = this, sa = a.total[0] || 1, sb = b.total[0] || 1;

		return a.total.map((v, i) => (v / sa + b.total[i] / sb) / 2);
	}

	/* How the second range differs from the first: {delta: of the whole, sure}. */
	difference(i) {
		const { a, b } = this, sa = a.total[0] || 1, sb = b.total[0] || 1;
		const delta = b.total[i] / sb - a.total[i] / sa;
		/* in samples: a count's variance is the count */
		const na = a.samples || 1, nb = b.samples || 1;
		const pa = a.total[i] / sa, pb = b.total[i] / sb;

		return { delta, sure: Math.abs(delta) > NEED_SIGMA * Math.sqrt(pa / na + pb / nb) };
	}

	sayRange() {
		const d = this.data, last = d.window;
		const words = r => r ? `${r[0].toFixed(2)} s to ${r[1].toFixed(2)} s` : "the whole window";
		const what = { on: "CPU time", grown: "new memory that stayed", touched: "new memory", unfreed: "memory allocated and not freed",
			allocated: "memory allocated" }[this.state] || "time off the CPU";
		let text = `${words(this.ranges[0])}: ${d.figure(this.a.total[0])} of ${what}, ${figureCount(this.a.samples)} samples`;

		if (this.comparing)
			text += this.b ? `; compared with ${words(this.ranges[1])}: ${d.figure(this.b.total[0])}, ${figureCount(this.b.samples)} samples` :
				"; now drag the range to compare with over the map";
		else
			text += `. Drag over the map for a part of the ${figureSeconds(last)}.`;
		this.said.textContent = text[0].toUpperCase() + text.slice(1);
		this.map.canvas.setAttribute("aria-valuemin", "0");
		this.map.canvas.setAttribute("aria-valuemax", last.toFixed(2));
		this.map.canvas.setAttribute("aria-valuenow", (this.ranges[0] ? this.ranges[0][0] : 0).toFixed(2));
		this.map.canvas.setAttribute("aria-valuetext", words(this.ranges[0]));
	}

	/* ------------------------------------------------------------ in words */

	drawTable() {
		const d = this.data, fa = d.functions(this.a), fb = this.b && d.functions(this.b);
		const sa = this.a.total[0] || 1, sb = this.b ? this.b.total[0] || 1 : 1;
		const change = k => fb ? fb.total[k] / sb - fa.total[k] / sa : 0;
		const key = k => fb ? Math.abs(change(k)) : fa.self[k];
		const order = d.names.map((_, k) => k).filter(k => fa.total[k] > 0 || (fb && fb.total[k] > 0))
			.sort((p, q) => key(q) - key(p) || fa.total[q] - fa.total[p] || p - q).slice(0, 15);
		const table = make("table"), head = make("tr"), body = make("tbody");
		const titles = fb ? ["Function", "Module", "First", "Second", "Change"] : ["Function", "Module", "Itself", "With what it calls"];

		table.append(make("caption", "", fb ? "What changed most between the two ranges, with what it calls" :
			d.bytes ? "Functions of this range, by the memory that came in them themselves" :
				"Functions of this range, by the time they took themselves"));
		for (const t of titles)
			head.append(Object.assign(make("th", "", t), { scope: "col" }));
		const thead = make("thead");
		thead.append(head);
		for (const k of order) {
			const tr = make("tr"), name = make("th"), button = make("button", "link");

			name.scope = "row";
			button.type = "button";
			addName(button, "p", d.names[k]);
			button.addEventListener("click", () => this.showAround(k));
			name.append(button);
			const module = make("td");
			addName(module, "p", d.modules[d.module[k]]);
			tr.append(name, module);
			for (const v of fb ? [fa.total[k] / sa, fb.total[k] / sb] : [fa.self[k] / sa, fa.total[k] / sa])
				tr.append(make("td", "n", figureShare(v * 100)));
			if (fb) {
				const v = change(k);

				tr.append(make("td", "n", (v > 0 ? "+" : v < 0 ? "−" : "") + figureShare(Math.abs(v) * 100)));
			}
			body.append(tr);
		}
		table.append(thead, body);
		this.around = make("div", "flame-around");
		this.table.replaceChildren(table, this.around);
	}

	showAround(f) {
		const d = this.data, { callers, callees } = d.around(this.a, f), all = this.a.total[0] || 1;
		const list = (title, m) => {
			const box = make("div"), ul = make("ul");

			box.append(make("h4", "", title));
			for (const [k, v] of [...m].sort((p, q) => q[1] - p[1]).slice(0, 10)) {
				const li = make("li", "", figureShare(v / all * 100) + " ");

				if (k < 0)
					li.append("(the bottom of the stack)");
				else
					addName(li, "p", d.names[k]);
				ul.append(li);
			}
			if (!m.size)
				ul.append(make("li", "", "nobody"));
			box.append(ul);
			return box;
		};

		this.find = this.search.value = "^" + d.names[f].replace(/[.*+?^${}()|[\]\\]/g, "\\$&") + "$";
		this.around.replaceChildren(list("Called by", callers), list("Calls", callees));
		this.graph.draw();
		this.writeHash();
	}

	/* ------------------------------------------------------------ the address */

	writeHash() {
		if (!this.root.dataset.ready)
			return;
		const p = new URLSearchParams(), d = this.data;
		const put = (k, v) => v && p.set(k, v);
		const range = r => r && r.map(v => v.toFixed(3)).join("-");
		const path = [];

		for (let i = this.graph.zoom; i; i = d.parent[i])
			path.unshift(d.name[i]);
		put("show", this.state === "on" ? "" : this.state);
		put("of", this.filter);
		put("range", range(this.ranges[0]));
		put("with", range(this.ranges[1]));
		put("find", this.find);
		put("zoom", path.join("."));
		const hash = [...p].length ? "#" + this.root.id + ":" + p : "#" + this.root.id;

		if ([...p].length || location.hash.startsWith("#" + this.root.id))
			history.replaceState(null, "", hash);
	}

	readHash() {
		const start = "#" + this.root.id + ":";

		if (!location.hash.startsWith(start))
			return;
		const p = new URLSearchParams(location.hash.slice(start.length)), d = this.data;
		const range = v => {
			const r = (v || "").split("-").map(Number);

			return r.length === 2 && r.every(Number.isFinite) && r[0] < r[1] ? r : null;
		};

		if (this.states && [...this.states.options].some(o => o.value === p.get("show")))
			this.states.value = this.state = p.get("show");
		this.filter = p.get("of") || "";
		this.ranges = [range(p.get("range")), range(p.get("with"))];
		this.comparing = !!this.ranges[1];
		this.compare.setAttribute("aria-pressed", String(this.comparing));
		this.find = this.search.value = p.get("find") || "";
		for (const name of (p.get("zoom") || "").split(".").filter(Boolean).map(Number)) {
			const end = d.end[this.graph.zoom];
			let c = this.graph.zoom + 1;

			while (c < end && d.name[c] !== name)
				c = d.end[c];
			if (c >= end)
				break;
			this.graph.zoom = c;
		}
		this.root.scrollIntoView();
	}
}

document.addEventListener("DOMContentLoaded", () => {
	for (const root of document.querySelectorAll(".flame"))
		new Flame(root);
	/* a link to a state of the picture: it is read when the picture is in sight */
	const id = location.hash.slice(1).split(":")[0], target = id && document.getElementById(id);

	if (target && target.classList.contains("flame"))
		target.scrollIntoView();
});
