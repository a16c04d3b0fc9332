// The table. Only rows near the view are drawn, so that a thousand scroll as ten do.
const box = one("box"), table = one("table");
const head = table.tHead, body = table.tBodies[0];
const EXTRA = 6;
const WIDTHS = { label: 13.5, age: 5.2, advice: 4.8, reasons: 17, rating: 7 };
const visible = new Set(columns.flatMap((column, at) => (column.shown ? [at] : [])));
let current = null;
let height = 72;
let drawn = [];
const cells = new Map();

const fields = () => [...Object.keys(WIDTHS), ...columns.keys()].filter(
  (field) => field in WIDTHS || visible.has(field));
const NAMES = { label: "Subject", advice: "Advice", reasons: "Reasons", rating: "Rating" };
// Wide enough for the longest word of the heading, and for it in three lines.
const widthOf = (field) => {
  if (field in WIDTHS) return WIDTHS[field];
  const { label } = columns[field], longest = Math.max(...label.split(/\s+/).map((w) => w.length));
  return Math.min(Math.max(longest * 0.58, label.length * 0.24, 4) + 1.4, 9);
};

const headOf = (field) => {
  const measure = field in NAMES ? null : measureOf(field);
  const button = make("button", { type: "button" }, NAMES[field] ?? measure.label);
  if (measure?.unit) button.append(" ", make("small", {}, measure.unit));
  button.addEventListener("click", () => {
    sortBy(field);
    update({ top: true });
  });
  return make("th", {
    scope: "col", class: measure && "number", title: measure?.meaning,
    "data-field": field,
  }, button);
};

const drawHead = () => {
  const all = fields(), widths = all.map(widthOf);
  table.querySelector("colgroup").replaceChildren(...widths.map((width) => {
    const column = make("col");
    column.style.width = `${width}rem`;
    return column;
  }));
  table.style.width = `${widths.reduce((a, b) => a + b)}rem`;
  head.replaceChildren(make("tr", { "aria-rowindex": 1 }, ...all.map(headOf)));
};

const picture = (row) => make("img", {
  src: `data:image/jpeg;base64,${thumbnails[row.at]}`, alt: "", width: 76, height: 60,
});

const subjectCell = (row) => {
  const open = make("button", { type: "button", class: "thumb", tabindex: -1, "data-open": "" },
    thumbnails[row.at] ? picture(row) : make("span", { class: "blank" }, "no picture"));
  open.setAttribute("aria-label", `Show ${row.label} large`);
  const links = [["page", row.page], ["3D", row.viewer]].filter(([, address]) => address);
  const [subject, session] = namesOf(row.label);
  const name = make("span", { class: "name", title: row.label }, make("b", {}, subject));
  if (session) name.append(make("span", {}, session));
  name.append(make("span", { class: "addresses" }, ...links.flatMap(([text, href]) => [
    make("a", { href, tabindex: -1, "aria-label": `${text} of ${row.label}` }, text), " ",
  ])));
  return make("th", { scope: "row" }, make("div", {}, open, name));
};

const reasonsCell = (row) => {
  const sentences = row.reasons.map((reason) => reason.sentence);
  return make("td", { class: "words", title: sentences.join("\n") },
    make("div", {}, sentences.join(" ")));
};

const ratingCell = (row) => {
  const { rating, note } = ratingOf(row);
  const content = rating ? [symbol(rating), rating] : [make("span", { class: "quiet" }, "–")];
  if (note) content.push(make("small", { title: note }, note));
  return make("td", { class: "rating" }, make("div", {}, ...content));
};

const numberCell = (row, id) => {
  const doubt = doubtOf(row, id), text = told(valueOf(row, id), id);
  const title = doubt === "outlying" ? "more than 3 robust SD from the median" : null;
  return make("td", { class: `number ${doubt}`, title }, doubt === "named" ? `! ${text}` : text);
};

const CELLS = {
  label: subjectCell,
  age: (row) => make("td", { class: "number" }, ...(isNumber(row.age)
    ? [fixed(row.age, 1), make("small", {}, `${months(row.age)} mo`)] : [MISSING])),
  advice: (row) => make("td", {}, symbol(row.advice), row.advice),
  reasons: reasonsCell,
  rating: ratingCell,
};

const rowOf = (row) => {
  if (!cells.has(row)) {
    const content = fields().map((field) => (CELLS[field] ?? numberCell)(row, field));
    cells.set(row, make("tr", { id: `row-${row.at}`, "data-row": row.at }, ...content));
  }
  const element = cells.get(row);
  element.setAttribute("aria-rowindex", shown.indexOf(row) + 2);
  element.setAttribute("aria-selected", row === current);
  return element;
};

const spacer = (rowsAway) => {
  const space = make("tr", { class: "space", "aria-hidden": "true" }, make("td", { colspan: 99 }));
  space.style.height = `${rowsAway * height}px`;
  return space;
};

const drawRows = (from, to) => {
  drawn = [from, to];
  const wanted = shown.slice(from, to);
  for (const row of cells.keys()) if (!wanted.includes(row)) cells.delete(row);
  const content = wanted.map(rowOf);
  if (from) content.unshift(spacer(from));
  if (to < shown.length) content.push(spacer(shown.length - to));
  if (!shown.length) {
    content.push(make("tr", { class: "none" },
      make("td", { colspan: 99 }, "No subject is left by this filter.")));
  }
  body.replaceChildren(...content);
  table.setAttribute("aria-rowcount", shown.length + 1);
  if (current && wanted.includes(current)) {
    table.setAttribute("aria-activedescendant", `row-${current.at}`);
  } else table.removeAttribute("aria-activedescendant");
};

const drawView = () => {
  const first = Math.max(Math.floor(box.scrollTop / height) - EXTRA, 0);
  const many = Math.ceil(box.clientHeight / height) + 2 * EXTRA;
  const to = Math.min(first + many, shown.length), from = Math.max(Math.min(first, to - many), 0);
  if (from !== drawn[0] || to !== drawn[1]) drawRows(from, to);
};

const markSorted = () => {
  for (const th of head.querySelectorAll("th")) {
    const sorted = th.dataset.field === String(choice.by);
    if (sorted) th.setAttribute("aria-sort", choice.down ? "descending" : "ascending");
    else th.removeAttribute("aria-sort");
  }
};

const redraw = () => {
  drawn = [];
  drawView();
};

const drawTable = ({ heads = false, top = false } = {}) => {
  if (heads) drawHead();
  markSorted();
  cells.clear();
  if (top) box.scrollTop = 0;
  redraw();
  // Only now are the heights of a row and of the box known.
  height = body.querySelector("tr[data-row]")?.offsetHeight || height;
  redraw();
};

const scrollToRow = (row) => {
  const at = shown.indexOf(row);
  if (at < 0) return;
  const top = at * height, room = box.clientHeight - head.offsetHeight - height;
  if (top < box.scrollTop) box.scrollTop = top;
  else if (top > box.scrollTop + room) box.scrollTop = top - room;
  redraw();
};
