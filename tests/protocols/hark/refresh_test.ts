import { assertEquals } from "@std/assert";
import { Refusal } from "../../../lib/core/errors.ts";
import { Grant, type GrantRules } from "../../../lib/core/grant.ts";
import { Publisher } from "../../../lib/broker/publisher.ts";
import { Commands, type CommandsOptions } from "../../../lib/protocols/hark/commands.ts";
import { deadline } from "../../support/deadline.ts";
import { TestNode } from "../../support/node.ts";

function grant(rules: Partial<GrantRules>): Grant {
  const { receive = [] } = rules;
  const watch = receive instanceof Refusal ? [] : receive;
  return new Grant({ caller: "a", receive, watch, publish: [], manage: undefined, ...rules });
}

/** A client; the test decides when its tokens are read. */
async function setUp() {
  const node = new TestNode();
  const { session, transport } = await node.connect(["a", "b"]);
  const reading = new Map<string, PromiseWithResolvers<Grant>>();
  const options: CommandsOptions = {
    clock: node.clock,
    hub: node.hub,
    view: { present: (channel, limit) => node.hub.present(channel, limit) },
    publisher: new Publisher({
      broker: node.broker,
      clock: node.clock,
      publishBytesMax: 100,
      publishPerSecondMax: 100,
      log: { debug: () => {} },
      onPublished: () => {},
    }),
    presenceMax: 10,
    waitingMax: 10,
    access: {
      readToken(token) {
        const read = Promise.withResolvers<Grant>();
        reading.set(token, read);
        return deadline(read.promise);
      },
    },
    connections: { refused: () => {} },
  };
  const commands = new Commands(options, session, grant({ receive: ["*"] }));
  transport.take();
  const send = (fields: object) => commands.receive(JSON.stringify(fields));
  /** Decides what a token allows, and returns the replies that follow. */
  const read = async (token: string, outcome: Grant | Refusal) => {
    await node.clock.settle();
    if (outcome instanceof Refusal) reading.get(token)!.reject(outcome);
    else reading.get(token)!.resolve(outcome);
    await node.clock.settle();
    return transport.take().map((frame) => JSON.parse(String(frame)));
  };
  return { node, session, reading, send, read };
}

Deno.test("refresh reads tokens one after the other, however long each takes", async () => {
  const { node, session, reading, send, read } = await setUp();
  const now = node.clock.now();
  send({ type: "refresh", token: "first", ref: 1 });
  send({ type: "refresh", token: "second", ref: 2 });
  await node.clock.settle();
  assertEquals([...reading.keys()], ["first"]);
  const first = grant({ receive: ["*"], expiresAt: now + 1000 });
  assertEquals(await read("first", first), [{ type: "ok", ref: 1, expiresInMs: 1000 }]);
  assertEquals(session.peer.expiresAt, now + 1000);
  const second = grant({ receive: ["a"], expiresAt: now + 2000 });
  assertEquals(await read("second", second), [
    { type: "ok", ref: 2, expiresInMs: 2000, removed: ["b"] },
  ]);
  await node.close();
});

Deno.test("refresh works again after a refused token", async () => {
  const { node, session, send, read } = await setUp();
  const before = session.peer.expiresAt;
  send({ type: "refresh", token: "bad", ref: 1 });
  send({ type: "refresh", token: "good", ref: 2 });
  const refusal = new Refusal("unauthorized", "Cannot use this token: it has expired");
  assertEquals(await read("bad", refusal), [
    { type: "error", ref: 1, code: "unauthorized", message: refusal.message },
  ]);
  assertEquals([session.peer.expiresAt, [...session.subscriptions.keys()]], [before, ["a", "b"]]);
  assertEquals(await read("good", grant({ receive: ["*"] })), [{ type: "ok", ref: 2 }]);
  await node.close();
});

Deno.test("a token counts once it is read, for waiting commands too", async () => {
  const { node, send, read } = await setUp();
  send({ type: "refresh", token: "less", ref: 1 });
  send({ type: "subscribe", channels: ["c"], ref: 2 });
  await node.clock.settle();
  assertEquals(node.hub.subscribers.count("c"), 1);
  const replies = await read("less", grant({ receive: ["a"] }));
  assertEquals(replies.find(({ ref }) => ref === 1), { type: "ok", ref: 1, removed: ["b", "c"] });
  assertEquals(node.hub.subscribers.count("c"), 0);
  send({ type: "subscribe", channels: ["c"], ref: 3 });
  await node.clock.settle();
  assertEquals(node.hub.subscribers.count("c"), 0);
  await node.close();
});

Deno.test("presence of broadcast stops with a token that does not allow it, even behind a replay", async () => {
  const { node, send, read } = await setUp();
  const { promise: released, resolve: release } = Promise.withResolvers<void>();
  node.beforeHistory = () => released;
  send({ type: "subscribe", channels: ["c"], since: `${node.epoch}-0`, ref: 1 });
  send({ type: "subscribe", channels: ["broadcast"], presence: true, ref: 2 });
  send({ type: "refresh", token: "less", ref: 3 });
  await read("less", grant({ receive: ["a"] }));
  release();
  await node.clock.settle();
  assertEquals(node.hub.presence.watched, 0);
  await node.close();
});
