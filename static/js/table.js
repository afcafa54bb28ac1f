// The VM table by keyboard, and what is ticked in it. Everything can be done without this, too.
import "./page.js"; // an Escape that closes a menu does not close the panel
import "./selection.js"; // counts what is ticked here
import "./everything.js"; // or all that match
import { covers } from "./widths.js";

const KEYS_OFF = "vmrep-letter-keys-off";
const TICKED = `vmrep-ticked:${location.pathname}`;
// Storage may be forbidden: then nothing is remembered.
const read = (storage, key) => {
  try {
    return window[storage].getItem(key);
  } catch {
    return null;
  }
};
const write = (storage, key, value) => {
  try {
    window[storage].setItem(key, value);
  } catch {
    // not remembered, then
  }
};

// --- Rows --------------------------------------------------------------------------------------
const rows = () => [...document.querySelectorAll("tr[data-open]")];
const linkOf = (row) => row?.querySelector("a[data-open-link]");
const boxOf = (row) => row?.querySelector("input[data-select-one]");
const currentRow = () => document.activeElement?.closest("tr[data-open]");
let lastRow = ""; // the ID of the row that had the focus last

document.addEventListener("focusin", (event) => {
  const row = event.target.closest("tr[data-open]");
  if (row) lastRow = row.id;
});

const go = (step) => {
  const all = rows();
  const from = currentRow() ?? document.getElementById(lastRow);
  const at = all.indexOf(from);
  // From outside the table, the keys return to the row that was last used.
  const to = at < 0 ? all[step > 0 ? 0 : all.length - 1] : all[currentRow() ? at + step : at];
  linkOf(to)?.focus();
  to?.scrollIntoView({ block: "nearest" });
};

const toggle = (row) => {
  const box = boxOf(row);
  if (!box || box.disabled) return;
  box.checked = !box.checked;
  box.dispatchEvent(new Event("change", { bubbles: true }));
};

// --- Keys --------------------------------------------------------------------------------------
const isTyping = (element) =>
  element.matches("input:not([type=checkbox]), select, textarea, [contenteditable]");
const isOccupied = () => document.querySelector("dialog[open], details[data-menu][open]");

const closePanel = () => {
  const close = document.querySelector('#panel a[aria-label="Close the panel"]');
  close?.click();
  return Boolean(close);
};

// From within the panel, to the row that it is about; the panel stays.
const backToRow = (from) => {
  if (covers.matches || !from.closest(".panel")) return false;
  const link = linkOf(document.querySelector("tr.selected[data-open]"));
  link?.focus();
  return Boolean(link);
};

const search = () => {
  const box = document.getElementById("search");
  box?.focus();
  box?.select();
  return Boolean(box);
};

const open = (row) => {
  linkOf(row)?.click();
  return Boolean(row);
};

const move = (step) => {
  go(step);
  return rows().length > 0;
};

const select = () => {
  const row = currentRow();
  toggle(row);
  return Boolean(row);
};

const help = () => {
  document.getElementById("keys-dialog").showModal();
  return true;
};

// What a key does; each function returns whether there was anything to do.
const KEYS = {
  ArrowDown: () => move(1),
  ArrowUp: () => move(-1),
  Enter: () => document.activeElement.matches("tr input") && open(currentRow()),
  " ": () => document.activeElement.matches("tr a[data-open-link]") && select(),
};
const LETTERS = { "/": search, "?": help, j: KEYS.ArrowDown, k: KEYS.ArrowUp, x: select };
const keysOf = (isSearch) => {
  if (isSearch) return SEARCH_KEYS;
  return read("localStorage", KEYS_OFF) ? KEYS : { ...LETTERS, ...KEYS };
};
const SEARCH_KEYS = { ArrowDown: KEYS.ArrowDown, ArrowUp: KEYS.ArrowUp };
// An arrow pressed elsewhere scrolls the page, as everywhere.
const movesRows = (element) => element === document.body || element.closest("main");

document.addEventListener("keydown", (event) => {
  if (event.defaultPrevented || event.ctrlKey || event.metaKey || event.altKey) return;
  const target = event.target;
  if (event.key === "Escape") {
    const isCleared = target.matches("input[type=search]") && target.value;
    if (!isOccupied() && !isCleared && (backToRow(target) || closePanel())) event.preventDefault();
    return;
  }
  const isSearch = target.id === "search";
  if ((isTyping(target) && !isSearch) || isOccupied() || target.closest(".panel")) return;
  const act = keysOf(isSearch)[event.key];
  if (act && movesRows(target) && act()) event.preventDefault();
});

const letterKeys = document.getElementById("letter-keys");
if (letterKeys) {
  letterKeys.checked = !read("localStorage", KEYS_OFF);
  letterKeys.addEventListener("change", () => {
    write("localStorage", KEYS_OFF, letterKeys.checked ? "" : "yes");
  });
}
document.addEventListener("click", (event) => {
  if (event.target.closest("[data-show-keys]")) help();
});

// --- What is ticked survives a reload (a swap keeps it by itself) --------------------------------
const boxes = () => [...document.querySelectorAll("input[data-select-one]")];
const ticked = () => boxes().filter((box) => box.checked);
const remember = () =>
  write("sessionStorage", TICKED, JSON.stringify(ticked().map((box) => box.value)));
const everything = () => document.querySelector("input[data-everything]:checked");
const tick = (wanted) => {
  const all = everything();
  if (all) all.checked = false;
  for (const box of boxes()) box.checked = !box.disabled && wanted.includes(box.value);
  document.body.dispatchEvent(new Event("change", { bubbles: true }));
};
document.addEventListener("change", remember);
document.addEventListener("htmx:afterSettle", remember);
const before = read("sessionStorage", TICKED);
if (before && before !== "[]") tick(JSON.parse(before));

document.addEventListener("click", (event) => {
  if (event.target.closest("[data-select-none]")) {
    tick([]);
    linkOf(document.getElementById(lastRow) ?? rows()[0])?.focus();
  }
});
// The request is done: the next one is for other VMs.
document.addEventListener("htmx:afterRequest", (event) => {
  if (event.detail.successful && event.detail.elt.closest("[data-selection-bar]")) tick([]);
});

// --- Cancelling asks first ---------------------------------------------------------------------
const NAMED = 6;
const plural = (count) => `${count} replication${count === 1 ? "" : "s"}`;

const ask = (button) => {
  const dialog = document.getElementById(button.dataset.confirm);
  const active = ticked().filter((box) => box.closest("[data-active]"));
  const names = active.map((box) => linkOf(box.closest("tr")).textContent.trim());
  const more = names.length - NAMED;
  for (const place of dialog.querySelectorAll("[data-dialog-count]")) {
    place.textContent = plural(names.length);
  }
  dialog.querySelector("[data-dialog-names]").textContent = names.length
    ? names.slice(0, NAMED).join(", ") + (more > 0 ? ` and ${more} more` : "")
    : "None of the selected VMs is being replicated.";
  dialog.querySelector("[value=yes]").disabled = names.length === 0;
  dialog.returnValue = "";
  dialog.addEventListener(
    "close",
    () => {
      if (dialog.returnValue === "yes") htmx.trigger(button, "vmrep:confirmed");
    },
    { once: true },
  );
  dialog.showModal();
};

document.addEventListener("click", (event) => {
  const button = event.target.closest("button[data-confirm]");
  if (!button) return;
  event.preventDefault();
  if (everything()) htmx.trigger(button, "vmrep:confirmed"); // the server asks
  else ask(button);
});
