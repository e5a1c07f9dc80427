import { NO_REDIS, RedisServer } from "../../support/redis.ts";
import { brokerContract } from "../contract.ts";
import { newJournal } from "./test_journal.ts";

if (!NO_REDIS) {
  const server = await RedisServer.start();
  Deno.test.afterAll(() => server[Symbol.asyncDispose]());
  brokerContract(
    "RedisJournal",
    () => newJournal(server.url),
    { canReopen: true, hasOwnTime: true },
  );
}
