// Keeps the live parts of a page up to date.
//
// A live part is <div id data-poll-seconds data-version hx-get="" hx-trigger="vmrep:poll" …>. It is
// asked for anew at its own pace while the tab is seen; the server answers 204 when the version
// that the browser shows is still the newest.
"use strict";
{
  const TICK_MS = 250;
  const asked = new Map(); // id of a live part -> when it was asked for last

  const poll = (part, now) => {
    asked.set(part.id, now);
    htmx.trigger(part, "vmrep:poll");
  };

  const tick = () => {
    if (document.hidden) return;
    const now = Date.now();
    for (const part of document.querySelectorAll("[data-poll-seconds]")) {
      if (!asked.has(part.id)) asked.set(part.id, now);
      if (now - asked.get(part.id) >= Number(part.dataset.pollSeconds) * 1000) poll(part, now);
    }
  };

  const isPoll = (event) => event.detail.requestConfig?.triggeringEvent?.type === "vmrep:poll";

  document.addEventListener("htmx:configRequest", (event) => {
    if (event.detail.triggeringEvent?.type === "vmrep:poll") {
      event.detail.headers["X-Vmrep-Version"] = event.detail.elt.dataset.version;
    }
    // Filters that are not set do not belong into an address that people send to one another.
    if (event.detail.verb === "get") {
      const parameters = event.detail.parameters;
      for (const [name, value] of Object.entries(parameters)) {
        if (value === "") delete parameters[name];
      }
    }
  });

  // The next poll counts from the last answer, whatever was asked for.
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
  for (const name of ["htmx:sendError", "htmx:timeout"]) {
    document.addEventListener(name, () => connection(true));
  }
  document.addEventListener("htmx:responseError", (event) => {
    if (isPoll(event)) connection(true);
  });
  document.addEventListener("htmx:afterOnLoad", () => connection(false));

  window.setInterval(tick, TICK_MS);
}
