import { assertEquals } from "@std/assert";
import { partOf, readmeParts, withPart } from "./support/readme.ts";

const README = new URL("../README.md", import.meta.url);

// HARK_README=1 deno task test writes the tables anew.
const isWriting = Deno.env.get("HARK_README") === "1";

for (const [name, expected] of readmeParts()) {
  Deno.test(`README.md has the table of ${name} that the code has`, async () => {
    const readme = await Deno.readTextFile(README);
    if (isWriting) return await Deno.writeTextFile(README, withPart(readme, name, expected));
    assertEquals(partOf(readme, name), expected);
  });
}

Deno.test("README.md names every endpoint", async () => {
  const routes = await Deno.readTextFile(new URL("../lib/routes.ts", import.meta.url));
  const named = partOf(await Deno.readTextFile(README), "endpoints") ?? "";
  const paths = Array.from(routes.matchAll(/path: "([^"]+)"/g), ([, path = ""]) => path);
  assertEquals(paths.filter((path) => !named.includes(path)), []);
  assertEquals(paths.length > 8, true);
});
