import { HARK_V1 } from "../../lib/protocols/hark/codec.ts";

/** A WebSocket of which a test says what comes on it. */
export class ScriptedSocket {
  readonly protocol = HARK_V1;
  onopen: (() => void) | null = null;
  onmessage: ((event: { data: unknown }) => void) | null = null;
  onerror: ((event: { message: string }) => void) | null = null;
  onclose: ((event: { code: number; reason: string }) => void) | null = null;

  send(_data: string): void {}

  close(): void {}
}

/** A stand-in for `WebSocket`, and what it has made. */
export function scriptedSockets(): {
  readonly WebSocket: new () => ScriptedSocket;
  readonly sockets: readonly ScriptedSocket[];
} {
  const sockets: ScriptedSocket[] = [];
  const WebSocket = class extends ScriptedSocket {
    constructor() {
      super();
      sockets.push(this);
    }
  };
  return { WebSocket, sockets };
}

/** What stands in for the runtime's own while something runs. */
export interface StandIns {
  readonly WebSocket?: unknown;
  readonly fetch?: (url: URL, init?: RequestInit) => Promise<Response>;
  readonly random?: () => number;
}

/** Runs something that finds stand-ins where it looks for the network and for chance. */
export async function withStandIns<T>(
  { WebSocket, fetch, random = Math.random }: StandIns,
  run: () => Promise<T>,
): Promise<T> {
  const own = { WebSocket: globalThis.WebSocket, fetch: globalThis.fetch };
  const ownRandom = Math.random;
  Object.assign(globalThis, {
    ...(WebSocket !== undefined && { WebSocket }),
    ...(fetch && { fetch }),
  });
  Math.random = random;
  try {
    return await run();
  } finally {
    Object.assign(globalThis, own);
    Math.random = ownRandom;
  }
}
