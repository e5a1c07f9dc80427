import { assertNotEquals } from "@std/assert";
import { MemoryEngine } from "../../lib/broker/memory.ts";
import { engineContract } from "./contract.ts";
import { ROOMY, TurningClock } from "./helpers.ts";

engineContract("MemoryEngine", (clock, limits) => new MemoryEngine(clock, limits));

Deno.test("MemoryEngine begins a new epoch each time", () => {
  const clock = new TurningClock();
  assertNotEquals(new MemoryEngine(clock, ROOMY).epoch, new MemoryEngine(clock, ROOMY).epoch);
});
