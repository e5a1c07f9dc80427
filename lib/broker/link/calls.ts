import { Refusal, type RefusalType } from "../../core/errors.ts";
import type { Message } from "./codec.ts";
import type { LinkConnection } from "./connection.ts";

interface Call {
  readonly promise: Promise<unknown>;
  readonly resolve: (result: unknown) => void;
  readonly reject: (error: Error) => void;
}

/** Calls of one process that another answers. */
export class Calls {
  readonly #waiting = new Map<number, Call>();
  #last = 0;

  /** Calls the other end. Rejects with the `Refusal` that it answers. */
  call(connection: LinkConnection, name: string, args: readonly unknown[]): Promise<unknown> {
    const id = ++this.#last;
    const call: Call = Promise.withResolvers<unknown>();
    this.#waiting.set(id, call);
    connection.send(["call", id, name, ...args]);
    return call.promise;
  }

  /** Takes an answer. */
  receive([name, id, ...rest]: Message): void {
    const call = this.#waiting.get(Number(id));
    this.#waiting.delete(Number(id));
    if (name === "done") return call?.resolve(rest[0]);
    const [type, message, retryAfterS] = rest as [RefusalType, string, number?];
    call?.reject(new Refusal(type, message, retryAfterS ?? undefined));
  }

  /** Resolves once everything that is waited for is answered, or has failed. */
  async settled(): Promise<void> {
    await Promise.allSettled(Array.from(this.#waiting.values(), ({ promise }) => promise));
  }

  /** Nothing is answered any more. */
  fail(error: Error): void {
    for (const { reject } of this.#waiting.values()) reject(error);
    this.#waiting.clear();
  }
}

/** Answers a call. Reports what is thrown that is no `Refusal`, which the caller gets to know little of. */
export async function answerCall(
  connection: LinkConnection,
  id: unknown,
  answer: () => unknown,
  onError: (error: unknown) => void,
): Promise<void> {
  try {
    connection.send(["done", id, await answer()]);
  } catch (error) {
    if (!(error instanceof Refusal)) onError(error);
    const { type, message, retryAfterS } = error instanceof Refusal
      ? error
      : new Refusal("unavailable", "The process that keeps the log has failed: try again later", 1);
    connection.send(["refused", id, type, message, retryAfterS]);
  }
}
