import { sse } from "../codec/sse.ts";
import type { Disconnect } from "../core/errors.ts";
import type { Format, Frame, Transport } from "../core/transport.ts";

const LENGTH: QueuingStrategy<Uint8Array<ArrayBuffer>> = {
  highWaterMark: 0,
  size: (chunk) => chunk.length,
};

/** A session's events on an HTTP response that does not end (`text/event-stream`). */
export class SseTransport implements Transport {
  readonly name = "sse";
  readonly format: Format = sse;
  /** The body of the response. */
  readonly stream: ReadableStream<Uint8Array<ArrayBuffer>>;
  #controller!: ReadableStreamDefaultController<Uint8Array<ArrayBuffer>>;
  #closed = false;

  /** `onGone` is called once, when the client has left. */
  constructor(onGone: () => void) {
    this.stream = new ReadableStream<Uint8Array<ArrayBuffer>>({
      start: (controller) => {
        this.#controller = controller;
      },
      cancel: () => {
        this.#closed = true;
        onGone();
      },
    }, LENGTH);
  }

  get bufferedBytes(): number {
    return this.#closed ? 0 : -this.#controller.desiredSize!;
  }

  write(frame: Frame): void {
    if (!this.#closed) this.#controller.enqueue(frame as Uint8Array<ArrayBuffer>);
  }

  close(_reason: Disconnect): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#controller.close();
  }
}
