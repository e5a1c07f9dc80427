import type { Position } from "../../../lib/core/publication.ts";
import { systemClock } from "../../../lib/core/clock.ts";
import type { Receipt } from "../../../lib/broker/broker.ts";
import type { Feed, JournalBatch, Kept } from "../../../lib/broker/journal.ts";
import type { RedisConnection } from "../../../lib/broker/redis/connection.ts";
import type { RedisJournal } from "../../../lib/broker/redis/journal.ts";
import { RedisKeys } from "../../../lib/broker/redis/scripts.ts";
import { FakeClock } from "../../support/fake_clock.ts";
import { Proxy } from "../../support/proxy.ts";
import type { Dice } from "../../support/dice.ts";
import type { NodeJournal, World } from "../simulated_cluster.ts";
import { newJournal } from "./test_journal.ts";

/** The channel of the simulation. */
const CHANNEL = "a";
/** How long a way that drops what Redis answers does so, in turns. */
const MUTE_TURNS = 3;

/**
 * Takes a log back to what it was some entries ago, as a server that was restored from a backup has it,
 * which is another one. Keys: meta, log, gaps, the stream of the channel. Arguments: how many entries,
 * the run id of the server that is gone.
 */
const LOSE_TAIL = `
local function rebuild(key, last)
  local entries = redis.call('XRANGE', key, '-', last)
  redis.call('DEL', key)
  for _, entry in ipairs(entries) do redis.call('XADD', key, entry[1], unpack(entry[2])) end
end
local kept = redis.call('XREVRANGE', KEYS[2], '+', '-', 'COUNT', ARGV[1] + 1)[ARGV[1] + 1]
local id = kept and kept[1] or '0-1'
local offset = string.match(id, '%d+')
rebuild(KEYS[2], id)
rebuild(KEYS[4], id)
local gaps = redis.call('LRANGE', KEYS[3], 0, -1)
redis.call('DEL', KEYS[3])
for _, gap in ipairs(gaps) do
  if tonumber(string.match(gap, ' (%d+) ')) <= tonumber(offset) then
    redis.call('RPUSH', KEYS[3], gap)
  end
end
if redis.call('EXISTS', KEYS[1]) == 1 then
  redis.call('HSET', KEYS[1], 'o', offset, 'r', ARGV[2])
end
return 0
`;

/** Real time goes on while this clock does: replies come. */
class SlowClock extends FakeClock {
  /** How much of its time is a turn of real time. */
  turnMs = 250;

  override async pass(ms: number): Promise<void> {
    for (let leftMs = ms; leftMs > 0; leftMs -= this.turnMs) {
      await super.pass(Math.min(leftMs, this.turnMs));
      await realTurn();
    }
  }

  override afterTurn(callback: () => void): void {
    systemClock.afterTurn(callback);
  }
}

/** A log of its own in a real Redis, each node by a proxy of its own, and faults that a test makes. */
export class RedisWorld implements World, AsyncDisposable {
  readonly clock = new SlowClock(Date.now());
  readonly #port: number;
  readonly #dice: Dice;
  readonly #keys: RedisKeys;
  readonly #name: string;
  readonly #admin: RedisConnection;
  readonly #ways = new Set<RedisWay>();
  /** How often another server took the place of the one before. */
  #losses = 0;
  /** What is being done to the server. */
  #losing = Promise.resolve();

  constructor(
    { port, name, admin, dice }: {
      readonly port: number;
      readonly name: string;
      readonly admin: RedisConnection;
      readonly dice: Dice;
    },
  ) {
    this.#port = port;
    this.#name = name;
    this.#keys = new RedisKeys(name);
    this.#admin = admin;
    this.#dice = dice;
  }

  addNode(): NodeJournal {
    const proxy = new Proxy(this.#port);
    const journal = newJournal(`redis://127.0.0.1:${proxy.port}`, {
      clock: this.clock,
      name: this.#name,
      historyCount: 100_000,
    });
    const way = new RedisWay(journal, proxy, () => this.#losses);
    this.#ways.add(way);
    return way;
  }

  loseTail(count: number): void {
    const { meta, log, gaps, channelStart } = this.#keys;
    this.#lose(async () => {
      const keys = [meta, log, gaps, channelStart + CHANNEL];
      await this.#admin.send("EVAL", LOSE_TAIL, keys.length, ...keys, count, `r${this.#losses}`);
    });
  }

  loseAll(): void {
    this.#lose(async () => {
      const keys = await this.#admin.send("KEYS", `{${this.#name}}:*`) as string[];
      if (keys.length > 0) await this.#admin.send("UNLINK", ...keys);
    });
  }

  /** Replies come in time, however slow the machine is. */
  heal(): void {
    this.clock.turnMs = 25;
  }

  /** Lets replies come; now and then a way loses some of them. */
  async turn(): Promise<void> {
    if (this.#dice.chance(0.01)) this.#dice.pick([...this.#ways]).mute(MUTE_TURNS);
    for (const way of this.#ways) way.turn();
    await realTurn();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#losing;
    for (const way of this.#ways) await way.dispose();
  }

  /** A server that is gone answers nobody: what was sent to it before is done, and no more. */
  #lose(change: () => Promise<void>): void {
    this.#losses++;
    for (const way of this.#ways) way.isServerGone = true;
    this.#losing = this.#losing.then(async () => {
      // Whatever has come to Redis is read before the second of these.
      await this.#admin.send("PING");
      await this.#admin.send("PING");
      await change();
      for (const way of this.#ways) way.isServerGone = false;
    });
  }
}

/** The way of one node to Redis. */
class RedisWay implements NodeJournal {
  readonly #journal: RedisJournal;
  readonly #proxy: Proxy;
  readonly #losses: () => number;
  #isCut = false;
  #isServerGone = false;
  #muteTurns = 0;
  /** The losses that the newest server had seen of which this node knows that it has opened it. */
  #openedAfter = 0;

  constructor(journal: RedisJournal, proxy: Proxy, losses: () => number) {
    this.#journal = journal;
    this.#proxy = proxy;
    this.#losses = losses;
    this.#openedAfter = losses();
  }

  get isCut(): boolean {
    return this.#isCut;
  }

  cut(isCut: boolean): void {
    this.#isCut = isCut;
    this.#refuse();
    this.#unmute();
  }

  set isServerGone(isGone: boolean) {
    this.#isServerGone = isGone;
    this.#refuse();
  }

  get isCurrent(): boolean {
    return this.#openedAfter === this.#losses();
  }

  /** Loses what Redis answers for some turns; then the connections end. */
  mute(turns: number): void {
    this.#muteTurns = turns;
    this.#proxy.isMute = true;
  }

  turn(): void {
    if (this.#muteTurns > 0 && --this.#muteTurns === 0) this.#unmute();
  }

  pump(): void {}

  open(): Promise<Kept> {
    return this.#journal.open();
  }

  follow(after: Position, feed: Feed): void {
    this.#journal.follow(after, feed);
  }

  async append(batch: JournalBatch): Promise<Receipt> {
    const losses = this.#losses();
    const receipt = await this.#journal.append(batch);
    this.#openedAfter = Math.max(this.#openedAfter, losses);
    return receipt;
  }

  close(): Promise<void> {
    return this.#journal.close();
  }

  async dispose(): Promise<void> {
    await this.#proxy[Symbol.asyncDispose]();
  }

  #unmute(): void {
    if (!this.#proxy.isMute) return;
    this.#muteTurns = 0;
    this.#proxy.cut();
    this.#proxy.isMute = false;
  }

  #refuse(): void {
    this.#proxy.isRefusing = this.#isCut || this.#isServerGone;
    if (this.#proxy.isRefusing) this.#proxy.cut();
  }
}

function realTurn(): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, 1));
}
