const RETRY_MIN_MS = 500;
const RETRY_MAX_MS = 20_000;

/**
 * How long to wait after so many failures, 1 or more: anything up to a bound that doubles from one to
 * the next, so that those who failed together do not come back together ("full jitter").
 */
export function backoffMs(failures: number): number {
  const boundMs = Math.min(RETRY_MAX_MS, RETRY_MIN_MS * 2 ** (failures - 1));
  return Math.ceil(Math.random() * boundMs);
}
