/** The first index from `low` on for which `isBehind` is true, as for all after it; or else `high`. */
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
