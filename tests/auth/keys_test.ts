import { assertEquals } from "@std/assert";
import { bearer, Keys } from "../../lib/auth/keys.ts";

Deno.test("Keys.find() returns the index of each key", async () => {
  const names = Array.from({ length: 20 }, (_, index) => `key-${index}`);
  const keys = new Keys([...names, "schlüssel"]);
  assertEquals(keys.isEmpty, false);
  assertEquals(await Promise.all(names.map((name) => keys.find(name))), [...names.keys()]);
  assertEquals(await keys.find("schlüssel"), 20);
  for (const key of ["", "key-20", "key-1 ", "KEY-1", "key", "__proto__", "x".repeat(10_000)]) {
    assertEquals(await keys.find(key), undefined, key);
  }
});

Deno.test("Keys.find() finds nothing if there is no key", async () => {
  const keys = new Keys([]);
  assertEquals(keys.isEmpty, true);
  for (const key of ["", "undefined", "key"]) assertEquals(await keys.find(key), undefined);
});

Deno.test("Keys.find() finds a key that is given twice, and tells keys apart that differ in one bit", async () => {
  const keys = new Keys(["same", "same", "samd"]);
  assertEquals([await keys.find("same"), await keys.find("samd")], [1, 2]);
});

Deno.test("bearer() reads the credential in Authorization", () => {
  const cases: Record<string, string | null> = {
    "Bearer abc": "abc",
    "bearer abc": "abc",
    "Bearer  a.b-c_d~e+f/g= ": "a.b-c_d~e+f/g=",
    "Bearer": null,
    "Bearer a b": null,
    "Bearerabc": null,
    "Basic abc": null,
    "": null,
  };
  for (const [authorization, expected] of Object.entries(cases)) {
    assertEquals(bearer(new Headers({ authorization })), expected, authorization);
  }
  assertEquals(bearer(new Headers()), null);
});
