import { createLog, type Log } from "../observe/log.ts";
import { type Config, ConfigError, parseConfig } from "./config.ts";
import { flagName, type OptionKey, OPTIONS } from "./options.ts";

/**
 * Every option of a server that a program embeds: what is given by name, and of the rest the
 * defaults. Throws a `ConfigError` on what the command line would not take either.
 */
export function configure(given: Partial<Config> = {}): Config {
  const flags = Object.entries(given).flatMap(([key, value]) => {
    if (!Object.hasOwn(OPTIONS, key)) {
      throw new ConfigError([`unknown option ${JSON.stringify(key)}`]);
    }
    return value === undefined ? [] : flagsOf(key as OptionKey, value);
  });
  const parsed = parseConfig(flags, {});
  if (parsed.kind !== "run") throw new TypeError("expected options, got a question");
  if (parsed.config.workers !== OPTIONS.workers.default) {
    throw new ConfigError(["a server that a program embeds is one process: leave out workers"]);
  }
  return parsed.config;
}

/** The log that the options describe, on the console; its lines name the node if that has a name. */
export function openLog({ log, logLevel, node }: Config): Log {
  return createLog({ format: log, level: logLevel, always: { node: node || undefined } });
}

function flagsOf(key: OptionKey, value: string | number | boolean | readonly string[]): string[] {
  const name = `--${flagName(key)}`;
  const values = Array.isArray(value) ? value : [value];
  return values.map((value) => `${name}=${value}`);
}
