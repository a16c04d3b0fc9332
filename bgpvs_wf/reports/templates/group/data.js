// What the page was given, and how its numbers are told.
const one = (id) => document.getElementById(id);
const given = (id) => JSON.parse(one(id).textContent);
const { columns, rows, key, term_weeks, weeks_per_month } = given("data");
const thumbnails = given("thumbnails");
rows.forEach((row, at) => { row.at = at; });

const MISSING = "n/a";
const AGE = { label: "Age", unit: "weeks", meaning: "Post-menstrual age.", section: "results" };
// A measure is "age" or the place of a column.
const measureOf = (id) => (id === "age" ? AGE : columns[id]);
const valueOf = (row, id) => (id === "age" ? row.age : row.values[id]);
const isNumber = (value) => value !== null && value !== undefined;
const valuesOf = (id) => rows.map((row) => valueOf(row, id)).filter(isNumber);
const byNumber = (a, b) => a - b;

// Made when first asked for: most columns are never looked at.
const remember = (make) => {
  const known = new Map();
  return (id) => {
    if (!known.has(id)) known.set(id, make(id));
    return known.get(id);
  };
};

const median = (values) => {
  const sorted = [...values].sort(byNumber), half = sorted.length >> 1;
  return sorted.length % 2 ? sorted[half] : (sorted[half - 1] + sorted[half]) / 2;
};

// Median and robust SD; of quality only, as results change with age.
const spreadOf = remember((id) => {
  const values = valuesOf(id);
  if (measureOf(id).section !== "quality" || values.length < 5) return null;
  const middle = median(values);
  const sd = 1.4826 * median(values.map((value) => Math.abs(value - middle)));
  return { middle, sd, low: middle - 3 * sd, high: middle + 3 * sd };
});

// As many as tell the values apart: three digits of the large ones, two of how they differ.
const decimalsOf = remember((id) => {
  const values = valuesOf(id);
  if (values.every(Number.isInteger)) return 0;
  const sizes = values.map(Math.abs).sort(byNumber), middle = median(values);
  const apart = median(values.map((value) => Math.abs(value - middle)));
  const digits = (size, many) => (size > 0 ? many - 1 - Math.floor(Math.log10(size)) : 0);
  const wanted = Math.max(digits(sizes[Math.floor(sizes.length * 0.9)], 3), digits(apart, 2));
  return Math.min(Math.max(wanted, 0), 7);
});

const fixed = (value, decimals) => {
  const [whole, part] = Math.abs(value).toFixed(decimals).split(".");
  // Thousands apart, as elsewhere.
  const apart = whole.length > 4 ? whole.replace(/\B(?=(\d{3})+$)/g, "\u202f") : whole;
  const text = part ? `${apart}.${part}` : apart;
  return value < 0 && Number(text.replace("\u202f", "")) !== 0 ? `−${text}` : text;
};

const told = (value, id) => {
  if (!isNumber(value)) return MISSING;
  const decimals = decimalsOf(id);
  // What is small beside the others is not none.
  if (value && Math.abs(value) < 0.5 * 10 ** -decimals) return value.toPrecision(2);
  return fixed(value, decimals);
};

const withUnit = (id) => {
  const { label, unit } = measureOf(id);
  return unit ? `${label}, ${unit}` : label;
};

const months = (weeks) => fixed((weeks - term_weeks) / weeks_per_month, 1);
const ageText = (weeks) => (isNumber(weeks)
  ? `${fixed(weeks, 1)} weeks post-menstrual (${months(weeks)} months after term)`
  : "age not known");

// Why a value is marked: a reason names it, or it lies apart; empty if it is not.
const doubtOf = (row, id) => {
  if (row.reasons.some((reason) => reason.column === id)) return "named";
  const spread = spreadOf(id), value = valueOf(row, id);
  if (!spread || !spread.sd || !isNumber(value)) return "";
  return value < spread.low || value > spread.high ? "outlying" : "";
};

const make = (tag, attributes = {}, ...children) => {
  const element = tag.includes(":")
    ? document.createElementNS("http://www.w3.org/2000/svg", tag.slice(4))
    : document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (value !== false && isNumber(value)) element.setAttribute(name, value);
  }
  element.append(...children);
  return element;
};
const symbol = (of) => make("i", { class: `symbol is-${of}`, "aria-hidden": "true" });
