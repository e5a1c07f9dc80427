import type { Clock } from "../../core/clock.ts";
import { Deadlines } from "../../core/deadlines.ts";
import { because, type Disconnect, DISCONNECTS } from "../../core/errors.ts";
import { TokenBucket } from "../../core/rate_limiter.ts";
import { frameBytes } from "../../core/publication.ts";
import type { Connection } from "../../hub/connections.ts";
import { isUpgrade } from "../../http/upgrade.ts";
import { dropIdleTimer } from "./idle_timer.ts";

/** What a client sends in one frame. */
export type Message = string | Uint8Array<ArrayBuffer>;

/** How long a handshake of WebSocket or TLS may take. */
export const HANDSHAKE_TIMEOUT_MS = 10_000;

/** Sockets whose handshake is not done: a connection that is lost in it raises no event. */
export class Handshakes extends Deadlines<Socket> {
  /** `onLate` is called for each that is not done within `timeoutMs`. */
  constructor(clock: Clock, timeoutMs: number, onLate: () => void) {
    super(clock, timeoutMs, (socket) => {
      onLate();
      socket.end("handshake failed");
    });
  }
}

/** How a socket is accepted, and the bounds on what its client sends. */
export interface SocketOptions {
  readonly clock: Clock;
  readonly handshakes: Handshakes;
  /** Silence after which the socket is closed, in seconds; 0 for never. */
  readonly idleTimeoutS: number;
  /** Bytes of one frame from the client. */
  readonly inboundBytesMax: number;
  /** Frames a second from the client. */
  readonly inboundPerSecondMax: number;
}

/** What serves a socket that is open. Whatever it throws closes the socket, and is reported. */
export interface SocketHandler {
  receiveFrame(socket: Socket, frame: Message): void;
  /** The client broke a bound, or a handler threw; the socket is about to be closed. */
  socketFault(socket: Socket, reason: Disconnect): void;
  /** The connection is over; called exactly once. */
  socketClosed(socket: Socket, why: string): void;
}

/** A client whose WebSocket is to be accepted. */
export interface SocketGuest {
  readonly connection: Connection;
  /** The subprotocol that is agreed on; undefined for none. */
  readonly protocol?: string | undefined;
  /** Called once the handshake is done, and not kept any longer. */
  readonly open: (socket: Socket) => SocketHandler;
}

const EVENT_TYPES = ["open", "message", "error", "close"];

/**
 * Accepts a WebSocket. Whatever is needed of the request MUST be read before, and the response be
 * returned with nothing in between that can throw: an exception after it shuts the server down.
 * Throws, with the connection gone, if Deno does not take the request for a handshake.
 */
export function acceptSocket(
  request: Request,
  { connection, protocol, open }: SocketGuest,
  options: SocketOptions,
): Response {
  const { idleTimeoutS: idleTimeout } = options;
  // A client that has left while its connection was admitted has no headers any more.
  if (!isUpgrade(request)) {
    connection.gone();
    return new Response(null, { status: 400 });
  }
  let upgrade: Deno.WebSocketUpgrade;
  try {
    upgrade = Deno.upgradeWebSocket(request, { idleTimeout });
  } catch (error) {
    connection.gone();
    throw error;
  }
  const { socket, response } = upgrade;
  // Not by the call's own option, which refuses offers that have no space after each comma.
  if (protocol !== undefined) response.headers.set("sec-websocket-protocol", protocol);
  new Socket(socket, options, connection, open);
  return response;
}

/** One WebSocket connection, with its client's frames bounded and its end reported exactly once. */
export class Socket {
  readonly connection: Connection;
  readonly #socket: WebSocket;
  readonly #options: SocketOptions;
  readonly #rate: TokenBucket;
  /** Undefined once the handshake is done: it may hold the request. */
  #open: SocketGuest["open"] | undefined;
  #handler: SocketHandler | undefined;
  #closing = false;
  #closed = false;

  constructor(
    socket: WebSocket,
    options: SocketOptions,
    connection: Connection,
    open: SocketGuest["open"],
  ) {
    this.connection = connection;
    this.#socket = socket;
    this.#options = options;
    this.#open = open;
    this.#rate = new TokenBucket(options.inboundPerSecondMax, options.clock.monotonic());
    options.handshakes.start(this);
    for (const type of EVENT_TYPES) socket.addEventListener(type, this);
  }

  get bufferedBytes(): number {
    return this.#socket.bufferedAmount;
  }

  send(message: Message): void {
    if (this.#closing || this.#socket.readyState !== WebSocket.OPEN) return;
    this.#socket.send(message);
  }

  /** Starts the closing handshake; a client that never answers stays until TCP ends. Idempotent. */
  close({ code, reason }: Pick<Disconnect, "code" | "reason">): void {
    if (this.#closing) return;
    this.#closing = true;
    this.connection.closing();
    // Frames that are here already would end the connection before the close frame is out.
    this.#options.clock.afterTurn(() => this.#socket.close(code, reason));
  }

  /** Takes the socket's events. An exception that leaves a handler would end the process. */
  handleEvent(event: Event): void {
    try {
      if (event instanceof MessageEvent) this.#receive(event.data);
      else if (event instanceof CloseEvent) this.#onClose(event);
      else if (event.type === "open") this.#onOpen();
      // After an error comes a close event, which says why.
    } catch (error) {
      this.#fault(DISCONNECTS.failed, error);
    }
  }

  #onOpen(): void {
    this.#options.handshakes.cancel(this);
    const open = this.#open;
    this.#open = undefined;
    if (this.#closed) this.#socket.close();
    else this.#handler = open?.(this);
  }

  #onClose(event: CloseEvent): void {
    dropIdleTimer(this.#socket);
    // A socket whose timer could not be dropped stays for a while, but nothing of the session with it.
    for (const type of EVENT_TYPES) this.#socket.removeEventListener(type, this);
    this.end(closeName(event));
  }

  #receive(data: string | ArrayBuffer): void {
    if (this.#closing) return;
    const message = typeof data === "string" ? data : new Uint8Array(data);
    const { clock, inboundBytesMax, inboundPerSecondMax } = this.#options;
    // A text has at most three bytes for each of its units: most need not be measured.
    if (message.length * 3 > inboundBytesMax && frameBytes(message) > inboundBytesMax) {
      this.#fault(because(DISCONNECTS.limit, `a frame has at most ${inboundBytesMax} bytes`));
    } else if (!this.#rate.take(clock.monotonic())) {
      this.#fault(because(DISCONNECTS.limit, `at most ${inboundPerSecondMax} frames a second`));
    } else {
      this.#handler?.receiveFrame(this, message);
    }
  }

  #fault(reason: Disconnect, error?: unknown): void {
    this.connection.fault(reason, error);
    this.#handler?.socketFault(this, reason);
    this.close(reason);
  }

  /** The connection is over, or was never made. */
  end(why: string): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#closing = true;
    this.#open = undefined;
    this.#options.handshakes.cancel(this);
    this.connection.gone();
    this.#handler?.socketClosed(this, why);
  }
}

// RFC 6455 section 7.4.1; Deno reports the loss of TCP as 0.
const CLOSE_NAMES: Readonly<Record<number, string>> = {
  0: "connection lost",
  1000: "client closed",
  1001: "client going away",
  1005: "client closed",
  1006: "connection lost",
};

function closeName({ code, wasClean }: CloseEvent): string {
  // Deno's own close, after a ping that was not answered.
  if (code === 1001 && !wasClean) return "idle";
  return CLOSE_NAMES[code] ?? "client error";
}
