import { ConfigError, parseConfig } from "../config/config.ts";
import { shownSource, shownValue } from "../config/help.ts";
import { printable } from "../observe/log.ts";
import { flagName, type OptionKey, OPTIONS } from "../config/options.ts";
import { type Setup, whatIsUnwise, whoMayDoWhat } from "../config/advice.ts";
import { UsageError } from "./arguments.ts";
import type { Command, Shell } from "./command.ts";
import { tryStart } from "./dry_run.ts";

const ALL = "--all";

/** `hark check`: reports what the server would do with these flags and variables, and starts nothing. */
export const checkCommand: Command = {
  name: "check",
  summary: "show what these flags and variables allow, and what is unwise",
  help: `Usage: hark check [--all] [flags of the server]

Shows what is unwise about a server with these flags and variables; what it allows, and to whom; and the
options that are given, with where each comes from. Secrets are not shown. Certificate, token keys, store,
Redis, the nodes that share it and Unix socket are tried as far as nothing is changed by it; whether address
and store are free, and what other URLs answer, is not.
Exits with 0 if nothing is unwise, 1 if something is, 2 if the server would not start.

      --all      show every option, the defaults too
  -h, --help     show this`,
  syntax: undefined,

  async run({ operands }, shell) {
    const showsAll = operands.includes(ALL);
    const setup = await readSetup(operands.filter((operand) => operand !== ALL), shell);
    if (setup === undefined) {
      shell.write(checkCommand.help);
      return 0;
    }
    const unwise = whatIsUnwise(setup);
    const options = table(optionRows(setup, showsAll));
    const lines = [
      ...titled("Unwise", unwise.length > 0 ? unwise.map((line) => `- ${line}`) : ["nothing"]),
      ...titled("Who may", table(whoMayDoWhat(setup))),
      ...titled(
        showsAll ? "Options" : "Options given",
        options.length > 0 ? options : ["none; --all shows the defaults"],
      ),
    ];
    for (const line of lines.slice(0, -1)) shell.write(printable(line));
    return unwise.length > 0 ? 1 : 0;
  },
};

/** Undefined if help is asked for. Throws a `UsageError` if the server would not start. */
async function readSetup(
  args: readonly string[],
  { env, clock }: Shell,
): Promise<Setup | undefined> {
  try {
    const parsed = parseConfig(args, env);
    if (parsed.kind !== "run") return undefined;
    const { config, sources } = parsed;
    return { config, sources, ...await tryStart(config, clock), now: clock.now() };
  } catch (error) {
    if (error instanceof ConfigError) throw new UsageError(error.message);
    throw error;
  }
}

/** Each option that is given, or every one: its flag, where its value comes from, and the value. */
function optionRows({ config, sources }: Setup, showsAll: boolean): string[][] {
  const keys = (Object.keys(OPTIONS) as OptionKey[])
    .filter((key) => showsAll || sources[key] !== "default");
  return keys.map((key) => [
    `--${flagName(key)}`,
    shownSource(key, sources),
    shownValue(key, config),
  ]);
}

function titled(title: string, lines: readonly string[]): string[] {
  return [`${title}:`, ...lines.map((line) => `  ${line}`), ""];
}

/** Formats rows as lines, with columns as wide as their widest cell. */
function table(rows: readonly (readonly string[])[]): string[] {
  if (rows[0] === undefined) return [];
  const widths = rows[0].map((_, column) => Math.max(...rows.map((row) => row[column]!.length)));
  return rows.map((row) => row.map((cell, at) => cell.padEnd(widths[at]!)).join("  ").trimEnd());
}
