/*
 * Rankings: all rows are in a template element as gzip and base64 of {"rows", "columns"}; they are
 * decoded when somebody sorts, filters or asks for all.  Only the rows in sight are in the
 * document.  The cells are those of report/table.c.
 */
"use strict";

const SPARE_ROWS = 12;
const WIDE_TEXT = 40;
const LONG_SUB = 100;
const STATES = new Set(["linked", "deleted", "unnamed", "unresolved", "online", "dying", "ok",
	"partial", "timeout", "denied", "error", "unsupported", "skipped", "yes", "no", "info",
	"warning", "critical"]);

function isText(kind) {
	return kind === "path" || kind === "text" || kind === "state";
}

function addName(parent, className, name) {
	const bdi = make("bdi", className);

	for (const [text, changed] of visible(name))
		bdi.append(changed ? make("span", "ctl", text) : text);
	parent.append(bdi);
	return bdi;
}

function addCopyButton(cell) {
	const p = cell.querySelector(".p");

	if (!p || cell.querySelector(".copy"))
		return;
	const button = make("button", "copy", "Copy");

	button.type = "button";
	button.setAttribute("aria-label", "Copy " + p.textContent);
	p.after(button);
}

function addBar(cell, value, max) {
	const svg = document.createElementNS("http://www.w3.org/2000/svg", "svg");
	const rect = document.createElementNS("http://www.w3.org/2000/svg", "rect");
	const width = max > 0 && value > 0 ? Math.min(100, value / max * 100) : 0;

	svg.setAttribute("class", "bar");
	svg.setAttribute("viewBox", "0 0 100 4");
	svg.setAttribute("preserveAspectRatio", "none");
	svg.setAttribute("aria-hidden", "true");
	rect.setAttribute("width", (Math.floor(width * 10 + 0.5) / 10).toFixed(1));
	rect.setAttribute("height", "4");
	svg.append(rect);
	cell.append(svg);
}

class Ranking {
	constructor(root) {
		this.root = root;
		this.top = Number(root.dataset.top);
		this.total = Number(root.dataset.rows);
		this.scroll = root.querySelector(".scroll");
		this.table = root.querySelector("table");
		this.body = this.table.tBodies[0];
		this.shown = this.table.querySelector(".shown");
		this.output = root.querySelector("output");
		this.input = root.querySelector("input"); /* a short table has none */
		this.button = root.querySelector("button.all");
		this.heads = [...this.table.tHead.rows[0].cells];
		this.kinds = this.heads.map(th => th.dataset.kind);
		this.sorted = this.heads.findIndex(th => th.hasAttribute("aria-sort"));
		this.descending = true;
		this.all = false;
		this.data = null;
		this.order = null;
		this.prepare();
	}

	prepare() {
		this.heads.forEach((th, i) => {
			const button = make("button", "sort", th.textContent);

			button.type = "button";
			if (th.title)
				button.title = th.title;
			button.addEventListener("click", () => this.sortBy(i));
			th.replaceChildren(button);
		});
		if (this.input) {
			let wait = 0;

			this.root.querySelector(".tools").hidden = false;
			this.button.hidden = this.total <= this.top;
			this.button.addEventListener("click", () => this.showAll(!this.all));
			this.input.addEventListener("input", () => {
				clearTimeout(wait);
				wait = setTimeout(() => this.refresh(), 120);
			});
		}
		this.scroll.addEventListener("scroll", () => { if (this.all) this.drawWindow(); });
		for (const cell of this.body.querySelectorAll(".path"))
			addCopyButton(cell);
	}

	async load() {
		if (this.data)
			return true;
		try {
			const text = this.root.querySelector("template").content.textContent;

			this.data = await decode(text);
		} catch (e) {
			this.shown.textContent = `only these rows can be shown here (${e.message})`;
			return false;
		}
		this.max = this.kinds.map((kind, c) => {
			if (!this.heads[c].dataset.bar)
				return 0;
			return kind === "share" ? 100 :
				this.data.columns[c].reduce((m, v) => Math.max(m, this.key(kind, v) ?? 0), 0);
		});
		return true;
	}

	/* What a cell is compared by: its figure or its text. */
	key(kind, value) {
		const v = Array.isArray(value) ? value[0] : value;

		return !isText(kind) && typeof v === "string" ? null : v;
	}

	async sortBy(column) {
		const text = isText(this.kinds[column]);

		if (!await this.load())
			return;
		this.descending = this.sorted === column ? !this.descending : !text;
		this.sorted = column;
		this.heads.forEach(th => th.removeAttribute("aria-sort"));
		this.heads[column].setAttribute("aria-sort", this.descending ? "descending" : "ascending");
		await this.refresh();
	}

	async showAll(all) {
		this.all = all && await this.load();
		this.button.setAttribute("aria-pressed", String(this.all));
		this.button.textContent = this.all ? `Show the first ${this.top}` :
			`Show all ${figureCount(this.total)}`;
		this.root.classList.toggle("windowed", this.all);
		if (this.all) {
			this.scroll.tabIndex = 0;
			this.scroll.setAttribute("role", "region");
			this.scroll.setAttribute("aria-label", this.table.caption.firstChild.textContent);
		} else {
			for (const th of this.heads)
				th.style.minWidth = "";
			this.scroll.removeAttribute("tabindex");
			this.scroll.removeAttribute("role");
			this.scroll.removeAttribute("aria-label");
		}
		await this.refresh();
	}

	matches() {
		const words = (this.input?.value ?? "").toLowerCase().split(/\s+/).filter(Boolean);

		if (!words.length)
			return Uint32Array.from({ length: this.data.rows }, (_, i) => i);
		this.haystack ??= Array.from({ length: this.data.rows }, (_, row) =>
			this.kinds.map((kind, c) => {
				const v = this.data.columns[c][row];

				return isText(kind) ? (Array.isArray(v) ? v.join("\n") : v ?? "") :
					kind === "id" ? v ?? "" : "";
			}).join("\n").toLowerCase());
		return Uint32Array.from(this.haystack.keys())
			.filter(row => words.every(w => this.haystack[row].includes(w)));
	}

	async refresh() {
		if (!await this.load())
			return;
		const order = this.matches();

		if (this.sorted >= 0) {
			const values = this.data.columns[this.sorted], kind = this.kinds[this.sorted];
			const sign = this.descending ? -1 : 1;

			order.sort((a, b) => {
				const x = this.key(kind, values[a]), y = this.key(kind, values[b]);

				/* what was not measured comes last in either direction */
				if (x === null || y === null)
					return (x === null) - (y === null) || a - b;
				return (x < y ? -sign : x > y ? sign : 0) || a - b;
			});
		}
		this.order = order;
		const shown = this.all ? order.length : Math.min(this.top, order.length);
		const text = `${figureCount(shown)} of ${figureCount(this.total)} shown`;

		this.shown.textContent = text;
		if (this.output)
			this.output.textContent = this.input.value ?
				`${figureCount(order.length)} match` : "";
		this.table.setAttribute("aria-rowcount", String(order.length + 1));
		if (!this.all) {
			this.body.replaceChildren(...Array.from(order.subarray(0, shown), (row, i) =>
				this.row(row, i)));
			return;
		}
		this.scroll.scrollTop = 0;
		this.height = 0;
		this.drawWindow();
	}

	drawWindow() {
		if (!this.height) {
			this.body.replaceChildren(...Array.from(this.order.subarray(0, 1), (row, i) =>
				this.row(row, i)));
			this.height = this.body.rows[0]?.getBoundingClientRect().height || 32;
		}
		const n = this.order.length;
		const first = Math.max(0, Math.floor(this.scroll.scrollTop / this.height) - SPARE_ROWS);
		const last = Math.min(n, first + Math.ceil(this.scroll.clientHeight / this.height) +
			2 * SPARE_ROWS);

		if (this.drawn && this.drawn.order === this.order && this.drawn.first === first &&
		    this.drawn.last === last)
			return;
		const focused = this.body.contains(document.activeElement) ?
			document.activeElement.closest("tr")?.dataset.row : null;

		this.drawn = { order: this.order, first, last };
		this.body.replaceChildren(this.spacer(first),
			...Array.from(this.order.subarray(first, last), (row, i) => this.row(row, first + i)),
			this.spacer(n - last));
		/* columns may grow while scrolling, but not shrink again under the reader's eyes */
		for (const th of this.heads)
			th.style.minWidth = th.offsetWidth + "px";
		if (focused)
			(this.body.querySelector(`tr[data-row="${focused}"] button`) ?? this.scroll).focus();
	}

	spacer(rows) {
		const tr = make("tr", "spacer"), td = make("td");

		td.colSpan = this.kinds.length;
		td.style.height = rows * this.height + "px";
		tr.setAttribute("aria-hidden", "true");
		tr.append(td);
		return tr;
	}

	row(row, position) {
		const tr = make("tr");

		tr.dataset.row = row;
		tr.setAttribute("aria-rowindex", String(position + 2));
		this.kinds.forEach((kind, c) => {
			const cell = make(c ? "td" : "th", c && !isText(kind) ? "n " + kind : kind);

			if (c)
				cell.dataset.label = this.heads[c].textContent;
			else
				cell.scope = "row";
			if (isText(kind))
				this.textCell(cell, kind, this.data.columns[c][row]);
			else
				this.numberCell(cell, kind, this.data.columns[c][row], c);
			tr.append(cell);
		});
		return tr;
	}

	none(cell) {
		const span = make("span", "none", "–");

		span.title = "not measured";
		cell.append(span);
	}

	textCell(cell, kind, value) {
		const [text, sub] = Array.isArray(value) ? value : [value, null];

		if (text === null) {
			this.none(cell);
		} else if (kind === "state") {
			const span = make("span", "state is-" + (STATES.has(text) ? text : "other"));

			span.textContent = visible(text).map(piece => piece[0]).join("");
			cell.append(span);
		} else {
			const p = addName(cell, [...text].length > WIDE_TEXT ? "p wide" : "p", text);
			const word = kind === "path" ? shellWord(text) : text;

			if (word !== text)
				p.dataset.copy = word;
			if (sub !== null && sub !== undefined) {
				const long = [...sub].length > LONG_SUB;
				const bdi = addName(cell, long ? "sub long" : "sub", sub);

				if (long)
					bdi.tabIndex = 0;
			}
			if (kind === "path")
				addCopyButton(cell);
		}
	}

	numberCell(cell, kind, value, c) {
		if (value === null) {
			this.none(cell);
			return;
		}
		if (typeof value === "string" || value === 0) {
			cell.append(make("span", "none", String(value)));
			return;
		}
		const [v, low, high] = Array.isArray(value) ? value : [value, value, value];
		const text = FIGURES[kind](v);

		if (kind === "bytes" && Math.abs(v) >= 1024) {
			const span = make("span", "", text);

			span.title = (v < 0 ? "-" : "") + figureCount(Math.abs(v)) + " bytes";
			cell.append(span);
		} else {
			cell.append(text);
		}
		if (this.heads[c].dataset.bar)
			addBar(cell, v, this.max[c]);
		if (low < v || high > v)
			cell.append(make("span", "sub", kind === "bytes" ? figureInterval(low, high) :
				FIGURES[kind](low) + " – " + FIGURES[kind](high)));
	}
}

document.addEventListener("DOMContentLoaded", () => {
	const rankings = [...document.querySelectorAll(".rank")].map(root => new Ranking(root));

	document.addEventListener("click", event => {
		const button = event.target.closest?.("button.copy");

		if (button) {
			const p = button.parentElement.querySelector(".p");

			copyFrom(button, p.dataset.copy ?? p.textContent);
		}
	});
	addEventListener("resize", () => {
		for (const r of rankings)
			if (r.all) {
				r.height = 0;
				r.drawn = null;
				r.drawWindow();
			}
	});
	/* paper has no window to scroll */
	addEventListener("beforeprint", () => {
		for (const r of rankings)
			if (r.all)
				r.showAll(false);
	});
});
