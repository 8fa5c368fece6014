"use strict";
(() => {
  const data = JSON.parse(document.getElementById("data").textContent);
  const root = document.documentElement;
  const themeButton = document.getElementById("theme");
  const charts = [];

  const paint = () => {
    const style = getComputedStyle(root);
    for (const chart of charts) {
      chart.options.color = style.getPropertyValue("--ink");
      for (const scale of Object.values(chart.options.scales)) {
        scale.ticks.color = scale.title.color = style.getPropertyValue("--ink");
        scale.grid.color = style.getPropertyValue("--line");
      }
      chart.update("none");
    }
  };
  // A page from a file may not be allowed to store anything.
  const remembered = () => { try { return localStorage.getItem("sslskel-theme"); } catch { return null; } };
  const remember = (theme) => { try { localStorage.setItem("sslskel-theme", theme); } catch { /* shown all the same */ } };
  const setTheme = (dark) => {
    root.dataset.theme = dark ? "dark" : "light";
    root.classList.toggle("dark", dark);
    themeButton.setAttribute("aria-pressed", String(dark));
    paint();
  };
  themeButton.addEventListener("click", () => { setTheme(root.dataset.theme !== "dark"); remember(root.dataset.theme); });
  for (const button of document.querySelectorAll(".download")) {
    button.addEventListener("click", () => {
      const link = document.createElement("a");
      link.href = URL.createObjectURL(new Blob([data.downloads[button.dataset.file]], { type: "text/plain;charset=utf-8" }));
      link.download = button.dataset.file;
      link.click();
      URL.revokeObjectURL(link.href);
    });
  }

  const options = { paging: false, info: false, autoWidth: false, order: [], columnDefs: [{ targets: "number", orderSequence: ["desc", "asc", ""] }], layout: { topStart: null, topEnd: null, bottomStart: null, bottomEnd: null } };
  new DataTable("#board", options);
  const long = new DataTable("#long", options);
  const shown = document.getElementById("shown");
  const tell = () => { shown.textContent = `${long.rows({ search: "applied" }).count()} of ${long.rows().count()} shown`; };
  const form = document.getElementById("filters");
  form.addEventListener("submit", (event) => event.preventDefault());
  const search = document.getElementById("search");
  const selects = [...form.querySelectorAll("select")];
  const filter = () => {
    for (const select of selects) {
      const wanted = select.value;
      long.column(Number(select.dataset.column)).search(wanted ? (value) => value === wanted : "");
    }
    long.search(search.value).draw();
    tell();
  };
  // What is filtered stands in the address, so that a link keeps it and Back undoes it.
  const STATE = "#results?";
  const address = () => {
    const words = new URLSearchParams();
    for (const select of selects) { if (select.value) { words.set(select.dataset.name, select.value); } }
    if (search.value) { words.set("search", search.value); }
    return words.size ? STATE + words : "#results";
  };
  const restore = () => {
    if (!location.hash.startsWith(STATE) && !["", "#results"].includes(location.hash)) { return; }
    const words = new URLSearchParams(location.hash.startsWith(STATE) ? location.hash.slice(STATE.length) : "");
    for (const select of selects) {
      const wanted = words.get(select.dataset.name) || "";
      select.value = [...select.options].some((option) => option.value === wanted) ? wanted : "";
    }
    search.value = words.get("search") || "";
    filter();
  };
  for (const select of selects) { select.addEventListener("change", () => { filter(); location.hash = address(); }); }
  search.addEventListener("input", () => { filter(); location.replace(address()); });
  form.addEventListener("reset", (event) => {
    event.preventDefault();
    for (const select of selects) { select.value = ""; }
    search.value = "";
    filter();
    location.hash = address();
  });
  tell();

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
    const least = Math.min(...ends), span = Math.max(...ends) - least || 1;
    const at = (value) => left + (right - left) * (value - least) / span;
    svg.setAttribute("viewBox", `0 0 780 ${bottom + 24}`);
    for (let tick = 0; tick <= 4; tick += 1) {
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
  const intervalChoice = document.getElementById("interval-column");
  const drawIntervals = () => {
    const column = Number(intervalChoice.value);
    const rows = data.rows.filter((row) => row.cells[column] !== null).map((row) => {
      const [low, high] = row.intervals[column] || [null, null];
      return { label: row.label, value: row.cells[column], low, high, text: row.texts[column] };
    });
    dotPlot(document.getElementById("interval-plot"), rows.sort((one, other) => other.value - one.value), 1);
  };
  if (intervalChoice.options.length) { intervalChoice.addEventListener("change", drawIntervals); drawIntervals(); }
  for (const svg of document.querySelectorAll("[data-ranks]")) {
    const { rows, difference } = data.ranks[Number(svg.dataset.ranks)];
    dotPlot(svg, rows.map(([label, rank]) => ({ label, value: rank, low: rank - difference / 2, high: rank + difference / 2, text: rank.toFixed(2) })), 2);
  }

  const axis = (text, more) => ({ title: { display: true, text }, ticks: {}, grid: {}, ...more });
  const palette = ["#3b78d8", "#d9822b", "#2e9e6b", "#b5446e", "#7d5bd0", "#8a8f00", "#0f9bb0", "#c0392b"];
  const marks = ["circle", "rect", "triangle", "rectRot", "star", "cross"];
  const look = (index) => ({
    borderColor: palette[index % palette.length],
    backgroundColor: palette[index % palette.length],
    pointStyle: marks[index % marks.length],
  });
  // A legend of more entries would take the chart's place; pointing at a mark names it either way.
  const legendFor = (entries) => ({ display: entries.length <= 20, labels: { usePointStyle: true } });
  const costChoice = document.getElementById("cost-column");
  const costSets = () => data.rows.flatMap((row, index) => {
    const cell = row.cells[Number(costChoice.value)];
    return cell === null ? [] : [{ label: row.label, data: [{ x: row.seconds, y: cell }], pointRadius: 6, ...look(index) }];
  });
  // Cheapest first, a row stays where it scores above all that cost as little or less.
  const pareto = (sets) => {
    const points = sets.map((one) => one.data[0]).sort((one, other) => one.x - other.x || other.y - one.y);
    const kept = points.filter((point, index) => points.slice(0, index).every((before) => before.y < point.y));
    return { type: "line", label: "Pareto line", data: kept, pointRadius: 0, borderDash: [6, 4], borderWidth: 1.5, borderColor: "#8a8a94", backgroundColor: "#8a8a94", order: 1 };
  };
  const costData = () => { const sets = costSets(); return [...sets, pareto(sets)]; };
  if (data.rows.length && costChoice.options.length) {
    const chart = new Chart(document.getElementById("cost-chart"), {
      type: "scatter",
      data: { datasets: costData() },
      options: { animation: false, maintainAspectRatio: false, plugins: { legend: legendFor(data.rows) }, scales: { x: axis("pretraining, seconds (median over seeds)", { beginAtZero: true }), y: axis("score, %") } },
    });
    charts.push(chart);
    costChoice.addEventListener("change", () => { chart.data.datasets = costData(); chart.update("none"); });
  }
  if (data.curves.length) {
    const methods = new Map();
    for (const curve of data.curves) { methods.set(curve.method, [...(methods.get(curve.method) || []), curve]); }
    // A band needs the same epochs of every seed; others are drawn one by one, in the colour of their method.
    const banded = (curves) => curves.length > 1 && curves.every(({ points }) => points.length === curves[0].points.length && points.every(([x], at) => x === curves[0].points[at][0]));
    const sets = [...methods].flatMap(([method, curves], index) => {
      const plain = { pointRadius: 0, borderWidth: 1.5, ...look(index) };
      if (!banded(curves)) { return curves.map((curve) => ({ label: curve.label, data: curve.points.map(([x, y]) => ({ x, y })), ...plain })); }
      const over = (pick) => curves[0].points.map(([x], at) => ({ x, y: pick(curves.map(({ points }) => points[at][1])) }));
      const edge = { ...plain, borderWidth: 0, backgroundColor: `${palette[index % palette.length]}33`, band: true };
      return [
        { label: `${method}: lowest`, data: over((losses) => Math.min(...losses)), ...edge },
        { label: `${method}: highest`, data: over((losses) => Math.max(...losses)), ...edge, fill: "-1" },
        { label: `${method}, mean of ${curves.length} seeds`, data: over((losses) => losses.reduce((sum, loss) => sum + loss, 0) / losses.length), ...plain },
      ];
    });
    const legend = legendFor(sets.filter((set) => !set.band));
    legend.labels.filter = (item, { datasets }) => !datasets[item.datasetIndex].band;
    charts.push(new Chart(document.getElementById("curve-chart"), {
      type: "line",
      data: { datasets: sets },
      options: { animation: false, maintainAspectRatio: false, parsing: false, plugins: { legend }, scales: { x: axis("epoch", { type: "linear" }), y: axis("loss") } },
    }));
  }

  const add = (parent, tag, text) => { const node = parent.appendChild(document.createElement(tag)); if (text !== undefined) { node.textContent = text; } return node; };
  const head = (parent, text, scope) => { const node = add(parent, "th", text); node.scope = scope; return node; };
  const classChoice = document.getElementById("class-choice");
  if (classChoice) {
    let classTable = null;
    const drawHeat = (column, classes) => {
      const table = document.getElementById("heat");
      table.replaceChildren();
      const top = add(add(table, "thead"), "tr");
      head(top, "row", "col");
      classes.forEach((name, at) => { head(top, String(at), "col").title = name; });
      const body = add(table, "tbody");
      for (const one of data.confusions.filter((other) => other.column === column && other.classes.length === classes.length)) {
        const line = add(body, "tr");
        head(line, one.label, "row");
        classes.forEach((name, at) => {
          const own = one.counts.filter(([true_]) => true_ === at);
          const total = own.reduce((sum, [, , number]) => sum + number, 0);
          const right = own.filter(([, predicted]) => predicted === at).reduce((sum, [, , number]) => sum + number, 0);
          const share = total ? Math.round(100 * right / total) : null;
          const cell = add(line, "td", share === null ? "" : String(share));
          cell.title = `${one.label}, ${name}: ${right} of ${total}`;
          cell.className = "right";
          cell.style.setProperty("--share", String(share ?? 0));
        });
      }
    };
    const drawClasses = () => {
      const { classes, counts, column } = data.confusions[Number(classChoice.value)];
      drawHeat(column, classes);
      const matrix = classes.map(() => classes.map(() => 0));
      for (const [true_, predicted, number] of counts) { matrix[true_][predicted] = number; }
      const totals = matrix.map((row) => row.reduce((sum, number) => sum + number, 0));
      const share = (number, total) => (total ? (100 * number / total).toFixed(1) : "-");
      if (classTable) { classTable.destroy(); }
      const body = document.querySelector("#class-table tbody");
      body.replaceChildren();
      classes.forEach((name, at) => {
        const wrong = matrix[at].map((number, other) => (other === at ? -1 : number));
        const worst = wrong.indexOf(Math.max(...wrong));
        const line = add(body, "tr");
        add(line, "td", name);
        add(line, "td", String(totals[at])).className = "number";
        add(line, "td", share(matrix[at][at], totals[at])).className = "number";
        add(line, "td", wrong[worst] > 0 ? classes[worst] : "-");
        add(line, "td", wrong[worst] > 0 ? share(wrong[worst], totals[at]) : "-").className = "number";
      });
      classTable = new DataTable("#class-table", options);
      const table = document.getElementById("confusion");
      table.replaceChildren();
      const top = add(add(table, "thead"), "tr");
      head(top, "true class", "col");
      classes.forEach((name, at) => { head(top, String(at), "col").title = name; });
      const rows = add(table, "tbody");
      classes.forEach((name, at) => {
        const line = add(rows, "tr");
        head(line, `${at} ${name}`, "row");
        matrix[at].forEach((number, other) => {
          const cell = add(line, "td", number ? String(Math.round(100 * number / totals[at])) : "");
          cell.title = `${name}, taken for ${classes[other]}: ${number} of ${totals[at]}`;
          cell.style.setProperty("--share", totals[at] ? String(Math.round(100 * number / totals[at])) : "0");
          if (at === other) { cell.className = "right"; }
        });
      });
    };
    classChoice.addEventListener("change", drawClasses);
    drawClasses();
  }

  const article = document.getElementById("run");
  const choice = document.getElementById("run-choice");
  const show = (identity) => {
    article.replaceChildren();
    const run = data.runs[identity];
    choice.value = run ? identity : "";
    if (!run) { return; }
    add(article, "h3", run.name);
    const list = add(article, "dl");
    for (const [name, value] of run.facts) { add(list, "dt", name); add(list, "dd", value); }
    add(article, "h3", "Run it again");
    add(article, "pre", run.command);
    for (const [title, content] of [["Configuration", run.config], ["Environment", run.environment]]) {
      const details = add(article, "details");
      add(details, "summary", title);
      add(details, "pre", JSON.stringify(content, null, 1));
    }
    article.focus();
    article.scrollIntoView();
  };
  choice.addEventListener("change", () => { location.hash = choice.value ? `run-${choice.value}` : "runs"; });
  const follow = () => { show(location.hash.startsWith("#run-") ? location.hash.slice(5) : ""); restore(); };
  addEventListener("hashchange", follow);
  setTheme((remembered() || (matchMedia("(prefers-color-scheme: dark)").matches ? "dark" : "light")) === "dark");
  follow();
})();
