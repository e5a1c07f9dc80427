import { encodeFrame, encodeMessage, FrameDecoder, type Message } from "./codec.ts";

/** The link to the other process is over. */
export class LinkEnded extends Error {
  override readonly name = "LinkEnded";
}

/** Characters that wait to be written: a process that is further behind is cut off. */
export const UNSENT_CHARS_MAX = 256 * 2 ** 20;
/** A frame ends behind the message that makes it as long as this. */
const FRAME_CHARS = 2 ** 20;
const READ_BYTES = 64 * 1024;
/** Microtasks from entries to the answer to whoever appended them, with some to spare. */
const TURN_HOPS = 16;

/** One end of a link. What is sent in one turn is one frame, or while one is written. */
export class LinkConnection {
  readonly #conn: Deno.Conn;
  readonly #onMessage: (message: Message) => void;
  readonly #ended = Promise.withResolvers<LinkEnded>();
  readonly #decoder = new FrameDecoder();
  #unsent: string[] = [];
  #unsentChars = 0;
  #written: Promise<void> | undefined;
  #isOpen = true;

  /** `onMessage` gets each message of the other end; what it throws ends the connection. */
  constructor(conn: Deno.Conn, onMessage: (message: Message) => void) {
    this.#conn = conn;
    this.#onMessage = onMessage;
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

  /** Sends the text of a message, which may go to several processes. */
  sendText(text: string): void {
    if (!this.#isOpen) return;
    this.#unsent.push(text);
    this.#unsentChars += text.length;
    if (this.#unsentChars > UNSENT_CHARS_MAX) return this.close("the other process is too slow");
    this.#written ??= this.#write();
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
    this.#ended.resolve(new LinkEnded(why));
  }

  async #write(): Promise<void> {
    // What else is sent in this turn travels along: each frame wakes the other process once.
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
          if (this.#isOpen) this.#onMessage(message);
        }
      }
    } catch (error) {
      this.close((error as Error).message);
    }
  }
}
