import { suggest } from "../core/suggest.ts";
import { printable } from "../observe/log.ts";

/** The flags of a command, without their dashes; every command has `--help` and `-h` too. */
export interface Syntax {
  /** Those that take a value. */
  readonly values: readonly string[];
  /** Those whose values, given again, are joined with a comma. */
  readonly lists?: readonly string[];
  readonly switches: readonly string[];
}

/** The parsed arguments of a command. */
export interface Arguments {
  readonly values: ReadonlyMap<string, string>;
  readonly switches: ReadonlySet<string>;
  /** The arguments that are no flags, in order. */
  readonly operands: readonly string[];
}

/** Why a command line is wrong. */
export class UsageError extends Error {
  override readonly name = "UsageError";
}

/**
 * Parses the arguments of a command. Flags may stand anywhere, as `--name value` or `--name=value`; after
 * `--` nothing is a flag, and `-` never is. Throws a `UsageError` that says what is wrong.
 */
export function parseArguments(args: readonly string[], syntax: Syntax): Arguments {
  const values = new Map<string, string>();
  const switches = new Set<string>();
  const operands: string[] = [];
  const rest = [...args];
  for (let arg = rest.shift(); arg !== undefined; arg = rest.shift()) {
    if (arg === "--") {
      operands.push(...rest.splice(0));
    } else if (arg === "-h") {
      switches.add("help");
    } else if (!arg.startsWith("-") || arg === "-") {
      operands.push(arg);
    } else {
      const [name, value] = splitFlag(arg);
      if (syntax.values.includes(name)) values.set(name, value ?? takeValue(name, rest));
      else if (syntax.lists?.includes(name)) {
        values.set(name, join(values.get(name), value ?? takeValue(name, rest)));
      } else switches.add(checkSwitch(name, value, syntax));
    }
  }
  return { values, switches, operands };
}

function join(before: string | undefined, value: string): string {
  return before === undefined ? value : `${before},${value}`;
}

function splitFlag(arg: string): [name: string, value: string | undefined] {
  const equals = arg.indexOf("=");
  const name = (equals < 0 ? arg : arg.slice(0, equals)).replace(/^--/, "");
  return [name, equals < 0 ? undefined : arg.slice(equals + 1)];
}

function takeValue(name: string, rest: string[]): string {
  const value = rest.shift();
  if (value !== undefined) return value;
  throw new UsageError(`--${name} needs a value`);
}

function checkSwitch(name: string, value: string | undefined, syntax: Syntax): string {
  const { values, lists = [], switches } = syntax;
  if (name !== "help" && !switches.includes(name)) {
    const flag = name.startsWith("-") ? name : `--${name}`;
    const known = [...values, ...lists, ...switches].map((name) => `--${name}`);
    const hint = suggest(flag, known) || ": put -- before a text that begins with -";
    throw new UsageError(`Unknown flag ${printable(flag)}${hint}`);
  }
  if (value === undefined) return name;
  throw new UsageError(`--${name} takes no value`);
}
