import { parseTraceparent } from "../core/traceparent.ts";

/** The trace that a request is part of, as `parseTraceparent()` returns it; undefined if it names none. */
export function readTraceparent(headers: Headers): string | undefined {
  return parseTraceparent(headers.get("traceparent") ?? "");
}
