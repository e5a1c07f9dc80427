import { assert, assertEquals } from "@std/assert";
import { eventually } from "../../support/deadline.ts";
import { encodeFrame, OPCODES, type RawConnection } from "../../support/raw.ts";
import type { Attack } from "../attack.ts";
import { closeOf, Crowd, HARK_HEADERS, repeat, tally } from "../attackers.ts";
import type { Target } from "../target.ts";

type Fields = Readonly<Record<string, unknown>>;

const CHANNELS_MAX = 2000;
const KEYS_MAX = 1000;
const [ATTACKER, VICTIM] = ["attacker-0123456789abcdef", "victim-0123456789abcdef"];
const TWO_KEYS = ["--publish-key", ATTACKER, "--publish-key", VICTIM];

/** Opens `hark.v1`, past its welcome. */
async function openHark(crowd: Crowd, path = "/ws"): Promise<RawConnection> {
  const connection = await crowd.open(path, HARK_HEADERS);
  await connection.text();
  return connection;
}

async function command(connection: RawConnection, fields: Fields): Promise<void> {
  await connection.send(OPCODES.text, JSON.stringify(fields));
}

/** The code with which a command is refused; `ok` if it is not. */
async function reply(connection: RawConnection, ref: number): Promise<string> {
  for (;;) {
    const events: Fields[] = JSON.parse(await connection.text());
    const answer = events.find((event) => event.ref === ref);
    if (answer !== undefined) return String(answer.code ?? answer.type);
  }
}

/** Publishes to channel `flood`, and returns the status. */
async function publish(target: Target, init: RequestInit = {}): Promise<number> {
  const headers = { authorization: `Bearer ${ATTACKER}`, ...init.headers };
  const { status } = await target.fetch("/channels/flood", {
    method: "POST",
    body: "x",
    ...init,
    headers,
  });
  return status;
}

export const FLOOD_ATTACKS: readonly Attack[] = [
  {
    name: "a flood of commands",
    growthMiBMax: 60,
    async run(target) {
      using crowd = new Crowd(target);
      const commands = [
        (ref: number) => ({ type: "subscribe", channels: [`a${ref}`], ref }),
        (ref: number) => ({ type: "presence", channel: "broadcast", ref }),
        (ref: number) => ({ type: "publish", channel: "flood", data: ref, ref }),
        (ref: number) => ({ type: "nonsense", ref }),
      ];
      const ends = await repeat(100, 25, async (index) => {
        const connection = await openHark(crowd);
        const frames = Array.from({ length: 200 }, (_, ref) => {
          return encodeFrame(OPCODES.text, JSON.stringify(commands[index % 4]!(ref)));
        });
        // In one piece: a busy machine could else send fewer a second. What comes late goes nowhere.
        const bytes = new Uint8Array(await new Blob(frames).arrayBuffer());
        await connection.write(bytes).catch(() => {});
        return await closeOf(connection);
      });
      assertEquals(tally(ends.map(({ code, reason }) => `${code} ${reason}`)), {
        "4502 over a limit: at most 50 frames a second": 100,
      });
    },
  },
  {
    name: "a flood of subscriptions",
    target: { args: ["--channels-max", String(CHANNELS_MAX), "--channels-per-session-max", "100"] },
    growthMiBMax: 60,
    async run(target) {
      using crowd = new Crowd(target);
      const names = (index: number, count: number) =>
        Array.from({ length: count }, (_, at) => `channel.${index}.${at}.`.padEnd(120, "x"));
      const replies = await repeat(50, 10, async (index) => {
        const connection = await openHark(crowd);
        await command(connection, { type: "subscribe", channels: names(index, 101), ref: 1 });
        assertEquals(await reply(connection, 1), "over-limit");
        await command(connection, { type: "subscribe", channels: names(index, 100), ref: 2 });
        return await reply(connection, 2);
      });
      // `broadcast` is a channel too, and the last hundred does not fit beside it.
      assertEquals(tally(replies), { ok: 19, "over-limit": 31 });
      assert(await target.metric("hark_channels") <= CHANNELS_MAX);
      // Where somebody is already, there is room for others.
      const late = await openHark(crowd);
      const taken = names(replies.indexOf("ok"), 1);
      await command(late, { type: "subscribe", channels: taken, ref: 3 });
      assertEquals(await reply(late, 3), "ok");
    },
  },
  {
    name: "a crowd that watches itself come and go",
    growthMiBMax: 150,
    async run(target) {
      using watchers = new Crowd(target);
      // They watch, and never read what they are told.
      await repeat(200, 25, () => openHark(watchers, "/ws?channel=square&presence=1"));
      for (let round = 0; round < 5; round++) {
        using crowd = new Crowd(target);
        await repeat(200, 50, () => openHark(crowd, "/ws?channel=square&presence=1"));
      }
      await eventually(
        async () => JSON.parse((await target.fetch("/channels/square/presence")).body).count,
        (count) => count <= 200,
      );
      // `broadcast` is the other.
      assert(await target.metric("hark_watched_channels") <= 2);
    },
  },
  {
    name: "a flood of publications, over HTTP and hark.v1",
    target: { args: [...TWO_KEYS, "--publish-per-second-max", "200"] },
    key: VICTIM,
    growthMiBMax: 60,
    async run(target) {
      const before = await target.metric("hark_publications_total");
      const startedAt = performance.now();
      const statuses = await repeat(3000, 25, () => publish(target));
      const lines = Array(201).fill("1").join("\n");
      const headers = { "content-type": "application/x-ndjson" };
      assertEquals(await publish(target, { body: lines, headers }), 413);
      const { 200: taken = 0, 429: refused = 0 } = tally(statuses);
      assertEquals(taken + refused, 3000);
      // What there is at once, and what is gained while it goes on.
      assert(taken <= 200 + 200 * (performance.now() - startedAt) / 1000);
      assert(await target.metric("hark_publications_total") >= before + taken);
      using crowd = new Crowd(target);
      const connection = await openHark(crowd, `/ws?key=${ATTACKER}`);
      for (let ref = 0; ref < 50; ref++) {
        await command(connection, { type: "publish", channel: "flood", data: ref, ref });
      }
      assertEquals(typeof await reply(connection, 49), "string");
    },
  },
  {
    name: "a flood of idempotency keys",
    target: { args: TWO_KEYS, bounds: { idempotencyKeysMax: KEYS_MAX } },
    key: VICTIM,
    growthMiBMax: 60,
    async run(target) {
      const withKey = (key: string, bearer = ATTACKER) => {
        const headers = { "idempotency-key": key, authorization: `Bearer ${bearer}` };
        return publish(target, { headers });
      };
      const statuses = await repeat(900, 25, (index) => withKey(`${index}`.padStart(255, "k")));
      assertEquals(tally(statuses), { 200: KEYS_MAX / 2, 503: 900 - KEYS_MAX / 2 });
      assertEquals(await withKey("of another", VICTIM), 200);
      assertEquals(await withKey("x".repeat(256)), 400);
      assertEquals(
        (await target.metrics()).get('hark_in_use{bound="idempotency_keys_max"}'),
        KEYS_MAX / 2 + 1,
      );
    },
  },
  {
    name: "a client that floods the log",
    target: { args: ["--trust-proxy", "1"], bounds: { linesPerPeerMax: 10 } },
    growthMiBMax: 60,
    async run(target) {
      using crowd = new Crowd(target);
      await repeat(500, 25, () => crowd.knock("/ws", ["X-Forwarded-For: 192.0.2.9"]));
      await crowd.open("/ws", ["X-Forwarded-For: 192.0.2.10"]);
      let lines = 0;
      for (let line = ""; !line.includes('"192.0.2.10"'); line = await target.stdout.next()) {
        if (line.includes('"192.0.2.9"')) lines++;
      }
      assertEquals(lines, 10);
    },
  },
];
