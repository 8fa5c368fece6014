"use strict";
// Plots of rows, curves and features; each redraws itself for the rows that the filters leave.

const addTo = (parent, tag, text) => {
  const node = parent.appendChild(document.createElement(tag));
  if (text !== undefined) { node.textContent = text; }
  return node;
};
const drawing = (parent, tag, attributes, text) => {
  const node = parent.appendChild(document.createElementNS("http://www.w3.org/2000/svg", tag));
  for (const [name, value] of Object.entries(attributes)) { node.setAttribute(name, value); }
  if (text !== undefined) { node.textContent = text; }
  return node;
};
// rows: label, value and, where there is one, its interval from low to high.
const dotPlot = (svg, rows, digits) => {
  svg.replaceChildren();
  const left = 220, right = 700, step = 22, bottom = rows.length * step + 8;
  const ends = rows.flatMap((row) => [row.value, row.low ?? row.value, row.high ?? row.value]);
  const least = ends.reduce((one, other) => Math.min(one, other), Infinity);
  const span = ends.reduce((one, other) => Math.max(one, other), -Infinity) - least || 1;
  const at = (value) => left + (right - left) * (value - least) / span;
  svg.setAttribute("viewBox", `0 0 780 ${bottom + 24}`);
  for (let tick = 0; rows.length && tick <= 4; tick += 1) {
    const value = least + span * tick / 4;
    drawing(svg, "line", { x1: at(value), x2: at(value), y1: 0, y2: bottom });
    drawing(svg, "text", { x: at(value), y: bottom + 16, "text-anchor": "middle" }, value.toFixed(digits));
  }
  rows.forEach((row, index) => {
    const y = index * step + step / 2;
    const line = drawing(svg, "g", { class: "row" });
    drawing(line, "title", {}, `${row.label}: ${row.text}`);
    drawing(line, "text", { x: left - 12, y: y + 4, "text-anchor": "end" }, row.label.length > 32 ? `${row.label.slice(0, 31)}…` : row.label);
    if (row.low !== null) { drawing(line, "line", { class: "interval", x1: at(row.low), x2: at(row.high), y1: y, y2: y }); }
    drawing(line, "circle", { cx: at(row.value), cy: y, r: 4 });
  });
};

// More rows than anyone reads in a plot; the best come first.
const MOST_ROWS = 200;
const MOST_METHODS = 20;
const palette = ["#3b78d8", "#d9822b", "#2e9e6b", "#b5446e", "#7d5bd0", "#8a8f00", "#0f9bb0", "#c0392b"];
const marks = ["circle", "rect", "triangle", "rectRot", "star", "cross"];
const look = (index) => ({
  borderColor: palette[index % palette.length],
  backgroundColor: palette[index % palette.length],
  pointStyle: marks[index % marks.length],
});
const axis = (text, more) => ({ title: { display: true, text }, ticks: {}, grid: {}, ...more });
// A legend of more entries would take the chart's place; pointing at a mark names it either way.
const legendFor = (entries) => ({ display: entries.length <= 20, labels: { usePointStyle: true } });

const drawIntervals = (data, visible) => {
  const choice = document.getElementById("interval-column");
  const column = Number(choice.value);
  const rows = data.rows.filter((row, at) => row.cells[column] !== null && visible(at)).map((row) => {
    const [low, high] = row.intervals[column] || [null, null];
    return { label: row.label, value: row.cells[column], low, high, text: row.texts[column] };
  });
  rows.sort((one, other) => other.value - one.value);
  dotPlot(document.getElementById("interval-plot"), rows.slice(0, MOST_ROWS), 1);
};

const drawRanks = (data) => {
  for (const svg of document.querySelectorAll("[data-ranks]")) {
    const { rows, difference } = data.ranks[Number(svg.dataset.ranks)];
    dotPlot(svg, rows.map(([label, rank]) => ({ label, value: rank, low: rank - difference / 2, high: rank + difference / 2, text: rank.toFixed(2) })), 2);
  }
};

// Cheapest first, a row stays where it scores above all that cost as little or less.
const pareto = (sets) => {
  const points = sets.map((one) => one.data[0]).sort((one, other) => one.x - other.x || other.y - one.y);
  let best = -Infinity;
  const kept = points.filter(({ y }) => { const above = y > best; best = Math.max(best, y); return above; });
  return { type: "line", label: "Pareto line", data: kept, pointRadius: 0, borderDash: [6, 4], borderWidth: 1.5, borderColor: "#8a8a94", backgroundColor: "#8a8a94", order: 1 };
};
const costSets = (data, visible) => {
  const column = Number(document.getElementById("cost-column").value);
  const sets = data.rows.flatMap((row, at) => {
    const cell = row.cells[column];
    return cell === null || !visible(at) ? [] : [{ label: row.label, data: [{ x: row.seconds, y: cell }], pointRadius: 6, ...look(at) }];
  });
  if (sets.length <= MOST_ROWS) { return [...sets, pareto(sets)]; }
  const best = [...sets].sort((one, other) => other.data[0].y - one.data[0].y);
  return [...best.slice(0, MOST_ROWS), pareto(sets)];
};
const costChart = (sets) => new Chart(document.getElementById("cost-chart"), {
  type: "scatter",
  data: { datasets: sets },
  options: { animation: false, maintainAspectRatio: false, plugins: { legend: legendFor(sets) }, scales: { x: axis("pretraining, seconds (median over seeds)", { beginAtZero: true }), y: axis("score, %") } },
});

// One colour a method; a band needs the same epochs of every seed, others are drawn one by one.
const curveSets = (curves) => {
  const methods = new Map();
  for (const curve of curves) { methods.set(curve.method, [...(methods.get(curve.method) || []), curve]); }
  const banded = (own) => own.length > 1 && own.every(({ points }) => points.length === own[0].points.length && points.every(([x], at) => x === own[0].points[at][0]));
  return [...methods].slice(0, MOST_METHODS).flatMap(([method, own], index) => {
    const plain = { pointRadius: 0, borderWidth: 1.5, ...look(index) };
    if (!banded(own)) { return own.map((curve) => ({ label: curve.label, data: curve.points.map(([x, y]) => ({ x, y })), ...plain })); }
    const over = (pick) => own[0].points.map(([x], at) => ({ x, y: pick(own.map(({ points }) => points[at][1])) }));
    const edge = { ...plain, borderWidth: 0, backgroundColor: `${palette[index % palette.length]}33`, band: true };
    return [
      { label: `${method}: lowest`, data: over((losses) => Math.min(...losses)), ...edge },
      { label: `${method}: highest`, data: over((losses) => Math.max(...losses)), ...edge, fill: "-1" },
      { label: `${method}, mean of ${own.length} seeds`, data: over((losses) => losses.reduce((sum, loss) => sum + loss, 0) / losses.length), ...plain },
    ];
  });
};
// What a probe gave, dashed and on an axis of its own, in the colour of its method.
const probeSets = (curves) => {
  const methods = [...new Set(curves.map(({ method }) => method))].slice(0, MOST_METHODS);
  return curves.filter(({ method, scores }) => scores && methods.includes(method)).map((curve) => ({
    label: `${curve.label}: ${curve.probe}, %`, data: curve.scores.map(([x, y]) => ({ x, y: 100 * y })), yAxisID: "probe", pointRadius: 2, borderWidth: 1.5, borderDash: [6, 4], ...look(methods.indexOf(curve.method)),
  }));
};
const curveChart = (data) => {
  const probed = probeSets(data.curves), sets = [...curveSets(data.curves), ...probed];
  const scales = { x: axis("epoch", { type: "linear" }), y: axis("loss") };
  if (probed.length) { scales.probe = axis("probe, %", { position: "right", grid: { drawOnChartArea: false } }); }
  const legend = legendFor(sets.filter((set) => !set.band));
  legend.labels.filter = (item, { datasets }) => !datasets[item.datasetIndex].band;
  return new Chart(document.getElementById("curve-chart"), {
    type: "line",
    data: { datasets: sets },
    options: { animation: false, maintainAspectRatio: false, parsing: false, plugins: { legend }, scales },
  });
};

// Points of the chosen class in its colour before all others in grey, or every class in its own.
const mapSets = (map, chosen) => {
  const classes = [...new Set(map.points.map(([, , label]) => label))].sort((one, other) => one - other);
  return classes.map((label) => {
    const own = map.points.filter(([, , other]) => other === label).map(([x, y]) => ({ x, y }));
    const soft = chosen !== "" && Number(chosen) !== label;
    const colour = soft ? "#8a8a9455" : palette[label % palette.length];
    return { label: `class ${label}`, data: own, pointRadius: 3, borderColor: colour, backgroundColor: colour, pointStyle: marks[label % marks.length], order: soft ? 1 : 0 };
  });
};
const mapChart = (data) => {
  const choice = document.getElementById("map-choice"), of = document.getElementById("map-class");
  const current = () => data.maps[Number(choice.value)];
  const listed = () => {
    of.replaceChildren(new Option("all", ""));
    for (const set of mapSets(current(), "")) { of.append(new Option(set.label, set.label.slice(6))); }
    document.getElementById("map-way").textContent = current().way;
  };
  listed();
  const chart = new Chart(document.getElementById("map-chart"), {
    type: "scatter",
    data: { datasets: mapSets(current(), "") },
    options: { animation: false, maintainAspectRatio: false, plugins: { legend: legendFor(mapSets(current(), "")) }, scales: { x: axis("first", { display: false }), y: axis("second", { display: false }) } },
  });
  const redraw = () => { chart.data.datasets = mapSets(current(), of.value); chart.update("none"); };
  choice.addEventListener("change", () => { listed(); redraw(); });
  of.addEventListener("change", redraw);
  return chart;
};

// Draws everything; what comes back redraws it for the rows of which `visible` is true. `charts` is added to.
const drawPlots = (data, charts) => {
  let visible = () => true;
  let cost = null;
  const columns = document.getElementById("interval-column"), costColumn = document.getElementById("cost-column");
  const redrawCost = () => {
    if (!cost) { return; }
    cost.data.datasets = costSets(data, visible);
    cost.options.plugins.legend.display = cost.data.datasets.length <= 20;
    cost.update("none");
  };
  columns.addEventListener("change", () => drawIntervals(data, visible));
  costColumn.addEventListener("change", redrawCost);
  drawRanks(data);
  if (data.rows.length && costColumn.options.length) { cost = costChart(costSets(data, visible)); charts.push(cost); }
  if (data.curves.length) { charts.push(curveChart(data)); }
  if (data.maps.length) { charts.push(mapChart(data)); }
  return (left) => {
    visible = left;
    if (columns.options.length) { drawIntervals(data, visible); }
    redrawCost();
  };
};
