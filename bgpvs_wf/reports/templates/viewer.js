(() => {
  const one = (selector) => document.querySelector(selector);
  const all = (selector) => [...document.querySelectorAll(selector)];
  const data = JSON.parse(one("#data").textContent);
  const START = { azimuth: 200, elevation: 15, zoom: 1.5 };
  const PLAIN = { dragAndDropEnabled: false, scrollRequiresFocus: true, logLevel: "silent", loadingText: "",
    clipPlaneHotKey: "", cycleClipPlaneHotKey: "", viewModeHotKey: "", crosshairColor: [1, 1, 1, 1],
    crosshairWidthUnit: "mm", isOrientationTextVisible: false };
  // Light comes from the eye, so that colours are those of the bar; rims of what is clear are not.
  const LIGHT = `#version 300 es
precision highp float;
uniform float opacity;
in vec4 vClr;
in vec3 vN;
out vec4 color;
void main() {
  float facing = abs(normalize(vN).z);
  float alpha = opacity < 1.0 ? clamp(opacity * (1.9 - 1.5 * facing), 0.0, 1.0) : 1.0;
  color = vec4(vClr.rgb * (0.35 + 0.65 * facing), alpha);
}`;

  const fail = (why) => {
    one("#why").textContent = `The surfaces cannot be drawn: ${why}`;
    one("#fallback").hidden = false;
    one("#viewer").hidden = true;
  };

  async function addImages(nv) {
    for (const [name, base64] of data.images) {
      nv.addVolume(await window.niivue.NVImage.loadFromBase64({
        base64, name: `${name}.nii.gz`, cal_min: 0, cal_max: 255, colormap: "gray" }));
    }
  }

  async function addMesh(nv, base64, name, colour) {
    const bytes = Uint8Array.from(atob(base64), (one) => one.charCodeAt(0)).buffer;
    const mesh = await window.niivue.NVMesh.readMesh(bytes, `${name}.mz3`, nv.gl, 1, new Uint8Array(colour));
    nv.addMesh(mesh);
    nv.setMeshShader(mesh.id, "Light");
    return mesh;
  }

  async function start() {
    const { Niivue, SLICE_TYPE, SHOW_RENDER } = window.niivue;
    const solid = new Niivue({ ...PLAIN, sliceType: SLICE_TYPE.RENDER, backColor: [0.05, 0.06, 0.08, 1],
      show3Dcrosshair: true, crosshairWidth: 0.15 });
    const flat = new Niivue({ ...PLAIN, sliceType: SLICE_TYPE.MULTIPLANAR, isSliceMM: true,
      multiplanarShowRender: SHOW_RENDER.NEVER, isRadiologicalConvention: true, sagittalNoseLeft: true,
      crosshairWidth: 0.25, crosshairGap: 3, multiplanarPadPixels: 4, meshThicknessOn2D: 0 });
    await solid.attachToCanvas(one("#solid"), true);
    await flat.attachToCanvas(one("#slices"), true);
    solid.setCustomMeshShader(LIGHT, "Light");
    await addImages(solid);
    await addImages(flat);
    const nuclei = [];
    for (const { mesh, name, colour } of data.nuclei) nuclei.push(await addMesh(solid, mesh, name, colour));
    // After what is clear, which hides nothing: nuclei do not tinge the colours of PVS inside.
    const pvs = data.pvs ? await addMesh(solid, data.pvs, "PVS", [255, 255, 255, 255]) : null;
    // Negative: planes through the cross instead of a volume.
    await solid.setVolumeRenderIllumination(-1);
    return { solid, flat, pvs, nuclei };
  }

  function wire({ solid, flat, pvs, nuclei }) {
    const { MULTIPLANAR_TYPE } = window.niivue, narrow = window.matchMedia("(max-width: 720px)");
    const opacity = one("#opacity");
    const pressed = (selector) => one(selector)?.getAttribute("aria-pressed") === "true";
    const shownImage = () => `${one("[data-image][aria-pressed=true]")?.dataset.image}.nii.gz`;
    const overlay = sliceOverlay(flat, one("#cuts"), data.mark);

    function drawOver() {
      const meshes = nuclei.map((mesh) => ({ mesh, halo: false }));
      if (pvs) meshes.push({ mesh: pvs, halo: true });
      overlay(meshes.filter(({ mesh }) => mesh.visible));
      const sign = (mm) => mm.toFixed(1).replace("-", "−");
      const [x, y, z] = flat.frac2mm(flat.scene.crosshairPos, 0, true);
      one("#place").textContent = `x ${sign(x)}, y ${sign(y)}, z ${sign(z)} mm`;
    }

    function drawCompass() {
      const { renderAzimuth, renderElevation } = solid.scene;
      const [mvp] = solid.calculateMvpMatrix(null, [0, 0, 100, 100], renderAzimuth, renderElevation);
      const names = [["R" + data.mark, "L" + data.mark], ["A", "P"], ["S", "I"]];
      const long = Math.hypot(mvp[0], mvp[4], mvp[8]);
      one(".compass").innerHTML = names.flatMap((pair, axis) => pair.map((name, end) => {
        const [u, v] = [mvp[4 * axis], -mvp[4 * axis + 1]].map((part) => (end ? -part : part) / long);
        const text = Math.hypot(u, v) < 0.35 ? "" : `<text x="${40 * u}" y="${40 * v}">${name}</text>`;
        return `<line x2="${28 * u}" y2="${28 * v}"/>${text}`;
      })).join("");
    }

    // NiiVue draws whenever it likes: what lies over its slices has to follow.
    const drawSlices = flat.drawScene.bind(flat);
    flat.drawScene = () => {
      // Hidden, they have no room; once they are seen, they are drawn again.
      if (!flat.canvas.offsetWidth || flat.canvas.width < 9) return "";
      const told = drawSlices();
      drawOver();
      return told;
    };
    const drawPlanes = solid.drawImage3D.bind(solid);
    solid.drawImage3D = (...how) => { if (pressed("[data-show=planes]")) drawPlanes(...how); };

    function draw() {
      solid.drawScene();
      flat.drawScene();
      drawCompass();
    }

    function show() {
      if (pvs) pvs.visible = pressed("[data-show=pvs]");
      nuclei.forEach((mesh, index) => {
        mesh.visible = pressed("[data-show=nuclei]") && pressed(`[data-nucleus="${index}"]`);
        mesh.opacity = Number(opacity.value);
      });
      for (const nv of [solid, flat]) {
        for (const image of nv.volumes) image.opacity = image.name === shownImage() ? 1 : 0;
        // Behind the first, images are drawn as blocks and not in planes.
        const shown = nv.volumes.findIndex((image) => image.opacity > 0);
        if (shown > 0) nv.setVolume(nv.volumes[shown], 0);
        else nv.updateGLVolume();
      }
      one(".scene").classList.toggle("alone", !pressed("[data-show=slices]"));
      flat.opts.multiplanarLayout = narrow.matches ? MULTIPLANAR_TYPE.ROW : MULTIPLANAR_TYPE.COLUMN;
      // NiiVue hears of other sizes with the next frame only, which may be long in coming.
      for (const nv of [solid, flat]) if (nv.canvas.offsetWidth) nv.resizeListener();
      draw();
    }

    function mark(row) {
      for (const other of all("tr[aria-current]")) other.removeAttribute("aria-current");
      row?.setAttribute("aria-current", "true");
    }

    function visit(row) {
      mark(row);
      const mm = row?.dataset.place.split(" ").map(Number);
      for (const nv of [solid, flat]) nv.scene.crosshairPos = mm ? nv.mm2frac(mm, 0, true) : [0.5, 0.5, 0.5];
      draw();
    }

    function reset() {
      Object.assign(solid.scene, { renderAzimuth: START.azimuth, renderElevation: START.elevation });
      solid.setScale(START.zoom);
      flat.setPan2Dxyzmm([0, 0, 0, 1]);
      if (opacity) opacity.value = opacity.defaultValue;
      visit(one("tr[data-place]"));
      show();
    }

    function press(button) {
      const on = button.getAttribute("aria-pressed") !== "true";
      // There is room for one image.
      if (button.dataset.image) for (const other of all("[data-image]")) other.setAttribute("aria-pressed", "false");
      button.setAttribute("aria-pressed", on);
      show();
    }

    const follow = (from, to) => () => {
      mark(null);
      to.scene.crosshairPos = [...from.scene.crosshairPos];
      to.drawScene();
    };
    solid.onLocationChange = follow(solid, flat);
    flat.onLocationChange = follow(flat, solid);
    solid.onAzimuthElevationChange = drawCompass;
    for (const button of all("#viewer button[aria-pressed]")) button.addEventListener("click", () => press(button));
    one("#reset").addEventListener("click", reset);
    opacity?.addEventListener("input", show);
    document.addEventListener("keydown", (event) => {
      if (event.ctrlKey || event.metaKey || event.altKey || event.repeat) return;
      one(`[data-press="${CSS.escape(event.key.toLowerCase())}"]`)?.click();
    });
    for (const row of all("tr[data-place]")) {
      row.addEventListener("click", () => visit(row));
      row.addEventListener("keydown", (event) => event.key === "Enter" && visit(row));
    }
    narrow.addEventListener("change", show);
    reset();
    return { solid, flat };
  }

  all("tr[data-place]").forEach((row, index) => {
    const dot = Object.assign(document.createElement("span"), { className: "dot" });
    dot.style.background = data.dots[index];
    row.cells[0].prepend(dot);
  });
  if (!document.createElement("canvas").getContext("webgl2")) {
    fail("this browser has no WebGL2, or it is switched off.");
  } else if (!window.niivue) {
    fail("the script of NiiVue is not where this page expects it.");
  } else {
    one("#fallback").hidden = true;
    for (const part of all("#viewer, #rows-hint")) part.hidden = false;
    // For whoever has to wait until all is drawn.
    window.drawn = start().then(wire).catch((error) => fail(error.message));
  }
})();
