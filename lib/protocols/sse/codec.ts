import type { Publication } from "../../core/publication.ts";
import type { Encoder, Frame } from "../../core/encoder.ts";
import { concat } from "../../core/bytes.ts";

const LINE_END = /\r\n|\r|\n/;
const encoder = new TextEncoder();

/** A comment that keeps proxies from closing an idle stream. */
export const HEARTBEAT: Uint8Array<ArrayBuffer> = encoder.encode(":\n\n");

/**
 * Server-Sent Events (WHATWG HTML, section 9.2): each message is an event with its id, its name and its
 * data as JSON, or `{"base64":"…"}` for bytes. The first block, and another one after all that was missed,
 * contains only the id to resume from and raises no event.
 */
export const sse: Encoder = {
  message(publication) {
    const { id, event } = publication;
    return encoder.encode(`id: ${id}\nevent: ${event}\n${dataLines(dataText(publication))}\n`);
  },

  welcome({ position, greeting, recovered, since }) {
    const comment = greeting === "" ? "" : commentLines(greeting);
    const id = `id: ${position}\n`;
    if (recovered !== false) return encoder.encode(`${comment}${id}\n`);
    const gap = JSON.stringify({ since, oldest: position });
    return encoder.encode(`${comment}${id}event: gap\n${dataLines(gap)}\n`);
  },

  presence: () => undefined,
};

/** The block with the id to resume from, which raises no event. */
export function idBlock(id: string): Uint8Array<ArrayBuffer> {
  return encoder.encode(`id: ${id}\n\n`);
}

/** Makes one chunk of several events. */
export function joinChunks(chunks: readonly Frame[]): Frame {
  return chunks.length === 1 ? chunks[0]! : concat(chunks as readonly Uint8Array<ArrayBuffer>[]);
}

/** The line that sets how long a client waits before it comes back. */
export function retryLine(ms: number): Uint8Array<ArrayBuffer> {
  return encoder.encode(`retry: ${Math.round(ms)}\n\n`);
}

/** A stream that ends at once, gives the reason, and makes its client come back after `ms`. */
export function retryLater(why: string, ms: number): Uint8Array<ArrayBuffer> {
  return concat([encoder.encode(commentLines(why)), retryLine(ms)]);
}

function dataText({ data }: Publication): string {
  return typeof data === "string" ? data : JSON.stringify({ base64: data.toBase64() });
}

// A line break inside the data would end the field, and what follows could pose as another.
function dataLines(text: string): string {
  return text.split(LINE_END).map((line) => `data: ${line}\n`).join("");
}

function commentLines(text: string): string {
  return text.split(LINE_END).map((line) => `: ${line}\n`).join("");
}
