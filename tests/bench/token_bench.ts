import { Keys } from "../../lib/auth/keys.ts";
import { Tokens } from "../../lib/auth/tokens.ts";
import { systemClock } from "../../lib/core/clock.ts";
import { issue, SECRET } from "../support/tokens.ts";

// What it costs to check who connects: a token, with all it claims, or a key. Many come at once after
// a restart, so a hundred at a time is what counts.

const AT_ONCE = 100;
const hark = { subscribe: ["user.42.*", "news.*"], publish: ["chat"] };
const token = await issue({ sub: "42", hark });
const tokens = new Tokens({
  tokenSecret: SECRET,
  tokenJwks: "",
  tokenAudience: "",
  tokenIssuer: "",
  clock: systemClock,
  onFailure: () => {},
});
const keys = new Keys(["first", "second"]);

Deno.bench("check a token of HS256", { group: "one" }, async () => {
  await tokens.check(token);
});

Deno.bench("find a key", { group: "one" }, async () => {
  await keys.find("second");
});

Deno.bench(`check ${AT_ONCE} tokens of HS256`, { group: "many" }, async () => {
  await Promise.all(Array.from({ length: AT_ONCE }, () => tokens.check(token)));
});

Deno.bench(`find ${AT_ONCE} keys`, { group: "many" }, async () => {
  await Promise.all(Array.from({ length: AT_ONCE }, () => keys.find("second")));
});
