// The page itself: theme, unpacking, files to download, runs, and what the address asks for.
(() => {
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
  setTheme((remembered() || (matchMedia("(prefers-color-scheme: dark)").matches ? "dark" : "light")) === "dark");

  // Paper is white: charts, which are pictures, must be drawn anew in its colours.
  matchMedia("print").addEventListener("change", paint);

  const ranking = new DataTable("#board", tableOptions);

  const offerFiles = (downloads) => {
    for (const button of document.querySelectorAll(".download")) {
      button.hidden = false;
      button.addEventListener("click", () => {
        const link = document.createElement("a");
        link.href = URL.createObjectURL(new Blob([downloads[button.dataset.file]], { type: "text/plain;charset=utf-8" }));
        link.download = button.dataset.file;
        link.click();
        URL.revokeObjectURL(link.href);
      });
    }
  };

  // What shows a run by its identity, and nothing for another text.
  const runs = (data) => {
    const article = document.getElementById("run"), choice = document.getElementById("run-choice");
    const known = new Map(data.runs.map((run) => [run.identity, run]));
    for (const run of data.runs) { choice.append(new Option(run.name, run.identity)); }
    choice.addEventListener("change", () => { location.hash = choice.value ? `run-${choice.value}` : "runs"; });
    return (identity) => {
      article.replaceChildren();
      const run = known.get(identity);
      choice.value = run ? identity : "";
      if (!run) { return; }
      addTo(article, "h3", run.name);
      const list = addTo(article, "dl");
      for (const [name, value] of [["record", run.identity], ...run.facts]) { addTo(list, "dt", name); addTo(list, "dd", value); }
      const whole = data.commands[run.command];
      if (run.own) {
        addTo(article, "h3", "Run this cell again");
        addTo(article, "pre", run.own);
      }
      addTo(article, "h3", run.own ? "Run all that it was run with" : "Run it again");
      addTo(article, "pre", whole);
      for (const [title, content] of [["Configuration", data.configs[run.config]], ["Environment", data.environments[run.environment]]]) {
        const details = addTo(article, "details");
        addTo(details, "summary", title);
        addTo(details, "pre", JSON.stringify(content, null, 1));
      }
      article.focus();
      article.scrollIntoView();
    };
  };

  const start = (data) => {
    for (const part of document.querySelectorAll(".unpacked")) { part.hidden = false; }
    offerFiles(data.downloads);
    const restore = showResults(data, ranking, drawPlots(data, charts));
    drawClasses(data, tableOptions);
    const show = runs(data);
    const follow = () => { show(location.hash.startsWith("#run-") ? location.hash.slice(5) : ""); restore(location.hash); };
    addEventListener("hashchange", follow);
    restore(location.hash.startsWith(STATE) ? location.hash : "");
    if (location.hash.startsWith("#run-")) { follow(); }
    paint();
    // Most of the page was not there yet when the browser looked for the place that the address names.
    if (!location.hash.startsWith("#run-")) { document.getElementById(location.hash.slice(1).split("?")[0])?.scrollIntoView(); }
    root.dataset.ready = "yes";
  };

  const unpack = async () => {
    const packed = Uint8Array.from(atob(document.getElementById("data").textContent.trim()), (letter) => letter.charCodeAt(0));
    const stream = new Blob([packed]).stream().pipeThrough(new DecompressionStream("deflate"));
    return JSON.parse(await new Response(stream).text());
  };
  const lack = (reason) => {
    const place = document.getElementById("lacking");
    place.textContent = `${reason} The ranking, what was found and how it was made are whole; results, plots, files and runs are not shown.`;
    place.hidden = false;
    root.dataset.ready = "no";
  };
  if (typeof DecompressionStream === "undefined") {
    lack("This browser cannot unpack the details of this page: it has no DecompressionStream, which Chrome and Edge have from version 80, Firefox from 113 and Safari from 16.4.");
  } else {
    unpack().then(start).catch((fault) => { lack(`The details of this page could not be unpacked (${fault.message}); make it again with sslskel leaderboard.`); throw fault; });
  }
})();
