import { assert, assertEquals } from "@std/assert";
import { hark as harkFormat, joinEvents } from "../../lib/protocols/hark/codec.ts";
import { HEARTBEAT, joinChunks, retryLine, sse } from "../../lib/protocols/sse/codec.ts";
import { checkDraft, parsePosition, Publication } from "../../lib/core/publication.ts";
import type { Frame, Welcome } from "../../lib/core/encoder.ts";
import { connect, type Hark, type Message } from "../../lib/client.ts";
import { deadline } from "../support/deadline.ts";
import type { Dice } from "../support/dice.ts";
import type { Fuzzer } from "./fuzzer.ts";
import { several, someBytes, someChannel, someJson, someText } from "./grammar.ts";
import { mutateText } from "./mutator.ts";
import { attempt, checkPrototypes } from "./properties.ts";
import { scriptedSockets, withStandIns } from "./scripted.ts";

const URL_BASE = "http://localhost/";
const STATES = ["connecting", "connected", "waiting", "stopped", "closed"];

/** The page's client gets over Server-Sent Events what was published, however it is cut. */
const eventsFuzzer: Fuzzer = {
  name: "client-sse",
  rounds: 150,
  async round(dice, show) {
    const publications = somePublications(dice).filter(({ data }) => !looksLikeBytes(data));
    const chunks: Frame[] = [retryLine(1000), sse.welcome(someWelcome(dice))!];
    for (const publication of publications) {
      chunks.push(sse.message(publication));
      if (dice.chance(0.3)) chunks.push(HEARTBEAT);
    }
    const stream = joinChunks(chunks) as Uint8Array<ArrayBuffer>;
    const cuts = several(dice, 6, () => dice.upTo(stream.length)).sort((a, b) => a - b);
    show({ stream: new TextDecoder().decode(stream), cuts });
    const parts = [0, ...cuts].map((start, at) =>
      stream.subarray(start, cuts[at] ?? stream.length)
    );
    const fetch = () => Promise.resolve(new Response(ReadableStream.from(parts)));
    // Only where WebSocket fails again and again does the client come to this.
    const WebSocket = () => {
      throw new Error("no WebSocket");
    };
    const messages: Message[] = [];
    await withStandIns({ WebSocket, fetch, random: () => 0 }, async () => {
      const client = connect({ url: URL_BASE, channels: ["a"] });
      client.on("message", (message: Message) => messages.push(message));
      await toState(client, "connected");
      await toState(client, "waiting");
      client.close();
    });
    assertEquals(
      messages.map(({ id, event, data }) => ({ id, event, data })),
      publications.map(({ id, event, data }) => ({ id, event, data: valueOf(data) })),
    );
  },
};

/** The page's client gets over WebSocket what was published, and comes to no harm by what was not. */
const socketFuzzer: Fuzzer = {
  name: "client-socket",
  rounds: 300,
  async round(dice, show) {
    const publications = somePublications(dice);
    const frames = publications.map((publication) => joinEvents([harkFormat.message(publication)]));
    const welcome = joinEvents([harkFormat.welcome(someWelcome(dice)) as string]);
    const isGarbled = dice.chance(0.5);
    const sent = frames.flatMap((frame) => {
      if (dice.chance(0.2)) return [frame, frame];
      return isGarbled ? mutateText(dice, frame, frames) : frame;
    });
    show([welcome, ...sent]);
    const messages: Message[] = [];
    const { WebSocket, sockets } = scriptedSockets();
    await withStandIns({ WebSocket }, async () => {
      const client = connect({ url: URL_BASE });
      client.on("message", (message: Message) => messages.push(message));
      client.on("error", () => {});
      await deadline(Promise.resolve()); // It asks for a token first.
      for (const data of [welcome, ...sent]) sockets[0]!.onmessage?.({ data });
      assert(STATES.includes(client.state));
      client.close();
    });
    const ids = messages.map(({ id }) => id);
    assertEquals(ids, [...new Set(ids)], "a message came twice");
    if (!isGarbled) {
      assertEquals(messages.map(({ data }) => data), publications.map(({ data }) => valueOf(data)));
    }
    checkPrototypes();
  },
};

export const CLIENT_FUZZERS: readonly Fuzzer[] = [eventsFuzzer, socketFuzzer];

function toState(client: Hark, wanted: string): Promise<void> {
  const { promise, resolve } = Promise.withResolvers<void>();
  client.on("state", ({ state }) => {
    if (state === wanted) resolve();
  });
  return deadline(client.state === wanted ? Promise.resolve() : promise);
}

function somePublications(dice: Dice): Publication[] {
  const drafts = several(dice, 4, () => ({
    channel: someChannel(dice),
    event: dice.chance(0.8) ? dice.pick(["message", "a", "é"]) : someText(dice, 6),
    data: dice.chance(0.2) ? someBytes(dice, 40) : someJson(dice),
  }));
  return drafts.filter((draft) => "value" in attempt(() => checkDraft(draft), [TypeError]))
    .map((draft, at) => new Publication(parsePosition(`aaaaaaaa-${at + 1}`), draft, at));
}

function someWelcome(dice: Dice): Welcome {
  return {
    client: "c",
    position: "aaaaaaaa-0",
    recovered: undefined,
    since: undefined,
    greeting: dice.chance(0.5) ? "" : someText(dice),
  };
}

/** JSON that is written as bytes are: nobody can tell it from them. */
function looksLikeBytes(data: Publication["data"]): boolean {
  return typeof data === "string" && /^\s*{\s*"base64":\s*"[a-z\d+/=]*"\s*}\s*$/i.test(data);
}

/** What a handler gets. */
function valueOf(data: Publication["data"]): unknown {
  return typeof data === "string" ? JSON.parse(data) : data;
}
