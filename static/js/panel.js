// The panel and the job's page: menus, dialogs, copying, the log's end.

// A menu that does something closes; the answer would leave it open.
document.addEventListener("htmx:beforeRequest", (event) => {
  const menu = event.target.closest?.("[data-menu-form]")?.closest("details[data-menu]");
  if (menu) menu.open = false;
});

// --- Dialogs: the link leads to the question's own page where there is no script ---------------
document.addEventListener("click", (event) => {
  const opener = event.target.closest("[data-dialog]");
  const dialog = opener && document.getElementById(opener.dataset.dialog);
  if (dialog && !event.ctrlKey && !event.metaKey && !event.shiftKey) {
    event.preventDefault();
    dialog.showModal();
  }
  event.target.closest("[data-dialog-close]")?.closest("dialog").close();
});
// (A form with method "dialog" closes its dialog on its own, and says with which button.)
document.addEventListener("submit", (event) => {
  if (event.target.method !== "dialog") event.target.closest("dialog")?.close();
});

// --- Copying -----------------------------------------------------------------------------------
document.addEventListener("click", async (event) => {
  const button = event.target.closest("[data-copy]");
  if (!button) return;
  const name = button.getAttribute("aria-label");
  try {
    await navigator.clipboard.writeText(button.dataset.copy);
    button.title = "Copied";
    button.dataset.copied = "";
  } catch {
    // Not over plain HTTP to another machine: what is to be copied is selected instead.
    getSelection().selectAllChildren(button.previousElementSibling);
    button.title = "Selected: copy it with the keyboard";
  }
  window.setTimeout(() => {
    button.title = name;
    delete button.dataset.copied;
  }, 2000);
});

// --- The log: its end is in view, unless somebody has scrolled away from it --------------------
const isAtEnd = () => {
  const log = document.querySelector("[data-log]");
  return !log || log.scrollHeight - log.scrollTop - log.clientHeight < 8;
};
const toEnd = () => {
  const log = document.querySelector("[data-log]");
  if (log) log.scrollTop = log.scrollHeight;
};
let wasAtEnd = true;
document.addEventListener("htmx:beforeSwap", () => {
  wasAtEnd = isAtEnd();
});
document.addEventListener("htmx:afterSettle", () => {
  if (wasAtEnd) toEnd();
});
toEnd();
