import { NO_REDIS, RedisServer } from "../../support/redis.ts";
import { brokerContract } from "../contract.ts";
import { newJournal } from "../redis/test_journal.ts";
import { LinkedJournal } from "./helpers.ts";

// As the workers of one machine of many have it.
if (!NO_REDIS) {
  const server = await RedisServer.start();
  Deno.test.afterAll(() => server[Symbol.asyncDispose]());
  brokerContract(
    "LinkJournal to a RedisJournal",
    (clock) => new LinkedJournal(clock, newJournal(server.url)),
    { canReopen: true, hasOwnTime: true },
  );
}
