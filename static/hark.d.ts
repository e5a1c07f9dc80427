/**
 * The types of `hark.v1`, the WebSocket subprotocol, as parsed JSON. This file is beside the client, so
 * that programs that import the client from a server get the types too.
 */

/** A client's own number or name for a command. */
export type Ref = string | number | undefined;

/** The first event of a connection. */
export interface ServerWelcome {
  readonly type: "welcome";
  /** The session's id. */
  readonly client: string;
  /** The id from which the client can resume until a message comes. */
  readonly position: string;
  /** Whether all messages after `since` follow; only if the client gave `since`. */
  readonly recovered?: boolean | undefined;
  readonly greeting?: string | undefined;
  /** The time until the token expires; only if the client has one that does. */
  readonly expiresInMs?: number | undefined;
}

/** A publication. */
export interface ServerMessage {
  readonly type: "message";
  /** `<epoch>-<offset>`. */
  readonly id: string;
  readonly channel: string;
  readonly event: string;
  /** A JSON value; undefined if it is bytes. */
  readonly data?: unknown;
  /** Bytes, in base64. */
  readonly base64?: string;
  /** When it was ordered, in milliseconds since 1970. */
  readonly time: number;
}

/** A client on a channel. */
export interface PresenceEntry {
  readonly client: string;
  readonly user?: string;
  /** When it joined, in milliseconds since 1970. */
  readonly joined: number;
}

/** Clients that joined a channel, and clients that left it; a client in both has left. */
export interface ServerPresence {
  readonly type: "presence";
  readonly channel: string;
  readonly joined: readonly PresenceEntry[];
  readonly left: readonly PresenceEntry[];
}

/** The reply to a command that was carried out, with its result. */
export interface ServerOk {
  readonly type: "ok";
  readonly ref?: Ref;
  readonly [field: string]: unknown;
}

/** The reply to a command that was refused. */
export interface ServerError {
  readonly type: "error";
  readonly ref?: Ref;
  readonly code: string;
  readonly message: string;
}

/** An event. A frame of the server is an array of them. */
export type ServerEvent = ServerWelcome | ServerMessage | ServerPresence | ServerOk | ServerError;

/** A frame of a client: one command. The reply repeats its `ref`. */
export type ClientCommand =
  & { readonly ref?: Ref }
  & (
    | {
      readonly type: "subscribe";
      readonly channels: readonly string[];
      /** The id to resume from; or `all`, a duration such as `10m`, or a date-time of RFC 3339. */
      readonly since?: string | undefined;
      readonly presence?: boolean | undefined;
    }
    | { readonly type: "unsubscribe"; readonly channels: readonly string[] }
    | {
      readonly type: "publish";
      readonly channel: string;
      readonly event?: string | undefined;
      /** A JSON value; without it, `base64`. */
      readonly data?: unknown;
      readonly base64?: string | undefined;
    }
    | { readonly type: "presence"; readonly channel: string }
    | { readonly type: "refresh"; readonly token: string }
  );
