import { assertEquals } from "@std/assert";
import { encodeCommand, type Reply, RespDecoder } from "../../lib/broker/redis/resp.ts";
import type { Fuzzer } from "./fuzzer.ts";
import { someText } from "./grammar.ts";
import { mutateText } from "./mutator.ts";
import { attempt } from "./properties.ts";

const LIMITS = { replyBytesMax: 2000, itemsMax: 50, depthMax: 3 };
const DONORS = ["$-1\r\n", "*-1\r\n", "*2\r\n", "$99999\r\n", ":1\r\n", "-ERR x\r\n", "$0\r\n\r\n"];
const encoder = new TextEncoder();

/** What a server sends is read as it is or refused, however it is cut; what is sent to one is whole. */
export const respFuzzer: Fuzzer = {
  name: "resp",
  rounds: 1000,
  round(dice, show) {
    const args = Array.from({ length: 1 + dice.upTo(4) }, () => someText(dice, 12));
    const command = encodeCommand(args);
    show({ command });
    assertEquals(decode(encoder.encode(command), () => 1000), [args]);
    const reply = mutateText(dice, command.repeat(1 + dice.upTo(3)), DONORS);
    show({ reply });
    const bytes = encoder.encode(reply);
    const rules = { quotes: true };
    const types = [SyntaxError, RangeError];
    const whole = attempt(() => decode(bytes, () => bytes.length), types, rules);
    const cut = attempt(() => decode(bytes, () => 1 + dice.upTo(9)), types, rules);
    if ("error" in whole) assertEquals("error" in cut, true);
    else assertEquals(cut, whole);
  },
};

/** All replies in these bytes, in chunks of these sizes. */
function decode(bytes: Uint8Array, sizeOf: () => number): Reply[] {
  const decoder = new RespDecoder(LIMITS);
  const replies: Reply[] = [];
  for (let at = 0; at < bytes.length;) {
    const size = sizeOf();
    replies.push(...decoder.push(bytes.subarray(at, at + size)));
    at += size;
  }
  return replies;
}
