"use strict";
(() => {
  const read = (id) => JSON.parse(document.getElementById(id).textContent);
  const figures = read("figures");
  const curves = read("run-curves");
  const palette = read("palette");
  const print = matchMedia("print");
  const touch = matchMedia("(pointer: coarse)");
  const PRINTED = 680; // width of a plot on paper, in CSS pixels

  const line = "#d8dfe7";
  const axis = {
    gridcolor: line, zerolinecolor: line, linecolor: "#b9c3ce",
    showline: true, zeroline: false, tickcolor: line, ticks: "outside", ticklen: 4,
    automargin: true, title: { standoff: 8 },
  };
  const template = {
    layout: {
      paper_bgcolor: "rgba(0,0,0,0)", plot_bgcolor: "rgba(0,0,0,0)",
      font: { family: "system-ui, -apple-system, Segoe UI, Roboto, sans-serif", size: 12.5, color: "#3b4654" },
      xaxis: axis, yaxis: axis, margin: { l: 12, r: 16, t: 12, b: 12 },
      hovermode: "closest", showlegend: false,
      modebar: { bgcolor: "rgba(0,0,0,0)", color: "#8a95a3", activecolor: "#3b4654" },
      hoverlabel: { bgcolor: "#ffffff", bordercolor: line, align: "left", font: { color: "#1c2430", size: 12.5 } },
    },
  };

  // Draws the curves of an opened row: one colour per run, validation solid, training dotted.
  const rowFigure = (place) => {
    const kind = place.dataset.kind;
    const rows = [...place.closest("tr.runs").querySelectorAll("tr[data-run]")];
    const many = rows.length > 1;
    const first = rows.some((row) => curves[row.dataset.run][`val/${kind}`]) ? "val" : "train";
    const data = rows.flatMap((row, index) => {
      const run = curves[row.dataset.run];
      const color = palette[index % palette.length];
      // plotly would interpret tags and %{...} in a text.
      const kind_of_run = row.closest("table").tHead.rows[0].cells[0].textContent;
      const before = kind_of_run === "seed" ? "seed " : "";
      const seed = many ? `${before}${row.cells[0].textContent.trim().replace(/[<&%]/g, "")}, ` : "";
      const traces = ["val", "train"].filter((split) => run[`${split}/${kind}`]).map((split) => ({
        type: "scatter", mode: run.epoch.length > 1 ? "lines" : "markers", connectgaps: true,
        name: `${seed}${split === "val" ? "validation" : "training"}`,
        x: run.epoch, y: run[`${split}/${kind}`], marker: { color },
        line: { color, dash: split === first ? "solid" : "dot", width: split === first ? 2 : 1.3 },
        hovertemplate: `${seed}${split === "val" ? "validation" : "training"}<br>epoch %{x}: %{y:.4f}<extra></extra>`,
      }));
      const best = Number(row.dataset.best);
      const nearest = run.epoch.reduce((a, b) => (Math.abs(b - best) < Math.abs(a - best) ? b : a), run.epoch[0]);
      const values = run[`val/${kind}`];
      if (row.dataset.best && values) {
        traces.push({
          type: "scatter", mode: "markers", x: [nearest], y: [values[run.epoch.indexOf(nearest)]],
          marker: { color, symbol: "diamond", size: 9 }, hoverinfo: "skip",
        });
      }
      return traces;
    });
    const layout = {
      height: place.clientHeight || 280,
      xaxis: { title: { text: "epoch" } }, yaxis: { title: { text: place.dataset.title } },
    };
    const shown = data.flatMap((trace) => trace.y).filter((value) => value !== null);
    const low = Math.min(...shown);
    if (kind === "loss" && low > 0 && Math.max(...shown) > 20 * low) {
      Object.assign(layout.yaxis, { type: "log", dtick: 1, tickformat: "~g" });
    }
    return { data, layout };
  };

  const hidden = new Set();
  const figureOf = (place) => {
    if (place.dataset.kind) return rowFigure(place);
    const figure = figures[place.dataset.figure];
    if (!place.dataset.figure.startsWith("curves-")) return figure;
    return { ...figure, data: figure.data.filter((trace) => !hidden.has(trace.legendgroup)) };
  };

  // A downloaded plot is named after its section, and has the legend that the page shows beside it.
  const save = (place) => {
    const section = place.closest("section").id;
    const name = place.dataset.figure ?? place.dataset.kind;
    const named = place.data.filter((trace) => trace.name && !trace.opacity);
    const layout = {
      ...place.layout, showlegend: named.length > 1,
      legend: { orientation: "h", y: -0.2, yanchor: "top" },
    };
    const data = place.data.map((trace) => ({ ...trace, showlegend: named.includes(trace) }));
    const height = place.clientHeight + (named.length > 1 ? 20 * named.length : 0);
    const filename = name.startsWith(section) ? name : `${section}-${name}`;
    Plotly.downloadImage({ data, layout: { ...layout, height } }, { format: "svg", filename, height, width: place.clientWidth });
  };

  const draw = (place, forPaper) => {
    const figure = figureOf(place);
    const layout = { ...figure.layout, template, dragmode: touch.matches ? false : "zoom" };
    const widest = parseInt(place.style.maxWidth, 10) || PRINTED;
    if (forPaper) layout.width = place.closest(".panels.two") ? PRINTED / 2 - 12 : Math.min(PRINTED, widest);
    else layout.autosize = true;
    const camera = { name: "svg", title: "download as SVG", icon: Plotly.Icons.camera, click: save };
    return Plotly.react(place, figure.data, layout, {
      responsive: !forPaper, displaylogo: false, modeBarButtons: [[camera]],
    });
  };
  const places = () => [...document.querySelectorAll(".plot")].filter((place) => place.offsetParent !== null);
  const drawAll = (forPaper) => places().forEach((place) => draw(place, forPaper));

  // A printed page has everything unfolded.
  let opened = [];
  const toPaper = () => {
    opened = [...document.querySelectorAll("details.onpaper:not([open])")];
    opened.forEach((details) => { details.open = true; });
    if (window.Plotly) drawAll(true);
  };
  const toScreen = () => {
    opened.forEach((details) => { details.open = false; });
    opened = [];
    if (window.Plotly) drawAll(false);
  };
  window.addEventListener("beforeprint", toPaper);
  window.addEventListener("afterprint", toScreen);
  print.addEventListener("change", (event) => (event.matches ? toPaper() : toScreen()));

  // Sorts tables by data-v; cells without a value stay last. A row moves together with its runs.
  const compared = (a, b, sign) => {
    if (a === "" || b === "") return (a === "") - (b === "");
    const numbers = [Number(a), Number(b)];
    if (!numbers.some(Number.isNaN)) return sign * (numbers[0] - numbers[1]);
    return sign * a.localeCompare(b, undefined, { numeric: true });
  };
  const board = document.getElementById("board");
  const configs = () => [...board.tBodies];
  if (board) {
    const heads = [...board.tHead.rows[0].cells];
    heads.forEach((head, column) => {
      head.querySelector("button")?.addEventListener("click", () => {
        const before = head.getAttribute("aria-sort");
        const first = head.dataset.first || "ascending";
        const other = first === "ascending" ? "descending" : "ascending";
        const now = before === first ? other : first;
        heads.forEach((cell) => { if (cell.hasAttribute("aria-sort")) cell.setAttribute("aria-sort", "none"); });
        head.setAttribute("aria-sort", now);
        const cell = (config) => config.rows[0].cells[column];
        const value = (config) => cell(config).dataset.v ?? cell(config).textContent.trim();
        const sorted = configs().sort((a, b) => compared(value(a), value(b), now === "ascending" ? 1 : -1));
        board.tHead.after(...sorted);
      });
    });

    // Without a script a row opens by its number; with it, by a click anywhere, and draws its curves.
    configs().forEach((config) => {
      const details = config.querySelector("details.opens");
      const show = () => {
        if (details.open && window.Plotly) config.querySelectorAll(".plot").forEach((place) => draw(place, print.matches));
      };
      details.addEventListener("toggle", show);
      show();
      config.rows[0].addEventListener("click", (event) => {
        if (event.target.closest("a, button, summary") || String(getSelection())) return;
        details.open = !details.open;
      });
    });
  }

  // A filter for each key has the values of its column. Filters unfold the table.
  let folded = board?.classList.contains("folded");
  const unfold = document.querySelector("button[data-unfold]");
  const filters = document.getElementById("filters");
  const valueOf = (config, column) => config.rows[0].cells[column].textContent.trim();
  for (let column = 1; column <= Number(filters?.dataset.keys ?? 0); column++) {
    const values = [...new Set(configs().map((config) => valueOf(config, column)))];
    values.sort((a, b) => compared(a, b, 1));
    const select = document.createElement("select");
    select.append(new Option("all", ""), ...values.map((value) => new Option(value, value)));
    const label = document.createElement("label");
    label.append(`${board.tHead.rows[0].cells[column].textContent.trim()} `, select);
    filters.insertBefore(label, filters.querySelector("output"));
  }
  const filter = () => {
    const wanted = [...filters.querySelectorAll("select")].map((select) => select.value);
    const active = wanted.some((value) => value !== "");
    configs().forEach((config) => {
      config.hidden = wanted.some((value, index) => value !== "" && value !== valueOf(config, index + 1));
    });
    board.classList.toggle("folded", folded && !active);
    if (unfold) unfold.hidden = !folded || active;
    const shown = configs().filter((config) => config.offsetParent !== null).length;
    filters.querySelector("output").textContent = `${shown} of ${configs().length} shown`;
    filters.querySelector("button").hidden = !active;
  };
  unfold?.addEventListener("click", () => {
    folded = false;
    if (filters) filter();
    else { board.classList.remove("folded"); unfold.hidden = true; }
  });

  // Fades the edge of a table that is wider than the page, and shows a hint to scroll.
  const hint = document.querySelector(".sideways");
  document.querySelectorAll(".scroll").forEach((scroller) => {
    const fade = () => {
      const hiddenWidth = scroller.scrollWidth - scroller.clientWidth;
      scroller.classList.toggle("more", hiddenWidth - scroller.scrollLeft > 2);
      if (scroller === board?.closest(".scroll")) hint.hidden = hiddenWidth < 2;
    };
    scroller.addEventListener("scroll", fade, { passive: true });
    const seen = new ResizeObserver(fade);
    seen.observe(scroller);
    seen.observe(scroller.firstElementChild);
  });
  if (filters) {
    filters.hidden = false;
    filters.addEventListener("change", filter);
    filters.addEventListener("submit", (event) => event.preventDefault());
    filters.addEventListener("reset", () => setTimeout(filter));
    filter();
  }

  document.querySelectorAll("button[data-curve]").forEach((button) => {
    const set = (on) => {
      button.setAttribute("aria-pressed", String(on));
      if (on) hidden.delete(button.dataset.curve);
      else hidden.add(button.dataset.curve);
    };
    set(button.getAttribute("aria-pressed") === "true");
    button.addEventListener("click", () => {
      set(button.getAttribute("aria-pressed") !== "true");
      if (window.Plotly) places().filter((place) => place.closest("#curves")).forEach((place) => draw(place, false));
    });
  });

  document.querySelectorAll(".switch").forEach((group) => {
    const buttons = [...group.querySelectorAll("button")];
    buttons.forEach((button) => {
      button.addEventListener("click", () => {
        buttons.forEach((other) => {
          const on = other === button;
          other.setAttribute("aria-pressed", String(on));
          const figure = document.getElementById(other.dataset.shows);
          figure.hidden = !on;
          if (on && window.Plotly) figure.querySelectorAll(".plot").forEach((place) => draw(place, false));
        });
      });
    });
  });

  if (window.Plotly) drawAll(print.matches);

  document.querySelectorAll("button[data-copy]").forEach((button) => {
    button.addEventListener("click", async () => {
      const code = button.parentElement.querySelector("code");
      try {
        await navigator.clipboard.writeText(code.textContent);
        button.textContent = "copied";
      } catch {
        getSelection().selectAllChildren(code); // if a page from disk may not use the clipboard
        button.textContent = "selected";
      }
      setTimeout(() => { button.textContent = "copy"; }, 1500);
    });
  });
})();
