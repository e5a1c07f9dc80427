import { assert, assertEquals } from "@std/assert";
import { makeCertificate, shows, TemporaryFolder } from "../support/certificates.ts";
import { eventually } from "../support/deadline.ts";
import { Behind, empty, fill, readText, readToEnd, slots } from "../support/tls.ts";

const encoder = new TextEncoder();

Deno.test("a TlsFront cuts clients that do not finish the handshake in time", async () => {
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

Deno.test("a TlsFront cuts clients that do not speak TLS, and serves the others", async () => {
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

for (const bound of ["connectionsMax", "connectionsPerAddressMax"]) {
  Deno.test(`a TlsFront has ${bound} connections, and closes one more at once`, async () => {
    await using folder = new TemporaryFolder();
    const certificate = await makeCertificate(folder.path, "a");
    await using behind = Behind.open(certificate, { slots: slots({ [bound]: 1 }) });
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
}

Deno.test("a TlsFront cuts clients that send nothing for ten seconds after the handshake", async () => {
  await using folder = new TemporaryFolder();
  const certificate = await makeCertificate(folder.path, "a");
  await using behind = Behind.open(certificate);
  await behind.clock.pass(5_000);
  using silent = await behind.connect(certificate);
  await silent.handshake();
  using server = await behind.accept();
  using speaking = await behind.connect(certificate);
  await speaking.handshake();
  using another = await behind.accept();
  await speaking.write(encoder.encode("G"));
  assertEquals(await readText(another), "G");
  await behind.clock.pass(9_999);
  assertEquals(behind.front.size, 2);
  await behind.clock.pass(1);
  assertEquals(await behind.errors.next(), ["no request within 10 s", "127.0.0.1"]);
  assertEquals([await readToEnd(silent), await readText(server)], [0, null]);
  await behind.clock.pass(3_600_000);
  assertEquals(behind.front.size, 1);
});

Deno.test("a TlsFront cuts clients that stay ten seconds after the server has closed", async () => {
  await using folder = new TemporaryFolder();
  const certificate = await makeCertificate(folder.path, "a");
  await using behind = Behind.open(certificate);
  using client = await behind.connect(certificate);
  await client.handshake();
  const server = await behind.accept();
  const from = server.remoteAddr as Deno.NetAddr;
  await eventually(() => behind.front.addressOf(from), (address) => address !== undefined);
  server.close();
  await eventually(() => behind.front.addressOf(from), (address) => address === undefined);
  await behind.clock.pass(9_999);
  assertEquals(behind.front.size, 1);
  await behind.clock.pass(1);
  await eventually(() => behind.front.size, (size) => size === 0);
});

Deno.test("a TlsFront cuts clients that read nothing for two minutes while data waits", async () => {
  await using folder = new TemporaryFolder();
  const certificate = await makeCertificate(folder.path, "a");
  await using behind = Behind.open(certificate);
  using client = await behind.connect(certificate);
  await client.write(encoder.encode("GET"));
  using server = await behind.accept();
  const first = await fill(server);
  await behind.clock.pass(119_999);
  await empty(client, first);
  await behind.clock.pass(3_600_000);
  assertEquals(behind.front.size, 1);
  const second = await fill(server);
  await behind.clock.pass(119_999);
  assertEquals(behind.front.size, 1);
  // Data that was on its way when the wait began counts as read.
  await behind.clock.pass(120_001);
  assertEquals(await behind.errors.next(), ["nothing taken for 120 s", "127.0.0.1"]);
  await eventually(() => behind.front.size, (size) => size === 0);
  assertEquals(await readToEnd(server), "GET".length);
  assert(await readToEnd(client) < second.bytes);
});
