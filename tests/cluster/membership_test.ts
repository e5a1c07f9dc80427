import { assertEquals } from "@std/assert";
import { HEARTBEAT_MS, Membership, NODES_MAX, SILENCE_MS } from "../../lib/cluster/membership.ts";
import { FakeClock } from "../support/fake_clock.ts";
import { FakePeers } from "../support/fake_peers.ts";

const STATE = { name: "one", version: "1.0.0", address: "", sessions: 3, offset: 7 };

class Member {
  readonly events: string[] = [];
  readonly clock: FakeClock;
  readonly membership: Membership;
  sessions = 3;

  constructor(peers: FakePeers, id: string, clock = new FakeClock()) {
    this.clock = clock;
    this.membership = new Membership({
      clock,
      peers: peers.of(id),
      state: () => ({ ...STATE, name: `name of ${id}`, sessions: this.sessions }),
      onJoin: (node) => this.events.push(`${node} joined`),
      onLeave: (node) => this.events.push(`${node} left`),
    });
    peers.of(id).listen({ onMessage: (node, message) => this.membership.receive(node, message) });
    this.membership.start();
  }

  get ids(): string[] {
    return this.membership.nodes.map(({ id }) => id);
  }

  takeEvents(): string[] {
    return this.events.splice(0);
  }
}

Deno.test("Membership learns every other node and its state from one hello", () => {
  const peers = new FakePeers();
  const members = ["a", "b", "c"].map((id) => new Member(peers, id));
  peers.deliver();
  assertEquals(members.map(({ ids }) => ids.sort()), [["b", "c"], ["a", "c"], ["a", "b"]]);
  const [a, b] = members as [Member, Member];
  assertEquals(a.membership.find("b"), { ...STATE, id: "b", name: "name of b" });
  assertEquals(a.takeEvents().sort(), ["b joined", "c joined"]);
  b.sessions = 9;
  b.clock.advance(HEARTBEAT_MS);
  peers.deliver();
  assertEquals(a.membership.find("b")?.sessions, 9);
  assertEquals(a.takeEvents(), []);
  assertEquals(a.membership.find("nobody"), undefined);
});

Deno.test("Membership drops a silent node within 15 s, and takes it back when it speaks", () => {
  const peers = new FakePeers();
  const [a, b] = [new Member(peers, "a"), new Member(peers, "b")];
  peers.deliver();
  a.takeEvents();
  for (let ms = 0; ms < SILENCE_MS; ms += HEARTBEAT_MS) {
    assertEquals(a.ids, ["b"], `after ${ms} ms`);
    a.clock.advance(HEARTBEAT_MS);
  }
  assertEquals([a.ids, a.takeEvents()], [[], ["b left"]]);
  assertEquals(SILENCE_MS + HEARTBEAT_MS < 15_000, true);
  b.clock.advance(HEARTBEAT_MS);
  peers.deliver();
  assertEquals([a.ids, a.takeEvents()], [["b"], ["b joined"]]);
});

Deno.test("Membership counts any message as a sign of life, but adds a node only with its state", () => {
  const peers = new FakePeers();
  const [a] = [new Member(peers, "a"), new Member(peers, "b")];
  peers.deliver();
  for (let ms = 0; ms < 2 * SILENCE_MS; ms += HEARTBEAT_MS) {
    peers.of("b").tell({ type: "anything" });
    peers.of("c").tell({ type: "anything" });
    peers.deliver();
    a.clock.advance(HEARTBEAT_MS);
  }
  assertEquals(a.ids, ["b"]);
});

Deno.test("Membership drops a node as soon as it says bye", () => {
  const peers = new FakePeers();
  const [a, b] = [new Member(peers, "a"), new Member(peers, "b")];
  peers.deliver();
  a.takeEvents();
  peers.takeTypes("b");
  b.membership.stop();
  b.membership.stop();
  peers.deliver();
  assertEquals([a.ids, a.takeEvents()], [[], ["b left"]]);
  assertEquals(peers.takeTypes("b"), ["bye"]);
  b.clock.advance(10 * HEARTBEAT_MS);
  assertEquals(peers.takeTypes("b"), []);
});

Deno.test("Membership gives the others time to be heard after its own node was frozen", () => {
  const peers = new FakePeers();
  const clock = new FakeClock();
  const late = new LateClock();
  const [a] = [new Member(peers, "a", late), new Member(peers, "b", clock)];
  peers.deliver();
  a.takeEvents();
  late.freeze(60_000);
  late.advance(HEARTBEAT_MS);
  assertEquals([a.ids, a.takeEvents()], [["b"], []]);
  clock.advance(HEARTBEAT_MS);
  peers.deliver();
  late.advance(SILENCE_MS - HEARTBEAT_MS);
  assertEquals([a.ids, a.takeEvents()], [["b"], []]);
  late.advance(2 * HEARTBEAT_MS);
  assertEquals([a.ids, a.takeEvents()], [[], ["b left"]]);
});

Deno.test("Membership knows at most NODES_MAX nodes", () => {
  const peers = new FakePeers();
  const a = new Member(peers, "a");
  for (let count = 0; count < NODES_MAX + 5; count++) {
    peers.of(`n${count}`).tell({ type: "alive", ...STATE });
  }
  peers.deliver();
  assertEquals(a.ids.length, NODES_MAX);
});

/** A clock of which some time can pass without its timers. */
class LateClock extends FakeClock {
  #frozenMs = 0;

  freeze(ms: number): void {
    this.#frozenMs += ms;
  }

  override monotonic(): number {
    return super.monotonic() + this.#frozenMs;
  }
}
