/** Frames of a link: 4 bytes of length, big-endian, and a JSON array of messages. */

/** A message: its name and its fields. */
export type Message = readonly [name: string, ...fields: unknown[]];

/** Bytes of one frame, without its length. V8 can hold that much as one text. */
export const FRAME_BYTES_MAX = 256 * 2 ** 20;

const LENGTH_BYTES = 4;

const encoder = new TextEncoder();
const decoder = new TextDecoder("utf-8", { fatal: true });

/** The text of one message; several of them make a frame. */
export function encodeMessage(message: Message): string {
  return JSON.stringify(message);
}

/** A frame of some messages, given as texts. Throws a `RangeError` if it is too large. */
export function encodeFrame(texts: readonly string[]): Uint8Array<ArrayBuffer> {
  // With room for the length, so nothing is copied.
  const frame = encoder.encode(`\0\0\0\0[${texts.join(",")}]`);
  const length = frame.length - LENGTH_BYTES;
  if (length > FRAME_BYTES_MAX) {
    throw new RangeError(`Cannot send a frame of ${length} bytes: at most ${FRAME_BYTES_MAX}`);
  }
  new DataView(frame.buffer).setUint32(0, length);
  return frame;
}

/** Decodes frames from chunks, wherever they are cut. */
export class FrameDecoder {
  readonly #bytesMax: number;
  /** Whether the next part is the body of a frame; otherwise it is its length. */
  #isBody = false;
  #partBytes = LENGTH_BYTES;
  /** The beginning of the part, from earlier chunks. */
  #begun: Uint8Array | undefined;
  #begunBytes = 0;

  constructor(bytesMax = FRAME_BYTES_MAX) {
    this.#bytesMax = bytesMax;
  }

  /**
   * Returns the messages of all frames that are complete with this chunk, which may be reused
   * afterwards. Throws a `RangeError` if a frame is too long, and a `SyntaxError` if it is no array
   * of messages.
   */
  push(chunk: Uint8Array): Message[] {
    const messages: Message[] = [];
    for (let at = 0;;) {
      const bytes = chunk.subarray(at, at + this.#partBytes - this.#begunBytes);
      const part = this.#add(bytes);
      if (part === undefined) return messages;
      at += bytes.length;
      if (this.#isBody) {
        for (const message of decodeBody(part)) messages.push(message);
        this.#partBytes = LENGTH_BYTES;
      } else {
        this.#partBytes = this.#readLength(part);
      }
      this.#isBody = !this.#isBody;
    }
  }

  /** Adds the next bytes of the part. Returns the part once it is complete. */
  #add(bytes: Uint8Array): Uint8Array | undefined {
    // Most parts are in one chunk, and are not copied.
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
