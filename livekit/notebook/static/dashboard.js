// The dashboard's page side: one message per beat comes in, is kept, and is drawn in the
// next animation frame. Between messages nothing moves: a page that draws sixty times a
// second takes a core from the engine it watches. What it shows it has been told; what it
// is asked to do it sends to the engine itself, and through the kernel where the engine
// cannot be reached.

const LWC = window.LightweightCharts;
const MAX_TICKS = 36000;
const MAX_REPORTS = 1000;
const MAX_PRINTS = 120;
const MAX_LOG = 400;
const STALE_MS = 2000;
const PARTS = {
  price: "Price and own fills", ladder: "Depth", tape: "Trades", positions: "Positions and PnL",
  strategies: "Strategies", orders: "Orders", params: "Parameters", latency: "Latency",
  history: "The last minutes", log: "Log",
};

// Small things.

function h(tag, attributes = {}, ...children) {
  const node = document.createElement(tag);
  for (const [key, value] of Object.entries(attributes)) {
    if (key.startsWith("on")) node.addEventListener(key.slice(2), value);
    else if (value !== null && value !== false) node.setAttribute(key, value === true ? "" : value);
  }
  // Else the notebook takes Enter and the arrow keys for its cells; said of the desk alone, it
  // would not hold for the element that has the focus.
  if (["button", "input", "select"].includes(tag)) node.dataset.lmSuppressShortcuts = "true";
  node.append(...children);
  return node;
}

const put = (node, text) => {
  const own = node.firstChild;
  if (own && own.nodeType === Node.TEXT_NODE && own === node.lastChild) { if (own.data !== text) own.data = text; }
  else if (node.textContent !== text) node.textContent = text;
};
const known = (x) => typeof x === "number" && Number.isFinite(x);
// Made once each: to make one takes longer than a hundred uses.
const fixed = new Map();
const rounded = (digits) => {
  if (!fixed.has(digits)) {
    fixed.set(digits, new Intl.NumberFormat("en-US", { minimumFractionDigits: digits, maximumFractionDigits: digits }));
  }
  return fixed.get(digits);
};
const exact = new Intl.NumberFormat("en-US", { maximumFractionDigits: 8 });
const number = (x, digits = 2) => known(x) ? rounded(digits).format(x) : "–";
const plain = (x) => known(x) ? exact.format(x) : "–";
const signed = (x) => known(x) ? (x > 0 ? "+" : x < 0 ? "−" : "") + number(Math.abs(x)) : "–";
const sign = (x) => known(x) && x !== 0 ? (x > 0 ? "up" : "down") : "";
const clock = (ms, fraction = 0) => {
  if (!known(ms) || ms <= 0) return "–";
  return new Date(ms).toISOString().slice(11, fraction ? 20 + fraction : 19);
};
const span = (ms) => ms < 1000 ? `${Math.round(ms)} ms` : ms < 120000 ? `${(ms / 1000).toFixed(ms < 10000 ? 1 : 0)} s`
  : `${Math.round(ms / 60000)} min`;
const nanoseconds = (x) => {
  if (!known(x)) return "–";
  const [divisor, unit] = x < 1e3 ? [1, "ns"] : x < 1e6 ? [1e3, "µs"] : x < 1e9 ? [1e6, "ms"] : [1e9, "s"];
  return `${Number((x / divisor).toPrecision(3))} ${unit}`;
};
const digits = (step) => {
  const text = String(step);
  return text.includes("e-") ? Number(text.split("e-")[1]) : (text.split(".")[1] || "").length;
};
// Labels of a time axis: years, months, days, minutes, seconds, as the chart library counts them.
const mark = (seconds, kind) => {
  const text = new Date(seconds * 1000).toISOString();
  return [text.slice(0, 4), text.slice(0, 7), text.slice(0, 10), text.slice(11, 16), text.slice(11, 19)][kind];
};
let names = 0;
const unique = (stem) => `lk-${stem}-${++names}`;

// A table whose cells are patched in place: nothing is rebuilt that did not change.
class Table {
  constructor(caption, columns, empty) {
    this.columns = columns;
    this.rows = new Map();
    this.body = h("tbody");
    this.empty = h("p", { class: "empty" }, empty);
    const heads = columns.map((c) => h("th", { scope: "col", class: c.left ? "left" : "" }, c.head));
    this.node = h("div", { class: "scroll", tabindex: "0", role: "group", "aria-label": caption },
      h("table", {}, h("caption", { class: "hidden" }, caption), h("thead", {}, h("tr", {}, ...heads)), this.body),
      this.empty);
  }

  update(rows, key) {
    const seen = new Set();
    let previous = null;
    for (const row of rows) {
      const id = key(row);
      seen.add(id);
      let kept = this.rows.get(id);
      if (!kept) {
        const cells = this.columns.map((c) => h("td", { class: c.left ? "left" : "" }));
        kept = { line: h("tr", {}, ...cells), cells, row };
        this.rows.set(id, kept);
      }
      kept.row = row;
      const next = previous ? previous.nextSibling : this.body.firstChild;
      if (next !== kept.line) this.body.insertBefore(kept.line, next);
      previous = kept.line;
      this.columns.forEach((column, index) => column.node
        ? column.node(kept.cells[index], row) : put(kept.cells[index], column.text(row)));
      this.columns.forEach((column, index) => {
        if (!column.tone) return;
        const tone = column.tone(row);
        if (kept.cells[index].dataset.tone !== tone) kept.cells[index].dataset.tone = tone;
      });
    }
    for (const [id, kept] of this.rows) if (!seen.has(id)) { kept.line.remove(); this.rows.delete(id); }
    this.empty.hidden = rows.length > 0;
  }
}

// Roads: to the engine directly, and through the kernel.

class Roads {
  constructor(model, say) {
    this.model = model;
    this.say = say;
    this.door = null;
    this.isDirect = null;
    this.waiting = new Map();
    this.count = 0;
  }

  async open(door) {
    this.door = door;
    this.isDirect = door ? await this.post("ping", {}).then((a) => "ok" in a, () => false) : false;
    return this.isDirect;
  }

  async post(verb, fields) {
    const answer = await fetch(`${this.door.url}/v1/${verb}`, {
      method: "POST", mode: "cors", cache: "no-store", credentials: "omit", referrerPolicy: "no-referrer",
      headers: { Authorization: `Bearer ${this.door.token}`, "Content-Type": "application/json" },
      body: JSON.stringify(fields), signal: AbortSignal.timeout(1500),
    });
    return answer.json();
  }

  async command(verb, fields, words) {
    const began = performance.now();
    if (this.door && this.isDirect !== false) {
      try {
        const answer = await this.post(verb, fields);
        this.report(words, answer, `${Math.max(1, Math.round(performance.now() - began))} ms, directly`);
        return answer;
      } catch (error) {
        this.isDirect = false;  // a remote browser, or an engine that is gone
      }
    }
    this.say(`${words}: sent through the kernel, which answers when no cell runs`, "busy");
    const id = ++this.count;
    const done = new Promise((resolve) => this.waiting.set(id, resolve));
    this.model.send({ kind: "command", id, verb, fields });
    const answer = await done;
    this.report(words, answer, `${span(performance.now() - began)}, through the kernel`);
    return answer;
  }

  answered(message) {
    const resolve = this.waiting.get(message.id);
    this.waiting.delete(message.id);
    if (resolve) resolve(message.answer);
  }

  report(words, answer, how) {
    if (answer.error) this.say(`${words}: ${answer.error.message}`, "bad");
    else this.say(`${words}: done (${how})`, "good");
  }
}

// Panels. Each is made once, told everything, and draws what is its own.

class Price {
  constructor(desk) {
    this.desk = desk;
    this.seconds = 0;
    this.marked = true;
    this.bars = [];
    this.lines = new Map();
    this.place = h("div", { class: "chart" });
    const id = unique("bars");
    this.choice = h("select", { id, onchange: () => { this.seconds = Number(this.choice.value); this.rebuild(); } },
      ...[1, 5, 15, 60, 300].map((s) => h("option", { value: s }, s < 60 ? `${s} s` : `${s / 60} min`)));
    this.symbols = h("select", { id: unique("symbol"), onchange: () => desk.choose(this.symbols.value) });
    this.tools = [h("label", { for: this.symbols.id, class: "hidden" }, "Instrument"), this.symbols,
      h("label", { for: id, class: "hidden" }, "Length of a bar"), this.choice];
    this.chart = LWC.createChart(this.place, {
      autoSize: true, timeScale: { timeVisible: true, secondsVisible: true, rightOffset: 4, minBarSpacing: 1, barSpacing: 8,
        tickMarkFormatter: mark },
      rightPriceScale: { scaleMargins: { top: 0.08, bottom: 0.08 } }, crosshair: { mode: 0 },
      localization: { locale: "en-US" },
    });
    this.series = this.chart.addSeries(LWC.CandlestickSeries, {});
    this.markers = LWC.createSeriesMarkers(this.series, []);
    this.node = this.place;
    this.summary = h("p", { class: "hidden", "aria-live": "off" });
    this.place.append(this.summary);
  }

  theme(color) {
    this.chart.applyOptions({
      layout: { background: { type: "solid", color: color("card") }, textColor: color("muted"), fontFamily: "inherit", fontSize: 11 },
      grid: { vertLines: { color: color("grid") }, horzLines: { color: color("grid") } },
      rightPriceScale: { borderColor: color("line") }, timeScale: { borderColor: color("line") },
    });
    this.series.applyOptions({
      upColor: color("card"), borderUpColor: color("buy"), wickUpColor: color("buy"),
      downColor: color("sell"), borderDownColor: color("sell"), wickDownColor: color("sell"),
    });
    this.color = color;
    this.marked = true;
    for (const line of this.lines.values()) this.series.removePriceLine(line);
    this.lines.clear();
  }

  greet(greeting) {
    this.symbols.replaceChildren(...greeting.symbols.map((s) => h("option", { value: s.symbol }, s.symbol)));
    this.symbols.value = greeting.symbol;
    if (!this.seconds) {
      const speed = Number(greeting.source.speed) || 1;
      this.seconds = [1, 5, 15, 60, 300].find((s) => s >= speed) || 300;
      this.choice.value = this.seconds;
    }
    const tick = this.desk.steps().tick;
    this.series.applyOptions({ priceFormat: { type: "price", precision: digits(tick), minMove: tick } });
    this.rebuild();
  }

  rebuild() {
    this.bars = [];
    for (const tick of this.desk.ticks) this.fold(tick);
    this.series.setData(this.bars);
    this.marked = true;
    this.desk.wake();
  }

  fold([ms, bid, ask]) {
    const time = Math.floor(ms / 1000 / this.seconds) * this.seconds;
    const mid = (bid + ask) / 2;
    const last = this.bars[this.bars.length - 1];
    if (last && time < last.time) return null;
    if (last && last.time === time) {
      last.high = Math.max(last.high, mid); last.low = Math.min(last.low, mid); last.close = mid;
      return last;
    }
    const bar = { time, open: last ? last.close : mid, high: mid, low: mid, close: mid };
    bar.high = Math.max(bar.open, mid); bar.low = Math.min(bar.open, mid);
    this.bars.push(bar);
    return bar;
  }

  tick(tick) {
    const bar = this.fold(tick);
    if (bar) this.pending = bar;
  }

  draw() {
    if (this.pending) { this.series.update(this.pending); this.pending = null; }
    if (this.marked && this.color) { this.marked = false; this.mark(); }
  }

  mark() {
    const first = this.bars.length ? this.bars[0].time : 0;
    const fills = this.desk.reports.filter((r) => r.symbol === this.desk.symbol && r.last_quantity > 0);
    const marks = [];
    for (const fill of fills.slice(-400)) {
      const time = Math.floor(fill.time / 1e9 / this.seconds) * this.seconds;
      if (time < first) continue;
      const isBuy = fill.side === "buy";
      marks.push({ time, position: isBuy ? "belowBar" : "aboveBar", shape: isBuy ? "arrowUp" : "arrowDown",
        color: this.color(isBuy ? "buy" : "sell"), size: 1 });
    }
    marks.sort((a, b) => a.time - b.time);
    this.markers.setMarkers(marks);
    put(this.summary, `${marks.length} own fills shown`);
    this.node.dataset.fills = marks.length;
  }

  orders(orders) {
    if (!this.color) return;
    const wanted = new Map(orders.filter((o) => o.symbol === this.desk.symbol && known(o.price)).slice(0, 20)
      .map((o) => [`${o.strategy}/${o.order_id}/${o.price}`, o]));
    for (const [key, line] of this.lines) if (!wanted.has(key)) { this.series.removePriceLine(line); this.lines.delete(key); }
    for (const [key, order] of wanted) {
      if (this.lines.has(key)) continue;
      this.lines.set(key, this.series.createPriceLine({ price: order.price, lineWidth: 1, lineStyle: 2,
        color: this.color(order.side), axisLabelVisible: false, title: `${order.side} ${plain(order.quantity)}` }));
    }
  }

  remove() { this.chart.remove(); }
}

class Ladder {
  constructor(desk) {
    this.desk = desk;
    this.rows = [];
    this.node = h("div", { class: "ladder", role: "table", "aria-label": "Depth of the book" });
    this.note = h("p", { class: "note" });
    const line = (side) => {
      const cells = [h("span", { role: "cell", class: "own" }), h("span", { role: "cell", class: "price" }),
        h("span", { role: "cell", class: "size" })];
      const bar = h("i", { "aria-hidden": "true" });
      const node = h("div", { class: `level ${side}`, role: "row" }, bar, ...cells);
      return { node, cells, bar };
    };
    this.asks = Array.from({ length: 5 }, () => line("ask"));
    this.middle = h("div", { class: "middle", role: "row" }, h("span", { role: "cell" }));
    this.bids = Array.from({ length: 5 }, () => line("bid"));
    this.node.append(...this.asks.map((l) => l.node).reverse(), this.middle, ...this.bids.map((l) => l.node), this.note);
  }

  update(market, orders, age) {
    const places = digits(this.desk.steps().tick);
    const own = new Map();
    for (const order of orders || []) {
      if (order.symbol !== this.desk.symbol || !known(order.price)) continue;
      const key = `${order.side === "buy" ? "bid" : "ask"}${order.price.toFixed(places)}`;
      own.set(key, (own.get(key) || 0) + order.quantity - order.filled_quantity);
    }
    const bids = market.bids || (known(market.bid) ? [[market.bid, market.bid_size]] : []);
    const asks = market.asks || (known(market.ask) ? [[market.ask, market.ask_size]] : []);
    const most = Math.max(1e-12, ...[...bids, ...asks].map((l) => l[1] || 0));
    const fill = (lines, levels, side) => lines.forEach((line, index) => {
      const [price, size] = levels[index] || [null, null];
      const text = known(price) ? price.toFixed(places) : "";
      put(line.cells[0], own.has(side + text) ? `● ${plain(own.get(side + text))}` : "");
      put(line.cells[1], text);
      put(line.cells[2], known(size) ? plain(size) : "");
      line.bar.hidden = !known(size);
      line.bar.style.width = known(size) ? `${(100 * size / most).toFixed(1)}%` : "0";
    });
    fill(this.asks, asks, "ask");
    fill(this.bids, bids, "bid");
    const spread = known(market.bid) && known(market.ask) ? market.ask - market.bid : null;
    const side = market.last_side ? ` ${market.last_side === "buy" ? "▲" : "▼"}` : "";
    put(this.middle.firstChild, `${known(market.last) ? market.last.toFixed(places) + side : "–"}   spread ${known(spread) ? spread.toFixed(places) : "–"}`);
    const limit = 3000 * Math.max(1, Number(this.desk.greeting.source.speed) || 1);
    put(this.note, age === null ? "no market data yet" : age > limit ? `last seen ${span(age)} before the engine's time` : "");
    this.note.classList.toggle("warn", age === null || age > limit);
  }
}

class Tape {
  constructor(desk) {
    this.desk = desk;
    this.prints = [];
    this.count = 0;
    this.table = new Table("Public trades", [
      { head: "time", left: true, text: (p) => clock(p.row[0]) },
      { head: "price", text: (p) => p.row[1].toFixed(digits(desk.steps().tick)), tone: (p) => p.row[3] },
      { head: "size", text: (p) => `${plain(p.row[2])} ${p.row[3] === "buy" ? "▲" : "▼"}`, tone: (p) => p.row[3] },
    ], "no trades yet");
    this.node = this.table.node;
  }

  add(prints) {
    for (const row of prints) this.prints.push({ id: ++this.count, row });
    this.prints = this.prints.slice(-MAX_PRINTS);
    this.dirty = true;
  }

  draw() {
    if (!this.dirty) return;
    this.dirty = false;
    this.table.update(this.prints.slice(-40).reverse(), (p) => p.id);
  }
}

class Positions {
  constructor(desk) {
    this.canvas = h("canvas", { class: "spark", role: "img", "aria-label": "Equity over the last minutes" });
    this.table = new Table("Positions", [
      { head: "strategy", left: true, text: (p) => p.strategy },
      { head: "symbol", left: true, text: (p) => p.symbol },
      { head: "position", text: (p) => plain(p.position), tone: (p) => p.position > 0 ? "buy" : p.position < 0 ? "sell" : "" },
      { head: "average", text: (p) => p.position ? number(p.average_price) : "–" },
      { head: "mark", text: (p) => number(p.mark) },
      { head: "open PnL", text: (p) => signed(p.unrealized_pnl), tone: (p) => sign(p.unrealized_pnl) },
      { head: "fees", text: (p) => number(p.fees) },
      { head: "net PnL", text: (p) => signed(p.net_pnl), tone: (p) => sign(p.net_pnl) },
    ], "flat: nothing traded yet");
    this.node = h("div", { class: "stack" }, this.canvas, this.table.node);
    this.desk = desk;
  }

  update(account) { this.table.update(account.positions, (p) => `${p.strategy}/${p.symbol}`); }

  draw(color) {
    const box = this.canvas.getBoundingClientRect();
    if (!box.width) return;
    const scale = window.devicePixelRatio || 1;
    const [width, height] = [Math.round(box.width * scale), Math.round(box.height * scale)];
    if (this.canvas.width !== width || this.canvas.height !== height) Object.assign(this.canvas, { width, height });
    const values = this.desk.ticks.slice(-3000).map((t) => t[3]).filter(known);
    const context = this.canvas.getContext("2d");
    context.clearRect(0, 0, width, height);
    if (values.length < 2) return;
    let low = Infinity, high = -Infinity;
    for (const value of values) { low = Math.min(low, value); high = Math.max(high, value); }
    const [top, room] = [4 * scale, height - 8 * scale];
    const y = (v) => top + room - (high > low ? (v - low) / (high - low) : 0.5) * room;
    context.beginPath();
    values.forEach((value, i) => {
      const x = i / (values.length - 1) * (width - 78 * scale);
      if (i) context.lineTo(x, y(value)); else context.moveTo(x, y(value));
    });
    context.lineWidth = 1.5 * scale; context.strokeStyle = color("net"); context.stroke();
    context.fillStyle = color("muted");
    context.font = `${10 * scale}px ${getComputedStyle(this.canvas).fontFamily}`;
    context.textAlign = "right";
    context.fillText(number(high), width - 2 * scale, 11 * scale);
    context.fillText(number(low), width - 2 * scale, height - 4 * scale);
  }
}

class Strategies {
  constructor(desk) {
    this.table = new Table("Strategies", [
      { head: "strategy", left: true, text: (s) => s.name },
      { head: "state", left: true, node: (cell, s) => { put(cell, s.state); cell.dataset.state = s.state; } },
      { head: "heartbeat", text: (s) => s.state === "gone" ? "–" : `${(s.heartbeat_ms / 1000).toFixed(1)} s` },
      { head: "events", text: (s) => plain(s.received) },
      { head: "lag", text: (s) => plain(s.lag) },
      { head: "dropped", text: (s) => plain(s.dropped), tone: (s) => s.dropped ? "down" : "" },
      { head: "p50 / p99", text: (s) => `${nanoseconds(this.latency(s.name).p50)} / ${nanoseconds(this.latency(s.name).p99)}` },
      { head: "orders", text: (s) => plain(s.orders) },
      { head: "rejects", text: (s) => plain(s.rejects) },
      { head: "fills", text: (s) => plain(s.fills) },
      { head: "errors", text: (s) => plain(s.errors), tone: (s) => s.errors ? "down" : "" },
      { head: "PnL", text: (s) => signed(desk.profit(s.name)), tone: (s) => sign(desk.profit(s.name)) },
      { head: "code", left: true, text: (s) => `${s.mode === "compiled" ? "jit" : "py"} ${String(s.hash).slice(0, 8)}` },
    ], "no strategy is attached: lk.attach(…) or livekit attach FILE");
    this.node = this.table.node;
    this.known = {};
  }

  latency(name) { return this.known[name] || {}; }
  update(rows) { this.table.update(rows, (s) => s.name); }
}

class Orders {
  constructor(desk) {
    this.desk = desk;
    this.asked = new Set();
    this.table = new Table("Order blotter", [
      { head: "time", left: true, text: (o) => clock(o.at, 3) },
      { head: "strategy", left: true, text: (o) => o.strategy },
      { head: "symbol", left: true, text: (o) => o.symbol },
      { head: "side", left: true, text: (o) => o.side === "buy" ? "buy ▲" : "sell ▼", tone: (o) => o.side },
      { head: "quantity", text: (o) => plain(o.quantity) },
      { head: "price", text: (o) => known(o.price) ? plain(o.price) : "market" },
      { head: "filled", text: (o) => plain(o.filled_quantity) },
      { head: "average", text: (o) => o.filled_quantity ? plain(o.average_price) : "–" },
      { head: "status", left: true, text: (o) => o.reject && !o.open ? `${o.status} ${o.reject}` : o.status, tone: (o) => o.open ? "open" : "" },
      { head: "", left: true, node: (cell, o) => this.button(cell, o) },
    ], "no orders yet");
    this.node = this.table.node;
    this.open = [];
  }

  button(cell, order) {
    if (!order.open) { if (cell.firstChild) cell.replaceChildren(); return; }
    let button = cell.firstChild;
    if (!button) {
      button = h("button", { type: "button", class: "small" }, "cancel");
      button.addEventListener("click", () => this.cancel(button.order));
      cell.replaceChildren(button);
    }
    button.order = order;
    const label = `Cancel ${order.side} ${plain(order.quantity)} ${order.symbol} of ${order.strategy}`;
    if (button.getAttribute("aria-label") !== label) button.setAttribute("aria-label", label);
    const isAsked = order.is_canceling || this.asked.has(order.key);
    if (button.disabled !== isAsked) button.disabled = isAsked;
  }

  async cancel(order) {
    this.asked.add(order.key);
    // Read by JSON as a whole number: an id may need more bits than a number here has.
    const answer = await this.desk.roads.command("cancel", { name: order.strategy, order_id: order.order_id },
      `Cancel order ${order.order_id} of ${order.strategy}`);
    if (answer.error) this.asked.delete(order.key);
  }

  draw() {
    if (!this.dirty) return;
    this.dirty = false;
    const rows = new Map();
    for (const report of this.desk.reports) {
      const key = `${report.strategy}/${report.order_id}`;
      rows.delete(key);
      rows.set(key, { ...report, key, at: report.time / 1e6, open: false });
    }
    const open = new Set();
    for (const order of this.open) {
      const key = `${order.strategy}/${order.order_id}`;
      open.add(key);
      rows.delete(key);
      rows.set(key, { ...order, key, at: order.updated / 1e6, open: true });
    }
    for (const key of this.asked) if (!open.has(key)) this.asked.delete(key);
    const all = [...rows.values()].filter((o) => o.open || !["SENT", "ACCEPTED", "PARTIALLY_FILLED"].includes(o.status));
    const list = [...all.filter((o) => o.open), ...all.filter((o) => !o.open).reverse()].slice(0, 60);
    this.table.update(list, (o) => o.key);
    this.node.dataset.open = open.size;
  }
}

class Params {
  constructor(desk) {
    this.desk = desk;
    this.groups = new Map();
    this.note = h("p", { class: "empty" }, "no strategy with parameters");
    this.node = h("div", { class: "params" }, this.note);
  }

  update(all) {
    for (const [name, group] of this.groups) if (!(name in all)) { group.node.remove(); this.groups.delete(name); }
    for (const [name, declared] of Object.entries(all)) {
      if (!declared.length) continue;
      const shape = JSON.stringify(declared.map((p) => [p.name, p.low, p.high, p.hot]));
      let group = this.groups.get(name);
      if (!group || group.shape !== shape) {
        if (group) group.node.remove();
        group = this.make(name, declared, shape);
        this.groups.set(name, group);
        this.node.append(group.node);
      }
      for (const param of declared) this.show(group.inputs.get(param.name), param);
    }
    this.note.hidden = this.groups.size > 0;
  }

  make(name, declared, shape) {
    const inputs = new Map();
    const lines = declared.map((param) => {
      const id = unique("param");
      const isBounded = param.hot && known(param.low) && known(param.high);
      const text = h("input", { type: "number", class: "value", step: "any", min: param.low, max: param.high,
        disabled: !param.hot, "aria-label": `${param.name} of ${name}` });
      const slider = h("input", { type: "range", id, min: param.low ?? 0, max: param.high ?? 1, step: "any", disabled: !isBounded });
      const kept = { slider, text, value: param.value, param };
      const send = (raw) => this.set(name, kept, Number(raw));
      slider.addEventListener("input", () => { kept.held = performance.now(); text.value = this.round(kept, slider.value); });
      slider.addEventListener("change", () => send(slider.value));
      text.addEventListener("input", () => { kept.held = performance.now(); });
      text.addEventListener("change", () => send(text.value));
      // The page's own shortcuts would take the key and with it the change.
      text.addEventListener("keydown", (event) => { if (event.key === "Enter") { event.stopPropagation(); send(text.value); } });
      inputs.set(param.name, kept);
      return h("div", { class: "param" }, h("label", { for: id }, param.name, h("small", {}, param.hot ? "" : " fixed")), slider, text);
    });
    const undo = h("button", { type: "button", class: "small", "aria-label": `Undo the last change of ${name}` }, "undo");
    undo.addEventListener("click", () => this.desk.undo(name));
    const heading = h("div", { class: "group" }, h("strong", {}, name), undo);
    undo.hidden = !declared.some((p) => p.hot);
    return { node: h("fieldset", {}, h("legend", { class: "hidden" }, `Parameters of ${name}`), heading, ...lines), inputs, shape };
  }

  round(kept, raw) {
    const { low, high, is_integer: whole } = kept.param;
    const step = known(high) && known(low) ? (high - low) / 1000 : 0;
    const places = step > 0 ? Math.max(0, Math.min(12, 1 - Math.floor(Math.log10(step)))) : 8;
    return Number(Number(raw).toFixed(whole ? 0 : places));
  }

  async set(name, kept, raw) {
    const { low, high } = kept.param;
    let value = this.round(kept, raw);
    if (known(low)) value = Math.max(low, value);
    if (known(high)) value = Math.min(high, value);
    kept.held = 0;
    if (value === kept.value || (kept.asked && kept.wanted === value)) { this.show(kept, kept.param); return; }
    [kept.asked, kept.wanted] = [performance.now(), value];
    const answer = await this.desk.roads.command("params", { name, values: { [kept.param.name]: value } },
      `${name}: ${kept.param.name} = ${value}`);
    kept.asked = 0;
    if (!answer.error) kept.param = { ...kept.param, value };
    this.show(kept, kept.param);
  }

  show(kept, param) {
    if (kept.asked && performance.now() - kept.asked < 3000) return;
    if (kept.held && performance.now() - kept.held < 3000) return;
    kept.value = param.value;
    kept.param = param;
    if (document.activeElement !== kept.text && kept.text.value !== String(param.value)) kept.text.value = param.value;
    if (kept.slider.value !== String(param.value)) kept.slider.value = param.value;
  }
}

class Latency {
  constructor() {
    this.choice = h("select", { id: unique("latency"), onchange: () => this.show() });
    this.tools = [h("label", { for: this.choice.id, class: "hidden" }, "Strategy"), this.choice];
    this.bars = h("div", { class: "bars", role: "img" });
    this.words = h("p", { class: "note" });
    this.node = h("div", { class: "stack" }, this.bars, this.words);
    this.latency = { strategies: {}, engine: {} };
  }

  update(latency) {
    this.latency = latency;
    const wanted = Object.keys(latency.strategies);
    const had = [...this.choice.options].map((o) => o.value);
    if (wanted.join() !== had.join()) {
      const before = this.choice.value;
      this.choice.replaceChildren(...wanted.map((n) => h("option", { value: n }, n)));
      if (wanted.includes(before)) this.choice.value = before;
    }
    this.show();
  }

  show() {
    const one = this.latency.strategies[this.choice.value];
    const counts = one ? one.histogram : [];
    const first = Math.max(0, counts.findIndex((c) => c > 0) - 1);
    const last = counts.length - [...counts].reverse().findIndex((c) => c > 0);
    const shown = counts.slice(first, Math.min(last + 1, counts.length));
    const most = Math.max(1, ...shown.map((c) => Math.log10(c + 1)));
    while (this.bars.children.length > shown.length) this.bars.lastChild.remove();
    const every = Math.ceil(shown.length / 7);  // as many labels as have room
    shown.forEach((count, index) => {
      const bar = this.bars.children[index] || this.bars.appendChild(h("div", {}, h("i"), h("span")));
      const edge = 2 ** (first + index + 3);
      bar.firstChild.style.height = `${(100 * Math.log10(count + 1) / most).toFixed(1)}%`;
      put(bar.lastChild, index % every ? "" : nanoseconds(edge));
      bar.title = `from ${nanoseconds(edge)}: ${plain(count)} events`;
    });
    const engine = this.latency.engine || {};
    const words = one ? `event to strategy p50 ${nanoseconds(one.p50)}, p99 ${nanoseconds(one.p99)} · event to order p50 ${nanoseconds(one.order_p50)}, p99 ${nanoseconds(one.order_p99)} · engine per event p50 ${nanoseconds(engine.p50)}, p99 ${nanoseconds(engine.p99)}` : "nothing measured yet";
    put(this.words, words);
    this.bars.setAttribute("aria-label", `Counts by latency, logarithmic: ${words}`);
  }
}

class History {
  constructor(desk) {
    this.desk = desk;
    const id = unique("history");
    this.slider = h("input", { type: "range", id, min: 0, max: 1, step: 0.001, value: 1 });
    this.choice = h("select", { id: unique("who"), onchange: () => this.ask() });
    this.tools = [h("label", { for: this.choice.id, class: "hidden" }, "Strategy"), this.choice];
    this.when = h("output", { for: id }, "now");
    this.state = new Table("State then", [
      { head: "field", left: true, text: (r) => r[0] }, { head: "value", text: (r) => r[1] },
    ], "no state kept");
    this.orders = new Table("Orders then", [
      { head: "side", left: true, text: (o) => o.side, tone: (o) => o.side }, { head: "quantity", text: (o) => plain(o.quantity) },
      { head: "price", text: (o) => known(o.price) ? plain(o.price) : "market" }, { head: "filled", text: (o) => plain(o.filled_quantity) },
    ], "no open order then");
    this.book = h("p", { class: "note" });
    this.slider.addEventListener("input", () => this.ask());
    this.node = h("div", { class: "stack" },
      h("div", { class: "param" }, h("label", { for: id }, "moment"), this.slider, this.when),
      this.book, h("div", { class: "two" }, this.state.node, this.orders.node));
  }

  strategies(names) {
    const had = [...this.choice.options].map((o) => o.value);
    if (names.join() === had.join()) return;
    const before = this.choice.value;
    this.choice.replaceChildren(...names.map((n) => h("option", { value: n }, n)));
    if (names.includes(before)) this.choice.value = before;
    this.ask();
  }

  grow() { if (Number(this.slider.value) === 1) this.ask(); }

  ask() {
    const now = performance.now();
    if (this.asked && now - this.asked < 60) { clearTimeout(this.timer); this.timer = setTimeout(() => this.ask(), 70); return; }
    this.asked = now;
    this.desk.model.send({ kind: "moment", at: Number(this.slider.value), name: this.choice.value || "" });
  }

  update(moment) {
    put(this.when, `${clock(moment.time, 1)} · ${moment.ago.toFixed(1)} s before`);
    const market = moment.market || {};
    const places = digits(this.desk.steps().tick);
    const at = (x) => known(x) ? x.toFixed(places) : "–";
    put(this.book, `${this.desk.symbol} ${at(market.bid)} / ${at(market.ask)} · equity ${number(moment.equity)} · ${moment.trading}` +
      (moment.sequence !== null ? ` · after event ${plain(moment.sequence)}${moment.queued ? `, ${moment.queued} waiting` : ""}` : ""));
    const text = (v) => Array.isArray(v) ? `[${v.slice(0, 4).map(text).join(", ")}${v.length > 4 ? ", …" : ""}]` : known(v) ? String(Number(v.toPrecision(8))) : String(v ?? "–");
    this.state.update(Object.entries(moment.state).map(([k, v]) => [k, text(v)]), (r) => r[0]);
    this.orders.update(moment.orders, (o) => o.order_id);
    this.node.dataset.sequence = moment.sequence ?? "";
  }
}

class Log {
  constructor() {
    this.lines = [];
    this.node = h("pre", { class: "log", role: "log", tabindex: "0", "aria-label": "Log of the engine and its strategies" });
  }

  add(lines) { this.lines = [...this.lines, ...lines].slice(-MAX_LOG); this.dirty = true; }

  draw() {
    if (!this.dirty) return;
    this.dirty = false;
    const isAtEnd = this.node.scrollTop + this.node.clientHeight >= this.node.scrollHeight - 8;
    this.node.replaceChildren(...this.lines.map((line) => {
      const [who, text] = line.split("\t");
      const tone = / (level=)?(WARNING|ERROR) /.test(text) ? "loud" : "";
      const short = text.replace(/^\d{4}-\d\d-\d\dT/, "").replace(/^([\d:.]+)Z? level=(\w+) event=/, (_, at, level) => `${at} ${level === "INFO" ? "" : `${level} `}`)
        .replace(/ (INFO|WARNING|ERROR) livekit\.[\w.]+/, (_, level) => level === "INFO" ? "" : ` ${level}`);
      return h("div", { class: tone }, h("b", {}, who.padEnd(10)), ` ${short}`);
    }));
    if (isAtEnd) this.node.scrollTop = this.node.scrollHeight;
  }
}

// The desk: the head with its buttons, the panels, and what they share.

class Desk {
  constructor(model, el) {
    this.model = model;
    this.ticks = [];
    this.reports = [];
    this.greeting = null;
    this.market = null;
    this.account = null;
    this.heard = 0;
    this.frames = 0;
    this.pnl = {};
    this.roads = new Roads(model, (text, tone) => this.say(text, tone));
    this.root = h("div", { class: "lk-desk", role: "region", "data-lm-suppress-shortcuts": "true", "aria-label": `livekit engine ${model.get("engine")}` });
    this.root.append(h("style", {}, model.get("palette")), this.head());
    this.grid = h("div", { class: "grid" });
    this.root.append(this.grid);
    el.append(this.root);
    this.panels = {};
    const make = { price: Price, ladder: Ladder, tape: Tape, positions: Positions, strategies: Strategies,
      orders: Orders, params: Params, latency: Latency, history: History, log: Log };
    for (const part of model.get("parts")) {
      if (!(part in make)) continue;
      const panel = this.panels[part] = new make[part](this);
      const title = h("h3", { id: unique("title") }, PARTS[part]);
      this.grid.append(h("section", { class: `panel ${part}`, "aria-labelledby": title.id },
        h("header", {}, title, ...(panel.tools || [])), panel.node));
    }
    this.grid.hidden = !Object.keys(this.panels).length;
    this.theme();
  }

  head() {
    const field = (name) => this[name] = h("output", { "aria-label": name });
    const metric = (name, text) => h("div", { class: "metric" }, h("span", {}, text), field(name));
    this.venue = h("span", { class: "venue" });
    this.badge = h("span", { class: "badge", role: "status" }, "…");
    this.stale = h("div", { class: "stale", role: "alert", hidden: true });
    this.note = h("div", { class: "said", role: "status", "aria-live": "polite" });
    this.road = h("span", { class: "road" });
    const isRisk = this.model.get("parts").includes("risk");
    const button = (name, label, title, act) => this[name] = h("button", { type: "button", class: name, title, onclick: act }, label);
    this.buttons = h("div", { class: "risk", role: "group", "aria-label": "Risk", hidden: !isRisk },
      button("pause", "Pause", "Refuse new orders; what rests stays", () => this.act(this.isActive ? "pause" : "resume")),
      button("reduce", "Reduce", "Take only orders that reduce a position", () => this.act("reduce")),
      button("flatten", "Flatten", "Cancel every order and close every position: click twice", () => this.arm()),
      button("halt", "HALT", "Kill switch: cancel every order, refuse all new ones until the engine is started again", () => this.act("kill")));
    return h("div", { class: "head" },
      h("div", { class: "line" }, h("strong", { class: "name" }, this.model.get("engine")), this.venue, this.badge,
        metric("equity", "equity"), metric("profit_", "net PnL"), metric("exposure", "gross"), metric("open", "open orders"),
        metric("rate", "events/s"), metric("at", "event time"), metric("progress", "replayed"), this.buttons),
      h("div", { class: "line under" }, this.road, this.note), this.stale);
  }

  act(verb) {
    const words = { kill: "Halt", pause: "Pause", resume: "Resume", reduce: "Reduce", flatten: "Flatten" }[verb];
    return this.roads.command(verb, {}, words);
  }

  arm() {
    clearTimeout(this.armed);
    if (this.flatten.dataset.armed) { delete this.flatten.dataset.armed; put(this.flatten, "Flatten"); this.act("flatten"); return; }
    this.flatten.dataset.armed = "yes";
    put(this.flatten, "Sure? Flatten");
    this.armed = setTimeout(() => { delete this.flatten.dataset.armed; put(this.flatten, "Flatten"); }, 4000);
  }

  undo(name) { this.model.send({ kind: "undo", id: ++this.roads.count, name }); }
  choose(symbol) { this.model.send({ kind: "symbol", symbol }); }
  say(text, tone) { put(this.note, text); this.note.dataset.tone = tone; }
  steps() { return (this.greeting && this.greeting.symbols.find((s) => s.symbol === this.symbol)) || { tick: 0.01, lot: 1 }; }
  profit(name) { return this.pnl[name] ?? 0; }

  theme() {
    const light = document.body.dataset.jpThemeLight;
    const isDark = light ? light === "false" : window.matchMedia("(prefers-color-scheme: dark)").matches;
    this.root.classList.toggle("dark", isDark);
    const style = getComputedStyle(this.root);
    this.color = (name) => style.getPropertyValue(`--lk-${name}`).trim();
    if (this.panels.price) { this.panels.price.theme(this.color); if (this.account) this.panels.price.orders(this.account.orders); }
    this.slow = 0;
    this.wake();
  }

  // What comes in.

  async greet(greeting) {
    if (greeting.is_again && this.greeting) return;
    this.heard = performance.now();
    this.greeting = greeting;
    this.symbol = greeting.symbol;
    this.ticks = greeting.ticks;
    this.reports = greeting.reports;
    const { price, tape, orders, log } = this.panels;
    if (price) price.greet(greeting);
    if (tape) { tape.prints = []; tape.add(greeting.prints); }
    if (orders) orders.dirty = true;
    if (log) { log.lines = []; log.add(greeting.logs); }
    this.rates = [];
    const { source, speed, env, venue } = greeting.source;
    put(this.venue, `${source === "replay" ? `replay ×${speed}` : `${source} ${env}`} · ${venue}`);
    this.venue.dataset.venue = venue;
    if (this.buttons.hidden && !this.panels.orders && !this.panels.params) return;
    const isDirect = await this.roads.open(greeting.door);
    put(this.road, isDirect ? "commands go to the engine directly" : "the engine is out of this browser's reach: commands go through the kernel");
    this.road.dataset.road = isDirect ? "direct" : "kernel";
  }

  frame(frame) {
    this.heard = performance.now();
    if (!this.greeting) return;
    this.frames += 1;
    this.root.dataset.frames = this.frames;
    const { ladder, tape, positions, strategies, orders, params, latency, history, log, price } = this.panels;
    if (frame.status) this.status = frame.status;
    if (frame.market && frame.market.symbol === this.symbol) this.market = frame.market;
    if (frame.account) this.take(frame.account);
    if (frame.market && known(frame.market.bid)) this.tick();
    if (frame.prints && tape) tape.add(frame.prints);
    if (frame.reports) {
      this.reports = [...this.reports, ...frame.reports].slice(-MAX_REPORTS);
      if (orders) orders.dirty = true;
      if (price && frame.reports.some((r) => r.last_quantity > 0)) price.marked = true;
    }
    if (frame.latency) { if (strategies) strategies.known = frame.latency.strategies; if (latency) latency.update(frame.latency); }
    if (frame.strategies) {
      if (strategies) strategies.update(frame.strategies);
      if (history) history.strategies(frame.strategies.map((s) => s.name));
    }
    if (frame.params && params) params.update(frame.params);
    if (frame.history && history) history.grow();
    if (frame.logs && log) log.add(frame.logs);
    if (price) price.draw();  // the chart draws by itself in the next animation frame, which is ours, too
    if (ladder && this.market) this.isLadder = true;
    if (positions && frame.account) positions.update(frame.account);
  }

  take(account) {
    this.account = account;
    this.pnl = {};
    for (const row of account.positions) this.pnl[row.strategy] = (this.pnl[row.strategy] || 0) + (row.net_pnl || 0);
    if (this.panels.orders) { this.panels.orders.open = account.orders; this.panels.orders.dirty = true; }
    if (this.panels.price) this.panels.price.orders(account.orders);
  }

  tick() {
    const ms = (this.status ? this.status.now : this.market.time) / 1e6;
    const tick = [ms, this.market.bid, this.market.ask, this.account ? this.account.head.equity : null];
    const last = this.ticks[this.ticks.length - 1];
    if (last && ms < last[0]) return;
    this.ticks.push(tick);
    if (this.ticks.length > MAX_TICKS) this.ticks.splice(0, MAX_TICKS / 4);
    if (this.panels.price) this.panels.price.tick(tick);
  }

  // What is drawn.

  wake() {
    if (this.isAwake) return;
    this.isAwake = true;
    requestAnimationFrame((now) => { this.isAwake = false; if (!this.isGone) this.draw(now); });
  }

  draw(now) {
    this.freshness();
    const { ladder, tape, positions, orders, log, price } = this.panels;
    if (price && price.marked) price.draw();
    if (tape) tape.draw();
    if (orders) orders.draw();
    if (log) log.draw();
    if (ladder && this.isLadder) {
      this.isLadder = false;
      const age = this.market.time && this.status ? Math.max(0, (this.status.now - this.market.time) / 1e6) : null;
      ladder.update(this.market, this.account && this.account.orders, age);
    }
    if (positions && !(now - this.slow < 1000)) { this.slow = now; positions.draw(this.color); }
    this.header();
  }

  header() {
    const status = this.status;
    if (!status) return;
    const trading = (this.account && this.account.head.trading) || status.trading;
    const doing = status.state === "running" ? trading : `${status.state.toUpperCase()} · ${trading}`;
    const isFlattening = this.account && this.account.head.is_flattening;
    put(this.badge, isFlattening ? "FLATTENING" : doing);
    this.badge.dataset.trading = status.state === "gone" ? "GONE" : trading;
    this.isActive = trading === "ACTIVE";
    put(this.pause, this.isActive ? "Pause" : "Resume");
    this.pause.disabled = this.reduce.disabled = this.flatten.disabled = trading === "HALTED" || status.state === "gone";
    this.halt.disabled = trading === "HALTED" || status.state === "gone";
    this.reduce.setAttribute("aria-pressed", trading === "REDUCING");
    put(this.at, clock(status.now / 1e6));
    put(this.progress, known(status.progress) ? `${(100 * status.progress).toFixed(1)} %` : "live");
    this.rates.push([performance.now(), status.events_in]);
    while (this.rates.length > 2 && this.rates[this.rates.length - 1][0] - this.rates[0][0] > 2000) this.rates.shift();
    const [first, last] = [this.rates[0], this.rates[this.rates.length - 1]];
    if (last[0] - first[0] > 500) put(this.rate, number(1000 * (last[1] - first[1]) / (last[0] - first[0]), 0));
    if (!this.account) return;
    const head = this.account.head;
    put(this.equity, number(head.equity));
    put(this.profit_, signed(head.net_pnl));
    this.profit_.dataset.tone = sign(head.net_pnl);
    put(this.exposure, number(head.gross_exposure));
    put(this.open, plain(head.n_open));
  }

  freshness() {
    const silent = performance.now() - this.heard;
    let words = "";
    if (!this.heard) words = "waiting for the kernel: run the cell again after a restart";
    else if (!this.greeting && performance.now() - this.born > 2 * STALE_MS) words = "this view cannot reach its kernel: reload the page, or run the cell again";
    else if (silent > STALE_MS) words = `no frame for ${span(silent)}: what you see is old (the kernel is gone or very busy)`;
    else if (this.status && this.status.state === "gone") words = `engine ${this.status.engine} is gone: what you see is what it left; start it with lk.engine("start") or livekit engine start`;
    else if (this.status && this.status.heartbeat_ms > STALE_MS) words = `the engine has been silent for ${span(this.status.heartbeat_ms)}: what you see is old`;
    if (words && !this.heard && performance.now() - this.born < STALE_MS) words = "";
    put(this.stale, words);
    this.stale.hidden = !words;
    this.root.classList.toggle("old", Boolean(words));
  }
}

function render({ model, el }) {
  const desk = new Desk(model, el);
  desk.born = performance.now();
  const hear = (message) => {
    if (message.kind === "frame") desk.frame(message);
    else if (message.kind === "greeting") desk.greet(message);
    else if (message.kind === "moment" && desk.panels.history) desk.panels.history.update(message);
    else if (message.kind === "answer") desk.roads.answered(message);
    else if (message.kind === "said") desk.say(message.text, message.tone);
    desk.wake();
  };
  model.on("msg:custom", hear);
  model.send({ kind: "ready" });
  const live = () => model.send({ kind: desk.greeting ? "alive" : "ready" });
  const alive = setInterval(live, 2000);
  document.addEventListener("visibilitychange", live);
  // Without messages, or without a visible page, nothing is drawn, but the staleness must not lie.
  const fresh = setInterval(() => desk.freshness(), 500);
  const watch = new MutationObserver(() => desk.theme());
  watch.observe(document.body, { attributes: true, attributeFilter: ["data-jp-theme-light", "data-jp-theme-name", "class"] });
  return () => {
    desk.isGone = true;
    clearInterval(alive); clearInterval(fresh); watch.disconnect();
    document.removeEventListener("visibilitychange", live);
    model.off("msg:custom", hear);
    if (desk.panels.price) desk.panels.price.remove();
  };
}

export default { render };
