// The panel and the job's page: where the focus goes, dialogs, copying, the log's end.
"use strict";
{
  const panel = () => document.getElementById("panel");
  const title = () => document.getElementById("panel-title");
  // Beside the table it is in the page's flow; narrower, it covers the table or stands alone.
  const isBeside = () => window.matchMedia("(min-width: 75rem)").matches;

  // --- Focus: into a panel that covers the page, back to its row, never lost to a swap ----------
  let before = { shown: panel()?.dataset.panel, wasInside: false };
  document.addEventListener("htmx:beforeSwap", (event) => {
    if (event.detail.target?.id !== "live") return;
    const shown = panel();
    // A button that was pressed is disabled meanwhile, and has lost the focus by that.
    const asked = event.detail.requestConfig?.elt;
    const inside = (element) => Boolean(element && shown?.contains(element));
    before = {
      shown: shown?.dataset.panel,
      wasInside: inside(document.activeElement) || inside(asked),
      atEnd: isAtEnd(),
    };
  });
  document.addEventListener("htmx:afterSettle", (event) => {
    if (event.detail.target?.id !== "live") return;
    if (before.atEnd) toEnd();
    const shown = panel()?.dataset.panel;
    const lost = !document.activeElement || document.activeElement === document.body;
    if (shown && shown !== before.shown) {
      if (!isBeside()) title().focus();
    } else if (shown && lost && before.wasInside) {
      title().focus();
    } else if (!shown && before.shown && (lost || before.wasInside)) {
      const row = document.getElementById(`row-${before.shown}`);
      (row?.querySelector("a[data-open-link]") ?? document.getElementById("main")).focus();
    }
  });
  if (panel() && !isBeside()) title().focus({ preventScroll: true });

  // --- Tabs: the open one is in view, also where not all have room -------------------------------
  let shownTab = "";
  const showTab = () => {
    const tab = document.querySelector(".panel-tabs [aria-current]");
    if (tab && tab.id !== shownTab) tab.scrollIntoView({ block: "nearest", inline: "nearest" });
    shownTab = tab?.id ?? "";
  };
  document.addEventListener("htmx:afterSettle", showTab);
  showTab();

  document.addEventListener("keydown", (event) => {
    if (event.key !== "Escape" || event.defaultPrevented || !panel()) return;
    if (document.querySelector("dialog[open], details[data-menu][open]")) return;
    if (event.target.matches("input, select, textarea") && !panel().contains(event.target)) return;
    event.preventDefault();
    panel().querySelector("[data-panel-close]").click();
  });

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
  document.addEventListener("submit", (event) => event.target.closest("dialog")?.close());

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

  // --- The log: its end is in view, as long as somebody did not scroll away from it --------------
  const isAtEnd = () => {
    const log = document.querySelector("[data-log]");
    return !log || log.scrollHeight - log.scrollTop - log.clientHeight < 8;
  };
  const toEnd = () => {
    const log = document.querySelector("[data-log]");
    if (log) log.scrollTop = log.scrollHeight;
  };
  toEnd();
}
