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
  /**
   * The server, such as `https://push.example.com`; by default where the module came from, and an error
   * if that is no Hark server. Its query goes with each connection.
   */
  readonly url?: string | URL;
  /** Channels and patterns to be on, beside `broadcast`, which every client is on. */
  readonly channels?: Iterable<string>;
  /**
   * Where to begin: after the message of this id, with all that is kept (`all`), or with what is kept
   * since a duration ago (`10m`, `2h`, `1d`) or since a date-time (RFC 3339).
   */
  readonly since?: string;
  /** A token, or what returns one: a function is asked whenever one is needed. */
  readonly token?: string | (() => string | Promise<string>);
  /** True to hear who comes to the channels and leaves them. */
  readonly presence?: boolean;
}

/** A message; over Server-Sent Events it may lack its channel, and lacks its time. */
export interface Message
  extends Pick<ServerMessage, "id" | "event">, Partial<Pick<ServerMessage, "channel" | "time">> {
  /** A JSON value, or a `Uint8Array`. */
  // deno-lint-ignore no-explicit-any -- publishers and pages agree on what it is
  readonly data: any;
}

/** What the server says first; over Server-Sent Events there is only a position. */
export interface Welcome
  extends Omit<Partial<ServerWelcome>, "type" | "position">, Pick<ServerWelcome, "position"> {}

/** Who came to a channel and left it. */
export interface Presence extends Omit<ServerPresence, "type"> {}

/** What handlers get, by the type that they are given with. */
export interface Events {
  /** A message: `id`, `channel`, `event`, `data`, `time`. */
  message: Message;
  /** How the connection is now, and how it last ended. */
  state: { state: State; code: number; reason: string; retryAtMs?: number | undefined };
  /** At each connect: `client`, `position`, `recovered`, `greeting`, `expiresInMs`. */
  welcome: Welcome;
  /** All that was missed has come, so many messages. */
  resumed: { count: number };
  /** Some messages after this id are gone: reload what you show. */
  gap: { since: string };
  /** Somebody came or left: `channel`, `joined`, `left`. */
  presence: Presence;
  /** What belongs to no call of yours, such as a channel that a new token does not allow. */
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

  /** `connecting`, `connected`, `waiting`, `stopped` or `closed`; the last two are for good. */
  readonly state: State;
  /** How messages come. */
  readonly transport: "websocket" | "sse";
  /** When it connects again, in milliseconds since 1970, while it waits. */
  readonly retryAtMs: number | undefined;
  /**
   * From where it resumes: the id of the last message; before the first one, `since`. Keep it, and give it
   * as `since` after a reload.
   */
  readonly position: string | undefined;
  /** The channels that it is on or wants to be on. */
  get channels(): string[];

  /** Calls the handler for each of these events. Returns what takes it off. */
  on<Type extends keyof Events>(type: Type, handler: (detail: Events[Type]) => void): () => void;
  /** Resolves once messages of the channel come. */
  subscribe(channel: string): Promise<void>;
  /** Resolves once messages of the channel come no more. */
  unsubscribe(channel: string): Promise<void>;
  /**
   * Resolves once the server keeps the message, whose data is JSON or a `Uint8Array`; `options` may name
   * its `event`. Rejects at once while there is no connection.
   */
  publish(
    channel: string,
    data: unknown,
    options?: { event?: string },
  ): Promise<{ id: string; time: number }>;
  /** Who is on the channel: `client`, `user` and `joined` of each. */
  presence(channel: string): Promise<{ count: number; entries: Entry[] }>;
  /**
   * Asks for a token and gives it to the server. Channels that it does not allow are given up, each with an
   * `error`.
   */
  refresh(): Promise<void>;
  /** Connects at once, where it waits to connect again. */
  retry(): void;
  /** Disconnects for good. */
  close(): void;
  /** `for await (const message of hark)`: every message until `close()`. Throws if the server ends it, or if more than 10,000 wait. */
  [Symbol.asyncIterator](): AsyncGenerator<Message, void, void>;
}
