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
 * Parses JSON. `JSON.stringify()` writes its numbers back as they were, also those that a JavaScript number
 * cannot hold, such as an id of 64 bits or `1.0`: each of these is an object meanwhile. Throws a
 * `SyntaxError`.
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
