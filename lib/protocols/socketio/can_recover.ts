import { Refusal } from "../../core/errors.ts";
import type { JoinRequest } from "./socket.ts";

/**
 * Reports whether a client of protocol 5 can recover: it takes the id behind the data of each event, and
 * shows it when it comes back. The client says so by `recovery` in its `auth` or query. If it does not,
 * it can if it shows a `pid`, or looks like socket.io-client for JavaScript: that can since 4.6, and
 * ignores the id before. Throws a `Refusal` for a `recovery` that is neither 1 nor 0.
 */
export function canRecover(request: JoinRequest): boolean {
  const { auth, query } = request;
  const said = auth.recovery ?? query.get("recovery");
  if (said !== null) return readFlag(said);
  return typeof auth.pid === "string" || isJavaScript(request);
}

function readFlag(said: unknown): boolean {
  const flag = FLAGS.get(said);
  if (flag !== undefined) return flag;
  const shown = JSON.stringify(said).slice(0, SHOWN_CHARS_MAX);
  throw new Refusal("bad-request", `Cannot parse recovery: expected 1 or 0, got ${shown}`);
}

/** socket.io-client asks for `EIO=4&transport=…`, in this order, from a browser, Node, Deno or Bun. */
function isJavaScript({ query, headers }: JoinRequest): boolean {
  const names = [...query.keys()];
  if (names[names.indexOf("EIO") + 1] !== "transport") return false;
  const agent = headers.get("user-agent");
  // A WebSocket in Node names no agent, but offers this.
  if (agent === null) return WS_EXTENSIONS === headers.get("sec-websocket-extensions");
  return AGENTS.test(agent);
}

const FLAGS: ReadonlyMap<unknown, boolean> = new Map<unknown, boolean>([
  ["1", true],
  [1, true],
  [true, true],
  ["0", false],
  [0, false],
  [false, false],
]);
const AGENTS = /^(Mozilla\/|node\b|Deno\/|Bun\/)/;
const WS_EXTENSIONS = "permessage-deflate; client_max_window_bits";
const SHOWN_CHARS_MAX = 40;
