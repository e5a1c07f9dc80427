import { assert, assertEquals, assertThrows } from "@std/assert";
import { Buffer } from "node:buffer";
import { CertificateError } from "../../lib/core/errors.ts";
import { readCredentials, TlsFront } from "../../lib/transport/tls.ts";
import type { TlsFrontOptions } from "../../lib/transport/tls.ts";
import {
  makeCertificate,
  shows,
  TemporaryFolder,
  type TestCertificate,
} from "../support/certificates.ts";
import { deadline, eventually } from "../support/deadline.ts";
import { FakeClock } from "../support/fake_clock.ts";
import { Inbox } from "../support/inbox.ts";

const encoder = new TextEncoder();
const decoder = new TextDecoder();

/** A TLS front before a plain TCP server that the test plays. */
class Behind implements AsyncDisposable {
  readonly clock = new FakeClock();
  readonly errors: Inbox<[message: string, address: string]> = new Inbox();
  readonly refused: Inbox<string> = new Inbox();
  readonly front: TlsFront;
  readonly #listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  #port = 0;

  static open(
    credentials: TestCertificate,
    options: Partial<TlsFrontOptions> = {},
  ): Behind {
    const behind = new Behind(credentials, options);
    behind.#port = behind.front.listen({ hostname: "127.0.0.1", port: 0 });
    return behind;
  }

  private constructor(credentials: TestCertificate, options: Partial<TlsFrontOptions>) {
    this.front = new TlsFront({
      credentials,
      target: this.#listener.addr.port,
      connectionsMax: 100,
      clock: this.clock,
      onError: ({ message }, address) => this.errors.push([message, address]),
      onRefused: (address) => this.refused.push(address),
      onFailure() {},
      ...options,
    });
  }

  get port(): number {
    return this.#port;
  }

  /** Connects by TLS. */
  async connect({ cert }: TestCertificate, alpnProtocols?: string[]): Promise<Deno.TlsConn> {
    const options = { hostname: "localhost", port: this.port, caCerts: [cert] };
    return await Deno.connectTls({ ...options, ...(alpnProtocols && { alpnProtocols }) });
  }

  /** Connects by TCP, and says something that is not TLS. */
  async connectPlain(text = ""): Promise<Deno.TcpConn> {
    const client = await Deno.connect({ hostname: "127.0.0.1", port: this.port });
    if (text !== "") await client.write(encoder.encode(text));
    return client;
  }

  /** The next connection that reaches the plain server. */
  accept(): Promise<Deno.TcpConn> {
    return deadline(this.#listener.accept());
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.front.close();
    await eventually(() => this.front.size, (size) => size === 0);
    this.#listener.close();
  }
}

async function readText(connection: Deno.Conn): Promise<string | null> {
  const buffer = new Uint8Array(100);
  const length = await deadline(connection.read(buffer));
  return length === null ? null : decoder.decode(buffer.subarray(0, length));
}

/** Reads up to the end, whichever way it comes, and returns how many bytes there were. */
async function readToEnd(connection: Deno.Conn): Promise<number> {
  const buffer = new Uint8Array(65_536);
  let bytes = 0;
  try {
    for (let length; (length = await deadline(connection.read(buffer))) !== null;) bytes += length;
  } catch (error) {
    const { ConnectionReset, UnexpectedEof } = Deno.errors;
    if (!(error instanceof ConnectionReset || error instanceof UnexpectedEof)) throw error;
  }
  return bytes;
}

Deno.test("a TlsFront hands on what comes, both ways, and the end of it", async () => {
  await using folder = new TemporaryFolder();
  const certificate = await makeCertificate(folder.path, "a");
  await using behind = Behind.open(certificate);
  const client = await behind.connect(certificate);
  await client.write(encoder.encode("ping"));
  using server = await behind.accept();
  assertEquals(await readText(server), "ping");
  const { port } = server.remoteAddr;
  assertEquals([behind.front.addressOf(port), behind.front.size], ["127.0.0.1", 1]);
  await server.write(encoder.encode("pong"));
  assertEquals(await readText(client), "pong");
  await server.write(encoder.encode("bye"));
  await server.closeWrite();
  assertEquals([await readText(client), await readText(client)], ["bye", null]);
  client.close();
  assertEquals(await readText(server), null);
  await eventually(() => behind.front.size, (size) => size === 0);
  assertEquals(behind.front.addressOf(port), undefined);
  assertEquals(behind.errors.takeAll(), []);
});

Deno.test("a TlsFront tells the server when a client has left, and how it was lost", async () => {
  await using folder = new TemporaryFolder();
  const certificate = await makeCertificate(folder.path, "a");
  await using behind = Behind.open(certificate);
  const client = await behind.connect(certificate);
  await client.handshake();
  using server = await behind.accept();
  client.close();
  assertEquals(await readText(server), null);
  await eventually(() => behind.front.size, (size) => size === 0);
});

Deno.test("a TlsFront hands on more than it holds, however slowly that is taken", async () => {
  await using folder = new TemporaryFolder();
  const certificate = await makeCertificate(folder.path, "a");
  await using behind = Behind.open(certificate);
  using client = await behind.connect(certificate);
  await client.handshake();
  using server = await behind.accept();
  const sent = new Uint8Array(4_000_000).map((_, at) => (at * 31) >> 3);
  const writing = (async () => {
    for (let at = 0; at < sent.length;) at += await server.write(sent.subarray(at));
    await server.closeWrite();
  })();
  const received = new Uint8Array(sent.length);
  for (let at = 0; at < received.length;) {
    at += await deadline(client.read(received.subarray(at, at + 10_000))) ?? received.length;
  }
  await writing;
  assertEquals([Buffer.compare(received, sent), await readText(client)], [0, null]);
});

Deno.test("TlsFront.renew() shows the new certificate, and leaves connections as they are", async () => {
  await using folder = new TemporaryFolder();
  const old = await makeCertificate(folder.path, "old");
  const renewed = await makeCertificate(folder.path, "new");
  await using behind = Behind.open(old);
  using client = await behind.connect(old);
  await client.handshake();
  using server = await behind.accept();
  for (const [shown, gone] of [[renewed, old], [old, renewed], [renewed, old]] as const) {
    behind.front.renew(shown);
    assertEquals([await shows(behind.port, shown), await shows(behind.port, gone)], [true, false]);
    using another = await behind.connect(shown, ["h2", "http/1.1"]);
    assertEquals((await another.handshake()).alpnProtocol, "http/1.1");
  }
  await server.write(encoder.encode("still here"));
  assertEquals(await readText(client), "still here");
});

Deno.test("a TlsFront cuts who does not finish the handshake in time", async () => {
  await using folder = new TemporaryFolder();
  const certificate = await makeCertificate(folder.path, "a");
  await using behind = Behind.open(certificate);
  for (const start of ["", "\x16\x03\x01\x02\x00\x01"]) {
    using client = await behind.connectPlain(start);
    await eventually(() => behind.front.size, (size) => size === 1);
    await behind.clock.pass(9_999);
    assertEquals(behind.front.size, 1);
    await behind.clock.pass(1);
    assertEquals(await readToEnd(client), 0);
    assertEquals(await behind.errors.next(), ["TLS handshake timeout", "127.0.0.1"]);
  }
  await eventually(() => behind.front.size, (size) => size === 0);
});

Deno.test("a TlsFront cuts who speaks no TLS, and serves the others", async () => {
  await using folder = new TemporaryFolder();
  const certificate = await makeCertificate(folder.path, "a");
  await using behind = Behind.open(certificate);
  const garbage = [
    "GET / HTTP/1.1\r\nHost: localhost\r\n\r\n",
    "\x16\x03\x01\xff\xff",
    "\0".repeat(99),
  ];
  for (const text of garbage) {
    using client = await behind.connectPlain(text);
    await readToEnd(client);
    await behind.errors.next();
    assert(await shows(behind.port, certificate));
  }
  const reset = await behind.connectPlain("\x16\x03");
  reset.close();
  await eventually(() => behind.front.size, (size) => size === 0);
});

Deno.test("a TlsFront has so many connections, and closes one more at once", async () => {
  await using folder = new TemporaryFolder();
  const certificate = await makeCertificate(folder.path, "a");
  await using behind = Behind.open(certificate, { connectionsMax: 1 });
  const first = await behind.connect(certificate);
  await first.handshake();
  using server = await behind.accept();
  using second = await behind.connectPlain();
  assertEquals([await readToEnd(second), await behind.refused.next()], [0, "127.0.0.1"]);
  first.close();
  assertEquals(await readText(server), null);
  await eventually(() => behind.front.size, (size) => size === 0);
  assert(await shows(behind.port, certificate));
});

Deno.test("a TlsFront cuts who does not leave ten seconds after the server has", async () => {
  await using folder = new TemporaryFolder();
  const certificate = await makeCertificate(folder.path, "a");
  await using behind = Behind.open(certificate);
  using client = await behind.connect(certificate);
  await client.handshake();
  const server = await behind.accept();
  const { port } = server.remoteAddr;
  await eventually(() => behind.front.addressOf(port), (address) => address !== undefined);
  server.close();
  await eventually(() => behind.front.addressOf(port), (address) => address === undefined);
  await behind.clock.pass(9_999);
  assertEquals(behind.front.size, 1);
  await behind.clock.pass(1);
  await eventually(() => behind.front.size, (size) => size === 0);
});

Deno.test("a TlsFront that is closed takes every connection with it", async () => {
  await using folder = new TemporaryFolder();
  const certificate = await makeCertificate(folder.path, "a");
  await using behind = Behind.open(certificate);
  using client = await behind.connect(certificate);
  await client.handshake();
  using server = await behind.accept();
  using silent = await behind.connectPlain();
  behind.front.close();
  for (const connection of [client, server, silent]) assertEquals(await readToEnd(connection), 0);
  await eventually(() => behind.front.size, (size) => size === 0);
});

Deno.test("TlsFront.listen() throws if the address is taken", async () => {
  await using folder = new TemporaryFolder();
  const certificate = await makeCertificate(folder.path, "a");
  await using behind = Behind.open(certificate);
  const { port, clock } = behind;
  const bounds = { target: 1, connectionsMax: 1, clock };
  const options = {
    credentials: certificate,
    ...bounds,
    onError() {},
    onRefused() {},
    onFailure() {},
  };
  const second = new TlsFront(options);
  assertThrows(() => second.listen({ hostname: "127.0.0.1", port }), Deno.errors.AddrInUse);
});

Deno.test("readCredentials() says why two files cannot be used", async () => {
  await using folder = new TemporaryFolder();
  const { path } = folder;
  const a = await makeCertificate(path, "a");
  const b = await makeCertificate(path, "b");
  assertEquals(readCredentials(a.certFile, a.keyFile), { cert: a.cert, key: a.key });
  await Deno.writeTextFile(`${path}/empty`, "");
  await Deno.writeTextFile(`${path}/broken`, a.cert.replaceAll("M", "!"));
  const wrong: [cert: string, key: string, why: RegExp][] = [
    [a.certFile, b.keyFile, /: they do not belong together$/],
    [`${path}/missing`, a.keyFile, /: No such file or directory /],
    [a.certFile, `${path}/missing`, /: No such file or directory /],
    [path, a.keyFile, /: Is a directory /],
    [`${path}/empty`, a.keyFile, /: No certificates found /],
    [a.certFile, `${path}/empty`, /: No keys found /],
    [a.keyFile, a.certFile, /: No certificates found /],
    [`${path}/broken`, a.keyFile, /: Unable to decode certificate$/],
  ];
  for (const [cert, key, why] of wrong) {
    const { message } = assertThrows(() => readCredentials(cert, key), CertificateError);
    assertEquals(message.startsWith(`Cannot use certificate ${cert} with key ${key}: `), true);
    assertEquals(why.test(message), true, message);
  }
});
