import { assertEquals, assertMatch } from "@std/assert";
import {
  makeCertificate,
  shows,
  TemporaryFolder,
  type TestCertificate,
  trusting,
} from "../support/certificates.ts";
import { deadline } from "../support/deadline.ts";
import { EventStream } from "../support/events.ts";
import { command, startChild } from "../support/child.ts";
import { startServer } from "../support/server.ts";
import { Client } from "../support/socket.ts";
import { listeningPorts, portsConnectedTo, statusFrom } from "../support/tcp.ts";

/** Replaces a certificate by another one. */
async function replace(old: TestCertificate, by: TestCertificate): Promise<void> {
  await Deno.copyFile(by.certFile, old.certFile);
  await Deno.copyFile(by.keyFile, old.keyFile);
}

Deno.test("with a certificate, every transport uses https and wss, and none works without TLS", async () => {
  await using folder = new TemporaryFolder();
  const { certFile: tlsCert, keyFile: tlsKey, ...certificate } = await makeCertificate(
    folder.path,
    "a",
  );
  await using server = await startServer({ tlsCert, tlsKey });
  using client = trusting({ ...certificate, certFile: tlsCert, keyFile: tlsKey });
  const host = `localhost:${server.port}`;
  const socket = await Client.open(`wss://${host}/ws`, { client });
  const events = await EventStream.open(`https://${host}/events`, {}, client);
  const polling = `https://${host}/socket.io/?EIO=4&transport=polling`;
  assertMatch(await (await fetch(polling, { client })).text(), /^0\{"sid":/);
  await socket.text();
  const published = await fetch(`https://${host}/broadcast/hello`, { client });
  assertEquals(await published.text(), '{"message":"hello"}');
  assertEquals(await socket.json(), { message: "hello" });
  assertMatch(await events.blocks.find((block) => block.includes("hello")), /^id: /);
  const { address } = await server.log.find(({ message }) => message === "new connection");
  assertEquals(address, "127.0.0.1");
  const plain = await deadline(fetch(`http://${host}/count`).then((it) => it.text(), String));
  assertMatch(plain, /error|reset|invalid/i);
  await server.log.find(({ message }) => message === "connection failed");
  const metrics = await (await fetch(`https://${host}/metrics`, { client })).text();
  assertMatch(metrics, /^hark_rejected_total\{reason="connection-failed"\} 1$/m);
  await socket[Symbol.asyncDispose]();
  await events[Symbol.asyncDispose]();
});

Deno.test("with a certificate, only pages that came by https are the server's own", async () => {
  await using folder = new TemporaryFolder();
  const certificate = await makeCertificate(folder.path, "a");
  const { certFile: tlsCert, keyFile: tlsKey } = certificate;
  await using server = await startServer({ tlsCert, tlsKey });
  using client = trusting(certificate);
  const host = `localhost:${server.port}`;
  for (const [origin, status] of [[`https://${host}`, 200], [`http://${host}`, 403]] as const) {
    const url = `https://${host}/broadcast/x`;
    const answer = await fetch(url, { method: "POST", headers: { origin }, client });
    await answer.body?.cancel();
    assertEquals(answer.status, status, origin);
  }
});

Deno.test("a trusted proxy may open the TLS connections of many addresses", async () => {
  await using folder = new TemporaryFolder();
  const certificate = await makeCertificate(folder.path, "a");
  const { certFile: tlsCert, keyFile: tlsKey } = certificate;
  const bounds = { trustProxy: 1, connectionsPerAddressMax: 1 };
  await using server = await startServer({ tlsCert, tlsKey, ...bounds });
  using client = trusting(certificate);
  const open: Client[] = [];
  for (const address of ["192.0.2.1", "192.0.2.2", "192.0.2.3", "192.0.2.4"]) {
    const headers = { "x-forwarded-for": address };
    open.push(await Client.open(`wss://localhost:${server.port}/ws`, { client, headers }));
  }
  for (const socket of open) await socket[Symbol.asyncDispose]();
});

Deno.test("the plain server behind TLS answers only its front", async () => {
  await using folder = new TemporaryFolder();
  const { certFile, keyFile } = await makeCertificate(folder.path, "a");
  await using server = await startChild(["--tls-cert", certFile, "--tls-key", keyFile]);
  const ports = await listeningPorts(server.pid);
  const inner = ports.filter((port) => port !== server.port);
  assertEquals([ports.length, inner.length], [2, 1]);
  for (const path of ["/broadcast/x", "/count", "/metrics"]) {
    const answer = await fetch(`http://127.0.0.1:${inner[0]}${path}`);
    assertEquals([answer.status, (await answer.json()).type], [
      421,
      "urn:hark:problem:misdirected",
    ]);
  }
});

Deno.test("the plain server behind TLS checks the address of its front, not only the port", async () => {
  await using folder = new TemporaryFolder();
  const certificate = await makeCertificate(folder.path, "a");
  const { certFile, keyFile } = certificate;
  await using server = await startChild(["--tls-cert", certFile, "--tls-key", keyFile]);
  using client = trusting(certificate);
  await using socket = await Client.open(`wss://localhost:${server.port}/ws`, { client });
  await socket.text();
  const inner = (await listeningPorts(server.pid)).find((port) => port !== server.port)!;
  const [taken] = await portsConnectedTo(inner);
  assertEquals(await statusFrom("127.0.0.2", taken!, `http://127.0.0.1:${inner}/count`), "421");
});

Deno.test("SIGHUP renews the certificate, and drops no session", async () => {
  await using folder = new TemporaryFolder();
  const used = await makeCertificate(folder.path, "used");
  const [old, renewed] = [
    await makeCertificate(folder.path, "old"),
    await makeCertificate(folder.path, "new"),
  ];
  await replace(used, old);
  const flags = ["--tls-cert", used.certFile, "--tls-key", used.keyFile, "--drain-s", "0"];
  await using server = await startChild(flags);
  const host = `localhost:${server.port}`;
  using client = trusting(old, renewed);
  const socket = await Client.open(`wss://${host}/ws`, { client });
  const events = await EventStream.open(`https://${host}/events`, {}, client);
  assertEquals([await shows(server.port, old), await shows(server.port, renewed)], [true, false]);

  await replace(used, renewed);
  server.kill("SIGHUP");
  assertMatch(await server.stdout.find((line) => line.includes("certificate")), /info .*renewed$/);
  assertEquals([await shows(server.port, old), await shows(server.port, renewed)], [false, true]);

  await Deno.writeTextFile(used.keyFile, "broken");
  server.kill("SIGHUP");
  const line = await server.stderr.find((line) => line.includes("certificate not renewed"));
  assertMatch(line, / error certificate not renewed why="Cannot use certificate .* No keys found/);
  assertEquals([await shows(server.port, old), await shows(server.port, renewed)], [false, true]);

  await (await fetch(`https://${host}/broadcast/still-here`, { client })).text();
  await socket.frames.find((frame) => String(frame).includes("still-here"));
  await events.blocks.find((block) => block.includes("still-here"));
  server.kill("SIGTERM");
  assertEquals((await socket.closed()).code, 1001);
  assertEquals((await deadline(server.status)).code, 0);
  await events[Symbol.asyncDispose]();
});

Deno.test("a certificate that cannot be used is reported in one line, with exit code 1", async () => {
  await using folder = new TemporaryFolder();
  const a = await makeCertificate(folder.path, "a");
  const b = await makeCertificate(folder.path, "b");
  const args = ["--port", "0", "--tls-cert", a.certFile, "--tls-key", b.keyFile];
  const { code, stdout, stderr } = await deadline(command(args).output());
  const decoder = new TextDecoder();
  assertEquals([code, decoder.decode(stdout), decoder.decode(stderr)], [
    1,
    "",
    `Cannot use certificate ${a.certFile} with key ${b.keyFile}: they do not belong together\n`,
  ]);
});
