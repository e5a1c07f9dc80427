import type { JournalBatch } from "../journal.ts";
import { draftArguments } from "./entries.ts";
import { StaleLogError } from "./errors.ts";
import type { RedisLink } from "./link.ts";
import type { Reply } from "./resp.ts";
import { type RedisKeys, SCRIPTS } from "./scripts.ts";

/** Where batches go, and how much Redis keeps. */
export interface GroupOptions {
  readonly keys: RedisKeys;
  readonly node: string;
  readonly historyCount: number;
  readonly historyAgeS: number;
  readonly idempotencyAgeS: number;
}

/** A batch as it is sent. */
export interface Sent {
  readonly batch: JournalBatch;
  /** By this the node recognizes the batch in the feed. */
  readonly reference: string;
  /** The key in Redis of the idempotency key, if it has one. */
  readonly key: string | undefined;
}

/** Entries that the log keeps: a node that is further behind loads everything again. */
export const LOG_ENTRIES_MAX = 65_536;
/** A group with more is full: Redis serves nobody else while it appends. */
const CHARS_MAX = 16_384;
const ARGUMENTS_MAX = 600;

/**
 * Batches that go to Redis in one call, in order: a call costs this node and Redis more than a batch does.
 * Each batch is appended or refused by itself.
 */
export class Group {
  readonly link: RedisLink;
  readonly #options: GroupOptions;
  readonly #idempotencyKeys: string[] = [];
  readonly #args: string[] = [];
  readonly #answers = Promise.withResolvers<readonly Reply[]>();
  #batches = 0;
  #chars = 0;

  constructor(link: RedisLink, options: GroupOptions) {
    this.link = link;
    this.#options = options;
  }

  get isFull(): boolean {
    return this.#chars > CHARS_MAX || this.#args.length > ARGUMENTS_MAX;
  }

  /** Adds a batch. Resolves to the script's answer to it, and rejects as `RedisConnection.send()` does. */
  async add({ batch, reference, key }: Sent): Promise<Reply> {
    const { drafts, caller = "", once } = batch;
    const hasKey = key === undefined ? "" : "1";
    const args = [String(drafts.length), caller, reference, hasKey, once?.fingerprint ?? ""];
    // Before anything is counted: a batch that cannot be written leaves the others as they are.
    const ownArgs = args.concat(draftArguments(batch));
    const index = this.#batches++;
    if (key !== undefined) this.#idempotencyKeys.push(key);
    for (const arg of ownArgs) {
      this.#args.push(arg);
      this.#chars += arg.length;
    }
    return (await this.#answers.promise)[index]!;
  }

  /** Sends all batches; `seen` is the highest offset that the node knows to be taken. */
  async send(seen: number): Promise<void> {
    try {
      const answers = await this.#run(seen) as readonly Reply[];
      if (answers.length === 0) throw new StaleLogError("the log was taken over or replaced");
      this.#answers.resolve(answers);
    } catch (error) {
      this.#answers.reject(error);
    }
  }

  #run(seen: number): Promise<Reply> {
    const { epoch, run, number, commands } = this.link;
    const { keys, node, historyCount, historyAgeS, idempotencyAgeS } = this.#options;
    const { meta, log, channels, channelStart } = keys;
    // One more than history: from that a node that loads the channel learns what it has lost.
    const limits = [historyCount + 1, Math.ceil(historyAgeS), LOG_ENTRIES_MAX];
    return SCRIPTS.append(
      commands,
      [meta, log, channels, channelStart, keys.writer(node), ...this.#idempotencyKeys],
      [epoch, run, seen, number, ...limits, Math.ceil(idempotencyAgeS), ...this.#args],
    );
  }
}
