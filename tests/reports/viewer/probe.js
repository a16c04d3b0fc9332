// Runs in the page: what it shows, and what keys and clicks change.
const one = (s) => document.querySelector(s), out = {};
const press = (key) => document.dispatchEvent(new KeyboardEvent("keydown", {key}));
const tell = () => document.documentElement.setAttribute("data-result", JSON.stringify(out));
const said = () => Object.assign(out, {why: one("#why").textContent, fallback: !one("#fallback").hidden,
  viewer: !one("#viewer").hidden});
const picture = (nv) => {
  nv.drawScene();
  const gl = nv.gl, size = 4 * gl.drawingBufferWidth * gl.drawingBufferHeight;
  const pixels = new Uint8Array(size);
  gl.readPixels(0, 0, gl.drawingBufferWidth, gl.drawingBufferHeight, gl.RGBA, gl.UNSIGNED_BYTE, pixels);
  return pixels;
};
const count = (pixels, test) => {
  let found = 0;
  for (let i = 0; i < pixels.length; i += 4) found += test(pixels[i], pixels[i + 1], pixels[i + 2]);
  return found;
};
const changed = (a, b) => {
  let found = 0;
  for (let i = 0; i < a.length; i += 4) found += Math.abs(a[i] - b[i]) + Math.abs(a[i + 1] - b[i + 1]) > 8;
  return found;
};
const far = (rgb) => COLOUR.reduce((sum, part, k) => sum + Math.abs(part - rgb[k]), 0);
const pause = () => new Promise((done) => setTimeout(done, 300));
const probe = async ({solid, flat}) => {
  const start = picture(solid), slices = picture(flat);
  out.lit = count(start, (r, g, b) => r + g + b > 90);
  out.orange = count(start, (r, g, b) => r > 40 && r > 1.6 * g && r > 1.6 * b);
  out.green = count(start, (r, g, b) => g > 40 && g > 1.4 * r && g > b);
  out.grey = count(slices, (r, g, b) => r > 60 && r === g && g === b);
  out.place = one("#place").textContent;
  const {width, height} = one("#cuts"), pen = one("#cuts").getContext("2d");
  const lines = pen.getImageData(0, 0, width, height).data, at = [[], []];
  const axial = flat.screenSlices.find((tile) => tile.axCorSag === 0).leftTopWidthHeight;
  for (let y = 0; y < height; y++) for (let x = 0; x < width; x++) {
    const i = 4 * (y * width + x);
    if (lines[i + 3] > 200 && far(lines.slice(i, i + 3)) < 24 && x < axial[0] + axial[2]) { at[0].push(x + 0.5); at[1].push(y + 0.5); }
  }
  out.cut = at.map((some) => some.reduce((sum, v) => sum + v, 0) / some.length);
  out.told = flat.frac2canvasPosWithTile(flat.mm2frac([-11.5, 0.5, -2], 0, true), 0).pos;
  out.tile = axial;
  const [mvp] = solid.calculateMvpMatrix(null, [0, 0, 100, 100], solid.scene.renderAzimuth, 0);
  out.left = mvp[0] * -11.5;
  out.letters = [...document.querySelectorAll(".compass text")].map((text) => text.textContent);
  for (const key of ["p", "n", "i"]) {
    press(key); out[key] = changed(start, picture(solid));
    press(key); out[key + key] = changed(start, picture(solid));
  }
  press("1"); out.t1w = changed(slices, picture(flat));
  press("2"); out.t2w = changed(slices, picture(flat));
  press("s"); await pause(); out.alone = getComputedStyle(one(".slices")).display;
  press("s"); await pause(); out.both = getComputedStyle(one(".slices")).display;
  out.again = changed(slices, picture(flat));
  out.pure = count(picture(solid), (r, g, b) => far([r, g, b]) < 30);
  one("#opacity").value = 1; one("#opacity").dispatchEvent(new Event("input"));
  out.opaque = changed(start, picture(solid));
  // Slices that were hidden are drawn again once the browser has given them room.
  for (let tries = 0; tries < 20 && (out.moved ?? out.place) === out.place; tries++) {
    flat.scene.crosshairPos = [0.2, 0.2, 0.2]; flat.createOnLocationChange(); flat.drawScene();
    await pause();
    out.moved = one("#place").textContent;
  }
  one("tr[data-place]").dispatchEvent(new KeyboardEvent("keydown", {key: "Enter"}));
  await pause();
  out.visited = one("#place").textContent;
  press("r"); out.reset = changed(start, picture(solid));
  out.wide = document.documentElement.scrollWidth <= innerWidth;
};
