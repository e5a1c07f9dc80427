import { RedisError } from "../../core/errors.ts";
import { formatTarget, type RedisTarget } from "../../core/redis_url.ts";
import { unavailable } from "../journal.ts";
import { ConnectionLost } from "./connection.ts";
import { ReplyError } from "./resp.ts";

/** Codes of a Redis that is no primary, or not ready: on another attempt there may be one that is. */
const PASSING_CODES = ["LOADING", "MASTERDOWN", "READONLY", "UNBLOCKED"];

/** Redis holds another log than the one that was open before. */
export class OtherLogError extends Error {
  override readonly name = "OtherLogError";
}

/** The log in Redis was taken over or replaced since it was opened: nothing was appended. */
export class StaleLogError extends Error {
  override readonly name = "StaleLogError";
}

/** Reports whether the same command may succeed on another connection. */
export function isPassing(error: unknown): error is Error {
  if (error instanceof ReplyError) return PASSING_CODES.includes(error.code);
  return error instanceof ConnectionLost || error instanceof StaleLogError;
}

/** The `Refusal` that an error of Redis becomes; any other error stays what it is. */
export function refusalOf(error: unknown): unknown {
  if (!isPassing(error) && !(error instanceof ReplyError)) return error;
  // The code is enough, as NOREPLICAS or OOM is; the text may hold what was sent.
  const why = error instanceof ReplyError ? `Redis answers ${error.code}` : "Redis is away";
  return unavailable(why, error);
}

/** The error of a node that cannot use Redis; shows neither user nor password. */
export function cannotUse(target: RedisTarget, error: unknown): RedisError {
  const { message } = error as Error;
  return new RedisError(`Cannot use Redis at ${formatTarget(target)}: ${message}`, {
    cause: error,
  });
}
