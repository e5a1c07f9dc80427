import { assertEquals, assertRejects } from "@std/assert";
import type { Receipt } from "../../lib/broker/broker.ts";
import type { Journal } from "../../lib/broker/journal.ts";
import type { LogBroker } from "../../lib/broker/log_broker.ts";
import type { Clock } from "../../lib/core/clock.ts";
import { Refusal } from "../../lib/core/errors.ts";
import { testsOn } from "./contract_tests.ts";
import { draft, publishOn } from "./helpers.ts";

/** Publishes `count` messages on channel "k" under a key. */
export function publishOnce(
  broker: LogBroker,
  key: string,
  { count = 1, caller = "a", fingerprint = "f", admit }: {
    readonly count?: number;
    readonly caller?: string;
    readonly fingerprint?: string;
    readonly admit?: () => void;
  } = {},
): Promise<Receipt> {
  const drafts = Array.from({ length: count }, () => draft("k"));
  return broker.publish({ drafts, once: { caller, key, fingerprint } }, admit);
}

/** Tests that a broker publishes once under a key. */
export function keysContract(
  name: string,
  create: (clock: Clock) => Journal,
  hasOwnTime: boolean,
): void {
  const test = testsOn(name, create);
  const refusalOf = async (promise: Promise<unknown>) =>
    (await assertRejects(() => promise, Refusal)).type;

  test("publishes once under a key, at the same time and later", async (context) => {
    const { broker, clock, deliveries } = context;
    let admitted = 0;
    const options = { count: 2, admit: () => void admitted++ };
    const receipts = await Promise.all([1, 2, 3].map(() => publishOnce(broker, "x", options)));
    const [first] = receipts;
    clock.advance(100_000);
    assertEquals([...receipts, await publishOnce(broker, "x", options)], Array(4).fill(first));
    assertEquals(first, {
      epoch: broker.position.epoch,
      offset: 1,
      count: 2,
      time: hasOwnTime ? first?.time : clock.now() - 100_000,
    });
    assertEquals(await deliveries.offsets(2), [1, 2]);
    assertEquals([admitted, broker.stats().idempotencyKeys], [1, 1]);
  });

  test(
    "returns the receipt of a batch whose publications are evicted",
    async ({ broker, deliveries }) => {
      const first = await publishOnce(broker, "x");
      await publishOn(broker, "k", "k");
      assertEquals(await publishOnce(broker, "x"), first);
      assertEquals(await deliveries.offsets(3), [1, 2, 3]);
    },
    { historyCount: 1 },
  );

  test("refuses another request under the same key", async ({ broker }) => {
    const first = publishOnce(broker, "x");
    assertEquals(await refusalOf(publishOnce(broker, "x", { fingerprint: "g" })), "conflict");
    await first;
    assertEquals(await refusalOf(publishOnce(broker, "x", { fingerprint: "g" })), "conflict");
    assertEquals((await publishOnce(broker, "x", { caller: "b", fingerprint: "g" })).offset, 2);
  });

  test("frees the key of a batch that was refused", async ({ broker }) => {
    const admit = () => {
      throw new Refusal("too-many-requests", "no");
    };
    assertEquals(await refusalOf(publishOnce(broker, "x", { admit })), "too-many-requests");
    await publishOn(broker, "a");
    assertEquals(await refusalOf(publishOnce(broker, "x")), "over-limit");
    assertEquals(broker.stats().idempotencyKeys, 0);
  }, { channelsMax: 1 });

  test("forgets a key after its time, and not before", async ({ broker, clock }) => {
    await publishOnce(broker, "x");
    clock.advance(299_999);
    assertEquals((await publishOnce(broker, "x")).offset, 1);
    clock.advance(1001);
    assertEquals(broker.stats().idempotencyKeys, 0);
    // A journal that checks keys by itself remembers them for the same time by its own clock.
    assertEquals((await publishOnce(broker, "x")).offset, hasOwnTime ? 1 : 2);
  });

  test("holds a caller to half of the keys", async ({ broker }) => {
    await publishOnce(broker, "1");
    await publishOnce(broker, "2");
    assertEquals(await refusalOf(publishOnce(broker, "3")), "over-limit");
    await publishOnce(broker, "3", { caller: "b" });
    assertEquals((await publishOnce(broker, "1")).offset, 1);
  }, { idempotencyKeysMax: 4 });
}
