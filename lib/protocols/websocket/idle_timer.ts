/** What Deno's `WebSocket` has for its idle time-out, under symbols that only have a description. */
interface IdleTimer {
  /** Seconds; 0 for none. */
  readonly duration: symbol;
  /** Cancels the timer, and restarts it with the duration. */
  readonly restart: symbol;
}

type Internals = Record<symbol, unknown>;

const DURATION = "[[idleTimeout]]";
const RESTART = "[[serverHandleIdleTimeout]]";
/** Shorter than any timer: the next turn of the event loop. */
const AT_ONCE_S = 1e-6;

let found: IdleTimer | undefined;

/**
 * Releases a `WebSocket` whose connection is over. Deno's timer (ext/websocket/01_websocket.js)
 * holds it, some 3 KB, for half the idle time-out after a connection was lost, and nothing public ends
 * the timer. Restarted with hardly a duration, it sees at once that the socket is closed, and is gone.
 * Where Deno has changed, this does nothing, and the socket stays until the timer's own end.
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
