/** What relaying a WebSocket needs. */
export interface RelayedSocketOptions {
  /** Of HTTP. */
  readonly url: URL;
  readonly client: Deno.HttpClient;
  /** Those of the handshake itself do not travel: the other one is made anew. */
  readonly headers: Headers;
  /** Unsent bytes before one end is too slow. */
  readonly outboundBytesMax: number;
}

const SLOW = { code: 4001, reason: "slow: too much unsent" };
/** What may be sent as a close code (RFC 6455 section 7.4): others only report what became of TCP. */
const isSendable = (code: number) => code >= 1000 && ![1004, 1005, 1006, 1015].includes(code);

const HANDSHAKE_HEADERS = /^sec-websocket-/;

/** Accepts a WebSocket whose frames another process handles. Rejects if that does not accept it. */
export async function relaySocket(
  request: Request,
  { url, client, headers, outboundBytesMax }: RelayedSocketOptions,
): Promise<Response> {
  const address = new URL(url);
  address.protocol = "ws:";
  const passedOn = new Headers([...headers].filter(([name]) => !HANDSHAKE_HEADERS.test(name)));
  const inner = new WebSocket(address, { client, headers: passedOn });
  inner.binaryType = "arraybuffer";
  await opened(inner);
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

function opened(socket: WebSocket): Promise<void> {
  return new Promise((resolve, reject) => {
    socket.onopen = () => resolve();
    socket.onerror = () => reject(new Error("Cannot relay: the socket was refused"));
  });
}

/** Passes on what comes from one end to the other, and its end. */
function pass(from: WebSocket, to: WebSocket, bytesMax: number): void {
  from.onmessage = ({ data }) => {
    if (to.readyState !== WebSocket.OPEN) return;
    to.send(data);
    if (to.bufferedAmount <= bytesMax) return;
    from.close(SLOW.code, SLOW.reason);
    to.close(SLOW.code, SLOW.reason);
  };
  from.onerror = () => {}; // A close event follows, and says the same.
  from.onclose = ({ code, reason }) => {
    if (isSendable(code)) to.close(code, reason);
    else to.close();
  };
}
