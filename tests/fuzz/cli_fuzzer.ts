import { assert, assertEquals } from "@std/assert";
import { Failure } from "../../lib/cli/command.ts";
import { readLines } from "../../lib/cli/lines.ts";
import { hark, joinEvents } from "../../lib/protocols/hark/codec.ts";
import { parsePosition, Publication } from "../../lib/core/publication.ts";
import { printable } from "../../lib/observe/log.ts";
import type { Dice } from "../support/dice.ts";
import { FakeClock } from "../support/fake_clock.ts";
import { CommandRun } from "../support/shell.ts";
import type { Fuzzer } from "./fuzzer.ts";
import { nested, several, someBytes, someChannel, someJson, someText } from "./grammar.ts";
import { mutateBytes, mutateText } from "./mutator.ts";
import { attempt, attemptAsync } from "./properties.ts";
import { scriptedSockets, withStandIns } from "./scripted.ts";

const FORBIDDEN = /[\p{C}\p{Zl}\p{Zp}]/u;
const encoder = new TextEncoder();
const decoder = new TextDecoder("utf-8", { fatal: true });

/** `hark tail` prints each message on a line that commands no terminal. */
const tailFuzzer: Fuzzer = {
  name: "tail",
  rounds: 500,
  async round(dice, show) {
    const publications = somePublications(dice);
    const frames = publications.map((publication) => joinEvents([hark.message(publication)]));
    const isGarbled = dice.chance(0.5);
    const sent = isGarbled ? frames.map((frame) => garble(dice, frame, frames)) : frames;
    const reason = someText(dice, 20);
    const isJson = dice.chance(0.5);
    show({ sent, reason, isJson });
    const { WebSocket, sockets } = scriptedSockets();
    const args = ["--url", "http://localhost/", "*", ...(isJson ? ["--json"] : [])];
    const tail = await withStandIns({ WebSocket }, async () => {
      const tail = new CommandRun("tail", args, { clock: new FakeClock() });
      const [socket] = sockets;
      socket!.onopen?.();
      for (const data of sent) socket!.onmessage?.({ data });
      socket!.onclose?.({ code: 4500, reason });
      assertEquals(await tail.code(), 1);
      return tail;
    });
    const lines = tail.out.takeAll();
    for (const line of [...lines, ...tail.said.takeAll()]) {
      assert(!FORBIDDEN.test(line), `not printable: ${JSON.stringify(line)}`);
    }
    if (isJson) lines.forEach((line) => JSON.parse(line));
    if (!isGarbled) checkLines(lines, publications, isJson);
  },
};

/** `hark publish` is done only where the server has acknowledged, and says what it is told otherwise. */
const publishFuzzer: Fuzzer = {
  name: "publish",
  rounds: 300,
  async round(dice, show) {
    const status = dice.pick([200, 201, 204, 302, 400, 401, 403, 413, 500, 503]);
    const answer = JSON.stringify(dice.pick<unknown>([
      { id: "aaaaaaaa-1", channel: "a", event: "message", time: 1 },
      { publications: [{ id: "aaaaaaaa-1" }] },
      { type: "urn:hark:problem:x", title: "x", status, detail: someText(dice, 20) },
    ]));
    const text = dice.chance(0.3) ? answer : mutateText(dice, answer, [answer]);
    show({ status, text });
    const body = status === 204 ? null : text;
    const fetch = () => Promise.resolve(new Response(body, { status }));
    const args = ["--url", "http://localhost/", "--channel", "a", "hello"];
    await withStandIns({ fetch }, async () => {
      const publish = new CommandRun("publish", args, { clock: new FakeClock() });
      const code = await publish.code();
      const said = publish.said.takeAll();
      for (const line of said) assert(!FORBIDDEN.test(line), `not printable: ${line}`);
      assertEquals(code, said.length === 0 ? 0 : 1);
      if (code === 0) assert(status < 300 && /"(id|publications)"|\\u/.test(text), text);
    });
  },
};

/** Lines are the same however their text is cut in pieces. */
const linesFuzzer: Fuzzer = {
  name: "lines",
  rounds: 300,
  async round(dice, show) {
    const text = several(dice, 5, () => someText(dice)).join(dice.pick(["\n", "\r\n", "\n\n"]));
    const bytes = dice.chance(0.7) ? encoder.encode(text) : mutateBytes(dice, encoder.encode(text));
    const cuts = several(dice, 5, () => dice.upTo(bytes.length)).sort((a, b) => a - b);
    show({ bytes, cuts });
    const parts = [0, ...cuts].map((start, at) => bytes.subarray(start, cuts[at] ?? bytes.length));
    const read = async () => (await Array.fromAsync(readLines(ReadableStream.from(parts)))).flat();
    const result = await attemptAsync(read, [Failure]);
    const whole = attempt(() => decoder.decode(bytes), [TypeError]);
    assertEquals("value" in result, "value" in whole);
    if (!("value" in result) || !("value" in whole)) return;
    const expected = whole.value.split("\n");
    if (expected.at(-1) === "") expected.pop();
    assertEquals(result.value, expected.map((line) => line.replace(/\r$/, "")));
  },
};

export const CLI_FUZZERS: readonly Fuzzer[] = [tailFuzzer, publishFuzzer, linesFuzzer];

function somePublications(dice: Dice): Publication[] {
  return several(dice, 4, () => {
    const event = dice.pick(["message", "a", "é \u{1f600}", '"']);
    const data = dice.chance(0.2) ? someBytes(dice, 40) : someJson(dice);
    const position = parsePosition(`aaaaaaaa-${dice.upTo(1000)}`);
    return new Publication(
      position,
      { channel: someChannel(dice), event, data },
      dice.upTo(2 ** 42),
    );
  });
}

function garble(dice: Dice, frame: string, donors: readonly string[]): string {
  if (dice.chance(0.9)) return mutateText(dice, frame, donors);
  const deep = nested(dice, "1", dice.pick([1000, 20_000]));
  return `[{"type":"message","id":"a-1","channel":"a","event":"a","time":1,"data":${deep}}]`;
}

/** One line for each message, with all that it says. */
function checkLines(lines: string[], publications: readonly Publication[], isJson: boolean): void {
  assertEquals(lines.length, publications.length);
  for (const [at, { id, channel, event, data, time }] of publications.entries()) {
    const line = lines[at]!;
    const body = typeof data === "string"
      ? { data: JSON.parse(data) }
      : { base64: data.toBase64() };
    if (isJson) assertEquals(JSON.parse(line), { id, channel, event, ...body, time });
    else {
      const head = printable(`${new Date(time).toISOString()} ${channel} ${event} `);
      assert(line.startsWith(head), line);
      const value = typeof data === "string" ? body.data : body;
      assertEquals(JSON.parse(line.slice(head.length)), value);
    }
  }
}
