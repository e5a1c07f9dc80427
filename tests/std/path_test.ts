import { assertEquals, assertThrows } from "@std/assert";
import { dirname, fromFileUrl, join, relative, toFileUrl } from "@std/path";

Deno.test("join() resolves what can be resolved without the file system", () => {
  assertEquals(join("a", "b", "..", "c.ts"), "a/c.ts");
  assertEquals(join("/a/", "/b"), "/a/b");
  assertEquals(join("a", "../../b"), "../b");
  assertEquals(join(""), ".");
});

Deno.test("relative() walks up and down", () => {
  assertEquals(relative("/a/b/c", "/a/d"), "../../d");
  assertEquals(relative("/a", "/a/b/c.ts"), "b/c.ts");
  assertEquals(relative("/a", "/a"), "");
});

Deno.test("dirname() is what stands before the last slash", () => {
  assertEquals(dirname("/a/b/c.ts"), "/a/b");
  assertEquals(dirname("c.ts"), ".");
});

Deno.test("fromFileUrl() and toFileUrl() are each other's inverse", () => {
  const path = "/tmp/a folder/100%/ünï.ts";
  const url = "file:///tmp/a%20folder/100%25/%C3%BCn%C3%AF.ts";
  assertEquals(fromFileUrl(url), path);
  assertEquals(fromFileUrl(new URL(url)), path);
  assertEquals(toFileUrl(path).href, url);
});

Deno.test("fromFileUrl() refuses what is not a file's URL", () => {
  assertThrows(() => fromFileUrl("https://example.com/a"), TypeError);
});
