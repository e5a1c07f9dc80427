import { Refusal } from "../core/errors.ts";

/** Bounds the commands of one client that wait, such as those after a replay that it does not read. */
export class WaitingCommands {
  readonly #max: number;
  #count = 0;

  /** At most `max` commands wait at a time. */
  constructor(max: number) {
    this.#max = max;
  }

  /** Runs a command, and returns the promise of its result. Rejects with a `Refusal` while too many wait. */
  run<T>(command: () => Promise<T>): Promise<T> {
    if (this.#count >= this.#max) {
      const message = `Cannot take more than ${this.#max} commands at a time: wait for the replies`;
      return Promise.reject(new Refusal("too-many-requests", message));
    }
    const result = command();
    this.#count++;
    const end = () => void this.#count--;
    // With `finally()` or `await`, a reply would come after a close of the same turn.
    result.then(end, end);
    return result;
  }
}
