import { issue } from "../support/tokens.ts";

/** One request as large as the options allow, or one frame, made to be long in the reading. */
export interface LargestRequest {
  /** What has to read it. */
  readonly decoder: string;
  readonly what: string;
  readonly path: string;
  readonly headers?: Readonly<Record<string, string>>;
  /** The body of a POST; what is left out is got. */
  readonly body?: string | Uint8Array<ArrayBuffer>;
  /** Frames to send on a WebSocket, after what it takes to be let in. */
  readonly frames?: readonly (string | Uint8Array<ArrayBuffer>)[];
  readonly protocol?: string;
}

const MESSAGE_BYTES = 65_000;
const POST_BYTES = 999_000;
const HEAD_BYTES = 60_000;
const POLL3 = "/socket.io/?EIO=3&transport=polling";
const POLL4 = "/socket.io/?EIO=4&transport=polling";
const SOCKETIO = "/socket.io/?EIO=4&transport=websocket";

/** As many of `text` as `bytes` hold. */
function fill(text: string, bytes: number): string {
  return text.repeat(Math.floor(bytes / new TextEncoder().encode(text).length));
}

/** A list of `item`, as JSON. */
function list(item: string, bytes: number): string {
  return `[${fill(`${item},`, bytes - item.length - 2)}${item}]`;
}

function names(count: number): string {
  return JSON.stringify(Array.from({ length: count }, (_, at) => at.toString(36)));
}

function binaryPackets(): Uint8Array<ArrayBuffer> {
  const body = new Uint8Array(POST_BYTES - POST_BYTES % 4);
  for (let at = 0; at < body.length; at += 4) body.set([0, 1, 255, 0x36], at);
  return body;
}

/** The last of three attachments is what puts all together. */
function withAttachments(json: string): readonly (string | Uint8Array<ArrayBuffer>)[] {
  const places = [0, 1, 2].map((num) => `{"_placeholder":true,"num":${num}}`).join(",");
  const part = new Uint8Array(10);
  return ["40", `453-["x",${places},${json}]`, part, part, part];
}

const double = `${POST_BYTES - 10}:4${"\u00e9".repeat(POST_BYTES / 2 - 10)}`;

/** What every decoder can be given. Those of a server with tokens begin with `token`. */
export async function largestRequests(): Promise<readonly LargestRequest[]> {
  const patterns = Array.from({ length: 100 }, (_, at) => `a.b.c.${at}.*`);
  const token = await issue({ hark: { subscribe: patterns, publish: patterns } });
  const packets = (what: string, path: string, body: string | Uint8Array<ArrayBuffer>) => ({
    decoder: "Engine.IO payload",
    what,
    path,
    body,
  });
  const packet = (what: string, ...frames: (string | Uint8Array<ArrayBuffer>)[]) => ({
    decoder: "Socket.IO packet",
    what,
    path: SOCKETIO,
    frames,
  });
  const command = (what: string, frame: string) => ({
    decoder: "hark.v1 command",
    what,
    path: "/ws",
    protocol: "hark.v1",
    frames: [frame],
  });
  const body = (what: string, type: string, text: string | Uint8Array<ArrayBuffer>) => ({
    decoder: "body",
    what,
    path: "/channels/a",
    headers: { "content-type": type },
    body: text,
  });
  const head = (what: string, path: string, headers: Readonly<Record<string, string>> = {}) => ({
    decoder: "URL and headers",
    what,
    path,
    headers,
  });
  return [
    packets("3: 166,000 texts that are not UTF-8 twice over", POLL3, fill("2:4é", POST_BYTES)),
    packets(
      "3: one text that is",
      POLL3,
      `${499_000}:4${fill("Ã©", POST_BYTES)}`.slice(0, 499_007),
    ),
    packets("3: one text that nearly is", POLL3, double),
    packets("3: 250,000 packets in bytes", POLL3, binaryPackets()),
    packets("3: a form of escapes, for JSONP", `${POLL3}&j=0`, `d=${fill("%C3%A9", POST_BYTES)}`),
    packets("3: base64", POLL3, `998000:b4${"A".repeat(997_998)}`),
    packets("4: 500,000 packets", POLL4, fill("6\x1e", POST_BYTES)),
    packets("4: base64", POLL4, `b${"A".repeat(998_000)}`),
    packet("arrays in an event", "40", `42["x",${list("[]", POST_BYTES)}]`),
    packet("objects in an event", "40", `42["x",${list('{"a":{}}', POST_BYTES)}]`),
    packet("130,000 channels to subscribe to", "40", `421["subscribe",${names(130_000)}]`),
    packet("130,000 channels to unsubscribe from", "40", `421["unsubscribe",${names(130_000)}]`),
    packet("arrays beside attachments", ...withAttachments(list("[]", POST_BYTES))),
    packet("objects beside attachments", ...withAttachments(list('{"a":{}}', POST_BYTES))),
    packet("digits of an id", "40", `42${"9".repeat(POST_BYTES)}`),
    packet("a namespace", `40/${"n".repeat(POST_BYTES)}`),
    command("arrays", `{"type":"publish","channel":"a","data":${list("[]", MESSAGE_BYTES - 50)}}`),
    command("channels", `{"type":"subscribe","channels":${names(13_000)},"ref":1}`),
    command("base64", `{"type":"publish","channel":"a","base64":"${"A".repeat(64_000)}"}`),
    body("JSON: arrays", "application/json", list("[]", MESSAGE_BYTES)),
    body("JSON: objects", "application/json", list('{"a":{}}', MESSAGE_BYTES)),
    body("text: escapes", "text/plain", fill("\u0001", MESSAGE_BYTES)),
    body("bytes", "application/octet-stream", new Uint8Array(MESSAGE_BYTES)),
    body(
      "ndjson: 16 lines of arrays",
      "application/x-ndjson",
      fill(`${list("[]", 65_000)}\n`, 1_048_000),
    ),
    body("ndjson: 1000 lines", "application/x-ndjson", fill(`${list("[]", 1040)}\n`, 1_040_000)),
    body("ndjson: line ends", "application/x-ndjson", `1${"\n".repeat(1_048_000)}`),
    head("channels", `/events?${fill("channel=a&", HEAD_BYTES)}since=x-1`),
    head(
      "120 patterns",
      `/events?since=x-0&${Array.from({ length: 120 }, (_, at) => `channel=a.${at}.*`).join("&")}`,
    ),
    head("X-Forwarded-For", "/count", { "x-forwarded-for": fill("192.0.2.1, ", HEAD_BYTES) }),
    head("a cookie", "/events?token=x", { cookie: fill("hark_token=a; ", HEAD_BYTES) }),
    head("If-None-Match", "/client.js", { "if-none-match": fill('"a", ', HEAD_BYTES) }),
    head("Range", "/client.js", { range: `bytes=${fill("0-,", HEAD_BYTES)}` }),
    { decoder: "token", what: "100 patterns each", path: `/events?token=${token}` },
    {
      decoder: "token",
      what: "of a megabyte",
      path: "/count",
      headers: { authorization: `Bearer ${"a.".repeat(HEAD_BYTES / 2)}` },
    },
  ];
}
