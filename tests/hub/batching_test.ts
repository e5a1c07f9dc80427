import { assertEquals, assertStrictEquals } from "@std/assert";
import { DISCONNECTS } from "../../lib/core/errors.ts";
import type { Frame } from "../../lib/core/encoder.ts";
import { Batching, BatchingTransport } from "../../lib/hub/batching.ts";
import { FakeClock } from "../support/fake_clock.ts";
import { FakeTransport } from "../support/fake_transport.ts";

function setUp(count: number) {
  const clock = new FakeClock();
  const batching = new Batching(clock);
  let joins = 0;
  const join = (frames: readonly Frame[]): Frame => {
    joins++;
    return new TextEncoder().encode(frames.join("|"));
  };
  const inner = Array.from({ length: count }, () => new FakeTransport());
  const outer = inner.map((transport) => new BatchingTransport(transport, join, batching));
  const written = () => inner.map(({ frames }) => frames.map(text));
  return { clock, inner, outer, written, joins: () => joins };
}

function text(frame: Frame): string {
  return new TextDecoder().decode(frame as Uint8Array<ArrayBuffer>);
}

Deno.test("BatchingTransport writes the frames of one turn as one, at its end", () => {
  const { clock, outer: [transport], written } = setUp(1);
  transport!.write("a");
  transport!.write("b");
  transport!.write("c");
  assertEquals(written(), [[]]);
  clock.turn();
  assertEquals(written(), [["a|b|c"]]);
  transport!.write("d");
  clock.turn();
  clock.turn();
  assertEquals(written(), [["a|b|c", "d"]]);
});

Deno.test("Batching makes the frame that sessions share once, and gives all the same object", () => {
  const { clock, inner, outer, joins } = setUp(100);
  for (const frame of ["a", "b", "c"]) {
    for (const transport of outer) transport.write(frame);
  }
  clock.turn();
  assertEquals(joins(), 1);
  assertEquals(text(inner[0]!.frames[0]!), "a|b|c");
  for (const { frames } of inner) {
    assertEquals(frames.length, 1);
    assertStrictEquals(frames[0], inner[0]!.frames[0]);
  }
});

Deno.test("Batching gives each session its own frames where they differ, whatever their order", () => {
  const { clock, outer: [a, b, c, d], written } = setUp(4);
  a!.write("1");
  b!.write("2");
  c!.write("1");
  d!.write("1");
  a!.write("3");
  b!.write("3");
  c!.write("4");
  a!.write("5");
  c!.write("5");
  clock.turn();
  assertEquals(written(), [["1|3|5"], ["2|3"], ["1|4|5"], ["1"]]);
});

Deno.test("Batching joins a queue apart from a shorter one that begins the same", () => {
  const { clock, inner, outer: [a, b], written } = setUp(2);
  for (const frame of ["1", "2"]) a!.write(frame);
  b!.write("1");
  clock.turn();
  assertEquals(written(), [["1|2"], ["1"]]);
  assertEquals(inner[0]!.frames[0] === inner[1]!.frames[0], false);
});

Deno.test("Batching shares among those alone that join in the same way, in whatever order they come", () => {
  const clock = new FakeClock();
  const batching = new Batching(clock);
  const joins = ["|", "+"].map((separator) => (frames: readonly Frame[]): Frame => [
    frames.join(separator),
  ]);
  const inner = Array.from({ length: 6 }, () => new FakeTransport());
  const outer = inner.map((transport, at) =>
    new BatchingTransport(transport, joins[at % 2]!, batching)
  );
  for (const frame of ["a", "b"]) {
    for (const transport of outer) transport.write(frame);
  }
  clock.turn();
  inner.forEach(({ frames }, at) => {
    assertEquals(frames, [[at % 2 === 0 ? "a|b" : "a+b"]]);
    assertStrictEquals(frames[0], inner[at % 2]!.frames[0]);
  });
});

Deno.test("Batching does not hold on to frames from one turn to the next", () => {
  const { clock, inner, outer: [a, b], joins } = setUp(2);
  a!.write("1");
  clock.turn();
  b!.write("1");
  clock.turn();
  assertEquals(joins(), 2);
  assertEquals(inner[0]!.frames[0] === inner[1]!.frames[0], false);
});

Deno.test("BatchingTransport counts queued frames as buffered", () => {
  const { clock, inner: [inner], outer: [transport] } = setUp(1);
  inner!.bufferedBytes = 10;
  assertEquals(transport!.bufferedBytes, 10);
  transport!.write("ää");
  transport!.write(new Uint8Array(3));
  assertEquals(transport!.bufferedBytes, 17);
  clock.turn();
  assertEquals(transport!.bufferedBytes, 10);
});

Deno.test("BatchingTransport.close() writes queued frames first, and nothing after", () => {
  const { clock, inner, outer: [transport, other], written } = setUp(2);
  transport!.write("a");
  other!.write("a");
  transport!.close(DISCONNECTS.shutdown);
  transport!.close(DISCONNECTS.slow);
  assertEquals([written(), inner[0]!.closed], [[["a"], []], DISCONNECTS.shutdown]);
  transport!.write("b");
  clock.turn();
  assertEquals(written(), [["a"], ["a"]]);
});

Deno.test("BatchingTransport.flush() writes at once, and later frames go into another", () => {
  const { clock, outer: [transport], written } = setUp(1);
  transport!.write("a");
  transport!.flush();
  transport!.flush();
  transport!.write("b");
  assertEquals(written(), [["a"]]);
  clock.turn();
  assertEquals(written(), [["a", "b"]]);
});

Deno.test("BatchingTransport has the name and encoder of its inner transport", () => {
  const { inner: [inner], outer: [transport] } = setUp(1);
  assertEquals(transport!.name, "fake");
  assertStrictEquals(transport!.encoder, inner!.encoder);
});
