import { assert, assertEquals } from "@std/assert";
import { HARK_V1 } from "../../lib/protocols/hark/codec.ts";
import { deadline } from "../support/deadline.ts";
import type { Dice } from "../support/dice.ts";
import { HANDSHAKE, RawConnection } from "../support/raw.ts";
import type { ServerOptions } from "../support/server.ts";
import type { Fuzzer, Show } from "./fuzzer.ts";
import { nested, several, someChannel, someJson, someSubscription } from "./grammar.ts";
import { parseAnswers, type RawAnswer } from "./http_answers.ts";
import { KEY, LAST_REQUEST, mutateRequest, someFrame, someRequest } from "./http_grammar.ts";
import { Target } from "./http_target.ts";
import { mutateText } from "./mutator.ts";

const ATTACKERS_MAX = 3;
const encoder = new TextEncoder();

/**
 * A whole server on real sockets. Whatever attackers send, it answers with right HTTP and never with
 * 500, others get their messages once and in order, and nothing is left of the attackers.
 */
class HttpFuzzer implements Fuzzer {
  readonly name: string;
  readonly rounds = 60;
  readonly #options: ServerOptions;
  #target: Promise<Target> | undefined;

  constructor(name: string, options: ServerOptions) {
    this.name = name;
    this.#options = options;
  }

  async round(dice: Dice, show: Show): Promise<void> {
    const target = await (this.#target ??= Target.start(this.#options));
    const attacks = Array.from({ length: 1 + dice.upTo(ATTACKERS_MAX - 1) }, () => {
      return dice.pick(ATTACKS)(dice, show);
    });
    await Promise.all(attacks.map((attack) => attack(target)));
    await target.check();
  }

  async close(): Promise<void> {
    await (await this.#target)?.close();
    this.#target = undefined;
  }
}

export const HTTP_FUZZERS: readonly Fuzzer[] = [
  new HttpFuzzer("http", {}),
  new HttpFuzzer("http-guarded", {
    publishKey: [KEY],
    tokenSecret: "a secret of 32 bytes, or of more",
    public: ["news.*", "broadcast"],
    trustProxy: 1,
  }),
];

type Attack = (target: Target) => Promise<void>;

/** Says what it will do, and returns what does it. */
type MakeAttack = (dice: Dice, show: Show) => Attack;

/** Requests that are right but for what they say, one after another; every one is answered. */
const ask: MakeAttack = (dice, show) => {
  const isHead = dice.chance(0.1);
  const first = isHead ? someRequest(dice, "HEAD") : someRequest(dice);
  const requests = [first, ...several(dice, 2, () => someRequest(dice))]
    .filter(({ isPlain }) => isPlain);
  show(requests.map(({ bytes }) => new TextDecoder().decode(bytes)));
  return async ({ server }) => {
    using connection = await RawConnection.open(server.port);
    const reading = connection.rest();
    for (const { bytes } of requests) await write(connection, bytes);
    await write(connection, encoder.encode(LAST_REQUEST));
    const answers = parseAnswers(await reading, isHead && first.isPlain);
    answers.forEach(checkAnswer);
    assert(answers.length > 0 && answers.every(({ isWhole }) => isWhole), "no whole answer came");
  };
};

/** Requests that are cut, garbled or never end. */
const garble: MakeAttack = (dice, show) => {
  const requests = Array.from({ length: 1 + dice.upTo(2) }, () => {
    const request = someRequest(dice);
    return dice.chance(0.5) ? request.bytes : mutateRequest(dice, request, someRequest(dice));
  });
  show(requests.map((bytes) => new TextDecoder().decode(bytes)));
  return (target) => converse(target, requests);
};

/** A WebSocket, then frames of all sorts. */
const shake: MakeAttack = (dice, show) => {
  const [path, texts, headers] = dice.pick<() => [string, string[], string[]]>([
    () => [`/ws?channel=${someSubscription(dice)}`, someCommands(dice), [PROTOCOL]],
    () => ["/ws", someCommands(dice), []],
    () => ["/socket.io/?EIO=4&transport=websocket", somePackets(dice, 4), []],
    () => ["/socket.io/?EIO=3&transport=websocket", somePackets(dice, 3), []],
  ])();
  const head = [`GET ${path} HTTP/1.1`, ...HANDSHAKE, ...headers, "", ""].join("\r\n");
  const frames = Array.from({ length: 1 + dice.upTo(9) }, () => someFrame(dice, texts));
  show([head, ...frames]);
  return (target) => converse(target, [encoder.encode(head), ...frames]);
};

/** An Engine.IO session by polling, with posts, polls and attempts to change over. */
const poll: MakeAttack = (dice, show) => {
  const version = dice.pick([3, 4] as const);
  const packets = somePackets(dice, version);
  const payloads = Array.from({ length: 1 + dice.upTo(2) }, () => {
    const chosen = Array.from({ length: 1 + dice.upTo(3) }, () => dice.pick(packets));
    const payload = version === 4
      ? chosen.join("\x1e")
      : chosen.map((packet) => `${packet.length}:${packet}`).join("");
    return dice.chance(0.5) ? payload : mutateText(dice, payload, packets);
  });
  const steps = Array.from(
    { length: 1 + dice.upTo(4) },
    () => dice.pick(["get", "post", "socket"]),
  );
  show({ version, payloads, steps });
  return async (target) => {
    const query = `EIO=${version}&transport=`;
    const { body } = await target.server.fetch(`/socket.io/?${query}polling`);
    const [, sid] = /"sid":"([\w-]+)"/.exec(body) ?? [];
    const line = (method: string, transport: string) =>
      `${method} /socket.io/?${query}${transport}&sid=${sid} HTTP/1.1`;
    const makers: Record<string, (payload: string) => string> = {
      get: () => [line("GET", "polling"), "Host: localhost", "", ""].join("\r\n"),
      post: (payload) =>
        [
          line("POST", "polling"),
          "Host: localhost",
          `Content-Length: ${encoder.encode(payload).length}`,
          "",
          payload,
        ].join("\r\n"),
      socket: () => [line("GET", "websocket"), ...HANDSHAKE, "", ""].join("\r\n"),
    };
    await Promise.all(
      steps.map((step, at) =>
        converse(target, [encoder.encode(makers[step]!(payloads[at % payloads.length]!))])
      ),
    );
  };
};

const ATTACKS: readonly MakeAttack[] = [ask, ask, garble, garble, shake, shake, poll];
const PROTOCOL = `Sec-WebSocket-Protocol: ${HARK_V1}`;

/** Sends everything on one connection, and leaves once the server has seen it. */
async function converse(target: Target, parts: readonly Uint8Array[]): Promise<void> {
  const connection = await RawConnection.open(target.server.port);
  const reading = connection.rest();
  for (const part of parts) await write(connection, part);
  await target.probe();
  connection[Symbol.dispose]();
  parseAnswers(await reading).forEach(checkAnswer);
}

/** Writes as far as the server lets it. */
async function write(connection: RawConnection, bytes: Uint8Array): Promise<void> {
  try {
    await deadline(connection.write(bytes));
  } catch (error) {
    const { BrokenPipe, ConnectionReset, ConnectionAborted } = Deno.errors;
    const isOver = [BrokenPipe, ConnectionReset, ConnectionAborted].some((type) =>
      error instanceof type
    );
    if (!isOver) throw error;
  }
}

/** What Hark refuses it tells as a problem, and a failure of its own is never among it. */
function checkAnswer({ status, headers, body, isWhole }: RawAnswer): void {
  assert(status !== 500, `500: ${body}`);
  if (!isWhole || body === "" || status < 400) return;
  const type = headers.get("content-type") ?? "";
  if (type === "application/problem+json") {
    const problem = JSON.parse(body);
    assertEquals(Object.keys(problem), ["type", "title", "status", "detail", "help"]);
    assertEquals([problem.status, /^urn:hark:problem:[a-z-]+$/.test(problem.type)], [status, true]);
    assertEquals(headers.get("x-content-type-options"), "nosniff");
  } else if (type === "application/json") {
    assertEquals(Object.keys(JSON.parse(body)), ["code", "message"]);
  } else if (status !== 416) { // which is @std's
    assert(type.startsWith("text/html") && /^[\w ]+$/.test(body), `${status} ${type}: ${body}`);
  }
}

function someCommands(dice: Dice): string[] {
  const channel = someChannel(dice);
  const deep = dice.pick([99, 100, 101, 3000]);
  return [
    `{"type":"subscribe","ref":1,"channels":["${someSubscription(dice)}"],"presence":true}`,
    `{"type":"subscribe","ref":2,"channels":["${channel}","a"],"since":"aaaaaaaa-1"}`,
    `{"type":"unsubscribe","ref":3,"channels":["${channel}"]}`,
    `{"type":"publish","ref":"a","channel":"${channel}","event":"x","data":${someJson(dice)}}`,
    `{"type":"publish","channel":"broadcast","base64":"AAECAw=="}`,
    `{"type":"publish","channel":"a","data":${nested(dice, "1", deep)}}`,
    `{"type":"presence","ref":4,"channel":"${channel}"}`,
    `{"type":"refresh","ref":5,"token":"a.b.c"}`,
  ];
}

function somePackets(dice: Dice, version: 3 | 4): string[] {
  const name = `/${someChannel(dice)}`;
  return [
    ...["40", `40${name},`, `40${name},{"token":"a.b.c"}`, "41", `41${name},`, "2probe", "5", "1"],
    ...["2", "3", "6", "b4AAEC", '42["subscribe","a"]', `421["subscribe",["a.*","${name}"]]`],
    `42${name},7["unsubscribe",${someJson(dice)}]`,
    '451-["subscribe",{"_placeholder":true,"num":0}]',
    ...["43[]", "431[1]", '44{"message":"x"}', version === 3 ? "b4AA==" : "bAA=="],
    `42["__proto__",${someJson(dice)}]`,
    '40{"pid":"x","offset":"aaaaaaaa-1"}',
  ];
}
