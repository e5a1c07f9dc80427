import type { Clock } from "../../core/clock.ts";
import { Deadlines } from "../../core/deadlines.ts";
import { because, type Disconnect, DISCONNECTS } from "../../core/errors.ts";
import { TokenBucket } from "../../core/rate_limiter.ts";
import { frameBytes } from "../../core/publication.ts";
import type { Connection } from "../../hub/connections.ts";
import { isUpgrade } from "../../http/upgrade.ts";
import { dropIdleTimer } from "./idle_timer.ts";

/** The contents of one frame of a client. */
export type Message = string | Uint8Array<ArrayBuffer>;

/** Milliseconds that the handshake of a WebSocket, or of TLS, may take. */
export const HANDSHAKE_TIMEOUT_MS = 10_000;

/** Deadlines of handshakes: a connection that is lost during one raises no event. */
export class Handshakes extends Deadlines<Socket> {
  /** `onLate` is called for each handshake that takes longer than `timeoutMs`. */
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

/** Serves an open socket. An error that it throws is reported, and closes the socket. */
export interface SocketHandler {
  receiveFrame(socket: Socket, frame: Message): void;
  /** Called when the client broke a bound, or a handler threw; the socket is about to be closed. */
  socketFault(socket: Socket, reason: Disconnect): void;
  /** Called exactly once, when the connection is over. */
  socketClosed(socket: Socket, why: string): void;
}

/** A WebSocket to be accepted. */
export interface SocketGuest {
  readonly connection: Connection;
  /** The subprotocol that is agreed on; undefined for none. */
  readonly protocol?: string | undefined;
  /** Called once, when the handshake is done. */
  readonly open: (socket: Socket) => SocketHandler;
}

/** Not `error`: a `close` follows each, and has the reason. */
const EVENT_TYPES = ["open", "message", "close"];

/**
 * Accepts a WebSocket. The caller MUST have read all it needs of the request, and MUST return the response
 * without doing anything that can throw: an exception after the upgrade shuts the server down. Throws,
 * with the connection gone, if Deno does not accept the request as a handshake.
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
  // Deno's own option throws if an offer has no space after a comma.
  if (protocol !== undefined) response.headers.set("sec-websocket-protocol", protocol);
  new Socket(socket, options, connection, open);
  return response;
}

/** One WebSocket connection: bounds the client's frames, and reports its end exactly once. */
export class Socket {
  readonly connection: Connection;
  readonly #socket: WebSocket;
  readonly #options: SocketOptions;
  readonly #rate: TokenBucket;
  /** Undefined after the handshake: it may keep the request alive. */
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

  /** Starts the closing handshake. A client that never answers stays until TCP ends. Idempotent. */
  close({ code, reason }: Pick<Disconnect, "code" | "reason">): void {
    if (this.#closing) return;
    this.#closing = true;
    this.connection.closing();
    // Deno would end the connection on frames that have already arrived, before it sends the close frame.
    this.#options.clock.afterTurn(() => this.#socket.close(code, reason));
  }

  /** Handles the socket's events. An exception that left it would end the process. */
  handleEvent(event: Event): void {
    try {
      if (event instanceof MessageEvent) this.#receive(event.data);
      else if (event instanceof CloseEvent) this.#onClose(event);
      else this.#onOpen();
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
    // If its timer keeps the socket alive for a while, nothing of the session stays with it.
    for (const type of EVENT_TYPES) this.#socket.removeEventListener(type, this);
    this.end(closeName(event));
  }

  #receive(data: string | ArrayBuffer): void {
    if (this.#closing) return;
    const message = typeof data === "string" ? data : new Uint8Array(data);
    const { clock, inboundBytesMax, inboundPerSecondMax } = this.#options;
    // A text has at most three bytes per UTF-16 unit: most need no measuring.
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

  /** Ends everything about a connection that is over, or was never made. */
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

/** RFC 6455 section 7.4.1; Deno reports the loss of TCP as 0. */
const CLOSE_NAMES: Readonly<Record<number, string>> = {
  0: "connection lost",
  1000: "client closed",
  1001: "client going away",
  1005: "client closed",
  1006: "connection lost",
};

function closeName({ code, wasClean }: CloseEvent): string {
  // Deno closes it after a ping without an answer.
  if (code === 1001 && !wasClean) return "idle";
  return CLOSE_NAMES[code] ?? "client error";
}
