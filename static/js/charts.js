// Draws the rates over time that figures carry in data-chart: [[seconds…], [bytes per second…]].
//
// Without this script, and for screen readers, the server's own picture and figures are there. A
// poll leaves the canvas alone (its element is not morphed) and brings new data to its figure.
import { duration, rate } from "./formats.js";
import { keep } from "./morph.js";

const charts = new Map(); // a figure's canvas element -> {plot, data}

// Ticks of the rate at whole binary amounts, about three of them.
const rateTicks = (_plot, _axis, _min, most) => {
  if (!(most > 0)) return [0];
  const unit = 1024 ** Math.floor(Math.log2(most) / 10);
  const wanted = most / unit / 3;
  const ten = 10 ** Math.floor(Math.log10(wanted));
  const step = [1, 2, 5, 10].map((each) => each * ten).find((each) => each >= wanted) * unit;
  const ticks = [];
  for (let tick = 0; tick <= most; tick += step) ticks.push(tick);
  return ticks;
};

const colour = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();
const muted = () => resolve("--tone-muted");
const line = () => resolve("--tone-active");
const grid = () => resolve("--tblr-border-color");

// light-dark() is resolved by a style, not by a canvas: an element is asked for its colour.
const probe = document.createElement("span");
probe.hidden = true;
document.body.append(probe);
const resolve = (name) => {
  probe.style.color = colour(name);
  return getComputedStyle(probe).color;
};

const axis = (values, more) => ({
  stroke: muted,
  grid: { stroke: grid, width: 1 },
  ticks: { show: false },
  font: "11px system-ui, sans-serif",
  values: (_plot, ticks) => ticks.map(values),
  ...more,
});

const options = (holder, small) => ({
  width: holder.clientWidth,
  height: small ? 44 : 120,
  legend: { show: false },
  cursor: { show: !small, y: false, drag: { x: false, y: false }, points: { size: 6 } },
  padding: small ? [4, 0, 0, 0] : [8, 28, 0, 0],
  scales: { x: { time: false }, y: { range: (_plot, _min, most) => [0, (most || 1) * 1.05] } },
  axes: [
    axis(duration, { show: !small, size: 22, space: 70 }),
    axis((tick) => (tick ? rate(tick) : "0"), { show: !small, size: 74, splits: rateTicks }),
  ],
  series: [
    {},
    { stroke: line, width: 1.5, fill: () => resolve("--tone-active-faint"), points: { show: false }, spanGaps: false },
  ],
  hooks: { setCursor: [(plot) => tell(holder, plot)] },
});

// What the pointer is at, in words, in place of uPlot's legend (which would need room always).
const tell = (holder, plot) => {
  const at = plot.cursor.idx;
  const speed = at == null ? null : plot.data[1][at];
  holder.title = speed == null ? "" : `${rate(speed)} after ${duration(plot.data[0][at])}`;
};

const draw = () => {
  for (const [holder, chart] of charts) {
    if (holder.isConnected) continue;
    chart.plot.destroy();
    resizes.unobserve(holder);
    charts.delete(holder);
  }
  for (const figure of document.querySelectorAll("[data-chart]")) {
    const holder = figure.querySelector("[data-chart-canvas]");
    const known = charts.get(holder);
    if (known?.text === figure.dataset.chart) continue;
    const data = JSON.parse(figure.dataset.chart);
    if (known) {
      known.text = figure.dataset.chart;
      known.plot.setData(data);
      continue;
    }
    holder.dataset.drawn = "";
    const plot = new uPlot(options(holder, figure.matches(".rate-small")), data, holder);
    charts.set(holder, { plot, text: figure.dataset.chart });
    resizes.observe(holder);
  }
};

const resizes = new ResizeObserver((entries) => {
  for (const { target, contentRect } of entries) {
    const plot = charts.get(target)?.plot;
    const width = Math.floor(contentRect.width);
    if (plot && width > 0 && width !== plot.width) plot.setSize({ width, height: plot.height });
  }
});

const redraw = () => {
  for (const { plot } of charts.values()) plot.redraw(false, true);
};
new MutationObserver(redraw).observe(document.documentElement, {
  attributeFilter: ["data-bs-theme"],
});

// A canvas cannot be morphed: what is drawn stays, and gets its new data from its figure.
keep((old, fresh) => old.matches("[data-chart-canvas][data-drawn]") && fresh.id === old.id);
document.addEventListener("htmx:afterSettle", draw);
draw();
