import { assertEquals } from "@std/assert";
import { docUrl, readDoc } from "./support/docs.ts";
import { partOf, readmeParts, withPart } from "./support/readme.ts";

// HARK_README=1 deno task test writes the tables anew.
const isWriting = Deno.env.get("HARK_README") === "1";

for (const [name, expected] of readmeParts()) {
  Deno.test(`reference.md has the table of ${name} that the code has`, async () => {
    const page = await readDoc("reference");
    if (isWriting) {
      return await Deno.writeTextFile(docUrl("reference"), withPart(page, name, expected));
    }
    assertEquals(partOf(page, name), expected);
  });
}

Deno.test("reference.md names every endpoint", async () => {
  const routes = await Deno.readTextFile(new URL("../lib/routes.ts", import.meta.url));
  const named = partOf(await readDoc("reference"), "endpoints") ?? "";
  const paths = Array.from(routes.matchAll(/path: "([^"]+)"/g), ([, path = ""]) => path);
  assertEquals(paths.filter((path) => !named.includes(path)), []);
  assertEquals(paths.length > 8, true);
});
