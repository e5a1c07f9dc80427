import { assert, assertEquals } from "@std/assert";
import { ChannelLog } from "../../../lib/broker/history/channel_log.ts";
import { Holders } from "../../../lib/broker/history/eviction.ts";
import { Publication } from "../../../lib/core/publication.ts";
import { random, randomChoice, randomInteger } from "../../support/random.ts";

/** Logs that grow and shrink, whose they are, and the plainest way to tell what `Holders` must. */
class Model {
  readonly holders = new Holders();
  /** In the order in which they were given. */
  owned: { log: ChannelLog; caller: string }[] = [];

  give(log: ChannelLog, caller: string, dataBytes: number): void {
    this.owned = this.owned.filter((other) => other.log !== log);
    this.owned.push({ log, caller });
    this.holders.give(log, caller);
    const draft = { channel: log.channel, event: "message", data: "x".repeat(dataBytes) };
    const publication = new Publication({ epoch: "e", offset: 1 }, draft, 0);
    log.append(publication);
    this.holders.charge(log, publication.costBytes);
  }

  evict(log: ChannelLog): void {
    this.holders.charge(log, -log.evict().costBytes);
    if (log.count > 0) return;
    this.owned = this.owned.filter((other) => other.log !== log);
    this.holders.take(log);
  }

  bytesOf(caller: string): number {
    const own = this.owned.filter((other) => other.caller === caller);
    return own.reduce((sum, { log }) => sum + log.bytes, 0);
  }

  check(callers: readonly string[]): void {
    const { longestSilent } = this.holders;
    const found = this.owned.find(({ log }) => log === longestSilent);
    assertEquals(longestSilent === undefined, this.owned.length === 0);
    if (found === undefined) return;
    assertEquals(this.owned.find(({ caller }) => caller === found.caller), found);
    const most = Math.max(...callers.map((caller) => this.bytesOf(caller)));
    assert(this.bytesOf(found.caller) > most / 2);
  }
}

Deno.test("Holders finds the longest silent channel of the caller that holds most", () => {
  const callers = ["", "a", "b", "c"];
  for (let seed = 1; seed <= 20; seed++) {
    const next = random(seed);
    const model = new Model();
    const channels = ["a", "b", "c", "d", "e", "f", "g", "h"];
    const logs = channels.map((channel) => new ChannelLog(channel, ""));
    for (let step = 0; step < 500; step++) {
      const log = randomChoice(next, logs);
      // Now they grow more, now they shrink more.
      if (randomInteger(next, 9) < (step % 200 < 100 ? 7 : 3)) {
        model.give(log, randomChoice(next, callers), 2 ** randomInteger(next, 12));
      } else if (log.count > 0) {
        model.evict(log);
      }
      model.check(callers);
    }
  }
});
