// Where planes cut surfaces, and which way is which: drawn over the slices.
const sliceOverlay = (nv, canvas, mark) => {
  // Axial, coronal, sagittal: across, up, and through, of right, anterior, superior.
  const PLANES = [[0, 1, 2], [0, 2, 1], [1, 2, 0]];
  const LETTERS = [["R" + mark, "L" + mark, "A", "P"], ["R" + mark, "L" + mark, "S", "I"], ["A", "P", "S", "I"]];
  const pen = canvas.getContext("2d");

  // Lines of a mesh in a plane, by colour.
  const cut = ({ pts, tris, rgba255 }, [across, up, through], level, toX, toY) => {
    const paths = new Map();
    for (let t = 0; t < tris.length; t += 3) {
      const ends = [];
      for (let k = 0; k < 3; k++) {
        const a = 3 * tris[t + k], b = 3 * tris[t + (k + 1) % 3];
        const p = pts[a + through] - level, q = pts[b + through] - level;
        if (p < 0 === q < 0) continue;
        const along = p / (p - q);
        ends.push(pts[a + across] + along * (pts[b + across] - pts[a + across]), pts[a + up] + along * (pts[b + up] - pts[a + up]));
      }
      if (ends.length < 4) continue;
      const c = rgba255.length > 4 ? 4 * tris[t] : 0;
      const colour = `rgb(${rgba255[c]},${rgba255[c + 1]},${rgba255[c + 2]})`;
      if (!paths.has(colour)) paths.set(colour, new Path2D());
      const path = paths.get(colour);
      path.moveTo(toX(ends[0]), toY(ends[1]));
      path.lineTo(toX(ends[2]), toY(ends[3]));
    }
    return paths;
  };

  const drawTile = ({ leftTopWidthHeight: [left, top, width, height], axCorSag, leftTopMM, fovMM }, meshes, place, scale) => {
    const plane = PLANES[axCorSag];
    const toX = (mm) => left + (mm - leftTopMM[0]) / fovMM[0] * width;
    const toY = (mm) => top + (1 - (mm - leftTopMM[1]) / fovMM[1]) * height;
    pen.save();
    pen.beginPath();
    pen.rect(left, top, width, height);
    pen.clip();
    for (const { mesh, halo } of meshes) {
      for (const [colour, path] of cut(mesh, plane, place[plane[2]], toX, toY)) {
        const strokes = halo ? [["#000c", 3.5], [colour, 2]] : [[colour, 1.4]];
        for (const [style, wide] of strokes) {
          pen.strokeStyle = style;
          pen.lineWidth = wide * scale;
          pen.stroke(path);
        }
      }
    }
    const gap = 4 * scale, middle = [left + width / 2, top + height / 2];
    const spots = [[left + gap, middle[1], "left", "middle"], [left + width - gap, middle[1], "right", "middle"],
      [middle[0], top + gap, "center", "top"], [middle[0], top + height - gap, "center", "bottom"]];
    pen.font = `600 ${12.5 * scale}px system-ui, sans-serif`;
    pen.fillStyle = "#fff";
    pen.strokeStyle = "#000";
    pen.lineWidth = 3 * scale;
    LETTERS[axCorSag].forEach((letter, k) => {
      const [x, y, align, baseline] = spots[k];
      Object.assign(pen, { textAlign: align, textBaseline: baseline });
      pen.strokeText(letter, x, y);
      pen.fillText(letter, x, y);
    });
    pen.restore();
  };

  return (meshes) => {
    const { width, height } = nv.canvas;
    Object.assign(canvas, { width, height });
    const place = nv.frac2mm(nv.scene.crosshairPos, 0, true), scale = nv.uiData.dpr || 1;
    for (const tile of nv.screenSlices) if (tile.axCorSag < 3) drawTile(tile, meshes, place, scale);
  };
};
