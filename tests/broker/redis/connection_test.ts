import { assertEquals, assertRejects } from "@std/assert";
import { parseRedisUrl, type RedisAddress } from "../../../lib/core/redis_url.ts";
import { ConnectionLost, RedisConnection } from "../../../lib/broker/redis/connection.ts";
import { ReplyError } from "../../../lib/broker/redis/resp.ts";
import { systemClock } from "../../../lib/core/clock.ts";
import { makeCertificate, TemporaryFolder } from "../../support/certificates.ts";
import { deadline } from "../../support/deadline.ts";
import { freePort } from "../../support/free_port.ts";
import { Proxy } from "../../support/proxy.ts";
import { NO_REDIS, RedisServer } from "../../support/redis.ts";

function open(url: string, caCerts: string[] = [], timeoutMs = 5000): Promise<RedisConnection> {
  const [address] = parseRedisUrl(url, caCerts).addresses;
  return RedisConnection.open(address as RedisAddress, { clock: systemClock, timeoutMs });
}

function test(name: string, run: () => Promise<void>): void {
  Deno.test({ name, ignore: NO_REDIS, fn: run });
}

test("RedisConnection answers commands in their order, however many are sent at once", async () => {
  await using server = await RedisServer.start();
  const connection = await open(server.url);
  const sent = Array.from({ length: 10_000 }, (_, index) => connection.send("ECHO", index));
  assertEquals(await Promise.all(sent), Array.from({ length: 10_000 }, (_, index) => `${index}`));
  const long = "ä€😀\r\n".repeat(300_000);
  await connection.send("SET", "long", long);
  assertEquals(await connection.send("GET", "long"), long);
  connection.close();
  assertEquals((await connection.ended).message, "the connection to Redis was closed");
});

test("RedisConnection rejects a command that Redis refuses, and goes on", async () => {
  await using server = await RedisServer.start();
  const connection = await open(server.url);
  const wrong = connection.send("NONSENSE");
  const right = connection.send("PING");
  const error = await assertRejects(() => wrong, ReplyError);
  assertEquals([error.code, await right], ["ERR", "PONG"]);
  connection.close();
});

test("RedisConnection logs in and selects a database", async () => {
  await using server = await RedisServer.start({
    config: { user: "hark on >s3cret ~* &* +@all", requirepass: "other" },
  });
  const place = `127.0.0.1:${server.port}`;
  const named = await open(`redis://hark:s3cret@${place}/3`);
  assertEquals(await named.send("ACL", "WHOAMI"), "hark");
  await named.send("SET", "a", 1);
  const bare = await open(`redis://:other@${place}/3`);
  assertEquals(await bare.send("GET", "a"), "1");
  named.close();
  bare.close();
  const refused = await assertRejects(() => open(`redis://hark:wr0ng@${place}`), ReplyError);
  assertEquals([refused.code, refused.message.includes("wr0ng")], ["WRONGPASS", false]);
});

test("RedisConnection connects by TLS to a server whose certificate it trusts, and no other", async () => {
  await using folder = new TemporaryFolder();
  const certificate = await makeCertificate(folder.path, "localhost");
  const port = freePort();
  await using _server = await RedisServer.start({
    folder: folder.path,
    config: {
      "tls-port": String(port),
      "tls-cert-file": certificate.certFile,
      "tls-key-file": certificate.keyFile,
      "tls-auth-clients": "no",
    },
  });
  const connection = await open(`rediss://localhost:${port}`, [certificate.cert]);
  assertEquals(await connection.send("PING"), "PONG");
  connection.close();
  await assertRejects(() => open(`rediss://localhost:${port}`), ConnectionLost, "failed");
});

test("RedisConnection connects to a Unix socket", async () => {
  await using folder = new TemporaryFolder();
  const path = `${folder.path}/redis.sock`;
  await using _server = await RedisServer.start({
    folder: folder.path,
    config: { unixsocket: path },
  });
  const connection = await open(`redis+unix://${path}?db=2`);
  assertEquals(await connection.send("PING"), "PONG");
  connection.close();
});

test("RedisConnection ends when Redis is killed, and says so to all that wait", async () => {
  await using server = await RedisServer.start();
  const connection = await open(server.url);
  const waiting = connection.send("BLPOP", "nothing", 0);
  waiting.catch(() => {});
  await server.stop();
  await assertRejects(() => waiting, ConnectionLost);
  await assertRejects(() => connection.send("PING"), ConnectionLost);
  assertEquals(connection.isOpen, false);
  await assertRejects(() => open(server.url), ConnectionLost, "the connection to Redis failed");
});

test("RedisConnection ends when a reply does not come in time", async () => {
  await using server = await RedisServer.start();
  const connection = await open(server.url, [], 100);
  server.signal("SIGSTOP");
  const waiting = [connection.send("PING"), connection.send("PING")];
  const lost = await deadline(connection.ended);
  assertEquals(lost.message, "Redis gave no reply within 100 ms");
  for (const each of await Promise.allSettled(waiting)) assertEquals(each.status, "rejected");
  server.signal("SIGCONT");
});

test("RedisConnection waits for a long reply as long as bytes of it come, if it may", async () => {
  await using server = await RedisServer.start();
  await using proxy = new Proxy(server.port);
  const [address] = parseRedisUrl(`redis://127.0.0.1:${proxy.port}`).addresses;
  const options = { clock: systemClock, timeoutMs: 500 };
  const patient = await RedisConnection.open(address!, { ...options, mayTrickle: true });
  const strict = await RedisConnection.open(address!, options);
  await server.cli("SETRANGE", "long", "200000", "x");
  // Chunks that fit the time, of a reply that does not.
  proxy.bytesPerSecondMax = 200_000;
  const late = assertRejects(() => strict.send("GET", "long"), ConnectionLost, "within 500 ms");
  assertEquals(String(await patient.send("GET", "long")).length, 200_001);
  await late;
  patient.close();
});
