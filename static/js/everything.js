// "All that match" instead of ticked rows: the rows' own boxes are disabled, the button enabled.
import "./selection.js"; // has counted what is ticked before this looks

const update = () => {
  const everything = document.querySelector("input[data-everything]");
  if (!everything) return;
  const form = everything.closest("[data-selection]");
  for (const box of form.querySelectorAll("input[data-select-one], input[data-select-all]")) {
    box.inert = everything.checked;
    box.classList.toggle("stands-back", everything.checked);
  }
  if (!everything.checked) return;
  for (const button of form.querySelectorAll("[data-needs-selection]")) button.disabled = false;
  form.querySelector("[data-selected-count]").textContent = "";
  for (const bar of form.querySelectorAll("[data-selection-bar]")) bar.classList.add("has-selection");
};
document.addEventListener("change", update);
document.addEventListener("htmx:afterSettle", update);
update();
