import type { Clock } from "../core/clock.ts";
import { type Arguments, parseArguments, type Syntax, UsageError } from "./arguments.ts";

/** The surroundings of a command. */
export interface Shell {
  readonly env: Readonly<Record<string, string>>;
  readonly stdin: ReadableStream<Uint8Array>;
  readonly clock: Clock;
  /** Writes one line of output; false once nobody reads it any more. */
  readonly write: (line: string) => boolean;
  /** Writes a message to the user that is not output. */
  readonly say: (line: string) => void;
}

/** One command of the command line. */
export interface Command {
  readonly name: string;
  /** Its effect, in a few words. */
  readonly summary: string;
  /** The text of `--help`. */
  readonly help: string;
  /** Undefined if it parses its arguments itself: then all of them are operands. */
  readonly syntax: Syntax | undefined;
  /** Resolves to the exit code; rejects with a `UsageError` or a `Failure`. */
  readonly run: (args: Arguments, shell: Shell) => Promise<number>;
}

/** Why a command failed. */
export class Failure extends Error {
  override readonly name = "Failure";
}

/** Runs a command, and resolves to its exit code: 0 done, 1 failed, 2 used wrongly. */
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
