import { DISCONNECTS } from "../core/errors.ts";
import { handshakeFault, isUpgrade } from "../http/upgrade.ts";

/** How a request is relayed to another process. */
export interface RelayOptions {
  /** An http URL, also for a WebSocket. */
  readonly url: URL;
  readonly client: Deno.HttpClient;
  /** Headers for the other process, beside those of the client. */
  readonly headers: Readonly<Record<string, string>>;
  /** By default that of the request. */
  readonly body?: Uint8Array<ArrayBuffer> | null;
  /** Gives up waiting for an answer; by default when the client has gone. */
  readonly signal?: AbortSignal;
  /** Unsent bytes before one end of a WebSocket is too slow. */
  readonly outboundBytesMax: number;
}

/** Headers of one connection (RFC 9110 section 7.6.1), and those that the next request makes anew. */
const OWN_HEADERS =
  /^(connection|keep-alive|te|transfer-encoding|upgrade|host|content-length|sec-websocket-.*)$/;
/** Reports whether a close code may be sent (RFC 6455 section 7.4): some only report how a socket ended. */
const isSendable = (code: number) => code >= 1000 && ![1004, 1005, 1006, 1015].includes(code);

/**
 * Has another process answer a request, also one for a WebSocket, and passes its answer on. Rejects if that
 * process is gone, or does not accept the WebSocket.
 */
export async function relay(request: Request, options: RelayOptions): Promise<Response> {
  const headers = new Headers([...request.headers].filter(([name]) => !OWN_HEADERS.test(name)));
  for (const [name, value] of Object.entries(options.headers)) headers.set(name, value);
  if (isUpgrade(request) && handshakeFault(request) === undefined) {
    return await relaySocket(request, headers, options);
  }
  // Only this process encodes the answer for the client.
  headers.set("accept-encoding", "identity");
  const { url, client, body = request.body, signal = request.signal } = options;
  const { method } = request;
  const init = { method, headers, body, signal, client, redirect: "manual" } as const;
  const answer = await fetch(url, init);
  return new Response(answer.body, { status: answer.status, headers: answer.headers });
}

/** Engine.IO's answer for a session that is gone with its process: the client begins anew. */
export function unknownSid(): Response {
  return Response.json({ code: 1, message: "Session ID unknown" }, { status: 400 });
}

async function relaySocket(
  request: Request,
  headers: Headers,
  { url, client, signal = request.signal, outboundBytesMax }: RelayOptions,
): Promise<Response> {
  const address = new URL(url);
  address.protocol = "ws:";
  // `opened()` would wait for an event that has been.
  signal.throwIfAborted();
  const inner = new WebSocket(address, { client, headers });
  inner.binaryType = "arraybuffer";
  await opened(inner, signal);
  let upgrade: Deno.WebSocketUpgrade;
  try {
    upgrade = Deno.upgradeWebSocket(request, { idleTimeout: 0 });
  } catch (error) {
    inner.close();
    throw error;
  }
  const { socket: outer, response } = upgrade;
  outer.binaryType = "arraybuffer";
  pass(inner, outer, outboundBytesMax);
  pass(outer, inner, outboundBytesMax);
  return response;
}

function opened(socket: WebSocket, signal: AbortSignal): Promise<void> {
  signal.addEventListener("abort", () => {
    if (socket.readyState === WebSocket.CONNECTING) socket.close();
  });
  return new Promise((resolve, reject) => {
    socket.onopen = () => resolve();
    socket.onerror = () => reject(new Error("Cannot relay: the WebSocket was refused"));
  });
}

/** Passes on what comes from one end to the other, and its end. */
function pass(from: WebSocket, to: WebSocket, bytesMax: number): void {
  from.onmessage = ({ data }) => {
    if (to.readyState !== WebSocket.OPEN) return;
    to.send(data);
    if (to.bufferedAmount <= bytesMax) return;
    for (const end of [from, to]) end.close(DISCONNECTS.slow.code, DISCONNECTS.slow.reason);
  };
  from.onerror = () => {}; // A close event follows, and says the same.
  from.onclose = ({ code, reason }) => {
    if (isSendable(code)) to.close(code, reason);
    else to.close();
  };
}
