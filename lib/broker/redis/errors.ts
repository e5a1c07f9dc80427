import { unavailable } from "../unavailable.ts";
import { ConnectionLost } from "./connection.ts";
import { ReplyError } from "./resp.ts";

/** What Redis answers while it is no primary, or not ready: another attempt may find one that is. */
const PASSING_CODES = ["LOADING", "MASTERDOWN", "READONLY", "UNBLOCKED"];

/** A node cannot use the Redis that its options name; the message says all there is to say. */
export class RedisError extends Error {
  override readonly name = "RedisError";
}

/** The log in Redis is not the one that was opened: it was taken over, or replaced. */
export class StaleLogError extends Error {
  override readonly name = "StaleLogError";
}

/** Reports whether the same command may succeed on another connection. */
export function isPassing(error: unknown): error is Error {
  if (error instanceof ReplyError) return PASSING_CODES.includes(error.code);
  return error instanceof ConnectionLost || error instanceof StaleLogError;
}

/** The refusal that an error of Redis becomes; any other error stays what it is. */
export function refusalOf(error: unknown): unknown {
  if (!isPassing(error) && !(error instanceof ReplyError)) return error;
  // The code says enough, as NOREPLICAS or OOM does; the text may hold what was sent.
  const why = error instanceof ReplyError ? `Redis answers ${error.code}` : "Redis is away";
  return unavailable(why, error);
}
