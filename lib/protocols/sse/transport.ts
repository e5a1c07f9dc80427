import { sse } from "./codec.ts";
import type { Disconnect } from "../../core/errors.ts";
import type { Encoder, Frame } from "../../core/encoder.ts";
import type { Transport } from "../../hub/transport.ts";
import type { Connection } from "../../hub/connections.ts";

const LENGTH: QueuingStrategy<Uint8Array<ArrayBuffer>> = {
  highWaterMark: 0,
  size: (chunk) => chunk.length,
};

/** Writes the events of a session to a response that does not end (`text/event-stream`). */
export class SseTransport implements Transport {
  readonly name = "sse";
  readonly encoder: Encoder = sse;
  /** The body of the response. */
  readonly stream: ReadableStream<Uint8Array<ArrayBuffer>>;
  readonly #connection: Connection;
  readonly #onEnd: () => void;
  #controller!: ReadableStreamDefaultController<Uint8Array<ArrayBuffer>>;
  #closing = false;
  #gone = false;

  /** `onEnd` is called once: when the client has received everything, or has left. */
  constructor(connection: Connection, onEnd: () => void) {
    this.#connection = connection;
    this.#onEnd = onEnd;
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

  /** Ends the stream after what is unsent; a client that does not read delays the end. */
  close(_reason: Disconnect): void {
    if (this.#closing || this.#gone) return;
    this.#closing = true;
    this.#connection.closing();
    if (this.bufferedBytes === 0) this.#finish();
  }

  #finish(): void {
    if (this.#gone) return;
    this.#controller.close();
    this.#end();
  }

  #end(): void {
    this.#gone = true;
    this.#connection.gone();
    this.#onEnd();
  }
}
