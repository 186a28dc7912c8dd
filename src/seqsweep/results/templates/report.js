"use strict";
(() => {
  const read = (id) => JSON.parse(document.getElementById(id).textContent);
  const figures = read("figures");
  const darkColours = read("dark");
  const dark = matchMedia("(prefers-color-scheme: dark)");
  const print = matchMedia("print");
  const touch = matchMedia("(pointer: coarse)");
  const PRINTED = 680; // width of a plot on paper, in CSS pixels

  // Colours of figures are those of a light page.
  const recoloured = (value, inColour) => {
    if (typeof value === "string") return (inColour && darkColours[value]) || value;
    if (Array.isArray(value)) return value.map((item) => recoloured(item, inColour));
    if (value === null || typeof value !== "object") return value;
    return Object.fromEntries(
      Object.entries(value).map(([key, item]) => [key, recoloured(item, inColour || /color/.test(key))]),
    );
  };

  const template = (isDark) => {
    const ink = isDark ? "#c4ccd6" : "#3b4654";
    const line = isDark ? "#2b3440" : "#e4e9ef";
    const axis = {
      gridcolor: line, zerolinecolor: line, linecolor: isDark ? "#46525f" : "#b9c3ce",
      showline: true, zeroline: false, tickcolor: line, ticks: "outside", ticklen: 4,
    };
    const hover = { bgcolor: isDark ? "#232c36" : "#ffffff", bordercolor: line, align: "left" };
    return {
      layout: {
        paper_bgcolor: "rgba(0,0,0,0)", plot_bgcolor: "rgba(0,0,0,0)",
        font: { family: "system-ui, -apple-system, Segoe UI, Roboto, sans-serif", size: 12.5, color: ink },
        xaxis: axis, yaxis: axis,
        hoverlabel: { ...hover, font: { color: isDark ? "#e4e8ee" : "#1c2430", size: 12.5 } },
      },
    };
  };

  const draw = (place, forPaper) => {
    const figure = figures[place.dataset.figure];
    const isDark = dark.matches && !forPaper;
    const layout = { ...figure.layout, template: template(isDark), dragmode: touch.matches ? false : "zoom" };
    const widest = parseInt(place.style.maxWidth, 10) || PRINTED;
    if (forPaper) layout.width = place.closest(".panels.two") ? PRINTED / 2 - 12 : Math.min(PRINTED, widest);
    else layout.autosize = true;
    const data = isDark ? recoloured(figure.data, false) : figure.data;
    return Plotly.react(place, data, layout, { displayModeBar: false, responsive: !forPaper });
  };
  const places = () => [...document.querySelectorAll(".plot")].filter((place) => !place.closest("[hidden]"));
  const drawAll = (forPaper) => places().forEach((place) => draw(place, forPaper));

  if (window.Plotly) {
    drawAll(print.matches);
    dark.addEventListener("change", () => drawAll(print.matches));
  }

  // On paper everything is light and open.
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

  // Tables sort by what a cell says in data-v; what has no value stays last.
  const compared = (a, b, sign) => {
    if (a === "" || b === "") return (a === "") - (b === "");
    const numbers = [Number(a), Number(b)];
    if (!numbers.some(Number.isNaN)) return sign * (numbers[0] - numbers[1]);
    return sign * a.localeCompare(b, undefined, { numeric: true });
  };
  document.querySelectorAll("table.sortable").forEach((table) => {
    const heads = [...table.tHead.rows[0].cells];
    heads.forEach((head, column) => {
      head.querySelector("button")?.addEventListener("click", () => {
        const before = head.getAttribute("aria-sort");
        const first = head.dataset.first || "ascending";
        const other = first === "ascending" ? "descending" : "ascending";
        const now = before === first ? other : first;
        heads.forEach((cell) => { if (cell.hasAttribute("aria-sort")) cell.setAttribute("aria-sort", "none"); });
        head.setAttribute("aria-sort", now);
        const value = (row) => row.cells[column].dataset.v ?? row.cells[column].textContent.trim();
        const rows = [...table.tBodies[0].rows];
        rows.sort((a, b) => compared(value(a), value(b), now === "ascending" ? 1 : -1));
        table.tBodies[0].append(...rows);
      });
    });
  });

  document.querySelectorAll("button[data-unfold]").forEach((button) => {
    button.addEventListener("click", () => {
      document.getElementById(button.dataset.unfold).classList.remove("folded");
      button.remove();
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

  document.querySelectorAll("button[data-copy]").forEach((button) => {
    button.addEventListener("click", async () => {
      const code = button.parentElement.querySelector("code");
      try {
        await navigator.clipboard.writeText(code.textContent);
        button.textContent = "copied";
      } catch {
        getSelection().selectAllChildren(code); // where a file may not use the clipboard
        button.textContent = "selected";
      }
      setTimeout(() => { button.textContent = "copy"; }, 1500);
    });
  });
})();
