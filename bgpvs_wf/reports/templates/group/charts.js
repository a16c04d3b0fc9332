// Distributions: results against age, quality as dots with the median and its spread.
const SIZE = { width: 400, height: 216, left: 50, right: 8, top: 8, bottom: 34 };
const SHAPES = {
  good: "M-3 0a3 3 0 1 0 6 0a3 3 0 1 0-6 0Z",
  look: "M0-4.4L4.2 3H-4.2Z",
  bad: "M-3.2-3.2H3.2V3.2H-3.2Z",
};
const NEAR = 14;
const NOTHING = { frame: [], beyond: 0, dots: [] };
const charts = [];

const text = (content, x, y, attributes = {}) => make("svg:text", { x, y, ...attributes }, content);
const line = (x1, y1, x2, y2, kind) => make("svg:line", { x1, y1, x2, y2, class: kind });

const dotText = (row, id) => {
  const { unit } = measureOf(id);
  const value = `${told(valueOf(row, id), id)}${unit ? ` ${unit}` : ""}`;
  const age = isNumber(row.age) ? ` at ${fixed(row.age, 1)} weeks` : "";
  return `${row.label}: ${value}${age}, ${row.advice}`;
};

const againstAge = (id) => {
  const dots = rows.filter((row) => isNumber(row.age) && isNumber(valueOf(row, id)));
  const ages = dots.map((row) => row.age), values = dots.map((row) => valueOf(row, id));
  const { width, height: tall, left, right, top, bottom } = SIZE;
  const across = scaleOf(Math.min(...ages), Math.max(...ages), left, width - right, 6);
  const up = scaleOf(Math.min(...values), Math.max(...values), tall - bottom, top, 4);
  const frame = across.ticks.map(([at, name]) =>
    text(name, across.place(at), tall - bottom + 14, { "text-anchor": "middle" }));
  for (const [at, name] of up.ticks) {
    frame.push(line(left, up.place(at), width - right, up.place(at), "grid"));
    frame.push(text(name, left - 6, up.place(at) + 3.5, { "text-anchor": "end" }));
  }
  const below = { "text-anchor": "middle" };
  frame.push(text("weeks post-menstrual", (left + width) / 2, tall - 4, below));
  return {
    frame, beyond: 0,
    dots: dots.map((row, at) => ({ row, x: across.place(ages[at]), y: up.place(values[at]) })),
  };
};

const alongLine = (id) => {
  const dots = rows.filter((row) => isNumber(valueOf(row, id)));
  const values = dots.map((row) => valueOf(row, id)), spread = spreadOf(id);
  const { width, height: tall, right, top, bottom } = SIZE, left = 14;
  let low = Math.min(...values), high = Math.max(...values);
  if (spread?.sd) {
    // One that is far off must not press the others together: it is drawn at the edge.
    low = Math.min(Math.max(low, spread.middle - 8 * spread.sd), spread.low);
    high = Math.max(Math.min(high, spread.middle + 8 * spread.sd), spread.high);
  }
  const across = scaleOf(low, high, left, width - right, 6), frame = [];
  if (spread) {
    const [a, b] = [spread.low, spread.high].map(across.place);
    frame.push(make("svg:rect", {
      x: a, y: top, width: Math.max(b - a, 0), height: tall - top - bottom, class: "band",
    }));
    const middle = across.place(spread.middle);
    frame.push(line(middle, top, middle, tall - bottom, "median"));
    for (const edge of [a, b]) frame.push(line(edge, top, edge, tall - bottom, "edge"));
  }
  frame.push(line(left, tall - bottom, width - right, tall - bottom, "grid"));
  for (const [at, name] of across.ticks) {
    frame.push(text(name, across.place(at), tall - bottom + 14, { "text-anchor": "middle" }));
  }
  const places = values.map(across.place);
  const room = tall - top - bottom - 8;
  const heights = besides(places, top + (tall - top - bottom) / 2, room, 5.5);
  return {
    frame, beyond: values.filter((value) => value < low || value > high).length,
    dots: dots.map((row, at) => ({ row, x: places[at], y: heights[at] })),
  };
};

const dotMark = (chart, { row, x, y }) => make("svg:path", {
  class: `dot is-${row.advice}${doubtOf(row, chart.id) ? " doubt" : ""}`, d: SHAPES[row.advice],
  transform: `translate(${x.toFixed(1)} ${y.toFixed(1)}) scale(${rows.length > 300 ? 0.85 : 1})`,
  id: `dot-${chart.at}-${row.at}`, role: "option", "data-dot": row.at,
});

const drawChart = (chart) => {
  const { id, svg } = chart;
  const overAge = measureOf(id).section === "results" && rows.some((row) => isNumber(row.age));
  const isThere = (row) => isNumber(valueOf(row, id)) && (!overAge || isNumber(row.age));
  const draw = overAge ? againstAge : alongLine;
  const { frame, dots, beyond } = rows.some(isThere) ? draw(id) : NOTHING;
  const rank = (dot) => WORST_FIRST.indexOf(dot.row.advice);
  chart.dots = dots.sort((a, b) => a.x - b.x);
  chart.marks = new Map(dots.map((dot) => [dot.row, dotMark(chart, dot)]));
  const painted = [...dots].sort((a, b) => rank(b) - rank(a));
  chart.ring = make("svg:circle", { r: 8, class: "ring", visibility: "hidden" });
  svg.replaceChildren(...frame, ...painted.map(({ row }) => chart.marks.get(row)), chart.ring);
  svg.setAttribute("aria-label",
    `${withUnit(id)}${overAge ? " against age" : ""}. The arrow keys go from dot to dot.`);
  const spread = overAge ? null : spreadOf(id), said = [];
  if (spread) {
    said.push(`median ${told(spread.middle, id)}, shaded ± 3 robust SD:`
      + ` ${told(spread.low, id)} to ${told(spread.high, id)}`);
  }
  if (beyond) said.push(`${beyond} beyond the axis, at its edge`);
  const lacking = rows.length - dots.length;
  if (lacking) said.push(`${lacking} without ${overAge ? "age or value" : "a value"}`);
  chart.rest = said.join("; ") || measureOf(id).meaning;
  fadeDots(chart);
  ringDot(chart);
};

const fadeDots = (chart) => {
  const left = new Set(shown);
  for (const [row, mark] of chart.marks) mark.classList.toggle("faint", !left.has(row));
};

const ringDot = (chart) => {
  const dot = chart.dots.find(({ row }) => row === current);
  chart.ring.setAttribute("visibility", dot ? "visible" : "hidden");
  chart.output.textContent = dot ? dotText(current, chart.id) : chart.rest;
  chart.svg.removeAttribute("aria-activedescendant");
  if (!dot) return;
  chart.ring.setAttribute("cx", dot.x);
  chart.ring.setAttribute("cy", dot.y);
  const mark = chart.marks.get(current);
  mark.setAttribute("aria-label", dotText(current, chart.id));
  chart.svg.setAttribute("aria-activedescendant", mark.id);
};

// The nearest dot that the filter left, if one is near.
const dotAt = (chart, event) => {
  const { x, y } = new DOMPoint(event.clientX, event.clientY)
    .matrixTransform(chart.svg.getScreenCTM().inverse());
  const left = new Set(shown);
  let best = null, nearest = NEAR;
  for (const dot of chart.dots) {
    const away = Math.hypot(dot.x - x, dot.y - y);
    if (away < nearest && left.has(dot.row)) [best, nearest] = [dot, away];
  }
  return best?.row ?? null;
};

const walkDots = (chart, by) => {
  const left = new Set(shown), dots = chart.dots.filter(({ row }) => left.has(row));
  const at = dots.findIndex(({ row }) => row === current);
  const next = at < 0 ? dots[0] : dots[Math.min(Math.max(at + by, 0), dots.length - 1)];
  if (next) select(next.row);
};

const listenToChart = (chart) => {
  const { svg } = chart;
  svg.addEventListener("click", (event) => {
    const row = dotAt(chart, event);
    if (row) select(row);
  });
  svg.addEventListener("dblclick", () => current && openWalk(current));
  svg.addEventListener("pointermove", (event) => {
    const row = dotAt(chart, event);
    svg.classList.toggle("over", Boolean(row));
    chart.output.textContent = row ? dotText(row, chart.id) : chart.rest;
  });
  svg.addEventListener("pointerleave", () => ringDot(chart));
  svg.addEventListener("focus", () => {
    if (svg.matches(":focus-visible") && !current) walkDots(chart, 0);
  });
  svg.addEventListener("keydown", (event) => {
    const by = { ArrowRight: 1, ArrowUp: 1, ArrowLeft: -1, ArrowDown: -1 }[event.key];
    if (!by) return;
    event.preventDefault();
    event.stopPropagation();
    walkDots(chart, by);
  });
};

const addChart = (id) => {
  const { width, height: tall } = SIZE;
  const picker = make("select", { "aria-label": "Measure of the chart" });
  const svg = make("svg:svg", { viewBox: `0 0 ${width} ${tall}`, role: "listbox", tabindex: 0 });
  const chart = { id, at: charts.length, svg, output: make("output", { class: "hint" }) };
  picker.append(...measureOptions());
  picker.value = id;
  picker.addEventListener("change", () => {
    chart.id = Number(picker.value);
    drawChart(chart);
  });
  listenToChart(chart);
  charts.push(chart);
  one("charts").append(make("figure", { class: "chart" }, picker, svg, chart.output));
  drawChart(chart);
};

const firstMeasures = () => {
  const there = [...columns.keys()].filter((id) => valuesOf(id).length);
  const of = (section) => there.filter((id) => columns[id].section === section);
  const wanted = [...of("results").slice(0, 2), ...of("quality").filter((id) => columns[id].shown)];
  return [...new Set([...wanted, ...there])].slice(0, 3);
};
