import type { Bytes } from "./codec.ts";
import type { HeartbeatLimits } from "./heartbeats.ts";
import { type Disconnect, invitesBack, Refusal } from "../../core/errors.ts";
import type { Socket } from "../websocket/socket.ts";

/** Bytes of one polling body, or of one WebSocket frame. */
export const POLLING_BYTES_MAX = 1_000_000;

/** The bounds of an Engine.IO session. */
export interface EngineLimits extends HeartbeatLimits {
  readonly upgradeTimeoutMs: number;
  /** Bytes of one polling body, or of one WebSocket frame. */
  readonly pollingBytesMax: number;
  /** Unsent bytes. */
  readonly outboundBytesMax: number;
  /** Packets a second from the client. */
  readonly inboundPerSecondMax: number;
  /** Reads a body whole, or throws a `Refusal`: `too-large` if it has more than `bytesMax` bytes. */
  readonly readBody: (request: Request, bytesMax: number) => Promise<Bytes>;
}

/** One HTTP request to the server. */
export interface EngineRequest {
  readonly request: Request;
  readonly query: URLSearchParams;
  readonly address: string;
}

/** Of URL and headers of the first request, which are kept as long as the session. */
export const HANDSHAKE_CHARS_MAX = 16_384;

/** What is known of the client's first request. */
export interface EngineHandshake {
  readonly address: string;
  readonly query: URLSearchParams;
  readonly headers: Headers;
}

/**
 * What a session remembers of its first request. Throws a `Refusal` if that is too much for each of
 * many to keep.
 */
export function readHandshake({ request, query, address }: EngineRequest): EngineHandshake {
  // The request can't be read later: a text is kept, which takes a fifth of the headers' space.
  const lines = Array.from(request.headers, ([name, value]) => `${name}:${value}`).join("\n");
  if (request.url.length + lines.length > HANDSHAKE_CHARS_MAX) {
    const message =
      `Cannot connect: URL and headers have more than ${HANDSHAKE_CHARS_MAX} characters`;
    throw new Refusal("too-large", message);
  }
  return {
    address,
    query,
    get headers() {
      return new Headers(lines.split("\n").map(splitHeader));
    },
  };
}

function splitHeader(line: string): [name: string, value: string] {
  const colon = line.indexOf(":");
  return [line.slice(0, colon), line.slice(colon + 1)];
}

/** The packet with which session `sid` begins. */
export function openPacket(
  sid: string,
  upgrades: readonly string[],
  limits: EngineLimits,
): string {
  return `0${
    JSON.stringify({
      sid,
      upgrades,
      pingInterval: limits.pingIntervalMs,
      pingTimeout: limits.pingTimeoutMs,
      maxPayload: limits.pollingBytesMax,
    })
  }`;
}

/** No packet: a client that gets it takes its connection for broken. */
const UNREADABLE = "9";

/**
 * Closes the WebSocket of a session. OkHttp, on which the Java clients run, keeps a close frame from
 * them: they would stay until their ping time-out is over.
 */
export function closeHeard(
  socket: Socket,
  reason: Disconnect,
  { headers }: Pick<EngineHandshake, "headers">,
): void {
  const isDeaf = headers.get("user-agent")?.startsWith("okhttp/") ?? false;
  if (isDeaf && invitesBack(reason)) socket.send(UNREADABLE);
  socket.close(reason);
}
