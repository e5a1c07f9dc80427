import type { Clock } from "../core/clock.ts";
import { Refusal } from "../core/errors.ts";
import { Quota } from "../core/quota.ts";

/** How many keys are remembered; a caller gets half of what the others leave. */
export const IDEMPOTENCY_KEYS_MAX = 100_000;

/** What `Idempotency` needs, and its bounds. */
export interface IdempotencyOptions {
  readonly clock: Clock;
  /** How many seconds a key is remembered after its request was carried out. */
  readonly idempotencyAgeS: number;
  /** How many keys are remembered; a caller may have half of what the others leave. */
  readonly idempotencyKeysMax: number;
  /** Called when the time of a key is over. */
  readonly onForget?: (request: KeyedRequest) => void;
}

/** A request with an idempotency key. */
export interface KeyedRequest {
  /** The same key of another caller is another key. */
  readonly caller: string;
  /** 1 to 255 characters of printable ASCII. */
  readonly key: string;
  /** Two requests have the same fingerprint only if they ask for the same. */
  readonly fingerprint: string;
}

interface Running {
  readonly fingerprint: string;
  /** Resolves when the request is over, whether it succeeded or failed. */
  readonly over: Promise<void>;
}

interface Done<Result> {
  readonly request: KeyedRequest;
  readonly result: Result;
  readonly forgetAt: number;
}

/**
 * Carries out a request once, however often it is sent under its key (the HTTP header
 * `Idempotency-Key`, draft-ietf-httpapi-idempotency-key-header).
 *
 * A key is remembered for its whole time. If there is no room for another, the new request is
 * refused: it is not carried out, and its caller learns that. To forget an old key instead would
 * silently turn a late retry into a second publication.
 */
export class Idempotency<Result> {
  readonly #options: IdempotencyOptions;
  readonly #running = new Map<string, Running>();
  /** In the order in which they expire. */
  readonly #done = new Map<string, Done<Result>>();
  readonly #quota: Quota;

  constructor(options: IdempotencyOptions) {
    this.#options = options;
    this.#quota = new Quota(options.idempotencyKeysMax);
  }

  /** How many keys are remembered, including those of requests under way. */
  get size(): number {
    return this.#quota.total;
  }

  /**
   * Calls `act` and remembers its result. If the request was carried out before, returns that
   * result; if it is under way, waits for it. If `act` fails, the key is free again. Throws what
   * `act` throws, and a `Refusal`: `conflict` if the key stands for another request, `over-limit`
   * if no more keys can be remembered.
   */
  async once(request: KeyedRequest, act: () => Promise<Result>): Promise<Result> {
    const name = nameOf(request);
    for (;;) {
      this.expire();
      const done = this.#done.get(name);
      const known = done?.request ?? this.#running.get(name);
      if (known === undefined) return await this.#run(name, request, act);
      if (known.fingerprint !== request.fingerprint) throw keyConflict();
      if (done !== undefined) return done.result;
      await this.#running.get(name)?.over;
    }
  }

  /**
   * Remembers a request that an earlier process carried out `ageMs` ago, unless its key is known
   * already. Later calls MUST NOT have a higher age.
   */
  restore(request: KeyedRequest, result: Result, ageMs: number): void {
    const name = nameOf(request);
    if (this.#running.has(name) || this.#done.has(name)) return;
    this.#quota.add(request.caller);
    this.#remember(name, request, result, ageMs);
  }

  async #run(name: string, request: KeyedRequest, act: () => Promise<Result>): Promise<Result> {
    const { caller, fingerprint } = request;
    this.#take(caller);
    const { promise: over, resolve: end } = Promise.withResolvers<void>();
    this.#running.set(name, { fingerprint, over });
    try {
      const result = await act();
      this.#remember(name, request, result, 0);
      return result;
    } catch (error) {
      this.#quota.remove(caller);
      throw error;
    } finally {
      this.#running.delete(name);
      end();
    }
  }

  #remember(name: string, request: KeyedRequest, result: Result, ageMs: number): void {
    const { clock, idempotencyAgeS } = this.#options;
    const forgetAt = clock.monotonic() + idempotencyAgeS * 1000 - ageMs;
    this.#done.set(name, { request, result, forgetAt });
  }

  #take(caller: string): void {
    if (this.#quota.boundFor(caller) !== undefined) {
      throw new Refusal(
        "over-limit",
        "Cannot remember another Idempotency-Key: send several messages in one request, or wait",
        this.#retryAfterS(),
      );
    }
    this.#quota.add(caller);
  }

  /** Forgets keys whose time is over. */
  expire(): void {
    const now = this.#options.clock.monotonic();
    for (const [name, { request, forgetAt }] of this.#done) {
      if (forgetAt > now) return;
      this.#done.delete(name);
      this.#quota.remove(request.caller);
      this.#options.onForget?.(request);
    }
  }

  #retryAfterS(): number {
    for (const { forgetAt } of this.#done.values()) {
      return Math.max(1, Math.ceil((forgetAt - this.#options.clock.monotonic()) / 1000));
    }
    return 1;
  }
}

/** A name that no other key of any caller has, as callers have no line break in theirs. */
export function nameOf({ caller, key }: KeyedRequest): string {
  return `${caller}\n${key}`;
}

/** The refusal of a key that stands for another request. */
export function keyConflict(): Refusal {
  return new Refusal(
    "conflict",
    "This Idempotency-Key stands for another request: send each request under a key of its own",
  );
}
