// Ticked rows: how many there are, and what can be done with them.

const countSelected = () => {
  for (const form of document.querySelectorAll("[data-selection]")) {
    const boxes = [...form.querySelectorAll("input[data-select-one]:not(:disabled)")];
    const ticked = boxes.filter((box) => box.checked).length;
    const all = form.querySelector("input[data-select-all]");
    if (all) {
      const usual = boxes.filter((box) => !box.matches("[data-refused]"));
      all.checked = usual.length > 0 && usual.every((box) => box.checked);
      all.indeterminate = ticked > 0 && !all.checked;
      all.disabled = boxes.length === 0;
    }
    for (const place of form.querySelectorAll("[data-selected-count]")) {
      // Written only when the number changes: it is read aloud when it is written.
      const text = `${ticked} selected`;
      if (place.textContent !== text) place.textContent = text;
    }
    for (const button of form.querySelectorAll("[data-needs-selection]")) {
      button.disabled = ticked === 0;
    }
    for (const bar of form.querySelectorAll("[data-selection-bar]")) {
      bar.classList.toggle("has-selection", ticked > 0);
    }
  }
};
document.addEventListener("change", (event) => {
  if (event.target.matches("input[data-select-all]")) {
    const form = event.target.closest("[data-selection]");
    // What would be refused is taken only on purpose, box by box.
    for (const box of form.querySelectorAll("input[data-select-one]:not(:disabled)")) {
      box.checked = event.target.checked && !box.matches("[data-refused]");
    }
  }
  countSelected();
});
document.addEventListener("htmx:afterSettle", countSelected);
countSelected();
