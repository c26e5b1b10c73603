// A JPEG -> the very RGB that Pillow makes of it with libjpeg-turbo: the accurate integer transform, reduced
// sizes while decoding, smooth upsampling, progressive, restart markers, grey, CMYK and YCCK.
// Flow:  bytes --markers, scans--> coefficients --inverse DCT--> samples --upsampling, colours--> RGB
//
// Damaged data is read on as libjpeg reads it on: what it only warns of is decoded to the same odd pixels,
// what it gives up on is refused. Profiles are ignored; rotation is the caller's.
// The arithmetic follows the Independent JPEG Group's library and libjpeg-turbo.

export class Undecodable extends Error {} // its message completes "This picture is ..."

const { imul } = Math;
const RST0 = 0xd0, SOI = 0xd8, EOI = 0xd9, SOS = 0xda;
const XMP_NAME = "http://ns.adobe.com/xap/1.0/\0";
const LARGEST_SIDE = 65500; // px; libjpeg gives up on more
const BLOCK = 65536; // bytes; what Pillow hands to libjpeg at once
const MOST_BLOCKS = 10; // of an interleaved unit
// Where the coefficients stand, in the order of the file. Damaged runs reach beyond 63; they land on the last.
const NATURAL_ORDER = Uint8Array.of(
  0, 1, 8, 16, 9, 2, 3, 10, 17, 24, 32, 25, 18, 11, 4, 5, 12, 19, 26, 33, 40, 48, 41, 34, 27, 20, 13, 6, 7, 14,
  21, 28, 35, 42, 49, 56, 57, 50, 43, 36, 29, 22, 15, 23, 30, 37, 44, 51, 58, 59, 52, 45, 38, 31, 39, 46, 53,
  60, 61, 54, 47, 55, 62, 63, 63, 63, 63, 63, 63, 63, 63, 63, 63, 63, 63, 63, 63, 63, 63, 63,
);

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
      if (readScan(jpeg, choose)) return lookBehind(jpeg);
    } else readSegment(jpeg, marker);
  }
  if (!jpeg.reduction) throw new Undecodable("damaged");
  transformAll(jpeg.frame);
  return picture(jpeg);
}

// Behind a scan that holds everything the end may be missing; but no nonsense may stand there, as far as Pillow
// looks.
function lookBehind(jpeg) {
  jpeg.data = jpeg.data.subarray(0, Math.ceil(jpeg.at / BLOCK) * BLOCK);
  try {
    for (let marker = nextMarker(jpeg); marker !== EOI; marker = nextMarker(jpeg)) {
      if (marker === SOS) throw new Undecodable("damaged");
      readSegment(jpeg, marker);
    }
  } catch (error) {
    if (error.message !== "cut short") throw error;
  }
  return picture(jpeg);
}

function picture(jpeg) {
  const { exif, xmp, frame } = jpeg;
  return { ...painted(jpeg), exif, xmp, exact: !frame.progressive || frame.components.every(isComplete) };
}

// Markers -----------------------------------------------------------------------------

function nextMarker(jpeg) {
  const { data } = jpeg;
  for (;;) {
    while (jpeg.at < data.length && data[jpeg.at] !== 0xff) jpeg.at++;
    while (jpeg.at < data.length && data[jpeg.at] === 0xff) jpeg.at++;
    if (jpeg.at >= data.length) throw new Undecodable("cut short");
    const marker = data[jpeg.at++];
    if (marker) return marker;
  }
}

// The segment that begins here: its body, and how long that should be; the place moves behind it.
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

// For arithmetic coding, which is not read here; libjpeg looks at it all the same.
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
  jpeg.at = reader.place();
}

function decodeUnit(parts, decode, x, y) {
  for (const part of parts)
    for (let v = 0; v < part.v; v++)
      for (let h = 0; h < part.h; h++) decode.block(part, x * part.h + h, y * part.v + v);
}

// Bits --------------------------------------------------------------------------------

class BitReader {
  constructor(data, at) {
    this.data = data;
    this.at = at;
    this.marker = 0; // that ends the data, once it is met
    this.nextRestart = 0;
    this.isCut = false; // the file ended instead
    this.isEmpty = false; // the data ended too early: units stay as they are until the next restart
    this.clear();
  }

  clear() {
    this.bits = 0;
    this.count = 0;
    this.padding = 0; // zeros behind the real bits
  }

  // Have at least 25 bits.
  fill() {
    const { data } = this;
    while (this.count <= 24) {
      let byte = 0;
      if (!this.marker) {
        if (this.at < data.length) byte = data[this.at++];
        else this.endOfFile();
        if (byte === 0xff) byte = this.afterFF();
      }
      if (this.marker || this.isCut) this.padding += 8;
      this.bits = (this.bits << 8) | byte;
      this.count += 8;
    }
  }

  // A zero behind FF is stuffing; anything else is a marker, where the data ends.
  afterFF() {
    const { data } = this;
    while (data[this.at] === 0xff) this.at++;
    if (this.at >= data.length) return this.endOfFile();
    const next = data[this.at++];
    if (next === 0) return 0xff;
    this.marker = next;
    return 0;
  }

  // Without a marker: from now on libjpeg asks for more than 8 real bits before each symbol, in vain.
  endOfFile() {
    this.isCut = true;
    this.symbol = (table) => {
      if (this.count < this.padding + 8) throw new Undecodable("cut short");
      return BitReader.prototype.symbol.call(this, table);
    };
    return 0;
  }

  take(wanted) {
    if (this.count < wanted) this.fill();
    this.count -= wanted;
    return (this.bits >>> this.count) & ((1 << wanted) - 1);
  }

  // The next number of so many bits, of which the first half is negative.
  number(wanted) {
    const value = this.take(wanted);
    return wanted && value < 1 << (wanted - 1) ? value - (1 << wanted) + 1 : value;
  }

  symbol(table) {
    if (this.count < 17) this.fill();
    const found = table.look[(this.bits >>> (this.count - 9)) & 511];
    if (found >= 0) {
      this.count -= found >> 8;
      return found & 255;
    }
    return this.longSymbol(table);
  }

  longSymbol({ highest, offset, symbols }) {
    for (let length = 10; length <= 16; length++) {
      const code = (this.bits >>> (this.count - length)) & ((1 << length) - 1);
      if (code <= highest[length]) {
        this.count -= length;
        return symbols[(code + offset[length]) & 255];
      }
    }
    this.count -= 17; // no such code: libjpeg takes it for a zero
    return 0;
  }

  noteEnd() {
    if (this.count >= this.padding) return;
    if (this.isCut) throw new Undecodable("cut short");
    this.isEmpty = true;
  }

  // Go on behind the restart marker that is due. Where another stands there, libjpeg's guess is followed.
  restart() {
    this.clear();
    const due = this.nextRestart;
    this.nextRestart = (due + 1) & 7;
    this.findMarker();
    while (this.marker !== RST0 + due) {
      const ahead = (this.marker - RST0 - due) & 7, isRestart = this.marker >= RST0 && this.marker < SOI;
      if (this.marker >= 0xc0 && (!isRestart || ahead === 1 || ahead === 2)) return; // this stretch is missing
      if (isRestart && ahead !== 6 && ahead !== 7) break;
      this.marker = 0; // of an earlier stretch, or no marker at all: look on
      this.findMarker();
    }
    this.marker = 0;
    this.isEmpty = false;
  }

  findMarker() {
    if (this.marker) return;
    this.marker = nextMarker(this);
  }

  // Where the next marker is looked for. A file that ends without one, with nothing left over, is cut short to
  // libjpeg, even where the last unit could be read: it had asked for more.
  place() {
    const left = this.count - this.padding + 8 * (this.data.length - this.at);
    if (!this.marker && left < 8) throw new Undecodable("cut short");
    return this.marker ? this.at - 2 : this.at;
  }
}

// Codes of up to 9 bits at one look: length and symbol; -1: longer.
function lookupTable(tables, number, isDc) {
  const table = tables[number];
  if (!table) throw new Undecodable("damaged");
  const { counts, symbols } = table;
  if (isDc && symbols.some((symbol) => symbol > 15)) throw new Undecodable("damaged");
  if (table.look) return table;
  const look = new Int16Array(512).fill(-1);
  const highest = new Int32Array(17).fill(-1), offset = new Int32Array(17);
  let code = 0, at = 0;
  for (let length = 1; length <= 16; length++, code <<= 1) {
    const count = counts[length - 1];
    offset[length] = at - code;
    for (let i = 0; i < count; i++, at++, code++) {
      const from = code << (9 - length), size = 1 << (9 - length);
      if (length <= 9) look.fill((length << 8) | symbols[at], from, from + size);
    }
    if (count && code >= 1 << length) throw new Undecodable("damaged"); // no code may be all ones
    if (count) highest[length] = code - 1;
  }
  return Object.assign(table, { look, highest, offset });
}

// What cameras that film leave out, because the standard proposes it: 16 counts and the symbols, by number.
const USUAL_TABLES = {
  dcTables: [
    "00010501010101010100000000000000000102030405060708090a0b",
    "00030101010101010101010000000000000102030405060708090a0b",
  ],
  acTables: [
    "0002010303020403050504040000017d01020300041105122131410613516107227114328191a1082342b1c11552d1f024" +
      "33627282090a161718191a25262728292a3435363738393a434445464748494a535455565758595a636465666768696a73" +
      "7475767778797a838485868788898a92939495969798999aa2a3a4a5a6a7a8a9aab2b3b4b5b6b7b8b9bac2c3c4c5c6c7c8" +
      "c9cad2d3d4d5d6d7d8d9dae1e2e3e4e5e6e7e8e9eaf1f2f3f4f5f6f7f8f9fa",
    "00020102040403040705040400010277000102031104052131061241510761711322328108144291a1b1c109233352f015" +
      "6272d10a162434e125f11718191a262728292a35363738393a434445464748494a535455565758595a636465666768696a" +
      "737475767778797a82838485868788898a92939495969798999aa2a3a4a5a6a7a8a9aab2b3b4b5b6b7b8b9bac2c3c4c5c6" +
      "c7c8c9cad2d3d4d5d6d7d8d9dae2e3e4e5e6e7e8e9eaf2f3f4f5f6f7f8f9fa",
  ],
};

function addUsualTables(jpeg) {
  for (const kind of ["dcTables", "acTables"])
    USUAL_TABLES[kind].forEach((digits, number) => {
      const bytes = Uint8Array.from(digits.match(/../g), (pair) => parseInt(pair, 16));
      jpeg[kind][number] ??= { counts: bytes.slice(0, 16), symbols: bytes.slice(16) };
    });
}

// Coefficients ------------------------------------------------------------------------

function sequentialDecoder(jpeg, parts) {
  const reader = new BitReader(jpeg.data, jpeg.at), scratch = new Int16Array(64), { isWhole } = jpeg.frame;
  for (const part of parts) {
    part.dc = lookupTable(jpeg.dcTables, part.dcNumber, true);
    part.ac = lookupTable(jpeg.acTables, part.acNumber, false);
  }
  const restart = () => parts.forEach((part) => (part.previous = 0));
  restart();
  // Where one scan brings everything, each block is transformed at once and its coefficients are forgotten.
  const block = (part, x, y) => {
    const into = isWhole ? scratch : part.coefficients, at = isWhole ? 0 : 64 * (y * part.stride + x);
    let last = 0;
    if (isWhole) scratch.fill(0);
    if (!reader.isEmpty) last = sequentialBlock(reader, part, into, at);
    if (isWhole && x < part.blocksX && y < part.blocksY) transform(part, x, y, scratch, 0, last === 0);
  };
  return { reader, restart, block };
}

// Fill one block; returns the place of the last coefficient in it.
function sequentialBlock(reader, part, into, at) {
  part.previous = (part.previous + reader.number(reader.symbol(part.dc))) | 0;
  into[at] = part.previous;
  let last = 0;
  for (let k = 1; k < 64; k++) {
    const symbol = reader.symbol(part.ac), size = symbol & 15;
    if (size) {
      k += symbol >> 4;
      into[at + NATURAL_ORDER[k]] = reader.number(size);
      last = k;
    } else if (symbol === 0xf0) k += 15;
    else break;
  }
  return last;
}

function progressiveDecoder(jpeg, parts, band) {
  const { first, last, high, low } = band, isDc = first === 0;
  const badBand = isDc ? last !== 0 : first > last || last > 63 || parts.length !== 1;
  if (badBand || low > 13 || (high && low !== high - 1)) throw new Undecodable("damaged");
  const reader = new BitReader(jpeg.data, jpeg.at), run = { left: 0 };
  for (const part of parts) {
    part.accuracy.fill(low, first, last + 1);
    if (isDc && !high) part.dc = lookupTable(jpeg.dcTables, part.dcNumber, true);
    if (!isDc) part.ac = lookupTable(jpeg.acTables, part.acNumber, false);
  }
  const restart = () => {
    run.left = 0;
    for (const part of parts) part.previous = 0;
  };
  restart();
  const kinds = isDc ? [firstDc, refinedDc] : [firstAc, refinedAc], decode = kinds[high ? 1 : 0];
  const block = (part, x, y) => {
    if (!reader.isEmpty) decode(reader, part, 64 * (y * part.stride + x), band, run);
  };
  return { reader, restart, block };
}

function firstDc(reader, part, at, { low }) {
  part.previous = (part.previous + reader.number(reader.symbol(part.dc))) | 0;
  part.coefficients[at] = part.previous << low;
}

function refinedDc(reader, part, at, { low }) {
  if (reader.take(1)) part.coefficients[at] |= 1 << low;
}

function firstAc(reader, part, at, { first, last, low }, run) {
  if (run.left) {
    run.left--;
    return;
  }
  for (let k = first; k <= last; k++) {
    const symbol = reader.symbol(part.ac), size = symbol & 15, zeros = symbol >> 4;
    if (size) {
      k += zeros;
      part.coefficients[at + NATURAL_ORDER[k]] = reader.number(size) << low;
    } else if (zeros === 15) k += 15;
    else {
      run.left = (1 << zeros) + reader.take(zeros) - 1; // so many more blocks have nothing in this band
      return;
    }
  }
}

function refinedAc(reader, part, at, { first, last, low }, run) {
  const { coefficients } = part, one = 1 << low;
  let k = first;
  if (run.left === 0)
    for (; k <= last; k++) {
      const symbol = reader.symbol(part.ac), zeros = symbol >> 4;
      let value = 0;
      if (symbol & 15) value = reader.take(1) ? one : -one;
      else if (zeros < 15) {
        run.left = (1 << zeros) + reader.take(zeros);
        break;
      }
      k = refinedUpTo(reader, coefficients, at, k, last, zeros, one);
      if (value) coefficients[at + NATURAL_ORDER[k]] = value;
    }
  if (run.left > 0) {
    refinedUpTo(reader, coefficients, at, k, last, 64, one);
    run.left--;
  }
}

// One more bit for what is not zero, up to the zero behind so many zeros; returns its place.
function refinedUpTo(reader, coefficients, at, from, last, zeros, one) {
  let k = from;
  for (; k <= last; k++) {
    const i = at + NATURAL_ORDER[k], value = coefficients[i];
    if (value === 0) {
      if (zeros-- === 0) break;
    } else if (reader.take(1) && (value & one) === 0) coefficients[i] = value + (value > 0 ? one : -one);
  }
  return k;
}

// Coefficients -> samples -------------------------------------------------------------

function transformAll(frame) {
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

function transform(part, x, y, coefficients, from, isFlat) {
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

function painted(jpeg) {
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
