import { Refusal } from "../core/errors.ts";

const RETRY_AFTER_S = 1;

/** The refusal of a batch that cannot be kept now, and `why`. */
export function unavailable(why: string, cause?: unknown): Refusal {
  const refusal = new Refusal(
    "unavailable",
    `Cannot publish: ${why}; try again later`,
    RETRY_AFTER_S,
  );
  if (cause !== undefined) refusal.cause = cause;
  return refusal;
}
