/** A timer that can be cancelled; to cancel it twice, or after it ran, does nothing. */
export interface Timer {
  cancel(): void;
}

/** The source of time; tests have one that they advance by hand. */
export interface Clock {
  /** Wall time in milliseconds since 1970; it may jump. */
  now(): number;
  /** Milliseconds since an arbitrary start; they never decrease. */
  monotonic(): number;
  /** MUST run `callback` once, `ms` milliseconds from now at the earliest, unless cancelled. */
  after(ms: number, callback: () => void): Timer;
  /** MUST run `callback` once, after everything that is already due in this turn of the event loop. */
  afterTurn(callback: () => void): void;
}

// The most that `setTimeout()` takes, some 24 days: with more it runs at once.
const TIMEOUT_MS_MAX = 2 ** 31 - 1;

/** The machine's clock. */
export const systemClock: Clock = {
  now: () => Date.now(),
  monotonic: () => performance.now(),
  after(ms, callback) {
    let timer: ReturnType<typeof setTimeout>;
    (function sleep(leftMs: number): void {
      const stepMs = Math.min(leftMs, TIMEOUT_MS_MAX);
      timer = setTimeout(() => leftMs > stepMs ? sleep(leftMs - stepMs) : callback(), stepMs);
    })(ms);
    return { cancel: () => clearTimeout(timer) };
  },
  // deno-lint-ignore no-node-globals -- core imports nothing
  afterTurn: (callback) => void setImmediate(callback),
};

/** Runs `callback` every `ms` milliseconds until cancelled. */
export function every(clock: Clock, ms: number, callback: () => void): Timer {
  let timer = clock.after(ms, tick);
  function tick() {
    timer = clock.after(ms, tick);
    callback();
  }
  return { cancel: () => timer.cancel() };
}

/** Settles as `promise` does, or resolves to undefined after `ms` milliseconds. */
export async function within<T>(
  clock: Clock,
  ms: number,
  promise: Promise<T>,
): Promise<T | undefined> {
  const { promise: late, resolve } = Promise.withResolvers<undefined>();
  const timer = clock.after(ms, () => resolve(undefined));
  try {
    return await Promise.race([promise, late]);
  } finally {
    timer.cancel();
  }
}

/** Resolves after everything that is already due in this turn of the event loop. */
export function turn(clock: Clock): Promise<void> {
  return new Promise((resolve) => clock.afterTurn(resolve));
}

/** Resolves after `ms` milliseconds of `clock`. */
export function wait(clock: Clock, ms: number): Promise<void> {
  return new Promise((resolve) => clock.after(ms, resolve));
}
