// Light on the places that speak for a class, drawn as headswap draws it.

const GLOW = [255, 170, 40];
const DIM = 0.35; // brightness of what did not count

// What each place adds to the score of class `best`, smooth, 1 where it spoke loudest: (height, width).
export function heatOf({ rows, columns, data }, best, width, height) {
  const spoken = data.slice(best * rows * columns, (best + 1) * rows * columns);
  const most = Math.max(...spoken);
  const least = Math.min(...spoken);
  const forIt = spoken.map((value) => (most > 0 ? Math.max(value, 0) : value - least));
  const heat = smooth(forIt, rows, columns, width, height).map((value) => Math.max(value, 0));
  let highest = 1e-30;
  for (const value of heat) if (value > highest) highest = value;
  return heat.map((value) => value / highest);
}

// Bicubic, as torch's interpolate: corners not aligned, a = -0.75, the edge repeated.
function smooth(values, rows, columns, width, height) {
  const across = taps(columns, width);
  const down = taps(rows, height);
  const wide = new Float64Array(rows * width);
  for (let y = 0; y < rows; y++) {
    for (let x = 0; x < width; x++) {
      for (const [index, weight] of across[x]) wide[y * width + x] += weight * values[y * columns + index];
    }
  }
  const out = new Float64Array(height * width);
  for (let y = 0; y < height; y++) {
    for (const [index, weight] of down[y]) {
      for (let x = 0; x < width; x++) out[y * width + x] += weight * wide[index * width + x];
    }
  }
  return out;
}

function taps(from, to) {
  const a = -0.75;
  const near = (t) => ((a + 2) * t - (a + 3)) * t * t + 1;
  const far = (t) => ((a * t - 5 * a) * t + 8 * a) * t - 4 * a;
  return Array.from({ length: to }, (_, at) => {
    const centre = ((at + 0.5) * from) / to - 0.5;
    const first = Math.floor(centre);
    const t = centre - first;
    const weights = [far(t + 1), near(t), near(1 - t), far(2 - t)];
    return weights.map((weight, i) => [Math.min(Math.max(first - 1 + i, 0), from - 1), weight]);
  });
}

// RGBA of prepared pixels, dim where nothing counted and glowing where it did; `heat` may be null.
export function lit(pixels, { width, height, channels }, heat) {
  const image = new ImageData(width, height);
  for (let i = 0; i < width * height; i++) {
    for (let c = 0; c < 3; c++) {
      const value = pixels[channels * i + (channels === 3 ? c : 0)];
      const shown = heat ? value * (DIM + (1 - DIM) * Math.sqrt(heat[i])) : value;
      image.data[4 * i + c] = heat ? Math.trunc(shown + (GLOW[c] - shown) * 0.45 * heat[i]) : value;
    }
    image.data[4 * i + 3] = 255;
  }
  return image;
}
