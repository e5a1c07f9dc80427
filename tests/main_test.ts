import { assert, assertEquals, assertMatch } from "@std/assert";
import denoJson from "../deno.json" with { type: "json" };
import { Store } from "../lib/broker/sqlite/store.ts";
import { flagName, type OptionKey, OPTIONS } from "../lib/config/options.ts";
import { LINES_PER_PEER_MAX } from "../lib/observe/log.ts";
import { TemporaryFolder } from "./support/certificates.ts";
import { deadline, eventually } from "./support/deadline.ts";
import { HANDSHAKE, RawConnection, request } from "./support/raw.ts";
import { command, startChild } from "./support/child.ts";
import { Client } from "./support/socket.ts";
import { freePort } from "./support/free_port.ts";

/** Runs the program to its end. */
async function run(args: string[], env: Record<string, string> = {}) {
  const { code, stdout, stderr } = await deadline(command(args, env).output());
  const decoder = new TextDecoder();
  return { code, stdout: decoder.decode(stdout), stderr: decoder.decode(stderr) };
}

const TIME = String.raw`\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z`;

Deno.test("--help names every option, and --version the version", async () => {
  const help = await run(["--help"]);
  assertEquals([help.code, help.stderr], [0, ""]);
  for (const key of Object.keys(OPTIONS) as OptionKey[]) {
    assertMatch(help.stdout, new RegExp(`^  --(no-)?${flagName(key)}( |$)`, "m"));
  }
  const version = await run(["--version"]);
  assertEquals(version, { code: 0, stdout: `hark ${denoJson.version}\n`, stderr: "" });
});

Deno.test("--help shows the values of a server, and what is wrong with them", async () => {
  const { code, stdout, stderr } = await run(["start", "--help", "--history-count", "7"], {
    HARK_PORT: "8123",
    HARK_DRAIN_S: "x",
  });
  assertEquals([code, stderr], [0, ""]);
  assertMatch(stdout, /^ {2}--port N .*\(HARK_PORT: 8123\)$/m);
  assertMatch(stdout, /^ {2}--history-count N .*\(flag: 7\)$/m);
  assertMatch(stdout, /\n {2}HARK_DRAIN_S: expected an integer from 0 to 600, got "x"\n$/);
});

Deno.test("all wrong options are reported at once, without secrets, with exit code 2", async () => {
  const args = ["--port", "x", "--hots", "127.0.0.1", "--publish-key", "my secret"];
  const env = { HARK_LOG: "xml", HARK_DRAIN: "1", HARK_PUBLISH_KEYS: "s3cr3t€" };
  const { code, stdout, stderr } = await run(args, env);
  assertEquals([code, stdout], [2, ""]);
  assertEquals(stderr.trimEnd().split("\n").toSorted(), [
    '  --port: expected an integer from 0 to 65535, got "x"',
    "  --publish-key: expected keys of printable ASCII with no space or comma",
    '  HARK_LOG: expected text or json, got "xml"',
    "  HARK_PUBLISH_KEYS: expected keys of printable ASCII with no space or comma",
    '  unexpected argument after "--hots"',
    '  unknown flag "--hots", did you mean --host?',
    '  unknown variable "HARK_DRAIN", did you mean HARK_DRAIN_S?',
    "Cannot read the options:",
  ]);
});

Deno.test("an unknown command is reported with the one that was meant, and exit code 2", async () => {
  const told = { pubish: ", did you mean publish?", stat: ", did you mean start?", serve: "" };
  for (const [name, hint] of Object.entries(told)) {
    assertEquals(await run([name, "--port", "0"]), {
      code: 2,
      stdout: "",
      stderr: `Unknown command ${name}${hint}\nSee hark --help\n`,
    });
  }
});

Deno.test("an address that others reach is refused without a key, except with --open", async () => {
  await Promise.all(["0.0.0.0", "::", "192.0.2.1"].map(async (host) => {
    assertEquals(await run(["--host", host, "--port", "0"]), {
      code: 2,
      stdout: "",
      stderr: `Cannot read the options:\n  anyone who reaches ${host} could publish: ` +
        "set a key with --publish-key KEY, or mean it with --open\n",
    });
  }));
  await Promise.all([["--open"], ["--publish-key", "k"]].map(async (flags) => {
    await using server = await startChild(["--host", "0.0.0.0", ...flags]);
    await server.broadcast("hello", flags[0] === "--open" ? "" : "?key=k");
  }));
});

Deno.test("an address that cannot be used is reported in one line, with exit code 1", async () => {
  using listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const { port } = listener.addr;
  assertEquals(await run(["--port", String(port)]), {
    code: 1,
    stdout: "",
    stderr:
      `Cannot listen on localhost, port ${port}: Address already in use (os error 98), on 127.0.0.1\n`,
  });
  const args = ["--open", "--port", "0", "--host"];
  await Promise.all(["192.0.2.1", "no-such-host.invalid"].map(async (host) => {
    const { code, stdout, stderr } = await run([...args, host]);
    assertEquals([code, stdout], [1, ""]);
    assertMatch(stderr, new RegExp(`^Cannot listen on ${host}, port 0: [^\n]+\n$`));
  }));
});

Deno.test("a store that cannot be used is reported in one line, with exit code 1", async () => {
  assertEquals(await run(["--port", "0", "--store", "/nonexistent/dir/x.db"]), {
    code: 1,
    stdout: "",
    stderr:
      "Cannot open the store /nonexistent/dir/x.db: its folder must exist, and this user must " +
      "have the right to write there\n",
  });
});

Deno.test("a server that cannot listen closes its store", async () => {
  await using folder = new TemporaryFolder();
  using listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const file = `${folder.path}/log.db`;
  const { code } = await run(["--port", String(listener.addr.port), "--store", file]);
  const { store, kept } = Store.open(file, "normal");
  store.close();
  assertEquals([code, kept.position.offset], [1, 0]);
});

Deno.test("the text log has the story of a client", async () => {
  await using server = await startChild();
  const client = await Client.open(server.socketUrl());
  const [, opened, id] = new RegExp(
    `^(${TIME} info  new connection id=(\\S+) transport=websocket address=127\\.0\\.0\\.1)$`,
  ).exec(await server.stdout.next()) ?? [];
  assert(opened !== undefined);
  await client.close();
  assertMatch(
    await server.stdout.next(),
    new RegExp(`^${TIME} info  client disconnected id=${id} why="client closed" seconds=[\\d.]+$`),
  );
  server.kill("SIGTERM");
  const [stopping, stopped] = await server.stdout.take(2);
  assertMatch(stopping!, new RegExp(`^${TIME} info  stopping signal=SIGTERM$`));
  assertMatch(stopped!, new RegExp(`^${TIME} info  stopped$`));
  assertEquals([await server.stdout.rest(), await server.stderr.rest()], [[], []]);
});

Deno.test("the first line says where the server listens, with the actual port", async () => {
  await using process = command(["--port", "0", "--publish-key", "my-secret"]).spawn();
  const reader = process.stdout.pipeThrough(new TextDecoderStream()).getReader();
  const { value } = await deadline(reader.read());
  const [, port] = new RegExp(
    `^${TIME} info  Hark is listening on http://localhost:(\\d+) version=${denoJson.version}\n$`,
  ).exec(value!) ?? [];
  assert(Number(port) > 0, value);
  const { status } = await request(Number(port), ["GET /readyz HTTP/1.1", "Host: localhost"]);
  assertEquals(status, 200);
  process.kill("SIGTERM");
  assertEquals((await deadline(process.status)).code, 0);
  await Promise.all([reader.cancel(), process.stderr.cancel()]);
});

Deno.test("--log json writes the same as JSON lines", async () => {
  await using server = await startChild(["--log", "json"], { HARK_WELCOME: "" });
  const client = await Client.open(server.socketUrl());
  await client.close();
  const [opened, closed] = (await server.stdout.take(2)).map((line) => JSON.parse(line));
  assertEquals(Object.keys(opened), ["time", "level", "message", "id", "transport", "address"]);
  assertEquals([opened.message, opened.transport], ["new connection", "websocket"]);
  assertEquals(Object.keys(closed), ["time", "level", "message", "id", "why", "seconds"]);
  assertEquals([closed.message, closed.id], ["client disconnected", opened.id]);
});

Deno.test("--log-level leaves out lower levels", async () => {
  // The line with the address is of level info: so the port has to be known before.
  const port = freePort();
  const args = ["--port", String(port), "--log-level", "warn", "--connections-max", "1"];
  await using process = command(args).spawn();
  const client = await eventually(
    () => Client.open(`ws://127.0.0.1:${port}/ws`).catch(() => undefined),
    (client) => client !== undefined,
  );
  await request(port, ["GET /ws HTTP/1.1", ...HANDSHAKE]);
  await client!.close();
  process.kill("SIGTERM");
  const { code, stdout, stderr } = await deadline(process.output());
  const text = new TextDecoder().decode(stderr);
  assertEquals([code, stdout.length], [0, 0]);
  assertMatch(text, new RegExp(`^${TIME} warn  refused address=127\\.0\\.0\\.1 why="[^\n]+"\n$`));
});

/** A port that nobody listens on now. */
Deno.test("nothing that a peer sends breaks a line of the log or controls a terminal", async () => {
  const args = ["--inbound-per-second-max", "1", "--publish-bytes-max", "30"];
  await using server = await startChild(args);
  const evil = "\x1b[2J\x1b]0;owned\x07\r\n2026-01-01T00:00:00.000Z info  forged \u202e\u2028";
  const encoded = encodeURIComponent(evil);
  const paths = [
    ...[`/broadcast/${encoded}`, `/broadcast/${encoded}${encoded}`, `/${encoded}`],
    ...[`/broadcast/x?channel=${encoded}`, `/broadcast/x?event=${encoded}`, "/broadcast/%FF"],
    ...[`/ws?channel=${encoded}`, `/events?since=${encoded}`],
  ];
  for (const path of paths) await server.fetch(path);
  const header = evil.replaceAll(/[^ -~]/g, "\t");
  await request(server.port, ["GET / HTTP/1.1", `Host: ${header}`, `X-Forwarded-For: ${header}`]);
  for (const text of [evil, JSON.stringify({ type: evil }), JSON.stringify({ ref: evil })]) {
    await using client = await Client.open(server.socketUrl(), { protocols: ["hark.v1"] });
    client.send(text);
    client.send(text);
    await client.closed();
  }
  using connection = await RawConnection.open(server.port);
  await connection.handshake();
  await connection.send(8, new Uint8Array([3, 232, ...new TextEncoder().encode(evil)]));
  await connection.closeFrame();
  await eventually(
    async () => (await server.fetch("/count")).body,
    (body) => body === '{"count":0}',
  );
  server.kill("SIGTERM");
  const lines = [...await server.stdout.rest(), ...await server.stderr.rest()];
  assert(lines.length > 10);
  for (const line of lines) {
    assertMatch(line, new RegExp(`^${TIME} (info |warn ) [ -~]+$`));
    assert(!line.includes("forged"), line);
  }
});

Deno.test("a flood of one peer does not flood the log", async () => {
  await using server = await startChild();
  for (let count = 0; count < LINES_PER_PEER_MAX; count++) {
    const client = await Client.open(server.socketUrl());
    await client.close();
  }
  server.kill("SIGTERM");
  const lines = await server.stdout.rest();
  const about = lines.filter((line) => line.includes("connection") || line.includes("client"));
  assertEquals(about.length, LINES_PER_PEER_MAX);
  const [notice, ...others] = await server.stderr.rest();
  assertMatch(notice!, /warn {2}further lines about this peer are left out peer=127\.0\.0\.1$/);
  assertEquals(others, []);
});
