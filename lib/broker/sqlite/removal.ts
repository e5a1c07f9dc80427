import type { Publication } from "../../core/publication.ts";
import { type KeyedRequest, nameOf } from "../idempotency.ts";

/** What is to be deleted from the file in one step. */
export class Removal {
  /** Of each publication. */
  readonly offsets: number[] = [];
  /** Of each of their channels: the highest offset that is gone, or 0 if the channel is. */
  readonly lostOffsets: Map<string, number> = new Map();
  readonly #keys = new Map<string, KeyedRequest>();
  /** The highest offset of any channel that is gone altogether; 0 if none is. */
  forgottenOffset = 0;

  /** How many rows it deletes. */
  get size(): number {
    return this.offsets.length + this.#keys.size;
  }

  /** Adds a publication; `isLast` if its channel has no other. */
  addPublication({ offset, channel }: Publication, isLast: boolean): void {
    this.offsets.push(offset);
    this.lostOffsets.set(channel, isLast ? 0 : offset);
    if (isLast) this.forgottenOffset = Math.max(this.forgottenOffset, offset);
  }

  get keys(): Iterable<KeyedRequest> {
    return this.#keys.values();
  }

  addKey(request: KeyedRequest): void {
    this.#keys.set(nameOf(request), request);
  }

  /** The key was taken again. */
  keepKey(request: KeyedRequest): void {
    this.#keys.delete(nameOf(request));
  }
}
