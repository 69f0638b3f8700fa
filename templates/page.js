/* The page around the rankings: theme, clipboard, deep links, print.  Nothing is stored. */
"use strict";

document.documentElement.classList.add("js");

document.addEventListener("DOMContentLoaded", () => {
	const theme = document.getElementById("theme");
	const themes = ["auto", "light", "dark"];
	let chosen = 0;

	theme.hidden = false;
	theme.addEventListener("click", () => {
		chosen = (chosen + 1) % themes.length;
		theme.textContent = "Theme: " + themes[chosen];
		if (chosen)
			document.documentElement.dataset.theme = themes[chosen];
		else
			delete document.documentElement.dataset.theme;
	});

	const ticket = document.getElementById("copy-ticket");

	ticket.hidden = false;
	ticket.addEventListener("click", () =>
		copyFrom(ticket, document.getElementById("ticket-text").textContent));

	/* a link into a closed part opens it */
	const open = () => {
		const id = decodeURIComponent(location.hash.slice(1));
		const target = id && document.getElementById(id);

		if (!target)
			return;
		for (let e = target; e; e = e.parentElement)
			if (e.localName === "details")
				e.open = true;
		target.scrollIntoView();
	};
	addEventListener("hashchange", open);
	open();

	let opened = [];
	addEventListener("beforeprint", () => {
		opened = [...document.querySelectorAll("details:not([open])")];
		for (const d of opened)
			d.open = true;
	});
	addEventListener("afterprint", () => {
		for (const d of opened)
			d.open = false;
	});

	for (const time of document.querySelectorAll("time[datetime]")) {
		const days = (Date.now() - Date.parse(time.dateTime)) / 86400000;
		const words = new Intl.RelativeTimeFormat("en", { numeric: "auto" });

		if (Number.isFinite(days) && days >= 0)
			time.title = days < 1 ? words.format(-Math.round(days * 24), "hour") :
				words.format(-Math.round(days), "day");
	}
});
