import type { Clock } from "../core/clock.ts";
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

const FIRST_BYTES = 1024;

/**
 * Reads the bodies of requests, each whole or not at all, within bounds of bytes and time. Where
 * there is no room for all that come, the largest gives way: many that never end keep out none that
 * is small.
 */
export class BodyReader {
  readonly #options: BodyReaderOptions;
  readonly #open = new Set<OpenBody>();
  #heldBytes = 0;
  #closed = false;

  constructor(options: BodyReaderOptions) {
    this.#options = options;
  }

  /** Bytes of all the bodies that are being read. */
  get heldBytes(): number {
    return this.#heldBytes;
  }

  /**
   * The body of `request`, which must come whole in time. Throws a `Refusal` that says
   * what was wrong: `too-large` over `bytesMax` bytes, before more than those are taken.
   */
  async read(request: Request, bytesMax: number): Promise<Uint8Array<ArrayBuffer>> {
    if (this.#closed) throw stopping();
    if (Number(request.headers.get("content-length")) > bytesMax) throw tooLarge(bytesMax);
    if (request.body === null) return new Uint8Array();
    const body = new OpenBody(request.body.getReader(), bytesMax);
    this.#open.add(body);
    const { clock, timeoutMs } = this.#options;
    const timer = clock.after(timeoutMs, () => this.#giveUp(body, tooSlow(timeoutMs)));
    try {
      for (;;) {
        const { done, value } = await readChunk(body.reader);
        if (body.refusal !== undefined) throw body.refusal;
        if (done) return body.bytes.take();
        this.#hold(body, value);
      }
    } finally {
      timer.cancel();
      this.#letGo(body);
    }
  }

  /** Gives up every body that has not come whole, and takes no more: stopping waits for no peer. */
  close(): void {
    this.#closed = true;
    for (const body of this.#open) this.#giveUp(body, stopping());
  }

  #hold({ bytes }: OpenBody, chunk: Uint8Array): void {
    while (this.#heldBytes + chunk.length > this.#options.bytesMax) {
      const largest = this.#largest();
      if (largest === undefined || largest.bytes.length <= bytes.length + chunk.length) {
        throw tooMuch();
      }
      this.#giveUp(largest, tooMuch());
    }
    bytes.append(chunk);
    this.#heldBytes += chunk.length;
  }

  #largest(): OpenBody | undefined {
    let largest: OpenBody | undefined;
    for (const body of this.#open) {
      if (largest === undefined || body.bytes.length > largest.bytes.length) largest = body;
    }
    return largest;
  }

  #giveUp(body: OpenBody, why: Refusal): void {
    body.refusal = why;
    this.#letGo(body);
  }

  #letGo(body: OpenBody): void {
    if (!this.#open.delete(body)) return;
    this.#heldBytes -= body.bytes.length;
    abandon(body.reader);
  }
}

/** A body that is being read. */
class OpenBody {
  readonly reader: Reader;
  readonly bytes: Growing;
  /** Why it was given up. */
  refusal: Refusal | undefined;

  constructor(reader: Reader, bytesMax: number) {
    this.reader = reader;
    this.bytes = new Growing(bytesMax);
  }
}

type Reader = ReadableStreamDefaultReader<Uint8Array<ArrayBuffer>>;

async function readChunk(reader: Reader): ReturnType<Reader["read"]> {
  try {
    return await reader.read();
  } catch {
    // Whatever the runtime calls it: the connection ended, or the framing was broken.
    throw new Refusal("bad-request", "Cannot read the body: it ended before it was complete");
  }
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

/** Bytes that become more, in one buffer: many tiny chunks cost no more than one large one. */
class Growing {
  readonly #bytesMax: number;
  #buffer = new Uint8Array(FIRST_BYTES);
  #length = 0;

  constructor(bytesMax: number) {
    this.#bytesMax = bytesMax;
  }

  get length(): number {
    return this.#length;
  }

  /** Throws a `Refusal` if it becomes more than allowed. */
  append(chunk: Uint8Array): void {
    const length = this.#length + chunk.length;
    if (length > this.#bytesMax) throw tooLarge(this.#bytesMax);
    if (length > this.#buffer.length) {
      const grown = new Uint8Array(Math.max(length, this.#buffer.length * 2));
      grown.set(this.#buffer.subarray(0, this.#length));
      this.#buffer = grown;
    }
    this.#buffer.set(chunk, this.#length);
    this.#length = length;
  }

  take(): Uint8Array<ArrayBuffer> {
    return this.#buffer.slice(0, this.#length);
  }
}
