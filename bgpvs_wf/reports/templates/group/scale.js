// Axes: from values to places, with round numbers at the ticks.
const step = (span, many) => {
  const rough = span / many, size = 10 ** Math.floor(Math.log10(rough));
  return size * [1, 2, 5, 10].find((round) => round * size >= rough * 0.999);
};

const scaleOf = (low, high, start, end, many) => {
  const [a, b] = low === high ? [low - 1, high + 1] : [low, high];
  const by = step(b - a, many), pad = (b - a) * 0.04;
  const from = a - pad, to = b + pad;
  const ticks = [];
  for (let at = Math.ceil(from / by); at * by <= to; at += 1) ticks.push(at * by);
  const decimals = Math.min(Math.max(-Math.floor(Math.log10(by) + 1e-9), 0), 7);
  return {
    ticks: ticks.map((tick) => [tick, fixed(tick, decimals)]),
    place: (value) => start
      + (Math.min(Math.max(value, from), to) - from) / (to - from) * (end - start),
  };
};

// Dots of equal place stand beside each other, around a middle line.
const besides = (places, middle, room, apart) => {
  const bins = new Map();
  for (const place of places) {
    const bin = Math.round(place / apart);
    bins.set(bin, (bins.get(bin) ?? 0) + 1);
  }
  const gap = Math.min(apart, room / Math.max(...bins.values(), 1));
  const used = new Map();
  return places.map((place) => {
    const bin = Math.round(place / apart), at = used.get(bin) ?? 0;
    used.set(bin, at + 1);
    return middle + (at % 2 ? 1 : -1) * Math.ceil(at / 2) * gap;
  });
};
