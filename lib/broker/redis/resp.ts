/**
 * The Redis protocol, RESP2: commands out, replies in. Pure: bytes to values and back.
 *
 * See https://redis.io/docs/latest/develop/reference/protocol-spec/.
 */

/** A reply to one command. Bulk strings are read as UTF-8. */
export type Reply = string | number | null | ReplyError | readonly Reply[];

/** An error reply: `NOSCRIPT No matching script`. */
export class ReplyError extends Error {
  override readonly name = "ReplyError";
  /** The first word: `NOSCRIPT`, `READONLY`, `ERR`. */
  readonly code: string;

  constructor(text: string) {
    super(text);
    this.code = /^[A-Z]+/.exec(text)?.[0] ?? "ERR";
  }
}

/** The bounds on one reply. */
export interface RespLimits {
  /** Bytes of one reply in all. */
  readonly replyBytesMax: number;
  /** Items of one array. */
  readonly itemsMax: number;
  /** Arrays inside arrays. */
  readonly depthMax: number;
}

/** More than any reply to our commands has. */
export const RESP_LIMITS: RespLimits = {
  replyBytesMax: 256 * 2 ** 20,
  itemsMax: 1_000_000,
  depthMax: 8,
};

const encoder = new TextEncoder();
const decoder = new TextDecoder("utf-8", { ignoreBOM: true });
const CR = 13;
const LF = 10;
const [PLUS, MINUS, COLON, DOLLAR, STAR] = [43, 45, 58, 36, 42];
const ASCII_MAX = 127;
/** Longer than any line of Redis, whose texts of any length are bulk strings; each chunk scans it anew. */
const LINE_BYTES_MAX = 64 * 1024;
const INITIAL_BYTES = 16 * 1024;
/** A larger buffer is released as soon as it is empty. */
const RETAINED_BYTES_MAX = 2 ** 20;
const ZERO = 48;
/** As many as an offset can have. */
const DIGITS_MAX = 16;
/** Shorter texts are put together by hand, as decoding one costs more than the rest of reading it. */
const SHORT_BYTES_MAX = 12;

/** Encodes a command as an array of bulk strings. */
export function encodeCommand(args: readonly (string | number)[]): string {
  let text = `*${args.length}\r\n`;
  for (const arg of args) {
    const value = String(arg);
    text += `$${utf8Length(value)}\r\n${value}\r\n`;
  }
  return text;
}

/** An array that lacks items. */
interface Unfinished {
  readonly items: Reply[];
  readonly length: number;
}

/** Decodes the bytes of a connection. A reply in many chunks costs no more than one in a single chunk. */
export class RespDecoder {
  readonly #limits: RespLimits;
  #buffer = new Uint8Array(INITIAL_BYTES);
  #start = 0;
  #end = 0;
  /** Length of the bulk string that has begun. */
  #bulkBytes: number | undefined;
  /** Bytes read so far of the reply that has begun. */
  #replyBytes = 0;
  readonly #stack: Unfinished[] = [];

  constructor(limits: RespLimits = RESP_LIMITS) {
    this.#limits = limits;
  }

  /**
   * Takes the next bytes and returns the replies that they complete. Throws a `SyntaxError` if they are no
   * reply, and a `RangeError` if a reply is over a limit; after that the connection MUST be closed.
   */
  push(chunk: Uint8Array): Reply[] {
    this.#append(chunk);
    const replies: Reply[] = [];
    for (;;) {
      const value = this.#read();
      if (value === undefined) break;
      const reply = this.#complete(value);
      if (reply !== undefined) replies.push(reply);
    }
    this.#compact();
    return replies;
  }

  /** Puts a value into the array that it belongs to, if any; returns the reply that it completes. */
  #complete(value: Reply): Reply | undefined {
    for (;;) {
      const parent = this.#stack.at(-1);
      if (parent === undefined) {
        this.#replyBytes = 0;
        return value;
      }
      parent.items.push(value);
      if (parent.items.length < parent.length) return undefined;
      this.#stack.pop();
      value = parent.items;
    }
  }

  /** Reads one value, and begins arrays on the way; undefined if more bytes are needed first. */
  #read(): Reply | undefined {
    for (;;) {
      if (this.#bulkBytes !== undefined) return this.#readBulk(this.#bulkBytes);
      const end = this.#lineEnd();
      if (end === undefined) return undefined;
      const from = this.#start + 1;
      switch (this.#buffer[this.#start]) {
        case PLUS:
          return this.#take(from, end);
        case MINUS:
          return new ReplyError(this.#take(from, end));
        case COLON:
          return this.#takeNumber(from, end);
        case DOLLAR: {
          const length = this.#takeLength(from, end, this.#limits.replyBytesMax);
          if (length === null) return null;
          this.#bulkBytes = length;
          break;
        }
        case STAR: {
          const length = this.#takeLength(from, end, this.#limits.itemsMax);
          if (length === null) return null;
          if (length === 0) return [];
          if (this.#stack.length === this.#limits.depthMax) {
            throw new RangeError(`Cannot parse reply: nested deeper than ${this.#limits.depthMax}`);
          }
          this.#stack.push({ items: [], length });
          break;
        }
        default: {
          const line = JSON.stringify(this.#take(this.#start, end).slice(0, 40));
          throw new SyntaxError(
            `Cannot parse reply: expected a line that begins with one of + - : $ *, got ${line}`,
          );
        }
      }
    }
  }

  #readBulk(length: number): string | undefined {
    const end = this.#start + length;
    if (this.#end < end + 2) return undefined;
    if (this.#buffer[end] !== CR || this.#buffer[end + 1] !== LF) {
      throw new SyntaxError("Cannot parse reply: expected a line end after a bulk string");
    }
    this.#bulkBytes = undefined;
    return this.#take(this.#start, end);
  }

  /** Where the line that has begun ends; undefined if more bytes are needed first. */
  #lineEnd(): number | undefined {
    let end = this.#start;
    while (end < this.#end && this.#buffer[end] !== CR) end++;
    if (end - this.#start > LINE_BYTES_MAX) {
      throw new SyntaxError(`Cannot parse reply: a line has more than ${LINE_BYTES_MAX} bytes`);
    }
    if (end + 1 >= this.#end) {
      this.#checkBytes(this.#end - this.#start);
      return undefined;
    }
    if (this.#buffer[end + 1] === LF) return end;
    throw new SyntaxError("Cannot parse reply: expected a line feed after a carriage return");
  }

  /** Reads the text from `from` to a line end. */
  #take(from: number, end: number): string {
    const text = textOf(this.#buffer, from, end);
    this.#skipTo(end + 2);
    return text;
  }

  /** The number from `from` to a line end, read off its bytes: decoding them first costs more. */
  #takeNumber(from: number, end: number): number {
    const isNegative = this.#buffer[from] === MINUS;
    const first = isNegative ? from + 1 : from;
    const count = end - first;
    let number = count >= 1 && count <= DIGITS_MAX ? 0 : NaN;
    for (let index = first; index < end; index++) {
      const digit = this.#buffer[index]! - ZERO;
      number = digit >= 0 && digit <= 9 ? number * 10 + digit : NaN;
    }
    if (Number.isNaN(number)) throw notANumber(this.#take(from, end));
    this.#skipTo(end + 2);
    return isNegative ? -number : number;
  }

  /** Reads a length; null for a value that is not there. */
  #takeLength(from: number, end: number, max: number): number | null {
    const length = this.#takeNumber(from, end);
    if (length === -1) return null;
    if (length < 0) throw new SyntaxError(`Cannot parse reply: expected a length, got ${length}`);
    if (length > max) {
      throw new RangeError(`Cannot parse reply: a length of ${length} is over ${max}`);
    }
    return length;
  }

  #skipTo(index: number): void {
    this.#replyBytes += index - this.#start;
    this.#checkBytes(0);
    this.#start = index;
  }

  #checkBytes(added: number): void {
    const { replyBytesMax } = this.#limits;
    if (this.#replyBytes + added <= replyBytesMax) return;
    throw new RangeError(`Cannot parse reply: it has more than ${replyBytesMax} bytes`);
  }

  #append(chunk: Uint8Array): void {
    const needed = this.#end + chunk.length;
    if (needed > this.#buffer.length) this.#grow(needed);
    this.#buffer.set(chunk, this.#end);
    this.#end = needed;
  }

  /** Doubles, so that a long reply is copied a few times only, not once for each chunk. */
  #grow(needed: number): void {
    let size = this.#buffer.length;
    while (size < needed) size *= 2;
    this.#buffer = new Uint8Array(this.#buffer.buffer.transfer(size));
  }

  /** Drops the bytes that were read, once they are at least as many as those to keep. */
  #compact(): void {
    const leftBytes = this.#end - this.#start;
    if (leftBytes > this.#start) return;
    if (leftBytes === 0 && this.#buffer.length > RETAINED_BYTES_MAX) {
      this.#buffer = new Uint8Array(INITIAL_BYTES);
    } else {
      this.#buffer.copyWithin(0, this.#start, this.#end);
    }
    this.#start = 0;
    this.#end = leftBytes;
  }
}

function textOf(bytes: Uint8Array, from: number, end: number): string {
  if (end - from > SHORT_BYTES_MAX) return decoder.decode(bytes.subarray(from, end));
  let text = "";
  for (let index = from; index < end; index++) {
    const byte = bytes[index]!;
    if (byte > ASCII_MAX) return decoder.decode(bytes.subarray(from, end));
    text += String.fromCharCode(byte);
  }
  return text;
}

function notANumber(text: string): SyntaxError {
  return new SyntaxError(
    `Cannot parse reply: expected a whole number, got ${JSON.stringify(text.slice(0, 40))}`,
  );
}

// A text of ASCII has as many bytes as units, and most texts are.
// deno-lint-ignore no-control-regex -- all of ASCII is meant
const NON_ASCII = /[^\x00-\x7f]/;

function utf8Length(text: string): number {
  return NON_ASCII.test(text) ? encoder.encode(text).length : text.length;
}
