// Coefficients of a JPEG -> the very RGB that Pillow makes of them with libjpeg-turbo.
// Flow:  coefficients --inverse DCT, reduced sizes--> samples --smooth upsampling--> rows --colours--> RGB
//
// The arithmetic follows the Independent JPEG Group's library and libjpeg-turbo: the accurate integer transform.
import { Undecodable } from "./undecodable.js";

const { imul } = Math;

// Coefficients -> samples -------------------------------------------------------------

export function transformAll(frame) {
  for (const part of frame.components) {
    part.quantization ??= new Int32Array(64); // of a component without a scan: it stays grey
    for (let y = 0; y < part.blocksY; y++)
      for (let x = 0; x < part.blocksX; x++)
        transform(part, x, y, part.coefficients, 64 * (y * part.stride + x), false);
    part.coefficients = null; // lets the memory go
  }
}

const TRANSFORMS = { 8: transform8, 4: transform4, 2: transform2, 1: transform1 };
const columns = new Int32Array(64); // between the two passes of a block
const dequantized = new Int32Array(64);

export function transform(part, x, y, coefficients, from, isFlat) {
  const { size, step, samples, quantization } = part, at = (y * step + x) * size;
  if (isFlat && size > 2) {
    fillFlat(samples, at, step, size, short(imul(coefficients[from], quantization[0])));
    return;
  }
  for (let i = 0; i < 64; i++) dequantized[i] = short(imul(coefficients[from + i], quantization[i]));
  TRANSFORMS[size](samples, at, step);
}

// What vector instructions work with: 16 bits that wrap. Real pictures stay far below.
function short(value) {
  return (value << 16) >> 16;
}

// Between the passes they stop at the ends of 16 bits instead.
function saturated(value) {
  return value > 32767 ? 32767 : value < -32768 ? -32768 : value;
}

function fillFlat(samples, at, step, size, dc) {
  const value = ((short(dc << 2) + 16) >> 5) + 128;
  for (let y = 0; y < size; y++, at += step) samples.fill(value, at, at + size);
}

function isFlatBelow(z) {
  let any = 0;
  for (let i = 8; i < 64; i++) any |= z[i];
  return any === 0;
}

// The first pass where every column is flat; here vector instructions wrap.
function repeatTop(rows) {
  for (let c = 0; c < 8; c++) {
    const flat = short(dequantized[c] << 2);
    for (let i = c; i < 8 * rows; i += 8) columns[i] = flat;
  }
}

// 8 x 8 coefficients -> 8 x 8 samples: first the columns, then the rows. The constants are cosines in 13 bits.
function transform8(samples, start, step) {
  const z = dequantized, w = columns;
  if (isFlatBelow(z)) repeatTop(8);
  else
    for (let c = 0; c < 8; c++) {
      if ((z[c + 8] | z[c + 16] | z[c + 24] | z[c + 32] | z[c + 40] | z[c + 48] | z[c + 56]) === 0) {
        const flat = saturated(z[c] << 2);
        for (let i = c; i < 64; i += 8) w[i] = flat;
      } else pass8(z, c, 8, 11);
    }
  for (let r = 0, at = start; r < 64; r += 8, at += step) {
    pass8(w, r, 1, 18);
    for (let i = 0; i < 8; i++) samples[at + i] = w[r + i] + 128;
  }
}

// Eight values of `z`, so far apart, -> the same places of `columns`, that many bits shorter.
function pass8(z, at, apart, shift) {
  const i1 = at + apart, i2 = i1 + apart, i3 = i2 + apart, i4 = i3 + apart, i5 = i4 + apart, i6 = i5 + apart;
  const i7 = i6 + apart, w = columns, half = 1 << (shift - 1);
  const p0 = z[at], p1 = z[i1], p2 = z[i2], p3 = z[i3], p4 = z[i4], p5 = z[i5], p6 = z[i6], p7 = z[i7];
  const sum = (short(p0 + p4) << 13) + half, difference = (short(p0 - p4) << 13) + half;
  const even2 = imul(p2, 4433) + imul(p6, -10704), even3 = imul(p2, 10703) + imul(p6, 4433);
  const e0 = (sum + even3) | 0, e3 = (sum - even3) | 0;
  const e1 = (difference + even2) | 0, e2 = (difference - even2) | 0;
  const q3 = short(p7 + p3), q4 = short(p5 + p1);
  const z3 = (imul(q3, -6436) + imul(q4, 9633)) | 0, z4 = (imul(q3, 9633) + imul(q4, 6437)) | 0;
  const o0 = (imul(p7, -4927) + imul(p1, -7373) + z3) | 0, o1 = (imul(p5, -4176) + imul(p3, -20995) + z4) | 0;
  const o2 = (imul(p5, -20995) + imul(p3, 4177) + z3) | 0, o3 = (imul(p7, -7373) + imul(p1, 4926) + z4) | 0;
  w[at] = saturated((e0 + o3) >> shift);
  w[i7] = saturated((e0 - o3) >> shift);
  w[i1] = saturated((e1 + o2) >> shift);
  w[i6] = saturated((e1 - o2) >> shift);
  w[i2] = saturated((e2 + o1) >> shift);
  w[i5] = saturated((e2 - o1) >> shift);
  w[i3] = saturated((e3 + o0) >> shift);
  w[i4] = saturated((e3 - o0) >> shift);
}

// The same for half the size: what stands in the fifth column and row does not count.
function transform4(samples, start, step) {
  if (isFlatBelow(dequantized)) repeatTop(4);
  else for (let c = 0; c < 8; c++) if (c !== 4) pass4(dequantized, c, 8, 12);
  for (let r = 0, at = start; r < 32; r += 8, at += step) {
    pass4(columns, r, 1, 19);
    for (let i = 0; i < 4; i++) samples[at + i] = columns[r + i] + 128;
  }
}

function pass4(z, at, apart, shift) {
  const p1 = z[at + apart], p2 = z[at + 2 * apart], p3 = z[at + 3 * apart];
  const p5 = z[at + 5 * apart], p6 = z[at + 6 * apart], p7 = z[at + 7 * apart];
  const middle = (z[at] << 14) + (1 << (shift - 1)), even = imul(p2, 15137) + imul(p6, -6270);
  const inner = imul(p7, -1730) + imul(p5, 11893) + imul(p3, -17799) + imul(p1, 8697);
  const outer = imul(p7, -4176) + imul(p5, -4926) + imul(p3, 7373) + imul(p1, 20995);
  columns[at] = saturated((middle + even + outer) >> shift);
  columns[at + 3 * apart] = saturated((middle + even - outer) >> shift);
  columns[at + apart] = saturated((middle - even + inner) >> shift);
  columns[at + 2 * apart] = saturated((middle - even - inner) >> shift);
}

function transform2(samples, start, step) {
  for (let c = 0; c < 8; c++) if (c === 0 || c % 2 === 1) pass2(dequantized, c, 8, 13);
  for (let r = 0, at = start; r < 16; r += 8, at += step) {
    pass2(columns, r, 1, 20);
    samples[at] = columns[r] + 128;
    samples[at + 1] = columns[r + 1] + 128;
  }
}

// Only what meets odd coefficients is held to 16 bits between the passes.
function pass2(z, at, apart, shift) {
  const p1 = saturated(z[at + apart]), p3 = saturated(z[at + 3 * apart]);
  const p5 = saturated(z[at + 5 * apart]), p7 = saturated(z[at + 7 * apart]);
  const middle = (z[at] << 15) + (1 << (shift - 1));
  const odd = imul(p7, -5906) + imul(p5, 6967) + imul(p3, -10426) + imul(p1, 29692);
  columns[at] = (middle + odd) >> shift;
  columns[at + apart] = (middle - odd) >> shift;
}

// The mean alone; here libjpeg counts in 10 bits that wrap.
function transform1(samples, at) {
  const mean = (dequantized[0] + 4) >> 3;
  samples[at] = ((mean << 22) >> 22) + 128;
}

// Samples -> rows as wide as the picture ----------------------------------------------

// How a component becomes as large as the picture: a function that fills a row of so many bytes.
function rowsOf(part, frame, width) {
  const { maxH, maxV, least } = frame;
  const h = (part.h * part.size) / least, v = (part.v * part.size) / least;
  if (h === maxH && v === maxV) return copiedRow(part, width);
  const isSmooth = least > 1, isSmoothAcross = isSmooth && 2 * h === maxH && part.width > 2;
  if (isSmoothAcross && v === maxV) return wideRow(part);
  if (isSmoothAcross && 2 * v === maxV) return wideTallRow(part);
  if (isSmooth && h === maxH && 2 * v === maxV) return tallRow(part);
  if (maxH % h || maxV % v) throw new Undecodable("damaged");
  return repeatedRow(part, width, maxH / h, maxV / v);
}

function copiedRow({ samples, step }, width) {
  return (y, out) => out.set(samples.subarray(y * step, y * step + width));
}

function repeatedRow({ samples, step }, width, timesX, timesY) {
  return (y, out) => {
    const from = Math.floor(y / timesY) * step;
    for (let x = 0, i = from, left = timesX; x < width; x++) {
      out[x] = samples[i];
      if (--left === 0) {
        i++;
        left = timesX;
      }
    }
  };
}

// The start of the row that a tall one leans to: above for its upper half, below for its lower.
function neighbourRow(part, y) {
  const near = (y >> 1) + (y & 1 ? 1 : -1);
  return Math.min(Math.max(near, 0), part.height - 1) * part.step;
}

// Three quarters of the near sample and a quarter of the far one; the rounding alternates.
function wideRow({ samples, step, width }) {
  return (y, out) => {
    const from = y * step, end = from + width - 1;
    let before = samples[from], here = before;
    for (let i = from, o = 0; i <= end; i++, o += 2) {
      const after = i < end ? samples[i + 1] : here;
      out[o] = (here * 3 + before + 1) >> 2;
      out[o + 1] = (here * 3 + after + 2) >> 2;
      before = here;
      here = after;
    }
  };
}

function tallRow(part) {
  const { samples, step, width } = part;
  return (y, out) => {
    const from = (y >> 1) * step, other = neighbourRow(part, y), bias = y & 1 ? 2 : 1;
    for (let x = 0; x < width; x++) out[x] = (samples[from + x] * 3 + samples[other + x] + bias) >> 2;
  };
}

function wideTallRow(part) {
  const { samples, step, width } = part;
  return (y, out) => {
    const from = (y >> 1) * step, apart = neighbourRow(part, y) - from, end = from + width - 1;
    let here = samples[from] * 3 + samples[from + apart], before = here;
    for (let i = from, o = 0; i <= end; i++, o += 2) {
      const after = i < end ? samples[i + 1] * 3 + samples[i + 1 + apart] : here;
      out[o] = (here * 3 + before + 8) >> 4;
      out[o + 1] = (here * 3 + after + 7) >> 4;
      before = here;
      here = after;
    }
  };
}

// Colours -----------------------------------------------------------------------------

const redOfCr = new Int32Array(256), greenOfCr = new Int32Array(256);
const blueOfCb = new Int32Array(256), greenOfCb = new Int32Array(256);
for (let value = 0; value < 256; value++) {
  redOfCr[value] = (imul(91881, value - 128) + 32768) >> 16;
  blueOfCb[value] = (imul(116130, value - 128) + 32768) >> 16;
  greenOfCr[value] = imul(-46802, value - 128);
  greenOfCb[value] = imul(-22554, value - 128) + 32768;
}

export function painted(jpeg) {
  const { frame, reduction } = jpeg, { components } = frame;
  const width = Math.ceil(frame.width / reduction), height = Math.ceil(frame.height / reduction);
  const fills = components.map((part) => rowsOf(part, frame, width));
  const rows = components.map((part) => new Uint8Array(Math.max(width, 2 * part.width)));
  const rgb = new Uint8ClampedArray(3 * width * height), colour = colourOf(jpeg);
  for (let y = 0; y < height; y++) {
    for (let i = 0; i < fills.length; i++) fills[i](y, rows[i]);
    colour(rows, rgb, 3 * y * width, width);
  }
  return { rgb, width, height };
}

function colourOf({ frame, hasJfif, adobe }) {
  const { components } = frame, ids = components.map(({ id }) => id).join();
  if (components.length === 1) return greyRow;
  if (components.length === 4) return adobe ? ycckRow : cmykRow;
  if (hasJfif) return yccRow;
  const isRgb = adobe === null ? ids === "82,71,66" : adobe === 0; // the letters R, G, B
  return isRgb ? rgbRow : yccRow;
}

function greyRow([grey], rgb, start, width) {
  for (let x = 0, o = start; x < width; x++, o += 3) rgb[o] = rgb[o + 1] = rgb[o + 2] = grey[x];
}

function rgbRow([red, green, blue], rgb, start, width) {
  for (let x = 0, o = start; x < width; x++, o += 3) {
    rgb[o] = red[x];
    rgb[o + 1] = green[x];
    rgb[o + 2] = blue[x];
  }
}

function yccRow([luma, cb, cr], rgb, start, width) {
  for (let x = 0, o = start; x < width; x++, o += 3) {
    const y = luma[x], b = cb[x], r = cr[x];
    rgb[o] = y + redOfCr[r];
    rgb[o + 1] = y + ((greenOfCb[b] + greenOfCr[r]) >> 16);
    rgb[o + 2] = y + blueOfCb[b];
  }
}

// Adobe stores inks inverted, and Pillow takes all four-colour pictures for Adobe's: 255 is no ink.
function cmykRow([cyan, magenta, yellow, black], rgb, start, width) {
  for (let x = 0, o = start; x < width; x++, o += 3) {
    const light = black[x];
    rgb[o] = light - shareOf255(255 - cyan[x], light);
    rgb[o + 1] = light - shareOf255(255 - magenta[x], light);
    rgb[o + 2] = light - shareOf255(255 - yellow[x], light);
  }
}

function ycckRow(rows, rgb, start, width) {
  yccRow(rows, rgb, start, width);
  const black = rows[3];
  for (let x = 0, o = start; x < width; x++)
    for (let c = 0; c < 3; c++, o++) rgb[o] = black[x] - shareOf255(rgb[o], black[x]);
}

// a * b / 255, rounded, as Pillow counts it.
function shareOf255(a, b) {
  const product = a * b + 128;
  return ((product >> 8) + product) >> 8;
}
