import { assert, assertEquals } from "@std/assert";
import { eventually } from "../../support/deadline.ts";
import { APP, APP_ID, ask, KEY, PusherPeer, signedPath, trigger } from "../../support/pusher.ts";
import { encodeFrame, OPCODES, type RawConnection } from "../../support/raw.ts";
import type { Attack } from "../attack.ts";
import { closeOf, Crowd, repeat, tally } from "../attackers.ts";
import type { Target } from "../target.ts";

const KIB = 1024;
const PATH = `/app/${KEY}?protocol=7`;
const PUBLISH_KEY = "victim-0123456789abcdef";
const OPTIONS = ["--pusher-app", `${APP}?client-events`, "--publish-key", PUBLISH_KEY];
const FRAMES_PER_SECOND_MAX = 50 + 100;
const CHANNELS = ["--channels-per-session-max", "100"];
const MEMBERS_MAX = 100;

/** Opens a connection of Pusher's, past its hello. */
async function openPusher(crowd: Crowd): Promise<RawConnection> {
  const connection = await crowd.open(PATH);
  await connection.text();
  return connection;
}

function subscribe(channel: string): string {
  return JSON.stringify({ event: "pusher:subscribe", data: { channel } });
}

/** Writes frames in one go; what the server does not read any more goes nowhere. */
function flood(connection: RawConnection, frames: readonly string[]): void {
  const bytes = frames.map((frame) => encodeFrame(OPCODES.text, frame));
  const all = new Uint8Array(bytes.reduce((sum, { length }) => sum + length, 0));
  let at = 0;
  for (const each of bytes) {
    all.set(each, at);
    at += each.length;
  }
  connection.write(all).catch(() => {});
}

/** What is said of a frame: its event, and the code or type of the fault. */
async function answer(connection: RawConnection): Promise<string> {
  const { event, data } = JSON.parse(await connection.text());
  const { type, code } = typeof data === "string" ? JSON.parse(data) : data;
  return `${event} ${type ?? code}`;
}

async function bodyOf(target: Target, path: string): Promise<Record<string, unknown>> {
  return JSON.parse((await ask(target, path)).body);
}

export const PUSHER_ATTACKS: readonly Attack[] = [
  {
    name: "a flood of frames from Pusher clients",
    target: { args: [...OPTIONS, ...CHANNELS] },
    key: PUBLISH_KEY,
    growthMiBMax: 100,
    async run(target) {
      using crowd = new Crowd(target);
      const frames = [
        (at: number) => subscribe(`flood-${at}`),
        () => subscribe("private-a"),
        () => '{"event":"client-a","channel":"private-a","data":1}',
        () => '{"event":"pusher:signin","data":{"auth":"x"}}',
        () => "nonsense",
      ];
      const ends = await repeat(50, 10, async (index) => {
        const connection = await openPusher(crowd);
        flood(connection, Array.from({ length: 1000 }, (_, at) => frames[index % 5]!(at)));
        return await closeOf(connection);
      });
      assertEquals(tally(ends.map(({ code, reason }) => `${code} ${reason}`)), {
        [`4004 over a limit: at most ${FRAMES_PER_SECOND_MAX} frames a second`]: 50,
      });
    },
  },
  {
    name: "a flood of subscriptions of Pusher clients",
    target: { args: [...OPTIONS, ...CHANNELS, "--channels-max", "1000"] },
    key: PUBLISH_KEY,
    growthMiBMax: 100,
    async run(target) {
      using crowd = new Crowd(target);
      await repeat(50, 10, async (index) => {
        const connection = await openPusher(crowd);
        flood(
          connection,
          Array.from(
            { length: 101 },
            (_, at) => subscribe(`flood-${index}-${at}`.padEnd(200, "x")),
          ),
        );
        let last = "";
        for (let count = 0; count < 101; count++) last = await answer(connection);
        assertEquals(last, "pusher:subscription_error LimitReached");
      });
      assertEquals(await target.metric("hark_channels"), 1000);
    },
  },
  {
    name: "a flood of client events of Pusher",
    target: { args: OPTIONS },
    key: PUBLISH_KEY,
    growthMiBMax: 100,
    async run(target) {
      await using listener = await PusherPeer.open(target);
      await listener.subscribe("private-a");
      const peers = await repeat(10, 10, async () => {
        const peer = await PusherPeer.open(target);
        await peer.subscribe("private-a");
        for (let count = 0; count < 100; count++) {
          peer.send("client-a", "x".repeat(10_000), "private-a");
        }
        return peer;
      });
      const got = await repeat(10, 10, async (index) => await peers[index]!.settle());
      const errors = got.flat().filter(({ event }) => event === "pusher:error");
      for (const { data } of errors) assertEquals((data as { code: number }).code, 4301);
      // A bucket of ten each, and what it gains meanwhile.
      assert(errors.length >= 10 * 80, `${errors.length} were refused`);
      const sent = 10 * 100 - errors.length;
      assertEquals(tally((await listener.events(sent)).map(([event]) => event)), {
        "client-a": sent,
      });
      await repeat(10, 10, (index) => peers[index]!.client.close());
    },
  },
  {
    name: "a flood of requests to Pusher's HTTP API with bad signatures",
    target: { args: OPTIONS },
    key: PUBLISH_KEY,
    growthMiBMax: 100,
    async run(target) {
      const body = JSON.stringify({ name: "e", channel: "ci", data: "x".repeat(10_000) });
      const wrong = signedPath("/events", { method: "POST", body, secret: "other" });
      const old = signedPath("/events", { method: "POST", body, timestamp: 1 });
      const many = `${wrong}&${"p&".repeat(10_000)}`;
      const other = signedPath("/events", { method: "POST", body: "{}" });
      const paths = [wrong, old, many, other, `/apps/${APP_ID}/events`];
      const statuses = await repeat(2000, 25, async (index) => {
        const { status } = await target.fetch(paths[index % 5]!, { method: "POST", body });
        return status;
      });
      assertEquals(tally(statuses), { 401: 2000 });
      // Of who has not signed, no body is read.
      using crowd = new Crowd(target);
      const connection = await crowd.connect();
      await connection.request([
        ...[`POST ${wrong} HTTP/1.1`, "Host: localhost", "Content-Length: 1000000"],
      ]);
      assertEquals((await connection.head()).status, 401);
      assertEquals(await bodyOf(target, "/channels"), { channels: { broadcast: {} } });
    },
  },
  {
    name: "giant and deep frames of Pusher clients",
    target: { args: OPTIONS },
    key: PUBLISH_KEY,
    growthMiBMax: 250,
    async run(target) {
      using crowd = new Crowd(target);
      for (const size of [65_537, 16 * KIB ** 2]) {
        const connection = await openPusher(crowd);
        await connection.send(OPCODES.text, "3".repeat(size));
        assertEquals(await closeOf(connection), {
          code: 4004,
          reason: "over a limit: a frame has at most 65536 bytes",
        });
      }
      await repeat(20, 10, async () => {
        const connection = await openPusher(crowd);
        for (const open of ["[", '{"a":', '{"event":"client-a","data":[']) {
          await connection.send(OPCODES.text, open.repeat(65_536 / open.length));
          assertEquals(await answer(connection), "pusher:error null");
        }
        const keys = Array.from({ length: 5000 }, (_, at) => `"${at}":0`).join();
        await connection.send(OPCODES.text, `{"event":"client-a","data":{${keys}}}`);
        assertEquals(await answer(connection), "pusher:error null");
        for (let sent = 0; sent < 4; sent++) {
          await connection.send(sent === 0 ? OPCODES.text : OPCODES.continuation, "3", false);
        }
      });
    },
  },
  {
    name: "200 Pusher clients that never read",
    target: { args: [...OPTIONS, "--outbound-bytes-max", String(256 * KIB)] },
    key: PUBLISH_KEY,
    growthMiBMax: 250,
    async run(target) {
      using crowd = new Crowd(target);
      await repeat(200, 50, async () => {
        const connection = await openPusher(crowd);
        await connection.send(OPCODES.text, subscribe("flood"));
      });
      await eventually(
        async () => {
          const batch = Array.from({ length: 10 }, () => {
            return { name: "e", channel: "flood", data: "x".repeat(10_000) };
          });
          assertEquals((await ask(target, "/batch_events", { body: { batch } })).status, 200);
          return await target.metric('hark_disconnects_total{reason="slow"}');
        },
        (cut) => cut >= 200,
      );
      assertEquals(await target.metric("hark_sessions"), 5);
    },
  },
  {
    name: "2,000 that want to be members of Pusher's presence channels",
    target: { args: OPTIONS },
    key: PUBLISH_KEY,
    growthMiBMax: 200,
    async run(target) {
      const info = "x".repeat(1000);
      const rounds = 10;
      for (let round = 0; round < rounds; round++) {
        const peers = await repeat(2000 / rounds, 50, async (index) => {
          const peer = await PusherPeer.open(target);
          await peer.join("presence-a", `${round}-${index}`, info);
          // Who is not to be a member is none, and the same one a hundred times is one.
          await peer.join("presence-b", "same", info);
          return peer;
        });
        const users = async (channel: string) => {
          return (await bodyOf(target, `/channels/${channel}/users`)).users as unknown[];
        };
        assertEquals((await users("presence-a")).length, MEMBERS_MAX);
        assertEquals(await users("presence-b"), [{ id: "same" }]);
        await trigger(target, "presence-a", "1");
        await repeat(peers.length, 50, (index) => peers[index]!.client.close());
        await eventually(() => users("presence-a"), (found) => found.length === 0);
      }
    },
  },
];
