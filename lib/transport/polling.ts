import type { Bytes, Decoded, EngineCodec, Packet } from "../codec/engineio.ts";
import { decodeUtf8, failure } from "../codec/engineio.ts";
import { decodeJsonpBody, encodeJsonp } from "../codec/engineio3.ts";

/** How a client wants its polls answered; fixed by each request's query. */
export interface PollingStyle {
  readonly codec: EngineCodec;
  /** The callback's number if the client polls by JSONP (Engine.IO 3). */
  readonly jsonp: string | undefined;
  /** True if the client takes text only. */
  readonly base64: boolean;
}

/** Reads the style of a request. */
export function pollingStyle(codec: EngineCodec, query: URLSearchParams): PollingStyle {
  const jsonp = codec.version === 3 ? query.get("j") ?? undefined : undefined;
  const base64 = codec.version === 4 || query.get("b64") === "1" || jsonp !== undefined;
  return { codec, jsonp, base64 };
}

/** The answer to a poll. */
export function pollAnswer({ codec, jsonp, base64 }: PollingStyle, packets: readonly Packet[]) {
  const payload = codec.encodePayload(packets, { base64 });
  if (typeof payload !== "string") return answer(payload, "application/octet-stream");
  if (jsonp === undefined) return answer(payload, "text/plain; charset=UTF-8");
  return answer(encodeJsonp(jsonp, payload), "text/javascript; charset=UTF-8");
}

/** The answer to a post whose packets were taken. */
export function postAnswer(): Response {
  return answer("ok", "text/html");
}

function answer(body: string | Bytes, contentType: string): Response {
  const headers = { "content-type": contentType, "cache-control": "no-store" };
  return new Response(body, { status: 200, headers });
}

/** A poll that waits for packets. */
export class Poll {
  /** What the client gets. */
  readonly answered: Promise<Response>;
  readonly #style: PollingStyle;
  readonly #resolve: (response: Response) => void;
  #done = false;

  /** `onAbort` is called if the client goes away before it is answered. */
  constructor(style: PollingStyle, signal: AbortSignal, onAbort: () => void) {
    const { promise, resolve } = Promise.withResolvers<Response>();
    this.answered = promise;
    this.#resolve = resolve;
    this.#style = style;
    signal.addEventListener("abort", () => {
      if (!this.#done) onAbort();
    });
  }

  /** Ends the wait; called once. */
  answer(packets: readonly Packet[]): void {
    this.#done = true;
    this.#resolve(pollAnswer(this.#style, packets));
  }
}

/** A body that is longer than allowed. */
export const TOO_LARGE = Symbol("too large");

/** Reads the packets that a client posts; stops reading at `bytesMax`, or when `signal` fires. */
export async function readPost(
  request: Request,
  { codec, jsonp }: PollingStyle,
  bytesMax: number,
  signal: AbortSignal,
): Promise<Decoded<Packet[]> | typeof TOO_LARGE> {
  const body = await readBounded(request, bytesMax, signal);
  if (body === TOO_LARGE) return TOO_LARGE;
  if (body === undefined) return failure("the body broke off");
  const isBinary = request.headers.get("content-type") === "application/octet-stream";
  if (isBinary) return codec.decodePayload(body);
  const text = decodeUtf8(body);
  if (!text.ok) return text;
  if (jsonp === undefined) return codec.decodePayload(text.value);
  const field = decodeJsonpBody(text.value);
  return field.ok ? codec.decodePayload(field.value) : field;
}

/** The body; undefined if it breaks off or `signal` fires first. */
async function readBounded(
  request: Request,
  bytesMax: number,
  signal: AbortSignal,
): Promise<Bytes | undefined | typeof TOO_LARGE> {
  if (Number(request.headers.get("content-length") ?? 0) > bytesMax) return TOO_LARGE;
  const reader = request.body?.getReader();
  signal.addEventListener("abort", () => reader?.cancel());
  const chunks: Bytes[] = [];
  let bytes = 0;
  try {
    for (let read = await reader?.read(); read && !read.done; read = await reader?.read()) {
      bytes += read.value.byteLength;
      if (bytes > bytesMax) return TOO_LARGE;
      chunks.push(read.value as Bytes);
    }
  } catch {
    // The client has gone away with its post, which is as good as none.
    return undefined;
  }
  return signal.aborted ? undefined : await new Blob(chunks).bytes() as Bytes;
}
