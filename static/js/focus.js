// Where the focus and the eyes go when a swap removes what had them, and when a VM is opened or
// closed.
import { covers, replaces } from "./widths.js";

const FOCUSABLE = "a[href], button:not(:disabled), input:not(:disabled):not([type=hidden])";
let home = []; // what is around the focus, from the inside out
let wasInActions = false;
let byKeyboard = false;
let pressedAt = 0; // how far below the window's top the pointer was pressed
let opening = false;
let opened = null; // the row that is being opened, and where its link and the pointer are
let listScroll = 0; // where the list was when a panel took its place
let closed = ""; // the ID of the row whose panel is being closed

for (const kind of ["keydown", "pointerdown"]) {
  const note = (event) => {
    byKeyboard = kind === "keydown";
    if (!byKeyboard) pressedAt = event.clientY;
  };
  document.addEventListener(kind, note, true);
}

const nameOf = (row) => row.querySelector("a[data-open-link]").getBoundingClientRect();

document.addEventListener("click", (event) => {
  const link = event.target.closest("a");
  if (!link) return;
  opening = link.matches("[data-open-link], [data-opens]");
  const row = opening && link.closest("tr[data-open]");
  opened = row && { id: row.id, top: nameOf(row).top, pointer: byKeyboard ? null : pressedAt };
  if (opening && !document.getElementById("panel")) listScroll = window.scrollY;
  closed = link.matches('[aria-label="Close the panel"]')
    ? (document.querySelector("tr.selected[data-open]")?.id ?? "")
    : "";
});

document.addEventListener("htmx:beforeSwap", (event) => {
  // A button that was pressed is disabled meanwhile, and has lost the focus by that.
  const asked = event.detail.requestConfig?.elt;
  const isLost = document.activeElement === document.body && asked?.matches?.("form");
  const focused = isLost ? asked.querySelector("button") : document.activeElement;
  wasInActions = Boolean(focused?.closest(".actions"));
  home = [];
  for (let around = focused; around && around !== document.body; around = around.parentElement) {
    if (around.id) home.push(around.id);
  }
});

const within = (place) =>
  (wasInActions && place.querySelector(`.actions :is(${FOCUSABLE})`)) ||
  (place.matches(FOCUSABLE) ? place : place.querySelector(FOCUSABLE));

const restore = () => {
  for (const id of home) {
    const place = document.getElementById(id);
    const target = place && within(place);
    if (target) return target.focus({ preventScroll: true });
  }
};

// A panel makes the list narrower and what is above a row higher; the row itself may be lower once
// a column is gone. Its name stays where it was, and some of it where the pointer is. A short page
// gets room at its end for that.
const BORDER = 2; // pixels that may count as the next row, once positions are rounded
const giveRoom = (pixels) =>
  document.documentElement.style.setProperty("--row-room", `${Math.ceil(pixels)}px`);
const keepInPlace = ({ id, top, pointer }) => {
  const row = document.getElementById(id);
  if (!row) return;
  const edges = row.getBoundingClientRect();
  let moved = nameOf(row).top - top;
  if (pointer !== null) {
    const least = edges.top + BORDER - pointer;
    const most = edges.bottom - BORDER - pointer;
    moved = Math.min(Math.max(moved, least), most);
  }
  const scrollable = document.documentElement.scrollHeight - window.innerHeight - window.scrollY;
  if (moved > scrollable) giveRoom(moved - scrollable);
  window.scrollBy({ top: moved, behavior: "instant" });
};

const scrollTo = (top) => window.scrollTo({ top, behavior: "instant" });

const enterPanel = () => {
  if (replaces.matches) scrollTo(0);
  else if (opened) keepInPlace(opened);
  if (byKeyboard || covers.matches) {
    document.getElementById("panel-title").focus({ preventScroll: true });
  }
};

const leavePanel = () => {
  giveRoom(0);
  if (replaces.matches) scrollTo(listScroll);
  const link = document.getElementById(closed)?.querySelector("a[data-open-link]");
  link?.focus({ preventScroll: replaces.matches });
};

document.addEventListener("htmx:afterSwap", () => {
  const panel = document.getElementById("panel");
  if (opening && panel) {
    opening = false;
    enterPanel();
  } else if (closed && !panel) {
    leavePanel();
    closed = "";
  }
  const lost = !document.activeElement || document.activeElement === document.body;
  if (lost && home.length) restore();
});

// A page that begins with a panel over everything else begins to be read there.
if (covers.matches) document.getElementById("panel-title")?.focus({ preventScroll: true });
