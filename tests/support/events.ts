import { deadline } from "./deadline.ts";
import { Inbox } from "./inbox.ts";

/** A client of server-sent events that keeps each block as it came. */
export class EventStream implements AsyncDisposable {
  readonly headers: Headers;
  /** Blocks without their empty lines. */
  readonly blocks: Inbox<string> = new Inbox();
  readonly #abort: AbortController;
  readonly #done: Promise<void>;

  static async open(
    url: string,
    headers?: Record<string, string>,
    client?: Deno.HttpClient,
  ): Promise<EventStream> {
    const abort = new AbortController();
    const init = { headers: headers ?? {}, signal: abort.signal, ...(client && { client }) };
    const response = await deadline(fetch(url, init));
    if (response.status === 200) return new EventStream(response, abort);
    throw new Error(`The stream was refused with ${response.status}: ${await response.text()}`);
  }

  private constructor(response: Response, abort: AbortController) {
    this.headers = response.headers;
    this.#abort = abort;
    this.#done = this.#read(response.body!);
  }

  /** Leaves. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#abort.abort();
    await this.#done;
  }

  async #read(body: ReadableStream<Uint8Array<ArrayBuffer>>): Promise<void> {
    let rest = "";
    try {
      for await (const text of body.pipeThrough(new TextDecoderStream())) {
        const parts = (rest + text).split("\n\n");
        rest = parts.pop()!;
        parts.forEach((block) => this.blocks.push(block));
      }
      this.blocks.end("the stream has ended");
    } catch (error) {
      this.blocks.end(String(error));
    }
  }
}
