import type { Receipt } from "../../../lib/broker/broker.ts";
import type { Feed, Journal, JournalBatch, Kept } from "../../../lib/broker/journal.ts";
import { LinkJournal } from "../../../lib/broker/link/journal.ts";
import { LogKeeper } from "../../../lib/broker/link/keeper.ts";
import { MemoryJournal } from "../../../lib/broker/memory.ts";
import type { Clock } from "../../../lib/core/clock.ts";
import type { Position } from "../../../lib/core/publication.ts";
import { Deliveries, ROOMY } from "../helpers.ts";

/** A keeper with bounds that no test meets by accident, on a socket in a folder of its own. */
export class TestKeeper implements AsyncDisposable {
  readonly path: string;
  readonly keeper: LogKeeper;
  readonly errors: unknown[] = [];
  readonly #folder: string;
  readonly #started: Promise<Position>;

  constructor(clock: Clock, journal: Journal = new MemoryJournal(clock)) {
    this.#folder = Deno.makeTempDirSync({ prefix: "hark-link-" });
    this.path = `${this.#folder}/log.sock`;
    this.keeper = new LogKeeper({
      ...ROOMY,
      channelsMax: 10_000,
      idempotencyAgeS: 300,
      idempotencyKeysMax: 10_000,
      clock,
      journal,
      path: this.path,
      onError: (error) => void this.errors.push(error),
    });
    this.#started = this.keeper.start(new Deliveries());
  }

  /** Resolves once it listens. */
  async ready(): Promise<this> {
    await this.#started;
    return this;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#started;
    await this.keeper.close();
    await Deno.remove(this.#folder, { recursive: true });
  }
}

/** A `LinkJournal` with a keeper of its own. */
export class LinkedJournal implements Journal {
  readonly #keeper: TestKeeper;
  readonly #link: LinkJournal;

  constructor(clock: Clock, journal: Journal = new MemoryJournal(clock)) {
    this.#keeper = new TestKeeper(clock, journal);
    this.#link = new LinkJournal(this.#keeper.path);
  }

  async open(): Promise<Kept> {
    await this.#keeper.ready();
    return await this.#link.open();
  }

  follow(after: Position, feed: Feed): void {
    this.#link.follow(after, feed);
  }

  append(batch: JournalBatch): Promise<Receipt> {
    return this.#link.append(batch);
  }

  async close(): Promise<void> {
    await this.#link.close();
    await this.#keeper[Symbol.asyncDispose]();
  }
}
