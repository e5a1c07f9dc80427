import { assertEquals } from "@std/assert";
import type { LinkKeeper } from "../../../lib/broker/redis/keeper.ts";
import { ReplyError } from "../../../lib/broker/redis/resp.ts";
import { RedisPeers } from "../../../lib/broker/redis/peers.ts";
import { RedisKeys } from "../../../lib/broker/redis/scripts.ts";
import { FakeClock } from "../../support/fake_clock.ts";

/** Peers with a link that a test takes away and puts back. */
class Host {
  readonly clock = new FakeClock();
  readonly dropped: string[] = [];
  isUp = true;
  /** What Redis answers instead of taking a message. */
  refusal: ReplyError | undefined;
  readonly peers: RedisPeers;
  #sent: unknown[][] = [];

  constructor(node = "a") {
    const link = {
      commands: {
        send: (...command: unknown[]) => {
          if (this.refusal !== undefined) return Promise.reject(this.refusal);
          this.#sent.push(command);
          return Promise.resolve();
        },
      },
    };
    const keeper = Object.defineProperty(
      {
        drop: (_: unknown, error: Error) => void this.dropped.push(error.message),
        failed: () => {},
      },
      "link",
      { get: () => this.isUp ? link : undefined },
    );
    this.peers = new RedisPeers({
      clock: this.clock,
      keeper: keeper as unknown as LinkKeeper,
      keys: new RedisKeys("test"),
      node,
      skipForeign: () => {},
    });
  }

  async tell(): Promise<void> {
    this.peers.tell({ type: "any" });
    await this.clock.settle();
  }

  /** What was sent comes back by the feed, here and to `others`. */
  comeBack(...others: readonly RedisPeers[]): void {
    for (const command of this.#sent.splice(0)) {
      const texts = command.slice(command.indexOf("*") + 1).map(String);
      const fields = new Map(
        Array.from({ length: texts.length / 2 }, (_, at) => {
          return [texts[2 * at]!, texts[2 * at + 1]!] as const;
        }),
      );
      for (const peers of [this.peers, ...others]) {
        peers.receive([{ id: "1-0", offset: 1, fields }]);
      }
    }
  }
}

Deno.test("RedisPeers measures how long a message takes to come back, also while it has not", async () => {
  const host = new Host();
  await host.tell();
  host.clock.advance(300);
  assertEquals(host.peers.lagMs, 300);
  host.comeBack();
  host.clock.advance(1000);
  assertEquals(host.peers.lagMs, 300);
  await host.tell();
  host.clock.advance(50);
  host.comeBack();
  assertEquals(host.peers.lagMs, 50);
});

Deno.test("RedisPeers drops a link whose feed brings nothing back for 10 s", async () => {
  const host = new Host();
  for (let ms = 0; ms <= 10_000; ms += 1000) {
    await host.tell();
    assertEquals(host.dropped, []);
    host.clock.advance(1000);
  }
  await host.tell();
  assertEquals(host.dropped, ["the feed is silent"]);
});

Deno.test("RedisPeers does not drop a new link for messages that were lost with the last one", async () => {
  const host = new Host();
  await host.tell();
  host.isUp = false;
  for (let ms = 0; ms < 20_000; ms += 3000) {
    host.clock.advance(3000);
    await host.tell();
  }
  host.isUp = true;
  await host.tell();
  assertEquals(host.dropped, []);
});

Deno.test("RedisPeers does not drop a link because Redis refuses messages", async () => {
  const host = new Host();
  host.refusal = new ReplyError("NOREPLICAS Not enough good replicas to write.");
  for (let ms = 0; ms < 20_000; ms += 3000) {
    await host.tell();
    host.clock.advance(3000);
  }
  assertEquals([host.dropped, host.peers.lagMs], [[], 0]);
});

Deno.test("RedisPeers relays messages of this machine's nodes to all others, in order", async () => {
  const [host, other] = [new Host(), new Host("b")];
  const heard: unknown[] = [];
  for (const { peers } of [host, other]) {
    peers.listen({
      onMessage: (node, { type }) => heard.push([peers.node, node, type]),
    });
  }
  host.peers.relay("a1", [{ type: "1" }, { type: "2" }]);
  host.peers.relay("a2", [{ type: "3" }]);
  host.peers.tell({ type: "4" });
  host.peers.relay("a1", [{ type: "5" }]);
  await host.clock.settle();
  host.clock.advance(40);
  host.comeBack(other.peers);
  const sent = [["a1", "1"], ["a1", "2"], ["a2", "3"], ["a", "4"], ["a1", "5"]];
  assertEquals(heard, sent.map((each) => ["b", ...each]));
  assertEquals(host.peers.lagMs, 40);
});
