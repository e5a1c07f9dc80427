import { assert, assertEquals } from "@std/assert";
import { eventually } from "../../support/deadline.ts";
import { request } from "../../support/raw.ts";
import type { Attack } from "../attack.ts";
import {
  Crowd,
  HARK_HEADERS,
  openPolling,
  POLLING,
  repeat,
  SOCKETIO,
  tally,
} from "../attackers.ts";
import type { Target } from "../target.ts";

const CONNECTIONS_IN_USE = 'hark_in_use{bound="connections_max"}';
const HANDSHAKES_IN_USE = 'hark_in_use{bound="handshakes_max"}';
/** So that sessions whose client has left without a word are soon over. */
const SHORT_PINGS = {
  args: ["--heartbeat-s", "1"],
  bounds: { pingTimeoutMs: 1000, newcomersMax: 1000 },
};

const CHURN = 5000;
const GONE = 10_000;
/** Less than a third of what Deno's idle timer would hold of them. */
const GONE_MIB_MAX = 8;
const PATHS: readonly [path: string, headers: readonly string[]][] = [
  ["/ws", []],
  ["/ws?channel=a&presence=1", HARK_HEADERS],
  ["/events", []],
  [SOCKETIO, []],
  [POLLING, []],
];

/** Connects and leaves at once: before, while or after it is answered. */
async function comeAndLeave(target: Target, index: number): Promise<void> {
  using crowd = new Crowd(target);
  const [path, headers] = PATHS[index % PATHS.length]!;
  if (path === "/events" || path === POLLING) {
    const connection = await crowd.connect();
    await connection.request([`GET ${path} HTTP/1.1`, "Host: localhost"]);
    if (index % 2 === 0) assertEquals((await connection.head()).status, 200);
  } else if (index % 2 === 0) {
    await crowd.open(path, headers);
  } else {
    const connection = await crowd.connect();
    await connection.request([`GET ${path} HTTP/1.1`, "Host: localhost", "Upgrade: websocket"]);
  }
}

export const CONNECTION_ATTACKS: readonly Attack[] = [
  {
    name: "a flood of connections, of one address and of many",
    target: {
      args: [
        ...["--trust-proxy", "1", "--connections-max", "500"],
        ...["--connections-per-address-max", "200"],
      ],
    },
    growthMiBMax: 100,
    async run(target) {
      using crowd = new Crowd(target);
      const knock = (address: string) => crowd.knock("/ws", [`X-Forwarded-For: ${address}`]);
      const before = (await target.metrics()).get(CONNECTIONS_IN_USE)!;
      const ofOne = await repeat(1000, 50, () => knock("192.0.2.1"));
      assertEquals(tally(ofOne), { 101: 200, 503: 800 });
      const ofMany = await repeat(1000, 50, (index) => knock(`198.51.100.${index % 250}`));
      assertEquals(tally(ofMany), { 101: 300 - before, 503: 700 + before });
      assertEquals((await target.metrics()).get(CONNECTIONS_IN_USE), 500);
      assertEquals(await target.metric('hark_rejected_total{reason="over-limit"}'), 1500 + before);
    },
  },
  {
    name: "more connections than the process has descriptors",
    target: { descriptorsMax: 256 },
    growthMiBMax: 60,
    async run(target) {
      {
        using crowd = new Crowd(target);
        await repeat(1000, 50, () => crowd.connect().catch(() => {}));
        await target.stderr.find((line) => line.includes("cannot listen for a moment"));
      }
      const isServed = () =>
        request(target.port, ["GET /healthz HTTP/1.1", "Host: localhost"])
          .then(({ status }) => status === 200, () => false);
      await eventually(isServed, (served) => served);
    },
  },
  {
    name: `${CHURN} clients that come and leave at once`,
    target: SHORT_PINGS,
    growthMiBMax: 200,
    async run(target) {
      await repeat(CHURN, 50, (index) => comeAndLeave(target, index));
    },
  },
  {
    name: `${GONE} WebSockets that are lost as soon as they are open`,
    target: { args: ["--trust-proxy", "1"] },
    growthMiBMax: 100,
    leftMiBMax: GONE_MIB_MAX,
    async run(target) {
      await repeat(GONE, 50, async (index) => {
        using crowd = new Crowd(target);
        await crowd.open("/ws", [`X-Forwarded-For: 192.0.2.${index % 250}`]);
      });
    },
  },
  {
    name: "one address that connects over and over",
    target: { args: ["--trust-proxy", "1", "--connections-per-address-max", "100"] },
    growthMiBMax: 60,
    async run(target) {
      const statuses = await repeat(2000, 20, async () => {
        using crowd = new Crowd(target);
        return await crowd.knock("/ws", ["X-Forwarded-For: 192.0.2.1"]);
      });
      const { 101: accepted = 0, 429: refused = 0, ...others } = tally(statuses);
      assertEquals(others, {});
      assert(accepted >= 200 && refused >= 1000, `${accepted} accepted, ${refused} refused`);
      assertEquals(await target.metric('hark_rejected_total{reason="connect-rate"}'), refused);
    },
  },
  {
    name: "polling sessions that are opened and never come back",
    target: SHORT_PINGS,
    growthMiBMax: 100,
    async run(target) {
      const others = await target.metric("hark_engineio_sessions");
      await repeat(5000, 50, async () => void await target.fetch(POLLING));
      const metrics = await target.metrics();
      assert(metrics.get(HANDSHAKES_IN_USE)! <= 1000);
      assert(metrics.get("hark_engineio_sessions")! <= 1000 + others);
      // Who comes back at once is let in, however many do not.
      const path = await openPolling(target);
      assertEquals((await target.fetch(path, { method: "POST", body: "40" })).body, "ok");
      assertEquals((await target.fetch(path)).body.slice(0, 9), '40{"sid":');
    },
  },
  {
    name: "requests whose head or body does not end",
    growthMiBMax: 60,
    async run(target) {
      using crowd = new Crowd(target);
      const path = await openPolling(target);
      const beginnings = [
        "GET /events HTTP/1.1\r\nHost: localhost\r\nX-Slow: ",
        "POST /channels/a HTTP/1.1\r\nHost: localhost\r\nContent-Length: 60000\r\n\r\nx",
        "POST /channels/a HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nx\r\n",
        `POST ${path} HTTP/1.1\r\nHost: localhost\r\nContent-Length: 60000\r\n\r\n4`,
      ];
      await repeat(400, 50, async (index) => {
        const connection = await crowd.connect();
        await connection.write(beginnings[index % beginnings.length]!);
      });
      await eventually(
        () => target.metric("hark_body_bytes"),
        // Two of the four are published, and of the last kind a session takes one at a time.
        (bytes) => bytes >= 200 && bytes <= 202,
      );
    },
  },
];
