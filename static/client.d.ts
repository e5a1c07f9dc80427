/**
 * Hark's client, for browsers, Deno and Node 22. Where WebSocket does not get through it reads
 * Server-Sent Events, and knows no message's time, nor its channel if it asked for one.
 *
 * @module
 */

import type { PresenceEntry, ServerMessage, ServerPresence, ServerWelcome } from "./hark.d.ts";

/** Where a client stands; `stopped` and `closed` are for good. */
export type State = "connecting" | "connected" | "waiting" | "stopped" | "closed";

/** Someone on a channel. */
export type Entry = PresenceEntry;

/** How to connect. */
export interface Options {
  /** By default where the module came from; if that is no Hark server, an error is thrown. What its query has goes with each connection. */
  readonly url?: string | URL;
  readonly channels?: Iterable<string>;
  /**
   * Where to begin: after the message of this id, with all that is kept (`all`), or with what is kept
   * since a duration ago (`10m`, `2h`, `1d`) or since a date-time (RFC 3339).
   */
  readonly since?: string;
  /** A function is asked whenever a token is needed. */
  readonly token?: string | (() => string | Promise<string>);
  /** To be told who comes and goes. */
  readonly presence?: boolean;
}

/** A message; over Server-Sent Events it may lack its channel, and lacks its time. */
export interface Message
  extends Pick<ServerMessage, "id" | "event">, Partial<Pick<ServerMessage, "channel" | "time">> {
  /** A JSON value, or a `Uint8Array`. */
  // deno-lint-ignore no-explicit-any -- publishers and pages agree on what it is
  readonly data: any;
}

/** What handlers get, by the type that they are given with. */
export interface Events {
  message: Message;
  state: { state: State; code: number; reason: string; retryAtMs?: number | undefined };
  /** Over Server-Sent Events there is only a position. */
  welcome: Omit<Partial<ServerWelcome>, "type" | "position"> & Pick<ServerWelcome, "position">;
  resumed: { count: number };
  gap: { since: string };
  presence: Omit<ServerPresence, "type">;
  error: Error;
}

/** Connects, and stays connected until `close()`. */
export function connect(options?: Options): Hark;

/** A refused command, or one that was lost: with the code `lost`, nobody knows whether it was done. */
export class HarkError extends Error {
  constructor(code: string, message: string);
  readonly code: string;
}

/** A client. */
export class Hark {
  constructor(options?: Options);

  readonly state: State;
  readonly transport: "websocket" | "sse";
  /** When it connects again, in milliseconds since 1970, while it waits. */
  readonly retryAtMs: number | undefined;
  /** From where it resumes: the id of the last message; before the first one, `since`. */
  readonly position: string | undefined;
  get channels(): string[];

  /** Returns what takes the handler off. */
  on<Type extends keyof Events>(type: Type, handler: (detail: Events[Type]) => void): () => void;
  /** Resolves once messages of the channel come. */
  subscribe(channel: string): Promise<void>;
  /** Resolves once messages of the channel come no more. */
  unsubscribe(channel: string): Promise<void>;
  /**
   * Resolves once the server keeps the message. Rejects at once while there is no connection.
   *
   * @param data a JSON value, or a `Uint8Array`
   */
  publish(
    channel: string,
    data: unknown,
    options?: { event?: string },
  ): Promise<{ id: string; time: number }>;
  /** Who is on the channel. */
  presence(channel: string): Promise<{ count: number; entries: Entry[] }>;
  /** Gives the server a new token. Channels that it does not allow are given up, each with an `error`. */
  refresh(): Promise<void>;
  /** Connects at once, if it waits to connect again. */
  retry(): void;
  close(): void;
  /** Every message until `close()`. Throws if the server ends it, or too many wait. */
  [Symbol.asyncIterator](): AsyncGenerator<Message, void, void>;
}
