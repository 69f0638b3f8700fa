/* A map of the window: time across, a row for each CPU; a range is chosen in it. */
"use strict";

const MAP_ROW = 14;
const MAP_ROWS = 32;

class FlameMap {
	constructor(flame, canvas) {
		this.flame = flame;
		this.canvas = canvas;
		this.step = 1; /* seconds of a column */
		this.listen();
	}

	draw() {
		const d = this.flame.data, s = d.samples, c = this.canvas;
		const on = this.flame.state === "on";
		const rows = on ? Math.min(d.cpus || 1, MAP_ROWS) : 1;
		const width = c.clientWidth || c.parentElement.clientWidth || 800;
		const step = Math.max(d.window / Math.max(1, Math.floor(width / 6)), 0.02);
		const columns = Math.max(1, Math.ceil(d.window / step));
		const heat = new Float64Array(rows * columns);
		const g = paper(c, width, rows * MAP_ROW + 16), style = getComputedStyle(document.documentElement);
		let most = 0;

		for (let i = 0; i < d.time.length; i++) {
			if (!this.flame.passes(i))
				continue;
			const row = on ? Math.floor(s.cpu[i] * rows / Math.max(d.cpus, s.cpu[i] + 1)) : 0;
			const col = Math.min(columns - 1, Math.floor(d.time[i] / step));

			most = Math.max(most, heat[row * columns + col] += d.weight(i));
		}
		const cell = width / columns, full = on ? step * Math.max(1, (d.cpus || 1) / rows) : most;

		g.fillStyle = style.getPropertyValue("--sunk");
		g.fillRect(0, 0, width, rows * MAP_ROW);
		g.fillStyle = style.getPropertyValue("--accent");
		for (let r = 0; r < rows; r++)
			for (let k = 0; k < columns; k++) {
				const v = heat[r * columns + k];

				if (!v)
					continue;
				g.globalAlpha = Math.min(1, 0.12 + 0.88 * v / full);
				g.fillRect(k * cell, r * MAP_ROW, Math.ceil(cell) - 0.5, MAP_ROW - 1);
			}
		g.globalAlpha = 1;
		g.font = "11px " + style.getPropertyValue("--sans");
		g.fillStyle = style.getPropertyValue("--muted");
		const ticks = Math.max(1, Math.min(10, Math.floor(width / 90)));
		for (let k = 0; k <= ticks; k++) {
			const text = figureSeconds(d.window * k / ticks);

			g.textAlign = k === 0 ? "left" : k === ticks ? "right" : "center";
			g.fillText(k ? text : "0", width * k / ticks, rows * MAP_ROW + 12);
		}
		this.flame.ranges.forEach((r, k) => {
			if (!r)
				return;
			g.strokeStyle = style.getPropertyValue(k ? "--warning" : "--ink");
			g.lineWidth = 2;
			g.strokeRect(r[0] / d.window * width + 1, 1, Math.max(2, (r[1] - r[0]) / d.window * width - 2), rows * MAP_ROW - 2);
		});
		this.step = step;
	}

	listen() {
		let from = null;
		const at = e => {
			const box = this.canvas.getBoundingClientRect();

			return Math.min(1, Math.max(0, (e.clientX - box.left) / box.width)) * this.flame.data.window;
		};
		const choose = to => {
			const step = this.step, lo = Math.floor(Math.min(from, to) / step) * step;
			const hi = Math.min(this.flame.data.window, Math.max(lo + step, Math.ceil(Math.max(from, to) / step) * step));

			this.flame.ranges[this.flame.comparing ? 1 : 0] = [lo, hi];
		};

		this.canvas.addEventListener("pointerdown", e => {
			from = at(e);
			this.canvas.setPointerCapture(e.pointerId);
		});
		this.canvas.addEventListener("pointermove", e => {
			if (from === null)
				return;
			choose(at(e));
			this.draw();
		});
		this.canvas.addEventListener("pointerup", e => {
			if (from === null)
				return;
			choose(at(e));
			from = null;
			this.flame.changed();
		});
		this.canvas.addEventListener("keydown", e => {
			const w = this.flame.data.window, step = Math.max(this.step, w / 40);
			const k = this.flame.comparing ? 1 : 0;
			let [lo, hi] = this.flame.ranges[k] || [0, Math.min(w, step)];
			const by = { ArrowLeft: -step, ArrowRight: step }[e.key];

			if (e.key === "Escape")
				this.flame.ranges[k] = null;
			else if (by && e.shiftKey)
				this.flame.ranges[k] = [lo, Math.min(w, Math.max(lo + step, hi + by))];
			else if (by && this.flame.ranges[k]) {
				const move = Math.max(-lo, Math.min(w - hi, by));

				this.flame.ranges[k] = [lo + move, hi + move];
			} else if (by)
				this.flame.ranges[k] = [lo, hi];
			else
				return;
			e.preventDefault();
			this.flame.changed();
		});
	}
}
