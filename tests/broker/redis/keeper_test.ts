import { assertEquals, assertThrows } from "@std/assert";
import { ConnectionLost } from "../../../lib/broker/redis/connection.ts";
import { LinkKeeper } from "../../../lib/broker/redis/keeper.ts";
import type { RedisLink } from "../../../lib/broker/redis/link.ts";
import { ReplyError } from "../../../lib/broker/redis/resp.ts";
import { FakeClock } from "../../support/fake_clock.ts";

const FAILURES: readonly [error: Error, isDropped: boolean][] = [
  [new ConnectionLost("cut"), true],
  [new ReplyError("READONLY You can't write against a read only replica."), true],
  [new ReplyError("NOREPLICAS Not enough good replicas to write."), false],
  [new ReplyError("OOM command not allowed when used memory > 'maxmemory'."), false],
];

Deno.test("LinkKeeper drops a link whose command failed, unless Redis refused the command alone", async () => {
  for (const [error, isDropped] of FAILURES) {
    const changes: string[] = [];
    const ended = new Promise<ConnectionLost>(() => {});
    const link = { commands: { ended }, reader: { ended }, close() {} } as unknown as RedisLink;
    const keeper = new LinkKeeper({
      clock: new FakeClock(),
      connect: () => Promise.resolve(link),
      onChange: (isUp) => changes.push(isUp ? "up" : "down"),
      onGivenUp: () => changes.push("given up"),
    });
    await keeper.open();
    keeper.failed(link, error);
    assertEquals(changes, isDropped ? ["down"] : [], error.message);
    keeper.close();
    assertThrows(() => keeper.failed(link, new RangeError("ours")), RangeError, "ours");
  }
});
