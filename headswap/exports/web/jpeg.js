// A JPEG -> the very RGB that Pillow makes of it with libjpeg-turbo: reduced sizes while decoding, progressive,
// restart markers, grey, CMYK and YCCK.
// Flow:  bytes --markers, scans--> coefficients (jpeg-coefficients.js) --> samples, RGB (jpeg-pixels.js)
//
// Damaged data is read on as libjpeg reads it on: what it only warns of is decoded to the same odd pixels,
// what it gives up on is refused. Profiles are ignored; rotation is the caller's.
import { NATURAL_ORDER, RST0, SOI, addUsualTables, nextMarker } from "./jpeg-coefficients.js";
import { progressiveDecoder, sequentialDecoder } from "./jpeg-coefficients.js";
import { painted, transformAll } from "./jpeg-pixels.js";
import { Undecodable } from "./undecodable.js";

const EOI = 0xd9, SOS = 0xda;
const XMP_NAME = "http://ns.adobe.com/xap/1.0/\0";
const LARGEST_SIDE = 65500; // px; libjpeg gives up on more
const BLOCK = 65536; // bytes; what Pillow hands to libjpeg at once
const MOST_BLOCKS = 10; // of an interleaved unit

/**
 * Decode one picture.
 * @param data the whole file, beginning with FF D8
 * @param choose gets {width, height, kept} before a pixel is decoded (kept: coefficients of each pixel that
 *   stay in memory), refuses by throwing, and returns the reduction: 1, 2, 4 or 8
 * @returns {rgb, width, height, exif, xmp, exact}: exif and xmp are bytes or null; exact is false where
 *   libjpeg would smooth a progressive picture whose details are missing, which is not done here
 */
export function decodeJpeg(data, choose) {
  const jpeg = {
    data, at: 2, frame: null, reduction: 0, exif: null, xmp: null, hasJfif: false, adobe: null,
    quantization: [], dcTables: [], acTables: [], restartInterval: 0,
  };
  for (let marker = nextMarker(jpeg); marker !== EOI; marker = nextMarker(jpeg)) {
    if (marker === SOS) {
      if (readScan(jpeg, choose)) return checkRest(jpeg);
    } else readSegment(jpeg, marker);
  }
  if (!jpeg.reduction) throw new Undecodable("damaged");
  transformAll(jpeg.frame);
  return imageOf(jpeg);
}

// Behind a scan that holds everything the end may be missing; but no nonsense may stand there, as far as Pillow
// looks.
function checkRest(jpeg) {
  jpeg.data = jpeg.data.subarray(0, Math.ceil(jpeg.at / BLOCK) * BLOCK);
  try {
    for (let marker = nextMarker(jpeg); marker !== EOI; marker = nextMarker(jpeg)) {
      if (marker === SOS) throw new Undecodable("damaged");
      readSegment(jpeg, marker);
    }
  } catch (error) {
    if (error.message !== "cut short") throw error;
  }
  return imageOf(jpeg);
}

function imageOf(jpeg) {
  const { exif, xmp, frame } = jpeg;
  return { ...painted(jpeg), exif, xmp, exact: !frame.progressive || frame.components.every(isComplete) };
}

// Markers -----------------------------------------------------------------------------

// The segment that begins here: its body, and how long that should be; the position moves behind it.
// Where the file ends before, what is there is looked at first: libjpeg finds nonsense before it misses a byte.
function segment(jpeg) {
  const { data, at } = jpeg, length = (data[at] << 8) | data[at + 1];
  if (at + 2 > data.length) throw new Undecodable("cut short");
  jpeg.at = at + Math.max(length, 2);
  return { body: data.subarray(at + 2, jpeg.at), length: length - 2 };
}

// What is missing is either behind the end of the file, or was never meant to be there.
function missing({ body, length }) {
  return new Undecodable(body.length < length ? "cut short" : "damaged");
}

function readSegment(jpeg, marker) {
  if (marker >= RST0 && marker < SOI) return; // a restart stands alone
  if (marker === 0x01 && jpeg.reduction) return; // so does this, which Pillow takes for nonsense before a scan
  const isKnown = (marker >= 0xc0 && marker <= 0xdd) || (marker >= 0xe0 && marker <= 0xef) || marker === 0xfe;
  if (!isKnown || marker === SOI) throw new Undecodable("damaged");
  const part = segment(jpeg);
  if (marker === 0xdb) readQuantization(jpeg, part);
  else if (marker === 0xc4) readHuffman(jpeg, part);
  else if (marker === 0xdd) readRestartInterval(jpeg, part);
  else if (marker === 0xcc) checkConditioning(part);
  else if (marker <= 0xcf) readFrame(jpeg, marker, part);
  else if (part.body.length < part.length) throw missing(part);
  else if (!jpeg.reduction) readNote(jpeg, marker, part.body);
}

// Notes count as far as Pillow reads before it decodes: up to the first scan.
function readNote(jpeg, marker, body) {
  if (marker === 0xe0 && body.length >= 14 && startsWith(body, "JFIF\0")) jpeg.hasJfif = true;
  else if (marker === 0xee && body.length >= 12 && startsWith(body, "Adobe")) jpeg.adobe = body[11];
  else if (marker === 0xe1 && startsWith(body, "Exif\0\0")) jpeg.exif = joined(jpeg.exif, body);
  else if (marker === 0xe1 && startsWith(body, XMP_NAME)) jpeg.xmp = body.subarray(XMP_NAME.length);
}

function startsWith(bytes, text) {
  return Array.prototype.every.call(text, (letter, i) => bytes[i] === letter.charCodeAt(0));
}

// A long EXIF block goes on in the next segment, which repeats the name.
function joined(before, body) {
  if (!before) return body;
  const all = new Uint8Array(before.length + body.length - 6);
  all.set(before);
  all.set(body.subarray(6), before.length);
  return all;
}

function readQuantization(jpeg, part) {
  const { body, length } = part;
  let at = 0;
  while (at < length) {
    const number = body[at] & 15, wide = body[at] >> 4 ? 2 : 1, table = new Int32Array(64);
    if (number > 3) throw new Undecodable("damaged");
    at++;
    if (at + 64 * wide > body.length) throw missing(part);
    for (let i = 0; i < 64; i++, at += wide)
      table[NATURAL_ORDER[i]] = wide === 2 ? (body[at] << 8) | body[at + 1] : body[at];
    jpeg.quantization[number] = table;
  }
  if (length < 0) throw new Undecodable("damaged");
}

function readHuffman(jpeg, part) {
  const { body, length } = part;
  let at = 0;
  while (length - at > 16) {
    if (at + 17 > body.length) throw missing(part);
    const kind = body[at], tables = kind & 16 ? jpeg.acTables : jpeg.dcTables;
    const counts = body.slice(at + 1, at + 17);
    const symbols = counts.reduce((sum, count) => sum + count, 0);
    at += 17;
    if (symbols > 256 || at + symbols > length) throw new Undecodable("damaged");
    if (at + symbols > body.length) throw missing(part);
    if (kind > 0x1f || (kind & 15) > 3) throw new Undecodable("damaged");
    tables[kind & 15] = { counts, symbols: body.slice(at, at + symbols) };
    at += symbols;
  }
  if (at !== length) throw new Undecodable("damaged");
}

function readRestartInterval(jpeg, { body, length }) {
  if (length !== 2) throw new Undecodable("damaged");
  jpeg.restartInterval = (body[0] << 8) | body[1];
}

// For arithmetic coding, which is not read here; libjpeg looks at it anyway.
function checkConditioning({ body, length }) {
  for (let at = 0; at < body.length; at += 2) {
    const number = body[at], low = body[at + 1] & 15, high = body[at + 1] >> 4;
    if (number > 31 || (number < 16 && low > high)) throw new Undecodable("damaged");
  }
  if (length < 0 || length % 2) throw new Undecodable("damaged");
  if (body.length < length) throw new Undecodable("cut short");
}

function readFrame(jpeg, marker, { body, length }) {
  if (marker > 0xc2 && !jpeg.frame) throw new Undecodable("a JPEG of a rare kind, which is not read here");
  const count = body[5];
  const isOdd = body[0] !== 8 || ![1, 3, 4].includes(count) || length !== 6 + 3 * count;
  if (jpeg.frame || isOdd || body.length < length) throw new Undecodable("damaged");
  const components = [];
  for (let at = 6; at < body.length; at += 3)
    components.push({ id: body[at], h: body[at + 1] >> 4, v: body[at + 1] & 15, table: body[at + 2] });
  const height = (body[1] << 8) | body[2], width = (body[3] << 8) | body[4];
  jpeg.frame = { progressive: marker === 0xc2, width, height, components };
}

// Frames and scans --------------------------------------------------------------------

// Read one scan; true where it holds the whole picture, which is then transformed as well.
function readScan(jpeg, choose) {
  const { frame } = jpeg, { body } = segment(jpeg), count = body[0];
  if (!frame || !(count >= 1 && count <= 4) || body.length !== 2 * count + 4) throw new Undecodable("damaged");
  const alone = !frame.progressive && count === frame.components.length;
  if (!jpeg.reduction) {
    jpeg.reduction = choose({ width: frame.width, height: frame.height, kept: alone ? 0 : keptEach(frame) });
    layOut(frame, jpeg.reduction, alone);
    frame.isWhole = alone;
    if (!frame.progressive) addUsualTables(jpeg);
  }
  const parts = [];
  for (let i = 0; i < count; i++) parts.push(scanPart(jpeg, body[1 + 2 * i], body[2 + 2 * i], parts));
  const [first, last, approximation] = body.subarray(1 + 2 * count);
  const band = { first, last, high: approximation >> 4, low: approximation & 15 };
  const decode = frame.progressive ? progressiveDecoder(jpeg, parts, band) : sequentialDecoder(jpeg, parts);
  decodeUnits(jpeg, parts, decode);
  return frame.isWhole;
}

function keptEach({ components }) {
  const widest = Math.max(...components.map(({ h }) => h));
  const highest = Math.max(...components.map(({ v }) => v));
  return components.reduce((sum, { h, v }) => sum + h * v, 0) / (widest * highest);
}

function scanPart(jpeg, id, tables, before) {
  const part = jpeg.frame.components.find((one) => one.id === id && !before.includes(one));
  if (!part) throw new Undecodable("damaged");
  part.dcNumber = tables >> 4;
  part.acNumber = tables & 15;
  if (!part.quantization) part.quantization = jpeg.quantization[part.table]; // the one of its first scan counts
  if (!part.quantization) throw new Undecodable("damaged");
  return part;
}

// How many blocks each component has, and how large a block becomes when the picture is reduced.
function layOut(frame, reduction, isWhole) {
  const { width, height, components } = frame, least = 8 / reduction;
  const bad = components.some(({ h, v }) => h < 1 || h > 4 || v < 1 || v > 4);
  if (bad || width > LARGEST_SIDE || height > LARGEST_SIDE) throw new Undecodable("damaged");
  const maxH = Math.max(...components.map(({ h }) => h)), maxV = Math.max(...components.map(({ v }) => v));
  const unitsX = Math.ceil(width / (8 * maxH)), unitsY = Math.ceil(height / (8 * maxV));
  Object.assign(frame, { maxH, maxV, unitsX, unitsY, least });
  for (const part of components) {
    const { h, v } = part;
    let size = least; // a component with few samples is reduced less, so that it needs less upsampling
    while (size < 8 && (maxH * least) % (2 * h * size) === 0 && (maxV * least) % (2 * v * size) === 0) size *= 2;
    const stride = unitsX * h, rows = unitsY * v;
    Object.assign(part, {
      size, stride, rows,
      blocksX: Math.ceil((width * h) / (8 * maxH)), blocksY: Math.ceil((height * v) / (8 * maxV)),
      width: Math.ceil((width * h * size) / (8 * maxH)), height: Math.ceil((height * v * size) / (8 * maxV)),
      step: stride * size, // of the samples
      samples: new Uint8ClampedArray(stride * size * rows * size),
      coefficients: isWhole ? null : new Int16Array(64 * stride * rows),
      accuracy: new Int8Array(64).fill(-1), // lowest bit of each coefficient that was told; -1: none
    });
  }
}

// Details count as missing where the first coefficients were announced but not told to the last bit.
function isComplete({ accuracy }) {
  return accuracy[0] < 0 || accuracy.subarray(1, 10).every((bit) => bit === 0);
}

// Go through the units of a scan: interleaved, or all blocks of one component.
function decodeUnits(jpeg, parts, decode) {
  const { frame, restartInterval } = jpeg, single = parts.length === 1 ? parts[0] : null;
  const blocks = single ? 1 : parts.reduce((sum, { h, v }) => sum + h * v, 0);
  if (blocks > MOST_BLOCKS) throw new Undecodable("damaged");
  const unitsX = single ? single.blocksX : frame.unitsX, unitsY = single ? single.blocksY : frame.unitsY;
  const reader = decode.reader;
  let left = restartInterval;
  for (let y = 0; y < unitsY; y++)
    for (let x = 0; x < unitsX; x++) {
      if (restartInterval && left-- === 0) {
        reader.restart();
        decode.restart();
        left = restartInterval - 1;
      }
      if (single) decode.block(single, x, y);
      else decodeUnit(parts, decode, x, y);
      reader.noteEnd();
    }
  jpeg.at = reader.position();
}

function decodeUnit(parts, decode, x, y) {
  for (const part of parts)
    for (let v = 0; v < part.v; v++)
      for (let h = 0; h < part.h; h++) decode.block(part, x * part.h + h, y * part.v + v);
}
