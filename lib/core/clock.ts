/** A timer that can be taken back; cancelling it twice, or after it ran, does nothing. */
export interface Timer {
  cancel(): void;
}

/** Where the core takes its time from, so that tests can turn it by hand. */
export interface Clock {
  /** Wall time in milliseconds since 1970; it may jump. */
  now(): number;
  /** Milliseconds that only ever grow, from an arbitrary start. */
  monotonic(): number;
  /** MUST run `callback` once, `ms` milliseconds from now at the earliest, unless cancelled. */
  after(ms: number, callback: () => void): Timer;
  /** MUST run `callback` once, after everything that is already due in this turn of the event loop. */
  afterTurn(callback: () => void): void;
}

/** The machine's clock. */
export const systemClock: Clock = {
  now: () => Date.now(),
  monotonic: () => performance.now(),
  after(ms, callback) {
    const timer = setTimeout(callback, ms);
    return { cancel: () => clearTimeout(timer) };
  },
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

/** Resolves after `ms` milliseconds of `clock`. */
export function wait(clock: Clock, ms: number): Promise<void> {
  return new Promise((resolve) => clock.after(ms, resolve));
}
