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
  const stack = document.getElementById("stack");
  if (stack) {
    stack.hidden = false;
    const data = JSON.parse(stack.querySelector("script").textContent);
    const slider = stack.querySelector("input"), marks = all(".mark", stack);
    const show = () => {
      const index = Number(slider.value), paths = data.paths[index];
      for (const image of all("image", stack)) {
        image.setAttribute("x", -(index % data.columns) * image.dataset.width);
        image.setAttribute("y", -Math.floor(index / data.columns) * image.dataset.height);
      }
      for (const path of all("path", stack)) path.setAttribute("d", paths[path.dataset.name] ?? "");
      for (const mark of marks) {
        mark.setAttribute("visibility", mark.dataset.slice === slider.value ? "visible" : "hidden");
      }
      stack.querySelector("output").textContent = data.places[index];
    };
    const visit = (row) => {
      const [slice, across, down] = row.dataset.place.split(" ");
      slider.value = slice;
      for (const mark of marks) {
        mark.dataset.slice = slice;
        mark.setAttribute("cx", across);
        mark.setAttribute("cy", down);
      }
      show();
      stack.scrollIntoView({ block: "center" });
    };
    slider.addEventListener("input", show);
    for (const row of all("tr[data-place]")) {
      row.addEventListener("click", () => visit(row));
      row.addEventListener("keydown", (event) => event.key === "Enter" && visit(row));
    }
    show();
  }
  const order = (a, b) => {
    if (a === "" || b === "") return (a === "") - (b === "");
    return isNaN(a) || isNaN(b) ? a.localeCompare(b, "en", { numeric: true }) : a - b;
  };
  for (const table of all("table.sortable")) {
    const heads = all("thead th", table), body = table.tBodies[0];
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
