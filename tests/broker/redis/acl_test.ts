import { assertEquals } from "@std/assert";
import { RedisConnection } from "../../../lib/broker/redis/connection.ts";
import { tryRedis } from "../../../lib/broker/redis/check.ts";
import { RedisKeys, SCRIPTS } from "../../../lib/broker/redis/scripts.ts";
import { systemClock as clock } from "../../../lib/core/clock.ts";
import { parseRedisUrl } from "../../../lib/core/redis_url.ts";
import { readDoc } from "../../support/docs.ts";
import { NO_REDIS, RedisServer } from "../../support/redis.ts";
import { brokerOn, Deliveries, publishOn } from "../helpers.ts";
import { newJournal } from "./test_journal.ts";

const [, RULE = ""] = /^ACL SETUSER (hark on >s3cret .*)$/m.exec(await readDoc("cluster")) ?? [];

Deno.test({
  name: "the Redis user in cluster.md has all permissions that a node needs",
  ignore: NO_REDIS,
  async fn() {
    await using server = await RedisServer.start();
    await server.cli("ACL", "SETUSER", ...RULE.split(" "));
    const redis = `redis://hark:s3cret@127.0.0.1:${server.port}/1`;
    const keys = new RedisKeys("hark");
    assertEquals(await tryRedis({ redis, redisCa: "", redisName: "hark" }, clock), [
      "Redis forgets acknowledged messages when it ends: set appendonly yes",
    ]);
    await using closing = new AsyncDisposableStack();
    const journal = newJournal(redis, { clock, name: "hark" });
    const broker = brokerOn(journal, clock);
    closing.defer(() => broker.close());
    await broker.start(new Deliveries());
    await publishOn(broker, "a", "b");
    const once = { caller: "", key: "key", fingerprint: "" };
    await broker.publish({ drafts: [{ channel: "a", event: "message", data: "x" }], once });
    journal.peers.tell({ type: "hello" });
    const inFirst = (...command: string[]) => server.cli("-n", "1", ...command);
    await inFirst("SET", `${keys.channelStart}c`, "no stream");
    await publishOn(broker, "c");
    // As if another server had taken over.
    await inFirst("HSET", keys.meta, "r", "other");
    await publishOn(broker, "a");
    await inFirst("DEL", `${keys.channelStart}b`);
    const options = { clock, timeoutMs: 5000 };
    const connection = await RedisConnection.open(parseRedisUrl(redis).addresses[0]!, options);
    const swept = [keys.channels, keys.channelStart, keys.writer("n")];
    await SCRIPTS.sweep(connection, swept, [10]);
    connection.close();
    assertEquals(await inFirst("ZRANGE", keys.channels, "0", "-1"), "c\na");
    assertEquals(await server.cli("ACL", "LOG"), "");
  },
});
