import type { Events, Hark } from "../../lib/client.ts";
import type { Timer } from "../../lib/core/clock.ts";
import { deadline } from "./deadline.ts";
import { SocketClock } from "./engineio.ts";
import { FakeClock } from "./fake_clock.ts";
import { type ServerOptions, startServer, type TestServer } from "./server.ts";

/** Every WebSocket made here, to be waited for: its closing handshake outlasts `close()`. */
const sockets = new Set<WebSocket>();
const RealWebSocket = WebSocket;
globalThis.WebSocket = class extends RealWebSocket {
  constructor(...args: ConstructorParameters<typeof WebSocket>) {
    super(...args);
    sockets.add(this);
    this.addEventListener("close", () => sockets.delete(this));
  }
};

/** Resolves to the first `type` that `accept` takes. */
export function next<Type extends keyof Events>(
  client: Hark,
  type: Type,
  accept: (detail: Events[Type]) => boolean = () => true,
): Promise<Events[Type]> {
  return deadline(
    new Promise((resolve) => {
      const off = client.on(type, (detail) => {
        if (!accept(detail)) return;
        off();
        resolve(detail);
      });
    }),
  );
}

/** Resolves once the client changes to a state. */
export function toState(client: Hark, state: string): Promise<Events["state"]> {
  return next(client, "state", (change) => change.state === state);
}

/** Collects the data of every message. */
export function collect(client: Hark): unknown[] {
  const all: unknown[] = [];
  client.on("message", ({ data }) => all.push(data));
  return all;
}

/** Closes clients, and resolves once their sockets are. */
export async function close(...clients: Hark[]): Promise<void> {
  for (const client of clients) client.close();
  const closing = [...sockets].filter(({ readyState }) => readyState === WebSocket.CLOSING)
    .map((socket) => new Promise((resolve) => socket.addEventListener("close", resolve)));
  await deadline(Promise.all(closing));
}

/**
 * Makes the timers of clients stand still until a test ticks. A server in the same process needs a
 * clock of its own.
 */
export class ClientTimers implements Disposable {
  readonly #clock = new FakeClock();
  readonly #held = new Set<unknown>();
  readonly #real = { setTimeout, clearTimeout };

  constructor() {
    Object.assign(globalThis, {
      setTimeout: (callback: () => void, ms: number) => {
        const timer = this.#clock.after(ms, callback);
        this.#held.add(timer);
        return timer;
      },
      // Deno ends its own timers by this name too.
      clearTimeout: (timer: number | Timer | undefined) => {
        if (typeof timer === "object" && this.#held.has(timer)) timer.cancel();
        else this.#real.clearTimeout(timer as number);
      },
    });
  }

  /** Timers that are still to run. */
  get waiting(): number {
    return this.#clock.timers;
  }

  /** Lets `ms` milliseconds pass for the clients. */
  tick(ms: number): void {
    this.#clock.advance(ms);
  }

  /** Lets a client that waits, or soon does, connect again: up to the fifth time in a row. */
  async retry(client: Hark): Promise<void> {
    if (client.state !== "waiting") await toState(client, "waiting");
    // More could be over the time that it then waits for an answer.
    this.tick(9_000);
  }

  [Symbol.dispose](): void {
    Object.assign(globalThis, this.#real);
  }
}

/** A server whose clock stands still, and clients whose timers do. */
export class StillServer implements AsyncDisposable {
  readonly clock: SocketClock;
  readonly server: TestServer;
  readonly timers = new ClientTimers();

  static async start(options: ServerOptions = {}): Promise<StillServer> {
    const clock = new SocketClock();
    return new StillServer(await startServer({ clock, ...options }), clock);
  }

  private constructor(server: TestServer, clock: SocketClock) {
    this.server = server;
    this.clock = clock;
  }

  /** Lets time pass for both. */
  pass(ms: number): void {
    this.clock.advance(ms);
    this.timers.tick(ms);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.timers[Symbol.dispose]();
    await this.server.stop();
  }
}
