import { runCommand, type Shell } from "../../lib/cli/command.ts";
import { COMMANDS } from "../../lib/cli/commands.ts";
import { systemClock } from "../../lib/core/clock.ts";
import { deadline } from "./deadline.ts";
import type { FakeClock } from "./fake_clock.ts";
import { Inbox } from "./inbox.ts";

/** The surroundings of a command in a test. */
export interface RunOptions {
  readonly env?: Record<string, string>;
  /** Chunks of stdin, or a stream that the test writes to. */
  readonly stdin?: readonly (string | Uint8Array<ArrayBuffer>)[] | ReadableStream<Uint8Array>;
  /** Turned by the test, but for the waits that the command announces: those are over at once. */
  readonly clock?: FakeClock;
}

/** One command of the command line, run in this process. */
export class CommandRun {
  readonly out: Inbox<string> = new Inbox();
  readonly said: Inbox<string> = new Inbox();
  readonly #code: Promise<number>;
  #isRead = true;

  constructor(name: string, args: readonly string[], options: RunOptions = {}) {
    const { env = {}, stdin = [], clock } = options;
    const shell: Shell = {
      env,
      stdin: stdin instanceof ReadableStream ? stdin : streamOf(stdin),
      clock: clock ?? systemClock,
      write: (line) => {
        if (this.#isRead) this.out.push(line);
        return this.#isRead;
      },
      say: (line) => {
        this.said.push(line);
        if (line.includes("(trying again in")) systemClock.afterTurn(() => clock?.advance(20_000));
      },
    };
    this.#code = runCommand(COMMANDS.get(name)!, args, shell);
  }

  /** The exit code, once there is one. */
  code(): Promise<number> {
    return deadline(this.#code);
  }

  /** As a closed pipe does: the next line is written in vain. */
  stopReading(): void {
    this.#isRead = false;
  }
}

/** Runs a command to its end; resolves to its exit code, output and messages. */
export async function run(
  name: string,
  args: readonly string[],
  options: RunOptions = {},
): Promise<{ code: number; out: string[]; said: string[] }> {
  const command = new CommandRun(name, args, options);
  const code = await command.code();
  return { code, out: command.out.takeAll(), said: command.said.takeAll() };
}

function streamOf(
  chunks: readonly (string | Uint8Array<ArrayBuffer>)[],
): ReadableStream<Uint8Array> {
  const encoder = new TextEncoder();
  return ReadableStream.from(chunks).pipeThrough(
    new TransformStream({
      transform(chunk, controller) {
        controller.enqueue(typeof chunk === "string" ? encoder.encode(chunk) : chunk);
      },
    }),
  );
}
