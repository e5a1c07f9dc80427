import { RedisJournal } from "../../../lib/broker/redis/journal.ts";
import { randomId } from "../../../lib/core/random.ts";
import { parseRedisUrl } from "../../../lib/core/redis_url.ts";
import { NO_REDIS, RedisServer } from "../../support/redis.ts";
import { brokerContract } from "../contract.ts";
import { TurningClock } from "../helpers.ts";
import { LinkedJournal } from "./helpers.ts";

// As the workers of one machine of many have it.
if (!NO_REDIS) {
  const server = await RedisServer.start();
  Deno.test.afterAll(() => server[Symbol.asyncDispose]());
  brokerContract(
    "LinkJournal to a RedisJournal",
    (clock) =>
      new LinkedJournal(
        clock,
        new RedisJournal({
          // One that stands still: on a busy machine Redis may take its time.
          clock: new TurningClock(),
          target: parseRedisUrl(server.url),
          name: randomId(),
          historyCount: 100,
          historyAgeS: 3600,
          idempotencyAgeS: 300,
          publishBytesMax: 65_536,
        }),
      ),
    { canReopen: true, hasOwnTime: true },
  );
}
