// Filters, the choice of columns, and ratings in and out as files.
const say = (sentence) => { one(walk.open ? "walk-said" : "said").textContent = sentence; };

function measureOptions(age = false) {
  const option = (id) => make("option", { value: id, title: measureOf(id).meaning }, withUnit(id));
  const groups = [["results", "Results"], ["quality", "Quality"]].map(([section, label]) => {
    const ids = [...columns.keys()].filter((id) => columns[id].section === section);
    return make("optgroup", { label }, ...ids.map(option));
  }).filter((group) => group.children.length);
  return age ? [option("age"), ...groups] : groups;
}

const showCounts = () => {
  const tell = (kind, of) => {
    for (const chip of document.querySelectorAll(`[data-${kind}]`)) {
      const is = (row) => of(row) === chip.dataset[kind];
      const all = rows.filter(is).length, left = shown.filter(is).length;
      chip.querySelector("b").textContent = left === all ? all : `${left}/${all}`;
    }
  };
  tell("advice", (row) => row.advice);
  tell("rating", (row) => ratingOf(row).rating);
  const sentence = `${shown.length} of ${rows.length} shown.`;
  if (one("count").textContent !== sentence) one("count").textContent = sentence;
  one("everything").hidden = !isFiltered();
};

const measure = one("measure"), low = one("low"), high = one("high");
const idOf = (value) => (value === "age" ? "age" : Number(value));

const showRanges = () => {
  one("ranges").replaceChildren(...[...choice.ranges].map(([id, [from, to]]) => {
    const ends = [isFinite(from) && `from ${from}`, isFinite(to) && `to ${to}`];
    const button = make("button", { type: "button", "aria-pressed": "true" },
      `${measureOf(id).label} ${ends.filter(Boolean).join(" ")} ✕`);
    button.setAttribute("aria-label", `Remove the range of ${measureOf(id).label}`);
    button.addEventListener("click", () => {
      choice.ranges.delete(id);
      showRange();
      update({ top: true });
    });
    return button;
  }));
};

const showRange = () => {
  const [from, to] = choice.ranges.get(idOf(measure.value)) ?? [-Infinity, Infinity];
  low.value = isFinite(from) ? from : "";
  high.value = isFinite(to) ? to : "";
  showRanges();
};

const takeRange = () => {
  const ends = [low.value === "" ? -Infinity : Number(low.value),
    high.value === "" ? Infinity : Number(high.value)];
  const id = idOf(measure.value);
  if (ends.some(isFinite)) choice.ranges.set(id, ends);
  else choice.ranges.delete(id);
  showRanges();
  update({ top: true });
};

const toggleChip = (chip) => {
  const kind = "advice" in chip.dataset ? "advice" : "rating";
  const value = chip.dataset[kind], chosen = choice[kind];
  if (!chosen.delete(value)) chosen.add(value);
  chip.setAttribute("aria-pressed", chosen.has(value));
  update({ top: true });
};

const showAll = () => {
  choice.words = one("words").value = "";
  choice.advice.clear();
  choice.rating.clear();
  choice.ranges.clear();
  for (const chip of document.querySelectorAll(".tools .chips [aria-pressed]")) {
    chip.setAttribute("aria-pressed", "false");
  }
  showRange();
  update({ top: true });
  one("words").focus();
};

const boxFor = (id) => {
  const input = make("input", { type: "checkbox" });
  input.checked = visible.has(id);
  input.addEventListener("change", () => {
    if (input.checked) visible.add(id);
    else visible.delete(id);
    update({ heads: true });
  });
  return make("label", { title: columns[id].meaning }, input, columns[id].label);
};

const fillChooser = () => {
  const setAll = (name, test) => {
    const button = make("button", { type: "button" }, name);
    button.addEventListener("click", () => {
      visible.clear();
      columns.forEach((column, id) => test(column) && visible.add(id));
      fillChooser();
      update({ heads: true });
      one("chooser").querySelector("button").focus();
    });
    return button;
  };
  const buttons = [setAll("As at first", (column) => column.shown), setAll("All", () => true),
    setAll("None", () => false)];
  const sections = [["results", "Results"], ["quality", "Quality"]].map(([section, name]) => {
    const ids = [...columns.keys()].filter((id) => columns[id].section === section);
    return make("fieldset", {}, make("legend", {}, name), ...ids.map(boxFor));
  });
  one("chooser").querySelector("div").replaceChildren(make("p", {}, ...buttons), ...sections);
};

const exportRatings = () => {
  const file = new Blob([ratingsTsv()], { type: "text/tab-separated-values" });
  const link = make("a", { href: URL.createObjectURL(file), download: "ratings.tsv" });
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 10000);
  say("Ratings exported to ratings.tsv.");
};

const importRatings = async (input) => {
  const [file] = input.files;
  if (!file) return;
  say(readRatings(await file.text()));
  input.value = "";
  update();
};

const askToClear = () => {
  one("sure-what").textContent = `${count(own.size, "subject")} rated or noted in this browser.`
    + " What came with the page stays. Export the ratings first if you may want them again.";
  one("sure").showModal();
};

const listenToTools = () => {
  one("words").addEventListener("input", (event) => {
    choice.words = event.target.value;
    update({ top: true });
  });
  for (const chip of document.querySelectorAll("[data-advice], [data-rating]")) {
    chip.addEventListener("click", () => toggleChip(chip));
  }
  measure.append(...measureOptions(true));
  measure.addEventListener("change", showRange);
  for (const end of [low, high]) end.addEventListener("input", takeRange);
  one("everything").addEventListener("click", showAll);
  one("export").addEventListener("click", exportRatings);
  one("import").addEventListener("change", (event) => importRatings(event.target));
  one("clear").addEventListener("click", askToClear);
  one("sure").addEventListener("close", () => {
    if (one("sure").returnValue !== "clear") return;
    clearOwn();
    update();
    say("Ratings cleared.");
  });
  one("help").addEventListener("click", () => one("keys").showModal());
  document.addEventListener("click", (event) => {
    if (!one("chooser").contains(event.target)) one("chooser").open = false;
  });
};
