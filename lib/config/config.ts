/**
 * Reads the options of the command line and the environment by the table in options.ts. Pure: arguments
 * and environment are passed in.
 */

import { withoutSecrets } from "../core/redact.ts";
import { suggest } from "../core/suggest.ts";
import { problemsOf } from "./checks.ts";
import type { Option } from "./option.ts";
import { removalOf } from "./removed.ts";
import {
  type Config,
  flagName,
  OPTION_ROWS,
  type OptionKey,
  OPTIONS,
  variableName,
} from "./options.ts";
import type { Source, Sources } from "./values.ts";

export { type Config, type OptionKey, OPTIONS } from "./options.ts";
export type { Source, Sources };

/** Every option, and where each value comes from. */
export interface Settings {
  readonly config: Config;
  readonly sources: Sources;
}

/** Every option, though some texts may be wrong. */
export interface Attempt extends Settings {
  /** Options with a wrong text: their source is where it came from, their value the default. */
  readonly wrong: ReadonlySet<OptionKey>;
  /** One sentence each; none if a server may start. Holds no secret. */
  readonly problems: readonly string[];
}

/** The request of the command line. */
export type ParsedConfig =
  | { readonly kind: "run" } & Settings
  | { readonly kind: "help" } & Attempt
  | { readonly kind: "version" };

/** Everything that is wrong with a command line and its environment. Holds no secret. */
export class ConfigError extends Error {
  override readonly name = "ConfigError";
  /** One sentence each. */
  readonly problems: readonly string[];

  constructor(problems: readonly string[]) {
    super(["Cannot read the options:", ...problems].join("\n  "));
    this.problems = problems;
  }
}

/** The text of an option, and the name under which it was given. */
interface Given {
  readonly text: string;
  readonly name: string;
}

/** The meaning of a flag's name. A switch needs no value; negated, it takes none. */
interface Flag {
  readonly key: OptionKey;
  readonly isSwitch: boolean;
  readonly isNegated: boolean;
}

type GivenByKey = ReadonlyMap<OptionKey, Given>;

const KEYS_BY_VARIABLE = new Map(OPTION_ROWS.map(([key]) => [variableName(key), key]));
const FLAGS: ReadonlyMap<string, Flag> = new Map(OPTION_ROWS.flatMap(([key, { type }]) => {
  const flag = { key, isSwitch: type === "boolean", isNegated: false };
  const flags: [string, Flag][] = [[`--${flagName(key)}`, flag]];
  if (flag.isSwitch) flags.push([`--no-${flagName(key)}`, { ...flag, isNegated: true }]);
  return flags;
}));

/** Variables of other commands. */
const OTHER_VARIABLES = ["HARK_URL", "HARK_KEY"];

const isHelp = (arg: string) => arg === "--help" || arg === "-h";
const isVersion = (arg: string) => arg === "--version";

/**
 * Reads the options. A flag wins over its variable, a variable over the default; a list given twice
 * as a flag is joined, of any other flag the last one counts.
 *
 * @param args the arguments after the command, such as `["--port", "80"]`
 * @param env every variable there is; those of others, and of other commands, are left alone
 * @throws {ConfigError} with everything that is wrong at once, unless help is asked for
 */
export function parseConfig(
  args: readonly string[],
  env: Readonly<Record<string, string>>,
): ParsedConfig {
  const options = args.filter((arg) => !isHelp(arg) && !isVersion(arg));
  if (args.some(isHelp)) return { kind: "help", ...readOptions(options, env) };
  if (args.some(isVersion)) return { kind: "version" };
  const { config, sources, problems } = readOptions(options, env);
  if (problems.length > 0) throw new ConfigError(problems);
  return { kind: "run", config, sources };
}

function readOptions(args: readonly string[], env: Readonly<Record<string, string>>): Attempt {
  const problems: string[] = [];
  const fromFlags = readFlags(args, problems);
  const fromEnvironment = readEnvironment(env, problems);
  const values: Partial<Record<OptionKey, unknown>> = {};
  const found: Record<string, Source> = {};
  const wrong = new Set<OptionKey>();
  for (const [key, option] of OPTION_ROWS) {
    values[key] = option.default;
    found[key] = "default";
    const candidates = [["environment", fromEnvironment], ["flag", fromFlags]] as const;
    for (const [source, texts] of candidates) {
      const given = texts.get(key);
      if (!given) continue;
      const value = readValue(option, given, problems);
      values[key] = value ?? option.default;
      found[key] = source;
      if (value === undefined) wrong.add(key);
      else wrong.delete(key);
    }
  }
  // Each row gives its value the type that Config has.
  const config = values as Config;
  const sources = found as Sources;
  problems.push(...problemsOf(config, sources));
  return { config, sources, wrong, problems };
}

function readFlags(args: readonly string[], problems: string[]): GivenByKey {
  const given = new Map<OptionKey, Given>();
  /** A flag after which a stray argument may be part of a secret, and is not shown. */
  let unsure: string | undefined;
  /** The flag of a secret that lacks its value: the next argument may be the secret. */
  let unmet: string | undefined;
  for (let at = 0; at < args.length; at++) {
    const arg = args[at]!;
    if (!arg.startsWith("-")) {
      problems.push(
        `unexpected argument ${unsure ? `after ${unsure}` : quote(withoutSecrets(arg))}`,
      );
      continue;
    }
    const equals = arg.indexOf("=");
    const name = equals < 0 ? arg : arg.slice(0, equals);
    const flag = FLAGS.get(name);
    if (!flag) {
      const removal = unmet ? undefined : removalOf(name);
      const shown = unmet ? `after ${unmet}` : quote(name) + suggest(name, FLAGS.keys());
      problems.push(removal ?? `unknown flag ${shown}`);
      unsure = unmet ?? quote(name);
      if (removal && equals < 0 && !args[at + 1]?.startsWith("-")) at++; // its value
      continue;
    }
    const { secret, mayHoldSecret, metavar, type }: Option<unknown> = OPTIONS[flag.key];
    unsure = secret || mayHoldSecret ? name : undefined;
    unmet = undefined;
    let text = equals < 0 ? undefined : arg.slice(equals + 1);
    if (flag.isNegated && text !== undefined) {
      problems.push(`${name} takes no value`);
      continue;
    }
    if (flag.isSwitch) text ??= String(!flag.isNegated);
    else if (text === undefined && !args[at + 1]?.startsWith("--")) text = args[++at];
    if (text === undefined) {
      problems.push(`${name} needs a value: ${name}=${metavar}`);
      unmet = unsure;
      continue;
    }
    const before = type === "list" ? given.get(flag.key) : undefined;
    given.set(flag.key, { text: before ? `${before.text},${text}` : text, name });
  }
  return given;
}

function readEnvironment(env: Readonly<Record<string, string>>, problems: string[]): GivenByKey {
  const given = new Map<OptionKey, Given>();
  for (const [name, text] of Object.entries(env)) {
    if (!name.startsWith("HARK_") || OTHER_VARIABLES.includes(name)) continue;
    const key = KEYS_BY_VARIABLE.get(name);
    if (key) {
      given.set(key, { text, name });
      continue;
    }
    const hint = suggest(name, KEYS_BY_VARIABLE.keys());
    problems.push(removalOf(name) ?? `unknown variable ${quote(name)}${hint}`);
  }
  return given;
}

/** Returns the value of the text; undefined if it is wrong, which adds a problem. */
function readValue(option: Option<unknown>, { name, text }: Given, problems: string[]): unknown {
  const value = option.parse(text);
  if (value !== undefined) return value;
  const shown = option.type === "list" ? listWithoutSecrets(text) : withoutSecrets(text);
  const got = option.secret ? "" : `, got ${quote(shown)}`;
  problems.push(`${name}: expected ${option.expected}${got}`);
  return undefined;
}

/** Returns the items up to the first that holds a secret: later ones may be part of that. */
function listWithoutSecrets(text: string): string {
  const items = text.split(",");
  const at = items.findIndex((item) => withoutSecrets(item) !== item);
  return at < 0 ? text : [...items.slice(0, at), withoutSecrets(items[at]!), "…"].join(",");
}

/** Quotes a text for an error: on one line, and cut. */
function quote(text: string): string {
  return JSON.stringify(text.length > 100 ? `${text.slice(0, 100)}…` : text);
}
