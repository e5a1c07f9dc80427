import { assertEquals } from "@std/assert";
import { clientParts } from "./support/client_tables.ts";
import { docUrl, readDoc } from "./support/docs.ts";
import { partOf, readmeParts, withPart } from "./support/readme.ts";

// HARK_README=1 deno task test writes the tables anew.
const isWriting = Deno.env.get("HARK_README") === "1";

const PAGES = { reference: readmeParts(), client: await clientParts() };

for (const [page, parts] of Object.entries(PAGES)) {
  for (const [name, expected] of parts) {
    Deno.test(`${page}.md has the table of ${name} that the code has`, async () => {
      const text = await readDoc(page);
      if (isWriting) {
        return await Deno.writeTextFile(docUrl(page), withPart(text, name, expected));
      }
      assertEquals(partOf(text, name), expected);
    });
  }
}

Deno.test("reference.md names every endpoint", async () => {
  const routes = await Deno.readTextFile(new URL("../lib/routes.ts", import.meta.url));
  const named = partOf(await readDoc("reference"), "endpoints") ?? "";
  const paths = Array.from(routes.matchAll(/path: "([^"]+)"/g), ([, path = ""]) => path);
  assertEquals(paths.filter((path) => !named.includes(path)), []);
  assertEquals(paths.length > 8, true);
});
