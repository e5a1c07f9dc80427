import { assertEquals, assertThrows } from "@std/assert";
import { Buffer } from "node:buffer";
import { CertificateError } from "../../lib/core/errors.ts";
import { readCredentials, TlsFront } from "../../lib/net/tls.ts";
import { makeCertificate, shows, TemporaryFolder } from "../support/certificates.ts";
import { deadline, eventually } from "../support/deadline.ts";
import { Behind, readText, readToEnd, slots } from "../support/tls.ts";

const encoder = new TextEncoder();

Deno.test("a TlsFront forwards data and its end in both directions", async () => {
  await using folder = new TemporaryFolder();
  const certificate = await makeCertificate(folder.path, "a");
  await using behind = Behind.open(certificate);
  const client = await behind.connect(certificate);
  await client.write(encoder.encode("ping"));
  using server = await behind.accept();
  assertEquals(await readText(server), "ping");
  const from = server.remoteAddr as Deno.NetAddr;
  assertEquals([behind.front.addressOf(from), behind.front.size], ["127.0.0.1", 1]);
  await server.write(encoder.encode("pong"));
  assertEquals(await readText(client), "pong");
  await server.write(encoder.encode("bye"));
  await server.closeWrite();
  assertEquals([await readText(client), await readText(client)], ["bye", null]);
  client.close();
  assertEquals(await readText(server), null);
  await eventually(() => behind.front.size, (size) => size === 0);
  assertEquals(behind.front.addressOf(from), undefined);
  assertEquals(behind.errors.takeAll(), []);
});

Deno.test("a TlsFront closes the connection to the server when a client leaves, and reports a lost one", async () => {
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

Deno.test("a TlsFront forwards more than it buffers, even if it is read slowly", async () => {
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

Deno.test("TlsFront.renew() uses the new certificate, and keeps open connections", async () => {
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

Deno.test("TlsFront.close() ends every connection", async () => {
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

Deno.test("TlsFront.listen() throws if the address is in use", async () => {
  await using folder = new TemporaryFolder();
  const certificate = await makeCertificate(folder.path, "a");
  await using behind = Behind.open(certificate);
  const { port, clock } = behind;
  const bounds = { target: 1, slots: slots(), clock, handshakeTimeoutMs: 10_000 };
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
