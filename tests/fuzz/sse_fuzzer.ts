import { assert, assertEquals } from "@std/assert";
import { HEARTBEAT, joinChunks, retryLine, sse } from "../../lib/protocols/sse/codec.ts";
import { checkDraft, parsePosition, Publication } from "../../lib/core/publication.ts";
import type { Fuzzer } from "./fuzzer.ts";
import { someBytes, someChannel, someJson, somePosition, someText } from "./grammar.ts";
import { mutateText } from "./mutator.ts";
import { attempt } from "./properties.ts";
import { parseEvents } from "./sse_parser.ts";

const decoder = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

/** What a stream of server-sent events says is what was published, and nothing else. */
export const sseFuzzer: Fuzzer = {
  name: "sse",
  rounds: 1000,
  round(dice, show) {
    const position = somePosition(dice);
    const data = dice.chance(0.2) ? someBytes(dice, 40) : dice.chance(0.3)
      // A broker does not look whether data is JSON: this must hold of any text.
      ? mutateText(dice, someJson(dice), ["\n\nid: 1\r\nevent: x\rdata: y\n\n"]).toWellFormed()
      : someJson(dice);
    const draft = { channel: someChannel(dice), event: someText(dice, 6), data };
    const greeting = someText(dice, 8);
    const since = dice.chance(0.5) ? "a-1" : undefined;
    show({ position, draft, greeting, since });
    const checked = attempt(() => checkDraft(draft), [TypeError]);
    if ("error" in checked) return;
    const message = new Publication(parsePosition(position), draft, 0);
    const recovered = since === undefined ? undefined : dice.chance(0.5);
    const welcome = sse.welcome({ client: "a", position, recovered, since, greeting })!;
    const chunks = [retryLine(1234.5), welcome, HEARTBEAT, sse.message(message), HEARTBEAT];
    const text = joinChunks(chunks) as Uint8Array;
    const json = typeof data === "string" ? data : JSON.stringify({ base64: data.toBase64() });
    const events = parseEvents(decoder.decode(text));
    const gap = { id: position, event: "gap", data: JSON.stringify({ since, oldest: position }) };
    assertEquals(events, [
      ...(recovered === false ? [gap] : []),
      { id: position, event: draft.event, data: json.replace(/\r\n|\r/g, "\n") },
    ]);
    assert(text.length <= 8 * (json.length + greeting.length) + 400);
  },
};
