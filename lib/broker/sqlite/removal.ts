import type { Publication } from "../../core/publication.ts";
import type { KeyedRequest } from "../idempotency.ts";

/** What is to be deleted from the file in one step. */
export class Removal {
  /** Of each publication. */
  readonly offsets: number[] = [];
  /** Of each of their channels: the highest offset that is gone, or 0 if the channel is. */
  readonly lostOffsets: Map<string, number> = new Map();
  readonly keys: KeyedRequest[] = [];
  /** The highest offset of any channel that is gone altogether; 0 if none is. */
  forgottenOffset = 0;

  /** How many rows it deletes. */
  get size(): number {
    return this.offsets.length + this.keys.length;
  }

  /** Adds a publication; `isLast` if its channel has no other. */
  addPublication({ offset, channel }: Publication, isLast: boolean): void {
    this.offsets.push(offset);
    this.lostOffsets.set(channel, isLast ? 0 : offset);
    if (isLast) this.forgottenOffset = Math.max(this.forgottenOffset, offset);
  }

  addKey(request: KeyedRequest): void {
    this.keys.push(request);
  }
}
