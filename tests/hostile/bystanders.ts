import { assert, assertEquals } from "@std/assert";
import { deadline } from "../support/deadline.ts";
import type { Target } from "./target.ts";

/** How long a message may take to reach everyone, whatever somebody else does to the server. */
export const DELIVERY_MS_MAX = 5000;

const PULSE = /"pulse (\d+)"/g;

/** A client that does nothing wrong, and keeps the numbers of the pulses that it gets. */
abstract class Bystander {
  readonly name: string;
  readonly numbers: number[] = [];
  readonly #joined = Promise.withResolvers<void>();
  #changed = Promise.withResolvers<void>();

  constructor(name: string) {
    this.name = name;
  }

  /** Resolves to this once the server has said anything. */
  async joined(): Promise<this> {
    await deadline(this.#joined.promise);
    return this;
  }

  abstract leave(): Promise<void>;

  /** Resolves once pulse `number` has come. */
  async has(number: number): Promise<void> {
    while ((this.numbers.at(-1) ?? 0) < number) await this.#changed.promise;
  }

  /** The client is not let in. */
  protected fail(why: string): void {
    this.#joined.reject(new Error(`${this.name}: ${why}`));
  }

  /** Takes what the server says once the client is in. */
  protected receive(text: string): void {
    this.#joined.resolve();
    for (const [, number] of text.matchAll(PULSE)) this.numbers.push(Number(number));
    const { resolve } = this.#changed;
    this.#changed = Promise.withResolvers();
    resolve();
  }
}

class SocketBystander extends Bystander {
  readonly #socket: WebSocket;
  readonly #closed = Promise.withResolvers<void>();

  constructor(name: string, url: string, protocols: string[] = []) {
    super(name);
    const socket = this.#socket = new WebSocket(url, protocols);
    socket.onmessage = ({ data }) => this.#answer(data);
    socket.onerror = (event) => this.fail((event as ErrorEvent).message);
    socket.onclose = () => this.#closed.resolve();
  }

  async leave(): Promise<void> {
    this.#socket.close();
    await deadline(this.#closed.promise);
  }

  /** Does what Socket.IO asks for; the other protocols ask for nothing. */
  #answer(data: string): void {
    if (data.startsWith("0{")) this.#socket.send("40");
    else if (data === "2") this.#socket.send("3");
    else this.receive(data);
  }
}

/** Reads a body that does not end. */
class EventsBystander extends Bystander {
  readonly #reader: ReadableStreamDefaultReader<string>;
  readonly #done: Promise<void>;

  static async join(url: string): Promise<Bystander> {
    const { body } = await deadline(fetch(url));
    return await new EventsBystander(body!).joined();
  }

  private constructor(body: ReadableStream<Uint8Array<ArrayBuffer>>) {
    super("sse");
    this.#reader = body.pipeThrough(new TextDecoderStream()).getReader();
    this.#done = this.#read();
    this.#done.catch(() => {}); // Whoever lets it leave is told.
  }

  async leave(): Promise<void> {
    await this.#reader.cancel();
    await deadline(this.#done);
  }

  async #read(): Promise<void> {
    let rest = "";
    for (;;) {
      const { done, value } = await this.#reader.read();
      if (done) return;
      const lines = (rest + value).split("\n");
      rest = lines.pop()!;
      this.receive(lines.join("\n"));
    }
  }
}

/** A Socket.IO client that polls. */
class PollingBystander extends Bystander {
  readonly #url: string;
  readonly #done: Promise<void>;
  #isLeaving = false;

  static async join(url: string): Promise<Bystander> {
    const answer = await (await deadline(fetch(url))).text();
    const bystander = new PollingBystander(`${url}&sid=${JSON.parse(answer.slice(1)).sid}`);
    await bystander.#post("40");
    return await bystander.joined();
  }

  private constructor(url: string) {
    super("polling");
    this.#url = url;
    this.#done = this.#poll();
    this.#done.catch(() => {}); // Whoever lets it leave is told.
  }

  async leave(): Promise<void> {
    this.#isLeaving = true;
    await this.#post("1");
    await deadline(this.#done);
  }

  async #poll(): Promise<void> {
    for (;;) {
      const response = await fetch(this.#url);
      const packets = (await response.text()).split("\x1e");
      if (this.#isLeaving) return;
      assertEquals(response.status, 200, packets[0]);
      this.receive(packets.join("\n"));
      if (packets.includes("2")) await this.#post("3");
    }
  }

  async #post(body: string): Promise<void> {
    const response = await deadline(fetch(this.#url, { method: "POST", body }));
    assertEquals(await response.text(), "ok");
  }
}

/** One client on each transport, who must not notice what somebody else does to the server. */
export class Bystanders implements AsyncDisposable {
  readonly #target: Target;
  readonly #key: string | undefined;
  readonly #all: readonly Bystander[];
  #pulses = 0;

  /** `key` is what publishing takes, if it takes one. */
  static async join(target: Target, key?: string): Promise<Bystanders> {
    const { url } = target;
    const all = await Promise.all([
      new SocketBystander("websocket", target.socketUrl()).joined(),
      new SocketBystander("hark.v1", target.socketUrl(), ["hark.v1"]).joined(),
      EventsBystander.join(`${url}/events`),
      new SocketBystander("socket.io", target.socketUrl("/socket.io/?EIO=4&transport=websocket"))
        .joined(),
      PollingBystander.join(`${url}/socket.io/?EIO=4&transport=polling`),
    ]);
    return new Bystanders(target, key, all);
  }

  private constructor(target: Target, key: string | undefined, all: readonly Bystander[]) {
    this.#target = target;
    this.#key = key;
    this.#all = all;
  }

  get size(): number {
    return this.#all.length;
  }

  /** Broadcasts a message, and returns after how many milliseconds everyone had it. */
  async pulse(): Promise<number> {
    const start = performance.now();
    const number = ++this.#pulses;
    const query = this.#key === undefined ? "" : `?key=${this.#key}`;
    await deadline(this.#target.broadcast(`pulse ${number}`, query), DELIVERY_MS_MAX);
    for (const bystander of this.#all) {
      await deadline(bystander.has(number), DELIVERY_MS_MAX).catch((error: Error) => {
        throw new Error(`${bystander.name} did not get pulse ${number}: ${error.message}`);
      });
    }
    return performance.now() - start;
  }

  /** Makes sure that everyone has had every pulse, once and in order. */
  check(): void {
    const expected = Array.from({ length: this.#pulses }, (_, at) => at + 1);
    assert(this.#pulses > 0);
    for (const { name, numbers } of this.#all) assertEquals(numbers, expected, name);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all(this.#all.map((bystander) => bystander.leave()));
  }
}
