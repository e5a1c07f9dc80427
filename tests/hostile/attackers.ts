import { assertEquals, assertMatch } from "@std/assert";
import { deadline } from "../support/deadline.ts";
import { HANDSHAKE, RawConnection } from "../support/raw.ts";
import type { Target } from "./target.ts";

export const SOCKETIO = "/socket.io/?EIO=4&transport=websocket";
export const POLLING = "/socket.io/?EIO=4&transport=polling";
export const HARK_HEADERS: readonly string[] = ["Sec-WebSocket-Protocol: hark.v1"];

/** Does something `count` times, at most `atOnce` of them at a time, and returns the results. */
export async function repeat<T>(
  count: number,
  atOnce: number,
  act: (index: number) => Promise<T>,
): Promise<T[]> {
  const results: T[] = [];
  let next = 0;
  const work = async () => {
    while (next < count) {
      const index = next++;
      results[index] = await act(index);
    }
  };
  await Promise.all(Array.from({ length: Math.min(atOnce, count) }, work));
  return results;
}

/** Reads until a text matches; what comes before may be pulses of the bystanders alone. */
export async function awaitText(connection: RawConnection, pattern: RegExp): Promise<void> {
  for (;;) {
    const text = await connection.text();
    if (pattern.test(text)) return;
    assertMatch(text, /pulse/);
  }
}

/** How often there is each value. */
export function tally(values: readonly (number | string)[]): Record<string, number> {
  const counts: Record<string, number> = {};
  for (const value of [...values].sort()) counts[value] = (counts[value] ?? 0) + 1;
  return counts;
}

/** Connections of attackers, which all are cut with no word in the end. */
export class Crowd implements Disposable {
  readonly connections: RawConnection[] = [];
  readonly #port: number;

  constructor({ port }: Target) {
    this.#port = port;
  }

  /** Connects, and says nothing. */
  async connect(): Promise<RawConnection> {
    const connection = await RawConnection.open(this.#port);
    this.connections.push(connection);
    return connection;
  }

  /** Opens a WebSocket. Throws if it is refused. */
  async open(path = "/ws", headers: readonly string[] = []): Promise<RawConnection> {
    const connection = await this.connect();
    await connection.handshake(path, headers);
    return connection;
  }

  /** Asks for a WebSocket and returns the status of the answer. */
  async knock(path = "/ws", headers: readonly string[] = []): Promise<number> {
    const connection = await this.connect();
    await connection.request([`GET ${path} HTTP/1.1`, ...HANDSHAKE, ...headers]);
    return (await connection.head()).status;
  }

  /** Begins to receive server-sent events. */
  async listen(path = "/events"): Promise<RawConnection> {
    const connection = await this.connect();
    await connection.request([`GET ${path} HTTP/1.1`, "Host: localhost"]);
    assertEquals((await connection.head()).status, 200);
    return connection;
  }

  [Symbol.dispose](): void {
    for (const connection of this.connections.splice(0)) connection[Symbol.dispose]();
  }
}

/** How the server closes a WebSocket, whatever it sends before. */
export function closeOf(connection: RawConnection): Promise<{ code: number; reason: string }> {
  return deadline(connection.closeFrame());
}

/** Shakes hands for long polling; returns the path of the session. */
export async function openPolling(target: Target, query = ""): Promise<string> {
  const { status, body } = await target.fetch(POLLING + query);
  assertEquals(status, 200, body);
  return `${POLLING}&sid=${JSON.parse(body.slice(1)).sid}`;
}
