import { Refusal, type RefusalType } from "../../core/errors.ts";
import { encodeFrame, encodeMessage, FrameDecoder, type Message } from "./codec.ts";

/** The link to the other process is over. */
export class LinkEnded extends Error {
  override readonly name = "LinkEnded";
}

/** What one end of a link does with what the other end sends. */
export interface LinkHandler {
  /** Gets each message that is no call and no answer. Ends the connection if it throws. */
  onMessage(message: Message): void;
  /**
   * Answers a call with a value of JSON, or a promise of one. A `Refusal` goes to the caller; any
   * other error ends the connection.
   */
  onCall(name: string, args: readonly unknown[]): unknown;
}

/** Characters that wait to be written. A process that is further behind is disconnected. */
export const UNSENT_CHARS_MAX = 256 * 2 ** 20;
/** A frame ends after the message that makes it this long. */
const FRAME_CHARS = 2 ** 20;
const READ_BYTES = 64 * 1024;
/**
 * Microtasks from the entries of a batch to the answer that it is appended, with some to spare.
 * Waiting for the end of the turn of the event loop instead costs 15 % more processor time for one
 * publish after the other.
 */
const TURN_HOPS = 16;

/** One end of a link. Messages of one turn share a frame, as do those that wait for a write. */
export class LinkConnection {
  readonly #conn: Deno.Conn;
  readonly #handler: LinkHandler;
  readonly #ended = Promise.withResolvers<LinkEnded>();
  /** Calls that the other end has not answered, by their numbers. */
  readonly #calls = new Map<number, PromiseWithResolvers<unknown>>();
  #lastCall = 0;
  readonly #decoder = new FrameDecoder();
  #unsent: string[] = [];
  #unsentChars = 0;
  #written: Promise<void> | undefined;
  #isOpen = true;

  constructor(conn: Deno.Conn, handler: LinkHandler) {
    this.#conn = conn;
    this.#handler = handler;
    this.#read();
  }

  /** Resolves when the connection is over, with the reason. */
  get ended(): Promise<LinkEnded> {
    return this.#ended.promise;
  }

  /** False once the connection is over. */
  get isOpen(): boolean {
    return this.#isOpen;
  }

  /** Sends a message. Does nothing once the connection is over. */
  send(message: Message): void {
    if (this.#isOpen) this.sendText(encodeMessage(message));
  }

  /** Sends the text of a message, which may go to other processes too. */
  sendText(text: string): void {
    if (!this.#isOpen) return;
    this.#unsent.push(text);
    this.#unsentChars += text.length;
    if (this.#unsentChars > UNSENT_CHARS_MAX) return this.close("the other process is too slow");
    this.#written ??= this.#write();
  }

  /** Has the other end answer a call. Rejects with its `Refusal`, or with `LinkEnded`. */
  async call(name: string, args: readonly unknown[] = []): Promise<unknown> {
    if (!this.#isOpen) throw await this.ended;
    const id = ++this.#lastCall;
    const answer = Promise.withResolvers<unknown>();
    this.#calls.set(id, answer);
    this.send(["call", id, name, ...args]);
    return await answer.promise;
  }

  /** Resolves once all calls to the other end are answered. */
  async answered(): Promise<void> {
    await Promise.allSettled(Array.from(this.#calls.values(), ({ promise }) => promise));
  }

  /** Resolves once all that was sent is written, or the connection is over. */
  async flushed(): Promise<void> {
    await this.#written;
  }

  /** Ends the connection. Idempotent. */
  close(why = "the link was closed"): void {
    if (!this.#isOpen) return;
    this.#isOpen = false;
    this.#unsent = [];
    this.#conn.close();
    const ended = new LinkEnded(why);
    for (const { reject } of this.#calls.values()) reject(ended);
    this.#calls.clear();
    this.#ended.resolve(ended);
  }

  #receive(message: Message): void {
    const [name, ...fields] = message;
    if (name === "call") this.#answer(fields);
    else if (name === "done" || name === "refused") this.#settle(message);
    else this.#handler.onMessage(message);
  }

  async #answer([id, name, ...args]: readonly unknown[]): Promise<void> {
    try {
      this.send(["done", id, await this.#handler.onCall(String(name), args)]);
    } catch (error) {
      if (!(error instanceof Refusal)) return this.close((error as Error).message);
      const { type, message, retryAfterS } = error;
      this.send(["refused", id, type, message, retryAfterS]);
    }
  }

  #settle([name, id, ...fields]: Message): void {
    const call = this.#calls.get(Number(id));
    this.#calls.delete(Number(id));
    if (name === "done") return call?.resolve(fields[0]);
    const [type, message, retryAfterS] = fields as [RefusalType, string, number?];
    call?.reject(new Refusal(type, message, retryAfterS ?? undefined));
  }

  async #write(): Promise<void> {
    // All that is sent in this turn travels along, as each frame wakes the other process once.
    for (let hop = 0; hop < TURN_HOPS; hop++) await undefined;
    try {
      while (this.#unsent.length > 0) await this.#writeAll(encodeFrame(this.#take()));
    } catch (error) {
      this.close((error as Error).message);
    }
    this.#written = undefined;
  }

  /** The messages of the next frame. */
  #take(): string[] {
    let chars = 0;
    const beyond = this.#unsent.findIndex((text) => (chars += text.length) >= FRAME_CHARS);
    const texts = this.#unsent.splice(0, beyond < 0 ? this.#unsent.length : beyond + 1);
    this.#unsentChars -= chars;
    return texts;
  }

  async #writeAll(bytes: Uint8Array): Promise<void> {
    for (let at = 0; at < bytes.length;) at += await this.#conn.write(bytes.subarray(at));
  }

  async #read(): Promise<void> {
    const buffer = new Uint8Array(READ_BYTES);
    try {
      for (;;) {
        const length = await this.#conn.read(buffer);
        if (length === null) return this.close("the other process has closed the link");
        for (const message of this.#decoder.push(buffer.subarray(0, length))) {
          if (this.#isOpen) this.#receive(message);
        }
      }
    } catch (error) {
      this.close((error as Error).message);
    }
  }
}
