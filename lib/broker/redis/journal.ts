import { type Clock, every, type Timer } from "../../core/clock.ts";
import type { Position } from "../../core/publication.ts";
import { randomEpoch, randomId } from "../../core/random.ts";
import type { Receipt } from "../broker.ts";
import {
  type Entry,
  type Feed,
  type Gap,
  GAPS_MAX,
  isGap,
  type Journal,
  type JournalBatch,
  type Kept,
} from "../journal.ts";
import type { Peers } from "../peers.ts";
import type { RedisTarget } from "../../core/redis_url.ts";
import { Appender } from "./appender.ts";
import { type RedisConnection, ReplyTooLarge } from "./connection.ts";
import {
  entriesAtOnce,
  type ForeignOptions,
  foreignSkipper,
  readEntries,
  readGap,
  readPublication,
  readStreams,
  type SkipForeign,
  type StreamEntry,
  streamId,
} from "./entries.ts";
import { cannotUse, isPassing, OtherLogError } from "./errors.ts";
import { LinkKeeper } from "./keeper.ts";
import { openLink, type RedisLink } from "./link.ts";
import { loadKept } from "./loading.ts";
import { readReport, whatIsUnwiseOf } from "./report.ts";
import { RedisPeers } from "./peers.ts";
import { RESP_LIMITS } from "./resp.ts";
import { RedisKeys, SCRIPTS } from "./scripts.ts";

/** What a `RedisJournal` needs, and its bounds. */
export interface RedisJournalOptions extends ForeignOptions {
  readonly clock: Clock;
  readonly target: RedisTarget;
  /** Separates the logs of several clusters on one Redis. */
  readonly name: string;
  readonly historyCount: number;
  readonly historyAgeS: number;
  readonly idempotencyAgeS: number;
  /** Bytes of one publication, of any node. */
  readonly publishBytesMax: number;
  /** Bytes of one reply of Redis. */
  readonly replyBytesMax?: number;
}

/** How long Redis waits for an entry before it answers that there is none. */
const BLOCK_MS = 2000;
const SWEEP_INTERVAL_MS = 60_000;
const CHANNELS_SWEPT = 100;

/**
 * Keeps the log in Redis 7 or Valkey, where many nodes share it. A script appends a batch in one step, and
 * all nodes follow the log as a stream. When a server may have lost the end of the log, after a failover or
 * a restart, the offsets jump, so that none is used twice.
 */
export class RedisJournal implements Journal {
  readonly #options: RedisJournalOptions;
  readonly #keys: RedisKeys;
  readonly #keeper: LinkKeeper;
  readonly #appender: Appender;
  readonly #peers: RedisPeers;
  readonly #skipForeign: SkipForeign;
  /** Entries in one reply. */
  readonly #entriesMax: number;
  #epoch: string | undefined;
  /** The gaps of the log, oldest first. */
  #gaps: readonly Gap[] = [];
  #feed: Feed | undefined;
  #sweep: Timer | undefined;
  #links = 0;

  constructor(options: RedisJournalOptions) {
    const { clock, name } = this.#options = options;
    const keys = this.#keys = new RedisKeys(name);
    const keeper = this.#keeper = new LinkKeeper({
      clock,
      connect: () => this.#connect(),
      onChange: (isUp, why) => this.#feed?.onHealth(isUp, why),
      onGivenUp: ({ message }) => this.#lose(message),
    });
    const { publishBytesMax, replyBytesMax = RESP_LIMITS.replyBytesMax } = options;
    this.#entriesMax = entriesAtOnce(publishBytesMax, replyBytesMax);
    const skipForeign = this.#skipForeign = foreignSkipper(options);
    const node = randomId();
    this.#appender = new Appender({ ...options, keeper, keys, node });
    this.#peers = new RedisPeers({ clock, keeper, keys, node, skipForeign });
  }

  /** The way to the other nodes that share the log. */
  get peers(): Peers {
    return this.#peers;
  }

  /** Opens as `Journal.open()` does. Rejects with a `RedisError`. */
  async open(): Promise<Kept> {
    this.#feed = undefined;
    try {
      return await this.#open();
    } catch (error) {
      throw cannotUse(this.#options.target, error);
    }
  }

  async #open(): Promise<Kept> {
    const link = await this.#openAny();
    if (this.#epoch === undefined) await this.#advise(link);
    this.#epoch = link.epoch;
    this.#sweep ??= every(this.#options.clock, SWEEP_INTERVAL_MS, () => this.#removeOld());
    this.#appender.begin(link.offset);
    const kept = await loadKept(link.reader, this.#keys, link, {
      ...this.#options,
      entriesMax: this.#entriesMax,
      skipForeign: this.#skipForeign,
    });
    this.#gaps = kept.gaps;
    return kept;
  }

  follow(after: Position, feed: Feed): void {
    this.#feed = feed;
    this.#appender.begin(after.offset);
    this.#followFrom(after, feed);
  }

  append(batch: JournalBatch): Promise<Receipt> {
    return this.#appender.append(batch);
  }

  async close(): Promise<void> {
    await this.#appender.settle();
    this.#feed = undefined;
    this.#sweep?.cancel();
    this.#keeper.close();
  }

  /** Warns of what is unwise about the server. */
  async #advise({ commands }: RedisLink): Promise<void> {
    const { clock, warn } = this.#options;
    if (warn === undefined) return;
    whatIsUnwiseOf(await readReport(commands, clock)).forEach((why) => warn(why));
  }

  /** Opens the log that is known or, if Redis holds another one by now, that. */
  async #openAny(): Promise<RedisLink> {
    try {
      return await this.#keeper.open();
    } catch (error) {
      if (!(error instanceof OtherLogError)) throw error;
      this.#epoch = undefined;
      this.#gaps = [];
      return await this.#keeper.open();
    }
  }

  #connect(): Promise<RedisLink> {
    const isKnown = this.#epoch !== undefined;
    return openLink({ ...this.#options, keys: this.#keys }, {
      epoch: this.#epoch ?? randomEpoch(),
      seen: isKnown ? this.#appender.seen : 0,
      isKnown,
      node: this.#peers.node,
      gaps: [...this.#gaps, ...this.#appender.unfed],
      number: ++this.#links,
    });
  }

  async #followFrom({ epoch, offset }: Position, feed: Feed): Promise<void> {
    const { log, peers } = this.#keys;
    let last = streamId({ offset });
    let lastPeers: string | undefined;
    let entriesMax = this.#entriesMax;
    while (this.#feed === feed) {
      const link = await this.#keeper.current();
      if (link === undefined) return;
      try {
        lastPeers ??= await endOf(link.reader, peers);
        const reply = await link.reader.send(
          ...["XREAD", "COUNT", entriesMax, "BLOCK", BLOCK_MS, "STREAMS"],
          ...[log, peers, last, lastPeers],
        );
        const streams = readStreams(reply);
        if (this.#feed !== feed) return;
        const entries = streams.get(log) ?? [];
        const messages = streams.get(peers) ?? [];
        last = entries.at(-1)?.id ?? last;
        lastPeers = messages.at(-1)?.id ?? lastPeers;
        if (entries.length > 0) this.#take(entries, epoch, feed);
        this.#peers.receive(messages);
      } catch (error) {
        if (!isPassing(error)) return this.#lose(String(error));
        if (error instanceof ReplyTooLarge) {
          // Messages of nodes may be lost; the log is read in smaller parts until it is loaded again.
          lastPeers = undefined;
          entriesMax = Math.ceil(entriesMax / 4);
        }
        this.#keeper.drop(link, error);
      }
    }
  }

  #take(entries: readonly StreamEntry[], epoch: string, feed: Feed): void {
    const found = entries.flatMap((entry): Entry[] => {
      const read = readPublication(entry, epoch) ?? readGap(entry);
      if (read !== undefined) return [read];
      this.#skipForeign(this.#keys.log, entry);
      return [];
    });
    this.#gaps = [...this.#gaps, ...found.filter(isGap)].slice(-GAPS_MAX);
    feed.onEntries(found);
    this.#appender.fed(entries, epoch, this.#feed === feed);
  }

  #lose(why: string): void {
    const feed = this.#feed;
    this.#feed = undefined;
    feed?.onLost(why);
  }

  #removeOld(): void {
    const { link } = this.#keeper;
    if (link === undefined) return;
    const { channels, channelStart } = this.#keys;
    const keys = [channels, channelStart, this.#keys.writer(this.#peers.node)];
    SCRIPTS.sweep(link.commands, keys, [CHANNELS_SWEPT])
      .catch((error) => this.#keeper.failed(link, error));
  }
}

/** The id of the last entry of a stream. */
async function endOf(reader: RedisConnection, stream: string): Promise<string> {
  const [entry] = readEntries(await reader.send("XREVRANGE", stream, "+", "-", "COUNT", 1));
  return entry?.id ?? "0-0";
}
