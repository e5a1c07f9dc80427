import { deadline } from "../support/deadline.ts";

/** An answer as it came, its bytes as the characters of the same numbers. */
export interface RawAnswer {
  /** 0 if the server closed the connection without an answer. */
  readonly status: number;
  readonly head: string;
  readonly body: string;
}

/** The bytes that the characters of a text stand for, each below U+0100. */
export function latin1(text: string): Uint8Array<ArrayBuffer> {
  return Uint8Array.from(text, (character) => character.charCodeAt(0));
}

/**
 * Sends a request as it is, of whatever bytes, and reads until the server closes the connection: the
 * request has to ask for that.
 */
export async function exchange(
  port: number,
  request: string | Uint8Array<ArrayBuffer>,
): Promise<RawAnswer> {
  const connection = await Deno.connect({ hostname: "127.0.0.1", port });
  try {
    let rest = typeof request === "string" ? latin1(request) : request;
    while (rest.length > 0) rest = rest.subarray(await connection.write(rest));
    return parse(await deadline(readAll(connection)));
  } catch (error) {
    if (!isLoss(error)) throw error;
    return parse("");
  } finally {
    connection.close();
  }
}

async function readAll(connection: Deno.Conn): Promise<string> {
  let text = "";
  const chunk = new Uint8Array(65_536);
  for (;;) {
    const count = await connection.read(chunk).catch((error) => {
      // Whatever was answered before the connection was reset counts.
      if (isLoss(error)) return null;
      throw error;
    });
    if (count === null) return text;
    for (const byte of chunk.subarray(0, count)) text += String.fromCharCode(byte);
  }
}

function isLoss(error: unknown): boolean {
  return error instanceof Deno.errors.ConnectionReset || error instanceof Deno.errors.BrokenPipe;
}

function parse(text: string): RawAnswer {
  const end = text.indexOf("\r\n\r\n");
  const head = end < 0 ? text : text.slice(0, end);
  const [, status] = /^HTTP\/1\.[01] (\d{3}) /.exec(head) ?? [];
  return { status: Number(status ?? 0), head, body: end < 0 ? "" : text.slice(end + 4) };
}
