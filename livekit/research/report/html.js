"use strict";
(() => {
  const root = document.documentElement;
  const swaps = JSON.parse(document.getElementById("swaps").textContent);
  const config = JSON.parse(document.getElementById("config").textContent);
  const wantsDark = matchMedia("(prefers-color-scheme: dark)");
  const specs = new Map();
  let isPrinting = false;

  const isDark = () => !isPrinting && (root.dataset.theme ? root.dataset.theme === "dark" : wantsDark.matches);

  // The colours of a figure are texts in its JSON: the dark ones take the light ones' places.
  function read(holder) {
    let text = document.getElementById(holder.dataset.plot).textContent;
    if (isDark()) for (const [light, dark] of swaps) text = text.replaceAll(light, dark);
    const spec = JSON.parse(text);
    if (holder.clientWidth <= 560 && innerWidth <= 700) narrow(spec);
    return spec;
  }

  // On a telephone the legends of all panels become one below the figure.
  function narrow({data, layout}) {
    const named = data.filter(trace => trace.showlegend !== false && trace.name).length;
    const lines = named > 1 ? Math.ceil(named / 2) : 0;
    for (const trace of data) delete trace.legend;
    for (const key of Object.keys(layout)) {
      if (key.startsWith("yaxis")) layout[key].title = {...layout[key].title, text: ""};
      if (key.startsWith("legend") && key !== "legend") delete layout[key];
    }
    const below = 40 + 20 * lines;
    const drawn = layout.height - layout.margin.t - layout.margin.b;
    layout.font = {...layout.font, size: 10};
    layout.margin = {...layout.margin, l: 44, r: 10, t: layout.annotations ? 26 : 12, b: below};
    layout.height += 20 * lines;
    layout.showlegend = lines > 0;
    layout.legend = {...layout.legend, font: {size: 10}, x: 0, y: -36 / drawn, yanchor: "top"};
    if (!layout.coloraxis) return;
    layout.xaxis.dtick = 3;
    layout.coloraxis.colorbar = {...layout.coloraxis.colorbar, orientation: "h", y: -0.5, thickness: 8};
  }

  function draw(holder) {
    const spec = read(holder);
    // What the reader has zoomed to stays when the colours change.
    if (specs.has(holder) && holder.dataset.time) spec.layout.xaxis.range = holder.layout.xaxis.range.slice();
    const done = Plotly.react(holder, spec.data, spec.layout, config);
    if (!specs.has(holder)) {
      specs.set(holder, spec);
      if (holder.dataset.time) holder.on("plotly_relayout", change => follow(holder, change));
    }
    return done;
  }

  // Figures over time zoom together. The guard stops the echo of the ones that follow.
  let isFollowing = false;
  async function follow(source, change) {
    if (isFollowing) return;
    let update = null;
    if (change["xaxis.autorange"]) update = {"xaxis.autorange": true};
    else if (change["xaxis.range[0]"] !== undefined)
      update = {"xaxis.range": [change["xaxis.range[0]"], change["xaxis.range[1]"]]};
    else if (change["xaxis.range"]) update = {"xaxis.range": change["xaxis.range"].slice()};
    if (!update) return;
    isFollowing = true;
    try {
      for (const other of specs.keys())
        if (other !== source && other.dataset.time) await Plotly.relayout(other, update);
    } finally { isFollowing = false; }
  }

  const holders = [...document.querySelectorAll("[data-plot]")];
  const redraw = () => holders.forEach(holder => specs.has(holder) && draw(holder));

  // One figure a frame, so that the page can be read and scrolled meanwhile.
  async function start() {
    for (const holder of holders) {
      await draw(holder);
      await new Promise(done => setTimeout(done));
    }
    root.dataset.plots = "done";
  }

  wantsDark.addEventListener("change", redraw);
  document.querySelector("button.theme").addEventListener("click", () => {
    root.dataset.theme = isDark() ? "light" : "dark";
    redraw();
  });
  addEventListener("beforeprint", () => {
    isPrinting = true;
    root.dataset.before = root.dataset.theme || "";
    root.dataset.theme = "light";
    document.querySelectorAll("details").forEach(one => { one.dataset.was = one.open; one.open = true; });
    redraw();
  });
  addEventListener("afterprint", () => {
    isPrinting = false;
    if (root.dataset.before) root.dataset.theme = root.dataset.before; else delete root.dataset.theme;
    document.querySelectorAll("details").forEach(one => { one.open = one.dataset.was === "true"; });
    redraw();
  });
  start();
})();
