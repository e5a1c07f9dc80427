import { assert, assertEquals } from "@std/assert";
import { eventually } from "../../support/deadline.ts";
import { encodeFrame, OPCODES, type RawConnection, request } from "../../support/raw.ts";
import type { Attack } from "../attack.ts";
import { closeOf, Crowd, HARK_HEADERS, openPolling, repeat, SOCKETIO } from "../attackers.ts";
import { exchange } from "../raw_http.ts";
import type { Target } from "../target.ts";

const KIB = 1024;
const MIB = KIB ** 2;
const READERS = 200;
const PUBLISHED_BYTES = 60_000;
/** What a client that does not read is cut for: what it has not read, or that it answers no ping. */
const CUT = ["slow", "ping_timeout", "idle"].map((reason) =>
  `hark_disconnects_total{reason="${reason}"}`
);

type Open = (crowd: Crowd, target: Target) => Promise<unknown>;

/** Ways to receive channel `flood`, but for polling on a TCP connection each. */
const WAYS_TO_RECEIVE: readonly Open[] = [
  (crowd) => crowd.open("/ws?channel=flood"),
  (crowd) => crowd.open("/ws?channel=flood", HARK_HEADERS),
  (crowd) => crowd.listen("/events?channel=flood"),
  async (crowd) => {
    const connection = await crowd.open(`${SOCKETIO}&channel=flood`);
    await connection.send(OPCODES.text, "40");
  },
  async (_crowd, target) => {
    const path = await openPolling(target, "&channel=flood");
    assertEquals((await target.fetch(path, { method: "POST", body: "40" })).body, "ok");
  },
];

/** Ways to send on a WebSocket, with what begins a frame that is text. */
const WAYS_TO_SEND: readonly [path: string, headers: readonly string[], text: string][] = [
  ["/ws", [], "x"],
  ["/ws", HARK_HEADERS, '{"type":"presence","channel":"a"}'],
  [SOCKETIO, [], "3"],
];

const LIMIT = 4502;

async function assertCut(connection: RawConnection, reason: string): Promise<void> {
  assertEquals(await closeOf(connection), { code: LIMIT, reason: `over a limit: ${reason}` });
}

export const MESSAGE_ATTACKS: readonly Attack[] = [
  {
    name: `${READERS} clients that never read`,
    target: {
      args: [
        ...["--outbound-bytes-max", String(256 * KIB), "--history-bytes-max", "65536"],
        ...["--heartbeat-s", "2"],
      ],
      bounds: { pingTimeoutMs: 2000 },
    },
    growthMiBMax: 250,
    async run(target) {
      using crowd = new Crowd(target);
      await repeat(READERS, 50, (index) => {
        return WAYS_TO_RECEIVE[index % WAYS_TO_RECEIVE.length]!(crowd, target);
      });
      const publish = () =>
        target.fetch("/channels/flood", { method: "POST", body: "x".repeat(PUBLISHED_BYTES) });
      await eventually(
        async () => {
          assertEquals((await publish()).status, 200);
          const cut = await Promise.all(CUT.map((reason) => target.metric(reason)));
          return cut.reduce((sum, count) => sum + count);
        },
        (cut) => cut >= READERS,
      );
      assertEquals(await target.metric("hark_sessions"), 5);
    },
  },
  {
    name: "giant messages",
    growthMiBMax: 250,
    async run(target) {
      using crowd = new Crowd(target);
      for (const [path, headers] of WAYS_TO_SEND) {
        const bytesMax = path === SOCKETIO ? 1_000_000 : 65_536;
        for (const size of [bytesMax + 1, 16 * MIB]) {
          const connection = await crowd.open(path, headers);
          await connection.send(OPCODES.text, "3".repeat(size));
          await assertCut(connection, `a frame has at most ${bytesMax} bytes`);
        }
        const connection = await crowd.open(path, headers);
        const head = encodeFrame(OPCODES.binary, new Uint8Array(65_536)).slice(0, 14);
        head.set([0x7f, 0xff, 0xff, 0xff], 2); // a length of some 2^63 bytes
        await connection.write(head);
        await connection.ended();
      }
    },
  },
  {
    name: "a message in fragments that does not end",
    growthMiBMax: 250,
    async run(target) {
      using crowd = new Crowd(target);
      for (const [path, headers] of WAYS_TO_SEND) {
        const connection = await crowd.open(path, headers);
        const part = "3".repeat(MIB);
        await connection.send(OPCODES.text, part, false);
        for (let sent = 1; sent < 16; sent++) {
          await connection.send(OPCODES.continuation, part, false);
        }
        // A ping in the midst of it is answered: everything before it has come.
        await connection.send(OPCODES.ping, "there?");
        let opcode: number;
        do opcode = (await connection.frame()).opcode; while (opcode !== OPCODES.pong);
      }
    },
  },
  {
    name: "bodies that are giant, or never end",
    growthMiBMax: 150,
    async run(target) {
      const post = (path: string, ...lines: string[]) =>
        request(target.port, [`POST ${path} HTTP/1.1`, "Host: localhost", ...lines]);
      for (const path of ["/channels/a", await openPolling(target)]) {
        assertEquals((await post(path, "Content-Length: 10000000000")).status, 413, path);
      }
      for (const path of ["/channels/a", await openPolling(target)]) {
        using crowd = new Crowd(target);
        const connection = await crowd.connect();
        await connection.request([
          ...[`POST ${path} HTTP/1.1`, "Host: localhost", "Transfer-Encoding: chunked"],
        ]);
        const answered = connection.head();
        const chunk = `10000\r\n${"x".repeat(0x10000)}\r\n`;
        let status: number | undefined;
        const told = answered.then((head) => status = head.status);
        while (status === undefined) {
          await connection.write(chunk);
          await Promise.race([told, new Promise<void>((resolve) => queueMicrotask(resolve))]);
        }
        assertEquals(status, 413, path);
      }
      const answer = await exchange(
        target.port,
        "GET /events HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n" +
          "Content-Length: 99999999999999999999\r\n\r\n",
      );
      assertEquals(answer.status, 400);
    },
  },
  {
    name: "10,000 tiny messages",
    growthMiBMax: 100,
    async run(target) {
      using crowd = new Crowd(target);
      for (const [path, headers, text] of WAYS_TO_SEND) {
        const connection = await crowd.open(path, headers);
        const frame = encodeFrame(OPCODES.text, text);
        const flood = new Uint8Array(frame.length * 10_000);
        for (let at = 0; at < flood.length; at += frame.length) flood.set(frame, at);
        // It is cut on the way: what is left has nowhere to go.
        connection.write(flood).catch(() => {});
        await assertCut(connection, "at most 50 frames a second");
      }
      const polling = await openPolling(target);
      const body = Array(10_000).fill("4x").join("\x1e");
      const { status } = await target.fetch(polling, { method: "POST", body });
      assertEquals(status, 400);
      assertEquals((await target.fetch(polling)).status, 400);
      assert(await target.metric('hark_rejected_total{reason="limit"}') >= 3);
    },
  },
];
