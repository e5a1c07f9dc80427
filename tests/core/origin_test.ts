import { assertEquals } from "@std/assert";
import { isOriginPattern, matchesOrigin } from "../../lib/core/origin.ts";

Deno.test("isOriginPattern() accepts origins as browsers write them, of apps too", () => {
  const right = [
    ...["https://example.com", "http://localhost:5173", "https://[::1]:8443", "http://127.0.0.1"],
    ...["capacitor://localhost", "tauri://localhost", "ionic://localhost", "app://obsidian.md"],
    ...["chrome-extension://abcdefghijklmnopabcdefghijklmnop", "vscode-webview://0a1b", "null"],
    ...["moz-extension://0a1b2c3d-0000-4000-8000-0a1b2c3d4e5f", "https://*.example.com"],
    ...["http://*.localhost:8080", "https://xn--bcher-kva.example"],
  ];
  for (const text of right) assertEquals(isOriginPattern(text), true, text);
  const wrong = [
    ...["", "*", "NULL", "example.com", "https://", "https://*", "https://example.com/", "//a"],
    ...["https://example.com/a", "https://example.com?a", "https://example.com#a", "file:///a"],
    ...["https://Example.com", "HTTPS://example.com", "https://example.com:443", "http://a:80"],
    ...["https://a@example.com", "https://example.com:x", "https://example.com:99999", "file://"],
    ...["https://a.*.example.com", "https://a*.example.com", "https://*.*.example.com", "data:x"],
    ...["https://bücher.example", "https://exa mple.com", "capacitor://Localhost", "1a://b"],
    ...["capacitor://localhost/", "https://*.0.0.1", "*://example.com", "https://127.1"],
  ];
  for (const text of wrong) assertEquals(isOriginPattern(text), false, text);
});

Deno.test("matchesOrigin() lets * stand for one label", () => {
  const cases: [pattern: string, origin: string, matches: boolean][] = [
    ["https://example.com", "https://example.com", true],
    ["https://example.com", "http://example.com", false],
    ["https://example.com", "https://example.com:8443", false],
    ["capacitor://localhost", "capacitor://localhost", true],
    ["null", "null", true],
    ["https://*.example.com", "https://a.example.com", true],
    ["https://*.example.com", "https://a-1_b.example.com", true],
    ["https://*.example.com", "https://example.com", false],
    ["https://*.example.com", "https://.example.com", false],
    ["https://*.example.com", "https://a.b.example.com", false],
    ["https://*.example.com", "http://a.example.com", false],
    ["https://*.example.com", "https://a.example.com:8443", false],
    ["https://*.example.com", "https://a.example.com.evil.example", false],
    ["https://*.example.com", "https://evil.example/.example.com", false],
    ["https://*.example.com", "https://evil.example#.example.com", false],
    ["https://*.example.com", "https://a@.example.com", false],
    ["https://*.example.com", "https://*.example.com", true],
    ["https://*.example.com:8443", "https://a.example.com:8443", true],
    ["https://*.com", "https://.com", false],
    ["https://*.https://a", "https://a", false],
    ["null", "https://null", false],
  ];
  for (const [pattern, origin, matches] of cases) {
    assertEquals(matchesOrigin(pattern, origin), matches, `${pattern} ${origin}`);
  }
});
