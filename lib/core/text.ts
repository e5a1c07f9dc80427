/**
 * Copies a text that was cut out of a larger one and is kept: V8 makes a part a view, which keeps the
 * whole text alive.
 */
export function ownText(text: string): string {
  return ` ${text}`.slice(1);
}

/** A text for an error: in quotation marks, on one line, and at most 80 characters of it. */
export function quoteText(text: string): string {
  return JSON.stringify(text.slice(0, 80));
}
