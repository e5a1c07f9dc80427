/** Frames between processes of one machine: 4 bytes of length, big-endian, and a JSON array of messages. */

/** A message: its name, and what goes with it. */
export type Message = readonly [name: string, ...fields: unknown[]];

/** Bytes of one frame, without its length: what V8 can hold as one text. */
export const FRAME_BYTES_MAX = 256 * 2 ** 20;

const LENGTH_BYTES = 4;

const encoder = new TextEncoder();
const decoder = new TextDecoder("utf-8", { fatal: true });

/** The text of one message; several of them make a frame. */
export function encodeMessage(message: Message): string {
  return JSON.stringify(message);
}

/** A frame of the texts of some messages. Throws a `RangeError` if it is too large. */
export function encodeFrame(texts: readonly string[]): Uint8Array<ArrayBuffer> {
  // With room for the length, so that nothing is copied.
  const frame = encoder.encode(`\0\0\0\0[${texts.join(",")}]`);
  const length = frame.length - LENGTH_BYTES;
  if (length > FRAME_BYTES_MAX) {
    throw new RangeError(`Cannot send a frame of ${length} bytes: at most ${FRAME_BYTES_MAX}`);
  }
  new DataView(frame.buffer).setUint32(0, length);
  return frame;
}

/** Decodes frames from chunks, wherever those are cut. */
export class FrameDecoder {
  readonly #bytesMax: number;
  /** Whether the next part is the body of a frame; otherwise it is its length. */
  #isBody = false;
  #partBytes = LENGTH_BYTES;
  /** What earlier chunks had of the part. */
  #begun: Uint8Array | undefined;
  #begunBytes = 0;

  constructor(bytesMax = FRAME_BYTES_MAX) {
    this.#bytesMax = bytesMax;
  }

  /**
   * Takes a chunk, which is not used after that, and returns the messages of all frames that are whole
   * now. Throws a `RangeError` if a frame is too long, and a `SyntaxError` if it is no array of messages.
   */
  push(chunk: Uint8Array): Message[] {
    const messages: Message[] = [];
    for (let at = 0;;) {
      const bytes = chunk.subarray(at, at + this.#partBytes - this.#begunBytes);
      const part = this.#add(bytes);
      if (part === undefined) return messages;
      at += bytes.length;
      if (this.#isBody) { for (const message of decodeBody(part)) messages.push(message); }
      this.#partBytes = this.#isBody ? LENGTH_BYTES : this.#readLength(part);
      this.#isBody = !this.#isBody;
    }
  }

  /** Adds the next bytes of the part. Returns the part once it is whole. */
  #add(bytes: Uint8Array): Uint8Array | undefined {
    // Most come whole, and are not copied.
    if (bytes.length === this.#partBytes) return bytes;
    if (bytes.length === 0) return undefined;
    const begun = this.#begun ??= new Uint8Array(this.#partBytes);
    begun.set(bytes, this.#begunBytes);
    this.#begunBytes += bytes.length;
    if (this.#begunBytes < begun.length) return undefined;
    this.#begun = undefined;
    this.#begunBytes = 0;
    return begun;
  }

  #readLength(part: Uint8Array): number {
    const length = new DataView(part.buffer, part.byteOffset).getUint32(0);
    if (length <= this.#bytesMax) return length;
    throw new RangeError(`Cannot read a frame of ${length} bytes: at most ${this.#bytesMax}`);
  }
}

function decodeBody(body: Uint8Array): Message[] {
  const messages = parse(body);
  if (Array.isArray(messages) && messages.every(isMessage)) return messages;
  throw new SyntaxError("Cannot read a frame: expected an array of messages");
}

function parse(body: Uint8Array): unknown {
  try {
    return JSON.parse(decoder.decode(body));
  } catch (error) {
    throw new SyntaxError(`Cannot read a frame: expected JSON: ${(error as Error).message}`);
  }
}

function isMessage(value: unknown): value is Message {
  return Array.isArray(value) && typeof value[0] === "string";
}
