// The scripts of every page. Each imports what it needs: their order here does not matter.
// (htmx, Idiomorph and uPlot are not modules: base.html loads them, and they are globals.)
import "./ages.js";
import "./charts.js";
import "./focus.js";
import "./page.js";
import "./panel.js";
import "./polling.js";
import "./selection.js";
