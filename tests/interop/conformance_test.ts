import { assertEquals, assertMatch } from "@std/assert";
import { type ConformanceServer, type Pings, serveConformance } from "./conformance_server.ts";
import { Inbox } from "../support/inbox.ts";
import { Client } from "../support/socket.ts";

const SID = '{"code":1,"message":"Session ID unknown"}';
const PLACEHOLDERS = '{"_placeholder":true,"num":0},{"_placeholder":true,"num":1}';

/** A conformance server. */
abstract class Conformance implements AsyncDisposable {
  abstract readonly host: string;
  abstract [Symbol.asyncDispose](): Promise<void>;

  /** The status and the body of an answer. */
  async fetch(path: string, init: RequestInit = {}): Promise<[number, string]> {
    const response = await fetch(`http://${this.host}${path}`, init);
    return [response.status, await response.text()];
  }

  connect(path: string): Promise<Client> {
    return Client.open(`ws://${this.host}${path}&transport=websocket`);
  }
}

/** The server in this process, which asks its clients less often, or waits longer for them. */
class PatientServer extends Conformance {
  readonly host: string;
  readonly #server: ConformanceServer;

  constructor(pings: Partial<Pings>) {
    super();
    this.#server = serveConformance(0, pings);
    this.host = `localhost:${this.#server.port}`;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#server.close();
  }
}

/** The server as it is started from a shell. */
class StartedServer extends Conformance {
  readonly #process: Deno.ChildProcess;
  readonly #read: Promise<void>;
  readonly #lines = new Inbox<string>();
  host = "";

  static async start(): Promise<StartedServer> {
    const server = new StartedServer();
    const line = await server.#lines.next();
    [, server.host = ""] = /^listening on http:\/\/(localhost:\d+)$/.exec(line)!;
    return server;
  }

  private constructor() {
    super();
    const script = new URL("conformance_server.ts", import.meta.url).pathname;
    this.#process = new Deno.Command(Deno.execPath(), {
      args: ["run", "--no-prompt", "--allow-net", script, "--port", "0"],
      stdin: "null",
      stdout: "piped",
      stderr: "inherit",
    }).spawn();
    this.#read = this.#readLines();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#process.kill("SIGKILL");
    await this.#process.status;
    await this.#read;
  }

  async #readLines(): Promise<void> {
    for await (const text of this.#process.stdout.pipeThrough(new TextDecoderStream())) {
      for (const line of text.trim().split("\n")) this.#lines.push(line);
    }
  }
}

/** Begins a session that polls: the path by which it is reached. */
async function poll(server: Conformance, path: string): Promise<string> {
  const [status, body] = await server.fetch(`${path}&transport=polling`);
  assertEquals(status, 200);
  const [, sid] = /"sid":"([\w-]+)"/.exec(body)!;
  return `${path}&transport=polling&sid=${sid}`;
}

/** Opens a WebSocket on `/socket.io/`, joins `/` and takes all that comes of it. */
async function join(server: Conformance): Promise<Client> {
  const client = await server.connect("/socket.io/?EIO=4");
  await client.text();
  client.send("40");
  await client.frames.take(2);
  return client;
}

/** The next `count` frames that are no pings. */
async function frames(client: Client, count: number): Promise<(string | Uint8Array)[]> {
  const found: (string | Uint8Array)[] = [];
  while (found.length < count) {
    const frame = await client.frames.next();
    if (frame !== "2") found.push(frame);
    else client.send("3");
  }
  return found;
}

Deno.test("the conformance server, as the suites expect it", async (test) => {
  await using server = await StartedServer.start();

  await test.step("opens sessions with the time-outs that the suites expect", async () => {
    const expected = (upgrades: string[]) => ({
      upgrades,
      pingInterval: 300,
      pingTimeout: 200,
      maxPayload: 1_000_000,
    });
    for (const path of ["/engine.io/?EIO=4", "/socket.io/?EIO=4", "/engine.io?EIO=4"]) {
      const [, body] = await server.fetch(`${path}&transport=polling`);
      const { sid, ...polling } = JSON.parse(body.slice(1));
      assertMatch(sid, /^[\w-]{22}$/);
      assertEquals(polling, expected(["websocket"]));
      await using client = await server.connect(path);
      const { sid: _, ...websocket } = JSON.parse((await client.text()).slice(1));
      assertEquals(websocket, expected([]));
    }
  });

  await test.step("closes a session that does not answer pings", async () => {
    const path = await poll(server, "/engine.io/?EIO=4");
    assertEquals(await server.fetch(path), [200, "2"]);
    assertEquals(await server.fetch(path), [400, '{"code":3,"message":"Bad request"}']);
    assertEquals(await server.fetch(path), [400, SID]);
    await using client = await server.connect("/engine.io/?EIO=3");
    assertEquals((await client.closed()).code, 1000);
  });
});

Deno.test("the conformance server pings as long as it is answered", async () => {
  await using server = new PatientServer({ pingTimeoutMs: 60_000 });
  const path = await poll(server, "/engine.io/?EIO=4");
  for (let round = 0; round < 3; round++) {
    assertEquals(await server.fetch(path), [200, "2"]);
    assertEquals(await server.fetch(path, { method: "POST", body: "3" }), [200, "ok"]);
  }
});

Deno.test("the conformance server, whatever its pings", async (test) => {
  await using server = new PatientServer({ pingIntervalMs: 60_000, pingTimeoutMs: 60_000 });

  await test.step("echoes payloads and frames, text and bytes, in both versions", async () => {
    for (
      const [version, body] of [["4", "4test1\x1e4test2\x1ebAQIDBA=="], [
        "3",
        "6:4hello10:b4AQIDBA==",
      ]]
    ) {
      const path = await poll(server, `/engine.io/?EIO=${version}&b64=1`);
      assertEquals(await server.fetch(path, { method: "POST", body: body! }), [200, "ok"]);
      assertEquals(await server.fetch(path), [200, body]);
    }
    for (const version of ["4", "3"]) {
      await using client = await server.connect(`/engine.io/?EIO=${version}`);
      await client.text();
      for (const frame of ["4hello", new Uint8Array([4, 1, 2, 3])]) {
        client.send(frame);
        assertEquals(await client.frames.next(), frame);
      }
    }
  });

  await test.step("upgrades", async () => {
    for (const [version, noop] of [["4", "6"], ["3", "1:6"]]) {
      const path = await poll(server, `/engine.io/?EIO=${version}`);
      await using client = await server.connect(path.replace("&transport=polling", ""));
      client.send("2probe");
      assertEquals(await client.text(), "3probe");
      assertEquals(await server.fetch(path), [200, noop]);
      client.send("5");
      client.send("4hello");
      assertEquals(await frames(client, 1), ["4hello"]);
      assertEquals((await server.fetch(path))[0], 400);
    }
  });

  await test.step("lets clients into / and /custom, and sends them their auth", async () => {
    for (const namespace of ["", "/custom,"]) {
      for (const auth of ["", '{"token":"123"}']) {
        await using client = await server.connect("/socket.io/?EIO=4");
        await client.text();
        client.send(`40${namespace}${auth}`);
        const [joined, told] = await frames(client, 2);
        const answer = JSON.parse(String(joined).slice(`40${namespace}`.length));
        assertEquals(Object.keys(answer), ["sid"]);
        assertEquals(told, `42${namespace}["auth",${auth || "{}"}]`);
      }
    }
  });

  await test.step("refuses other namespaces", async () => {
    await using client = await server.connect("/socket.io/?EIO=4");
    await client.text();
    client.send("40/random");
    assertEquals(await frames(client, 1), ['44/random,{"message":"Invalid namespace"}']);
  });

  await test.step("closes a client that joins nothing", async () => {
    await using client = await server.connect("/socket.io/?EIO=4");
    await client.text();
    const answering = (async () => {
      for (;;) await frames(client, 1);
    })();
    assertEquals((await client.closed()).reason, "protocol error: joined no namespace in time");
    await answering.catch(() => {});
  });

  await test.step("sends messages back and acks them, with bytes", async () => {
    const client = await join(server);
    const args = '1,"2",{"3":[true]}';
    client.send(`42["message",${args}]`);
    client.send(`42456["message-with-ack",${args}]`);
    client.send(`452-["message",${PLACEHOLDERS}]`);
    for (const bytes of [[1, 2, 3], [4, 5, 6]]) client.send(new Uint8Array(bytes));
    client.send(`452-789["message-with-ack",${PLACEHOLDERS}]`);
    for (const bytes of [[1, 2, 3], [4, 5, 6]]) client.send(new Uint8Array(bytes));
    const attached = [new Uint8Array([1, 2, 3]), new Uint8Array([4, 5, 6])];
    assertEquals(await frames(client, 8), [
      `42["message-back",${args}]`,
      `43456[${args}]`,
      `452-["message-back",${PLACEHOLDERS}]`,
      ...attached,
      `462-789[${PLACEHOLDERS}]`,
      ...attached,
    ]);
    client.send("40/custom");
    await frames(client, 2);
    client.send("41/custom");
    client.send('42["message","still here"]');
    assertEquals(await frames(client, 1), ['42["message-back","still here"]']);
    await client.close();
  });

  await test.step("closes a client that sends malformed packets", async () => {
    for (const packet of ["4abc", "42{}", '42abc["message-with-ack",1]', "abc", "40"]) {
      const client = await join(server);
      client.send(packet);
      assertEquals((await client.closed()).code, 4500, packet);
    }
  });
});

Deno.test("the conformance server says how it is started", async () => {
  const script = new URL("conformance_server.ts", import.meta.url).pathname;
  for (const args of [[], ["--port"], ["--port", "x"]]) {
    const { code, stderr } = await new Deno.Command(Deno.execPath(), {
      args: ["run", "--no-prompt", "--allow-net", script, ...args],
    }).output();
    assertEquals([code, new TextDecoder().decode(stderr)], [
      2,
      "Usage: conformance_server.ts --port N\n",
    ]);
  }
});
