import type { Clock } from "../core/clock.ts";
import { type Arguments, parseArguments, type Syntax, UsageError } from "./arguments.ts";

/** What a command works with beside its arguments; all of it is passed in. */
export interface Shell {
  readonly env: Readonly<Record<string, string>>;
  readonly stdin: ReadableStream<Uint8Array>;
  readonly clock: Clock;
  /** Writes one line of output; false once nobody reads it any more. */
  readonly write: (line: string) => boolean;
  /** Writes something to the user that is not output. */
  readonly say: (line: string) => void;
}

/** One command of the command line. */
export interface Command {
  readonly name: string;
  /** What it does, in a few words. */
  readonly summary: string;
  /** What `--help` shows. */
  readonly help: string;
  /** Undefined if it reads its arguments by itself: then all of them are operands. */
  readonly syntax: Syntax | undefined;
  /** Does it. Resolves to the exit code; throws a `UsageError` or a `Failure`. */
  readonly run: (args: Arguments, shell: Shell) => Promise<number>;
}

/** Why a command failed. */
export class Failure extends Error {
  override readonly name = "Failure";
}

/** Runs a command and resolves to its exit code: 0 done, 1 failed, 2 used wrongly. */
export async function runCommand(
  command: Command,
  args: readonly string[],
  shell: Shell,
): Promise<number> {
  try {
    const parsed = readArguments(command, args);
    if (!parsed.switches.has("help")) return await command.run(parsed, shell);
    shell.write(command.help);
    return 0;
  } catch (error) {
    if (error instanceof UsageError) {
      shell.say(`${error.message}\nSee hark ${command.name} --help`);
      return 2;
    }
    if (!(error instanceof Failure)) throw error;
    shell.say(error.message);
    return 1;
  }
}

function readArguments({ syntax }: Command, args: readonly string[]): Arguments {
  if (syntax !== undefined) return parseArguments(args, syntax);
  return { values: new Map(), switches: new Set(), operands: args };
}
