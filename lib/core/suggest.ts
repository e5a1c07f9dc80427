const EDITS_MAX = 3;

/** Returns `, did you mean …?` with the name most like `name`; empty if none is like it. */
export function suggest(name: string, names: Iterable<string>): string {
  const [nearest] = [...names]
    .map((candidate) => ({ candidate, edits: editDistance(name, candidate) }))
    .filter(({ edits }) => edits <= Math.min(EDITS_MAX, name.length / 3))
    .sort((a, b) => a.edits - b.edits);
  return nearest ? `, did you mean ${nearest.candidate}?` : "";
}

/** Counts the characters to insert, delete or replace (Levenshtein); `Infinity` if clearly many. */
function editDistance(from: string, to: string): number {
  if (Math.abs(from.length - to.length) > EDITS_MAX) return Infinity;
  let row = Array.from({ length: to.length + 1 }, (_, column) => column);
  for (const [line, character] of [...from].entries()) {
    const next = [line + 1];
    for (let column = 1; column <= to.length; column++) {
      const replaced = row[column - 1]! + (character === to[column - 1] ? 0 : 1);
      next.push(Math.min(replaced, row[column]! + 1, next[column - 1]! + 1));
    }
    row = next;
  }
  return row.at(-1)!;
}
