import type { Clock } from "../core/clock.ts";
import { Deadlines } from "../core/deadlines.ts";
import { Refusal } from "../core/errors.ts";

/** How long the body of a request may take. */
export const BODY_TIMEOUT_MS = 30_000;

/** What reading bodies needs, and its bounds. */
export interface BodyReaderOptions {
  readonly clock: Clock;
  /** Bytes held at a time, of all the bodies that are being read. */
  readonly bytesMax: number;
  /** Milliseconds that one body may take. */
  readonly timeoutMs: number;
}

const GROWN_BYTES_MIN = 1024;
const NO_BYTES = new Uint8Array();

/**
 * Reads the bodies of requests, each whole or not at all, within bounds of bytes and time. If all together
 * become too large, the largest is rejected: many bodies that never end keep no small one out.
 */
export class BodyReader {
  readonly #options: BodyReaderOptions;
  readonly #open: Deadlines<OpenBody>;
  #heldBytes = 0;
  #closed = false;

  constructor(options: BodyReaderOptions) {
    this.#options = options;
    const { clock, timeoutMs } = options;
    this.#open = new Deadlines(clock, timeoutMs, (body) => this.#reject(body, tooSlow(timeoutMs)));
  }

  /** Bytes of all bodies that are being read. */
  get heldBytes(): number {
    return this.#heldBytes;
  }

  /**
   * Reads the body of `request`. Throws a `Refusal` if it is not complete in time, and `too-large` before it
   * takes more than `bytesMax` bytes.
   */
  async read(request: Request, bytesMax: number): Promise<Uint8Array<ArrayBuffer>> {
    if (this.#closed) throw stopping();
    if (Number(request.headers.get("content-length")) > bytesMax) throw tooLarge(bytesMax);
    const { body: stream } = request;
    if (stream === null) return NO_BYTES;
    const body = new OpenBody(stream.getReader(), bytesMax);
    this.#open.start(body);
    try {
      for (;;) {
        const { done, value } = await body.reader.read().catch(cut);
        if (body.refusal !== undefined) throw body.refusal;
        if (done) return body.bytes();
        this.#hold(body, value);
      }
    } catch (error) {
      abandon(body.reader);
      throw error;
    } finally {
      this.#release(body);
    }
  }

  /** Rejects every body that is not complete, and all that come later: stopping waits for no peer. */
  close(): void {
    this.#closed = true;
    for (const body of this.#open.items()) this.#reject(body, stopping());
    this.#open.clear();
  }

  #hold(body: OpenBody, chunk: Uint8Array<ArrayBuffer>): void {
    while (this.#heldBytes + chunk.length > this.#options.bytesMax) {
      const largest = this.#largest();
      if (largest === undefined || largest.length <= body.length + chunk.length) {
        throw tooMuch();
      }
      this.#reject(largest, tooMuch());
    }
    body.append(chunk);
    this.#heldBytes += chunk.length;
  }

  #largest(): OpenBody | undefined {
    let largest: OpenBody | undefined;
    for (const body of this.#open.items()) {
      if (largest === undefined || body.length > largest.length) largest = body;
    }
    return largest;
  }

  #reject(body: OpenBody, why: Refusal): void {
    body.refusal = why;
    this.#release(body);
    abandon(body.reader);
  }

  #release(body: OpenBody): void {
    if (!body.isOpen) return;
    body.isOpen = false;
    this.#open.cancelKeepingTimer(body);
    this.#heldBytes -= body.length;
  }
}

/** A body that is being read, in one buffer that grows: many tiny chunks cost no more than one large one. */
class OpenBody {
  readonly reader: Reader;
  isOpen = true;
  /** Why it was rejected. */
  refusal: Refusal | undefined;
  readonly #bytesMax: number;
  #buffer = NO_BYTES;
  #length = 0;

  constructor(reader: Reader, bytesMax: number) {
    this.reader = reader;
    this.#bytesMax = bytesMax;
  }

  /** Bytes that have come. */
  get length(): number {
    return this.#length;
  }

  /** Throws a `Refusal` if the body becomes too large. */
  append(chunk: Uint8Array<ArrayBuffer>): void {
    const length = this.#length + chunk.length;
    if (length > this.#bytesMax) throw tooLarge(this.#bytesMax);
    if (this.#length === 0) this.#buffer = ownBytes(chunk);
    else this.#add(chunk, length);
    this.#length = length;
  }

  bytes(): Uint8Array<ArrayBuffer> {
    return this.#length === this.#buffer.length
      ? this.#buffer
      : this.#buffer.slice(0, this.#length);
  }

  #add(chunk: Uint8Array, length: number): void {
    if (length > this.#buffer.length) {
      const grown = new Uint8Array(Math.max(length, this.#buffer.length * 2, GROWN_BYTES_MIN));
      grown.set(this.#buffer.subarray(0, this.#length));
      this.#buffer = grown;
    }
    this.#buffer.set(chunk, this.#length);
  }
}

type Reader = ReadableStreamDefaultReader<Uint8Array<ArrayBuffer>>;

/** Whatever the runtime calls it, the connection has ended or the framing is broken. */
function cut(): never {
  throw new Refusal("bad-request", "Cannot read the body: it ended before it was complete");
}

/** Takes no more of a body. */
function abandon(reader: Reader): void {
  reader.cancel().catch(() => {}); // It fails if the connection is gone: then nothing more comes.
}

function tooLarge(bytesMax: number): Refusal {
  return new Refusal("too-large", `Cannot take a body of more than ${bytesMax} bytes`);
}

function tooMuch(): Refusal {
  return new Refusal("over-limit", "The server is reading too much at a time: retry", 1);
}

function stopping(): Refusal {
  return new Refusal("unavailable", "The server is stopping: retry", 1);
}

function tooSlow(timeoutMs: number): Refusal {
  return new Refusal("timeout", `Cannot wait for the body: it did not come within ${timeoutMs} ms`);
}

/** A chunk, as it is if it has its memory to itself: most bodies are one. */
function ownBytes(chunk: Uint8Array<ArrayBuffer>): Uint8Array<ArrayBuffer> {
  return chunk.length === chunk.buffer.byteLength ? chunk : chunk.slice();
}
