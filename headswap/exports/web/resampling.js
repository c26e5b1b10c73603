// Pillow's resampling: the same numbers.
// Flow:  sizes --planOf--> plans of both directions; pixels + plans --resize--> pixels
//
// Coefficients of 22 bits, whole numbers between the two passes.

const ONE = 2 ** 22, HALF = 2 ** 21; // the coefficients are whole numbers
const FILTERS = {
  box: { reach: 0.5, weight: (x) => (x > -0.5 && x <= 0.5 ? 1 : 0) },
  bilinear: { reach: 1, weight: (x) => Math.max(1 - Math.abs(x), 0) },
  hamming: { reach: 1, weight: hamming },
  bicubic: { reach: 2, weight: bicubic },
  lanczos: { reach: 3, weight: (x) => (x >= -3 && x < 3 ? sinc(x) * sinc(x / 3) : 0) },
};

function sinc(x) {
  return x === 0 ? 1 : Math.sin(x * Math.PI) / (x * Math.PI);
}

function hamming(x) {
  const far = Math.abs(x), angle = far * Math.PI;
  if (far === 0) return 1;
  if (far >= 1) return 0;
  return (Math.sin(angle) / angle) * (Math.fround(0.54) + Math.fround(0.46) * Math.cos(angle));
}

function bicubic(x) {
  const far = Math.abs(x);
  if (far < 1) return (1.5 * far - 2.5) * far * far + 1;
  return far < 2 ? (((far - 5) * far + 8) * far - 4) * -0.5 : 0;
}

// Which old pixels make each new one, for the part of a side that is kept. `of[i]` is where the first of them
// stands, `count[i]` how many there are, `weights` their shares, `wide` apart from one new pixel to the next.
export function planOf(oldSize, newSize, { from, size }, { interpolation }) {
  const plan = { size, of: new Int32Array(size), count: new Int32Array(size).fill(1), isCopy: true };
  if (oldSize === newSize) return Object.assign(plan, { of: plan.of.map((_, i) => from + i) });
  if (interpolation === "nearest") return Object.assign(plan, { of: nearest(oldSize, newSize, from, size) });
  const { reach, weight } = FILTERS[interpolation], scale = oldSize / newSize, spread = Math.max(scale, 1);
  const support = reach * spread, wide = 2 * Math.ceil(support) + 1, inverse = 1 / spread;
  const weights = new Int32Array(size * wide), shares = new Float64Array(wide);
  for (let i = 0; i < size; i++) {
    const centre = (from + i + 0.5) * scale;
    const first = Math.max(Math.trunc(centre - support + 0.5), 0);
    const count = Math.min(Math.trunc(centre + support + 0.5), oldSize) - first;
    let sum = 0;
    for (let j = 0; j < count; j++) sum += shares[j] = weight((first + j - centre + 0.5) * inverse);
    for (let j = 0; j < count; j++) weights[i * wide + j] = wholeWeight(sum ? shares[j] / sum : shares[j]);
    plan.of[i] = first;
    plan.count[i] = count;
  }
  return Object.assign(plan, { weights, wide, isCopy: false });
}

function wholeWeight(share) {
  return Math.trunc(share * ONE + (share < 0 ? -0.5 : 0.5));
}

// Pillow adds the step up, so that its error grows: the same here.
function nearest(oldSize, newSize, from, size) {
  const step = oldSize / newSize, of = new Int32Array(size);
  for (let i = 0, at = step * 0.5; i < from + size; i++, at += step) if (i >= from) of[i - from] = at;
  return of;
}

// First across, in the rows that are needed; then down.
export function resize(source, sourceWidth, channels, across, down) {
  const top = Math.min(...down.of), bottom = Math.max(...down.of.map((first, i) => first + down.count[i]));
  const rows = new Uint8ClampedArray((bottom - top) * across.size * channels);
  const old = { pixels: source, row: sourceWidth * channels, top, channels };
  if (across.isCopy) copyAcross(old, across, rows);
  else if (channels === 3) resizeColourAcross(old, across, rows);
  else resizeGreyAcross(old, across, rows);
  const made = { pixels: rows, row: across.size * channels, top };
  return down.isCopy ? copyDown(made, down) : resizeDown(made, down);
}

function copyAcross({ pixels, row, top, channels }, { size, of }, rows) {
  for (let o = 0, line = top * row; o < rows.length; line += row)
    for (let x = 0; x < size; x++)
      for (let c = 0, i = line + of[x] * channels; c < channels; c++) rows[o++] = pixels[i++];
}

function resizeColourAcross({ pixels, row, top }, { size, of, count, weights, wide }, rows) {
  for (let o = 0, line = top * row; o < rows.length; line += row)
    for (let x = 0; x < size; x++, o += 3) {
      let red = HALF, green = HALF, blue = HALF;
      for (let k = x * wide, end = k + count[x], i = line + 3 * of[x]; k < end; k++, i += 3) {
        const weight = weights[k];
        red += pixels[i] * weight;
        green += pixels[i + 1] * weight;
        blue += pixels[i + 2] * weight;
      }
      rows[o] = red >> 22;
      rows[o + 1] = green >> 22;
      rows[o + 2] = blue >> 22;
    }
}

function resizeGreyAcross({ pixels, row, top }, { size, of, count, weights, wide }, rows) {
  for (let o = 0, line = top * row; o < rows.length; line += row)
    for (let x = 0; x < size; x++, o++) {
      let sum = HALF;
      for (let k = x * wide, end = k + count[x], i = line + of[x]; k < end; k++, i++)
        sum += pixels[i] * weights[k];
      rows[o] = sum >> 22;
    }
}

function copyDown({ pixels, row, top }, { size, of }) {
  const out = new Uint8ClampedArray(size * row);
  for (let y = 0; y < size; y++) {
    const from = (of[y] - top) * row;
    out.set(pixels.subarray(from, from + row), y * row);
  }
  return out;
}

// Row by row, as they lie in memory.
function resizeDown({ pixels, row, top }, { size, of, count, weights, wide }) {
  const out = new Uint8ClampedArray(size * row), sums = new Int32Array(row);
  for (let y = 0; y < size; y++) {
    sums.fill(HALF);
    for (let j = 0, i = (of[y] - top) * row; j < count[y]; j++) {
      const weight = weights[y * wide + j];
      for (let x = 0; x < row; x++, i++) sums[x] += pixels[i] * weight;
    }
    for (let x = 0, o = y * row; x < row; x++, o++) out[o] = sums[x] >> 22;
  }
  return out;
}
