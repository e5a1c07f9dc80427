import { assert, assertEquals } from "@std/assert";
import { deadline, eventually } from "../support/deadline.ts";
import { HANDSHAKE, RawConnection, request } from "../support/raw.ts";
import { type ChildServer, startChild } from "../support/child.ts";

const MIB = 1024 ** 2;
const PADDING = ".".repeat(65_000);

/** A client that only remembers the numbers of the messages that it gets. */
class Reader implements AsyncDisposable {
  readonly numbers: number[] = [];
  readonly #socket: WebSocket;
  #expected = { count: 0, ...Promise.withResolvers<void>() };

  static async open(url: string): Promise<Reader> {
    const socket = new WebSocket(url);
    await deadline(new Promise((resolve) => socket.onopen = resolve));
    return new Reader(socket);
  }

  private constructor(socket: WebSocket) {
    this.#socket = socket;
    socket.onmessage = ({ data }: MessageEvent<string>) => {
      const [, number] = /^\{"message":"(\d+)\./.exec(data) ?? [];
      if (number === undefined) return;
      this.numbers.push(Number(number));
      if (this.numbers.length === this.#expected.count) this.#expected.resolve();
    };
  }

  /** Resolves once it has got so many messages in all. */
  async got(count: number): Promise<void> {
    this.#expected = { count, ...Promise.withResolvers<void>() };
    if (this.numbers.length < count) await deadline(this.#expected.promise);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const closed = new Promise((resolve) => this.#socket.onclose = resolve);
    this.#socket.close();
    await deadline(closed);
  }
}

/** Publishes messages of 64 KiB that begin with their numbers. */
async function flood(server: ChildServer, from: number, to: number): Promise<void> {
  for (let number = from; number < to; number++) {
    const body = `${number}${PADDING}`;
    const { status } = await server.fetch("/channels/broadcast", { method: "POST", body });
    assertEquals(status, 200);
  }
}

async function residentBytes(server: ChildServer): Promise<number> {
  return (await server.metrics()).get('hark_process_memory_bytes{kind="rss"}')!;
}

Deno.test("a client that stops reading is cut, the others miss nothing and memory stays bounded", async () => {
  const options = ["--connections-max", "3", "--publish-per-second-max", "1000000"];
  await using server = await startChild([...options, "--history-count", "0"]);
  await using first = await Reader.open(server.socketUrl());
  await using second = await Reader.open(server.socketUrl());
  const slow = await RawConnection.open(server.port);
  await slow.handshake();

  await flood(server, 0, 200);
  const metrics = await server.metrics();
  assertEquals(metrics.get('hark_disconnects_total{reason="slow"}'), 1);
  assertEquals(metrics.get('hark_sessions{transport="websocket"}'), 2);
  assertEquals(metrics.get("hark_closing_sessions"), 1);
  assertEquals((await server.fetch("/count")).body, '{"count":2}');
  const line = await server.stderr.find((line) => line.includes("client disconnected"));
  assert(/ warn {2}client disconnected id=\S+ why=slow seconds=\S+$/.test(line), line);

  const before = await residentBytes(server);
  await flood(server, 200, 2000);
  for (
    const { numbers, got } of [first, second].map((reader) => ({
      numbers: reader.numbers,
      got: reader.got(2000),
    }))
  ) {
    await got;
    assertEquals(numbers, Array.from({ length: 2000 }, (_, number) => number));
  }
  // Were it kept for the slow client, it would be 112 MiB.
  const grown = await residentBytes(server) - before;
  assert(grown < 80 * MIB, `memory has grown by ${grown} bytes`);

  // Its connection counts until it is really gone.
  const handshake = ["GET /ws HTTP/1.1", ...HANDSHAKE];
  assertEquals((await request(server.port, handshake)).status, 503);
  slow[Symbol.dispose]();
  await eventually(
    async () => (await server.metrics()).get("hark_closing_sessions"),
    (count) => count === 0,
  );
  assertEquals((await request(server.port, handshake)).status, 101);
});

Deno.test("a slow client that reads again gets what was sent before it was cut, and why", async () => {
  await using server = await startChild(["--publish-per-second-max", "1000000"]);
  using slow = await RawConnection.open(server.port);
  await slow.handshake();
  await flood(server, 0, 200);
  assertEquals(await slow.text(), '{"message":"Welcome to my server"}');
  const numbers: number[] = [];
  for (;;) {
    const { opcode, payload } = await slow.frame();
    const text = new TextDecoder().decode(opcode === 8 ? payload.subarray(2) : payload);
    if (opcode === 8) {
      assertEquals([new DataView(payload.buffer).getUint16(0), text], [
        4001,
        "slow: too much unsent",
      ]);
      break;
    }
    numbers.push(Number(/^\{"message":"(\d+)\./.exec(text)![1]));
  }
  assertEquals(numbers, numbers.map((_, index) => index));
  assert(numbers.length >= 16 && numbers.length < 200, String(numbers.length));
});
