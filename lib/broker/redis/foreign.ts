import type { StreamEntry } from "./entries.ts";

/** Where entries that no node has written are reported. */
export interface ForeignOptions {
  /** Called with the first of them. */
  readonly warn?: ((why: string) => void) | undefined;
  /** Counts them. */
  readonly foreignEntries?: { inc(): void } | undefined;
}

/** Entries that cannot be read, as another program has written them: they are skipped. */
export class ForeignEntries {
  readonly #options: ForeignOptions;
  #hasWarned = false;

  constructor(options: ForeignOptions) {
    this.#options = options;
  }

  /** Skips an entry of a stream. */
  skip(key: string, { id }: StreamEntry): void {
    const { warn, foreignEntries } = this.#options;
    foreignEntries?.inc();
    if (this.#hasWarned) return;
    this.#hasWarned = true;
    warn?.(
      `entry ${id} of ${key} cannot be read and is skipped: does another program write there?`,
    );
  }
}
