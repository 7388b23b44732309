"use strict";
(() => {
  const content = JSON.parse(document.getElementById("content").textContent);
  const map = content.map;
  const byId = (id) => document.getElementById(id);
  const format = (n) => n.toLocaleString("en-US");
  const dark = window.matchMedia("(prefers-color-scheme: dark)");
  const css = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();
  // Okabe & Ito (2008), without their yellow and black, which are too faint on one of the grounds.
  const PALETTE = {
    light: ["#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#7A5195", "#7F7F7F"],
    dark: ["#3D9FDD", "#F07F2E", "#1FC296", "#E296C2", "#F2B632", "#8CD3FF", "#B08BD0", "#A6A6A6"],
  };
  const palette = () => PALETTE[dark.matches ? "dark" : "light"];
  const element = (tag, text, attributes = {}) => {
    const made = document.createElement(tag);
    if (text !== undefined) made.textContent = text;
    for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, value);
    return made;
  };
  // Plotly reads some tags in its texts.
  const plain = (text) => text.replace(/&/g, "&amp;").replace(/</g, "&lt;").replace(/>/g, "&gt;");
  const has_webgl = (() => {
    try { return Boolean(document.createElement("canvas").getContext("webgl")); } catch { return false; }
  })();
  const POINTS = has_webgl ? "scattergl" : "scatter";

  function layout(more = {}) {
    const axis = { gridcolor: css("--grid"), zerolinecolor: css("--grid"), linecolor: css("--line"), ticks: "", automargin: true, fixedrange: true };
    return {
      paper_bgcolor: "rgba(0,0,0,0)", plot_bgcolor: "rgba(0,0,0,0)",
      font: { color: css("--ink"), size: 13, family: getComputedStyle(document.body).fontFamily },
      margin: { l: 52, r: 12, t: 10, b: 44 }, showlegend: false, hovermode: "closest",
      hoverlabel: { bgcolor: css("--paper"), bordercolor: css("--accent"), font: { color: css("--ink"), size: 14 } },
      ...more,
      xaxis: { ...axis, ...more.xaxis }, yaxis: { ...axis, ...more.yaxis },
    };
  }
  const CONFIG = { displayModeBar: false, responsive: true };
  // Powers of ten alone, short: 1, 1k, 1M.
  const LOG = { type: "log", dtick: 1, tickformat: "~s" };

  // ---- map ------------------------------------------------------------------------------------
  const gd = byId("map");
  let selected = null, alone = null;

  function colorings() {
    const found = [];
    if (map.classes) found.push(["class", "class of the file", map.classes]);
    found.push(["cluster", "cluster", map.clusters]);
    if (map.agreement) found.push(["agreement", "agreement of seeds", null]);
    return found;
  }
  const coloring = () => colorings().find(([key]) => key === byId("color").value);
  const AGREEMENT_STEPS = [0.2, 0.4, 0.6, 0.8];
  const SEQUENCE = { light: ["#B35806", "#E08214", "#8C96C6", "#4A6FB3", "#08306B"], dark: ["#FDB863", "#E08214", "#8C8CC0", "#7FA8E0", "#C6DBFF"] };

  function groups() {
    const [key, , of] = coloring();
    if (key === "agreement") {
      const steps = map.agreement.map((share) => AGREEMENT_STEPS.filter((step) => share >= step).length);
      const names = ["below 20 %", "20–40 %", "40–60 %", "60–80 %", "80 % and more"];
      return { names, of: steps, colors: SEQUENCE[dark.matches ? "dark" : "light"] };
    }
    return { names: of.names, of: of.of, colors: palette() };
  }

  function pointColors() {
    const { of, colors } = groups(), rest = dark.matches ? "#3a414b" : "#d3d8df";
    return of.map((k) => (k < 0 || (alone !== null && k !== alone) ? rest : colors[k % colors.length]));
  }

  function halfRange() {
    const [x0, x1] = gd._fullLayout.xaxis.range;
    return Math.abs(x1 - x0) / 2;
  }
  function view(x, y, half) {
    const { xaxis, yaxis } = gd._fullLayout, ratio = yaxis._length / xaxis._length;
    return Plotly.relayout(gd, { "xaxis.range": [x - half, x + half], "yaxis.range": [y - half * ratio, y + half * ratio] });
  }
  function viewAll() {
    const { xaxis, yaxis } = gd._fullLayout;
    return view(0, 0, 1.06 * Math.max(1, xaxis._length / yaxis._length));
  }
  function center() {
    const { xaxis, yaxis } = gd._fullLayout;
    return [(xaxis.range[0] + xaxis.range[1]) / 2, (yaxis.range[0] + yaxis.range[1]) / 2];
  }
  const zoom = (factor) => view(...center(), halfRange() * factor);
  function move(right, up) {
    const [x, y] = center(), step = halfRange() / 3;
    return view(x + right * step, y + up * step, halfRange());
  }

  // Label frequent words, as many as fit without covering each other.
  function labels() {
    const { xaxis, yaxis } = gd._fullLayout, boxes = [], shown = [];
    const taken = selected === null ? [] : [selected, ...map.neighbors[selected].filter((k) => k >= 0)];
    const most = xaxis._length < 500 ? 30 : 90;
    for (const k of [...taken, ...map.words.keys()]) {
      if (shown.length >= most) break;
      const px = xaxis.l2p(map.x[k]), py = yaxis.l2p(map.y[k]), width = 8 * Math.min(map.words[k].length, 24) + 8;
      if (px < width / 2 || px > xaxis._length - width / 2 || py < 22 || py > yaxis._length - 8) continue;
      const box = [px - width / 2, px + width / 2, py - 21, py - 3];
      if (boxes.some((b) => box[0] < b[1] && box[1] > b[0] && box[2] < b[3] && box[3] > b[2])) continue;
      boxes.push(box);
      shown.push(k);
    }
    return shown;
  }
  function labelTrace(shown) {
    const short = (word) => (word.length > 24 ? `${word.slice(0, 23)}…` : word);
    return {
      x: [shown.map((k) => map.x[k])], y: [shown.map((k) => map.y[k])],
      text: [shown.map((k) => (k === selected ? `<b>${plain(short(map.words[k]))}</b>` : plain(short(map.words[k]))))],
    };
  }
  let waiting = false;
  function relabel() {
    if (waiting) return;
    waiting = true;
    requestAnimationFrame(() => { waiting = false; Plotly.restyle(gd, labelTrace(labels()), [2]); });
  }

  function traces() {
    return [
      {
        type: POINTS, mode: "markers", x: map.x, y: map.y, text: map.words.map(plain),
        hovertemplate: "%{text}<extra></extra>",
        marker: { size: map.words.map((_, k) => (k < 200 ? 8 : k < 2000 ? 6 : 4)), color: pointColors(), opacity: 0.8, line: { width: 0 } },
      },
      { type: "scatter", mode: "markers", x: [], y: [], hoverinfo: "skip", marker: { size: [], symbol: "circle-open", color: css("--ink"), line: { width: 2, color: css("--ink") } } },
      // Markers that are not seen keep the words off the points.
      { type: "scatter", mode: "markers+text", x: [], y: [], text: [], textposition: "top center", hoverinfo: "skip", marker: { size: 8, color: "rgba(0,0,0,0)" }, textfont: { color: css("--ink"), size: 13 } },
    ];
  }

  async function drawMap() {
    const axis = { visible: false, fixedrange: false, showgrid: false, zeroline: false };
    await Plotly.react(gd, traces(), layout({
      margin: { l: 0, r: 0, t: 0, b: 0 }, dragmode: "pan", uirevision: "map",
      xaxis: { ...axis, range: [-1.06, 1.06] }, yaxis: { ...axis, range: [-1.06, 1.06], scaleanchor: "x" },
    }), { ...CONFIG, scrollZoom: true, doubleClick: false });
    if (!gd.dataset.ready) {
      gd.on("plotly_hover", (event) => { if (event.points[0].curveNumber === 0) show(event.points[0].pointNumber); });
      gd.on("plotly_unhover", () => show(selected));
      gd.on("plotly_click", (event) => { if (event.points[0].curveNumber === 0) select(event.points[0].pointNumber, false); });
      gd.on("plotly_doubleclick", viewAll);
      gd.on("plotly_relayout", relabel);
      await viewAll();
      gd.dataset.ready = "yes";
    }
    ring(selected);
    relabel();
  }

  // Ring a word and its neighbours, once there is a map.
  function ring(k) {
    if (!gd.dataset.ready) return;
    const near = k === null ? [] : [k, ...map.neighbors[k].filter((other) => other >= 0)];
    Plotly.restyle(gd, {
      x: [near.map((other) => map.x[other])], y: [near.map((other) => map.y[other])],
      "marker.size": [near.map((other) => (other === k ? 18 : 11))],
    }, [1]);
  }

  let shownWord;
  function show(k) {
    if (k === shownWord) return;
    shownWord = k;
    const panel = byId("panel");
    ring(k);
    if (k === null) {
      panel.replaceChildren(element("p", "Point at a word, or find one, to see its nearest words."));
      return;
    }
    const facts = [`rank ${format(k + 1)}`];
    if (map.counts) facts.push(`${format(map.counts[k])} occurrences`);
    facts.push(`length ${map.norms[k]}`);
    if (map.classes && map.classes.of[k] >= 0) facts.push(map.classes.names[map.classes.of[k]]);
    if (map.agreement) facts.push(`${Math.round(100 * map.agreement[k])} % agreement of seeds`);
    const list = element("ol");
    map.neighbors[k].forEach((other, place) => {
      const item = element("li"), cosine = map.cosines[k][place] / 100;
      const bar = element("i");
      bar.style.width = `${Math.max(0, 100 * cosine)}%`;
      const word = other < 0 ? map.others[-1 - other] : map.words[other];
      const name = element(other < 0 ? "span" : "button", word, { class: "word", title: other < 0 ? `${word}: not on the map` : word });
      if (other >= 0) {
        name.type = "button";
        name.addEventListener("click", () => select(other, true));
      }
      item.append(bar, name, element("b", cosine.toFixed(2)));
      list.append(item);
    });
    panel.replaceChildren(element("h3", map.words[k]), element("p", facts.join(" · ")), list);
  }

  function select(k, centers) {
    selected = k;
    shownWord = null;
    show(k);
    if (centers && k !== null) view(map.x[k], map.y[k], Math.min(halfRange(), 0.22));
    else relabel();
  }

  const place = new Map(map.words.map((word, k) => [word, k]));
  function find(text) {
    const status = byId("found"), asked = text.trim(), folded = asked.normalize("NFC").toLowerCase();
    if (!asked) { status.textContent = ""; select(null, false); return; }
    let k = place.get(asked);
    const begins = [];
    map.words.forEach((word, other) => {
      const low = word.toLowerCase();
      if (k === undefined && low === folded) k = other;
      else if (low.startsWith(folded) && word !== asked && begins.length < 8) begins.push(other);
    });
    status.replaceChildren();
    if (k !== undefined) select(k, true);
    else status.append(`'${asked}' is not among the ${format(map.words.length)} words of the map. `);
    if (begins.length) status.append(k === undefined ? "Words that begin so: " : "Also: ");
    for (const other of begins) {
      const button = element("button", map.words[other], { type: "button", class: "link" });
      button.addEventListener("click", () => { byId("search").value = map.words[other]; find(map.words[other]); });
      status.append(button, " ");
    }
  }

  function legend() {
    const { names, of, colors } = groups(), sizes = names.map(() => 0);
    for (const k of of) if (k >= 0) sizes[k] += 1;
    byId("legend").replaceChildren(...names.map((name, k) => {
      const button = element("button", undefined, { type: "button", "aria-pressed": String(alone === k) });
      const dot = element("i");
      dot.style.background = colors[k % colors.length];
      button.append(dot, element("span", `${name} (${format(sizes[k])})`));
      button.addEventListener("click", () => { alone = alone === k ? null : k; recolor(); });
      return button;
    }));
  }
  function recolor() {
    Plotly.restyle(gd, { "marker.color": [pointColors()] }, [0]);
    legend();
  }

  function setUpMap() {
    const method = map.method === "UMAP" ? "UMAP" : "PCA (the first two principal components)";
    byId("map-note").textContent =
      `The ${format(map.words.length)} most frequent words by ${method}: near words are used alike; the directions mean nothing. ` +
      `Neighbours are by cosine, among ${map.among < content.words ? `the ${format(map.among)} most frequent` : "all"} words.`;
    for (const [key, name] of colorings()) byId("color").append(element("option", name, { value: key }));
    byId("color-label").hidden = colorings().length < 2;
    byId("color").addEventListener("change", () => { alone = null; recolor(); });
    byId("search-form").addEventListener("submit", (event) => { event.preventDefault(); find(byId("search").value); });
    byId("search").addEventListener("search", () => { if (!byId("search").value) find(""); });
    byId("zoom-in").addEventListener("click", () => zoom(1 / 1.6));
    byId("zoom-out").addEventListener("click", () => zoom(1.6));
    byId("zoom-all").addEventListener("click", viewAll);
    byId("save").addEventListener("click", () => Plotly.downloadImage(gd, { format: "png", scale: 2, filename: "words" }));
    const keys = { "+": () => zoom(1 / 1.6), "=": () => zoom(1 / 1.6), "-": () => zoom(1.6), 0: viewAll, ArrowLeft: () => move(-1, 0), ArrowRight: () => move(1, 0), ArrowUp: () => move(0, 1), ArrowDown: () => move(0, -1) };
    gd.addEventListener("keydown", (event) => {
      if (event.ctrlKey || event.metaKey || event.altKey || !(event.key in keys)) return;
      event.preventDefault();
      keys[event.key]();
    });
    show(null);
    legend();
  }

  // ---- charts ---------------------------------------------------------------------------------
  function draw(id, data, more) {
    return Plotly.react(byId(id), data, layout(more), CONFIG);
  }
  const line = (k, more = {}) => ({ type: "scatter", mode: "lines", line: { color: palette()[k], width: 2.5 }, ...more });

  function drawTraining() {
    const { tokens, loss, lr, epochs } = content.training;
    const xaxis = { title: { text: "tokens" }, tickformat: "~s", rangemode: "tozero" };
    const shapes = added(0);
    const data = [];
    if (tokens.length) data.push(line(5, { x: tokens, y: loss, name: "while it trains", line: { color: palette()[5], width: 1.5 }, hovertemplate: "%{y:.4f}<extra></extra>" }));
    data.push(line(0, {
      x: epochs.map((e) => e[1]), y: epochs.map((e) => e[2]), mode: "lines+markers", marker: { size: 8, color: palette()[0] },
      text: epochs.map((e) => `epoch ${e[0]}`), hovertemplate: "%{text}: %{y:.4f}<extra></extra>", name: "mean of the epoch",
    }));
    draw("loss", data, { xaxis, shapes, showlegend: tokens.length > 0, legend: { x: 1, xanchor: "right", y: 1 } });
    byId("lr").parentElement.hidden = !tokens.length;
    if (tokens.length) draw("lr", [line(1, { x: tokens, y: lr, hovertemplate: "%{y:.3g}<extra></extra>" })], { xaxis, shapes, yaxis: { rangemode: "tozero" } });
  }

  // Lines where text was added, by tokens (0) or epochs (1).
  const added = (which) => content.training.parts.map((part) => {
    const x = part[which] + (which ? 0.5 : 0);
    return { type: "line", yref: "paper", y0: 0, y1: 1, x0: x, x1: x, line: { color: css("--ink"), width: 1, dash: "dot" } };
  });

  function drawScores() {
    const sets = content.training.scores || [];
    byId("scores-figure").hidden = !sets.length;
    if (!sets.length) return;
    draw("scores", sets.map((set, k) => line(k % 8, {
      name: plain(set.name), x: set.epochs, y: set.scores, mode: "lines+markers", marker: { size: 7 },
      error_y: set.low ? { type: "data", symmetric: false, array: set.high.map((h, i) => h - set.scores[i]), arrayminus: set.low.map((l, i) => set.scores[i] - l), thickness: 1.5 } : undefined,
    })), {
      margin: { l: 52, r: 12, t: 34, b: 44 }, showlegend: true, legend: { orientation: "h", x: 0, y: 1.02, yanchor: "bottom" }, shapes: added(1),
      xaxis: { title: { text: "epoch" }, dtick: Math.ceil(Math.max(...sets.map((set) => set.epochs.length)) / 10) },
    });
  }

  function drawVocabulary() {
    const { zipf, coverage, norms, norms_by } = content.vocabulary;
    byId("zipf").parentElement.hidden = byId("coverage").parentElement.hidden = !zipf;
    if (zipf) {
      draw("zipf", [line(0, { x: zipf.rank, y: zipf.count, hovertemplate: "rank %{x:,}: %{y:,} times<extra></extra>" }),
        line(7, { x: zipf.rank, y: zipf.rank.map((r) => zipf.count[0] / r), line: { color: palette()[7], width: 1.5, dash: "dot" }, hoverinfo: "skip" })],
        { xaxis: { ...LOG, title: { text: "rank of the word" } }, yaxis: { ...LOG, title: { text: "occurrences" } } });
      draw("coverage", [line(2, { x: coverage.rank, y: coverage.share, fill: "tozeroy", fillcolor: `${palette()[2]}40`, hovertemplate: "%{x:,} words: %{y:.1f} %<extra></extra>" })],
        { xaxis: { ...LOG, title: { text: "most frequent words" } }, yaxis: { range: [0, 101], ticksuffix: " %" } });
    }
    byId("norms-title").textContent = `Length of the vectors by ${norms_by === "count" ? "how often the word occurs" : "rank"}`;
    draw("norms", [
      line(3, { x: norms.at, y: norms.high, line: { width: 0 }, hoverinfo: "skip" }),
      line(3, { x: norms.at, y: norms.low, line: { width: 0 }, fill: "tonexty", fillcolor: `${palette()[3]}55`, hoverinfo: "skip" }),
      line(3, { x: norms.at, y: norms.median, hovertemplate: "median %{y:.3g}<extra></extra>" }),
    ], { xaxis: { ...LOG, title: { text: norms_by === "count" ? "occurrences" : "rank" } }, yaxis: { rangemode: "tozero" } });
  }

  function drawAgreement() {
    const bands = content.agreement;
    if (!bands.length) return;
    const names = bands.map((b) => `${format(b.first)} to ${format(b.last)}`);
    draw("agreement", [{
      type: "bar", x: names, y: bands.map((b) => 100 * b.mean), marker: { color: palette()[0] }, hovertemplate: "%{y:.0f} %<extra></extra>",
      error_y: { type: "data", symmetric: false, array: bands.map((b) => 100 * (b.high - b.mean)), arrayminus: bands.map((b) => 100 * (b.mean - b.low)), color: css("--ink"), thickness: 1.5 },
    }], { xaxis: { title: { text: "rank of the word" }, type: "category" }, yaxis: { range: [0, 101], ticksuffix: " %" } });
  }

  // ---- tables ---------------------------------------------------------------------------------
  function table(id, caption, header, rows, changed = () => false) {
    const made = element("table"), head = element("tr"), body = element("tbody");
    if (caption) made.append(element("caption", caption));
    const isNumber = (cell) => typeof cell === "number" || /^[\d., to]+ %$/.test(cell);
    const cells = (row, tag) => row.map((cell, k) => element(tag, typeof cell === "number" ? format(cell) : cell,
      isNumber(rows[0] && rows[0][k]) ? { class: "number" } : {}));
    if (header) { head.append(...cells(header, "th")); made.append(element("thead")); made.tHead.append(head); }
    for (const row of rows) {
      const made = element("tr");
      made.append(...cells(row, "td"));
      if (changed(row)) made.className = "changed";
      body.append(made);
    }
    made.append(body);
    byId(id).append(made);
  }

  function fill() {
    document.title = `${content.title}: word vectors`;
    byId("title").textContent = content.title;
    const facts = [`${format(content.words)} words`, `${format(content.dim)} dimensions`];
    if (content.tokens) facts.push(`${format(content.tokens)} tokens`);
    const { epochs, best, parts, facts: run } = content.training;
    if (epochs.length) facts.push(`${epochs.length} epoch${epochs.length > 1 ? "s" : ""}`);
    byId("summary").textContent = facts.join(" · ");
    const notes = [];
    if (run.seconds) notes.push(
      `Trained in ${format(Math.round(run.seconds))} s with ${format(run.threads)} thread${run.threads > 1 ? "s" : ""}.`);
    const from = best && best[3] > 1 ? ` from ${format(best[3])} on` : "";
    if (best) notes.push(`The best epoch${from} on ${best[1]} is ${format(best[0])}, with ${best[2].toFixed(1)}.`);
    if (parts.length) notes.push("Dotted lines: text was added.");
    byId("training-note").textContent = notes.join(" ");
    byId("vocabulary-note").textContent = content.vocabulary.zipf
      ? "Dotted: Zipf's law, the count of the most frequent word divided by the rank. Bands hold 80 % of the words."
      : "The vectors come without counts, so it is not known how often the words occur. The band holds 80 % of the words.";
    byId("agreement-note").textContent =
      `Two runs that differ in their seed alone disagree about neighbours: what is shown is how many of the ten nearest words two of ${content.n_vectors} runs have in common. ` +
      "Lines hold 80 % of the words. Trust a neighbour of words that agree little only if you see it with several seeds.";
    if (content.agreement.length) {
      table("agreement-table", "", ["Rank", "Words", "In common", "80 % of the words"],
        content.agreement.map((b) => [`${format(b.first)} to ${format(b.last)}`, b.n_words, `${Math.round(100 * b.mean)} %`, `${Math.round(100 * b.low)} to ${Math.round(100 * b.high)} %`]));
    }
    content.texts.forEach((rows, k) => {
      const caption = content.texts.length < 2 ? "" : k ? `Added text ${k}` : "First text";
      table("text", caption, null, rows.map(([n, share, what]) => [n, share === null ? "" : `${share.toFixed(1)} %`, what]));
    });
    for (const warning of content.warnings) byId("text").append(element("p", `Warning: ${warning}`));
    if (content.command) byId("command").append(element("p", "To repeat the training:", { class: "note" }), element("pre", content.command, { tabindex: "0" }));
    if (content.settings.length) table("settings", "All settings; bold: not the default, or settled by the size of the text", null, content.settings.map((s) => [s[0], s[1]]), (row) => !content.settings.find((s) => s[0] === row[0])[2]);
    table("versions", "Versions", null, content.versions);
    byId("s-training").hidden = !epochs.length && !content.training.tokens.length;
    byId("s-agreement").hidden = !content.agreement.length;
    byId("s-text").hidden = !content.texts.length && !content.warnings.length;
    for (const section of document.querySelectorAll("section:not([hidden])")) {
      byId("nav").append(element("a", section.dataset.name, { href: `#${section.id}` }));
    }
  }

  function drawAll() {
    drawMap();
    if (!byId("s-training").hidden) { drawTraining(); drawScores(); }
    drawVocabulary();
    drawAgreement();
    legend();
  }
  fill();
  setUpMap();
  drawAll();
  dark.addEventListener("change", drawAll);
})();
