import { NO_REDIS } from "../support/redis.ts";
import type { Drill } from "./drill.ts";
import { DRILLS } from "./drills.ts";
import { WORKERS_DRILLS } from "./workers.ts";

/** The same at full length, with figures: deno task drill */
function test({ name, what, isMissing = false, run }: Drill, ignore: boolean): void {
  const isIgnored = ignore || isMissing;
  Deno.test({
    name: `nobody loses or doubles anything: ${name}, ${what}` +
      (isIgnored ? " (skipped: a program that it needs is not installed)" : ""),
    ignore: isIgnored,
    async fn() {
      await run("short");
    },
  });
}

for (const drill of DRILLS) test(drill, NO_REDIS);
for (const drill of WORKERS_DRILLS) test(drill, false);
