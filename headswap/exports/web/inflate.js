// Inflates as zlib does, and tells how far it came: what stands before damage, and in which piece it stopped.
// Flow:  pieces --Inflater.produce--> bytes in its window
//
// A browser's DecompressionStream tells nothing of what stands before damage, where Pillow may have all the
// rows that it needs.
import { Undecodable } from "./undecodable.js";

const LENGTH_BASE = Uint16Array.of(
  3, 4, 5, 6, 7, 8, 9, 10, 11, 13, 15, 17, 19, 23, 27, 31, 35, 43, 51, 59, 67, 83, 99, 115, 131, 163, 195, 227, 258,
);
const LENGTH_EXTRA = Uint8Array.of(
  0, 0, 0, 0, 0, 0, 0, 0, 1, 1, 1, 1, 2, 2, 2, 2, 3, 3, 3, 3, 4, 4, 4, 4, 5, 5, 5, 5, 0,
);
const DISTANCE_BASE = Uint16Array.of(
  1, 2, 3, 4, 5, 7, 9, 13, 17, 25, 33, 49, 65, 97, 129, 193, 257, 385, 513, 769, 1025, 1537, 2049, 3073, 4097, 6145,
  8193, 12289, 16385, 24577,
);
const DISTANCE_EXTRA = Uint8Array.of(
  0, 0, 0, 0, 1, 1, 2, 2, 3, 3, 4, 4, 5, 5, 6, 6, 7, 7, 8, 8, 9, 9, 10, 10, 11, 11, 12, 12, 13, 13,
);
const CODE_LENGTH_ORDER = Uint8Array.of(16, 17, 18, 0, 8, 7, 9, 6, 10, 5, 11, 4, 12, 3, 13, 2, 14, 1, 15);
const WINDOW = 32768, LONGEST = 258;
const OUT_OF_INPUT = new Undecodable("cut short");

// Codes of up to 15 bits, found at one look; zlib's rules say which tables are refused.
function codeTable(lengths, kind) {
  const counts = new Uint16Array(16), next = new Uint16Array(16);
  for (const length of lengths) counts[length]++;
  let longest = 15, left = 1;
  while (longest > 0 && !counts[longest]) longest--;
  for (let length = 1; length <= 15; length++) {
    left = 2 * left - counts[length];
    if (left < 0) throw new Undecodable("damaged");
    next[length] = length === 1 ? 0 : (next[length - 1] + (length > 1 ? counts[length - 1] : 0)) << 1;
  }
  if (longest && left > 0 && (kind === "lengths" || longest !== 1)) throw new Undecodable("damaged");
  const bits = Math.max(longest, 1), table = new Uint16Array(1 << bits); // symbol and length; 0: no code
  lengths.forEach((length, symbol) => {
    if (!length) return;
    const code = reversed(next[length]++, length);
    for (let i = code; i < table.length; i += 1 << length) table[i] = (symbol << 4) | length;
  });
  return { table, bits };
}

function reversed(code, length) {
  let result = 0;
  for (let i = 0; i < length; i++) result |= ((code >> i) & 1) << (length - 1 - i);
  return result;
}

const FIXED = {
  literals: codeTable(
    Array.from({ length: 288 }, (_, i) => (i < 144 ? 8 : i < 256 ? 9 : i < 280 ? 7 : 8)),
    "fixed",
  ),
  distances: codeTable(Array(32).fill(5), "fixed"),
};

// Inflates as far as it is asked to, and stops exactly where zlib stops.
export class Inflater {
  constructor(pieces) {
    this.pieces = pieces;
    this.piece = 0;
    this.input = pieces[0] ?? new Uint8Array();
    this.at = 0;
    this.hold = 0;
    this.held = 0; // bits
    this.window = new Uint8Array(4 * WINDOW);
    this.made = 0; // bytes that stand in the window
    this.start = 0; // of them, already handed out or forgotten
    this.total = 0; // bytes that left the window before
    this.sums = [1, 0]; // Adler's, up to `summed`
    this.summed = 0;
    this.state = "header";
    this.isLast = false;
    this.stored = 0;
    this.codes = null;
    this.mayMove = true; // to the next piece of the input
  }

  hasInput() {
    while (this.at >= this.input.length && this.piece + 1 < this.pieces.length) this.nextPiece();
    return this.at - (this.held >> 3) < this.input.length;
  }

  nextPiece() {
    this.input = this.pieces[++this.piece];
    this.at = 0;
  }

  need(bits) {
    while (this.held < bits) {
      while (this.at >= this.input.length) {
        if (!this.mayMove || this.piece + 1 >= this.pieces.length) throw OUT_OF_INPUT;
        this.nextPiece();
      }
      this.hold |= this.input[this.at++] << this.held;
      this.held += 8;
    }
  }

  take(bits) {
    this.need(bits);
    const value = this.hold & ((1 << bits) - 1);
    this.drop(bits);
    return value;
  }

  drop(bits) {
    this.hold >>>= bits;
    this.held -= bits;
  }

  // No byte is read that the code does not need: the data may end here.
  symbol({ table, bits }) {
    const mask = (1 << bits) - 1;
    for (;;) {
      const found = table[this.hold & mask], length = found & 15;
      if (length && length <= this.held) {
        this.drop(length);
        return found >> 4;
      }
      if (!length && this.held >= bits) throw new Undecodable("damaged");
      this.need(this.held + 1);
    }
  }

  // Have so many bytes in the window behind `start`, or as many as there are.
  produce(wanted) {
    while (this.made - this.start < wanted && this.state !== "end") {
      if (this.made + LONGEST > this.window.length) this.slide(wanted);
      this.step(wanted);
    }
  }

  // Where the row is complete, zlib goes on to whatever needs no room: it may find the end, or damage.
  lookahead() {
    this.mayMove = false;
    try {
      while (this.state !== "end") {
        const { at, hold, held } = this;
        try {
          if (this.state === "codes" && this.symbol(this.codes.literals) !== 256) {
            Object.assign(this, { at, hold, held });
            return;
          }
          if (this.state === "codes") this.endBlock();
          else if (this.state === "stored" && this.stored) return;
          else this.step(0);
        } catch (error) {
          if (error !== OUT_OF_INPUT) throw error;
          Object.assign(this, { at, hold, held });
          return;
        }
      }
    } finally {
      this.mayMove = true;
    }
  }

  step(wanted) {
    if (this.state === "codes") this.inflateCodes(wanted);
    else if (this.state === "stored") this.copyStored(wanted);
    else if (this.state === "header") this.readHeader();
    else if (this.state === "block") this.beginBlock();
    else this.checkSum();
  }

  readHeader() {
    this.need(16);
    const first = this.hold & 255, second = this.hold >> 8;
    if ((first * 256 + second) % 31 || (first & 15) !== 8 || first >> 4 > 7) throw new Undecodable("damaged");
    if (second & 32) throw OUT_OF_INPUT; // wants a dictionary that no one has
    this.drop(16);
    this.state = "block";
  }

  beginBlock() {
    this.need(3);
    const isLast = (this.hold & 1) === 1, kind = (this.hold >> 1) & 3;
    const { at, hold, held, piece, input } = this;
    this.drop(3);
    try {
      if (kind === 0) this.beginStored();
      else if (kind === 1) this.codes = FIXED;
      else if (kind === 2) this.codes = this.readCodes();
      else throw new Undecodable("damaged");
    } catch (error) {
      Object.assign(this, { at, hold, held, piece, input });
      throw error;
    }
    this.isLast = isLast;
    this.state = kind ? "codes" : "stored";
  }

  endBlock() {
    this.state = this.isLast ? "sum" : "block";
  }

  beginStored() {
    this.drop(this.held & 7);
    const length = this.take(16);
    if ((length ^ 0xffff) !== this.take(16)) throw new Undecodable("damaged");
    this.stored = length;
  }

  copyStored(wanted) {
    while (this.stored > 0 && this.made - this.start < wanted && this.made < this.window.length) {
      this.window[this.made++] = this.take(8);
      this.stored--;
    }
    if (!this.stored) this.endBlock();
  }

  readCodes() {
    const literals = this.take(5) + 257, distances = this.take(5) + 1, count = this.take(4) + 4;
    if (literals > 286 || distances > 30) throw new Undecodable("damaged");
    const order = new Uint8Array(19);
    for (let i = 0; i < count; i++) order[CODE_LENGTH_ORDER[i]] = this.take(3);
    const table = codeTable(order, "lengths"), lengths = new Uint8Array(literals + distances);
    for (let i = 0; i < lengths.length; ) {
      const symbol = this.symbol(table);
      if (symbol < 16) {
        lengths[i++] = symbol;
        continue;
      }
      const again = symbol === 16 ? 3 + this.take(2) : symbol === 17 ? 3 + this.take(3) : 11 + this.take(7);
      if (i + again > lengths.length || (symbol === 16 && i === 0)) throw new Undecodable("damaged");
      lengths.fill(symbol === 16 ? lengths[i - 1] : 0, i, i + again);
      i += again;
    }
    if (!lengths[256]) throw new Undecodable("damaged"); // without an end
    return {
      literals: codeTable(lengths.subarray(0, literals), "literals"),
      distances: codeTable(lengths.subarray(literals), "distances"),
    };
  }

  inflateCodes(wanted) {
    const { codes, window } = this, enough = this.start + wanted, room = window.length - LONGEST;
    while (this.made < enough && this.made <= room) {
      const symbol = this.symbol(codes.literals);
      if (symbol < 256) window[this.made++] = symbol;
      else if (symbol === 256) return this.endBlock();
      else this.copyMatch(symbol - 257);
    }
  }

  copyMatch(code) {
    if (code > 28) throw new Undecodable("damaged");
    const length = LENGTH_BASE[code] + this.take(LENGTH_EXTRA[code]);
    const far = this.symbol(this.codes.distances);
    if (far > 29) throw new Undecodable("damaged");
    const distance = DISTANCE_BASE[far] + this.take(DISTANCE_EXTRA[far]);
    if (distance > this.made + this.total) throw new Undecodable("damaged");
    const { window } = this, end = this.made + length;
    for (let to = this.made, from = to - distance; to < end; ) window[to++] = window[from++];
    this.made = end;
  }

  checkSum() {
    const { at, hold, held, piece, input } = this;
    try {
      this.drop(this.held & 7);
      this.sumUp();
      const [low, high] = this.sums, said = [this.take(8), this.take(8), this.take(8), this.take(8)];
      const isSame = [high >> 8, high & 255, low >> 8, low & 255].every((byte, i) => byte === said[i]);
      if (!isSame) throw new Undecodable("damaged");
    } catch (error) {
      Object.assign(this, { at, hold, held, piece, input });
      throw error;
    }
    this.state = "end";
  }

  sumUp() {
    let [low, high] = this.sums;
    for (let i = this.summed; i < this.made; ) {
      for (const end = Math.min(i + 3800, this.made); i < end; i++) high += low += this.window[i];
      low %= 65521;
      high %= 65521;
    }
    this.sums = [low, high];
    this.summed = this.made;
  }

  // Forget what no match can reach, and have room for so much more.
  slide(wanted) {
    this.sumUp();
    const from = Math.max(Math.min(this.start, this.made - WINDOW), 0), kept = this.made - from;
    const size = Math.max(this.window.length, kept + wanted + 2 * WINDOW);
    const window = size > this.window.length ? new Uint8Array(size) : this.window;
    window.set(this.window.subarray(from, this.made));
    this.start -= from;
    this.total += from;
    Object.assign(this, { window, made: kept, summed: kept });
  }

  // The next so many bytes.
  bytes(count) {
    const taken = this.window.subarray(this.start, this.start + count);
    this.start += count;
    return taken;
  }
}
