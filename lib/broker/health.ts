import type { Clock, Timer } from "../core/clock.ts";

/** The metrics of a broker. */
export interface BrokerMetrics {
  /** How long the journal takes to keep a batch. */
  readonly appendSeconds: { observe(seconds: number): void };
  /** How often the feed came back. */
  readonly reconnects: { inc(): void };
  /** How often all of the log was loaded again. */
  readonly reloads: { inc(): void };
  readonly gaps: { inc(): void };
}

/** After so long without a batch it is not known whether the next one would be refused. */
export const REFUSED_MS = 5000;

/**
 * Whether publishing works: the feed is there, and the last batch was not refused. Publishers may
 * ask for this and stay away, and then no batch would show that it works again: so a refusal counts
 * for a while.
 */
export class Health {
  readonly #clock: Clock;
  readonly #onChange: (isUp: boolean, why: string) => void;
  readonly #onBack: () => void;
  #isFed = true;
  #isUp = true;
  #refused: Timer | undefined;

  /** Calls `onChange` when it changes, and `onBack` when the feed is back. Publishing works at first. */
  constructor(
    clock: Clock,
    onChange: (isUp: boolean, why: string) => void,
    onBack: () => void,
  ) {
    this.#clock = clock;
    this.#onChange = onChange;
    this.#onBack = onBack;
  }

  get isUp(): boolean {
    return this.#isUp;
  }

  /** The feed is there, or it is not. */
  fed(isFed: boolean, why = ""): void {
    if (isFed && !this.#isFed) this.#onBack();
    this.#isFed = isFed;
    this.#refused?.cancel();
    this.#report(isFed, why);
  }

  /** A batch is kept. That says nothing while the feed is away. */
  kept(): void {
    this.#refused?.cancel();
    if (this.#isFed) this.#report(true, "");
  }

  /** A batch could not be kept. */
  refused(why: string): void {
    this.#report(false, why);
    this.#refused?.cancel();
    if (this.#isFed) this.#refused = this.#clock.after(REFUSED_MS, () => this.kept());
  }

  /** Stops the timer. */
  close(): void {
    this.#isFed = false;
    this.#refused?.cancel();
  }

  #report(isUp: boolean, why: string): void {
    if (this.#isUp === isUp) return;
    this.#isUp = isUp;
    this.#onChange(isUp, why);
  }
}
