import { sse } from "./codec.ts";
import type { Disconnect } from "../../core/errors.ts";
import type { Format, Frame, Transport } from "../../core/transport.ts";

const LENGTH: QueuingStrategy<Uint8Array<ArrayBuffer>> = {
  highWaterMark: 0,
  size: (chunk) => chunk.length,
};

/** What happens on a stream. */
export interface SseEvents {
  /** This side ends the stream; called at most once. */
  closing(): void;
  /** The client has all of it, or has left; called once. `closing()` came before if `told`. */
  close(told: boolean): void;
}

/** A session's events on an HTTP response that does not end (`text/event-stream`). */
export class SseTransport implements Transport {
  readonly name = "sse";
  readonly format: Format = sse;
  /** The body of the response. */
  readonly stream: ReadableStream<Uint8Array<ArrayBuffer>>;
  readonly #events: SseEvents;
  #controller!: ReadableStreamDefaultController<Uint8Array<ArrayBuffer>>;
  #closing = false;
  #gone = false;

  constructor(events: SseEvents) {
    this.#events = events;
    this.stream = new ReadableStream<Uint8Array<ArrayBuffer>>({
      start: (controller) => {
        this.#controller = controller;
      },
      pull: () => {
        if (this.#closing) this.#finish();
      },
      cancel: () => this.#end(),
    }, LENGTH);
  }

  get bufferedBytes(): number {
    return this.#gone ? 0 : 0 - this.#controller.desiredSize!;
  }

  write(frame: Frame): void {
    if (this.#closing || this.#gone) return;
    this.#controller.enqueue(frame as Uint8Array<ArrayBuffer>);
  }

  /** Ends the stream after what is unsent, which a client that does not read holds up. */
  close(_reason: Disconnect): void {
    if (this.#closing || this.#gone) return;
    this.#closing = true;
    this.#events.closing();
    if (this.bufferedBytes === 0) this.#finish();
  }

  #finish(): void {
    if (this.#gone) return;
    this.#controller.close();
    this.#end();
  }

  #end(): void {
    this.#gone = true;
    this.#events.close(this.#closing);
  }
}
