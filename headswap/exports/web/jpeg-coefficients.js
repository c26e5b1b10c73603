// A scan of a JPEG -> its coefficients: Huffman codes, sequential and progressive, restart markers.
// Flow:  bytes --BitReader, tables--> bits --sequentialDecoder | progressiveDecoder--> coefficients
//
// Damaged data is read on as libjpeg reads it on: see jpeg.js.
import { transform } from "./jpeg-pixels.js";
import { Undecodable } from "./undecodable.js";

export const RST0 = 0xd0, SOI = 0xd8; // markers: the first restart, a start
// Where the coefficients stand, in the order of the file. Damaged runs reach beyond 63; they land on the last.
export const NATURAL_ORDER = Uint8Array.of(
  0, 1, 8, 16, 9, 2, 3, 10, 17, 24, 32, 25, 18, 11, 4, 5, 12, 19, 26, 33, 40, 48, 41, 34, 27, 20, 13, 6, 7, 14,
  21, 28, 35, 42, 49, 56, 57, 50, 43, 36, 29, 22, 15, 23, 30, 37, 44, 51, 58, 59, 52, 45, 38, 31, 39, 46, 53,
  60, 61, 54, 47, 55, 62, 63, 63, 63, 63, 63, 63, 63, 63, 63, 63, 63, 63, 63, 63, 63, 63, 63,
);

// The next marker in {data, at}, which moves behind it.
export function nextMarker(reader) {
  const { data } = reader;
  for (;;) {
    while (reader.at < data.length && data[reader.at] !== 0xff) reader.at++;
    while (reader.at < data.length && data[reader.at] === 0xff) reader.at++;
    if (reader.at >= data.length) throw new Undecodable("cut short");
    const marker = data[reader.at++];
    if (marker) return marker;
  }
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
    const found = table.lookup[(this.bits >>> (this.count - 9)) & 511];
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
  position() {
    const left = this.count - this.padding + 8 * (this.data.length - this.at);
    if (!this.marker && left < 8) throw new Undecodable("cut short");
    return this.marker ? this.at - 2 : this.at;
  }
}

// Codes of up to 9 bits in one step: length and symbol; -1: longer.
function lookupTable(tables, number, isDc) {
  const table = tables[number];
  if (!table) throw new Undecodable("damaged");
  const { counts, symbols } = table;
  if (isDc && symbols.some((symbol) => symbol > 15)) throw new Undecodable("damaged");
  if (table.lookup) return table;
  const lookup = new Int16Array(512).fill(-1);
  const highest = new Int32Array(17).fill(-1), offset = new Int32Array(17);
  let code = 0, at = 0;
  for (let length = 1; length <= 16; length++, code <<= 1) {
    const count = counts[length - 1];
    offset[length] = at - code;
    for (let i = 0; i < count; i++, at++, code++) {
      const from = code << (9 - length), size = 1 << (9 - length);
      if (length <= 9) lookup.fill((length << 8) | symbols[at], from, from + size);
    }
    if (count && code >= 1 << length) throw new Undecodable("damaged"); // no code may be all ones
    if (count) highest[length] = code - 1;
  }
  return Object.assign(table, { lookup, highest, offset });
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

export function addUsualTables(jpeg) {
  for (const kind of ["dcTables", "acTables"])
    USUAL_TABLES[kind].forEach((digits, number) => {
      const bytes = Uint8Array.from(digits.match(/../g), (pair) => parseInt(pair, 16));
      jpeg[kind][number] ??= { counts: bytes.slice(0, 16), symbols: bytes.slice(16) };
    });
}

// Coefficients ------------------------------------------------------------------------

export function sequentialDecoder(jpeg, parts) {
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

export function progressiveDecoder(jpeg, parts, band) {
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
