// Ages and countdowns keep running: "12 s ago" must not stand still between two polls.
import { age, duration } from "./formats.js";

const CALM_MS = 15_000; // for whoever wants no motion
const written = document.querySelector("meta[name=vmrep-now]")?.content;
// By the server's clock: this machine's may be wrong.
const ahead = written ? Date.now() - Date.parse(written) : 0;

const show = (element, text) => {
  if (element.textContent !== text) element.textContent = text;
};

// A countdown is what the server wrote, minus the time since that was first seen.
const seen = new WeakMap();
const left = (element) => {
  const said = element.dataset.countdown;
  const known = seen.get(element);
  if (known?.said === said) return Number(said) - (performance.now() - known.at) / 1000;
  seen.set(element, { said, at: performance.now() });
  return Number(said);
};

const tick = () => {
  if (document.hidden) return;
  for (const time of document.querySelectorAll("time[data-ago]")) {
    // What is read aloud when it changes must not change every second.
    if (time.closest("[role=status], [aria-live]")) continue;
    const text = age((Date.now() - ahead - Date.parse(time.dateTime)) / 1000);
    show(time, text === "now" ? "just now" : text + time.dataset.ago);
  }
  for (const element of document.querySelectorAll("[data-countdown]")) {
    const seconds = Math.ceil(left(element));
    show(element, seconds > 0 ? duration(seconds) : "a moment");
  }
};

const calm = window.matchMedia("(prefers-reduced-motion: reduce)").matches;
document.addEventListener("htmx:afterSettle", tick);
window.setInterval(tick, calm ? CALM_MS : 1000);
tick();
