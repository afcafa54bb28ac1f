// The scripts of every page. What one needs of another it imports: their order here means nothing.
// (htmx, Idiomorph and uPlot are no modules: base.html loads them, and they are globals.)
import "./ages.js";
import "./charts.js";
import "./focus.js";
import "./page.js";
import "./panel.js";
import "./polling.js";
import "./selection.js";
