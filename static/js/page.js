// Small conveniences; every page works without them.
import "./morph.js";

// --- Menus: one at a time; Escape or a click elsewhere closes ----------------------------------
const closeMenus = (except) => {
  for (const menu of document.querySelectorAll("details[data-menu][open]")) {
    if (menu !== except) menu.open = false;
  }
};
document.addEventListener("click", (event) => closeMenus(event.target.closest("[data-menu]")));
document.addEventListener("keydown", (event) => {
  if (event.key !== "Escape") return;
  const menu = document.querySelector("details[data-menu][open]");
  if (menu) {
    menu.open = false;
    menu.querySelector("summary").focus();
    event.preventDefault(); // that was what this Escape was for
  }
});

// --- Notices: good news disappears, errors stay until they are closed --------------------------
const NOTICE_MS = 8000;
const OVERTAKEN_MS = 3000;
const watchNotices = () => {
  for (const notice of document.querySelectorAll("[data-notice]:not([data-seen])")) {
    notice.dataset.seen = Date.now();
    if (!notice.matches(".notice-error, .notice-warning")) {
      window.setTimeout(() => notice.remove(), NOTICE_MS);
    }
  }
};
watchNotices();
// Nothing may stay hidden under them: the page gets that much room at its end.
new ResizeObserver(([entry]) => {
  const height = entry.borderBoxSize[0].blockSize;
  const room = height && height + 12;
  document.documentElement.style.setProperty("--notices-height", `${room}px`);
}).observe(document.getElementById("notices"));
// Good news that is out of date would be wrong next to newer notices.
document.addEventListener("htmx:afterSwap", (event) => {
  if (event.detail.requestConfig?.triggeringEvent?.type !== "vmrep:poll") return;
  for (const notice of document.querySelectorAll(".notice-success[data-seen]")) {
    if (Date.now() - Number(notice.dataset.seen) > OVERTAKEN_MS) notice.remove();
  }
});
new MutationObserver(watchNotices).observe(document.getElementById("notices"), {
  childList: true,
});
const notify = (text) => {
  const notice = document.createElement("div");
  notice.className = "notice notice-error";
  notice.dataset.notice = "";
  const words = document.createElement("div");
  words.textContent = text;
  notice.append(words);
  document.getElementById("notices").append(notice);
  window.setTimeout(() => notice.remove(), NOTICE_MS);
};
document.addEventListener("htmx:responseError", (event) => {
  if (event.detail.requestConfig.verb !== "get") {
    notify(`vmrep did not do that: it answered ${event.detail.xhr.status}.`);
  }
});

document.addEventListener("click", (event) => {
  event.target.closest("[data-notice-close]")?.closest("[data-notice]").remove();

  // A click anywhere in a row opens what its link opens.
  const row = event.target.closest("tr[data-open]");
  if (row && !event.target.closest("a, button, input, label") && !String(getSelection())) {
    row.querySelector("a[data-open-link]").click();
  }
});

// --- A second click while the first is being answered is not a second request -------------------
const asked = new WeakSet();
document.addEventListener("htmx:confirm", (event) => {
  if (event.detail.verb !== "get" && asked.has(event.detail.elt)) event.preventDefault();
});
document.addEventListener("htmx:beforeRequest", (event) => {
  if (event.detail.requestConfig.verb !== "get") asked.add(event.detail.elt);
});
document.addEventListener("htmx:afterRequest", (event) => asked.delete(event.detail.elt));
document.addEventListener("submit", (event) => {
  const form = event.target;
  if (event.defaultPrevented || form.method !== "post") return;
  if (asked.has(form)) event.preventDefault();
  asked.add(form);
});
window.addEventListener("pageshow", (event) => {
  if (event.persisted) window.location.reload(); // as it was left is not as it is
});

