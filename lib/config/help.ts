/** The options as people read them. */

import type { Attempt, Config, Sources } from "./config.ts";
import { withoutSecrets } from "../core/redact.ts";
import { printable } from "../observe/log.ts";
import type { Option } from "./option.ts";
import { flagName, OPTION_ROWS, type OptionKey, OPTIONS, variableName } from "./options.ts";

/** Formats a flag for the help: `--port N`, `--open`, `--no-socketio`. */
export function usage(key: OptionKey): string {
  const option: Option<unknown> = OPTIONS[key];
  const negation = option.default === true ? "no-" : "";
  return `--${negation}${flagName(key)} ${option.metavar}`.trim();
}

/** Formats the value of an option without secrets, and without control characters. */
export function shownValue(key: OptionKey, config: Config): string {
  const { secret, mayHoldSecret }: Option<unknown> = OPTIONS[key];
  const value: unknown = config[key];
  const values = [value].flat().filter((item) => item !== "");
  if (values.length === 0) return "none";
  if (secret) return Array.isArray(value) ? `${values.length}, not shown` : "not shown";
  const text = values.join(",");
  return printable(mayHoldSecret ? withoutSecrets(text) : text);
}

/** Returns where a value comes from: `default`, its variable's name, or `flag`. */
export function shownSource(key: OptionKey, sources: Sources): string {
  return sources[key] === "environment" ? variableName(key) : sources[key];
}

/** Formats the options for `--help`, by group, with their values; without the last newline. */
export function helpText({ config, sources, wrong }: Attempt): string {
  const width = Math.max(...OPTION_ROWS.map(([key]) => usage(key).length));
  const line = (flag: string, help: string) => `  ${flag.padEnd(width)}  ${help}`;
  const lines = ["Usage: hark [options]"];
  for (const [name, rows] of Map.groupBy(OPTION_ROWS, ([, { group }]) => group)) {
    lines.push("", `${name}:`);
    for (const [key, { help }] of rows) {
      const value = wrong.has(key) ? "wrong, see below" : shownValue(key, config);
      lines.push(line(usage(key), `${help} (${shownSource(key, sources)}: ${value})`));
    }
  }
  return [
    ...lines,
    "",
    "Other:",
    line("-h, --help", "show this"),
    line("--version", "show the version"),
    "",
    "A list is given as a repeated flag or with commas. Each flag has a variable, which it wins",
    "over: --port is HARK_PORT, --publish-key is HARK_PUBLISH_KEYS. In parentheses is where a value",
    "comes from, and the value that a server with these flags and variables has.",
  ].join("\n");
}

/** Formats the problems of the options for `--help`: empty, or lines without the last newline. */
export function problemsText({ problems }: Attempt): string {
  if (problems.length === 0) return "";
  return ["A server would not start with these flags and variables:", ...problems].join("\n  ");
}
