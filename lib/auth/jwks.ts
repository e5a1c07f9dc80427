import type { Clock, Timer } from "../core/clock.ts";
import { Refusal } from "../core/errors.ts";
import { withoutSecrets } from "../core/redact.ts";
import { readKeys } from "./jwk.ts";
import { refuseToken, type TokenKey } from "./jwt.ts";

/** Where keys are, and what reading them needs. */
export interface JwksOptions {
  /** A file's name, or an https URL. */
  readonly source: string;
  readonly clock: Clock;
  readonly fetch: typeof fetch;
  /** Called when the keys cannot be read; the known ones stay. */
  readonly onFailure: (why: string) => void;
}

/** Keys of this age are read again in the background: one may have been withdrawn. */
const AGE_MS = 600_000;
/** The shortest time between two attempts to read keys, if some are known and if none are. */
const PAUSE_MS = 60_000;
const PAUSE_WITHOUT_KEYS_MS = 5000;
/** Bounds on the time and the bytes of an answer with keys. */
export const JWKS_TIMEOUT_MS = 5000;
export const JWKS_BYTES_MAX = 262_144;

/** Reports whether keys come from a URL, and not from a file. */
export function isRemote(source: string): boolean {
  return source.startsWith("https://");
}

/** A set of keys from a file or an https URL, which is read again when a key is missing or the set is old. */
export class Jwks {
  readonly #options: JwksOptions;
  readonly #closing = new AbortController();
  #keys: readonly TokenKey[] | undefined;
  #loading: Promise<void> | undefined;
  #loadedAt = -Infinity;
  #attemptedAt = -Infinity;

  constructor(options: JwksOptions) {
    this.#options = options;
  }

  /**
   * Reads the keys for the first time, those of a URL in the background. Rejects with a `SyntaxError` if a
   * file is malformed.
   */
  async start(): Promise<void> {
    if (isRemote(this.#options.source)) void this.#load();
    else await this.#read();
  }

  /**
   * Reads the keys of a file again, even if that was done just now. Rejects with a `SyntaxError` if the
   * file is malformed; the known keys stay.
   */
  renew(): Promise<void> {
    // What is being read now may still be the old text.
    const reading = (this.#loading ?? Promise.resolve()).then(() => this.#read());
    this.#share(reading.catch(() => {}));
    return reading;
  }

  /** The key that a token names, or the only one if it names none. Rejects with a `Refusal`. */
  async find(id: string | undefined): Promise<TokenKey> {
    const now = this.#options.clock.monotonic();
    if (this.#keys === undefined) await this.#load(PAUSE_WITHOUT_KEYS_MS);
    else if (now - this.#loadedAt > AGE_MS) void this.#load();
    if (id !== undefined && this.#lookUp(id) === undefined) await this.#load();
    const key = this.#lookUp(id);
    if (key !== undefined) return key;
    if (this.#keys === undefined) {
      throw new Refusal(
        "unavailable",
        "Cannot check tokens now, as their keys cannot be had: retry",
        PAUSE_WITHOUT_KEYS_MS / 1000,
      );
    }
    throw refuseToken(id === undefined ? "it names no key, by a kid" : "its key is unknown");
  }

  /** Aborts reading. */
  close(): void {
    this.#closing.abort();
  }

  #lookUp(id: string | undefined): TokenKey | undefined {
    const keys = this.#keys ?? [];
    if (id === undefined) return keys.length === 1 ? keys[0] : undefined;
    return keys.find((key) => key.id === id);
  }

  /** Reads the keys, unless the last attempt is less than `pauseMs` ago. Callers share one attempt. */
  #load(pauseMs = PAUSE_MS): Promise<void> {
    const { clock, onFailure } = this.#options;
    if (this.#loading !== undefined) return this.#loading;
    if (clock.monotonic() - this.#attemptedAt < pauseMs) return Promise.resolve();
    return this.#share(
      this.#read().catch((error: Error) => {
        if (!this.#closing.signal.aborted) onFailure(error.message);
      }),
    );
  }

  /** Makes other callers wait for `reading` until it ends. */
  #share(reading: Promise<void>): Promise<void> {
    const loading = reading.finally(() => {
      if (this.#loading === loading) this.#loading = undefined;
    });
    return this.#loading = loading;
  }

  async #read(): Promise<void> {
    const { source, clock } = this.#options;
    const isFile = !isRemote(source);
    this.#attemptedAt = clock.monotonic();
    try {
      this.#keys = await readKeys(await (isFile ? this.#readFile() : this.#fetchText()), isFile);
    } catch (error) {
      throw new SyntaxError(
        `Cannot read the keys of ${withoutSecrets(source)}: ${(error as Error).message}`,
      );
    }
    this.#loadedAt = clock.monotonic();
  }

  async #readFile(): Promise<string> {
    const file = await Deno.open(this.#options.source);
    return await readText(file.readable);
  }

  async #fetchText(): Promise<string> {
    const { source, fetch, clock } = this.#options;
    const late = new AbortController();
    const timer: Timer = clock.after(
      JWKS_TIMEOUT_MS,
      () => late.abort(new Error("no answer in time")),
    );
    try {
      const response = await fetch(source, {
        // A redirect could lead away from https.
        redirect: "manual",
        headers: { accept: "application/jwk-set+json, application/json" },
        signal: AbortSignal.any([late.signal, this.#closing.signal]),
      });
      if (response.ok && response.body !== null) return await readText(response.body);
      await response.body?.cancel();
      throw new Error(`the answer was ${response.status}`);
    } finally {
      timer.cancel();
    }
  }
}

async function readText(stream: ReadableStream<Uint8Array>): Promise<string> {
  const decoder = new TextDecoder("utf-8", { fatal: true });
  let text = "";
  let bytes = 0;
  for await (const chunk of stream) {
    bytes += chunk.length;
    if (bytes > JWKS_BYTES_MAX) throw new RangeError(`expected at most ${JWKS_BYTES_MAX} bytes`);
    text += decoder.decode(chunk, { stream: true });
  }
  return text + decoder.decode();
}
