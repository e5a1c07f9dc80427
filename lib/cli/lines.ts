import { Failure } from "./command.ts";

/** Longer than any message may be. */
const LINE_CHARS_MAX = 64 * 1024 ** 2;

/**
 * Yields the lines of a text as they come, those together that came together. The last one needs no line
 * break. Throws a `Failure` if the text is not UTF-8 or a line is too long.
 */
export async function* readLines(stream: ReadableStream<Uint8Array>): AsyncGenerator<string[]> {
  const decoder = new TextDecoder("utf-8", { fatal: true });
  let begun = "";
  for await (const chunk of stream) {
    const [end = "", ...following] = decode(decoder, chunk).split("\n");
    begun += end;
    const last = following.pop();
    if (last !== undefined) {
      yield [begun, ...following].map(withoutReturn);
      begun = last;
    }
    if (begun.length > LINE_CHARS_MAX) {
      throw new Failure(`Cannot read stdin: a line has more than ${LINE_CHARS_MAX} characters`);
    }
  }
  begun += decode(decoder, undefined);
  if (begun !== "") yield [withoutReturn(begun)];
}

function decode(decoder: TextDecoder, chunk: Uint8Array | undefined): string {
  try {
    return chunk === undefined ? decoder.decode() : decoder.decode(chunk, { stream: true });
  } catch {
    throw new Failure("Cannot read stdin: it is not UTF-8");
  }
}

function withoutReturn(line: string): string {
  return line.endsWith("\r") ? line.slice(0, -1) : line;
}
