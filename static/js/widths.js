// Where the panel is, by the window's width, as in static/css/vmrep.css.

/** The panel lies over the list. */
export const covers = window.matchMedia("(max-width: 74.99rem)");
/** The panel takes the list's place. */
export const replaces = window.matchMedia("(max-width: 35.99rem)");
