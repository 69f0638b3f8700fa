/*
 * The flame graph: the tree as boxes, the root on top.  One canvas, no recursion; what is narrower
 * than a hair is drawn as one hair for all that share the pixel, and nothing below it is visited.
 */
"use strict";

const ROW = 18;
const SLIVER = 0.4; /* of a pixel */

/* A canvas's context in CSS pixels, cleared. */
function paper(canvas, width, height) {
	const scale = window.devicePixelRatio || 1;

	canvas.style.height = height + "px";
	canvas.width = Math.max(1, Math.round(width * scale));
	canvas.height = Math.max(1, Math.round(height * scale));
	const g = canvas.getContext("2d");

	g.setTransform(scale, 0, 0, scale, 0, 0);
	return g;
}

class FlameGraph {
	constructor(flame, canvas) {
		this.flame = flame;
		this.canvas = canvas;
		this.zoom = 0;
		this.focus = 0;
		this.listen();
	}

	pattern() {
		if (!this.flame.find)
			return null;
		try {
			return new RegExp(this.flame.find, "i");
		} catch {
			return new RegExp(this.flame.find.replace(/[.*+?^${}()|[\]\\]/g, "\\$&"), "i");
		}
	}

	/* Names that match, and their share of all: a match below a match counts once. */

	matches() {
		const d = this.flame.data, p = this.pattern();

		if (!p)
			return null;
		const hit = d.names.map(n => p.test(n));
		let sum = 0;

		for (let i = 1; i < d.count;) {
			if (hit[d.name[i]]) {
				sum += this.flame.wide[i];
				i = d.end[i];
			} else {
				i++;
			}
		}
		return { hit, share: this.flame.wide[0] ? sum / this.flame.wide[0] : 0 };
	}

	colour(i, dark) {
		const d = this.flame.data, f = d.name[i];

		if (this.flame.b) {
			const { delta, sure } = this.flame.difference(i);
			const strength = Math.min(1, Math.abs(delta) * 8 + 0.15);

			if (!sure)
				return dark ? "hsl(0 0% 30%)" : "hsl(0 0% 86%)";
			/* orange and blue are told apart by all; the sign stands in the label too */
			return delta > 0 ? `hsl(30 90% ${dark ? 22 + 22 * strength : 92 - 32 * strength}%)` :
				`hsl(212 80% ${dark ? 24 + 24 * strength : 93 - 30 * strength}%)`;
		}
		if (d.names[f][0] === "[") /* a cut, or no name */
			return dark ? "hsl(40 6% 27%)" : "hsl(40 12% 88%)";
		const t = this.hues ||= d.names.map((n, k) => hueOf(d.modules[d.module[k]] + n) * 14 +
			(d.kernel[k] ? 205 : d.python[k] ? 130 : 24 + hueOf(d.modules[d.module[k]]) * 30));

		return `hsl(${t[f]} ${d.kernel[f] ? 45 : d.python[f] ? 40 : 75}% ${dark ? 30 : 80}%)`;
	}

	draw() {
		if (!this.flame.data || !this.flame.a)
			return;
		const d = this.flame.data, z = this.zoom, wide = this.flame.wide, all = wide[z];
		const width = this.canvas.clientWidth || 800;
		const x = this.x ||= new Float64Array(d.count);
		const cursor = this.cursor ||= new Float64Array(d.count);
		const boxes = [], above = [];
		const scale = all ? width / all : 0;
		let deepest = d.depth[z];

		for (let i = z; i; i = d.parent[i])
			above.unshift(i);
		x[z] = cursor[z] = 0;
		const sliver = (this.sliver ||= new Float64Array(d.depth.reduce((a, b) => Math.max(a, b), 0) + 1)).fill(-1);

		for (let i = z + 1; i < d.end[z];) {
			const p = d.parent[i], w = wide[i] * scale;

			x[i] = cursor[i] = cursor[p];
			cursor[p] += w;
			if (w < SLIVER) {
				/* too narrow: a hair for all that fall on the same pixel, and nothing below it */
				const px = Math.floor(x[i]), row = d.depth[i];

				if (w > 0 && sliver[row] !== px) {
					sliver[row] = px;
					boxes.push([i, px, 0.6]);
				}
				i = d.end[i];
				continue;
			}
			deepest = Math.max(deepest, d.depth[i]);
			boxes.push([i, x[i], w]);
			i++;
		}
		const dark = getComputedStyle(document.documentElement).colorScheme === "dark" ||
			(getComputedStyle(document.documentElement).getPropertyValue("--bg").trim() === "#121518");
		const style = getComputedStyle(document.documentElement), ink = style.getPropertyValue("--ink");
		const g = paper(this.canvas, width, (deepest + 1) * ROW + 1);
		const m = this.matches();

		g.font = "11.5px " + style.getPropertyValue("--mono");
		g.textBaseline = "middle";
		const letter = g.measureText("m").width;
		const frame = (i, left, w) => {
			const y = d.depth[i] * ROW, hit = m && m.hit[d.name[i]];

			g.globalAlpha = m && !hit && i ? 0.35 : 1;
			g.fillStyle = i ? hit ? style.getPropertyValue("--accent") : this.colour(i, dark) : style.getPropertyValue("--sunk");
			g.fillRect(left, y, Math.max(w - 0.6, 0.4), ROW - 1);
			if (w > 3 * letter) {
				const room = Math.floor((w - 6) / letter), text = this.label(i);

				g.fillStyle = hit ? style.getPropertyValue("--mark") : ink;
				g.fillText(text.length > room ? text.slice(0, Math.max(1, room - 1)) + "…" : text, left + 3, y + ROW / 2);
			}
			g.globalAlpha = 1;
		};

		frame(0, 0, width);
		for (const i of above)
			frame(i, 0, width);
		for (const [i, left, w] of boxes)
			frame(i, left, w);
		if (this.focus && document.activeElement === this.canvas) {
			const inside = this.focus > z && this.focus < d.end[z];

			g.strokeStyle = ink;
			g.lineWidth = 2;
			g.strokeRect((inside ? x[this.focus] : 0) + 1, d.depth[this.focus] * ROW + 1,
				Math.max(3, (inside ? wide[this.focus] * scale : width) - 2), ROW - 3);
		}
		this.flame.found.textContent = m ? `${figureShare(m.share * 100)} of the samples match` : "";
		this.flame.out.hidden = !z;
		this.flame.whole.hidden = !this.flame.ranges[0] && !this.flame.ranges[1];
		this.say(this.focus);
	}

	label(i) {
		const d = this.flame.data;

		if (!i)
			return this.flame.b ? "all (mean of both)" : "all";
		const name = visible(d.names[d.name[i]]).map(p => p[0]).join("");

		if (!this.flame.b)
			return name;
		const { delta, sure } = this.flame.difference(i);
		return sure ? `${delta > 0 ? "+" : "−"}${figureShare(Math.abs(delta) * 100)} ${name}` : name;
	}

	say(i) {
		const d = this.flame.data, all = this.flame.a.total[0];
		const module = i ? d.modules[d.module[d.name[i]]] : "", python = i && d.python[d.name[i]] ? "Python, " : "";
		let text = `${i ? this.label(i) : "all"}${module ? ` (${python}${visible(module).map(p => p[0]).join("")})` : ""}: ` +
			`${figureShare(all ? this.flame.a.total[i] / all * 100 : 0)} with what it calls, ${d.figure(this.flame.a.total[i])}; ` +
			`itself ${figureShare(all ? this.flame.a.self[i] / all * 100 : 0)}`;

		if (this.flame.b) {
			const { delta, sure } = this.flame.difference(i), pb = this.flame.b.total[0] ? this.flame.b.total[i] / this.flame.b.total[0] * 100 : 0;

			text += `; second range ${figureShare(pb)}`;
			if (i)
				text += this.flame.a.total[i] === 0 ? ", new there" : this.flame.b.total[i] === 0 ? ", gone there" :
					sure ? `, ${delta > 0 ? "more" : "less"}` : ", no sure difference";
		}
		this.flame.status.textContent = text;
	}

	at(e) {
		const d = this.flame.data, box = this.canvas.getBoundingClientRect();
		const px = e.clientX - box.left, row = Math.floor((e.clientY - box.top) / ROW);
		const width = this.canvas.clientWidth, scale = this.flame.wide[this.zoom] ? width / this.flame.wide[this.zoom] : 0;
		let n = this.zoom;

		if (row <= d.depth[n]) {
			while (d.depth[n] > row)
				n = d.parent[n];
			return n;
		}
		while (d.depth[n] < row) {
			let child = n + 1, next = -1, left = n === this.zoom ? 0 : this.x[n];

			for (; child < d.end[n]; child = d.end[child]) {
				const w = this.flame.wide[child] * scale;

				if (px < left + w && w >= SLIVER) {
					next = child;
					break;
				}
				left += w;
			}
			if (next < 0)
				return -1;
			n = next;
		}
		return n;
	}

	zoomTo(i) {
		this.zoom = i;
		this.focus = i;
		this.draw();
		this.flame.writeHash();
	}

	/* The heaviest child, or none. */
	heaviest(n) {
		const d = this.flame.data;
		let best = -1;

		for (let c = n + 1; c < d.end[n]; c = d.end[c])
			if (this.flame.wide[c] > 0 && (best < 0 || this.flame.wide[c] > this.flame.wide[best]))
				best = c;
		return best;
	}

	sibling(n, step) {
		const d = this.flame.data, all = [];

		for (let c = d.parent[n] + 1; c < d.end[d.parent[n]]; c = d.end[c])
			if (this.flame.wide[c] > 0)
				all.push(c);
		const to = all.indexOf(n) + step;

		return to >= 0 && to < all.length ? all[to] : n;
	}

	listen() {
		const c = this.canvas, d = this.flame.data;

		c.addEventListener("click", e => {
			const i = this.at(e);

			if (i >= 0)
				this.zoomTo(i);
		});
		c.addEventListener("pointermove", e => {
			const i = this.at(e);

			c.style.cursor = i > 0 ? "pointer" : "default";
			this.say(i >= 0 ? i : this.zoom);
		});
		c.addEventListener("focus", () => this.draw());
		c.addEventListener("blur", () => this.draw());
		c.addEventListener("keydown", e => {
			const n = this.focus;
			let to = n;

			switch (e.key) {
			case "ArrowDown":
				to = Math.max(this.heaviest(n), 0) || n;
				break;
			case "ArrowUp":
				to = d.parent[n];
				break;
			case "ArrowLeft":
			case "ArrowRight":
				to = n ? this.sibling(n, e.key === "ArrowLeft" ? -1 : 1) : n;
				break;
			case "Enter":
				e.preventDefault();
				this.zoomTo(n);
				return;
			case "Escape":
			case "Backspace":
				e.preventDefault();
				this.zoomTo(this.zoom ? d.parent[this.zoom] : 0);
				return;
			default:
				return;
			}
			e.preventDefault();
			if (d.depth[to] < d.depth[this.zoom])
				this.zoom = to;
			this.focus = to;
			this.draw();
		});
	}
}
