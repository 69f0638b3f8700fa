/* Words and figures, by the same rules as report/visible.c and report/figures.c. */
"use strict";

const DECEPTIVE = [
	[0x00, 0x1f], [0x7f, 0x9f], [0xad, 0xad], [0x34f, 0x34f], [0x61c, 0x61c], [0x115f, 0x1160],
	[0x17b4, 0x17b5], [0x180b, 0x180f], [0x200b, 0x200f], [0x2028, 0x202e], [0x2060, 0x206f],
	[0x3164, 0x3164], [0xfe00, 0xfe0f], [0xfeff, 0xfeff], [0xffa0, 0xffa0], [0xfff0, 0xfffb],
	[0xfffe, 0xffff], [0x1d173, 0x1d17a], [0xe0000, 0xe0fff],
];

function deceptive(code) {
	return DECEPTIVE.some(([first, last]) => code >= first && code <= last);
}

function writtenOut(code) {
	if (code >= 0x07 && code <= 0x0d)
		return "\\" + "abtnvfr"[code - 0x07];
	if (code < 0x20 || code === 0x7f)
		return "\\x" + code.toString(16).padStart(2, "0");
	return `<U+${code.toString(16).toUpperCase().padStart(4, "0")}>`;
}

/* Pieces of a name: [text, whether it was written out]. */
function visible(name) {
	const pieces = [];
	let run = "";

	for (const c of name) {
		const code = c.codePointAt(0);

		if (!deceptive(code)) {
			run += c;
			continue;
		}
		if (run)
			pieces.push([run, false]);
		run = "";
		pieces.push([writtenOut(code), true]);
	}
	if (run)
		pieces.push([run, false]);
	return pieces;
}

/* What to put on the clipboard: the name, or a shell word when the name could deceive a terminal. */
function shellWord(name) {
	if (![...name].some(c => deceptive(c.codePointAt(0))))
		return name;
	let word = "$'";
	for (const c of name) {
		if (deceptive(c.codePointAt(0)))
			for (const byte of new TextEncoder().encode(c))
				word += "\\x" + byte.toString(16).padStart(2, "0");
		else
			word += c === "'" || c === "\\" ? "\\" + c : c;
	}
	return word + "'";
}

function figureCount(v) {
	return (v < 0 ? "\u2212" : "") +
		String(Math.round(Math.abs(v))).replace(/\B(?=(\d{3})+$)/g, ",");
}

function threeDigits(v) {
	const hundredths = Math.floor(v * 100 + 0.5);
	const tenths = Math.floor(v * 10 + 0.5);

	if (hundredths < 100 && hundredths % 10)
		return "0." + String(hundredths).padStart(2, "0");
	if (tenths < 1000 && tenths % 10)
		return Math.floor(tenths / 10) + "." + tenths % 10;
	return String(Math.floor(v + 0.5));
}

function figureBytes(bytes) {
	const units = ["B", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB"];
	const whole = Math.floor(Math.abs(bytes) + 0.5);
	let unit = 0;

	while (unit < 6 && whole >= 1000 * 1024 ** unit - (unit ? 1024 ** unit / 2 : 0))
		unit++;
	return (bytes < 0 && whole > 0 ? "\u2212" : "") + threeDigits(whole / 1024 ** unit) + " " +
		units[unit];
}

function figureChange(bytes) {
	if (Math.abs(bytes) < 0.5)
		return "0";
	return (bytes > 0 ? "+" : "") + figureBytes(bytes);
}

function figureInterval(low, high) {
	const a = figureBytes(low), b = figureBytes(high);
	const unit = a.slice(a.indexOf(" "));

	return (b.endsWith(unit) ? a.slice(0, -unit.length) : a) + " – " + b;
}

function figureShare(percent) {
	if (percent > 0 && percent < 0.1)
		return "< 0.1 %";
	if (percent > -10 && percent < 10)
		return (Math.floor(percent * 10 + 0.5) / 10).toFixed(1) + " %";
	return Math.floor(percent + 0.5) + " %";
}

function figureSeconds(s) {
	if (s > 0 && s < 0.9995e-6)
		return Math.floor(s * 1e9 + 0.5) + " ns";
	if (s > 0 && s < 0.9995e-3)
		return Math.floor(s * 1e6 + 0.5) + " \u00b5s";
	if (s > 0 && s < 0.00995)
		return (Math.floor(s * 1e4 + 0.5) / 10).toFixed(1) + " ms";
	if (s < 0.9995)
		return Math.floor(s * 1000 + 0.5) + " ms";
	if (s < 9.995)
		return (Math.floor(s * 100 + 0.5) / 100).toFixed(2) + " s";
	return (Math.floor(s * 10 + 0.5) / 10).toFixed(1) + " s";
}

const FIGURES = {
	bytes: figureBytes, change: figureChange, count: figureCount, id: String, share: figureShare,
	seconds: figureSeconds,
};

/* Elements are made, never parsed: text can only become text. */
function make(name, className, text) {
	const e = document.createElement(name);

	if (className)
		e.className = className;
	if (text !== undefined)
		e.textContent = text;
	return e;
}

/* What report/pack.c wrote. */
async function decode(base64) {
	const binary = atob(base64);
	const bytes = new Uint8Array(binary.length);

	for (let i = 0; i < binary.length; i++)
		bytes[i] = binary.charCodeAt(i);
	const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("gzip"));
	return JSON.parse(await new Response(stream).text());
}

async function copyText(text) {
	try {
		await navigator.clipboard.writeText(text);
		return true;
	} catch {
		/* without permission, or an old browser: the way through a selection */
		const area = make("textarea", "offscreen");

		area.value = text;
		document.body.append(area);
		area.select();
		const done = document.execCommand("copy");
		area.remove();
		return done;
	}
}

async function copyFrom(button, text) {
	const label = button.textContent;

	button.textContent = await copyText(text) ? "Copied" : "Could not copy";
	setTimeout(() => { button.textContent = label; }, 1500);
}
