// A PNG -> the very RGB that Pillow and headswap make of it: 1 to 16 bits, palette, interlace; what is
// transparent becomes white. Gamma and profiles are ignored; rotation is the caller's.
// Flow:  bytes --chunks--> compressed rows --inflate, filters--> numbers --white, palette--> RGB
//
// Damaged files are read or refused as Pillow does it.
import { Inflater } from "./inflate.js";
import { Undecodable } from "./undecodable.js";

const MOST_TEXT = 2 ** 20; // bytes that a compressed text or profile may become
const PIECE = 65536; // bytes that Pillow hands to its decoder at once
const ADAM7 = [[0, 0, 8, 8], [4, 0, 8, 8], [0, 4, 4, 8], [2, 0, 4, 4], [0, 2, 2, 4], [1, 0, 2, 2], [0, 1, 1, 2]];
const WHOLE = [[0, 0, 1, 1]]; // first column, first row, steps to the next
const GREY = 0, COLOUR = 2, PALETTE = 3, GREY_ALPHA = 4, COLOUR_ALPHA = 6;
const CHANNELS = { [GREY]: 1, [COLOUR]: 3, [PALETTE]: 1, [GREY_ALPHA]: 2, [COLOUR_ALPHA]: 4 };
const DEPTHS = { [GREY]: [1, 2, 4, 8, 16], [COLOUR]: [8, 16], [PALETTE]: [1, 2, 4, 8], [GREY_ALPHA]: [8, 16],
  [COLOUR_ALPHA]: [8, 16] };
const LEAST_BYTES = { iCCP: 3, gAMA: 4, sRGB: 1, pHYs: 9, acTL: 8, fcTL: 26 }; // Pillow gives up on less

/**
 * Decode one picture.
 * @param data the whole file, beginning with the signature
 * @param check gets {width, height, depth, type} before a pixel is decoded; refuses by throwing
 * @returns {rgb, width, height, exif, xmp}: exif and xmp are bytes or null
 */
export function decodePng(data, check) {
  const png = readChunks(data, check), { head } = png;
  const pixels = pixelWriter(png), rows = new Rows(png);
  if (png.part && !(png.part.width && png.part.height)) throw new Undecodable("damaged");
  const { x, y, width, height } = png.part ?? { x: 0, y: 0, width: head.width, height: head.height };
  for (const [x0, y0, dx, dy] of head.isInterlaced ? ADAM7 : WHOLE) {
    const wide = Math.ceil((width - x0) / dx), high = Math.ceil((height - y0) / dy);
    if (wide <= 0 || high <= 0) continue;
    rows.begin(wide);
    for (let row = 0; row < high; row++) pixels.write(rows.next(), wide, x + x0, y + y0 + row * dy, dx);
  }
  if (rows.inflater.piece < png.cutFrom) throw new Undecodable("cut short");
  return { rgb: pixels.finish(), width: head.width, height: head.height, exif: png.exif, xmp: png.xmp };
}

/** One channel over white: what Pillow's paste gives. */
export function onWhite(value, alpha) {
  const sum = 255 * (255 - alpha) + value * alpha + 128;
  return ((sum >> 8) + sum) >> 8;
}

// Chunks ------------------------------------------------------------------------------

function readChunks(data, check) {
  const view = new DataView(data.buffer, data.byteOffset, data.byteLength);
  const png = { head: null, palette: null, transparency: null, exif: null, xmp: null, part: null, frames: 0,
    sequence: -1, rawExif: null, textXmp: null };
  const chunks = { data, view, at: 8 };
  let name = nextChunk(chunks);
  while (name !== "IDAT") {
    if (name === null || name === "IEND") throw new Undecodable(name ? "damaged" : "cut short");
    const body = chunkBody(chunks);
    readChunk(png, name, body, check);
    checkSum(chunks, name, body);
    name = nextChunk(chunks);
  }
  if (!png.head || (png.head.type === PALETTE && !png.palette)) throw new Undecodable("damaged");
  Object.assign(png, imageData(chunks));
  readRest(chunks, png, check);
  png.exif ??= png.rawExif;
  png.xmp = png.textXmp ?? png.xmp;
  return png;
}

// The name of the chunk that begins here; null where no whole one does.
function nextChunk(chunks) {
  const { data, view, at } = chunks;
  if (at + 8 > data.length) return null;
  const name = latin(data.subarray(at + 4, at + 8));
  if (!/^\w{4}$/.test(name)) return null;
  chunks.length = view.getUint32(at);
  chunks.at = at + 8;
  return name;
}

function chunkBody(chunks) {
  const end = chunks.at + chunks.length;
  if (end > chunks.data.length) throw new Undecodable("cut short");
  const body = chunks.data.subarray(chunks.at, end);
  chunks.at = end;
  return body;
}

function checkSum(chunks, name, body) {
  if (chunks.at + 4 > chunks.data.length) throw new Undecodable("cut short");
  let sum = -1;
  for (let i = 0; i < 4; i++) sum = CRC[(sum ^ name.charCodeAt(i)) & 255] ^ (sum >>> 8);
  for (let i = 0; i < body.length; i++) sum = CRC[(sum ^ body[i]) & 255] ^ (sum >>> 8);
  if (~sum >>> 0 !== chunks.view.getUint32(chunks.at)) throw new Undecodable("damaged");
  chunks.at += 4;
}

const CRC = Int32Array.from({ length: 256 }, (_, value) => {
  for (let bit = 0; bit < 8; bit++) value = value & 1 ? (value >>> 1) ^ 0xedb88320 : value >>> 1;
  return value;
});

// What is compressed, in the pieces in which Pillow gets it: it never looks beyond the one that it has.
// `cutFrom` is the first piece of a chunk that is cut short: it may be so only where it is read.
function imageData(chunks) {
  const pieces = [], { data } = chunks;
  let cutFrom = -1;
  for (let name = "IDAT"; name === "IDAT"; ) {
    const end = Math.min(chunks.at + chunks.length, data.length);
    if (chunks.at + chunks.length > data.length) cutFrom = pieces.length;
    for (let at = chunks.at; at < end; at += PIECE) pieces.push(data.subarray(at, Math.min(at + PIECE, end)));
    chunks.at += chunks.length + 4;
    const before = chunks.at;
    name = nextChunk(chunks);
    if (name !== "IDAT") chunks.at = before;
  }
  return { pieces, cutFrom };
}

// Behind the picture: notes still count, sums are not looked at, and what is no chunk ends it.
function readRest(chunks, png, check) {
  for (let name = nextChunk(chunks); name !== null && name !== "IEND"; name = nextChunk(chunks)) {
    if (name === "fcTL" && png.frames > 1) return;
    readChunk(png, name, chunkBody(chunks), check);
    chunks.at += 4;
  }
}

function readChunk(png, name, body, check) {
  if (body.length < (LEAST_BYTES[name] ?? 0)) throw new Undecodable("damaged");
  const view = new DataView(body.buffer, body.byteOffset, body.byteLength);
  if (name === "IHDR") readHead(png, body, view, check);
  else if (name === "PLTE" && !png.pieces) png.palette = body;
  else if (name === "tRNS") png.transparency = readTransparency(png.head, body, view);
  else if (name === "eXIf") png.exif = body;
  else if (name === "acTL") png.frames = view.getUint32(0);
  else if (name === "fcTL") readFramePart(png, view);
  else if (name === "iCCP") readProfile(body);
  else if (name === "cHRM" && body.length % 4) throw new Undecodable("damaged");
  else if (name.endsWith("Xt")) readText(png, name, body);
}

function readHead(png, body, view, check) {
  if (body.length < 13 || body[11]) throw new Undecodable("damaged");
  const [depth, type, , , interlace] = body.subarray(8);
  const width = view.getUint32(0), height = view.getUint32(4);
  const head = { width, height, depth, type, isInterlaced: interlace !== 0 };
  if (!DEPTHS[type]?.includes(depth)) throw new Undecodable("damaged");
  if (!png.head) check(head);
  png.head = head;
}

// The first picture of an animation may fill a part only.
function readFramePart(png, view) {
  const { head } = png, [sequence, width, height, x, y] = [0, 4, 8, 12, 16].map((at) => view.getUint32(at));
  const isBeyond = !head || x + width > head.width || y + height > head.height;
  if (sequence !== png.sequence + 1 || isBeyond) throw new Undecodable("damaged");
  png.sequence = sequence;
  if (!png.pieces) png.part = { x, y, width, height };
}

// Grey and colour: the one that is clear. Palette: how opaque each colour is.
function readTransparency(head, body, view) {
  const values = head?.type === GREY ? 1 : head?.type === COLOUR ? 3 : 0;
  if (body.length < 2 * values) throw new Undecodable("damaged");
  if (head?.type === PALETTE) return body;
  return values ? Array.from({ length: values }, (_, i) => view.getUint16(2 * i)) : null;
}

function readProfile(body) {
  const name = body.indexOf(0);
  if (name + 1 >= body.length || body[name + 1]) throw new Undecodable("damaged");
  inflatedText(body.subarray(name + 2));
}

// Texts count only where they tell how the picture is turned.
function readText(png, name, body) {
  const end = body.indexOf(0), key = latin(end < 0 ? body : body.subarray(0, end));
  let text = end < 0 ? new Uint8Array() : body.subarray(end + 1);
  if (name === "zTXt") {
    if (text.length && text[0]) throw new Undecodable("damaged");
    text = inflatedText(text.subarray(1)) ?? new Uint8Array();
  } else if (name === "iTXt") text = internationalText(text);
  if (!text) return;
  if (key === "XML:com.adobe.xmp") png[name === "iTXt" ? "xmp" : "textXmp"] = text;
  else if (key === "Raw profile type exif") png.rawExif = fromHex(latin(text));
  else if (key === "exif" && name === "tEXt") png.exif = text;
}

function internationalText(rest) {
  const language = rest.indexOf(0, 2), translated = rest.indexOf(0, language + 1);
  if (rest.length < 2 || language < 0 || translated < 0) return null;
  const text = rest.subarray(translated + 1);
  if (!rest[0]) return text;
  return rest[1] ? null : inflatedText(text);
}

// ImageMagick's way: a line feed, the name, the length, then the bytes in sixteens.
function fromHex(text) {
  const digits = text.split("\n").slice(3).join("").replace(/\s/g, "");
  if (digits.length % 2 || /[^0-9a-f]/i.test(digits)) return new Uint8Array();
  return Uint8Array.from(digits.match(/../g) ?? [], (pair) => parseInt(pair, 16));
}

// What it was before it was compressed; null where that cannot be told. Too much of it is refused.
function inflatedText(compressed) {
  const inflater = new Inflater([compressed]);
  try {
    inflater.produce(MOST_TEXT);
  } catch (error) {
    if (!(error instanceof Undecodable) || error.message !== "cut short") return null;
  }
  const { made, window } = inflater;
  if (made >= MOST_TEXT && inflater.hasInput()) throw new Undecodable("damaged");
  return window.slice(0, made);
}

function latin(bytes) {
  let text = "";
  for (let at = 0; at < bytes.length; at += 8192)
    text += String.fromCharCode(...bytes.subarray(at, at + 8192));
  return text;
}

// Rows --------------------------------------------------------------------------------

// The rows of a picture, unfiltered, one after the other.
class Rows {
  constructor({ head, pieces }) {
    this.inflater = new Inflater(pieces);
    this.pixelBits = CHANNELS[head.type] * head.depth;
    this.apart = Math.max(this.pixelBits >> 3, 1); // bytes from a pixel to the next
    this.hasEnded = false;
  }

  // A pass with rows of so many pixels: the row above the first one is black.
  begin(pixels) {
    const bytes = (pixels * this.pixelBits + 7) >> 3;
    this.above = new Uint8Array(bytes);
    this.row = new Uint8Array(bytes);
  }

  next() {
    const { inflater, above } = this, bytes = above.length;
    const row = this.row;
    if (this.hasEnded) return row.fill(0); // a stream that ends with a row is no damage to Pillow
    if (!inflater.hasInput()) throw new Undecodable("cut short");
    inflater.produce(bytes + 1);
    if (inflater.made - inflater.start < bytes + 1) throw new Undecodable("cut short");
    if (inflater.made - inflater.start === bytes + 1) inflater.lookahead();
    const [filter] = inflater.bytes(1);
    row.set(inflater.bytes(bytes));
    unfilter(filter, row, above, this.apart);
    this.hasEnded = inflater.state === "end" && inflater.made === inflater.start;
    [this.row, this.above] = [above, row];
    return row;
  }
}

function unfilter(filter, row, above, apart) {
  if (filter === 1) for (let i = apart; i < row.length; i++) row[i] += row[i - apart];
  else if (filter === 2) for (let i = 0; i < row.length; i++) row[i] += above[i];
  else if (filter === 3) unfilterMean(row, above, apart);
  else if (filter === 4) unfilterPaeth(row, above, apart);
  else if (filter) throw new Undecodable("damaged");
}

function unfilterMean(row, above, apart) {
  for (let i = 0; i < apart && i < row.length; i++) row[i] += above[i] >> 1;
  for (let i = apart; i < row.length; i++) row[i] += (row[i - apart] + above[i]) >> 1;
}

function unfilterPaeth(row, above, apart) {
  for (let i = 0; i < apart && i < row.length; i++) row[i] += above[i];
  for (let i = apart; i < row.length; i++) {
    const left = row[i - apart], up = above[i], corner = above[i - apart];
    const fromLeft = Math.abs(up - corner), fromUp = Math.abs(left - corner);
    const fromCorner = Math.abs(left + up - 2 * corner);
    row[i] += fromLeft <= fromUp && fromLeft <= fromCorner ? left : fromUp <= fromCorner ? up : corner;
  }
}

// Numbers -> RGB ----------------------------------------------------------------------

// Something that takes rows ({write(row, pixels, x, y, dx)}) and gives the RGB at the end ({finish()}).
function pixelWriter(png) {
  const { head } = png, rgb = new Uint8ClampedArray(3 * head.width * head.height);
  if (png.part) rgb.fill(png.transparency || head.type >= GREY_ALPHA ? 255 : 0);
  const offset = (x, y) => 3 * (y * head.width + x), finish = () => rgb;
  if (head.type === GREY && head.depth === 16) return deepGreyWriter(png, rgb);
  if (head.type === PALETTE || (head.type === GREY && head.depth <= 8)) {
    const colours = head.type === PALETTE ? paletteColours(png) : greyColours(png);
    const write = (row, n, x, y, dx) => writeColours(row, n, rgb, offset(x, y), 3 * dx, head.depth, colours);
    return { write, finish };
  }
  const bytes = head.depth >> 3, clear = png.transparency?.map((value) => value & 255);
  const write = head.type === COLOUR ? writeRgb : head.type === GREY_ALPHA ? writeGreyAlpha : writeRgba;
  return { write: (row, n, x, y, dx) => write(row, n, rgb, offset(x, y), 3 * dx, bytes, clear), finish };
}

function writeColours(row, count, rgb, start, apart, depth, colours) {
  const mask = (1 << depth) - 1;
  for (let i = 0, o = start; i < count; i++, o += apart) {
    const bit = i * depth, c = 3 * ((row[bit >> 3] >> (8 - depth - (bit & 7))) & mask);
    rgb[o] = colours[c];
    rgb[o + 1] = colours[c + 1];
    rgb[o + 2] = colours[c + 2];
  }
}

function paletteColours({ palette, transparency }) {
  const colours = new Uint8Array(768);
  for (let i = 0; i < 256; i++) {
    const alpha = transparency?.[i] ?? 255;
    for (let c = 3 * i; c < 3 * i + 3; c++) colours[c] = onWhite(palette[c] ?? 0, alpha);
  }
  return colours;
}

// Pillow compares what is clear with the grey that it has made, of 1 bit with black or white.
function greyColours({ head, transparency }) {
  const most = (1 << head.depth) - 1, colours = new Uint8Array(3 * (most + 1));
  const clear = transparency && (most === 1 ? (transparency[0] ? 255 : 0) : transparency[0] & 255);
  for (let i = 0; i <= most; i++) {
    const grey = (i * 255) / most;
    colours.fill(grey === clear ? 255 : grey, 3 * i, 3 * i + 3);
  }
  return colours;
}

function writeRgb(row, count, rgb, start, apart, bytes, clear) {
  for (let i = 0, at = 0, o = start; i < count; i++, at += 3 * bytes, o += apart) {
    const red = row[at], green = row[at + bytes], blue = row[at + 2 * bytes];
    const isClear = clear && red === clear[0] && green === clear[1] && blue === clear[2];
    rgb[o] = isClear ? 255 : red;
    rgb[o + 1] = isClear ? 255 : green;
    rgb[o + 2] = isClear ? 255 : blue;
  }
}

function writeGreyAlpha(row, count, rgb, start, apart, bytes) {
  for (let i = 0, at = 0, o = start; i < count; i++, at += 2 * bytes, o += apart)
    rgb[o] = rgb[o + 1] = rgb[o + 2] = onWhite(row[at], row[at + bytes]);
}

function writeRgba(row, count, rgb, start, apart, bytes) {
  for (let i = 0, at = 0, o = start; i < count; i++, at += 4 * bytes, o += apart) {
    const alpha = row[at + 3 * bytes];
    rgb[o] = onWhite(row[at], alpha);
    rgb[o + 1] = onWhite(row[at + bytes], alpha);
    rgb[o + 2] = onWhite(row[at + 2 * bytes], alpha);
  }
}

// 16 bits of grey: white is 65535, or 4095 where nothing is brighter, so that all rows wait for the last one.
function deepGreyWriter({ head, transparency }, rgb) {
  const values = new Uint16Array(head.width * head.height);
  const write = (row, count, x, y, dx) => {
    for (let i = 0, o = y * head.width + x; i < count; i++, o += dx)
      values[o] = (row[2 * i] << 8) | row[2 * i + 1];
  };
  const finish = () => {
    const brightest = values.reduce((most, value) => Math.max(most, value), 0);
    const greys = deepGreys(brightest <= 4095 ? 4095 : 65535, transparency?.[0] ?? -1);
    for (let i = 0, o = 0; i < values.length; i++, o += 3)
      rgb[o] = rgb[o + 1] = rgb[o + 2] = greys[values[i]];
    return rgb;
  };
  return { write, finish };
}

// In single precision, as numpy counts it there.
function deepGreys(white, clear) {
  const { fround } = Math;
  return Uint8Array.from({ length: 65536 }, (_, value) => {
    if (value === clear) return 255;
    return Math.min(Math.floor(fround(fround(fround(value / white) * 255) + 0.5)), 255);
  });
}
