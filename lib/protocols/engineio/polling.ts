import type { Bytes, EngineCodec, Part } from "./codec.ts";
import { encodeJsonp } from "./jsonp.ts";
import { frameBytes } from "../../core/publication.ts";
import type { Connection } from "../../hub/connections.ts";

/** The form in which a client gets and sends payloads. */
export interface PollingStyle {
  readonly codec: EngineCodec;
  /** The callback's number if the client polls by JSONP. */
  readonly jsonp: string | undefined;
  /** True if the client takes text only. */
  readonly base64: boolean;
}

/** Reads the style of a request of a session. */
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

/** The answer to a post that was taken. */
export function postAnswer(): Response {
  return answer("ok", "text/html");
}

function answer(body: string | Bytes, contentType: string): Response {
  const headers = { "content-type": contentType, "cache-control": "no-store" };
  return new Response(body, { status: 200, headers });
}

/** A poll without an answer yet. */
interface OpenPoll {
  readonly style: PollingStyle;
  readonly resolve: (response: Response | undefined) => void;
}

/** The polls of one session: the open one, and the queue for the next. */
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

  /** Bytes in the queue. */
  get queuedBytes(): number {
    return this.#queuedBytes;
  }

  /** True while a poll is open. */
  get isOpen(): boolean {
    return this.#open !== undefined;
  }

  /** Sends a part with the next answer. All parts of one microtask leave in one answer. */
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
   * Opens a poll. There MUST be no other. Resolves to its answer once there is something to send, or
   * to undefined if the poll fails. `onAbort` is called if the client aborts it.
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

  /** Answers the open poll, if there is one, with the queue and `last`. */
  end(...last: Part[]): void {
    const poll = this.#open;
    this.#open = undefined;
    poll?.resolve(pollAnswer(poll.style, [...this.take(), ...last]));
  }

  /** Drops the queue, and answers the open poll, if there is one, with `last`. */
  endWith(last: Part): void {
    this.take();
    this.end(last);
  }

  /**
   * Answers the open poll, if there is one, with the queue. If that is empty, answers with `last`; if
   * there is none, the poll fails. Returns the answers that are left for later polls. `last` has an
   * answer of its own: a client that gets messages and a close in one drops the messages.
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

  /** Lets the open poll fail, and gives the connection back. No other poll MUST be opened. */
  close(): void {
    this.#open?.resolve(undefined);
    this.#open = undefined;
    this.connection.gone();
  }

  /** Empties the queue, and returns what was in it. */
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
