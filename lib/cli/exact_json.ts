interface ReviverContext {
  readonly source?: string;
}

// ECMAScript 2026, which TypeScript does not know yet.
interface ExactJson {
  rawJSON(text: string): unknown;
  parse(
    text: string,
    reviver: (name: string, value: unknown, context: ReviverContext) => unknown,
  ): unknown;
}

const { rawJSON, parse } = JSON as unknown as ExactJson;

/**
 * Parses JSON so that `JSON.stringify()` gives back its numbers as they were written, where a
 * JavaScript number would not: an id of 64 bits, `1.0`. Such a number is an object in the meantime.
 * Throws a `SyntaxError`.
 */
export function parseExactly(text: string): unknown {
  try {
    return parse(text, (_name, value, { source }) => {
      const isExact = typeof value !== "number" || source === undefined || source === String(value);
      return isExact ? value : rawJSON(source);
    });
  } catch (error) {
    if (!(error instanceof RangeError)) throw error;
    // Nested so deeply that a reviver runs out of stack; parsing alone does not.
    return JSON.parse(text);
  }
}
