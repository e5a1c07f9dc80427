/** The internals of Deno's `WebSocket` for its idle time-out: symbols, found by their descriptions. */
interface IdleTimer {
  /** Seconds; 0 for none. */
  readonly duration: symbol;
  /** Cancels the timer, and restarts it with the duration. */
  readonly restart: symbol;
}

type Internals = Record<symbol, unknown>;

const DURATION = "[[idleTimeout]]";
const RESTART = "[[serverHandleIdleTimeout]]";
/** Less than a millisecond: the timer fires in the next turn. */
const AT_ONCE_S = 1e-6;

let found: IdleTimer | undefined;

/**
 * Releases a `WebSocket` after its connection has ended. Deno's timer (ext/websocket/01_websocket.js)
 * keeps it, some 3 KB, for half the idle time-out, and no public method ends the timer. Restarted with a
 * tiny duration, the timer fires at once, sees that the socket is closed, and ends. If Deno changes, this
 * does nothing, and the socket stays until the timer ends by itself.
 */
export function dropIdleTimer(socket: WebSocket): void {
  found ??= findIdleTimer(socket);
  if (found === undefined) return;
  const internals = socket as unknown as Internals;
  const { duration, restart } = found;
  if (internals[duration] === 0) return;
  internals[duration] = AT_ONCE_S;
  (internals[restart] as () => void).call(socket);
}

function findIdleTimer(socket: WebSocket): IdleTimer | undefined {
  const duration = symbolOf(socket, DURATION);
  const restart = symbolOf(WebSocket.prototype, RESTART);
  return duration && restart && { duration, restart };
}

function symbolOf(object: object, description: string): symbol | undefined {
  return Object.getOwnPropertySymbols(object).find((symbol) => symbol.description === description);
}
