/** Settles as `promise` does, or rejects once `ms` milliseconds of real time are over. */
export async function deadline<T>(promise: PromiseLike<T>, ms = 10_000): Promise<T> {
  const { promise: late, reject } = Promise.withResolvers<never>();
  const timer = setTimeout(() => reject(new Error(`Nothing happened within ${ms} ms`)), ms);
  try {
    return await Promise.race([promise, late]);
  } finally {
    clearTimeout(timer);
  }
}
