/**
 * The types of `hark.v1`, the WebSocket subprotocol: what travels, once its JSON is read. They stand
 * beside the client, so that whoever imports it from a server gets them too.
 */

/** What a client names its command by. */
export type Ref = string | number | undefined;

/** The first event of a connection. */
export interface ServerWelcome {
  readonly type: "welcome";
  /** The session's id. */
  readonly client: string;
  /** The id from which the client can resume if nothing else comes. */
  readonly position: string;
  /** Whether everything after the `since` it gave follows; only if it gave one. */
  readonly recovered?: boolean | undefined;
  readonly greeting?: string | undefined;
  /** In how many milliseconds its token expires; only if it has one that does. */
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

/** Someone on a channel. */
export interface PresenceEntry {
  readonly client: string;
  readonly user?: string;
  /** When it joined, in milliseconds since 1970. */
  readonly joined: number;
}

/** Who came to a channel and, of these and of others, who left it. */
export interface ServerPresence {
  readonly type: "presence";
  readonly channel: string;
  readonly joined: readonly PresenceEntry[];
  readonly left: readonly PresenceEntry[];
}

/** The reply to a command that was carried out, with what the command answers. */
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

/** One of the events of which a frame of the server is an array. */
export type ServerEvent = ServerWelcome | ServerMessage | ServerPresence | ServerOk | ServerError;

/** A frame of a client: one command, whose `ref` comes back in the reply. */
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
