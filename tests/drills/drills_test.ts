import { NO_REDIS } from "../support/redis.ts";
import { DRILLS } from "./drills.ts";

// The same at full length, with figures: deno task drill
for (const { name, what, isMissing = false, run } of DRILLS) {
  const ignore = NO_REDIS || isMissing;
  Deno.test({
    name: `nobody loses or doubles anything: ${name}, ${what}` +
      (ignore ? " (skipped: a program that it needs is not installed)" : ""),
    ignore,
    async fn() {
      await run("short");
    },
  });
}
