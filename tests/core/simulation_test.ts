import { MemoryEngine } from "../../lib/engine/memory.ts";
import { type OpenEngine, Simulation } from "../support/simulation.ts";

Deno.test("debug", async () => {
  const open: OpenEngine = (clock, limits) => new MemoryEngine(clock, limits);
  const only = Number(Deno.env.get("HARK_SEED") ?? 0);
  const total: Record<string, number> = {};
  for (let seed = only || 1; seed <= (only || 20); seed++) {
    const t = performance.now();
    const simulation = new Simulation(seed, open);
    try {
      await simulation.run(2000);
    } catch (e) {
      console.log("seed", seed, (e as Error).stack?.slice(0, 1500));
      continue;
    }
    for (const [k, v] of Object.entries(simulation.events)) total[k] = (total[k] ?? 0) + v;
    console.log(seed, performance.now() - t);
  }
  console.log(total);
});
