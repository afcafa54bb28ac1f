// Ages grow while nobody asks: "12 s ago" must not stand still between two polls.
// It writes as vmrep.web.formats.age does.
"use strict";
{
  const UNITS = [
    [86_400, "d"],
    [3_600, "h"],
    [60, "m"],
  ];
  const CALM_MS = 15_000; // for whoever wants no motion
  const written = document.querySelector("meta[name=vmrep-now]")?.content;
  // By the server's clock: this machine's may be wrong.
  const ahead = written ? Date.now() - Date.parse(written) : 0;

  const age = (seconds) => {
    for (const [size, unit] of UNITS) {
      if (seconds >= size) return `${Math.floor(seconds / size)} ${unit}`;
    }
    return seconds < 1 ? "now" : `${Math.floor(seconds)} s`;
  };

  const tick = () => {
    if (document.hidden) return;
    for (const time of document.querySelectorAll("time[data-ago]")) {
      // What is read aloud when it changes must not change every second.
      if (time.closest("[role=status], [aria-live]")) continue;
      const text = age((Date.now() - ahead - Date.parse(time.dateTime)) / 1000);
      const whole = text === "now" ? "just now" : text + time.dataset.ago;
      if (time.textContent !== whole) time.textContent = whole;
    }
  };

  const calm = window.matchMedia("(prefers-reduced-motion: reduce)").matches;
  window.setInterval(tick, calm ? CALM_MS : 1000);
}
