import { deadline } from "./deadline.ts";
import { Inbox } from "./inbox.ts";

/** A client of server-sent events that keeps each block as it came. */
export class EventStream implements AsyncDisposable {
  readonly headers: Headers;
  /** Blocks without their empty lines. */
  readonly blocks: Inbox<string> = new Inbox();
  readonly #reader: ReadableStreamDefaultReader<Uint8Array<ArrayBuffer>>;
  readonly #done: Promise<void>;

  static async open(
    url: string,
    headers?: Record<string, string>,
    client?: Deno.HttpClient,
  ): Promise<EventStream> {
    const init = { headers: headers ?? {}, ...(client && { client }) };
    const response = await deadline(fetch(url, init));
    if (response.status === 200) return new EventStream(response);
    throw new Error(`The stream was refused with ${response.status}: ${await response.text()}`);
  }

  private constructor(response: Response) {
    this.headers = response.headers;
    this.#reader = response.body!.getReader();
    this.#done = this.#read();
  }

  /** Leaves. Not by a signal, which Deno now and then forgets once an answer has begun. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.#reader.cancel();
    await this.#done;
  }

  async #read(): Promise<void> {
    const decoder = new TextDecoder();
    let rest = "";
    try {
      for (;;) {
        const { done, value } = await this.#reader.read();
        if (done) break;
        const parts = (rest + decoder.decode(value, { stream: true })).split("\n\n");
        rest = parts.pop()!;
        parts.forEach((block) => this.blocks.push(block));
      }
      this.blocks.end("the stream has ended");
    } catch (error) {
      this.blocks.end(String(error));
    }
  }
}
