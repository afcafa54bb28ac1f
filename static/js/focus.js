// Where the focus goes when a swap removes what had it, and when a VM is opened or closed.

const FOCUSABLE = "a[href], button:not(:disabled), input:not(:disabled):not([type=hidden])";
const covers = window.matchMedia("(max-width: 74.99rem)"); // the panel lies over the table
let home = []; // what is around the focus, from the inside out
let wasInActions = false;
let opening = false;
let closed = ""; // the ID of the row whose panel is being closed

document.addEventListener("click", (event) => {
  const link = event.target.closest("a");
  if (!link) return;
  opening = link.matches("[data-open-link], [data-opens]");
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

document.addEventListener("htmx:afterSwap", () => {
  const panel = document.getElementById("panel");
  if (opening && panel) {
    opening = false;
    if (covers.matches) document.getElementById("panel-title").focus();
  } else if (closed && !panel) {
    document.getElementById(closed)?.querySelector("a[data-open-link]")?.focus();
    closed = "";
  }
  const lost = !document.activeElement || document.activeElement === document.body;
  if (lost && home.length) restore();
});

// A page that begins with a panel over everything else begins to be read there.
if (covers.matches) document.getElementById("panel-title")?.focus({ preventScroll: true });
