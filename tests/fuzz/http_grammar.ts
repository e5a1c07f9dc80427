import type { Dice } from "../support/dice.ts";
import { encodeFrame, HANDSHAKE, OPCODES } from "../support/raw.ts";
import {
  headerText,
  several,
  someBytes,
  someChannel,
  someJson,
  somePosition,
  someSubscription,
  someText,
} from "./grammar.ts";
import { mutateBytes, mutateText } from "./mutator.ts";

/** A request as it travels. */
export interface RawRequest {
  readonly bytes: Uint8Array<ArrayBuffer>;
  /** Framed as HTTP wants it, and answered at once. */
  readonly isPlain: boolean;
}

/** What lets a caller publish where not everybody may. */
export const KEY = "the-key-of-the-server";
const METHODS = [
  "GET",
  "GET",
  "GET",
  "POST",
  "POST",
  "POST",
  "PUT",
  "DELETE",
  "OPTIONS",
  "BREW",
  "get",
];
const TYPES = [
  ...["application/json", "application/x-ndjson", "text/plain; charset=utf-8", "image/png"],
  ...["application/octet-stream", "multipart/form-data; boundary=x", "text/plain; charset=x", "/"],
];
/** Answered by a stream, or by what takes its time. */
const OPEN_ENDED = /^\/(events|ws|socket\.io|\?|$)|^\W*$/;
const encoder = new TextEncoder();

/** The last request of a connection, after whose answer the server ends it. */
export const LAST_REQUEST = "GET /healthz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n";

/** A request; mostly a right one, of a kind that may do harm. */
export function someRequest(dice: Dice, method: string = dice.pick(METHODS)): RawRequest {
  const target = dice.chance(0.8) ? someTarget(dice) : someOddTarget(dice);
  const body = method === "GET" || method === "HEAD" ? "" : someBody(dice);
  const headers = [
    `Host: ${dice.chance(0.9) ? "localhost" : someHost(dice)}`,
    ...someHeaders(dice),
  ];
  const framed = frameBody(dice, body);
  const head = [`${method} ${target} HTTP/1.1`, ...headers, ...framed.headers, "", ""].join("\r\n");
  const isUpgrade = dice.chance(0.1);
  const text = isUpgrade
    ? head.replace("\r\n", `\r\n${HANDSHAKE.slice(1).join("\r\n")}\r\n`)
    : head;
  const isPlain = !isUpgrade && !OPEN_ENDED.test(target) && !target.includes("://");
  return { bytes: encoder.encode(text + framed.body), isPlain };
}

/** What no client would send. */
export function mutateRequest(
  dice: Dice,
  request: RawRequest,
  other: RawRequest,
): Uint8Array<ArrayBuffer> {
  const choice = dice.upTo(3);
  if (choice === 0) return request.bytes.slice(0, dice.upTo(request.bytes.length));
  return mutateBytes(dice, request.bytes, [other.bytes]);
}

/** Where something is, percent-encoded or not, with a query or without. */
export function someTarget(dice: Dice): string {
  const segment = (text: string) => dice.chance(0.9) ? encodeURIComponent(text) : encodeURI(text);
  const path = dice.pick([
    `/broadcast/${segment(someText(dice) || "x")}`,
    `/channels/${segment(dice.chance(0.8) ? someChannel(dice) : someText(dice))}`,
    `/channels/${someChannel(dice)}`,
    `/channels/${someChannel(dice)}?event=deploy&key=${KEY}`,
    `/broadcast/hello?channel=${someSubscription(dice)}&key=${KEY}`,
    `/channels/${segment(someChannel(dice))}/presence`,
    ...["/channels", "/events", "/ws", "/count", "/sessions", "/healthz", "/readyz", "/metrics"],
    ...["/", "/client.js", "/nothing", "/socket.io/", "/socket.io"],
  ]);
  const query = new URLSearchParams(dice.some(someParameters(dice), 0.3)).toString();
  const mark = path.includes("?") ? "&" : "?";
  return query === "" ? path : path + mark + (dice.chance(0.8) ? query : someOddQuery(dice, query));
}

function someOddTarget(dice: Dice): string {
  const target = dice.pick([
    ...["*", "//", "//localhost/count", "/..%2f..%2fdeno.json", "/%2e%2e/deno.json", "/./count"],
    ...["http://localhost/count", "http://evil.example/broadcast/a", "/count#x", "/%", "/%ff%fe"],
    ...[
      "/broadcast/%00",
      "/broadcast/%ed%a0%80",
      "/channels/__proto__",
      "/client.js/",
      "?",
      "/a\\b",
    ],
    `/broadcast/${"x".repeat(9000)}`,
  ]);
  return dice.chance(0.7) ? target : mutateText(dice, target).replace(/[^\x21-\x7e]/g, "");
}

function someOddQuery(dice: Dice, query: string): string {
  return mutateText(dice, query).replace(/[^\x21-\x7e]/g, "");
}

function someParameters(dice: Dice): string[][] {
  return [
    ["channel", someSubscription(dice)],
    ["channel", someText(dice)],
    ["event", dice.chance(0.7) ? dice.pick(["message", "deploy", "gap"]) : someText(dice)],
    ["since", dice.chance(0.7) ? somePosition(dice) : someText(dice)],
    ["limit", dice.pick(["1", "1000", "0", "1e3", "-1", "99999"])],
    ["after", someText(dice)],
    ["presence", "1"],
    ["key", dice.chance(0.8) ? KEY : someText(dice)],
    ["token", someText(dice)],
    ["client", "x".repeat(22)],
    ["user", someText(dice)],
    ["EIO", dice.pick(["3", "4", "5", "__proto__"])],
    ["transport", dice.pick(["polling", "websocket", "flashsocket"])],
    ["sid", someText(dice)],
    ["j", dice.pick(["0", "1);alert(1", ""])],
    ["b64", "1"],
  ];
}

function someHost(dice: Dice): string {
  const host = dice.pick(["127.0.0.1:80", "[::1]", "evil.example", "", "a/b", "localhost?", "a@b"]);
  return dice.chance(0.5) ? host : headerText(mutateText(dice, host));
}

function someHeaders(dice: Dice): string[] {
  const text = () => headerText(someText(dice));
  return dice.some([
    `Content-Type: ${dice.pick(TYPES)}`,
    `Content-Encoding: ${dice.pick(["identity", "gzip"])}`,
    `Idempotency-Key: ${text()}`,
    `Origin: ${dice.pick(["http://localhost", "https://evil.example", "null", text()])}`,
    `Sec-Fetch-Site: ${dice.pick(["same-origin", "cross-site", text()])}`,
    `Authorization: ${dice.pick(["Bearer a.b.c", "Bearer ", "Basic x", text()])}`,
    `Cookie: hark_token=${text()}`,
    `Last-Event-ID: ${dice.chance(0.5) ? somePosition(dice) : text()}`,
    `X-Forwarded-For: ${dice.pick(["192.0.2.1", "::1", text()])}`,
    `Forwarded: for=${dice.pick(["192.0.2.1", '"[::1]"', text()])}`,
    `Access-Control-Request-Method: ${dice.pick(["POST", text()])}`,
    `Access-Control-Request-Headers: ${text()}`,
    `Range: ${dice.pick(["bytes=0-1", "bytes=9-1", "bytes=-0", text()])}`,
    `If-None-Match: ${text()}`,
    `If-Modified-Since: ${dice.pick(["Thu, 01 Jan 1970 00:00:00 GMT", text()])}`,
    `Expect: 100-continue`,
    `X-Long: ${"x".repeat(dice.pick([10, 5000]))}`,
    `Accept-Encoding: gzip, br`,
    `Connection: keep-alive`,
  ], 0.12);
}

function someBody(dice: Dice): string {
  const lines = () => several(dice, 5, () => someJson(dice)).join("\n");
  const body = dice.pick([someJson(dice), lines(), someText(dice, 40), "x".repeat(70_000), ""]);
  return dice.chance(0.8) ? body : mutateText(dice, body);
}

/** A body with its length, or in chunks. */
function frameBody(dice: Dice, body: string): { headers: string[]; body: string } {
  const { length } = encoder.encode(body);
  if (length === 0 && dice.chance(0.7)) return { headers: [], body: "" };
  if (dice.chance(0.7)) return { headers: [`Content-Length: ${length}`], body };
  const size = 1 + dice.upTo(40);
  const chunks = body.slice(0, 2000).match(new RegExp(`[^]{1,${size}}`, "gu")) ?? [];
  const framed = chunks.map((chunk) => {
    return `${encoder.encode(chunk).length.toString(16)}\r\n${chunk}\r\n`;
  });
  return { headers: ["Transfer-Encoding: chunked"], body: `${framed.join("")}0\r\n\r\n` };
}

/** A frame of a client's, mostly a right one; `texts` are what a client of the kind may say. */
export function someFrame(dice: Dice, texts: readonly string[]): Uint8Array<ArrayBuffer> {
  const text = dice.pick(texts);
  const payload = dice.chance(0.5) ? text : mutateText(dice, text, texts);
  const opcode = dice.chance(0.8) ? OPCODES.text : dice.pick(Object.values(OPCODES));
  const data = dice.chance(0.9) ? payload : someBytes(dice, 200);
  const frame = encodeFrame(opcode, data, dice.chance(0.85));
  if (dice.chance(0.85)) return frame;
  const broken = frame.slice();
  const choice = dice.upTo(3);
  if (choice === 0) broken[0]! |= 0x10 << dice.upTo(2);
  else if (choice === 1) broken[1]! &= 0x7f;
  else if (choice === 2) broken[1] = dice.upTo(255);
  else return mutateBytes(dice, frame);
  return broken;
}
