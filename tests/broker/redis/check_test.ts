import { assertEquals, assertRejects, assertThrows } from "@std/assert";
import { RedisError } from "../../../lib/core/errors.ts";
import { tryRedis } from "../../../lib/broker/redis/check.ts";
import { whatIsUnwiseOf } from "../../../lib/broker/redis/report.ts";
import { readTarget } from "../../../lib/broker/redis/target.ts";
import { systemClock } from "../../../lib/core/clock.ts";
import { makeCertificate, TemporaryFolder } from "../../support/certificates.ts";
import { FakeClock } from "../../support/fake_clock.ts";
import { freePort } from "../../support/free_port.ts";
import { NO_REDIS, RedisServer } from "../../support/redis.ts";
import { command, startChild } from "../../support/child.ts";
import { newJournal } from "./test_journal.ts";

const SOUND = {
  redis_version: "7.0.15",
  maxmemory_policy: "noeviction",
  aof_enabled: "1",
  connected_slaves: "1",
  min_slaves_good_slaves: "1",
};

const UNWISE: readonly [
  changed: Readonly<Record<string, string | undefined>>,
  skewMs: number,
  said: string | undefined,
][] = [
  [{}, 0, undefined],
  [{ redis_version: "6.2.1" }, 0, "redis 6.2.1 is too old for the log"],
  [{ redis_version: "7.2.4", valkey_version: "8.0.1" }, 0, undefined],
  [{ maxmemory_policy: "allkeys-lru" }, 0, "set maxmemory-policy noeviction"],
  [{ maxmemory_policy: undefined }, 0, undefined],
  [{ aof_enabled: "0" }, 0, "set appendonly yes"],
  [{ min_slaves_good_slaves: undefined }, 0, "set min-replicas-to-write 1"],
  [{ min_slaves_good_slaves: undefined, connected_slaves: "0" }, 0, undefined],
  [{}, 2000, undefined],
  [{}, 3100, "this clock is 3 s behind that of Redis"],
  [{}, -3100, "this clock is 3 s ahead of that of Redis"],
];

Deno.test("whatIsUnwiseOf() says what to do about a server", () => {
  for (const [changed, skewMs, said] of UNWISE) {
    const fields = Object.entries({ ...SOUND, ...changed });
    const info = new Map(
      fields.filter((field): field is [string, string] => field[1] !== undefined),
    );
    const found = whatIsUnwiseOf({ info, skewMs });
    assertEquals(found.length, said === undefined ? 0 : 1, String(found));
    assertEquals(said === undefined || found[0]!.includes(said), true, found[0]);
  }
});

Deno.test("readTarget() says what is wrong with a file of certificates", async () => {
  await using folder = new TemporaryFolder();
  const file = `${folder.path}/ca.pem`;
  const read = () => readTarget({ redis: "rediss://localhost", redisCa: file });
  assertThrows(read, RedisError, "No such file");
  await Deno.writeTextFile(file, "nothing");
  assertThrows(read, RedisError, "expected -----BEGIN CERTIFICATE-----");
  const { certFile, cert } = await makeCertificate(folder.path, "a");
  const { addresses } = readTarget({ redis: "rediss://localhost", redisCa: certFile });
  assertEquals(addresses[0]!.caCerts, [cert]);
});

function test(name: string, fn: () => Promise<void>): void {
  Deno.test({ name, ignore: NO_REDIS, fn });
}

function tryServer(redis: string): Promise<string[]> {
  return tryRedis({ redis, redisCa: "", redisName: "hark" }, systemClock);
}

test("tryRedis() finds what is unwise, and writes nothing", async () => {
  await using sound = await RedisServer.start({ config: { appendonly: "yes" } });
  assertEquals(await tryServer(sound.url), []);
  assertEquals(await sound.cli("DBSIZE"), "0");
  await using unwise = await RedisServer.start({ config: { "maxmemory-policy": "allkeys-lru" } });
  const found = await tryServer(unwise.url);
  assertEquals(found.map((text) => text.split(": ")[1]), [
    "set maxmemory-policy noeviction",
    "set appendonly yes",
  ]);
});

test("tryRedis() says why a node could not use Redis, and shows no password", async () => {
  const user = "hark on >s3cret ~* &* +@all -xread";
  await using server = await RedisServer.start({ config: { user } });
  const place = `127.0.0.1:${server.port}`;
  for (
    const [login, why] of [
      ["hark:wr0ng@", "WRONGPASS"],
      ["hark:s3cret@", "NOPERM"],
    ]
  ) {
    const error = await assertRejects(() => tryServer(`redis://${login}${place}`), RedisError);
    assertEquals(error.message.startsWith(`Cannot use Redis at ${place}: ${why}`), true);
    assertEquals(/s3cret|wr0ng/.test(error.message), false);
  }
});

test("RedisJournal warns once of what is unwise, when it is first opened", async () => {
  await using server = await RedisServer.start();
  const warnings: string[] = [];
  const warn = (why: string) => void warnings.push(why);
  const journal = newJournal(server.url, { clock: new FakeClock(Date.now()), warn });
  await journal.open();
  await journal.open();
  assertEquals(warnings, ["Redis forgets acknowledged messages when it ends: set appendonly yes"]);
  await journal.close();
});

test("a node that cannot use Redis says so in one line, and ends", async () => {
  const port = freePort();
  const url = `redis://:s3cret@127.0.0.1:${port}`;
  const { code, stderr } = await command(["--port", "0"], { HARK_REDIS: url }).output();
  const said = new TextDecoder().decode(stderr).trim().split("\n");
  assertEquals([code, said.length], [1, 1], said.join("\n"));
  assertEquals(said[0]!.startsWith(`Cannot use Redis at 127.0.0.1:${port}: `), true, said[0]);
});

test("a node trusts the certificates of --redis-ca", async () => {
  await using folder = new TemporaryFolder();
  const { certFile, keyFile } = await makeCertificate(folder.path, "localhost");
  const port = freePort();
  await using _redis = await RedisServer.start({
    config: {
      "tls-port": String(port),
      "tls-cert-file": certFile,
      "tls-key-file": keyFile,
      "tls-auth-clients": "no",
    },
  });
  const redis = ["--redis", `rediss://localhost:${port}`];
  await using node = await startChild([...redis, "--redis-ca", certFile]);
  assertEquals((await node.publish("a", "x")).endsWith("-1"), true);
  const { code } = await command(["--port", "0", ...redis]).output();
  assertEquals(code, 1);
});
