// All put together.
function select(row) {
  current = row;
  scrollToRow(row);
  charts.forEach(ringDot);
}

function redrawRow(row) {
  cells.delete(row);
  redraw();
  showCounts();
}

function update(what) {
  choose();
  drawTable(what);
  charts.forEach(fadeDots);
  showCounts();
}

readOwn();
one("unkept").hidden = kept;
fillChooser();
listenToTools();
update({ heads: true });
firstMeasures().forEach(addChart);

box.addEventListener("scroll", () => requestAnimationFrame(drawView), { passive: true });
addEventListener("resize", drawView);
body.addEventListener("click", (event) => {
  const row = rows[event.target.closest("tr[data-row]")?.dataset.row];
  if (!row || event.target.closest("a")) return;
  select(row);
  table.focus({ preventScroll: true });
  if (event.target.closest("[data-open]")) openWalk(row);
});
body.addEventListener("dblclick", () => current && openWalk(current));
document.addEventListener("keydown", takeKey);
// Paper shows all rows; another window of this browser may rate.
addEventListener("beforeprint", () => drawRows(0, shown.length));
addEventListener("afterprint", redraw);
addEventListener("storage", (event) => {
  if (event.key !== STORAGE) return;
  readOwn();
  update();
});
