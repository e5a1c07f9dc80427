import { assertEquals, assertRejects } from "@std/assert";
import { parseRedisUrl, type RedisAddress } from "../../../lib/core/redis_url.ts";
import {
  ConnectionLost,
  RedisConnection,
  type RedisConnectionOptions,
} from "../../../lib/broker/redis/connection.ts";
import { type Reply, ReplyError } from "../../../lib/broker/redis/resp.ts";
import { makeCertificate, TemporaryFolder } from "../../support/certificates.ts";
import { deadline } from "../../support/deadline.ts";
import { FakeClock } from "../../support/fake_clock.ts";
import { freePort } from "../../support/free_port.ts";
import { NO_REDIS, RedisServer } from "../../support/redis.ts";

const TIMEOUT_MS = 5000;

/** Opens a connection for which no time passes, unless the test lets it. */
function open(
  url: string,
  caCerts: string[] = [],
  clock = new FakeClock(),
): Promise<RedisConnection> {
  const [address] = parseRedisUrl(url, caCerts).addresses;
  return RedisConnection.open(address as RedisAddress, { clock, timeoutMs: TIMEOUT_MS });
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

test("RedisConnection sends a command that is larger than its bound if no other waits", async () => {
  await using server = await RedisServer.start();
  const connection = await open(server.url);
  const large = "x".repeat(65 * 2 ** 20);
  const sent = [connection.send("SET", "a", large), connection.send("SET", "b", large)];
  const [first, second] = await Promise.allSettled(sent);
  assertEquals([first?.status, second?.status], ["fulfilled", "rejected"]);
  assertEquals(await connection.send("STRLEN", "a"), large.length);
  connection.close();
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

test("RedisConnection rejects all commands when Redis is killed", async () => {
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
  const clock = new FakeClock();
  const connection = await open(server.url, [], clock);
  server.signal("SIGSTOP");
  const waiting = [connection.send("PING"), connection.send("PING")];
  clock.advance(TIMEOUT_MS);
  const lost = await deadline(connection.ended);
  assertEquals(lost.message, "Redis gave no reply within 5000 ms");
  for (const each of await Promise.allSettled(waiting)) assertEquals(each.status, "rejected");
  server.signal("SIGCONT");
});

/** A connection to a Redis that the test plays. */
async function openScripted(listener: Deno.TcpListener, options: RedisConnectionOptions) {
  const { addresses: [address] } = parseRedisUrl(`redis://127.0.0.1:${listener.addr.port}`);
  const [redis, connection] = await Promise.all([
    listener.accept(),
    RedisConnection.open(address!, options),
  ]);
  return { redis, connection };
}

Deno.test("RedisConnection with mayTrickle waits for a reply as long as bytes keep coming", async () => {
  using listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const clock = new FakeClock();
  const patient = await openScripted(listener, { clock, timeoutMs: 500, mayTrickle: true });
  const strict = await openScripted(listener, { clock, timeoutMs: 500 });
  const replies = [patient, strict].map(({ connection }) =>
    Array.from({ length: 4 }, (_, at) => connection.send("GET", at))
  ) as [Promise<Reply>[], Promise<Reply>[]];
  const late = Promise.all(
    replies[1].slice(1).map((reply) => assertRejects(() => reply, ConnectionLost, "within 500 ms")),
  );
  // Each piece ends a reply, which shows that it was read, and begins the next.
  const pieces = [
    "$9\r\nreply",
    " one\r\n$9\r\nreply",
    " two\r\n$11\r\nreply",
    " three\r\n$10\r\nreply",
  ];
  const whole = ["reply one", "reply two", "reply three", "reply four"];
  for (const [at, piece] of [...pieces, " four\r\n"].entries()) {
    for (const [index, { redis }] of [patient, strict].entries()) {
      if (index === 1 && at > 1) continue;
      await redis.write(new TextEncoder().encode(piece));
      if (at > 0) assertEquals(String(await replies[index]![at - 1]), whole[at - 1]);
    }
    clock.advance(400);
  }
  await late;
  for (const { redis, connection } of [patient, strict]) {
    connection.close();
    redis.close();
  }
});
