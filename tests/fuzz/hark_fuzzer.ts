import { assert, assertEquals } from "@std/assert";
import {
  type Command,
  CommandError,
  decodeCommand,
  encodeError,
  encodeOk,
  hark,
  joinEvents,
} from "../../lib/protocols/hark/codec.ts";
import { formatPosition, parsePosition, Publication } from "../../lib/core/publication.ts";
import type { Ref } from "../../static/hark.d.ts";
import type { Dice } from "../support/dice.ts";
import type { Fuzzer } from "./fuzzer.ts";
import {
  several,
  someBytes,
  someChannel,
  someJson,
  somePosition,
  someSubscription,
  someText,
} from "./grammar.ts";
import { mutateText } from "./mutator.ts";
import { isMoment, type Since } from "../../lib/core/since.ts";
import { attempt, checkPrototypes } from "./properties.ts";

const NOW_MS = Date.UTC(2026, 0, 31);
const EVENTS = ["message", "a", "é \u{1f600}", "__proto__", '"', "\\", "x".repeat(200)];

/** Commands of `hark.v1`. */
const commandFuzzer: Fuzzer = {
  name: "hark-commands",
  rounds: 1000,
  round(dice, show) {
    const frames = [someCommand(dice), someCommand(dice)].map(encodeCommand);
    show(frames[0]);
    const valid = decodeCommand(frames[0]!, NOW_MS);
    assertEquals(decodeCommand(encodeCommand(valid), NOW_MS), valid);
    const mutated = mutateText(dice, frames[0]!, frames);
    show(mutated);
    const result = attempt(() => decodeCommand(mutated, NOW_MS), [CommandError]);
    if ("value" in result) {
      checkCommand(result.value);
      // As written, because JSON takes -0 for a number and does not give it back.
      const again = encodeCommand(result.value);
      assertEquals(encodeCommand(decodeCommand(again, NOW_MS)), again);
    }
    checkRef("value" in result ? result.value.ref : (result.error as CommandError).ref);
    checkPrototypes();
  },
};

/** Frames of the server's, which have to be one JSON array of what was meant. */
const eventFuzzer: Fuzzer = {
  name: "hark-events",
  rounds: 500,
  round(dice, show) {
    const data = dice.chance(0.3) ? someBytes(dice, 40) : someJson(dice);
    const channel = someChannel(dice);
    const event = dice.pick(EVENTS);
    const position = parsePosition(somePosition(dice));
    const [ref, text, time] = [someRef(dice), someText(dice), dice.upTo(2 ** 40)];
    show({ position, channel, event, data, ref, text });
    const publication = new Publication(position, { channel, event, data }, time);
    const replies = [encodeOk(ref, { id: text }), encodeError(ref, "bad-request", text)];
    const frame = joinEvents([hark.message(publication), ...replies]);
    const carried = typeof data === "string"
      ? { data: JSON.parse(data) }
      : { base64: data.toBase64() };
    const name = ref === undefined ? {} : { ref };
    assertEquals(JSON.parse(frame), [
      { type: "message", id: formatPosition(position), channel, event, ...carried, time },
      { type: "ok", ...name, id: text },
      { type: "error", ...name, code: "bad-request", message: text },
    ]);
  },
};

export const HARK_FUZZERS: readonly Fuzzer[] = [commandFuzzer, eventFuzzer];

function checkCommand(command: Command): void {
  if (!("channels" in command)) return;
  const { channels } = command;
  assert(channels.length > 0 && channels.every((name) => typeof name === "string"));
  assertEquals(channels, [...new Set(channels)]);
}

function checkRef(ref: Ref): void {
  const isRight = ref === undefined || Number.isSafeInteger(ref) ||
    (typeof ref === "string" && ref.length <= 64);
  assert(isRight, `not a ref: ${JSON.stringify(ref)}`);
}

function someRef(dice: Dice): Ref {
  return dice.pick([undefined, 0, 1, -7, Number.MAX_SAFE_INTEGER, "", "a", someText(dice, 4)]);
}

function someCommand(dice: Dice): Command {
  const ref = someRef(dice);
  const channels = [someSubscription(dice), ...several(dice, 3, () => someSubscription(dice))];
  const since = dice.pick<Since | undefined>([
    undefined,
    parsePosition(somePosition(dice)),
    { sinceMs: dice.upTo(NOW_MS) },
  ]);
  const data = dice.chance(0.3) ? someBytes(dice, 40) : JSON.stringify(JSON.parse(someJson(dice)));
  return dice.pick<Command>([
    { type: "subscribe", ref, channels: [...new Set(channels)], since, presence: dice.chance(0.5) },
    { type: "unsubscribe", ref, channels: [...new Set(channels)] },
    { type: "publish", ref, draft: { channel: someChannel(dice), event: dice.pick(EVENTS), data } },
    { type: "presence", ref, channel: someText(dice) },
    { type: "refresh", ref, token: someText(dice, 40) },
  ]);
}

/** As a client writes it. */
function encodeCommand(command: Command): string {
  if (command.type === "publish") {
    const { type, ref, draft: { channel, event, data } } = command;
    const fields = JSON.stringify({ type, ref, channel, event });
    const body = typeof data === "string" ? `"data":${data}` : `"base64":"${data.toBase64()}"`;
    return `${fields.slice(0, -1)},${body}}`;
  }
  if (!("since" in command) || command.since === undefined) return JSON.stringify(command);
  return JSON.stringify({ ...command, since: formatSince(command.since) });
}

function formatSince(since: Since): string {
  return isMoment(since) ? new Date(since.sinceMs).toISOString() : formatPosition(since);
}
