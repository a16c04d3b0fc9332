(() => {
  const root = document.documentElement;
  const all = (selector, from = document) => [...from.querySelectorAll(selector)];
  const flip = (button) => {
    const pressed = button.getAttribute("aria-pressed") !== "true";
    button.setAttribute("aria-pressed", pressed);
    return pressed;
  };
  const layers = all("[data-layer]");
  for (const button of layers) {
    button.addEventListener("click", () => {
      const pressed = flip(button), name = button.dataset.layer;
      root.classList.toggle(name, name.startsWith("no-") ? !pressed : pressed);
    });
  }
  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    layers.find((button) => button.dataset.key === event.key.toLowerCase())?.click();
  });
  for (const view of all(".view")) view.addEventListener("click", () => flip(view));
  document.getElementById("contrast")?.addEventListener("input", (event) => {
    root.style.setProperty("--contrast", event.target.value);
  });
  const order = (a, b) => {
    if (a === "" || b === "") return (a === "") - (b === "");
    return isNaN(a) || isNaN(b) ? a.localeCompare(b, "en", { numeric: true }) : a - b;
  };
  for (const table of all("table.sortable")) {
    const heads = all("th", table), body = table.tBodies[0];
    heads.forEach((head, column) => head.firstElementChild.addEventListener("click", () => {
      const down = head.getAttribute("aria-sort") === "ascending";
      heads.forEach((other) => other.removeAttribute("aria-sort"));
      head.setAttribute("aria-sort", down ? "descending" : "ascending");
      const value = (row) => row.cells[column].dataset.value;
      body.append(...all("tr", body).sort((a, b) => {
        const [x, y] = [value(a), value(b)];
        return down && x !== "" && y !== "" ? order(y, x) : order(x, y);
      }));
    }));
  }
})();
