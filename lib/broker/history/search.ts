/** The first index from `low` up to before `high` from which on `isBehind` is true; `high` if it never is. */
export function firstIndex(
  low: number,
  high: number,
  isBehind: (index: number) => boolean,
): number {
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (isBehind(middle)) high = middle;
    else low = middle + 1;
  }
  return low;
}
