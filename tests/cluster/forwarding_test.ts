import { assertEquals, assertNotEquals } from "@std/assert";
import { RequestSigner } from "../../lib/cluster/signature.ts";
import { eventually } from "../support/deadline.ts";
import { Polling } from "../support/polling.ts";
import { RawConnection } from "../support/raw.ts";
import type { Answer } from "../support/reachable.ts";
import type { ServerOptions, TestServer } from "../support/server.ts";
import { Client } from "../support/socket.ts";
import { type TwoNodes, twoNodesTest } from "../support/two_nodes.ts";

const SECRET = "only-for-tests-but-32-bytes-long";
const OTHER_SECRET = "another-one-that-is-32-bytes-long";
const KEY = "only-for-tests";
const UNKNOWN = { code: 1, message: "Session ID unknown" };

function forwardingTest(
  name: string,
  run: (nodes: TwoNodes) => Promise<void>,
  options: ServerOptions = {},
  optionsOfB: ServerOptions = {},
): void {
  const publishKey = [KEY];
  const advertise = "http://127.0.0.1:0";
  const all = { publishKey, welcome: "", clusterSecret: SECRET, advertise, ...options };
  twoNodesTest(name, run, all, optionsOfB);
}

/** Where the other nodes reach a node. */
async function addressOf(server: TestServer): Promise<string> {
  const headers = { authorization: `Bearer ${KEY}` };
  const { nodes } = JSON.parse((await server.fetch("/nodes", { headers })).body);
  return nodes[0].address;
}

async function forwarded(server: TestServer): Promise<number> {
  return (await server.metrics()).get("hark_forwarded_total") ?? 0;
}

forwardingTest(
  "a polling client is served at every node",
  async ({ a, b }) => {
    const session = await Polling.open(a);
    const elsewhere = session.at(b);
    await elsewhere.post("40");
    const joined = await elsewhere.packet();
    assertEquals(joined.slice(0, 10), '40{"sid":"');
    await session.post('420["subscribe","ci"]');
    assertEquals(await elsewhere.packet(), '430[{"ok":true}]');
    const text = "ü€😀".repeat(1000);
    const published = a.publish("ci", text, KEY);
    const [, data] = JSON.parse((await elsewhere.packet()).slice(2));
    assertEquals(data, { message: text });
    await published;
    assertEquals([await forwarded(a), await forwarded(b)], [0, 4]);

    // The client's address is that of the client, not of the node that forwards.
    const { body } = await b.fetch("/sessions?channel=ci", {
      headers: { authorization: `Bearer ${KEY}` },
    });
    assertEquals(JSON.parse(body).sessions.map(({ address }: { address: string }) => address), [
      "127.0.0.1",
    ]);
  },
);

forwardingTest("a polling client becomes a WebSocket at another node", async ({ a, b }) => {
  const session = await Polling.open(a);
  await session.post("40");
  await session.packet();
  await using socket = await Client.open(b.socketUrl(session.path("websocket")));
  socket.send("2probe");
  assertEquals(await socket.text(), "3probe");
  const noop = session.packet();
  assertEquals(await noop, "6");
  socket.send("5");
  await a.publish("broadcast", "hello", KEY);
  const [, data] = JSON.parse((await socket.text()).slice(2));
  assertEquals(data, { message: "hello" });
  await eventually(() => forwarded(b), (count) => count === 1);
});

forwardingTest(
  "a sid of an unknown node gets the answer to an unknown sid",
  async ({ a, b }) => {
    const { sid } = await Polling.open(a);
    for (const wrong of [`${"A".repeat(22)}~x`, `127.0.0.1:1~${sid}`, `${sid}x`]) {
      const answer = await b.fetch(`/socket.io/?EIO=4&transport=polling&sid=${wrong}`);
      assertEquals([answer.status, JSON.parse(answer.body)], [400, UNKNOWN], wrong);
    }
    assertEquals(await forwarded(b), 1);
  },
);

forwardingTest("without --advertise a node answers as if there were no other", async ({ a, b }) => {
  const { sid } = await Polling.open(a);
  const answer = await b.fetch(`/socket.io/?EIO=4&transport=polling&sid=${sid}`);
  assertEquals([answer.status, JSON.parse(answer.body)], [400, UNKNOWN]);
  assertEquals(sid.includes("~"), false);
}, { advertise: "", clusterSecret: "" });

forwardingTest(
  "a node with another secret is refused, and its client begins anew",
  async (nodes) => {
    const { a, b } = nodes;
    const { sid } = await Polling.open(a);
    const answer = await b.fetch(`/socket.io/?EIO=4&transport=polling&sid=${sid}`);
    assertEquals(answer.status, 401);
    const { why } = await a.log.find(({ message }) => message === "forwarded request refused");
    assertEquals(why, "Cannot take a request that no node of this cluster signed");
  },
  {},
  { clusterSecret: OTHER_SECRET },
);

forwardingTest(
  "the listener for nodes accepts only requests of Socket.IO that were signed just now",
  async (nodes) => {
    const { a } = nodes;
    const session = await Polling.open(a);
    const url = await addressOf(nodes.a);
    const signer = new RequestSigner(SECRET);
    const ask = async (
      changed: Partial<{ target: string; body: string; time: number; address: string }>,
      sent: Partial<{ target: string; body: string; time: number; address: string }> = {},
    ): Promise<Pick<Answer, "status">> => {
      const request = {
        target: session.path(),
        body: "40",
        time: Date.now(),
        address: "192.0.2.1",
        ...changed,
      };
      const body = new TextEncoder().encode(request.body);
      const signature = await signer.sign({ ...request, method: "POST", body });
      const { target, address, time, body: sentBody } = { ...request, ...sent };
      const response = await fetch(url + target, {
        method: "POST",
        body: sentBody,
        headers: {
          "hark-client-address": address,
          "hark-time": String(time),
          "hark-signature": signature,
        },
      });
      await response.body?.cancel();
      return { status: response.status };
    };
    assertEquals(await ask({}), { status: 200 });
    assertEquals(await ask({ target: "/channels/ci" }), { status: 404 });
    for (const ms of [-40_000, 40_000, NaN]) {
      assertEquals(await ask({ time: Date.now() + ms }), { status: 401 }, String(ms));
    }
    const now = Date.now();
    const sent = [
      { body: "41" },
      { target: `${session.path()}&x=1` },
      { time: now + 1 },
      { address: "127.0.0.1" },
    ];
    for (const changed of sent) {
      assertEquals(await ask({ time: now }, changed), { status: 401 }, JSON.stringify(changed));
    }
    const unsigned = await fetch(`${url}/count`);
    assertEquals(unsigned.status, 401);
    await unsigned.body?.cancel();
    const metrics = await a.metrics();
    const counted = ["not-found", "unauthorized"].map((type) => {
      return metrics.get(`hark_rejected_total{reason="${type}"}`);
    });
    assertEquals(counted, [1, 8]);
    // It does not forward what is another node's.
    const { sid } = await Polling.open(nodes.b);
    assertEquals(await ask({ target: `/socket.io/?EIO=4&transport=polling&sid=${sid}` }), {
      status: 400,
    });
    assertEquals(await forwarded(a), 0);
  },
);

forwardingTest("an open node accepts forwarded requests under any host name", async (nodes) => {
  const session = await Polling.open(nodes.a);
  await session.post("40");
  const request = { method: "GET", target: session.path(), address: "::1", time: Date.now() };
  const signature = await new RequestSigner(SECRET).sign({ ...request, body: new Uint8Array() });
  using connection = await RawConnection.open(Number(new URL(await addressOf(nodes.a)).port));
  await connection.request([
    `GET ${request.target} HTTP/1.1`,
    "host: node-a.internal",
    "connection: close",
    `hark-client-address: ${request.address}`,
    `hark-time: ${request.time}`,
    `hark-signature: ${signature}`,
  ]);
  assertEquals((await connection.head()).status, 200);
}, { publishKey: [] });

Deno.test("RequestSigner signs each part of a request, and rejects a text that is no signature", async () => {
  const signer = new RequestSigner(SECRET);
  const request = {
    method: "GET",
    target: "/socket.io/?sid=x",
    address: "::1",
    time: 5,
    body: new Uint8Array([1, 2]),
  };
  const signature = await signer.sign(request);
  assertEquals(signature, await new RequestSigner(SECRET).sign(request));
  assertNotEquals(signature, await new RequestSigner(OTHER_SECRET).sign(request));
  assertEquals(await signer.verify(request, signature), true);
  const changes = [
    { method: "POST" },
    { target: "/socket.io/?sid=y" },
    { address: "::2" },
    { time: 6 },
    { body: new Uint8Array([1]) },
  ];
  for (const change of changes) {
    assertEquals(await signer.verify({ ...request, ...change }, signature), false);
  }
  for (const wrong of ["", "?", signature.slice(1), `${signature}A`, "ü".repeat(43)]) {
    assertEquals(await signer.verify(request, wrong), false, wrong);
  }
});
