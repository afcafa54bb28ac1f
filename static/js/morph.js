// What a swap must not remove: what is ticked, typed or opened, and what scripts have drawn.

// (Idiomorph's own ignoreActiveValue would leave the children of a focused button as they were.)
const keeps = (name, element) =>
  (name === "checked" && element.matches("[data-keep]")) ||
  (name === "value" && element.matches("input[type=password], :focus")) ||
  (name === "selected" && element.matches("select:focus > option")) ||
  (name === "open" && element.matches("details, dialog"));
Idiomorph.defaults.callbacks.beforeAttributeUpdated = (name, element) => !keeps(name, element);

const kept = [];
Idiomorph.defaults.callbacks.beforeNodeMorphed = (old, fresh) =>
  !(old instanceof Element && kept.some((isKept) => isKept(old, fresh)));

/** Elements of which `isKept(old, fresh)` is true stay as they are when a part is swapped. */
export const keep = (isKept) => kept.push(isKept);

// What a script wrote stays as it is.
keep((old) => old.matches("[data-mine], [data-selected-count]"));
