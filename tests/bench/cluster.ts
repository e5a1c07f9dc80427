import { Cluster } from "../support/cluster.ts";
import { eventually } from "../support/deadline.ts";
import { type ChildServer, startChild } from "../support/child.ts";
import { RedisServer } from "../support/redis.ts";

// What a log in Redis costs beside one in memory:
// deno run -A tests/bench/cluster.ts [latency] [start] [publish] [cpu]

const BENCHES: Readonly<Record<string, () => Promise<void>>> = { latency, start, publish, cpu };
const MESSAGE = { n: "x".repeat(90) };
const FAST = ["--publish-per-second-max", "1000000"];

function say(line: string): void {
  // deno-lint-ignore no-console -- this is what it is for
  console.log(line);
}

function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}

/** Publications before the measured ones, until all programs are compiled and connected. */
const WARM_UP_COUNT = 2000;
const LATENCY_COUNT = 10_000;

/** From a publication at one node to its delivery at another, 1,000 times a second. */
async function latency(): Promise<void> {
  await using cluster = await Cluster.start({ nodes: 2 });
  const [here, there] = cluster.nodes as [ChildServer, ChildServer];
  const socket = new WebSocket(there.socketUrl("/ws?channel=a"));
  const sentAt: number[] = [];
  const took: number[] = [];
  let arrived = 0;
  socket.onmessage = ({ data }) => {
    const at = sentAt[Number(data)];
    if (at === undefined) return; // The greeting.
    took[Number(data)] = performance.now() - at;
    arrived++;
  };
  await new Promise((resolve) => socket.onopen = resolve);
  const begun = performance.now();
  const answers: Promise<unknown>[] = [];
  while (sentAt.length < WARM_UP_COUNT + LATENCY_COUNT) {
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
  await eventually(() => arrived, (count) => count === sentAt.length);
  const measured = took.slice(WARM_UP_COUNT).sort((a, b) => a - b);
  const at = (part: number) => measured[Math.floor(measured.length * part)]!.toFixed(2);
  say(`publish to delivery on another node, 1,000/s: p50 ${at(0.5)} ms, p99 ${at(0.99)} ms`);
  socket.close();
}

/** How long a node takes to start with 100,000 kept publications in 1,000 channels. */
async function start(): Promise<void> {
  await using cluster = await Cluster.start({ nodes: 1 });
  const lines = Array.from({ length: 100 }, () => JSON.stringify(MESSAGE)).join("\n");
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

const PUBLISH_ROUNDS = 3;

/** Acknowledged publications a second through one node, in memory and in Redis. */
async function publish(): Promise<void> {
  await using redis = await RedisServer.start();
  const ratios: number[] = [];
  for (let round = 0; round < PUBLISH_ROUNDS; round++) {
    const [memory, other] = [await publishRate([]), await publishRate(["--redis", redis.url])];
    ratios.push(other / memory);
  }
  say(`redis beside memory ${spread(ratios)}`);
}

async function publishRate(args: readonly string[]): Promise<number> {
  await using node = await startChild([...FAST, ...args]);
  const body = JSON.stringify(MESSAGE);
  await rate(node, body, "application/json", 1, 2);
  const one = await rate(node, body, "application/json", 1);
  const many = await rate(node, Array(100).fill(body).join("\n"), "application/x-ndjson", 100);
  say(`${args[0] ?? "memory"}: ${one} requests/s, ndjson ${many} messages/s`);
  return one;
}

/** By wrk, 64 at once. */
async function rate(
  node: ChildServer,
  body: string,
  type: string,
  each: number,
  seconds = 5,
): Promise<number> {
  const file = await Deno.makeTempFile({ suffix: ".lua" });
  const script =
    `wrk.method = "POST" wrk.headers["Content-Type"] = "${type}" wrk.body = [==[\n${body}]==]`;
  await Deno.writeTextFile(file, script);
  const args = ["-t", "1", "-c", "64", "-d", `${seconds}s`, "-s", file, `${node.url}/channels/a`];
  const { stdout } = await new Deno.Command("wrk", { args }).output();
  await Deno.remove(file);
  const text = new TextDecoder().decode(stdout);
  if (text.includes("Non-2xx")) throw new Error(text);
  return Math.round(Number(/Requests\/sec:\s+([\d.]+)/.exec(text)![1]) * each);
}

/**
 * Processor time for each delivery on a node in Redis, beside one in memory. Another one in memory shows
 * how much two equal nodes differ.
 */
async function cpu(): Promise<void> {
  await using redis = await RedisServer.start();
  for (const clients of [1000, 5000]) {
    await using closing = new AsyncDisposableStack();
    const crowds: Crowd[] = [];
    for (const args of [[], [], ["--redis", redis.url]]) {
      const node = closing.use(await startChild([...FAST, ...QUIET, ...args]));
      // Until the way of a publication is compiled: clients come later.
      await rate(node, JSON.stringify(MESSAGE), "application/json", 1, 2);
      crowds.push(closing.use(await Crowd.connect(node, clients)));
    }
    for (const crowd of crowds) await crowd.deliver(WARM_UP_DELIVERIES);
    const rounds: number[][] = [];
    for (let round = 0; round < CPU_ROUNDS; round++) {
      const micros: number[] = [];
      for (const crowd of crowds) micros.push(await crowd.deliver(ROUND_DELIVERIES));
      rounds.push(micros);
    }
    const each = [0, 1, 2].map((node) => median(rounds.map((micros) => micros[node]!)).toFixed(2));
    say(`${clients} clients: memory ${each[0]}, ${each[1]}, redis ${each[2]} µs a delivery`);
    say(`  memory beside memory ${spread(rounds.map(([one, other]) => other! / one!))}`);
    const besides = rounds.map(([one, other, redis]) => 2 * redis! / (one! + other!));
    say(`  redis beside both ${spread(besides)}`);
  }
}

const CPU_ROUNDS = 11;
const WARM_UP_DELIVERIES = 200_000;
const ROUND_DELIVERIES = 100_000;
/** Nodes send nothing but the message. */
const QUIET = ["--welcome", "", "--heartbeat-s", "3600"];
const FRAME_BYTES = 2 + JSON.stringify(MESSAGE).length;

/** Clients of one node, which read all that comes. */
class Crowd implements Disposable {
  readonly #node: ChildServer;
  readonly #conns: readonly Deno.TcpConn[];
  /** Of the message that was published last. */
  #missingBytes = 0;
  #all = Promise.withResolvers<void>();

  static async connect(node: ChildServer, clients: number): Promise<Crowd> {
    const conns: Deno.TcpConn[] = [];
    const buffer = new Uint8Array(1024);
    for (let count = 0; count < clients; count++) {
      const conn = await Deno.connect({ hostname: "127.0.0.1", port: node.port });
      await conn.write(new TextEncoder().encode(
        "GET /ws HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n" +
          "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n",
      ));
      await conn.read(buffer);
      conns.push(conn);
    }
    return new Crowd(node, conns);
  }

  private constructor(node: ChildServer, conns: readonly Deno.TcpConn[]) {
    this.#node = node;
    this.#conns = conns;
    for (const conn of conns) this.#read(conn);
  }

  /** Publishes one message after the other; returns microseconds of the node for each delivery. */
  async deliver(deliveries: number): Promise<number> {
    const clients = this.#conns.length;
    const before = await processorMicros(this.#node);
    for (let count = 0; count < deliveries / clients; count++) {
      this.#missingBytes = clients * FRAME_BYTES;
      this.#all = Promise.withResolvers();
      await this.#node.publish("broadcast", MESSAGE);
      await this.#all.promise;
    }
    return (await processorMicros(this.#node) - before) / deliveries;
  }

  async #read(conn: Deno.TcpConn): Promise<void> {
    const buffer = new Uint8Array(1024);
    try {
      for (;;) {
        const length = await conn.read(buffer);
        if (length === null) return;
        this.#missingBytes -= length;
        if (this.#missingBytes === 0) this.#all.resolve();
      }
    } catch (error) {
      if (!(error instanceof Deno.errors.BadResource || error instanceof Deno.errors.Interrupted)) {
        throw error;
      }
    }
  }

  [Symbol.dispose](): void {
    for (const conn of this.#conns) conn.close();
  }
}

/** What all threads of a node have used. */
async function processorMicros({ pid }: ChildServer): Promise<number> {
  let nanos = 0;
  for await (const { name } of Deno.readDir(`/proc/${pid}/task`)) {
    const text = await Deno.readTextFile(`/proc/${pid}/task/${name}/schedstat`);
    nanos += Number(text.split(" ")[0]);
  }
  return nanos / 1000;
}

function median(values: readonly number[]): number {
  return values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)]!;
}

/** The median, and the range of the middle half. */
function spread(values: readonly number[]): string {
  const sorted = values.toSorted((a, b) => a - b);
  const at = (part: number) => sorted[Math.floor((sorted.length - 1) * part)]!.toFixed(3);
  return `${at(0.5)} x (${at(0.25)} to ${at(0.75)})`;
}

for (const [name, bench] of Object.entries(BENCHES)) {
  if (Deno.args.length === 0 || Deno.args.includes(name)) await bench();
}
