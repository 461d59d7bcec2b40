// Keeps what is shown fresh. Every page works without it.
"use strict";

// On a narrow screen the pages are a row to scroll: begin where one is.
const here = document.querySelector("#nav [aria-current]");
if (here) here.scrollIntoView({ block: "nearest", inline: "center" });

// Forms that end or change something ask first.
document.addEventListener("submit", (event) => {
  const button = event.submitter;
  const question = (button && button.dataset.confirm) || event.target.dataset.confirm;
  if (question && !window.confirm(question)) event.preventDefault();
});

// Parts of a page that are loaded anew, every so many seconds, while the page is looked at and nobody works in it.
const fresh = document.querySelector("[data-fresh]");
if (fresh) {
  const load = async () => {
    const own = document.getElementById(fresh.id);
    if (document.hidden || own.contains(document.activeElement)) return;
    const answer = await fetch(location.href, { cache: "no-store" });
    if (!answer.ok || answer.redirected) return;
    const next = new DOMParser().parseFromString(await answer.text(), "text/html");
    for (const id of [fresh.id, "banners"]) {
      const [old, now] = [document.getElementById(id), next.getElementById(id)];
      if (old && now) old.replaceWith(document.adoptNode(now));
    }
  };
  setInterval(() => load().catch(() => {}), Number(fresh.dataset.fresh) * 1000);
}

// The live page: rows as they come, the newest on top.
const live = document.getElementById("live");
if (live && window.EventSource) {
  const [rows, state, pause] = [live.tBodies[0], document.getElementById("live-state"), document.getElementById("pause")];
  const most = Number(live.dataset.rows);
  let last = live.dataset.last;
  let held = [];
  let source;
  const add = (row) => {
    // The row is the server's own markup: parsed as a document of its own, in which nothing runs.
    const table = new DOMParser().parseFromString("<table><tbody>" + row + "</tbody></table>", "text/html");
    const node = table.querySelector("tr");
    if (node) rows.prepend(document.adoptNode(node));
    while (rows.rows.length > most) rows.lastElementChild.remove();
  };
  const isPaused = () => pause.getAttribute("aria-pressed") === "true";
  const open = () => {
    source = new EventSource("/requests/events?after=" + encodeURIComponent(last));
    source.onopen = () => { state.textContent = isPaused() ? "Paused" : "Live"; };
    source.onerror = () => { state.textContent = "Not connected"; };
    source.onmessage = (event) => {
      last = event.lastEventId || last;
      if (!isPaused()) return add(event.data);
      held.push(event.data);
      held = held.slice(-most);
      state.textContent = "Paused, " + held.length + " new";
    };
  };
  pause.hidden = false;
  pause.addEventListener("click", () => {
    pause.setAttribute("aria-pressed", String(!isPaused()));
    pause.textContent = isPaused() ? "Go on" : "Pause";
    state.textContent = isPaused() ? "Paused" : "Live";
    if (!isPaused()) held.splice(0).forEach(add);
  });
  window.addEventListener("pagehide", () => source.close());
  window.addEventListener("pageshow", (event) => { if (event.persisted) open(); });
  open();
}
