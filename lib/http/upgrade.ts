import { problem } from "./problem.ts";

/** The subprotocols that a client offers (RFC 6455 section 4.1), in its order. */
export function offeredProtocols(headers: Headers): string[] {
  const offered = headers.get("sec-websocket-protocol") ?? "";
  return offered.split(",").map((name) => name.trim()).filter((name) => name !== "");
}

/** Reports whether a request asks for a WebSocket (RFC 6455 section 4.2.1). */
export function isUpgrade({ method, headers }: Request): boolean {
  return method === "GET" && WEBSOCKET_ITEM.test(headers.get("upgrade") ?? "") &&
    UPGRADE_ITEM.test(headers.get("connection") ?? "");
}

// An item of a list (RFC 9110 section 5.6.1). Not by `trim()`, which also removes what is no white space in
// HTTP: Deno would throw.
const WEBSOCKET_ITEM = /(^|,)[ \t]*websocket[ \t]*(,|$)/i;
const UPGRADE_ITEM = /(^|,)[ \t]*upgrade[ \t]*(,|$)/i;
/** What a 426 asks for. */
const UPGRADE = { upgrade: "websocket", connection: "upgrade" };

/** Why a WebSocket handshake cannot be accepted; undefined if it can. */
export function handshakeFault({ headers }: Request): "version" | "key" | undefined {
  if (headers.get("sec-websocket-version") !== "13") return "version";
  if (!/^[A-Za-z0-9+/]{22}==$/.test(headers.get("sec-websocket-key") ?? "")) return "key";
  return undefined;
}

/** The answer to a request that cannot become a WebSocket; undefined if it can. */
export function refuseHandshake(request: Request): Response | undefined {
  if (!isUpgrade(request)) {
    const why = "This is a WebSocket endpoint: connect with one";
    return problem(426, "upgrade-required", why, UPGRADE);
  }
  switch (handshakeFault(request)) {
    case "version":
      return problem(426, "upgrade-required", "Use WebSocket version 13", {
        "sec-websocket-version": "13",
        ...UPGRADE,
      });
    case "key":
      return problem(400, "bad-request", "Expected Sec-WebSocket-Key to be 16 bytes in base64");
  }
  return undefined;
}
