import { assertEquals } from "@std/assert";
import type { PeerMessage } from "../../lib/broker/peers.ts";
import { Cluster } from "../../lib/cluster/cluster.ts";
import { HEARTBEAT_MS, SILENCE_MS } from "../../lib/cluster/membership.ts";
import type { PresenceChange, PresenceEntry } from "../../lib/core/encoder.ts";
import { FakeClock } from "../support/fake_clock.ts";
import { FakePeers } from "../support/fake_peers.ts";

/** A node with presence that a test changes. */
class Node {
  readonly clock = new FakeClock();
  readonly cluster: Cluster;
  readonly errors: unknown[] = [];
  /** What its watchers were sent, in order: `+client` and `-client`, a list for each change. */
  readonly relayed: string[][] = [];
  readonly #present = new Map<string, PresenceEntry[]>();
  readonly #followers = new Map<string, (change: PresenceChange) => void>();

  constructor(peers: FakePeers, id: string) {
    this.cluster = new Cluster({
      clock: this.clock,
      peers: peers.of(id),
      state: () => ({ name: `name of ${id}`, version: "1", address: "", sessions: 0, offset: 0 }),
      presence: {
        present: (channel, limit) => ({ entries: this.#of(channel).slice(0, limit) }),
        presence: {
          follow: (channel, onChange) => void this.#followers.set(channel, onChange),
          unfollow: (channel) => void this.#followers.delete(channel),
          relay: ({ joined, left }) => {
            this.relayed.push([...names("+", joined), ...names("-", left)]);
          },
        },
      },
      onError: (error) => this.errors.push(error),
    });
    this.cluster.start();
  }

  /** Channels that other nodes follow here. */
  get followed(): string[] {
    return [...this.#followers.keys()];
  }

  comes(channel: string, client: string): void {
    const entry = { client, joined: 1 };
    this.#of(channel).push(entry);
    this.#followers.get(channel)?.({ channel, joined: [entry], left: [] });
  }

  goes(channel: string, client: string): void {
    const members = this.#of(channel);
    const [entry] = members.splice(members.findIndex((entry) => entry.client === client), 1);
    this.#followers.get(channel)?.({ channel, joined: [], left: [entry!] });
  }

  takeRelayed(): string[][] {
    return this.relayed.splice(0);
  }

  #of(channel: string): PresenceEntry[] {
    const members = this.#present.get(channel) ?? [];
    this.#present.set(channel, members);
    return members;
  }
}

function names(sign: string, entries: readonly PresenceEntry[]): string[] {
  return entries.map(({ client }) => sign + client);
}

function start(...ids: string[]): { peers: FakePeers; nodes: Node[] } {
  const peers = new FakePeers();
  const nodes = ids.map((id) => new Node(peers, id));
  peers.deliver();
  return { peers, nodes };
}

/** Time for one heartbeat of every node. */
function beat(peers: FakePeers, ...nodes: Node[]): void {
  for (const node of nodes) node.clock.advance(HEARTBEAT_MS);
  peers.deliver();
}

Deno.test("a node that begins to watch gets all presence of the others, and then changes", () => {
  const { peers, nodes: [a, b] } = start("a", "b") as { peers: FakePeers; nodes: [Node, Node] };
  b.comes("room", "early");
  peers.deliver();
  assertEquals(a.takeRelayed(), []);
  a.cluster.watched("room", true);
  peers.deliver();
  assertEquals([a.takeRelayed(), b.followed], [[["+early"]], ["room"]]);
  b.comes("room", "late");
  b.comes("other", "unseen");
  b.goes("room", "early");
  peers.deliver();
  assertEquals(a.takeRelayed(), [["+late"], ["-early"]]);
  a.cluster.watched("room", false);
  peers.deliver();
  b.comes("room", "unheard");
  peers.deliver();
  assertEquals([a.takeRelayed(), b.followed, a.errors, b.errors], [[], [], [], []]);
});

Deno.test("a node that comes later sends its presence to nodes that watch already", () => {
  const { peers, nodes: [a] } = start("a") as { peers: FakePeers; nodes: [Node] };
  a.cluster.watched("room", true);
  const b = new Node(peers, "b");
  b.comes("room", "x");
  peers.deliver();
  assertEquals([a.takeRelayed(), b.followed], [[["+x"]], ["room"]]);
});

Deno.test("presence of a dead node leaves in one change within 15 s, and its watches end", () => {
  const { peers, nodes: [a, b] } = start("a", "b") as { peers: FakePeers; nodes: [Node, Node] };
  a.cluster.watched("room", true);
  b.cluster.watched("hall", true);
  for (const client of ["x", "y", "z"]) b.comes("room", client);
  peers.deliver();
  a.takeRelayed();
  assertEquals(a.followed, ["hall"]);
  peers.kill("b");
  a.clock.advance(SILENCE_MS - HEARTBEAT_MS);
  assertEquals(a.takeRelayed(), []);
  a.clock.advance(2 * HEARTBEAT_MS);
  assertEquals([a.takeRelayed(), a.followed], [[["-x", "-y", "-z"]], []]);
});

Deno.test("presence of a node that says bye leaves at once", () => {
  const { peers, nodes: [a, b] } = start("a", "b") as { peers: FakePeers; nodes: [Node, Node] };
  a.cluster.watched("room", true);
  b.comes("room", "x");
  peers.deliver();
  a.takeRelayed();
  b.cluster.stop();
  peers.deliver();
  assertEquals([a.takeRelayed(), a.cluster.isAlone, b.followed], [[["-x"]], true, []]);
  // What it still hears does not bring it back.
  new Node(peers, "c");
  peers.deliver();
  assertEquals(a.cluster.nodes.map(({ id }) => id), ["a", "c"]);
});

Deno.test("a lost presence message is repaired after the next message or heartbeat", () => {
  const { peers, nodes: [a, b] } = start("a", "b") as { peers: FakePeers; nodes: [Node, Node] };
  b.comes("room", "x");
  peers.loses = (_, { type }) => ["watch", "presence", "present"].includes(type);
  a.cluster.watched("room", true);
  peers.deliver();
  assertEquals([a.takeRelayed(), b.followed], [[], []]);
  peers.loses = () => false;
  // The watch was lost: b asks a for all that it watches.
  beat(peers, a);
  assertEquals([a.takeRelayed(), b.followed], [[["+x"]], ["room"]]);

  peers.loses = (_, { type }) => type === "presence";
  b.goes("room", "x");
  b.comes("room", "y");
  peers.deliver();
  peers.loses = () => false;
  assertEquals(a.takeRelayed(), []);
  // The changes were lost: a asks b for all that are there.
  beat(peers, b);
  assertEquals(a.takeRelayed(), [["+y", "-x"]]);

  peers.loses = (_, { type }) => type === "unwatch";
  a.cluster.watched("room", false);
  peers.deliver();
  peers.loses = () => false;
  assertEquals(b.followed, ["room"]);
  beat(peers, a);
  assertEquals(b.followed, []);
  peers.takeTypes("a");
  beat(peers, a, b);
  assertEquals(peers.told.map(({ message }) => message.type), ["alive", "alive"]);
});

Deno.test("a node that the others had dropped exchanges presence and watches with them again", () => {
  const { peers, nodes: [a, b] } = start("a", "b") as { peers: FakePeers; nodes: [Node, Node] };
  b.cluster.watched("room", true);
  a.comes("room", "x");
  peers.deliver();
  assertEquals(b.takeRelayed(), [["+x"]]);
  // Nothing that b says arrives, while b hears a.
  peers.loses = (node) => node === "b";
  for (let ms = 0; ms <= SILENCE_MS; ms += HEARTBEAT_MS) beat(peers, a, b);
  assertEquals([a.cluster.isAlone, b.cluster.isAlone, a.followed], [true, false, []]);
  a.goes("room", "x");
  a.comes("room", "y");
  peers.loses = () => false;
  beat(peers, b);
  assertEquals([b.takeRelayed(), a.followed], [[["+y", "-x"]], ["room"]]);
});

Deno.test("a message that cannot be handled is reported, and harms nothing else", async () => {
  const { peers, nodes: [a, b] } = start("a", "b") as { peers: FakePeers; nodes: [Node, Node] };
  const heard: [string, PeerMessage][] = [];
  b.cluster.handle("odd", (node, message) => void heard.push([node, message]));
  b.cluster.answer("hard", () => {
    throw new RangeError("too hard");
  });
  const asked = a.cluster.ask("hard");
  a.cluster.tell({ type: "odd", value: 5 });
  peers.deliver();
  await a.clock.pass(1000);
  assertEquals(await asked, { answers: new Map(), silent: ["b"] });
  assertEquals(b.errors.map(String), ["RangeError: too hard"]);
  assertEquals(heard.map(([node, { type, value }]) => [node, type, value]), [["a", "odd", 5]]);
});

Deno.test("Cluster reports how far another node is ahead, and how late messages come", () => {
  const peers = new FakePeers();
  const clock = new FakeClock();
  const start = (id: string, offset: number, lagMs?: number) => {
    const cluster = new Cluster({
      clock,
      peers: { ...peers.of(id), ...(lagMs === undefined ? {} : { lagMs }) },
      state: () => ({ name: id, version: "1", address: "", sessions: 0, offset }),
      presence: {
        present: () => ({ entries: [] }),
        presence: { follow() {}, unfollow() {}, relay() {} },
      },
      onError: () => {},
    });
    cluster.start();
    return cluster;
  };
  const clusters = [start("a", 5, 7), start("b", 9), start("c", 3)];
  peers.deliver();
  assertEquals(clusters.map(({ lag }) => lag), [4, 0, 6]);
  assertEquals(clusters.map(({ lagMs }) => lagMs), [7, 0, 0]);
});
