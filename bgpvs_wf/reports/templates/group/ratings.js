// Ratings: those that came with the page, and over them those given in this browser.
const RATINGS = ["keep", "check", "exclude"];
const STORAGE = `bgpvs-wf ratings ${key}`;
let own = new Map();
let kept = true;

const readOwn = () => {
  let text = null;
  try {
    text = localStorage.getItem(STORAGE);
    localStorage.setItem(`${STORAGE} test`, "1");
    localStorage.removeItem(`${STORAGE} test`);
  } catch {
    kept = false;
    return;
  }
  try {
    own = new Map(text ? JSON.parse(text) : []);
  } catch {
    own = new Map();
  }
};

const saveOwn = () => {
  if (!kept) return;
  try {
    if (own.size) localStorage.setItem(STORAGE, JSON.stringify([...own]));
    else localStorage.removeItem(STORAGE);
  } catch {
    kept = false;
    one("unkept").hidden = false;
  }
};

const ratingOf = (row) => own.get(row.label) ?? row;
const now = () => `${new Date().toISOString().slice(0, 19)}Z`;

const rate = (row, change) => {
  const { rating, note } = ratingOf(row);
  own.set(row.label, { rating, note, ...change, rated: now() });
  saveOwn();
};

const clearOwn = () => {
  own = new Map();
  saveOwn();
};

const ratingsTsv = () => toTsv(rows.map((row) => {
  const { rating, note, rated } = ratingOf(row);
  return { label: row.label, rating, note, rated };
}));

const count = (number, what) => `${number} ${what}${number === 1 ? "" : "s"}`;

// Take over a table; what was rated later here stays. Returns what to say of it.
const readRatings = (text) => {
  const entries = fromTsv(text);
  if (!entries) return "No table of ratings: it needs the columns participant_id and rating.";
  const known = new Map(rows.map((row) => [row.label, row]));
  let read = 0, later = 0, unknown = 0;
  for (const { label, rating, note, rated } of entries) {
    const row = known.get(label);
    const empty = !rating && !note && !rated;
    if (empty && row) continue;
    if (!row || (rating && !RATINGS.includes(rating))) {
      unknown += 1;
    } else if (rated && (ratingOf(row).rated ?? "") > rated) {
      later += 1;
    } else {
      own.set(label, { rating, note, rated });
      read += 1;
    }
  }
  saveOwn();
  const parts = [`${count(read, "rating")} read.`];
  if (later) parts.push(`${count(later, "rating")} of this page kept, given later.`);
  if (unknown) parts.push(`${count(unknown, "line")} left out: no such subject or rating here.`);
  return parts.join(" ");
};
