import { createLog, type Log } from "../observe/log.ts";
import { type Config, ConfigError, parseConfig } from "./config.ts";
import { flagName, type OptionKey, OPTIONS } from "./options.ts";

/**
 * Makes the options of a server that a program embeds: the given ones, and defaults for all others.
 * Throws a `ConfigError` where the command line would too.
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

/** Makes the log that the options describe, on the console; its lines name the node if it has a name. */
export function openLog({ log, logLevel, node }: Config): Log {
  return createLog({ format: log, level: logLevel, always: { node: node || undefined } });
}

function flagsOf(key: OptionKey, value: string | number | boolean | readonly string[]): string[] {
  const name = `--${flagName(key)}`;
  const values = Array.isArray(value) ? value : [value];
  return values.map((value) => `${name}=${value}`);
}
