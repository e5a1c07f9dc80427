import { startChild } from "../support/child.ts";
import { reconnectStorm } from "../support/storm.ts";

// How long until all clients have resumed: deno task bench:storm [rounds]

await using server = await startChild();
const storm = { port: server.port, clients: 2000, messages: 100 };
for (let round = 0; round < Number(Deno.args[0] ?? 3); round++) {
  const { ms } = await reconnectStorm(storm);
  // deno-lint-ignore no-console -- this is what it is for
  console.log(`${storm.clients} clients × ${storm.messages} messages: ${Math.round(ms)} ms`);
}
