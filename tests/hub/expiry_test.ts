import { assertEquals } from "@std/assert";
import { DISCONNECTS } from "../../lib/core/errors.ts";
import type { Session, SubscribeOptions } from "../../lib/hub/session.ts";
import type { Welcome } from "../../lib/core/encoder.ts";
import { FakeTransport } from "../support/fake_transport.ts";
import { TestNode } from "../support/node.ts";

/** Opens a session with a token that expires in so many milliseconds. */
function open(node: TestNode, expiresInMs?: number, options: SubscribeOptions = {}) {
  const transport = new FakeTransport();
  const expiresAt = expiresInMs === undefined ? undefined : node.clock.now() + expiresInMs;
  const session = node.hub.open(transport, { address: "192.0.2.1", expiresAt }, ["a"], options);
  return { session, transport };
}

Deno.test("Hub.endExpired() ends sessions with a token that was not refreshed within 10 seconds", async () => {
  const node = new TestNode();
  const [soon, later, never] = [open(node, 1000), open(node, 5000), open(node)];
  const closed = () => {
    node.hub.endExpired();
    return [soon, later, never].map(({ transport }) => transport.closed?.code);
  };
  assertEquals(closed(), [undefined, undefined, undefined]);
  node.clock.advance(10_999);
  assertEquals(closed(), [undefined, undefined, undefined]);
  node.clock.advance(1);
  assertEquals(closed(), [4002, undefined, undefined]);
  later.session.peer = { ...later.session.peer, expiresAt: node.clock.now() + 60_000 };
  node.clock.advance(69_999);
  assertEquals(closed(), [4002, undefined, undefined]);
  node.clock.advance(1);
  assertEquals(closed(), [4002, 4002, undefined]);
  assertEquals(later.transport.closed, DISCONNECTS.expired);
  assertEquals(node.left, ["expired", "expired"]);
  await node.close();
});

Deno.test("Hub.endExpired() follows the wall clock, also where it steps", async () => {
  const node = new TestNode();
  const { transport } = open(node, 60_000);
  node.clock.jump(-86_400_000);
  node.clock.advance(60_000);
  node.hub.endExpired();
  assertEquals(transport.closed, undefined);
  node.clock.jump(86_400_000 + 10_000);
  node.hub.endExpired();
  assertEquals(transport.closed, DISCONNECTS.expired);
  await node.close();
});

Deno.test("a welcome says in how many milliseconds the token expires, 0 or more", async () => {
  const node = new TestNode();
  const welcomes: (number | undefined)[] = [];
  const onWelcome = ({ expiresInMs }: Welcome, _session: Session) =>
    void welcomes.push(expiresInMs);
  for (const ms of [60_000, 1, 0, -5000, undefined]) open(node, ms, { onWelcome });
  const { session } = open(node, 60_000, { since: { epoch: "old", offset: 1 }, onWelcome });
  node.clock.advance(500);
  await node.clock.settle();
  assertEquals(welcomes, [60_000, 1, 0, 0, undefined, 59_500]);
  assertEquals(session.expiresInMs, 59_500);
  await node.close();
});

Deno.test("Session.retain() removes channels that are not allowed, and nothing of them comes any more", async () => {
  const node = new TestNode();
  const { session, transport } = await node.connect(["a", "b", "c.*"], { presence: ["a", "b"] });
  const other = node.open(["b"]);
  transport.take();
  const kept = (name: string) => name === "a";
  assertEquals(await session.retain(kept), ["b", "c.*"]);
  await node.publish(["a 1", "b 2", "c.d 3"]);
  other.session.lost("client closed");
  await node.clock.settle();
  assertEquals(transport.take(), ["1 a 1"]);
  assertEquals([...session.subscriptions.keys()], ["a"]);
  assertEquals([
    node.hub.subscribers.count("b"),
    node.hub.subscribers.count("c.*"),
    node.hub.subscribers.channels,
  ], [0, 0, 1]);
  assertEquals(await session.retain(kept), []);
  assertEquals(await session.retain(() => false), ["a"]);
  await node.close();
});

Deno.test("Session.retain() removes channels that are still being replayed", async () => {
  const node = new TestNode();
  const { session, transport } = await node.connect(["a"]);
  await node.publish(["a 1", "b 2", "c 3"]);
  transport.take();
  const { promise: held, resolve: release } = Promise.withResolvers<void>();
  node.beforeHistory = () => held;
  const subscribing = [
    session.subscribe(["b"], { since: node.at(0) }),
    session.subscribe(["c"], { since: node.at(0) }),
  ];
  await node.clock.settle();
  const retained = session.retain((name) => name !== "c");
  release();
  await Promise.all(subscribing);
  assertEquals(await retained, ["c"]);
  await node.publish(["b 4", "c 5"]);
  assertEquals([...session.subscriptions.keys()], ["a", "b"]);
  assertEquals(transport.take().at(-1), "4 b 4");
  await node.close();
});

Deno.test("Session.retain() does not wait for a replay that the client holds up", async () => {
  const node = new TestNode();
  await node.publish(["a 1", "b 2", "a 3", "b 4"]);
  const { promise: released, resolve: release } = Promise.withResolvers<void>();
  node.beforeHistory = () => released;
  const { transport, session } = node.open(["a", "b", "c"], {
    since: node.at(0),
    presence: ["a", "b", "c"],
  });
  const retained = session.retain((name) => name !== "b");
  assertEquals([...session.subscriptions.keys()], ["a", "c"]);
  assertEquals(node.hub.subscribers.count("b"), 0);
  await node.publish(["b 5", "a 6"]);
  release();
  assertEquals(await retained, ["b"]);
  await node.publish(["b 7", "a 8"]);
  assertEquals(transport.take().slice(1), ["1 a 1", "3 a 3", "6 a 6", "8 a 8"]);
  assertEquals([...session.subscriptions.keys()], ["a", "c"]);
  assertEquals(node.hub.presence.watched, 2);
  await node.close();
});

Deno.test("Session.retain() does nothing once the session has ended", async () => {
  const node = new TestNode();
  const { session } = open(node);
  session.end(DISCONNECTS.expired);
  assertEquals(await session.retain(() => false), []);
  await node.close();
});
