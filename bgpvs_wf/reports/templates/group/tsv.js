// Ratings as a BIDS table: tabs, a line each, n/a for what is missing.
const HEADS = ["participant_id", "session_id", "rating", "note", "rated"];

const cell = (text) => text.replace(/[\t\r\n]+/g, " ").trim() || MISSING;

const namesOf = (label) => {
  const found = label.match(/^(sub-[^_]+)(?:_(ses-[^_]+))?$/);
  return found ? [found[1], found[2] ?? ""] : [label, ""];
};

const toTsv = (entries) => {
  const lines = entries.map(({ label, rating, note, rated }) =>
    [...namesOf(label), rating, note, rated].map(cell).join("\t"));
  return [HEADS.join("\t"), ...lines].join("\n") + "\n";
};

// Entries of a table, or null if it is none of ratings.
const fromTsv = (text) => {
  const lines = text.replace(/^\ufeff/, "").split(/\r?\n/).filter((line) => line.trim());
  const heads = (lines.shift() ?? "").split("\t").map((head) => head.trim());
  if (!heads.includes("participant_id") || !heads.includes("rating")) return null;
  return lines.map((line) => {
    const cells = line.split("\t");
    const entry = {};
    heads.forEach((head, at) => {
      const value = (cells[at] ?? "").trim();
      entry[head] = value === MISSING ? "" : value;
    });
    const { participant_id, session_id = "", rating, note = "", rated = "" } = entry;
    const session = session_id && !session_id.startsWith("ses-") ? `ses-${session_id}` : session_id;
    return { label: [participant_id, session].filter(Boolean).join("_"), rating, note, rated };
  });
};
