// Keeps the live parts of a page up to date.
//
// A live part is <div id data-poll-seconds data-version hx-get="" hx-trigger="vmrep:poll" …>. It is
// requested again at its own pace while the tab is visible; the server answers 204 when the version
// that the browser shows is still the newest. While the server does not answer, the pace slows.

const TICK_MS = 100;
const SLOWEST_MS = 30000;
const asked = new Map(); // id of a live part -> when it was asked for last
let failures = 0; // polls in a row that were not answered

const poll = (part, now) => {
  asked.set(part.id, now);
  htmx.trigger(part, "vmrep:poll");
};

const pause = (part) => {
  const usual = Number(part.dataset.pollSeconds) * 1000;
  return failures ? Math.min(usual * 2 ** failures, Math.max(SLOWEST_MS, usual)) : usual;
};

const tick = () => {
  if (document.hidden) return;
  const now = Date.now();
  for (const part of document.querySelectorAll("[data-poll-seconds]")) {
    if (!asked.has(part.id)) asked.set(part.id, now);
    if (now - asked.get(part.id) >= pause(part)) poll(part, now);
  }
};

const isPoll = (event) => event.detail.requestConfig?.triggeringEvent?.type === "vmrep:poll";

document.addEventListener("htmx:configRequest", (event) => {
  if (event.detail.triggeringEvent?.type === "vmrep:poll") {
    event.detail.headers["X-Vmrep-Version"] = event.detail.elt.dataset.version;
  }
  // Filters that are not set do not belong in an address that people send to one another.
  if (event.detail.verb === "get") {
    const parameters = event.detail.parameters;
    for (const [name, value] of Object.entries(parameters)) {
      if (value === "") delete parameters[name];
    }
  }
});

// A newer request ends an older one that only reads: that is no error, but an answer without news.
document.addEventListener("htmx:beforeRequest", (event) => {
  const { requestConfig, xhr } = event.detail;
  if (requestConfig.verb === "get") xhr.onabort = xhr.onload;
});

// The time of the next poll counts from the last answer, whatever was requested.
document.addEventListener("htmx:afterSwap", (event) => {
  if (event.detail.target?.id) asked.set(event.detail.target.id, Date.now());
});

document.addEventListener("visibilitychange", () => {
  if (!document.hidden) {
    for (const part of document.querySelectorAll("[data-poll-seconds]")) poll(part, Date.now());
  }
});

const connection = (lost) => {
  document.getElementById("connection").hidden = !lost;
};
const unanswered = (event) => {
  if (isPoll(event)) failures += 1;
  connection(true);
};
for (const name of ["htmx:sendError", "htmx:timeout"]) {
  document.addEventListener(name, unanswered);
}
document.addEventListener("htmx:responseError", (event) => {
  if (isPoll(event)) unanswered(event);
});
document.addEventListener("htmx:afterOnLoad", (event) => {
  const status = event.detail.xhr.status;
  if (!status || status >= 400) return;
  failures = 0;
  connection(false);
});

window.setInterval(tick, TICK_MS);
