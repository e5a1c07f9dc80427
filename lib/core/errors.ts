/** Why a connection is ended: the close code, a stable name for metrics, and a sentence. */
export interface Disconnect {
  /** Label of `hark_disconnects_total`. */
  readonly name: string;
  /** WebSocket close code: 1001 and 4000–4499 invite the client back, 4500–4999 do not. */
  readonly code: number;
  /** At most 123 bytes of UTF-8 (RFC 6455 section 5.5). */
  readonly reason: string;
}

/** Every reason for which Hark itself ends a connection. */
export const DISCONNECTS = {
  shutdown: { name: "shutdown", code: 1001, reason: "going away" },
  failed: { name: "failed", code: 1011, reason: "internal error" },
  slow: { name: "slow", code: 4001, reason: "slow: too much unsent" },
  expired: { name: "expired", code: 4002, reason: "token expired" },
  revoked: { name: "revoked", code: 4003, reason: "ended by the server's operator" },
  protocol: { name: "protocol", code: 4500, reason: "protocol error" },
  forbidden: { name: "forbidden", code: 4501, reason: "forbidden" },
  limit: { name: "limit", code: 4502, reason: "over a limit" },
} as const satisfies Record<string, Disconnect>;

/** Reports whether the client should come back after this. */
export function invitesBack({ code }: Disconnect): boolean {
  return code < 4500;
}

/** The same disconnect with a sentence that says what was wrong; `detail` must be plain ASCII. */
export function because(disconnect: Disconnect, detail: string): Disconnect {
  return { ...disconnect, reason: `${disconnect.reason}: ${detail}`.slice(0, 123) };
}

/** Every kind of request that Hark refuses: stable names, also the `type` of HTTP problems. */
export type RefusalType =
  | "bad-request"
  | "conflict"
  | "connect-rate"
  | "forbidden"
  | "not-found"
  | "over-limit"
  | "timeout"
  | "too-large"
  | "too-many-requests"
  | "unauthorized"
  | "unavailable"
  | "unsupported";

/** A request that Hark understood and refuses, with a sentence that says what to do instead. */
export class Refusal extends Error {
  override readonly name = "Refusal";
  readonly type: RefusalType;
  /** After how many seconds the same request may succeed. */
  readonly retryAfterS: number | undefined;

  constructor(type: RefusalType, message: string, retryAfterS?: number) {
    super(message);
    this.type = type;
    this.retryAfterS = retryAfterS;
  }
}

/**
 * Reads the input of a caller. A `TypeError`, `RangeError` or `SyntaxError` of `read` is the caller's
 * fault and becomes a `Refusal`; any other error is thrown on.
 */
export function readInput<T>(read: () => T): T {
  try {
    return read();
  } catch (error) {
    if (isInputError(error)) throw new Refusal("bad-request", error.message);
    throw error;
  }
}

function isInputError(error: unknown): error is Error {
  return error instanceof TypeError || error instanceof RangeError || error instanceof SyntaxError;
}

/** A file that cannot be used as a store, with what to do about it. */
export class StoreError extends Error {
  override readonly name = "StoreError";
}

/** A node cannot use the Redis that its options name; the message needs no context. */
export class RedisError extends Error {
  override readonly name = "RedisError";
}

/** Why a certificate cannot be used. Holds nothing of the key. */
export class CertificateError extends Error {
  override readonly name = "CertificateError";
}
