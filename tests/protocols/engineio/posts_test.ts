import { assert, assertEquals } from "@std/assert";
import type { Bytes, EngineCodec } from "../../../lib/protocols/engineio/codec.ts";
import { engineio3 } from "../../../lib/protocols/engineio/codec3.ts";
import { engineio4 } from "../../../lib/protocols/engineio/codec4.ts";
import type { PollingStyle } from "../../../lib/protocols/engineio/polling.ts";
import { decodePost } from "../../../lib/protocols/engineio/posts.ts";
import { assertRetainsLess } from "../../support/retained.ts";

const BINARY = "application/octet-stream";

interface Outcome {
  /** The packets taken, or why there are none. */
  readonly taken: readonly unknown[] | string;
  readonly isWhole: boolean;
  /** How many packets were decoded. */
  readonly decoded: number;
}

/** Posts a body of which at most `max` packets may come. */
function post(
  codec: EngineCodec,
  body: string | Bytes,
  max: number,
  style: Partial<PollingStyle> = {},
): Outcome {
  let decoded = 0;
  const counting: EngineCodec = {
    ...codec,
    *decodePayload(payload) {
      for (const packet of codec.decodePayload(payload)) {
        decoded++;
        yield packet;
      }
    },
  };
  let left = max;
  const bytes = typeof body === "string" ? new TextEncoder().encode(body) : body;
  const type = typeof body === "string" ? "text/plain" : BINARY;
  const whole = { codec: counting, jsonp: undefined, base64: false, ...style };
  const result = decodePost(whole, type, bytes, () => left-- > 0);
  if (!result.ok) return { taken: result.reason, isWhole: false, decoded };
  const { packets, isWhole } = result.value;
  return { taken: packets.map(({ data }) => data), isWhole, decoded };
}

Deno.test("decodePost() decodes at most one packet more than may come", () => {
  const binary = (count: number) => {
    const body = new Uint8Array(4 * count);
    for (let at = 0; at < body.length; at += 4) body.set([0, 1, 255, 0x34], at);
    return body;
  };
  const bodies: [codec: EngineCodec, body: (count: number) => string | Bytes][] = [
    [engineio3, (count) => "1:4".repeat(count)],
    [engineio3, (count) => "2:4é".repeat(count)],
    [engineio3, binary],
    [engineio4, (count) => Array(count).fill("4").join("\x1e")],
  ];
  for (const [codec, body] of bodies) {
    for (const [count, max] of [[50, 50], [51, 50], [100_000, 50], [3, 0]] as const) {
      const { taken, isWhole, decoded } = post(codec, body(count), max);
      assertEquals([taken.length, isWhole], [Math.min(count, max), count <= max]);
      assertEquals(decoded, Math.min(count, max + 1));
    }
  }
});

Deno.test("decodePost() takes nothing of a body if any packet within the bound is malformed", () => {
  const wrong = "packet does not start with a type digit from 0 to 6";
  assertEquals(post(engineio4, "4a\x1e9", 2), { taken: wrong, isWhole: false, decoded: 2 });
  assertEquals(post(engineio3, "2:4a1:9", 5), { taken: wrong, isWhole: false, decoded: 2 });
  assertEquals(post(engineio4, "4a\x1e4b\x1e9", 1), { taken: ["a"], isWhole: false, decoded: 2 });
  const jsonp = { jsonp: "0" };
  assertEquals(post(engineio3, "d=2%3A4a", 5, jsonp).taken, ["a"]);
  assertEquals(post(engineio3, "e=2%3A4a", 5, jsonp).taken, "form has no field d");
  assertEquals(post(engineio3, "d=%", 5, jsonp).decoded, 0);
});

Deno.test("decodePost() returns packets that keep nothing of their body alive", async () => {
  const rest = "x".repeat(50_000);
  const bodies: [codec: EngineCodec, body: (index: number) => string | Bytes][] = [
    [engineio3, (index) => `25:2a probe of a client ${index + 1000}50001:4${rest}`],
    [engineio4, (index) => `2a probe of a client ${index}\x1e4${rest}`],
  ];
  for (const [codec, body] of bodies) {
    assert(post(codec, body(1), 9).taken.length === 2);
    const first = (index: number) => post(codec, body(index), 9).taken[0];
    await assertRetainsLess(1000, first, `version ${codec.version}`);
  }
});
