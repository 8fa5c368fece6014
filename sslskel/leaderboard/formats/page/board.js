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
  const setTheme = (dark) => {
    root.dataset.theme = dark ? "dark" : "light";
    root.classList.toggle("dark", dark);
    themeButton.setAttribute("aria-pressed", String(dark));
    paint();
  };
  themeButton.addEventListener("click", () => setTheme(root.dataset.theme !== "dark"));

  const options = { paging: false, info: false, autoWidth: false, order: [], layout: { topStart: null, topEnd: null, bottomStart: null, bottomEnd: null } };
  new DataTable("#board", options);
  const long = new DataTable("#long", options);
  const shown = document.getElementById("shown");
  const tell = () => { shown.textContent = `${long.rows({ search: "applied" }).count()} of ${long.rows().count()} shown`; };
  const form = document.getElementById("filters");
  form.addEventListener("submit", (event) => event.preventDefault());
  for (const select of form.querySelectorAll("select")) {
    select.addEventListener("change", () => {
      const wanted = select.value;
      long.column(Number(select.dataset.column)).search(wanted ? (value) => value === wanted : "").draw();
      tell();
    });
  }
  const search = document.getElementById("search");
  search.addEventListener("input", () => { long.search(search.value).draw(); tell(); });
  form.addEventListener("reset", () => {
    for (const select of form.querySelectorAll("select")) { long.column(Number(select.dataset.column)).search(""); }
    long.search("").draw();
    tell();
  });
  tell();

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
  if (data.rows.length && costChoice.options.length) {
    const chart = new Chart(document.getElementById("cost-chart"), {
      type: "scatter",
      data: { datasets: costSets() },
      options: { animation: false, maintainAspectRatio: false, plugins: { legend: legendFor(data.rows) }, scales: { x: axis("pretraining, seconds (median over seeds)", { beginAtZero: true }), y: axis("score, %") } },
    });
    charts.push(chart);
    costChoice.addEventListener("change", () => { chart.data.datasets = costSets(); chart.update("none"); });
  }
  if (data.curves.length) {
    charts.push(new Chart(document.getElementById("curve-chart"), {
      type: "line",
      data: { datasets: data.curves.map((curve, index) => ({ label: curve.label, data: curve.points.map(([x, y]) => ({ x, y })), pointRadius: 0, borderWidth: 1.5, ...look(index) })) },
      options: { animation: false, maintainAspectRatio: false, parsing: false, plugins: { legend: legendFor(data.curves) }, scales: { x: axis("epoch", { type: "linear" }), y: axis("loss") } },
    }));
  }

  const add = (parent, tag, text) => { const node = parent.appendChild(document.createElement(tag)); if (text !== undefined) { node.textContent = text; } return node; };
  const head = (parent, text, scope) => { const node = add(parent, "th", text); node.scope = scope; return node; };
  const classChoice = document.getElementById("class-choice");
  if (classChoice) {
    let classTable = null;
    const drawClasses = () => {
      const { classes, counts } = data.confusions[Number(classChoice.value)];
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
    if (!run) { return; }
    choice.value = identity;
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
  const follow = () => { if (location.hash.startsWith("#run-")) { show(location.hash.slice(5)); } };
  addEventListener("hashchange", follow);
  setTheme(matchMedia("(prefers-color-scheme: dark)").matches);
  follow();
})();
