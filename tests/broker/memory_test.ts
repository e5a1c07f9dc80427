import { assertNotEquals } from "@std/assert";
import { MemoryBroker } from "../../lib/broker/memory.ts";
import { brokerContract } from "./contract.ts";
import { ROOMY, TurningClock } from "./helpers.ts";

brokerContract("MemoryBroker", (clock, limits) => new MemoryBroker(clock, limits));

Deno.test("MemoryBroker begins a new epoch each time", () => {
  const clock = new TurningClock();
  assertNotEquals(new MemoryBroker(clock, ROOMY).epoch, new MemoryBroker(clock, ROOMY).epoch);
});
