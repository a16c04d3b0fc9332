// One subject large. The order is that of the table when the walk began, so rating moves nothing.
const walk = one("walk"), note = one("note"), pictureLarge = one("walk-picture");
let trail = [];
let walked = null;

const fallBack = (row, why) => {
  if (thumbnails[row.at]) {
    pictureLarge.src = `data:image/jpeg;base64,${thumbnails[row.at]}`;
    pictureLarge.classList.add("enlarged");
    one("walk-lacks").textContent = `${why} This is the small one.`;
  } else {
    pictureLarge.hidden = true;
    one("walk-lacks").textContent = why;
  }
};

const showPicture = (row) => {
  pictureLarge.hidden = false;
  pictureLarge.classList.remove("enlarged");
  pictureLarge.alt = `${row.label}: slices with outlines`;
  one("walk-lacks").textContent = "";
  pictureLarge.onerror = () => {
    pictureLarge.onerror = null;
    fallBack(row, "The large picture is not where it was.");
  };
  if (row.figure) pictureLarge.src = row.figure;
  else fallBack(row, "There is no large picture.");
  // Fetched ahead: the next one is there at once.
  const next = trail[trail.indexOf(row) + 1];
  if (next?.figure) new Image().src = next.figure;
};

// Where a value lies in the cohort: the middle is the median, the ends are 6 robust SD off.
const placeBar = (row, id) => {
  const spread = spreadOf(id), value = valueOf(row, id);
  if (!spread?.sd || !isNumber(value)) return "";
  const off = Math.min(Math.max((value - spread.middle) / spread.sd, -6), 6);
  const bar = make("i", { class: "place", "aria-hidden": "true" }, make("b"));
  bar.firstChild.style.left = `${50 + off / 6 * 50}%`;
  return bar;
};

const valueRow = (row, id) => {
  const { label, unit, meaning } = columns[id], doubt = doubtOf(row, id);
  const value = make("td", { class: `number ${doubt}` },
    `${doubt ? "! " : ""}${told(valueOf(row, id), id)}`);
  const name = make("th", { scope: "row", title: meaning }, label, " ", make("small", {}, unit));
  const said = doubt === "named" ? "see above" : doubt;
  const why = make("td", { class: "quiet" }, placeBar(row, id), said);
  return make("tr", {}, name, value, why);
};

const showValues = (row) => {
  const sections = { results: "Results", quality: "Quality" };
  const tables = Object.entries(sections).flatMap(([section, title]) => {
    const ids = [...columns.keys()].filter((id) => columns[id].section === section);
    if (!ids.length) return [];
    const lines = ids.map((id) => valueRow(row, id));
    return [make("table", {}, make("caption", {}, title), make("tbody", {}, ...lines))];
  });
  one("walk-values").replaceChildren(...tables);
};

const showRating = (row) => {
  const { rating } = ratingOf(row);
  for (const button of walk.querySelectorAll("[data-rate]")) {
    button.setAttribute("aria-pressed", button.dataset.rate === rating);
  }
};

const showReasons = (row) => {
  const items = row.reasons.map(({ sentence }) => make("li", {}, sentence));
  const none = make("p", { class: "hint" }, "Nothing speaks against it.");
  one("walk-reasons").replaceChildren(items.length ? make("ul", {}, ...items) : none);
};

const showLinks = (row) => {
  const links = [["Its page", row.page, "O"], ["Its page in 3D", row.viewer, "V"]];
  const made = links.filter(([, href]) => href).map(([name, href, letter]) => make(
    "a", { href, target: "_blank", rel: "noopener" }, name, " ", make("kbd", {}, letter)));
  one("walk-links").replaceChildren(...made);
};

const fillWalk = (row) => {
  walked = row;
  one("walk-label").textContent = row.label;
  one("walk-facts").replaceChildren(
    make("span", { class: "advice" }, symbol(row.advice), row.advice), ageText(row.age));
  one("walk-place").textContent = `${trail.indexOf(row) + 1} of ${trail.length}`;
  one("back").disabled = row === trail[0];
  one("on").disabled = row === trail.at(-1);
  one("walk-said").textContent = "";
  note.value = ratingOf(row).note;
  walk.querySelector("aside").scrollTop = 0;
  showPicture(row);
  showRating(row);
  showReasons(row);
  showLinks(row);
  showValues(row);
};

const openWalk = (row) => {
  trail = shown.includes(row) ? [...shown] : [row, ...shown];
  if (!walk.open) walk.showModal();
  fillWalk(row);
  select(row);
  walk.focus();
};

const stepWalk = (by) => {
  const row = trail[trail.indexOf(walked) + by];
  if (!row) {
    say(by > 0 ? "This is the last one." : "This is the first one.");
    return;
  }
  fillWalk(row);
  select(row);
  // A button that is out of use at an end would hold the keys.
  if (document.activeElement?.disabled) walk.focus();
};

const rateRow = (row, rating) => {
  rate(row, { rating });
  redrawRow(row);
  if (walk.open) showRating(row);
  say(`${row.label}: ${rating || "no rating"}.`);
};

walk.tabIndex = -1;
walk.addEventListener("close", () => {
  pictureLarge.removeAttribute("src");
  table.focus({ preventScroll: true });
});
one("back").addEventListener("click", () => stepWalk(-1));
one("on").addEventListener("click", () => stepWalk(1));
one("close").addEventListener("click", () => walk.close());
for (const button of walk.querySelectorAll("[data-rate]")) {
  button.addEventListener("click", () => rateRow(walked, button.dataset.rate));
}
note.addEventListener("input", () => {
  rate(walked, { note: note.value });
  redrawRow(walked);
});
