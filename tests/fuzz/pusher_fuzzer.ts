import { assert, assertEquals } from "@std/assert";
import { isPosition, Publication } from "../../lib/core/publication.ts";
import {
  type Command,
  CommandError,
  decodeCommand,
  encodeSubscribed,
  isSocketId,
  pusherEncoder,
  triggeredData,
  triggeredText,
} from "../../lib/protocols/pusher/codec.ts";
import { Refusal } from "../../lib/core/errors.ts";
import { Names } from "../../lib/protocols/pusher/names.ts";
import { readBatch, readTrigger } from "../../lib/protocols/pusher/requests.ts";
import type { Dice } from "../support/dice.ts";
import type { Fuzzer } from "./fuzzer.ts";
import { several, someChannel, someJson, somePosition, someText } from "./grammar.ts";
import { mutateText } from "./mutator.ts";
import { attempt, checkPrototypes } from "./properties.ts";

/** What clients of Pusher's protocol send. */
const commandFuzzer: Fuzzer = {
  name: "pusher-commands",
  rounds: 1000,
  round(dice, show) {
    const frames = [someFrame(dice), someFrame(dice)];
    show(frames[0]);
    decodeCommand(frames[0]!);
    const mutated = mutateText(dice, frames[0]!, frames);
    show(mutated);
    const result = attempt(() => decodeCommand(mutated), [CommandError]);
    if ("value" in result) checkCommand(result.value);
    checkPrototypes();
  },
};

/** What the server sends: JSON whose `data` gives back what was triggered. */
const messageFuzzer: Fuzzer = {
  name: "pusher-messages",
  rounds: 500,
  round(dice, show) {
    const text = dice.chance(0.5) ? someJson(dice) : someText(dice, 40);
    const [channel, event] = [someChannel(dice), someText(dice, 10)];
    const members = several(
      dice,
      4,
      () => ({ userId: someText(dice, 8), userInfo: someJson(dice) }),
    );
    show({ text, channel, event, members });
    const data = triggeredData(text);
    assertEquals(triggeredText(data), text);
    const publication = new Publication({ epoch: "e", offset: 1 }, { channel, event, ...data }, 0);
    const frame = pusherEncoder((name) => name).message(publication);
    assertEquals(JSON.parse(String(frame)), { event, channel, data: text, id: "e-1" });
    const { presence } = JSON.parse(JSON.parse(encodeSubscribed(channel, "e-1", members)).data);
    assertEquals(presence.ids, members.map(({ userId }) => userId));
    for (const id of presence.ids) assert(Object.hasOwn(presence.hash, id));
  },
};

/** What backends send. */
const requestFuzzer: Fuzzer = {
  name: "pusher-requests",
  rounds: 500,
  round(dice, show) {
    const names = new Names(dice.pick(["", "4712:"]), ["", "4712:"]);
    const bodies = [someTrigger(dice), someTrigger(dice)].map((trigger) => JSON.stringify(trigger));
    const batch = `{"batch":[${bodies}]}`;
    readTrigger(encoder.encode(bodies[0]), names);
    readBatch(encoder.encode(batch), names);
    const mutated = mutateText(dice, dice.pick([...bodies, batch]), [...bodies, batch]);
    show(mutated);
    for (const read of [readTrigger, readBatch]) {
      const result = attempt(
        () => [read(encoder.encode(mutated), names)].flat(),
        [Refusal, TypeError],
        { quotes: true },
      );
      for (const { drafts } of "value" in result ? result.value : []) {
        for (const { channel } of drafts) {
          assertEquals([names.has(channel), names.toHark(names.toWire(channel))], [true, channel]);
        }
      }
    }
    checkPrototypes();
  },
};

export const PUSHER_FUZZERS: readonly Fuzzer[] = [commandFuzzer, messageFuzzer, requestFuzzer];

const encoder = new TextEncoder();

function someTrigger(dice: Dice): unknown {
  const channels = [someChannel(dice), someChannel(dice)];
  return {
    name: someText(dice, 10),
    data: dice.chance(0.5) ? someJson(dice) : someText(dice, 40),
    ...dice.chance(0.5) ? { channels } : { channel: channels[0] },
    ...dice.pick([{}, { socket_id: null }, { socket_id: "1.2" }, { info: "user_count" }]),
  };
}

function checkCommand(command: Command): void {
  if (command.type === "client") {
    assert(command.event.startsWith("client-"));
    if (command.data !== undefined) JSON.parse(command.data);
  }
  if (command.type !== "subscribe") return;
  const { since, socketIds } = command;
  assert(socketIds.length <= 10 && socketIds.every(isSocketId));
  if (since !== undefined) assert(isPosition(`${since.epoch}-${since.offset}`));
}

function someFrame(dice: Dice): string {
  const channel = someChannel(dice);
  const text = () => someText(dice, 20);
  const data = JSON.parse(someJson(dice));
  const since = dice.chance(0.5) ? somePosition(dice) : undefined;
  const ids = several(dice, 3, () => `${dice.upTo(9)}.${dice.upTo(2 ** 40)}`);
  return JSON.stringify(dice.pick<unknown>([
    { event: "pusher:subscribe", data: { channel, auth: text(), channel_data: text() } },
    { event: "pusher:subscribe", data: { channel, since, socket_ids: ids } },
    { event: "pusher:subscribe", data: JSON.stringify({ channel }) },
    { event: "pusher:unsubscribe", data: { channel } },
    { event: "pusher:signin", data: { auth: text(), user_data: text() } },
    { event: "pusher:ping", data },
    { event: "pusher:pong", data },
    { event: `client-${text()}`, channel, data },
  ]));
}
