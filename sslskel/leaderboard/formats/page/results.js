// The table of results, its filters, and the address that keeps them.

const STATE = "#results?";
// A table of more lines is shown in pages: a browser takes long to lay it out.
const MOST_LINES = 300;
const PAGE = 100;

const tableOptions = { paging: false, info: false, autoWidth: false, order: [], columnDefs: [{ targets: "number", orderSequence: ["desc", "asc", ""] }], layout: { topStart: null, topEnd: null, bottomStart: null, bottomEnd: null } };

// Text nodes, so that no name is read as HTML; for sorting the value itself.
const written = (text) => (_, type, line) => (type === "display" ? document.createTextNode(text(line)) : text(line));
const numbered = (text, order) => (_, type, line) => (type === "display" ? document.createTextNode(text(line)) : order(line));
const counted = (number) => (number === null ? "-" : number.toLocaleString("en"));
const sources = (data) => (_, type, line) => {
  const text = line.source || line.runs.map(([seed]) => `seed ${seed}`).join(" ");
  if (type !== "display") { return text; }
  const place = document.createElement("span");
  for (const [seed, at] of line.runs) {
    addTo(place, "a", `seed ${seed}`).href = `#run-${data.runs[at].identity}`;
    place.append(" ");
  }
  if (line.source) { place.append(line.source); }
  return place;
};

const resultColumns = (names, data) => {
  const looks = { status: "more desk", family: "more desk", year: "more desk", benchmark: "narrow", protocol: "narrow", method: "name narrow" };
  const worded = names.map((name, at) => ({ className: looks[name] ?? "desk", type: "string", render: written((line) => line.words[at]) }));
  const number = (className, text, order) => ({ className: `number ${className}`, type: "num", orderSequence: ["desc", "asc", ""], render: numbered(text, order) });
  return [
    ...worded,
    number("more desk", (line) => counted(line.parameters), (line) => line.parameters ?? -1),
    number("more desk", (line) => counted(line.seconds), (line) => line.seconds ?? -1),
    number("score", (line) => line.score, (line) => line.order),
    number("", (line) => line.interval, (line) => line.low),
    number("desk", (line) => (line.seeds === null ? "-" : String(line.seeds)), (line) => line.seeds ?? -1),
    { className: "source", orderable: false, type: "string", render: sources(data) },
  ].map((column) => ({ data: null, searchable: false, ...column }));
};

// The form, and a function that says whether a line passes it.
const filtersOf = (form) => {
  const selects = [...form.querySelectorAll("select")], limits = [...form.querySelectorAll("[data-limit]")];
  const search = document.getElementById("search");
  const fields = new Map([...selects.map((one) => [one.dataset.name, one]), ...limits.map((one) => [one.dataset.limit, one]), ["search", search]]);
  const passes = (line) => {
    const within = limits.every(({ value, dataset }) => value === "" || (line[dataset.limit] !== null && line[dataset.limit] <= Number(value)));
    const wanted = search.value.toLowerCase().split(/\s+/).filter(Boolean);
    const text = wanted.length ? [...line.words, line.score, line.source].join(" ").toLowerCase() : "";
    return within && selects.every(({ value }, at) => value === "" || line.words[at] === value) && wanted.every((word) => text.includes(word));
  };
  // What is filtered stands in the address, so that a link keeps it and Back undoes it.
  const address = () => {
    const words = new URLSearchParams();
    for (const [name, field] of fields) { if (field.value) { words.set(name, field.value); } }
    return words.size ? STATE + words : "#results";
  };
  const restore = (hash) => {
    const words = new URLSearchParams(hash.startsWith(STATE) ? hash.slice(STATE.length) : "");
    for (const [name, field] of fields) {
      const wanted = words.get(name) || "";
      field.value = field.options && ![...field.options].some((option) => option.value === wanted) ? "" : wanted;
    }
  };
  return { selects, limits, search, passes, address, restore };
};

// Shows the results; `redraw` is told which rows are left. What comes back restores the filters from an address.
const showResults = (data, ranking, redraw) => {
  const form = document.getElementById("filters"), table = document.getElementById("long");
  const filters = filtersOf(form);
  const paged = data.lines.length > MOST_LINES;
  const long = new DataTable(table, {
    ...tableOptions,
    columnDefs: [],
    columns: resultColumns(filters.selects.map((select) => select.dataset.name), data),
    createdRow: (row, line) => { row.className = line.kind; },
    data: data.lines,
    layout: { ...tableOptions.layout, bottomStart: paged ? "paging" : null },
    pageLength: PAGE,
    paging: paged,
  });
  let shown = new Set(data.lines), rows = null, current = null;
  long.search.fixed("filters", (_, line) => shown.has(line));
  ranking.search.fixed("filters", (_text, _line, at) => rows === null || rows.has(at));
  const filter = () => {
    current = filters.address();
    shown = new Set(data.lines.filter(filters.passes));
    const all = shown.size === data.lines.length;
    rows = all ? null : new Set([...shown].map((line) => line.row));
    long.draw();
    ranking.draw();
    document.getElementById("shown").textContent = `${shown.size} of ${data.lines.length} shown`;
    document.getElementById("ranked").textContent = all ? "" : `${ranking.rows({ search: "applied" }).count()} of ${ranking.rows().count()} rows shown; the filters are below, at Results.`;
    redraw((at) => rows === null || rows.has(at));
  };
  form.addEventListener("submit", (event) => event.preventDefault());
  for (const field of [...filters.selects, ...filters.limits]) { field.addEventListener("change", () => { filter(); location.hash = filters.address(); }); }
  filters.search.addEventListener("input", () => { filter(); location.replace(filters.address()); });
  form.addEventListener("reset", (event) => {
    event.preventDefault();
    filters.restore("");
    filter();
    location.hash = filters.address();
  });
  if (paged) {
    addEventListener("beforeprint", () => { long.page.len(-1).draw(); });
    addEventListener("afterprint", () => { long.page.len(PAGE).draw(); });
  }
  const more = document.getElementById("more");
  more.addEventListener("click", () => { more.setAttribute("aria-pressed", String(table.classList.toggle("every"))); });
  return (hash) => {
    if (!hash.startsWith(STATE) && !["", "#results"].includes(hash)) { return; }
    filters.restore(hash);
    if (current !== filters.address()) { filter(); }
  };
};
