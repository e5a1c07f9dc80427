import { assertEquals } from "@std/assert";
import { withoutSecrets } from "../../lib/core/redact.ts";

Deno.test("withoutSecrets() leaves out the parts of a URL that can hold a secret", () => {
  const cases = [
    ["https://issuer.example/keys.json?api_key=SECRET42", "https://issuer.example/keys.json"],
    ["https://bob:hunter2@issuer.example:8443/keys.json", "https://issuer.example:8443/keys.json"],
    ["http://hunter2@issuer.example", "http://issuer.example/"],
    ["HTTPS://issuer.example/keys#hunter2", "https://issuer.example/keys"],
    ["https:bob:hunter2@issuer.example", "https://issuer.example/"],
    [" https://bob:hunter2@issuer.example/keys", "https://issuer.example/keys"],
    ["redis://bob:hunter2@cache.example/0", "redis://cache.example/0"],
    ["https://bob:hunter/2@issuer.example", "https://…"],
    ["https://bob:hunter2@[issuer", "https://…"],
  ];
  for (const [text, shown] of cases) assertEquals(withoutSecrets(text!), shown);
});

Deno.test("withoutSecrets() leaves a text without secrets as it is", () => {
  const texts = [
    "https://issuer.example/keys.json",
    "https://app.example",
    "https://",
    "keys.json",
    "/etc/hark/keys.json?a=b",
    "unix:/run/hark.sock",
    "C:/hark/keys.json",
    "",
  ];
  assertEquals(texts.map(withoutSecrets), texts);
});
