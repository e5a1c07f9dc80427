import { NO_REDIS } from "../support/redis.ts";
import { DRILLS } from "./drills.ts";

// The same at full length, with figures: deno task drill
for (const { name, what, run } of DRILLS) {
  Deno.test({
    name: `nobody loses or doubles anything: ${name}, ${what}` +
      (NO_REDIS ? " (skipped: there is no redis-server)" : ""),
    ignore: NO_REDIS,
    async fn() {
      await run("short");
    },
  });
}
