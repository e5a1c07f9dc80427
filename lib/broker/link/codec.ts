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
  #chunks: Uint8Array[] = [];
  #length = 0;

  constructor(bytesMax = FRAME_BYTES_MAX) {
    this.#bytesMax = bytesMax;
  }

  /**
   * Takes a chunk, which is not used after that, and returns the messages of all frames that are whole
   * now. Throws a `RangeError` if a frame is too long, and a `SyntaxError` if it is no array of messages.
   */
  push(chunk: Uint8Array): Message[] {
    this.#chunks.push(chunk);
    this.#length += chunk.length;
    const messages: Message[] = [];
    for (let end = this.#end(); end <= this.#length; end = this.#end()) {
      const bytes = this.#join();
      for (const message of decodeBody(bytes.subarray(LENGTH_BYTES, end))) messages.push(message);
      this.#chunks = [bytes.subarray(end)];
      this.#length -= end;
    }
    this.#keepLast();
    return messages;
  }

  /** Copies what is left of the last chunk, which is its owner's. */
  #keepLast(): void {
    const last = this.#chunks.pop();
    if (last !== undefined && last.length > 0) this.#chunks.push(last.slice());
  }

  /** Where the first frame ends; Infinity while that is not known. */
  #end(): number {
    if (this.#length < LENGTH_BYTES) return Infinity;
    if (this.#chunks[0]!.length < LENGTH_BYTES) this.#join();
    const first = this.#chunks[0]!;
    const length = new DataView(first.buffer, first.byteOffset).getUint32(0);
    if (length > this.#bytesMax) {
      throw new RangeError(`Cannot read a frame of ${length} bytes: at most ${this.#bytesMax}`);
    }
    return LENGTH_BYTES + length;
  }

  /** Makes one of all chunks. */
  #join(): Uint8Array {
    if (this.#chunks.length === 1) return this.#chunks[0]!;
    const bytes = new Uint8Array(this.#length);
    let at = 0;
    for (const chunk of this.#chunks) {
      bytes.set(chunk, at);
      at += chunk.length;
    }
    this.#chunks = [bytes];
    return bytes;
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
