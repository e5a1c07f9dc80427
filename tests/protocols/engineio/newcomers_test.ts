import { assertEquals } from "@std/assert";
import { type Newcomer, Newcomers } from "../../../lib/protocols/engineio/newcomers.ts";

function newcomer(address: string): Newcomer {
  return { handshake: { address } };
}

/** Newcomers of which `local` is an address that many clients have. */
function makeNewcomers(handshakesMax: number): Newcomers<Newcomer> {
  return new Newcomers({ handshakesMax, isShared: (address) => address === "local" });
}

/** Adds one as the server does, and returns what had to give way. */
function admit(newcomers: Newcomers<Newcomer>, added: Newcomer): Newcomer | undefined {
  const oldest = newcomers.inTheWayOf(added.handshake.address);
  if (oldest !== undefined) newcomers.delete(oldest);
  newcomers.add(added);
  return oldest;
}

Deno.test("Newcomers lets the oldest of an address give way that has more than its quota", () => {
  const newcomers = makeNewcomers(8);
  const victim = newcomer("192.0.2.1");
  assertEquals(admit(newcomers, victim), undefined);
  const flood = Array.from({ length: 20 }, () => newcomer("192.0.2.9"));
  const evicted = flood.map((added) => admit(newcomers, added));
  assertEquals(evicted, [...Array(4).fill(undefined), ...flood.slice(0, 16)]);
  assertEquals([newcomers.size, newcomers.inTheWayOf("192.0.2.1")], [5, undefined]);
});

Deno.test("Newcomers counts the addresses of one network as one", () => {
  const newcomers = makeNewcomers(4);
  const first = newcomer("2001:db8::1");
  admit(newcomers, first);
  admit(newcomers, newcomer("2001:db8::2"));
  assertEquals(newcomers.inTheWayOf("2001:db8::3"), first);
  assertEquals(newcomers.inTheWayOf("2001:db8:1::3"), undefined);
});

Deno.test("Newcomers gives an address that is many clients' all of the room", () => {
  const newcomers = makeNewcomers(4);
  const locals = Array.from({ length: 6 }, () => newcomer("local"));
  const evicted = locals.map((added) => admit(newcomers, added));
  assertEquals(evicted, [...Array(4).fill(undefined), locals[0], locals[1]]);
  // Where all is full the oldest of all gives way, whose it may be.
  assertEquals(admit(newcomers, newcomer("192.0.2.1")), locals[2]);
});

Deno.test("Newcomers frees the room of whoever has come back", () => {
  const newcomers = makeNewcomers(2);
  const first = newcomer("192.0.2.1");
  newcomers.add(first);
  assertEquals(newcomers.inTheWayOf("192.0.2.1"), first);
  newcomers.delete(first);
  newcomers.delete(first);
  assertEquals([newcomers.size, newcomers.inTheWayOf("192.0.2.1")], [0, undefined]);
});
