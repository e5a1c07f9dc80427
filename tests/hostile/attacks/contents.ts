import { assert, assertEquals } from "@std/assert";
import { OPCODES } from "../../support/raw.ts";
import type { Attack } from "../attack.ts";
import { awaitText, closeOf, Crowd, HARK_HEADERS, openPolling, SOCKETIO } from "../attackers.ts";
import { exchange, latin1 } from "../raw_http.ts";
import type { Target } from "../target.ts";

const JSON_HEADERS = { "content-type": "application/json" };

/** Arrays in arrays. */
function nested(depth: number): string {
  return "[".repeat(depth) + "]".repeat(depth);
}

async function publishJson(target: Target, body: string): Promise<number> {
  const init = { method: "POST", headers: JSON_HEADERS, body };
  return (await target.fetch("/channels/a", init)).status;
}

/** The request line and headers of a request on a connection of its own. */
function head(line: string, ...headers: readonly string[]): string {
  const lines = [`${line} HTTP/1.1`, "Host: localhost", "Connection: close", ...headers];
  return `${lines.join("\r\n")}\r\n\r\n`;
}

/** A request, and the status that it is answered with. */
type Case = readonly [request: string, status: number];

async function assertStatuses(target: Target, cases: readonly Case[]): Promise<void> {
  for (const [request, expected] of cases) {
    const { status } = await exchange(target.port, request);
    assertEquals(status, expected, JSON.stringify(request.slice(0, 120)));
  }
}

/** Sends a frame on a WebSocket of its own, and returns how the server closes it. */
async function closeAfter(
  target: Target,
  path: string,
  headers: readonly string[],
  frames: readonly (string | Uint8Array)[],
): Promise<number> {
  using crowd = new Crowd(target);
  const connection = await crowd.open(path, headers);
  for (const frame of frames) await connection.send(OPCODES.text, frame);
  return (await closeOf(connection)).code;
}

const deepJson: Attack = {
  name: "JSON that is huge or deep",
  growthMiBMax: 100,
  async run(target) {
    const cases: readonly [json: string, status: number][] = [
      [nested(100), 200],
      [nested(101), 400],
      [nested(32_000), 400],
      ['{"a":'.repeat(10_000) + "1" + "}".repeat(10_000), 400],
      ["9".repeat(65_000), 200],
      ["-1e99999", 200],
      [`{${Array.from({ length: 5000 }, (_, at) => `"${at}":0`).join(",")}}`, 200],
      [JSON.stringify("\ud800".repeat(10_000)), 200],
      ["x".repeat(65_537), 413],
    ];
    for (const [json, status] of cases) {
      assertEquals(await publishJson(target, json), status, json.slice(0, 40));
    }
    using crowd = new Crowd(target);
    const connection = await crowd.open("/ws", HARK_HEADERS);
    await connection.text();
    const data = nested(30_000);
    await connection.send(OPCODES.text, `{"type":"publish","channel":"a","data":${data},"ref":1}`);
    await awaitText(connection, /expected at most 101 levels of arrays and objects/);
    const deepPacket = `42["subscribe",${nested(30_000)}]`;
    assertEquals(await closeAfter(target, SOCKETIO, [], ["40", deepPacket]), 4500);
    assertEquals(await closeAfter(target, SOCKETIO, [], [`40{"token":${nested(30_000)}}`]), 4500);
    const polling = await openPolling(target);
    const posted = await target.fetch(polling, { method: "POST", body: `40\x1e${deepPacket}` });
    assertEquals(posted.status, 200); // These are packets: what is in them ends the session.
    assertEquals((await target.fetch(polling)).status, 400);
  },
};

const extremeHeads: Attack = {
  name: "URLs and headers of any size and shape",
  growthMiBMax: 100,
  async run(target) {
    const long = "a".repeat(60_000);
    const cases: readonly Case[] = [
      [head(`GET /${long}`), 404],
      [head(`GET ${"/".repeat(60_000)}`), 404],
      [head(`GET /count?${"&".repeat(60_000)}`), 200],
      [head(`GET /events?${"channel=a&".repeat(6000)}since=x`), 400],
      [
        head(`GET /events?${Array.from({ length: 200 }, (_, at) => `channel=c${at}`).join("&")}`),
        503,
      ],
      [head(`GET /channels/${long}`), 400],
      [head(`GET /broadcast/x?channel=${long}`), 400],
      [head(`GET /broadcast/x?event=${long}`), 400],
      [head(`GET /socket.io/?EIO=4&transport=polling&x=${long}`), 413],
      [head("GET /count", `X-Long: ${"a".repeat(70_000)}`), 400],
      [head("GET /count", ...Array.from({ length: 200 }, (_, at) => `X-${at}: a`)), 400],
      [head("GET /count", `Cookie: ${"hark_token=a; ".repeat(4000)}`), 200],
      [head("GET /ws", `Sec-WebSocket-Protocol: ${"a, ".repeat(15_000)}`), 426],
      [head("GET /client.js", `Range: bytes=${"0-,".repeat(15_000)}`), 200],
      [head("GET /client.js", "Range: bytes=0-99999999999999999999"), 206],
      [head("GET /client.js", `If-None-Match: ${'"a", '.repeat(10_000)}`), 200],
      [head("GET /count", `Origin: ${long}`), 200],
      [head("GET /count", `X-Forwarded-For: ${"1.1.1.1,".repeat(7000)}`), 200],
      [head("POST /channels/a", `Content-Type: text/plain${";a=b".repeat(10_000)}`), 200],
      [head("POST /channels/a", `Content-Type: ${long}`), 415],
      [head("POST /channels/a", "Content-Length: -1"), 400],
      [head("POST /channels/a", "Content-Length: 1", "Content-Length: 2"), 400],
      [head("POST /channels/a", `Idempotency-Key: ${long}`), 400],
      [head("HEAD /events", `Last-Event-ID: ${long}`), 200],
      [head(`GET /events?since=${long}`), 400],
      [head(`${"A".repeat(10_000)} /count`), 405],
      ["GET /count HTTP/1.0\r\n\r\n", 200],
      ["GET /count HTTP/1.1\r\nConnection: close\r\n\r\n", 200],
      ["GET /count HTTP/9.9\r\nHost: localhost\r\n\r\n", 400],
      [
        "GET http://evil.example/count HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n",
        421,
      ],
      ["\r\n".repeat(10_000), 400],
      ["\0".repeat(10_000), 400],
    ];
    await assertStatuses(target, cases);
  },
};

const malformedText: Attack = {
  name: "text that is not UTF-8",
  growthMiBMax: 60,
  async run(target) {
    const wrong = ["\xff", "\xc0\xaf", "\xed\xa0\x80", "\xf4\x90\x80\x80", "\xe2\x82"];
    for (const bytes of wrong) {
      const escaped = Array.from(bytes, (byte) => `%${byte.charCodeAt(0).toString(16)}`).join("");
      const post = (path: string, type: string, body: string) =>
        head(`POST ${path}`, `Content-Type: ${type}`, `Content-Length: ${body.length}`) + body;
      const cases: readonly Case[] = [
        [head(`GET /broadcast/${escaped}`), 400],
        [head(`GET /broadcast/${bytes}`), 400],
        [head(`GET /channels/${escaped}`), 400],
        [head(`GET /events?channel=${escaped}`), 400],
        [head(`GET /events?since=${escaped}`), 400],
        [head(`GET /broadcast/x?event=${escaped}`), 200], // Read as U+FFFD, as URLs are.
        [post("/channels/a", "text/plain", bytes), 400],
        [post("/channels/a", "application/json", `"${bytes}"`), 400],
        [post("/channels/a", "application/x-ndjson", `1\n"${bytes}"`), 400],
        [post("/channels/a", "application/octet-stream", bytes), 200],
        [post(await openPolling(target), "text/plain", `4${bytes}`), 400],
        [head("GET /count", `X-Any: ${bytes}`), 200],
        [head("GET /count", `Origin: http://${bytes}`), 200],
        [head("POST /channels/a", `Idempotency-Key: ${bytes}`), 400],
      ];
      await assertStatuses(target, cases);
      using crowd = new Crowd(target);
      for (const [path, headers] of [["/ws", []], ["/ws", HARK_HEADERS], [SOCKETIO, []]] as const) {
        const connection = await crowd.open(path, headers);
        await connection.send(OPCODES.text, latin1(bytes));
        await connection.ended();
      }
    }
  },
};

const prototypeKeys: Attack = {
  name: "names that every object has",
  growthMiBMax: 60,
  async run(target) {
    const before = await target.prototypeKeys();
    const pollution = '{"__proto__":{"polluted":1},"constructor":{"prototype":{"polluted":1}}}';
    for (const name of ["__proto__", "constructor", "prototype", "toString", "hasOwnProperty"]) {
      const cases: readonly Case[] = [
        [head(`GET /${name}`), 404],
        [head(`${name} /count`), 405],
        [head(`GET /channels/${name}`), 200],
        [head(`GET /channels/${name}/presence`), 200],
        [head(`GET /broadcast/x?channel=${name}&event=${name}`), 200],
        [head(`GET /events?since=${name}`), 400],
        [head(`GET /count?${name}[x]=1&${name}.x=1`, `${name}: 1`), 200],
        [head(`GET /socket.io/?EIO=${name}&transport=polling`), 400],
        [head(`GET /socket.io/?EIO=4&transport=${name}`), 400],
        [head(`GET /socket.io/?EIO=4&transport=polling&sid=${name}`), 400],
        [head("POST /channels/a", `Idempotency-Key: ${name}`, "Content-Length: 1") + "1", 200],
      ];
      await assertStatuses(target, cases);
      using crowd = new Crowd(target);
      const connection = await crowd.open("/ws", HARK_HEADERS);
      await connection.text();
      await connection.send(OPCODES.text, `{"type":"${name}","ref":1}`);
      await awaitText(connection, /"code":"bad-request"/);
      assertEquals(
        await closeAfter(target, SOCKETIO, [], [`40${pollution}`, `42["${name}",1]`, "2"]),
        4500,
      );
    }
    using crowd = new Crowd(target);
    const receiver = await crowd.open("/ws?channel=pollution");
    await receiver.text();
    const body = pollution;
    await target.fetch("/channels/pollution", { method: "POST", headers: JSON_HEADERS, body });
    let text: string;
    do text = await receiver.text(); while (text.includes("pulse"));
    assertEquals(text, pollution);
    assertEquals(await target.prototypeKeys(), before);
  },
};

const pathTricks: Attack = {
  name: "paths that lead out of the folder",
  growthMiBMax: 60,
  async run(target) {
    const out = ["../deno.json", "..%2fdeno.json", "%2e%2e/deno.json", "%2e%2e%2fdeno.json"];
    const tricks = [
      ...out.flatMap((path) => [`/${path}`, `//${path}`, `/x/${path}`, `/x/../${path}`]),
      ...["/..\\deno.json", "/%5c..%5cdeno.json", "/....//deno.json", "/..;/deno.json"],
      ...["/%252e%252e/deno.json", "/%c0%ae%c0%ae/deno.json", "/client.js/../../deno.json"],
      ...["//etc/passwd", "/etc/passwd", "/%2fetc%2fpasswd", "/file:///etc/passwd", "/C:/windows"],
      ...["/client.js%00.html", "/client.js/", "/client.js%20", "/.git/config", "/.std", "/static"],
      ...["/index.html/..", "/%00", "/~root", "/CON", "/client.js::$DATA"],
    ];
    for (const path of tricks) {
      const { status, body } = await exchange(target.port, head(`GET ${path}`));
      assertEquals([path, status], [path, 404]);
      assert(!/compilerOptions|root:/.test(body), path);
    }
    // What is no path at all.
    for (
      const line of ["GET *", "OPTIONS *", "CONNECT localhost:22", "GET ../deno.json", "GET ?"]
    ) {
      const { status, body } = await exchange(target.port, head(line));
      assert([0, 400, 404, 405].includes(status), `${status} to ${line}`);
      assert(!/compilerOptions|root:/.test(body), line);
    }
    const { body } = await exchange(target.port, head("GET /broadcast/..%2f..%2fetc%2fpasswd"));
    assertEquals(body, '{"message":"../../etc/passwd"}');
  },
};

export const CONTENT_ATTACKS: readonly Attack[] = [
  deepJson,
  extremeHeads,
  malformedText,
  prototypeKeys,
  pathTricks,
];
