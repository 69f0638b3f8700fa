// SPDX-License-Identifier: GPL-2.0-or-later
// lane.mjs CHROMIUM PAGES SCREENSHOTS [PATTERN]: what a reader of the report can do, one TAP line each.
import { existsSync } from "node:fs";
import { join } from "node:path";
import { chromium } from "playwright-core";

const [chromiumPath, pages, shots, pattern] = process.argv.slice(2);
const url = name => "file://" + join(pages, name);
const browser = await chromium.launch({
	executablePath: chromiumPath,
	args: ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
		"--disable-background-networking", "--disable-component-update", "--disable-sync"],
});
let failed = 0;

function equal(got, expected, what) {
	const [a, b] = [JSON.stringify(got), JSON.stringify(expected)];

	if (a !== b)
		throw new Error(`${what}: expected ${b}, got ${a}`);
}

function truth(value, what) {
	if (!value)
		throw new Error(what);
}

/* A page that keeps what went wrong in it: requests, console messages, exceptions, dialogs. */
async function open(name, options = {}, hash = "") {
	const context = await browser.newContext({ viewport: { width: 1280, height: 900 }, ...options });
	const page = await context.newPage();
	const trouble = [];

	page.on("request", r => { if (r.url().split("#")[0] !== url(name)) trouble.push("request " + r.url()); });
	page.on("console", m => trouble.push(`console ${m.type()}: ${m.text()}`));
	page.on("pageerror", e => trouble.push("exception: " + e.message));
	page.on("dialog", d => { trouble.push("dialog: " + d.message()); d.dismiss(); });
	await page.goto(url(name) + hash);
	return { page, trouble, close: () => context.close() };
}

async function test(name, body) {
	if (pattern && !new RegExp(pattern).test(name))
		return;
	try {
		await body();
		console.log(`ok - ${name}`);
	} catch (e) {
		failed++;
		console.log(`not ok - ${name}: ${String(e.message).split("\n").join(" ").slice(0, 500)}`);
	}
}

const names = ["rich.html", "healthy.html", "empty.html", "fleet.html", "big.html", "machine.html"]
	.filter(name => existsSync(join(pages, name)));

for (const name of names)
	await test(`${name}: no request, no console message, no exception`, async () => {
		const { page, trouble, close } = await open(name);

		await page.mouse.wheel(0, 100000);
		await page.waitForTimeout(100);
		equal(trouble, [], "trouble");
		await close();
	});

await test("the policy blocks an injected script, handler and style", async () => {
	const { page, close } = await open("rich.html");
	const blocked = await page.evaluate(async () => {
		const violations = [];

		document.addEventListener("securitypolicyviolation", e => violations.push(e.effectiveDirective));
		const script = document.createElement("script");
		script.textContent = "window.injected = 1";
		document.body.append(script);
		const image = document.createElement("img");
		image.setAttribute("onerror", "window.injected = 2");
		image.src = "https://192.0.2.1/x.png";
		document.body.append(image);
		const div = document.createElement("div");
		div.setAttribute("style", "position: fixed");
		document.body.append(div);
		await new Promise(done => setTimeout(done, 300));
		return { injected: window.injected ?? null, violations, position: getComputedStyle(div).position };
	});

	equal(blocked.injected, null, "injected");
	equal(blocked.position, "static", "style attribute");
	for (const directive of ["script-src-elem", "img-src", "style-src-attr"])
		truth(blocked.violations.includes(directive), `no violation of ${directive}: ${blocked.violations}`);
	await close();
});

await test("hostile names are inert, before and after the rows are drawn by script", async () => {
	const { page, trouble, close } = await open("rich.html");
	const census = () => page.evaluate(() => [document.images.length, document.scripts.length,
		document.querySelectorAll("iframe, object, embed, form, [onerror], [onclick], [style]:not(td, th)").length]);
	const before = await census();

	equal(before[0], 0, "images");
	equal(before[2], 0, "handlers");
	for (const button of await page.locator("#files th button, #processes th button").all())
		await button.click();
	await page.locator("#files button.all").click();
	await page.locator("#files input").fill("alert");
	await page.waitForTimeout(300);
	equal(await page.locator("#files tbody tr:not(.spacer)").count(), 4, "rows with alert");
	equal(await census(), before, "census");
	equal(trouble, [], "trouble");
	await close();
});

await test("control characters and direction overrides are shown, by both writers alike", async () => {
	const { page, close } = await open("rich.html");
	const bad = () => page.evaluate(() =>
		/[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u200b-\u200f\u202a-\u202e\u2066-\u2069\ufeff]/.test(
			document.body.innerText));

	truth(!await bad(), "a deceptive character in the static page");
	truth((await page.locator("#files").innerText()).includes("invoice<U+202E>fdp.exe"), "override not shown");
	truth((await page.locator("#files").innerText()).includes("new\\nline\\ttab\\x1b[31mred\\r"), "controls not shown");
	await page.locator("#files th button").nth(4).click();
	await page.locator("#files th button").nth(4).click();
	truth(!await bad(), "a deceptive character after drawing");
	equal(await page.locator("#files .ctl").count() > 5, true, "marked characters");
	await close();
});

await test("both writers of the tables write the same rows", async () => {
	for (const name of ["rich.html", "machine.html"].filter(n => names.includes(n))) {
		const { page, close } = await open(name);

		await page.evaluate(() => document.querySelectorAll("details").forEach(d => { d.open = true; }));
		const ranks = await page.locator(".rank").all();
		/* bytes that are not UTF-8 never come this far; only the static page could show them */
		const shape = rank => rank.evaluate(r => [...r.querySelectorAll("tbody tr")]
			.filter(tr => !tr.innerText.includes("(utf8")).map(tr => [...tr.cells].map(c => [c.localName, c.className, c.innerText, c.querySelector("[title]")?.title ?? "",
				c.querySelector("rect")?.getAttribute("width") ?? "", c.dataset.label ?? "",
				c.querySelector("[data-copy]")?.dataset.copy ?? ""].join("|"))));

		let compared = 0;
		for (const rank of ranks) {
			const before = await shape(rank);
			const sorted = rank.locator("th[aria-sort] button");

			if (await sorted.count()) {
				await sorted.click();
				await page.waitForTimeout(60);
				await sorted.click();
			} else if (await rank.locator("input").isVisible()) {
				await rank.locator("input").fill("no such thing");
				await page.waitForTimeout(250);
				equal(await rank.locator("tbody tr").count(), 0, "rows that match nothing");
				await rank.locator("input").fill("");
			} else {
				continue;
			}
			await page.waitForTimeout(250);
			const after = await shape(rank);
			before.forEach((row, i) => equal(after[i], row, `${name}, row ${i}`));
			equal(after.length, before.length, `${name}: rows`);
			compared++;
		}
		truth(compared >= 6, `${compared} tables compared`);
		await close();
	}
});

await test("sorting is over all rows, either way", async () => {
	const { page, close } = await open("rich.html");
	const head = page.locator("#processes th button").nth(1); /* PID */
	const pids = async () => (await page.locator("#processes tbody tr td:nth-child(2)").allInnerTexts()).map(Number);

	await head.click();
	await page.waitForTimeout(150);
	let got = await pids();
	equal(got.length, 30, "rows");
	equal(got[0], 6169, "largest PID");
	equal(await page.locator("#processes th").nth(1).getAttribute("aria-sort"), "descending", "aria-sort");
	await head.click();
	await page.waitForTimeout(150);
	got = await pids();
	equal(got[0], 2, "smallest PID");
	equal([...got].sort((a, b) => a - b), got, "order");
	await close();
});

await test("filtering finds rows that were not shown", async () => {
	const { page, close } = await open("rich.html");

	await page.locator("#files input").fill("file-3999");
	await page.waitForTimeout(300);
	equal(await page.locator("#files tbody tr").count(), 1, "rows");
	truth((await page.locator("#files tbody").innerText()).includes("file-3999.dat"), "row");
	equal(await page.locator("#files output").innerText(), "1 match", "output");
	await page.locator("#files input").fill("");
	await page.waitForTimeout(300);
	equal(await page.locator("#files tbody tr").count(), 30, "rows again");
	await close();
});

await test("all rows can be shown, and only those in sight are in the document", async () => {
	for (const [name, total] of [["rich.html", "4,000"], ["big.html", "200,000"]]) {
		const { page, trouble, close } = await open(name);
		const all = page.locator("#files button.all");

		equal(await all.innerText(), `Show all ${total}`, "label");
		const start = Date.now();
		await all.click();
		await page.locator("#files .windowed").waitFor();
		await page.locator("#files .shown", { hasText: `${total} of ${total}` }).waitFor({ timeout: 15000 });
		truth(Date.now() - start < 10000, `${name}: ${Date.now() - start} ms`);
		truth(await page.locator("#files tbody tr").count() < 120, "too many rows in the document");
		await page.locator("#files .scroll").evaluate(e => { e.scrollTop = e.scrollHeight; });
		await page.waitForTimeout(150);
		const last = Number(total.replace(",", "")) - 1;
		truth((await page.locator("#files tbody").innerText()).includes(`file-${last}.dat`), `${name}: the last row`);
		const heights = await page.locator("#files tbody tr:not(.spacer)").evaluateAll(rows =>
			new Set(rows.map(r => Math.round(r.getBoundingClientRect().height))).size);
		equal(heights, 1, "row heights");
		equal(await all.getAttribute("aria-pressed"), "true", "aria-pressed");
		await all.click();
		await page.waitForTimeout(300);
		equal(await page.locator("#files tbody tr").count(), 30, "rows");
		equal(trouble, [], "trouble");
		await close();
	}
});

await test("the keyboard reaches everything, and the focus is seen", async () => {
	const { page, close } = await open("healthy.html");
	const expected = await page.evaluate(() => {
		const all = [...document.querySelectorAll("a[href], button, input, summary")];

		return all.filter(e => e.checkVisibility() && !e.closest("[hidden]")).length;
	});

	await page.keyboard.press("Tab");
	equal(await page.evaluate(() => document.activeElement.textContent), "Skip to the answer", "first stop");
	await page.evaluate(() => { window.seen = new Set(); });
	let unseen = 0, stops = 0;
	for (; stops < expected + 50; stops++) {
		const state = await page.evaluate(() => {
			const e = document.activeElement;

			if (e === document.body || window.seen.has(e))
				return e === document.body ? "body" : "again";
			window.seen.add(e);
			const s = getComputedStyle(e), r = e.querySelector(".ground");
			return s.outlineStyle !== "none" || (r && getComputedStyle(r).stroke !== "none") ? "seen" : "unseen";
		});

		if (state === "unseen")
			unseen++;
		if (state === "body")
			break;
		await page.keyboard.press("Tab");
	}
	const reached = await page.evaluate(() => window.seen.size);
	truth(reached >= expected, `${reached} of ${expected} reached after ${stops} stops`);
	equal(unseen, 0, "stops without a visible focus");
	await close();
});

await test("the keyboard sorts, shows all, scrolls and opens", async () => {
	const { page, close } = await open("rich.html");

	await page.locator("#files th button").first().focus();
	await page.keyboard.press("Enter");
	await page.waitForTimeout(200);
	equal(await page.locator("#files th").first().getAttribute("aria-sort"), "ascending", "sorted by name");
	await page.locator("#files button.all").focus();
	await page.keyboard.press("Space");
	await page.locator("#files .windowed").waitFor();
	await page.waitForTimeout(200);
	await page.locator("#files .scroll").focus();
	await page.keyboard.press("PageDown");
	await page.waitForTimeout(400);
	truth(await page.locator("#files .scroll").evaluate(e => e.scrollTop) > 100, "scrolled");
	await page.locator("#zones summary").focus();
	await page.keyboard.press("Enter");
	truth(await page.locator("#zones table").isVisible(), "opened");
	await close();
});

await test("no sideways scrolling from 320 pixels (400 % zoom) to 1920", async () => {
	for (const name of names)
		for (const width of [320, 640, 768, 1024, 1280, 1920]) {
			const { page, close } = await open(name, { viewport: { width, height: 800 } });

			await page.evaluate(() => document.querySelectorAll("details").forEach(d => { d.open = true; }));
			const extra = await page.evaluate(() => document.documentElement.scrollWidth - innerWidth);
			truth(extra <= 0, `${name} at ${width}: ${extra} px too wide`);
			if (name === "rich.html" && width === 320) {
				await page.locator("#files button.all").click();
				await page.waitForTimeout(300);
				truth(await page.evaluate(() => document.documentElement.scrollWidth <= innerWidth), "with all rows");
			}
			await close();
		}
});

await test("without script: the verdict, the findings and the first 30 rows", async () => {
	const { page, close } = await open("rich.html", { javaScriptEnabled: false });

	truth(await page.locator("h1").isVisible(), "verdict");
	equal(await page.locator(".finding").count(), 3, "findings");
	for (const id of ["files", "container-files", "processes"])
		equal(await page.locator(`#${id} tbody tr`).count(), 30, id);
	equal(await page.locator("button:visible, input:visible").count(), 0, "controls that would do nothing");
	await page.locator("#counters summary").click();
	truth(await page.locator("#counters table").isVisible(), "raw facts");
	await close();
});

await test("light and dark, by preference and by choice, readable in both", async () => {
	const contrast = page => page.evaluate(() => {
		const parse = c => c.match(/[\d.]+/g).map(Number);
		const lum = ([r, g, b]) => [r, g, b].map(v => v / 255)
			.map(v => v <= .03928 ? v / 12.92 : ((v + .055) / 1.055) ** 2.4)
			.reduce((s, v, i) => s + v * [.2126, .7152, .0722][i], 0);
		const ground = e => {
			for (; e; e = e.parentElement) {
				const c = parse(getComputedStyle(e).backgroundColor);

				if (c.length === 3 || c[3] === 1)
					return c;
			}
			return [255, 255, 255];
		};
		const low = [];

		for (const selector of ["h1", ".eyebrow span", ".severity", ".finding h3", ".finding li", ".doubt", ".evidence",
			".note", "caption", ".contents a", "td.bytes", ".sub", ".none", ".state.is-deleted", ".ctl", ".pairs dd",
			".sort", ".foot"])
			for (const e of [...document.querySelectorAll(selector)].slice(0, 5)) {
				const [a, b] = [lum(parse(getComputedStyle(e).color)), lum(ground(e))];
				const ratio = (Math.max(a, b) + .05) / (Math.min(a, b) + .05);

				if (ratio < 4.5)
					low.push(`${selector} ${ratio.toFixed(2)}`);
			}
		return low;
	});
	const ground = page => page.evaluate(() => getComputedStyle(document.body).backgroundColor);
	const light = await open("rich.html", { colorScheme: "light" });
	const dark = await open("rich.html", { colorScheme: "dark" });
	const [l, d] = [await ground(light.page), await ground(dark.page)];

	truth(l !== d, "the same ground");
	equal(await contrast(light.page), [], "contrast in light");
	equal(await contrast(dark.page), [], "contrast in dark");
	await light.page.locator("#theme").click();
	equal(await light.page.locator("#theme").innerText(), "Theme: light", "label");
	await light.page.locator("#theme").click();
	equal(await ground(light.page), d, "dark by choice");
	await dark.page.locator("#theme").click();
	equal(await ground(dark.page), l, "light by choice");
	equal([...light.trouble, ...dark.trouble], [], "trouble");
	await light.close();
	await dark.close();
});

await test("paths and the ticket text are copied, dangerous names as a shell word", async () => {
	const { page, close } = await open("rich.html", { permissions: ["clipboard-read", "clipboard-write"] });
	const clip = () => page.evaluate(() => navigator.clipboard.readText());
	const row = text => page.locator("#files tbody tr", { hasText: text }).first();

	await row("ibdata1").locator(".copy").click();
	await page.waitForTimeout(100);
	equal(await clip(), "/var/lib/mysql/ibdata1", "path");
	await row("\\x1b[31mred").locator(".copy").click();
	await page.waitForTimeout(100);
	equal(await clip(), "$'/tmp/new\\x0aline\\x09tab\\x1b[31mred\\x0d'", "dangerous path");
	await page.locator("#copy-ticket").click();
	await page.waitForTimeout(100);
	truth((await clip()).includes("SHA-256: 9f86d081"), "ticket text");
	equal(await page.locator("#copy-ticket").innerText(), "Copied", "label");
	await close();
});

await test("a deep link opens what it leads to", async () => {
	const { page, close } = await open("rich.html", {}, "#zones");

	truth(await page.locator("#zones table").isVisible(), "on arrival");
	await page.evaluate(() => { location.hash = "#counters"; });
	await page.waitForTimeout(200);
	truth(await page.locator("#counters table").isVisible(), "later");
	await page.locator(".evidence").first().click();
	equal(await page.evaluate(() => location.hash), "#cgroups", "evidence");
	await close();
});

await test("on paper: everything is opened, controls are gone, it fits", async () => {
	const { page, close } = await open("rich.html", { colorScheme: "dark" });

	await page.locator("#files button.all").click();
	await page.waitForTimeout(300);
	await page.evaluate(() => dispatchEvent(new Event("beforeprint")));
	await page.emulateMedia({ media: "print" });
	await page.waitForTimeout(200);
	truth(await page.locator("#counters table").isVisible(), "raw facts");
	equal(await page.locator("#files tbody tr").count(), 30, "rows");
	equal(await page.locator("button:visible:not(.sort), input:visible").count(), 0, "controls");
	equal(await page.evaluate(() => getComputedStyle(document.body).backgroundColor), "rgb(255, 255, 255)", "paper");
	await page.setViewportSize({ width: 703, height: 1000 }); /* A4 less its margins */
	truth(await page.evaluate(() => document.documentElement.scrollWidth <= innerWidth), "wider than the paper");
	truth((await page.pdf({ format: "A4", path: join(shots, "print.pdf") })).length > 50000, "pdf");
	await close();
});

await test("the structure that assistive technology needs", async () => {
	for (const name of names) {
		const { page, close } = await open(name);
		const wrong = await page.evaluate(() => {
			const out = [];

			if (document.documentElement.lang !== "en" || !document.title)
				out.push("lang or title");
			if (document.querySelectorAll("main").length !== 1)
				out.push("main");
			for (const t of document.querySelectorAll("table")) {
				if (!t.caption)
					out.push("a table without a caption");
				if ([...t.querySelectorAll("th")].some(th => !th.scope))
					out.push("a header without a scope: " + t.caption?.textContent);
			}
			const ids = [...document.querySelectorAll("[id]")].map(e => e.id);
			if (new Set(ids).size !== ids.length)
				out.push("an id twice");
			for (const e of document.querySelectorAll("[aria-labelledby]"))
				if (!document.getElementById(e.getAttribute("aria-labelledby")))
					out.push("a label that is not there: " + e.getAttribute("aria-labelledby"));
			for (const e of document.querySelectorAll("input"))
				if (!e.labels.length)
					out.push("an input without a label");
			return out;
		});

		equal(wrong, [], name);
		await close();
	}
});

/* The picture of the stacks whose shares are known (sample_stacks.h). */
async function openFlame(name = "rich.html", state = "", options = {}) {
	const opened = await open(name, options, state ? "#flame:" + state : "");

	await opened.page.locator("#flame").scrollIntoViewIfNeeded();
	await opened.page.locator("#flame[data-ready]").waitFor();
	return opened;
}

const flameRows = page => page.locator(".flame-functions tbody tr").evaluateAll(rows =>
	rows.map(r => [...r.cells].map(c => c.textContent)));

await test("flame graph: shares of the whole window, a cut stack apart", async () => {
	const { page, trouble, close } = await openFlame();
	const rows = new Map((await flameRows(page)).map(r => [r[0], r.slice(2)]));

	equal(rows.get("work"), ["50 %", "50 %"], "work, cut or not");
	equal(rows.get("main"), ["0.0 %", "95 %"], "main is not below the cut ones");
	equal(rows.get("[stack cut here]"), ["0.0 %", "5.0 %"], "the cut ones");
	equal(rows.get("spin"), ["0.0 %", "2.5 %"], "spin");
	truth((await page.locator(".flame-range").innerText()).includes("20.0 s of CPU time, 1,980 samples"), "the sum");
	equal(trouble, [], "trouble");
	await close();
});

await test("flame graph: a range, a second one, and what differs", async () => {
	const { page, close } = await openFlame("rich.html", "range=4.000-4.500");

	equal(new Map((await flameRows(page)).map(r => [r[0], r[3]])).get("spin"), "50 %", "in the burst");
	await page.locator(".flame-tools button", { hasText: "Whole window" }).click();
	equal(new Map((await flameRows(page)).map(r => [r[0], r[3]])).get("spin"), "2.5 %", "in all");
	await close();
	const two = await openFlame("rich.html", "range=0.000-4.000&with=4.000-4.500");
	const rows = new Map((await flameRows(two.page)).map(r => [r[0], r.slice(2)]));
	equal(rows.get("spin"), ["0.0 %", "50 %", "+50 %"], "appeared");
	truth(!rows.has("serve") || rows.get("serve")[2] === "0.0 %", "with what it calls it is as before");
	await two.close();
	const none = await openFlame("rich.html", "range=4.000-4.500&with=4.000-4.501&of=p9999");
	equal(none.trouble, [], "nothing to divide by");
	await none.close();
});

await test("flame graph: dragging over the map chooses a range", async () => {
	const { page, close } = await openFlame();
	const box = await page.locator(".flame-map").boundingBox();

	await page.mouse.move(box.x + box.width * 0.41, box.y + 5);
	await page.mouse.down();
	await page.mouse.move(box.x + box.width * 0.44, box.y + 5, { steps: 4 });
	await page.mouse.up();
	equal(new Map((await flameRows(page)).map(r => [r[0], r[3]])).get("spin"), "50 %", "in the burst");
	truth((await page.evaluate(() => location.hash)).includes("range=4."), "in the address");
	await page.locator(".flame-map").focus();
	await page.keyboard.press("Escape");
	equal(new Map((await flameRows(page)).map(r => [r[0], r[3]])).get("spin"), "2.5 %", "the whole window again");
	await close();
});

await test("flame graph: keyboard, zoom, search with an honest share", async () => {
	const { page, close } = await openFlame();
	const status = page.locator(".flame-status");

	await page.locator(".flame-graph").focus();
	await page.keyboard.press("ArrowDown");
	truth((await status.innerText()).startsWith("main (app): 95 %"), await status.innerText());
	await page.keyboard.press("ArrowDown");
	const first = await status.innerText();
	truth(/^(work|serve)/.test(first), first);
	await page.keyboard.press("ArrowRight");
	await page.keyboard.press("ArrowLeft");
	await page.keyboard.press("Enter");
	truth((await page.evaluate(() => location.hash)).includes("zoom="), "zoomed");
	await page.keyboard.press("Escape");
	await page.keyboard.press("Escape");
	truth(!(await page.evaluate(() => location.hash)).includes("zoom="), "all again");
	for (const [find, share] of [["^spin$", "2.5 %"], ["serve|spin", "50 %"], ["work", "50 %"], ["(", "0.0 %"], ["nowhere", "0.0 %"]]) {
		await page.locator(".flame-tools input").fill(find);
		await page.waitForTimeout(250);
		const said = await page.locator(".flame-tools output").innerText();
		truth(find === "(" || said.startsWith(share), `${find}: ${said}`);
	}
	await close();
});

await test("flame graph: what waited, and of whom", async () => {
	const { page, close } = await openFlame("rich.html", "show=off");

	truth((await page.locator(".flame-range").innerText()).includes("5.00 s of time off the CPU, 2 samples"), "all of it");
	await page.locator(".flame-tools select").first().selectOption("2");
	truth((await page.locator(".flame-range").innerText()).includes("2.00 s"), "the disk");
	await page.locator(".flame-tools select").first().selectOption("on");
	const options = await page.locator(".flame-tools select").nth(1).locator("option").allInnerTexts();
	truth(options.some(o => o.startsWith("app (100)")), options.join("; "));
	truth(options.some(o => o.startsWith("worker (100)")), options.join("; "));
	await page.locator(".flame-tools select").nth(1).selectOption("t1");
	truth((await page.locator(".flame-range").innerText()).includes("10.0 s of CPU time, 990 samples"), "one thread");
	await close();
});

await test("flame graph: hostile names are inert, callers and callees are right", async () => {
	const { page, trouble, close } = await openFlame("rich.html", "range=4.000-4.500");

	await page.locator(".flame-functions button", { hasText: /^spin$/ }).click();
	equal(await page.locator(".flame-around ul").first().innerText(), "50 % serve", "callers");
	truth((await page.locator(".flame-around ul").nth(1).innerText()).startsWith("50 % /var/log/<script>"), "callees");
	equal(await page.locator(".flame script, .flame img").count(), 0, "elements from names");
	equal(trouble, [], "trouble");
	await close();
});

await test("flame graph: 200,000 frames are drawn", async () => {
	const { page, trouble, close } = await openFlame("big.html");
	const drawn = await page.locator(".flame-graph").evaluate(c => {
		const d = c.getContext("2d").getImageData(0, 0, c.width, Math.min(c.height, 200)).data;
		const colours = new Set();

		for (let i = 0; i < d.length; i += 4)
			colours.add(d[i] << 16 | d[i + 1] << 8 | d[i + 2]);
		return colours.size;
	});

	truth(drawn > 5, `${drawn} colours`);
	equal(trouble, [], "trouble");
	await close();
});

await test("a fleet: the worst machine first, each reached by its link", async () => {
	const { page, close } = await open("fleet.html");
	const links = page.locator("table.fleet tbody a");

	equal(await links.count(), 3, "machines");
	equal(await links.first().innerText(), "web-07.example", "first");
	await links.first().click();
	await page.waitForTimeout(200);
	const top = await page.locator("#h2-host").evaluate(e => e.getBoundingClientRect().top);
	truth(Math.abs(top) < 200, `at ${top}`);
	equal(await page.locator("#h2-files tbody tr").count(), 30, "its files");
	await page.locator("#h2-files input").fill("ibdata1");
	await page.waitForTimeout(300);
	equal(await page.locator("#h2-files tbody tr").count(), 1, "filtered");
	await close();
});

await test("screenshots for whoever looks", async () => {
	for (const name of names)
		for (const colorScheme of ["light", "dark"])
			for (const width of [1280, 360]) {
				const { page, close } = await open(name, { colorScheme, viewport: { width, height: 900 } });

				await page.screenshot({ path: join(shots, `${name.replace(".html", "")}-${colorScheme}-${width}.png`),
					fullPage: true, clip: { x: 0, y: 0, width, height: 6000 } });
				await close();
			}
});

await browser.close();
process.exit(failed ? 1 : 0);
