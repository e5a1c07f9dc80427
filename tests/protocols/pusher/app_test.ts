import { assertEquals } from "@std/assert";
import { Cluster } from "../../../lib/cluster/cluster.ts";
import { parsePusherApp } from "../../../lib/config/pusher_app.ts";
import { HarkMetrics } from "../../../lib/observe/hark_metrics.ts";
import { App } from "../../../lib/protocols/pusher/app.ts";
import { FakePeers } from "../../support/fake_peers.ts";
import { TestNode } from "../../support/node.ts";
import { APP, APP_ID } from "../../support/pusher.ts";
import { WebhookReceiver } from "../../support/webhook_receiver.ts";

const PREFIX = `${APP_ID}:`;
const OWN = `${PREFIX}presence-room`;

/** An app that is the second one at this node, where its channels have a prefix, and another node. */
function setUp(receiver: WebhookReceiver) {
  const node = new TestNode();
  const peers = new FakePeers();
  const errors: unknown[] = [];
  const { clock, hub, broker } = node;
  const cluster = new Cluster({
    clock,
    peers: peers.of("a"),
    state: () => ({ name: "a", version: "1", address: "", sessions: 0, offset: 0 }),
    presence: hub,
    onError: (error) => errors.push(error),
  });
  cluster.start();
  const settings = {
    ...parsePusherApp(receiver.app("subscription-counts&"))!,
    prefix: PREFIX,
  };
  const first = { ...parsePusherApp(APP)!, id: "first", prefix: "" };
  const app = new App(settings, {
    apps: [first, settings],
    hub,
    broker,
    cluster,
    clock,
    log: { warn: () => {} },
    metrics: new HarkMetrics({ version: "0", memory: () => ({ rss: 0, heap: 0 }) }),
  });
  const hear = (what: string, fields: Record<string, unknown>) => {
    peers.of("b").tell({ type: `pusher ${APP_ID} ${what}`, ...fields });
    peers.deliver();
  };
  return { node, cluster, app, errors, hear };
}

Deno.test("what another node tells of a channel that is not of the app is dropped", async () => {
  await using receiver = new WebhookReceiver();
  const { node, cluster, app, errors, hear } = setUp(receiver);
  const member = { userId: "1", userInfo: "" };
  // At a node where the app is the first one, its channels have no prefix.
  for (const channel of ["presence-room", OWN]) {
    hear("occupied", { channel });
    hear("join", { presence: { channel, member } });
    hear("count", { channel, count: 3 });
  }
  assertEquals([app.members.of("presence-room"), app.members.of(OWN)], [[], [member]]);
  node.clock.turn();
  await app.flush();
  assertEquals(receiver.events.takeAll(), [
    { name: "channel_occupied", channel: "presence-room" },
    { name: "member_added", channel: "presence-room", user_id: "1" },
    { name: "subscription_count", channel: "presence-room", subscription_count: 3 },
  ]);
  cluster.stop();
  await node.close();
  assertEquals(errors, []);
});

Deno.test("of all that another node knows, only what is of the app is taken over", async () => {
  await using receiver = new WebhookReceiver();
  const { node, cluster, app, errors, hear } = setUp(receiver);
  const member = { userId: "1", userInfo: "" };
  const channels = ["presence-room", OWN];
  const members = channels.map((channel) => ({ channel, member }));
  hear("all", { members, channels, counts: channels.map((channel) => [channel, 3]) });
  assertEquals([app.members.of("presence-room"), app.members.of(OWN)], [[], [member]]);
  for (const channel of channels) hear("count", { channel, count: 4 });
  node.clock.turn();
  await app.flush();
  assertEquals(receiver.events.takeAll(), [
    { name: "subscription_count", channel: "presence-room", subscription_count: 4 },
  ]);
  cluster.stop();
  await node.close();
  assertEquals(errors, []);
});
