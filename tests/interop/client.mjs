/**
 * A Socket.IO client of the version that is the first argument, driven by lines of JSON:
 *
 *     node client.mjs <folder>/<package> '{"url":…,"options":{…},"events":[…]}'
 *
 * Each line on stdin is one `{emit: [event, …], ack?: number}`, each on stdout one
 * `{event: name, args: […]}`. Bytes stand as `{"$bytes": "<base64>"}`.
 */

import { Buffer } from "node:buffer";
import { createRequire } from "node:module";
import process from "node:process";
import { createInterface } from "node:readline";

const [path, settings] = process.argv.slice(2);
const { url, options, events } = JSON.parse(settings);
const library = createRequire(import.meta.url)(path);
const connect = library.io ?? library;

/** A value as JSON can carry it. */
function pack(value) {
  if (value instanceof ArrayBuffer) return { $bytes: Buffer.from(value).toString("base64") };
  if (ArrayBuffer.isView(value)) return { $bytes: Buffer.from(value).toString("base64") };
  if (Array.isArray(value)) return value.map(pack);
  if (typeof value !== "object" || value === null) return value;
  return Object.fromEntries(Object.entries(value).map(([key, item]) => [key, pack(item)]));
}

function unpack(value) {
  if (Array.isArray(value)) return value.map(unpack);
  if (typeof value !== "object" || value === null) return value;
  if (typeof value.$bytes === "string") return Buffer.from(value.$bytes, "base64");
  return Object.fromEntries(Object.entries(value).map(([key, item]) => [key, unpack(item)]));
}

function tell(event, ...args) {
  process.stdout.write(`${JSON.stringify({ event, args: args.map(pack) })}\n`);
}

const socket = connect(url, options);
socket.on("connect", () => tell("connect", socket.recovered ?? null));
socket.on("disconnect", () => tell("disconnect"));
for (const event of events) socket.on(event, (...args) => tell(event, ...args));
socket.io.on("open", () => {
  socket.io.engine.on("upgrade", ({ name }) => tell("upgrade", name));
});

createInterface({ input: process.stdin }).on("line", (line) => {
  const { emit, ack } = JSON.parse(line);
  const args = emit.map(unpack);
  if (ack === undefined) socket.emit(...args);
  else socket.emit(...args, (...answer) => tell("ack", ack, ...answer));
});
