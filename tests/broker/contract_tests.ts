import { assertEquals } from "@std/assert";
import type { Journal } from "../../lib/broker/journal.ts";
import type { LogBroker } from "../../lib/broker/log_broker.ts";
import type { Clock } from "../../lib/core/clock.ts";
import { brokerOn, Deliveries, type Limits, TurningClock } from "./helpers.ts";

/** What a test of a contract works on. */
export interface ContractContext<Kind extends Journal> {
  /** It has started on the journal, whose log is empty. */
  readonly broker: LogBroker;
  readonly journal: Kind;
  readonly clock: TurningClock;
  readonly deliveries: Deliveries;
}

/** Defines a test of a contract; its broker leaves no timer behind. */
export type DefineTest<Kind extends Journal> = (
  title: string,
  body: (context: ContractContext<Kind>) => Promise<void>,
  limits?: Limits,
) => void;

/** Tests of a contract, each on a journal of its own. */
export function testsOn<Kind extends Journal>(
  name: string,
  create: (clock: Clock) => Kind,
): DefineTest<Kind> {
  return (title, body, limits) => {
    Deno.test(`${name} ${title}`, async () => {
      const clock = new TurningClock();
      const journal = create(clock);
      const broker = brokerOn(journal, clock, limits);
      const deliveries = new Deliveries();
      await broker.start(deliveries);
      try {
        await body({ broker, journal, clock, deliveries });
      } finally {
        await broker.close();
      }
      assertEquals(clock.timers, 0);
    });
  };
}
