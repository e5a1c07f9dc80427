import type { Bytes, EngineCodec, Part } from "./codec.ts";
import { encodeJsonp } from "./jsonp.ts";
import { frameBytes } from "../../core/publication.ts";
import type { Connection } from "../../hub/connections.ts";

/** How a client wants a request answered. */
export interface PollingStyle {
  readonly codec: EngineCodec;
  /** The callback's number if the client polls by JSONP. */
  readonly jsonp: string | undefined;
  /** True if the client takes text only. */
  readonly base64: boolean;
}

/** Reads the style of a request with `query`; `base64` if its session's first one asked for that. */
export function pollingStyle(
  { codec, base64 }: Pick<PollingStyle, "codec" | "base64">,
  query: URLSearchParams,
): PollingStyle {
  const jsonp = query.get("j") ?? undefined;
  return { codec, jsonp, base64: base64 || jsonp !== undefined };
}

/** The answer to a poll. */
export function pollAnswer(
  { codec, jsonp, base64 }: PollingStyle,
  parts: readonly Part[],
): Response {
  const payload = codec.encodePayload(parts, base64);
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
interface OpenPoll {
  readonly style: PollingStyle;
  readonly resolve: (response: Response | undefined) => void;
}

/** The polls of one session: the one that is open, and what waits for the next. */
export class Polls {
  /** Holds its slot as long as the session polls. */
  readonly connection: Connection;
  #open: OpenPoll | undefined;
  #queue: Part[] = [];
  #queuedBytes = 0;
  #flushing = false;

  constructor(connection: Connection) {
    this.connection = connection;
  }

  /** Bytes that no poll has taken yet. */
  get queuedBytes(): number {
    return this.#queuedBytes;
  }

  /** True while a poll is open. */
  get isOpen(): boolean {
    return this.#open !== undefined;
  }

  /** Sends a part with the next answer. What is sent in the same microtask leaves in one answer. */
  write(part: Part): void {
    this.#queue.push(part);
    this.#queuedBytes += frameBytes(part);
    if (this.#flushing) return;
    this.#flushing = true;
    queueMicrotask(() => {
      this.#flushing = false;
      this.#flush();
    });
  }

  /**
   * Opens a poll, which MUST be the only one. Resolves once there is something to send, with
   * undefined if the session goes on without it. `onAbort` is called if the client aborts it.
   */
  open(
    style: PollingStyle,
    signal: AbortSignal,
    onAbort: () => void,
  ): Promise<Response | undefined> {
    const { promise, resolve } = Promise.withResolvers<Response | undefined>();
    const poll = this.#open = { style, resolve };
    const abort = () => {
      if (this.#open === poll) onAbort();
    };
    signal.addEventListener("abort", abort);
    if (signal.aborted) abort();
    else this.#flush();
    return promise;
  }

  /** Ends the open poll, if there is one, with what waits and `last`. */
  end(...last: Part[]): void {
    const poll = this.#open;
    this.#open = undefined;
    poll?.resolve(pollAnswer(poll.style, [...this.take(), ...last]));
  }

  /** Ends the open poll, if there is one, with `last` alone: what waits is dropped. */
  endWith(last: Part): void {
    this.take();
    this.end(last);
  }

  /**
   * Ends the open poll for good: with what waits, or else with `last`, or else it fails. Returns what
   * is left for the polls that come, each in an answer of its own: a client that gets messages and a
   * close in one drops the messages.
   */
  finish(last: Part | undefined): (readonly Part[])[] {
    const answers = [this.take(), last === undefined ? [] : [last]]
      .filter(({ length }) => length > 0);
    const poll = this.#open;
    if (poll === undefined) return answers;
    this.#open = undefined;
    const [first, ...others] = answers;
    poll.resolve(first && pollAnswer(poll.style, first));
    return others;
  }

  /** Fails the open poll; no other MUST be opened. The connection is gone. */
  close(): void {
    this.#open?.resolve(undefined);
    this.#open = undefined;
    this.connection.gone();
  }

  /** Takes what waits. */
  take(): Part[] {
    const parts = this.#queue;
    this.#queue = [];
    this.#queuedBytes = 0;
    return parts;
  }

  #flush(): void {
    if (this.#queue.length > 0) this.end();
  }
}
