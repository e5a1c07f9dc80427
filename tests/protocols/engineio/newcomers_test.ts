import { assertEquals } from "@std/assert";
import { Newcomers } from "../../../lib/protocols/engineio/newcomers.ts";

/** Newcomers of which `local` is an address that many clients have. */
function makeNewcomers(newcomersMax: number): Newcomers {
  return new Newcomers({ newcomersMax, isShared: (address) => address === "local" });
}

/** Adds one as the server does, and returns what was evicted. */
function admit(newcomers: Newcomers, sid: string, address: string): string | undefined {
  const oldest = newcomers.inTheWayOf(address);
  if (oldest !== undefined) newcomers.delete(oldest);
  newcomers.add(sid, address);
  return oldest;
}

Deno.test("Newcomers evicts the oldest of an address that has more than its quota", () => {
  const newcomers = makeNewcomers(8);
  assertEquals(admit(newcomers, "victim", "192.0.2.1"), undefined);
  const flood = Array.from({ length: 20 }, (_, index) => `flood${index}`);
  const evicted = flood.map((sid) => admit(newcomers, sid, "192.0.2.9"));
  assertEquals(evicted, [...Array(4).fill(undefined), ...flood.slice(0, 16)]);
  assertEquals([newcomers.size, newcomers.inTheWayOf("192.0.2.1")], [5, undefined]);
});

Deno.test("Newcomers counts the addresses of one network as one", () => {
  const newcomers = makeNewcomers(4);
  admit(newcomers, "first", "2001:db8::1");
  admit(newcomers, "second", "2001:db8::2");
  assertEquals(newcomers.inTheWayOf("2001:db8::3"), "first");
  assertEquals(newcomers.inTheWayOf("2001:db8:1::3"), undefined);
});

Deno.test("Newcomers gives all of the room to an address that many clients have", () => {
  const newcomers = makeNewcomers(4);
  const sids = ["a", "b", "c", "d", "e", "f"];
  const evicted = sids.map((sid) => admit(newcomers, sid, "local"));
  assertEquals(evicted, [...Array(4).fill(undefined), "a", "b"]);
  // Where all is full, the oldest of all is evicted, whatever its address.
  assertEquals(admit(newcomers, "g", "192.0.2.1"), "c");
});

Deno.test("Newcomers frees the room of a client that has come back", () => {
  const newcomers = makeNewcomers(2);
  newcomers.add("first", "192.0.2.1");
  assertEquals(newcomers.inTheWayOf("192.0.2.1"), "first");
  newcomers.delete("first");
  newcomers.delete("first");
  assertEquals([newcomers.size, newcomers.inTheWayOf("192.0.2.1")], [0, undefined]);
});
