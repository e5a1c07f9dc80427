// The real ones, also while a test mocks them.
const { setTimeout, clearTimeout } = globalThis;

/** Far more than anything takes, on a busy machine too: it only ends a test that has failed. */
const DEADLINE_MS = 120_000;
/** Between two questions, so that whoever is asked, and other tests, get the processor. */
const PAUSE_MS = 3;

/** Settles as `promise` does, or rejects once `ms` milliseconds of real time are over. */
export async function deadline<T>(promise: PromiseLike<T>, ms = DEADLINE_MS): Promise<T> {
  const { promise: late, reject } = Promise.withResolvers<never>();
  const timer = setTimeout(() => reject(new Error(`Nothing happened within ${ms} ms`)), ms);
  try {
    return await Promise.race([promise, late]);
  } finally {
    clearTimeout(timer);
  }
}

/** Asks again and again until the answer is right, and returns it. */
export async function eventually<T>(
  ask: () => T | Promise<T>,
  isRight: (answer: T) => boolean,
): Promise<T> {
  const start = performance.now();
  for (;;) {
    const answer = await deadline(Promise.resolve(ask()));
    if (isRight(answer)) return answer;
    if (performance.now() - start > DEADLINE_MS) {
      throw new Error(`The answer did not become right: ${Deno.inspect(answer)}`);
    }
    await new Promise<void>((resolve) => void setTimeout(resolve, PAUSE_MS));
  }
}
