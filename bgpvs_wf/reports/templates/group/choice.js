// Which rows are shown, and in which order.
const WORST_FIRST = ["bad", "look", "good"];
const choice = {
  words: "", advice: new Set(), rating: new Set(), ranges: new Map(), by: "advice", down: false,
};
let shown = [];
const inOrder = new Intl.Collator("en", { numeric: true });

const textOf = (row) => {
  const { rating, note } = ratingOf(row);
  const sentences = row.reasons.map((reason) => reason.sentence);
  const words = [row.label, row.advice, rating || "not rated", note, ...sentences];
  return words.join("\n").toLowerCase();
};

const inRanges = (row) => [...choice.ranges].every(([id, [low, high]]) => {
  const value = valueOf(row, id);
  return isNumber(value) && value >= low && value <= high;
});

const isChosen = (row, words) =>
  (!choice.advice.size || choice.advice.has(row.advice))
  && (!choice.rating.size || choice.rating.has(ratingOf(row).rating))
  && inRanges(row)
  && (!words.length || words.every((word) => textOf(row).includes(word)));

const SORTS = {
  label: null,
  advice: (row) => WORST_FIRST.indexOf(row.advice),
  reasons: (row) => row.reasons.length,
  rating: (row) => {
    const at = RATINGS.indexOf(ratingOf(row).rating);
    return at < 0 ? null : at;
  },
};

const choose = () => {
  const words = choice.words.toLowerCase().split(/\s+/).filter(Boolean);
  const sign = choice.down ? -1 : 1;
  const value = choice.by in SORTS ? SORTS[choice.by] : (row) => valueOf(row, choice.by);
  shown = rows.filter((row) => isChosen(row, words)).map((row) => [value?.(row), row]);
  shown.sort(([a, first], [b, second]) => {
    const names = inOrder.compare(first.label, second.label);
    if (!value) return sign * names;
    // What is missing is last in both directions.
    if (!isNumber(a) || !isNumber(b)) return isNumber(b) - isNumber(a) || names;
    return sign * (a - b) || names;
  });
  shown = shown.map(([, row]) => row);
};

const isFiltered = () => Boolean(
  choice.words.trim() || choice.advice.size || choice.rating.size || choice.ranges.size);

const sortBy = (by) => {
  choice.down = choice.by === by ? !choice.down : false;
  choice.by = by;
};
