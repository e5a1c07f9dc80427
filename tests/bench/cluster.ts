import { Cluster } from "../support/cluster.ts";
import { eventually } from "../support/deadline.ts";
import { type ChildServer, startChild } from "../support/server.ts";
import { RedisServer } from "../support/redis.ts";

// What a log in Redis costs beside one in memory:
// deno run -A tests/bench/cluster.ts [latency] [start] [publish] [cpu]

const BENCHES: Readonly<Record<string, () => Promise<void>>> = { latency, start, publish, cpu };
const FAST = ["--publish-per-second-max", "1000000"];

function say(line: string): void {
  // deno-lint-ignore no-console -- this is what it is for
  console.log(line);
}

function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}

/** From a publication at one node to its delivery at another, 1,000 times a second. */
async function latency(): Promise<void> {
  await using cluster = await Cluster.start({ nodes: 2 });
  const [here, there] = cluster.nodes as [ChildServer, ChildServer];
  const socket = new WebSocket(there.socketUrl("/ws?channel=a"));
  const sentAt: number[] = [];
  const took: number[] = [];
  socket.onmessage = ({ data }) => {
    const at = sentAt[Number(data)];
    if (at !== undefined) took.push(performance.now() - at);
  };
  await new Promise((resolve) => socket.onopen = resolve);
  const begun = performance.now();
  const answers: Promise<unknown>[] = [];
  while (sentAt.length < 10_000) {
    while (sentAt.length < performance.now() - begun) {
      const body = String(sentAt.push(performance.now()) - 1);
      const headers = { "content-type": "application/json" };
      const answer = fetch(`${here.url}/channels/a`, { method: "POST", headers, body });
      answers.push(answer.then(async (response) => {
        if (!response.ok) throw new Error(await response.text());
        await response.body?.cancel();
      }));
    }
    await pause(1);
  }
  await Promise.all(answers);
  await eventually(() => took.length, (count) => count === sentAt.length);
  took.sort((a, b) => a - b);
  const at = (part: number) => took[Math.floor(took.length * part)]!.toFixed(2);
  say(`publish to delivery on another node, 1,000/s: p50 ${at(0.5)} ms, p99 ${at(0.99)} ms`);
  socket.close();
}

/** How long a node takes to start with 100,000 kept publications in 1,000 channels. */
async function start(): Promise<void> {
  await using cluster = await Cluster.start({ nodes: 1 });
  const lines = Array.from({ length: 100 }, () => JSON.stringify({ n: "x".repeat(90) })).join("\n");
  const headers = { "content-type": "application/x-ndjson" };
  for (let channel = 0; channel < 1000; channel++) {
    const url = `${cluster.nodes[0]!.url}/channels/c${channel}`;
    const response = await fetch(url, { method: "POST", headers, body: lines });
    if (!response.ok) throw new Error(await response.text());
    await response.body?.cancel();
  }
  const empty = await timed(() => startChild());
  const full = await timed(() => startChild(["--redis", cluster.redis.url]));
  say(`start with nothing ${empty} ms, with 100,000 publications in 1,000 channels ${full} ms`);
}

async function timed(start: () => Promise<ChildServer>): Promise<number> {
  const begun = performance.now();
  await using _node = await start();
  return Math.round(performance.now() - begun);
}

/** Acknowledged publications a second through one node, in memory and in Redis. */
async function publish(): Promise<void> {
  await using redis = await RedisServer.start();
  for (const args of [[], ["--redis", redis.url], [], ["--redis", redis.url]]) {
    await using node = await startChild([...FAST, ...args]);
    const one = await rate(node, JSON.stringify({ n: "x".repeat(90) }), "application/json", 1);
    const lines = Array.from({ length: 100 }, () => JSON.stringify({ n: "x".repeat(90) }));
    const many = await rate(node, lines.join("\n"), "application/x-ndjson", 100);
    say(`${args.length === 0 ? "memory" : "redis"}: ${one} requests/s, ndjson ${many} messages/s`);
  }
}

/** By wrk, 64 at once. */
async function rate(node: ChildServer, body: string, type: string, each: number): Promise<number> {
  const file = await Deno.makeTempFile({ suffix: ".lua" });
  const script =
    `wrk.method = "POST" wrk.headers["Content-Type"] = "${type}" wrk.body = [==[\n${body}]==]`;
  await Deno.writeTextFile(file, script);
  const args = ["-t", "1", "-c", "64", "-d", "5s", "-s", file, `${node.url}/channels/a`];
  const { stdout } = await new Deno.Command("wrk", { args }).output();
  await Deno.remove(file);
  const text = new TextDecoder().decode(stdout);
  if (text.includes("Non-2xx")) throw new Error(text);
  return Math.round(Number(/Requests\/sec:\s+([\d.]+)/.exec(text)![1]) * each);
}

/** Processor time for each delivery, on a node in memory and one in Redis. */
async function cpu(): Promise<void> {
  await using redis = await RedisServer.start();
  for (const clients of [1000, 5000]) {
    for (const args of [[], ["--redis", redis.url], [], ["--redis", redis.url]]) {
      await using node = await startChild([...FAST, ...args]);
      const micros = await cpuPerDelivery(node, clients);
      say(`${clients} clients, ${args.length === 0 ? "memory" : "redis"}: ${micros} µs a delivery`);
    }
  }
}

async function cpuPerDelivery(node: ChildServer, clients: number): Promise<string> {
  const conns: Deno.TcpConn[] = [];
  const buffer = new Uint8Array(65_536);
  for (let count = 0; count < clients; count++) {
    const conn = await Deno.connect({ hostname: "127.0.0.1", port: node.port });
    await conn.write(new TextEncoder().encode(
      "GET /ws HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n" +
        "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n",
    ));
    await conn.read(buffer);
    conns.push(conn);
  }
  // Nobody looks at what comes: it is little enough for the system to keep.
  const messages = 200;
  const before = await processorMs(node);
  for (let count = 0; count < messages; count++) {
    await node.publish("broadcast", { n: "x".repeat(90) });
    await pause(5);
  }
  const used = await processorMs(node) - before;
  for (const conn of conns) conn.close();
  return (used * 1000 / (messages * clients)).toFixed(3);
}

async function processorMs({ pid }: ChildServer): Promise<number> {
  const text = await Deno.readTextFile(`/proc/${pid}/stat`);
  const fields = text.slice(text.lastIndexOf(")") + 2).split(" ");
  return (Number(fields[11]) + Number(fields[12])) * 10;
}

for (const [name, bench] of Object.entries(BENCHES)) {
  if (Deno.args.length === 0 || Deno.args.includes(name)) await bench();
}
