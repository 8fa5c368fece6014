// The map of methods and classes, and the confusion matrix of one result.

const headOf = (parent, text, scope) => { const node = addTo(parent, "th", text); node.scope = scope; return node; };

const drawHeat = (data, column, classes) => {
  const table = document.getElementById("heat");
  table.replaceChildren();
  const top = addTo(addTo(table, "thead"), "tr");
  headOf(top, "row", "col");
  classes.forEach((name, at) => { headOf(top, String(at), "col").title = name; });
  const body = addTo(table, "tbody");
  for (const one of data.confusions.filter((other) => other.column === column && other.classes.length === classes.length)) {
    const line = addTo(body, "tr");
    headOf(line, one.label, "row");
    classes.forEach((name, at) => {
      const own = one.counts.filter(([true_]) => true_ === at);
      const total = own.reduce((sum, [, , number]) => sum + number, 0);
      const right = own.filter(([, predicted]) => predicted === at).reduce((sum, [, , number]) => sum + number, 0);
      const share = total ? Math.round(100 * right / total) : null;
      const cell = addTo(line, "td", share === null ? "" : String(share));
      cell.title = `${one.label}, ${name}: ${right} of ${total}`;
      cell.className = "right";
      cell.style.setProperty("--share", String(share ?? 0));
    });
  }
};

const drawConfusion = (classes, matrix, totals) => {
  const table = document.getElementById("confusion");
  table.replaceChildren();
  const top = addTo(addTo(table, "thead"), "tr");
  headOf(top, "true class", "col");
  classes.forEach((name, at) => { headOf(top, String(at), "col").title = name; });
  const rows = addTo(table, "tbody");
  classes.forEach((name, at) => {
    const line = addTo(rows, "tr");
    headOf(line, `${at} ${name}`, "row");
    matrix[at].forEach((number, other) => {
      const cell = addTo(line, "td", number ? String(Math.round(100 * number / totals[at])) : "");
      cell.title = `${name}, taken for ${classes[other]}: ${number} of ${totals[at]}`;
      cell.style.setProperty("--share", totals[at] ? String(Math.round(100 * number / totals[at])) : "0");
      if (at === other) { cell.className = "right"; }
    });
  });
};

const drawClasses = (data, options) => {
  const choice = document.getElementById("class-choice");
  if (!choice) { return; }
  let shown = null;
  const share = (number, total) => (total ? (100 * number / total).toFixed(1) : "-");
  const draw = () => {
    const { classes, counts, column } = data.confusions[Number(choice.value)];
    drawHeat(data, column, classes);
    const matrix = classes.map(() => classes.map(() => 0));
    for (const [true_, predicted, number] of counts) { matrix[true_][predicted] = number; }
    const totals = matrix.map((row) => row.reduce((sum, number) => sum + number, 0));
    if (shown) { shown.destroy(); }
    const body = document.querySelector("#class-table tbody");
    body.replaceChildren();
    classes.forEach((name, at) => {
      const wrong = matrix[at].map((number, other) => (other === at ? -1 : number));
      const worst = wrong.indexOf(Math.max(...wrong));
      const line = addTo(body, "tr");
      addTo(line, "td", name);
      addTo(line, "td", String(totals[at])).className = "number";
      addTo(line, "td", share(matrix[at][at], totals[at])).className = "number";
      addTo(line, "td", wrong[worst] > 0 ? classes[worst] : "-");
      addTo(line, "td", wrong[worst] > 0 ? share(wrong[worst], totals[at]) : "-").className = "number";
    });
    shown = new DataTable("#class-table", options);
    drawConfusion(classes, matrix, totals);
  };
  choice.addEventListener("change", draw);
  draw();
};
