// The bytes of a picture -> what the network expects, number for number as pictures.py in the zip makes it.
// Flow:  bytes --readImage--> upright RGB --prepare--> uint8 (H, W, C) --normalize--> float32 (C, H, W)
//
// JPEG and PNG are decoded here, so that every browser sees the pixels that Python saw; for other kinds the
// browser's own decoder has to do, and the answer says so (exact: false). `spec` is preprocessing.json.
import { decodeJpeg } from "./jpeg.js";
import { decodePng, onWhite } from "./png.js";
import { planOf, resize } from "./resampling.js";
import { Undecodable } from "./undecodable.js";

const MOST_BYTES = 200 * 2 ** 20; // of a file
const MOST_PIXELS = 200e6;
const MOST_MEMORY = 1.8e9; // bytes that Python lets one picture take; the sums below are Python's
const MOST_LONG = 100; // a strip longer than this times its width has nothing to show
const LEAST_PX = 256; // a JPEG is never reduced below twice this side
const RGB_BYTES = 4, SOME_BYTES = 32e6, COEFFICIENT_BYTES = 2.1;
const STRIP_PIXELS = 2 ** 20; // drawn at once: some phones have no canvas of more than 16 million

/** A picture that is not read; the message completes "This picture is ...". */
export class Damaged extends Error {}

/**
 * Decode the bytes of a file, as a Uint8Array.
 * @returns {Promise<{rgb, width, height, exact, kind}>} upright, what is transparent on white
 */
export async function readImage(bytes, spec) {
  if (bytes.length > MOST_BYTES) throw new Damaged("larger than 200 MB");
  const kind = kindOf(bytes);
  try {
    if (kind === "JPEG") return { ...readJpeg(bytes, spec), kind };
    if (kind === "PNG") return { ...readPng(bytes), exact: true, kind };
    return { ...(await readByBrowser(bytes, kind)), exact: false, kind };
  } catch (error) {
    throw asDamaged(error);
  }
}

/** A frame of a camera, or what a canvas holds ({data, width, height}), on white. */
export function imageFromRgba({ data, width, height }) {
  const rgb = new Uint8ClampedArray(3 * width * height);
  copyOnWhite(data, rgb, 0);
  return { rgb, width, height };
}

/** Resize and cut: a Uint8ClampedArray (H, W, C), colours always as RGB. */
export function prepare(image, spec) {
  const { channels, height, width } = spec, source = channels === 1 ? grey(image) : image.rgb;
  const [newWidth, newHeight] = sizeBeforeTheCut(image, spec);
  const across = placed(newWidth, width), down = placed(newHeight, height);
  const plans = [planOf(image.width, newWidth, across, spec), planOf(image.height, newHeight, down, spec)];
  const inside = resize(source, image.width, channels, ...plans);
  if (across.size === width && down.size === height) return inside;
  return surrounded(inside, across, down, spec);
}

/** ((value / 255) - mean) / std in single precision: a Float32Array (C, H, W) in the network's order. */
export function normalize(pixels, spec) {
  const { channels, height, width } = spec, area = height * width, { fround } = Math;
  const numbers = new Float32Array(channels * area), table = new Float32Array(256);
  for (let c = 0; c < channels; c++) {
    const mean = fround(spec.mean[c]), std = fround(spec.std[c]);
    for (let value = 0; value < 256; value++) table[value] = fround(fround(value / 255) - mean) / std;
    let from = spec.channel_order === "BGR" ? channels - 1 - c : c;
    for (let i = c * area; i < (c + 1) * area; i++, from += channels) numbers[i] = table[pixels[from]];
  }
  return numbers;
}

// Reading -----------------------------------------------------------------------------

const SIGNATURES = [
  ["\xff\xd8\xff", "JPEG"], ["\x89PNG\r\n\x1a\n", "PNG"], ["GIF87a", "GIF"], ["GIF89a", "GIF"], ["BM", "BMP"],
  ["II*\0", "TIFF"], ["MM\0*", "TIFF"], ["II+\0", "TIFF"], ["MM\0+", "TIFF"],
];

// By the first bytes; the name's ending does not count.
function kindOf(bytes) {
  const head = String.fromCharCode(...bytes.subarray(0, 256));
  const known = SIGNATURES.find(([start]) => head.startsWith(start));
  if (known) return known[1];
  if (head.startsWith("RIFF") && head.startsWith("WEBP", 8)) return "WebP";
  if (head.startsWith("ftyp", 4)) return kindOfBoxes(bytes, head);
  if (!bytes.length) throw new Damaged("empty");
  throw new Damaged("not of a kind that is read here");
}

function kindOfBoxes(bytes, head) {
  const end = new DataView(bytes.buffer, bytes.byteOffset).getUint32(0), brands = [];
  for (let at = 8; at < Math.min(end, 256); at += 4) brands.push(head.slice(at, at + 4));
  if (brands.some((brand) => brand === "avif" || brand === "avis")) return "AVIF";
  if (brands.some((brand) => /^(hei[cxms]|hev[cx]|mif1|msf1)$/.test(brand))) return "HEIC";
  throw new Damaged("a film, not a picture");
}

function readJpeg(bytes, spec) {
  const least = 2 * Math.max(spec.wanted_px, LEAST_PX);
  const choose = ({ width, height, kept }) => {
    checkSize(width, height);
    const fits = Math.floor(Math.min(width, height) / least);
    const reduction = [8, 4, 2, 1].find((one) => fits >= one) ?? 1;
    const pixels = Math.ceil(width / reduction) * Math.ceil(height / reduction);
    checkMemory(bytes.length + pixels * 2 * RGB_BYTES + width * height * kept * COEFFICIENT_BYTES);
    return reduction;
  };
  const { exact, ...image } = decodeJpeg(bytes, choose);
  return { ...upright(image), exact };
}

function readPng(bytes) {
  const check = ({ width, height, depth, type }) => {
    checkSize(width, height);
    const loaded = type === 3 || (type === 0 && depth <= 8) ? 1 : type === 0 ? 2 : RGB_BYTES;
    checkMemory(bytes.length + width * height * (loaded + RGB_BYTES));
  };
  return upright(decodePng(bytes, check));
}

function checkSize(width, height) {
  const shorter = Math.min(width, height), longer = Math.max(width, height);
  if (shorter < 1) throw new Damaged("damaged");
  const isTooMuch = width * height > MOST_PIXELS || longer > MOST_LONG * shorter;
  if (isTooMuch) throw new Damaged("too large or too narrow");
}

function checkMemory(bytes) {
  if (bytes + SOME_BYTES > MOST_MEMORY) throw new Damaged("too large or too narrow");
}

async function readByBrowser(bytes, kind) {
  let bitmap;
  try {
    const how = { colorSpaceConversion: "none", premultiplyAlpha: "none" };
    bitmap = await createImageBitmap(new Blob([bytes]), how);
  } catch {
    throw new Damaged(`damaged, or ${kind}, which this browser cannot read`);
  }
  checkSize(bitmap.width, bitmap.height);
  const image = drawn(bitmap);
  bitmap.close();
  return image;
}

function drawn(bitmap) {
  const { width, height } = bitmap, rows = Math.min(height, Math.ceil(STRIP_PIXELS / width));
  const pen = new OffscreenCanvas(width, rows).getContext("2d", { willReadFrequently: true });
  const rgb = new Uint8ClampedArray(3 * width * height);
  for (let top = 0; top < height; top += rows) {
    pen.clearRect(0, 0, width, rows);
    pen.drawImage(bitmap, 0, -top);
    copyOnWhite(pen.getImageData(0, 0, width, Math.min(rows, height - top)).data, rgb, 3 * top * width);
  }
  return { rgb, width, height };
}

function copyOnWhite(rgba, rgb, start) {
  for (let i = 0, o = start; i < rgba.length; i += 4, o += 3) {
    const alpha = rgba[i + 3], isOpaque = alpha === 255;
    rgb[o] = isOpaque ? rgba[i] : onWhite(rgba[i], alpha);
    rgb[o + 1] = isOpaque ? rgba[i + 1] : onWhite(rgba[i + 1], alpha);
    rgb[o + 2] = isOpaque ? rgba[i + 2] : onWhite(rgba[i + 2], alpha);
  }
}

// Whatever else goes wrong in a decoder comes from damaged bytes, or from a lack of memory.
function asDamaged(error) {
  if (error instanceof Damaged) return error;
  if (error instanceof Undecodable) return new Damaged(error.message);
  const isMemory = error instanceof RangeError && /alloc|length/i.test(error.message);
  return new Damaged(isMemory ? "too large for the memory of this browser" : "damaged");
}

// Orientation -------------------------------------------------------------------------

function upright({ rgb, width, height, exif, xmp }) {
  const orientation = orientationOf(exif, xmp);
  if (!(orientation >= 2 && orientation <= 8)) return { rgb, width, height };
  const isSideways = orientation >= 5, isBackwards = [2, 3, 7, 8].includes(orientation);
  const isUpsideDown = [3, 4, 6, 7].includes(orientation);
  const newWidth = isSideways ? height : width, newHeight = isSideways ? width : height;
  const right = isSideways ? 3 * width : 3, down = isSideways ? 3 : 3 * width; // steps in the old pixels
  const stepX = (isSideways ? isUpsideDown : isBackwards) ? -right : right;
  const stepY = (isSideways ? isBackwards : isUpsideDown) ? -down : down;
  const corner = 3 * ((isUpsideDown ? height - 1 : 0) * width + (isBackwards ? width - 1 : 0));
  const out = new Uint8ClampedArray(rgb.length);
  for (let y = 0, o = 0; y < newHeight; y++)
    for (let x = 0, i = corner + y * stepY; x < newWidth; x++, o += 3, i += stepX) {
      out[o] = rgb[i];
      out[o + 1] = rgb[i + 1];
      out[o + 2] = rgb[i + 2];
    }
  return { rgb: out, width: newWidth, height: newHeight };
}

// What EXIF says; where it says nothing, what XMP says. Damaged metadata is no reason to lose the picture.
function orientationOf(exif, xmp) {
  try {
    const said = exif && exifOrientation(exif);
    if (said !== null) return said;
  } catch {
    return 1;
  }
  const found = xmp && /tiff:Orientation(?:="|>)([0-9])/.exec(new TextDecoder("latin1").decode(xmp));
  return found ? Number(found[1]) : 1;
}

const ORIENTATION = 0x0112; // the tag
const TYPE_BYTES = [0, 1, 1, 2, 4, 8, 1, 1, 2, 4, 8, 4, 8, 4, 0, 0, 8]; // of TIFF's kinds of values
const NUMBERS = { 3: "getUint16", 4: "getUint32", 6: "getInt8", 8: "getInt16", 9: "getInt32", 13: "getUint32" };

// The tag's value, NaN where it is no number; null where there is no such tag. Raises where it is no EXIF.
function exifOrientation(bytes) {
  let start = 0;
  while (String.fromCharCode(...bytes.subarray(start, start + 6)) === "Exif\0\0") start += 6;
  if (start === bytes.length) return null;
  const view = new DataView(bytes.buffer, bytes.byteOffset + start, bytes.length - start);
  const isLittle = view.getUint16(0) === 0x4949;
  if ((!isLittle && view.getUint16(0) !== 0x4d4d) || ![0x002a, 0x2a00].includes(view.getUint16(2)))
    throw new Error("no EXIF");
  let said = null, at = view.getUint32(4, isLittle);
  if (at + 2 > view.byteLength) return null;
  const entries = view.getUint16(at, isLittle);
  at += 2;
  for (let i = 0; i < entries && at + 12 <= view.byteLength; i++, at += 12) {
    const type = view.getUint16(at + 2, isLittle);
    const size = view.getUint32(at + 4, isLittle) * (TYPE_BYTES[type] ?? 0);
    const offset = size > 4 ? view.getUint32(at + 8, isLittle) : at + 8;
    if (offset + size > view.byteLength) break; // Pillow reads no further
    if (size && view.getUint16(at, isLittle) === ORIENTATION)
      said = type in NUMBERS ? view[NUMBERS[type]](offset, isLittle) : NaN;
  }
  return said;
}

// Sizes -------------------------------------------------------------------------------

// Half to even, as Python rounds.
function rounded(value) {
  const down = Math.floor(value), rest = value - down;
  return rest > 0.5 || (rest === 0.5 && down % 2 !== 0) ? down + 1 : down;
}

function sizeBeforeTheCut(image, spec) {
  const { height, width, resize_px: px } = spec;
  if (spec.fit === "squash") {
    const [newHeight, newWidth] = spec.squash_px ?? [height, width];
    return [newWidth, newHeight];
  }
  if (spec.fit === "border") {
    const ratio = Math.max(image.height / height, image.width / width);
    return [Math.max(rounded(image.width / ratio), 1), Math.max(rounded(image.height / ratio), 1)];
  }
  if (height === width) {
    if (image.width <= image.height) return [px, Math.floor((px * image.height) / image.width)];
    return [Math.floor((px * image.width) / image.height), px];
  }
  const short = Math.min(height, width);
  const ratio = Math.min(
    image.height / Math.floor((height * px) / short),
    image.width / Math.floor((width * px) / short),
  );
  return [rounded(image.width / ratio), rounded(image.height / ratio)];
}

// What of a resized side is kept ({from, size}), and how much of the border stands before it.
function placed(side, wanted) {
  const missing = Math.max(wanted - side, 0), cut = rounded((side + missing - wanted) / 2);
  return { from: missing ? 0 : cut, size: Math.min(side, wanted), before: missing >> 1 };
}

function grey({ rgb }) {
  const out = new Uint8ClampedArray(rgb.length / 3);
  for (let i = 0, at = 0; i < out.length; i++, at += 3)
    out[i] = (rgb[at] * 19595 + rgb[at + 1] * 38470 + rgb[at + 2] * 7471 + 0x8000) >> 16;
  return out;
}

function surrounded(inside, across, down, spec) {
  const { channels, height, width, mean } = spec, out = new Uint8ClampedArray(height * width * channels);
  if (spec.fit === "border") {
    const fill = mean.map((value) => rounded(255 * value));
    if (spec.channel_order === "BGR") fill.reverse();
    for (let i = 0; i < out.length; i++) out[i] = fill[i % channels];
  }
  const row = across.size * channels;
  for (let y = 0; y < down.size; y++) {
    const at = ((y + down.before) * width + across.before) * channels;
    out.set(inside.subarray(y * row, (y + 1) * row), at);
  }
  return out;
}
