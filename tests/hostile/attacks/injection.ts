import { assert, assertEquals, assertMatch } from "@std/assert";
import { EventStream } from "../../support/events.ts";
import { OPCODES } from "../../support/raw.ts";
import { issue, SECRET } from "../../support/tokens.ts";
import type { Attack } from "../attack.ts";
import { Crowd, HARK_HEADERS, openPolling, SOCKETIO } from "../attackers.ts";
import { exchange } from "../raw_http.ts";
import type { Target } from "../target.ts";

const KEY = "a-key-of-the-test-0123456789";

/** What would add a header, an event, a line of the log, a metric and a script, if it got through. */
const PAYLOADS: readonly string[] = [
  "a\r\nX-Injected: yes\r\n\r\ninjected",
  "a\n\nevent: injected\ndata: injected\n\n",
  'a\n{"time":"now","level":"info","message":"injected"}\n',
  'a"} 1\nhark_injected 1\n',
  "a\u2028injected\u2029\u0085\x0b\x0c\x1b[2Jinjected\x07\x00",
  "</script><script>injected()</script>",
];

const METRIC = /^(#.*|hark_[a-z_]+(\{[a-z]+="[^"\\\n]*"\})? [-+0-9.eInfNa]+)$/;
const EVENT_FIELD = /^(:[^]*|(id|event|data|retry): [^]*)$/;
// deno-lint-ignore no-control-regex -- these are what must not be there
const CONTROLS = /[\0-\x1f\x7f-\x9f\u2028\u2029]/;

/** Puts a text into each field that reaches the log, a stream, a header, a metric or a page. */
async function inject(target: Target, text: string): Promise<void> {
  const escaped = encodeURIComponent(text);
  const token = await issue({ sub: text });
  const paths = [
    `/${escaped}`,
    `/broadcast/${escaped}`,
    `/broadcast/x?event=${escaped}`,
    `/broadcast/x?channel=${escaped}`,
    `/channels/${escaped}`,
    `/channels/${escaped}/presence`,
    `/channels?after=${escaped}`,
    `/channels/a?since=${escaped}&limit=${escaped}`,
    `/events?channel=${escaped}`,
    `/channels/a/presence?token=${token}`,
    `/events?token=${escaped}`,
    `/count?key=${escaped}`,
    `/sessions?user=${escaped}&channel=${escaped}&after=${escaped}`,
    `/socket.io/?EIO=${escaped}&transport=${escaped}&sid=${escaped}`,
    `/socket.io/?EIO=3&transport=polling&j=${escaped}`,
  ];
  for (const path of paths) await assertOneHead(target, `GET ${path}`);
  // What may not be in a header at all is sent as it is, and cut by the server's HTTP.
  const value = text.replace(/[^\x20-\x7e]/g, (character) => encodeURIComponent(character));
  const raw = new TextEncoder().encode(text).reduce(
    (sum, byte) => sum + String.fromCharCode(byte),
    "",
  );
  for (const sent of [value, raw]) {
    for (
      const name of [
        ...["Origin", "Referer", "User-Agent", "X-Forwarded-For", "Forwarded", "Cookie", "Range"],
        ...["Last-Event-ID", "Idempotency-Key", "Content-Type", "Access-Control-Request-Headers"],
        ...["Access-Control-Request-Method", "Sec-WebSocket-Protocol"],
      ]
    ) {
      await assertOneHead(target, "POST /channels/a", `${name}: ${sent}`);
      await assertOneHead(
        target,
        "OPTIONS /socket.io/",
        `${name}: ${sent}`,
        "Origin: http://a.example",
      );
    }
  }
  await assertOneHead(target, `${value.replace(/[^A-Za-z]/g, "-")} /count`);
  await injectFrames(target, text);
}

async function injectFrames(target: Target, text: string): Promise<void> {
  using crowd = new Crowd(target);
  const hark = await crowd.open(`/ws?key=${KEY}`, HARK_HEADERS);
  await hark.text();
  const json = JSON.stringify(text);
  const commands = [
    ...[`{"type":${json},"ref":${json}}`, `{"type":"subscribe","channels":[${json}]}`],
    ...[
      `{"type":"subscribe","channels":["a"],"since":${json}}`,
      `{"type":"refresh","token":${json}}`,
    ],
    ...[`{"type":"publish","channel":${json},"data":1}`, text],
    ...[`{"type":"publish","channel":"a","event":${json},"data":${json},"ref":1}`],
  ];
  for (const command of commands) await hark.send(OPCODES.text, command);
  for (let replies = 0; replies < commands.length;) {
    const events: readonly Record<string, unknown>[] = JSON.parse(await hark.text());
    replies += events.filter(({ type }) => type !== "message").length;
  }
  for (const packet of [`40/${text}`, `40{"token":${json}}`, `40/news,{"pid":${json}}`, text]) {
    const socketio = await crowd.open(SOCKETIO);
    await socketio.text();
    await socketio.send(OPCODES.text, packet);
  }
  const polling = await openPolling(target);
  await target.fetch(polling, { method: "POST", body: text });
}

/** Makes sure that an answer has one head, which holds nothing of what was put in. */
async function assertOneHead(
  target: Target,
  line: string,
  ...headers: readonly string[]
): Promise<void> {
  const lines = [`${line} HTTP/1.1`, "Host: localhost", "Connection: close", "Content-Length: 0"];
  // A key would be taken for who it is before any token.
  if (!line.includes("token=")) lines.push(`Authorization: Bearer ${KEY}`);
  const request = `${[...lines, ...headers].join("\r\n")}\r\n\r\n`;
  const answer = await exchange(target.port, request);
  assert(!/^x-injected/im.test(answer.head), answer.head);
  assert(!/^HTTP/m.test(answer.body), answer.body);
  for (const each of answer.head.split("\r\n")) assert(!CONTROLS.test(each), each);
}

function assertLogLine(line: string): void {
  assert(!CONTROLS.test(line), line);
  const { message } = JSON.parse(line);
  assert(message !== "injected", line);
}

export const INJECTION_ATTACKS: readonly Attack[] = [
  {
    name: "line breaks and control characters in every field",
    target: {
      args: [
        ...["--publish-key", KEY, "--token-secret", SECRET, "--public", "*"],
        ...["--trust-proxy", "1", "--heartbeat-s", "1"],
      ],
      bounds: { linesPerPeerMax: 100_000, pingTimeoutMs: 1000 },
    },
    key: KEY,
    growthMiBMax: 60,
    async run(target) {
      await using events = await EventStream.open(`${target.url}/events?channel=*`);
      target.stdout.takeAll();
      for (const payload of PAYLOADS) await inject(target, payload);
      await target.broadcast("the last", `?key=${KEY}`);
      const blocks: string[] = [];
      do blocks.push(await events.blocks.next()); while (!blocks.at(-1)!.includes("the last"));
      for (const line of blocks.flatMap((block) => block.split(/\r\n|\n|\r/))) {
        assertMatch(line, EVENT_FIELD);
      }
      const { body } = await target.fetch(`/metrics?key=${KEY}`);
      for (const line of body.trimEnd().split("\n")) assertMatch(line, METRIC);
      target.stdout.takeAll().forEach(assertLogLine);
      // What is for people tells it as text: JSON, which no browser takes for a page.
      const answer = await target.fetch(
        `/broadcast/${encodeURIComponent(PAYLOADS[5]!)}?key=${KEY}`,
      );
      assertEquals(answer.headers.get("content-type"), "application/json");
      assertEquals(answer.headers.get("x-content-type-options"), "nosniff");
    },
  },
];
