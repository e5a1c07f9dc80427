import { carryOut } from "./attack.ts";
import { ATTACKS } from "./attacks.ts";

for (const attack of ATTACKS) {
  Deno.test(`the server withstands: ${attack.name}`, async () => {
    await carryOut(attack);
  });
}
