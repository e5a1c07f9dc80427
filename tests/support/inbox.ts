import { deadline } from "./deadline.ts";

/** What arrives one by one, kept until a test takes it. Taking waits, but not for ever. */
export class Inbox<T> {
  readonly #items: T[] = [];
  #ended: string | undefined;
  #changed = Promise.withResolvers<void>();

  push(item: T): void {
    this.#items.push(item);
    this.#wake();
  }

  /** Nothing more will arrive. */
  end(why: string): void {
    this.#ended ??= why;
    this.#wake();
  }

  /** The next one. */
  async next(): Promise<T> {
    const [item] = await this.take(1);
    return item!;
  }

  /** The next `count`, in order. */
  async take(count: number): Promise<T[]> {
    await this.#wait(() => this.#items.length >= count);
    return this.#items.splice(0, count);
  }

  /** The first that matches; what came before it is dropped. */
  async find(matches: (item: T) => boolean, ms?: number): Promise<T> {
    await this.#wait(() => this.#items.some(matches), ms);
    const found = this.#items.findIndex(matches);
    return this.#items.splice(0, found + 1).at(-1)!;
  }

  /** Everything up to the end. */
  async rest(): Promise<T[]> {
    await this.#wait(() => this.#ended !== undefined);
    return this.takeAll();
  }

  /** What has arrived by now. */
  takeAll(): T[] {
    return this.#items.splice(0);
  }

  async #wait(isDone: () => boolean, ms?: number): Promise<void> {
    await deadline(
      (async () => {
        while (!isDone()) {
          if (this.#ended !== undefined) throw new Error(`Nothing more comes: ${this.#ended}`);
          await this.#changed.promise;
        }
      })(),
      ms,
    ).catch((error: Error) => {
      const last = Deno.inspect(this.#items.slice(-5), { depth: 4 });
      throw new Error(`${error.message}; got ${this.#items.length} so far, the last are ${last}`);
    });
  }

  #wake(): void {
    const { resolve } = this.#changed;
    this.#changed = Promise.withResolvers();
    resolve();
  }
}
