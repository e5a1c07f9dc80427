import { assertNotEquals } from "@std/assert";
import { MemoryJournal } from "../../lib/broker/memory.ts";
import { brokerContract } from "./contract.ts";
import { TurningClock } from "./helpers.ts";

brokerContract("MemoryJournal", (clock) => new MemoryJournal(clock), { canReopen: false });

Deno.test("MemoryJournal begins a new epoch each time", () => {
  const clock = new TurningClock();
  assertNotEquals(new MemoryJournal(clock).epoch, new MemoryJournal(clock).epoch);
});
