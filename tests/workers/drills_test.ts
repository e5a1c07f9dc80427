import { WORKERS_DRILLS } from "../drills/workers.ts";

// The same at full length, with figures: deno task drill workers
for (const { name, what, run } of WORKERS_DRILLS) {
  Deno.test(`nobody loses or doubles anything: ${name}, ${what}`, async () => {
    await run("short");
  });
}
