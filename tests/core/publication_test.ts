import { assertEquals, assertMatch, assertNotEquals, assertThrows } from "@std/assert";
import {
  checkDraft,
  dataBytes,
  type Draft,
  formatPosition,
  frameBytes,
  parsePosition,
  Publication,
} from "../../lib/core/publication.ts";
import { randomEpoch } from "../../lib/core/random.ts";
import { lineEncoder } from "../support/fake_transport.ts";
import { random, randomInteger } from "../support/random.ts";

const DRAFT: Draft = { channel: "news", event: "message", data: '{"a":1}' };

Deno.test("parsePosition() reads what formatPosition() writes", () => {
  const next = random(1);
  for (let round = 0; round < 1000; round++) {
    const position = { epoch: randomEpoch(), offset: randomInteger(next, 10 ** 15 - 1) };
    assertEquals(parsePosition(formatPosition(position)), position);
  }
});

Deno.test("parsePosition() reads the shortest and the longest", () => {
  const table: [string, string, number][] = [
    ["a-0", "a", 0],
    ["0-1", "0", 1],
    ["a-007", "a", 7],
    ["a".repeat(32) + "-999999999999999", "a".repeat(32), 999_999_999_999_999],
  ];
  for (const [text, epoch, offset] of table) assertEquals(parsePosition(text), { epoch, offset });
});

Deno.test("parsePosition() refuses everything else, and quotes no more than 80 characters", () => {
  const table = [
    "",
    "-",
    "a-",
    "-1",
    "a",
    "1",
    "a-1 ",
    " a-1",
    "a-1\n",
    "a--1",
    "a-1.5",
    "a-1e3",
    "a-0x1",
    "A-1",
    "ä-1",
    "a-١",
    "a-b-1",
    "a-1000000000000000",
    "a".repeat(33) + "-1",
    "a-" + "9".repeat(1_000_000),
  ];
  for (const text of table) {
    const error = assertThrows(
      () => parsePosition(text),
      SyntaxError,
      `Cannot parse since: expected <epoch>-<offset>, got ${JSON.stringify(text.slice(0, 80))}`,
    ) as SyntaxError;
    assertEquals(error.message.length < 150, true);
  }
});

Deno.test("checkDraft() takes events of 1 to 200 printable characters", () => {
  const events = ["message", "m", "e".repeat(200), "😀".repeat(200), "two words", "*", "Connect"];
  for (const event of events) {
    const draft = { ...DRAFT, event };
    assertEquals(checkDraft(draft), draft);
  }
  const others = [
    "",
    "e".repeat(201),
    "😀".repeat(201),
    "a\nb",
    "\r",
    "\0",
    "\x7f",
    "\x85",
    "\u2028",
  ];
  for (const event of [...others, "\u2029", "\ud800", "a\udfff", "\ude00\ud83d"]) {
    assertThrows(
      () => checkDraft({ ...DRAFT, event }),
      TypeError,
      "Cannot use this event name: expected 1 to 200 printable characters",
    );
  }
});

Deno.test("checkDraft() refuses events that clients keep for themselves", () => {
  const events = [
    "connect",
    "connect_error",
    "disconnect",
    "disconnecting",
    "newListener",
    "removeListener",
    "error",
    "open",
    "gap",
    "pusher:error",
    "pusher:",
    "pusher_internal:member_added",
  ];
  for (const event of events) {
    assertThrows(
      () => checkDraft({ ...DRAFT, event }),
      TypeError,
      `Cannot use the event name "${event}": clients keep it for themselves`,
    );
  }
});

Deno.test("checkDraft() refuses a pattern or a bad name as a channel", () => {
  for (const channel of ["", "*", "a.*", "a b"]) {
    assertThrows(() => checkDraft({ ...DRAFT, channel }), TypeError, "as a channel");
  }
});

Deno.test("dataBytes() counts UTF-8, frameBytes() also several pieces", () => {
  assertEquals(["", "a", "ä", "€", "😀", "\ud800"].map(dataBytes), [0, 1, 2, 3, 4, 3]);
  assertEquals(dataBytes(new Uint8Array(5)), 5);
  assertEquals(dataBytes(new Uint8Array(0)), 0);
  assertEquals(frameBytes(["ä", new Uint8Array(3), "a"]), 6);
  assertEquals(frameBytes([]), 0);
});

Deno.test("Publication.costBytes counts an empty publication too", () => {
  const publication = new Publication({ epoch: "e", offset: 1 }, { ...DRAFT, data: "" }, 0);
  assertEquals(publication.costBytes > 0, true);
  const longer = new Publication({ epoch: "e", offset: 1 }, { ...DRAFT, data: "ää" }, 0);
  assertEquals(longer.costBytes - publication.costBytes, 4);
});

Deno.test("Publication is its draft at a place and a time", () => {
  const publication = new Publication({ epoch: "e", offset: 7 }, DRAFT, 1000);
  const none = { isText: undefined, except: undefined, traceparent: undefined };
  assertEquals({ ...publication }, { ...DRAFT, ...none, epoch: "e", offset: 7, time: 1000 });
  assertEquals(publication.id, "e-7");
});

Deno.test("Publication.encoded() encodes once for each encoder, until forgetEncoded()", () => {
  const calls: string[] = [];
  const encoder = (name: string) => ({
    ...lineEncoder(),
    message: () => {
      calls.push(name);
      return `${name} ä`;
    },
  });
  const [a, b] = [encoder("a"), encoder("b")];
  const publication = new Publication({ epoch: "e", offset: 7 }, DRAFT, 1000);
  const encoded = publication.encoded(a);
  assertEquals(encoded, { frame: "a ä", bytes: 4 });
  assertEquals(publication.encoded(b), { frame: "b ä", bytes: 4 });
  assertEquals(publication.encoded(a) === encoded, true);
  assertEquals(calls, ["a", "b"]);
  publication.forgetEncoded();
  assertEquals(publication.encoded(a), encoded);
  assertEquals(calls, ["a", "b", "a"]);
});

Deno.test("randomEpoch() makes another epoch each time, one that positions can carry", () => {
  const epochs = Array.from({ length: 1000 }, randomEpoch);
  for (const epoch of epochs) assertMatch(epoch, /^[0-9a-v]{8}$/);
  assertEquals(new Set(epochs).size, epochs.length);
  assertNotEquals(epochs[0], epochs[1]);
});
