// Keys. Those that rate work where a subject is chosen: in the walk, the table and the charts.
const STEPS = { j: 1, k: -1, ArrowDown: 1, ArrowUp: -1, ArrowRight: 1, ArrowLeft: -1 };
const RATE = { 1: "keep", 2: "check", 3: "exclude", 0: "" };

const isTyping = (target) => target.matches?.("input, select, textarea");
const isPressed = (target) => Boolean(target.closest?.("a, button, summary, label"));

const typingKey = (event) => {
  if (event.target === note && event.key === "Escape") {
    event.preventDefault();
    walk.focus();
  } else if (event.target === one("words") && ["Enter", "ArrowDown"].includes(event.key)) {
    event.preventDefault();
    table.focus({ preventScroll: true });
    if (!shown.includes(current) && shown[0]) select(shown[0]);
  }
};

const openPage = (address) => {
  if (address) window.open(address, "_blank", "noopener");
};

const rowKey = (row, letter) => {
  if (letter in RATE) rateRow(row, RATE[letter]);
  else if (letter === "o") openPage(row.page);
  else if (letter === "v") openPage(row.viewer);
  else return false;
  return true;
};

const walkKey = (event, letter) => {
  const by = STEPS[letter];
  // Up and down scroll the values where they have the focus.
  const scrolls = event.target.matches("aside") && ["ArrowUp", "ArrowDown"].includes(event.key);
  if (by && !scrolls) stepWalk(by);
  else if (letter === "n") note.focus();
  else if (letter === "e") exportRatings();
  else return rowKey(walked, letter);
  return true;
};

const stepTable = (event, letter) => {
  const last = shown.length - 1, at = shown.indexOf(current);
  const page = Math.max(Math.floor(box.clientHeight / height) - 2, 1);
  const to = {
    Home: 0, End: last, PageDown: Math.min(at + page, last), PageUp: Math.max(at - page, 0),
    ...(STEPS[letter] && { [event.key]: Math.min(Math.max(at + STEPS[letter], 0), last) }),
  }[event.key];
  if (to === undefined || !shown.length) return false;
  select(shown[to]);
  return true;
};

const tableKey = (event, letter) => {
  const inTable = event.target === table, isLetter = letter === "j" || letter === "k";
  if (isLetter && !inTable) table.focus({ preventScroll: true });
  // Left and right scroll the columns.
  const steps = isLetter || (inTable && !/^Arrow(Left|Right)$/.test(event.key));
  if (steps && stepTable(event, letter)) return true;
  if (isPressed(event.target)) return false;
  const isThere = shown.includes(current), row = isThere ? current : shown[0];
  if (event.key === "Enter" && row) openWalk(row);
  else if (letter === "n" && row) {
    openWalk(row);
    note.focus();
  } else return isThere && rowKey(current, letter);
  return true;
};

const pageKey = (event, letter) => {
  if (letter === "/") one("words").focus();
  else if (letter === "e") exportRatings();
  else if (event.key === "Escape" && one("chooser").open) one("chooser").open = false;
  else return tableKey(event, letter);
  return true;
};

const takeKey = (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey) return;
  if (isTyping(event.target)) {
    typingKey(event);
    return;
  }
  const letter = event.key.length === 1 ? event.key.toLowerCase() : event.key;
  let taken = false;
  if (letter === "?") {
    if (one("keys").open) one("keys").close();
    else one("keys").showModal();
    taken = true;
  } else if (one("keys").open || one("sure").open) return;
  else taken = walk.open ? walkKey(event, letter) : pageKey(event, letter);
  if (taken) event.preventDefault();
};
