import type { Part } from "./codec.ts";
import { pollAnswer, type PollingStyle, pollingStyle } from "./polling.ts";
import type { Clock } from "../../core/clock.ts";
import { Deadlines } from "../../core/deadlines.ts";
import type { Connection } from "../../hub/connections.ts";

/** The answers to the next polls of a session that has ended. */
export interface Goodbye extends Pick<PollingStyle, "codec" | "base64"> {
  /** One for each poll; never empty. */
  readonly answers: readonly (readonly Part[])[];
  /** Gone once all answers are taken or forgotten. */
  readonly connection: Connection;
}

/** How long a session that has ended waits for the polls of its client. */
export const GOODBYE_MS = 30_000;

/** Sessions that have ended before their clients got everything. */
export class Goodbyes {
  readonly #max: number;
  readonly #goodbyes = new Map<string, Goodbye>();
  readonly #due: Deadlines<string>;

  /** Remembers at most `max` sessions. */
  constructor(clock: Clock, max: number) {
    this.#max = max;
    this.#due = new Deadlines(clock, GOODBYE_MS, (sid) => this.#forget(sid));
  }

  has(sid: string): boolean {
    return this.#goodbyes.has(sid);
  }

  /** Remembers the last answers to the client of session `sid`, if there is room. */
  add(sid: string, goodbye: Goodbye): void {
    if (this.#goodbyes.size >= this.#max) return goodbye.connection.gone();
    this.#goodbyes.set(sid, goodbye);
    this.#due.start(sid);
  }

  /** The answer to a poll of session `sid`, which MUST be remembered. */
  answer(sid: string, query: URLSearchParams): Response {
    const goodbye = this.#goodbyes.get(sid)!;
    const [parts, ...answers] = goodbye.answers;
    if (answers.length === 0) this.#forget(sid);
    else this.#goodbyes.set(sid, { ...goodbye, answers });
    return pollAnswer(pollingStyle(goodbye, query), parts!);
  }

  /** Forgets them all. */
  clear(): void {
    for (const sid of this.#goodbyes.keys()) this.#forget(sid);
  }

  #forget(sid: string): void {
    this.#due.cancel(sid);
    this.#goodbyes.get(sid)!.connection.gone();
    this.#goodbyes.delete(sid);
  }
}
