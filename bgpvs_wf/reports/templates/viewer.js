(() => {
  const one = (selector) => document.querySelector(selector);
  const all = (selector, from = document) => [...from.querySelectorAll(selector)];
  const data = JSON.parse(one("#data").textContent);
  const fail = (why) => {
    one("#why").textContent = why;
    one("#fallback").hidden = false;
    one("#viewer").hidden = true;
  };
  const START = { azimuth: 205, elevation: 18, zoom: 1.15 };
  const FRESH = { dragAndDropEnabled: false, scrollRequiresFocus: true, logLevel: "silent",
    loadingText: "", clipPlaneHotKey: "", cycleClipPlaneHotKey: "", viewModeHotKey: "",
    crosshairColor: [1, 1, 1, 0.6], isOrientationTextVisible: false, isOrientCube: false };
  const bytes = (text) => Uint8Array.from(atob(text), (c) => c.charCodeAt(0)).buffer;

  async function load(nv, shader) {
    const { NVImage, NVMesh } = window.niivue;
    for (const [name, base64] of Object.entries(data.images)) {
      const image = await NVImage.loadFromBase64({ base64, name: `${name}.nii.gz`, cal_min: 0, cal_max: 255, colormap: "gray" });
      nv.addVolume(image);
    }
    const add = async (base64, name, colour) => {
      const mesh = await NVMesh.readMesh(bytes(base64), `${name}.mz3`, nv.gl, 1, new Uint8Array(colour));
      nv.addMesh(mesh);
      nv.setMeshShader(mesh.id, shader);
      return mesh;
    };
    // What is opaque comes first: what is not is blended over it.
    const pvs = data.pvs ? await add(data.pvs, "PVS", [255, 255, 255, 255]) : null;
    const nuclei = [];
    for (const nucleus of data.nuclei) nuclei.push(await add(nucleus.mesh, nucleus.name, nucleus.colour));
    return { nv, pvs, nuclei };
  }

  async function start() {
    const { Niivue, SLICE_TYPE, SHOW_RENDER, MULTIPLANAR_TYPE } = window.niivue;
    const solid = new Niivue({ ...FRESH, sliceType: SLICE_TYPE.RENDER, backColor: [0.05, 0.06, 0.08, 1],
      show3Dcrosshair: true, crosshairWidth: 0.25, crosshairWidthUnit: "mm",
      clipPlaneColor: [0, 0, 0, 0], isClipAllVolumes: true });
    const flat = new Niivue({ ...FRESH, sliceType: SLICE_TYPE.MULTIPLANAR, backColor: [0, 0, 0, 1],
      multiplanarShowRender: SHOW_RENDER.NEVER, isRadiologicalConvention: true, sagittalNoseLeft: true,
      isSliceMM: true, crosshairWidth: 0.3, crosshairWidthUnit: "mm", crosshairGap: 4,
      multiplanarPadPixels: 4, meshThicknessOn2D: 1.5 });
    await solid.attachToCanvas(one("#solid"), true);
    await flat.attachToCanvas(one("#slices"), true);
    return { solid: await load(solid, "Phong"), flat: await load(flat, "Crosscut"), MULTIPLANAR_TYPE };
  }

  function wire({ solid, flat, MULTIPLANAR_TYPE }) {
    const views = [solid, flat], narrow = window.matchMedia("(max-width: 720px)");
    const pressed = (selector) => one(selector)?.getAttribute("aria-pressed") === "true";
    const nucleusShown = (index) => pressed("[data-show=nuclei]") && pressed(`[data-nucleus="${index}"]`);

    function drawLetters() {
      const box = one("#letters"), scale = flat.nv.uiData.dpr || 1, m = data.mark;
      const sides = [["R" + m, "L" + m, "A", "P"], ["R" + m, "L" + m, "S", "I"], ["A", "P", "S", "I"]];
      box.replaceChildren(...flat.nv.screenSlices.flatMap(({ leftTopWidthHeight: tile, axCorSag }) => {
        const [left, top, width, height] = tile.map((v) => v / scale);
        return (sides[axCorSag] ?? []).map((text, k) => {
          const span = document.createElement("span");
          span.textContent = text;
          const x = [left, left + width, left + width / 2, left + width / 2][k];
          const y = [top + height / 2, top + height / 2, top, top + height][k];
          span.style.cssText = `left:${x}px;top:${y}px;transform:translate(${[0, -100, -50, -50][k]}%,${[-50, -50, 0, -100][k]}%)`;
          return span;
        });
      }));
    }

    function drawCompass() {
      const [mvp] = solid.nv.calculateMvpMatrix(null, [0, 0, 100, 100], solid.nv.scene.renderAzimuth, solid.nv.scene.renderElevation);
      const axes = [0, 1, 2].map((axis) => [mvp[4 * axis], mvp[4 * axis + 1]]);
      const long = Math.hypot(mvp[0], mvp[4], mvp[8]);
      const ends = [["R" + data.mark, "L" + data.mark], ["A", "P"], ["S", "I"]];
      one(".compass").innerHTML = axes.flatMap(([x, y], axis) => [1, -1].map((sign, k) => {
        const [u, v] = [sign * x / long, -sign * y / long], near = Math.hypot(u, v);
        return `<line x2="${u * 28}" y2="${v * 28}"/>` + (near < 0.35 ? "" : `<text x="${u * 40}" y="${v * 40}">${ends[axis][k]}</text>`);
      })).join("");
    }

    function drawPlace() {
      const [x, y, z] = flat.nv.frac2mm(flat.nv.scene.crosshairPos);
      const sign = (v) => v.toFixed(1).replace("-", "−");
      one("#place").textContent = `Cross at x ${sign(x)}, y ${sign(y)}, z ${sign(z)} mm`;
    }

    function draw() {
      for (const { nv } of views) nv.drawScene();
      drawLetters();
      drawCompass();
      drawPlace();
    }

    function show() {
      for (const { nv, pvs, nuclei } of views) {
        if (pvs) pvs.visible = pressed("[data-show=pvs]");
        nuclei.forEach((mesh, index) => { mesh.visible = nucleusShown(index); });
        const opacity = Number(one("#opacity")?.value ?? 1);
        if (nv === solid.nv) for (const mesh of nuclei) mesh.opacity = opacity;
      }
      one(".scene").classList.toggle("alone", !pressed("[data-show=slices]"));
      flat.nv.opts.multiplanarLayout = narrow.matches ? MULTIPLANAR_TYPE.ROW : MULTIPLANAR_TYPE.COLUMN;
      draw();
    }

    async function showImage() {
      const names = Object.keys(data.images);
      for (const { nv } of views) {
        names.forEach((name, index) => { nv.volumes[index].opacity = pressed(`[data-image=${name}]`) ? 1 : 0; });
        nv.updateGLVolume();
      }
      const planes = pressed("[data-show=planes]");
      await solid.nv.setVolumeRenderIllumination(planes ? -1 : 0);
      solid.nv.setClipPlane([planes ? 2 : -2, 0, 0]);
      show();
    }

    function moveTo(mm) {
      for (const { nv } of views) nv.scene.crosshairPos = nv.mm2frac(mm, 0, true);
      draw();
    }

    function reset() {
      solid.nv.setRenderAzimuthElevation(START.azimuth, START.elevation);
      solid.nv.setScale(START.zoom);
      flat.nv.setPan2Dxyzmm([0, 0, 0, 1]);
      const opacity = one("#opacity");
      if (opacity) opacity.value = opacity.defaultValue;
      for (const { nv } of views) nv.scene.crosshairPos = [0.5, 0.5, 0.5];
      for (const row of all("tr[aria-current]")) row.removeAttribute("aria-current");
      show();
    }

    function visit(row) {
      for (const other of all("tr[aria-current]")) other.removeAttribute("aria-current");
      row.setAttribute("aria-current", "true");
      moveTo(row.dataset.place.split(" ").map(Number));
    }

    for (const button of all("#viewer button[aria-pressed]")) {
      button.addEventListener("click", () => {
        const on = button.getAttribute("aria-pressed") !== "true", image = button.dataset.image;
        if (image) for (const other of all("[data-image]")) other.setAttribute("aria-pressed", "false");
        button.setAttribute("aria-pressed", on);
        if (image || button.dataset.show === "planes") showImage();
        else show();
      });
    }
    one("#reset").addEventListener("click", reset);
    one("#opacity")?.addEventListener("input", show);
    document.addEventListener("keydown", (event) => {
      if (event.ctrlKey || event.metaKey || event.altKey || event.repeat) return;
      all("[data-press]").find((button) => button.dataset.press === event.key.toLowerCase())?.click();
    });
    all("tr[data-place]").forEach((row, index) => {
      const dot = document.createElement("span");
      dot.className = "dot";
      dot.style.background = data.dots[index];
      row.cells[0].prepend(dot);
      row.addEventListener("click", () => visit(row));
      row.addEventListener("keydown", (event) => event.key === "Enter" && visit(row));
    });
    const follow = (from, to) => () => {
      to.nv.scene.crosshairPos = [...from.nv.scene.crosshairPos];
      to.nv.drawScene();
      drawPlace();
    };
    solid.nv.onLocationChange = follow(solid, flat);
    flat.nv.onLocationChange = follow(flat, solid);
    solid.nv.onAzimuthElevationChange = drawCompass;
    narrow.addEventListener("change", show);
    new ResizeObserver(() => requestAnimationFrame(draw)).observe(one(".scene"));
    reset();
    return showImage();
  }

  if (!document.createElement("canvas").getContext("webgl2")) {
    fail("The surfaces cannot be drawn: this browser has no WebGL2, or it is switched off.");
  } else if (!window.niivue) {
    fail("The surfaces cannot be drawn: the script {{ script }} is not where this page expects it.");
  } else {
    one("#fallback").hidden = true;
    one("#viewer").hidden = false;
    window.drawn = start().then(wire).catch((error) => fail(`The surfaces cannot be drawn: ${error.message}`));
  }
})();
