/**
 * Hark's client, for browsers, Deno and Node 22 or later. Where WebSocket is blocked it uses Server-Sent
 * Events; then messages have no time, and no channel unless the client is only on `broadcast`.
 *
 * @module
 */

import type { PresenceEntry, ServerMessage, ServerPresence, ServerWelcome } from "./hark.d.ts";

/** The state of a client; `stopped` and `closed` are final. */
export type State = "connecting" | "connected" | "waiting" | "stopped" | "closed";

/** A client on a channel. */
export type Entry = PresenceEntry;

/** How to connect. */
export interface Options {
  /**
   * The server, such as `https://push.example.com`; by default the one that the module came from, and an
   * error if that is not a Hark server. Its query is sent with each connection.
   */
  readonly url?: string | URL;
  /** Channels and patterns to subscribe to, besides `broadcast`, which every client is on. */
  readonly channels?: Iterable<string>;
  /**
   * Where to begin: after the message with this id, with the oldest that is kept (`all`), with those of the
   * last `10m`, `2h` or `1d`, or with those since a date-time (RFC 3339).
   */
  readonly since?: string;
  /** A token, or a function that returns one, which is called whenever a token is needed. */
  readonly token?: string | (() => string | Promise<string>);
  /** True to get `presence` events: clients that join the channels and leave them. */
  readonly presence?: boolean;
}

/** A message; over Server-Sent Events it has no time, and may have no channel. */
export interface Message
  extends Pick<ServerMessage, "id" | "event">, Partial<Pick<ServerMessage, "channel" | "time">> {
  /** A JSON value, or a `Uint8Array`. */
  // deno-lint-ignore no-explicit-any -- only publishers and pages know its shape
  readonly data: any;
}

/** The first event of a connection; over Server-Sent Events it has only a position. */
export interface Welcome
  extends Omit<Partial<ServerWelcome>, "type" | "position">, Pick<ServerWelcome, "position"> {}

/** Clients that joined a channel and left it. */
export interface Presence extends Omit<ServerPresence, "type"> {}

/** The argument of a handler, by the type of event. */
export interface Events {
  /** A message: `id`, `channel`, `event`, `data`, `time`. */
  message: Message;
  /** The state of the connection, and how it last ended. */
  state: { state: State; code: number; reason: string; retryAtMs?: number | undefined };
  /** Connected: `client`, `position`, `recovered`, `greeting`, `expiresInMs`. */
  welcome: Welcome;
  /** All missed messages have come; `count` says how many. */
  resumed: { count: number };
  /** Some messages after this id are gone: reload what you show. */
  gap: { since: string };
  /** Clients joined or left: `channel`, `joined`, `left`. */
  presence: Presence;
  /** A failed `subscribe()` or `unsubscribe()`, a channel that a new token does not allow, a failed refresh. */
  error: Error;
}

/** Connects, and stays connected until `close()`. */
export function connect(options?: Options): Hark;

/** A command was refused or, with the code `lost`, may or may not have been carried out. */
export class HarkError extends Error {
  constructor(code: string, message: string);
  readonly code: string;
}

/** A client. */
export class Hark {
  constructor(options?: Options);

  /** `connecting`, `connected`, `waiting`, `stopped` or `closed`; the last two are final. */
  readonly state: State;
  /** The transport in use. */
  readonly transport: "websocket" | "sse";
  /** While it waits: when it connects again, in milliseconds since 1970. */
  readonly retryAtMs: number | undefined;
  /**
   * Where it resumes: the id of the last message; before the first one, `since`. Keep it, and pass it as
   * `since` after a reload.
   */
  readonly position: string | undefined;
  /** The channels that it is subscribed to, or will be once connected. */
  get channels(): string[];

  /** Calls the handler for each event of this type. Returns a function that removes it. */
  on<Type extends keyof Events>(type: Type, handler: (detail: Events[Type]) => void): () => void;
  /** Resolves once the client is subscribed to the channel. */
  subscribe(channel: string): Promise<void>;
  /** Resolves once the client is no longer subscribed to the channel. */
  unsubscribe(channel: string): Promise<void>;
  /**
   * Resolves once the server keeps the message. `data` is JSON or a `Uint8Array`; `options` may name the
   * `event`. While it connects, the message waits; while there is no connection, rejects at once.
   */
  publish(
    channel: string,
    data: unknown,
    options?: { event?: string },
  ): Promise<{ id: string; time: number }>;
  /** Who is on the channel: `client`, `user` and `joined` of each. */
  presence(channel: string): Promise<{ count: number; entries: Entry[] }>;
  /**
   * Asks for a token and sends it to the server. Unsubscribes from channels that it does not allow, each with
   * an `error`.
   */
  refresh(): Promise<void>;
  /** If it waits to connect again, connects at once. */
  retry(): void;
  /** Disconnects, and does not reconnect. */
  close(): void;
  /**
   * `for await (const message of hark)`: every message until `close()`. Throws if the server ends it, or if
   * more than 10,000 wait.
   */
  [Symbol.asyncIterator](): AsyncGenerator<Message, void, void>;
}
