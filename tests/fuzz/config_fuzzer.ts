import { assert, assertEquals } from "@std/assert";
import { checkCommand } from "../../lib/cli/check.ts";
import { runCommand } from "../../lib/cli/command.ts";
import { type Config, ConfigError, parseConfig } from "../../lib/config/config.ts";
import type { Option } from "../../lib/config/option.ts";
import { flagName, type OptionKey, OPTIONS, variableName } from "../../lib/config/options.ts";
import type { Dice } from "../support/dice.ts";
import { FakeClock } from "../support/fake_clock.ts";
import type { Fuzzer } from "./fuzzer.ts";
import { several, someText } from "./grammar.ts";
import { mutateList, mutateText, TOKENS } from "./mutator.ts";

const KEYS = Object.keys(OPTIONS) as OptionKey[];
const SECRET = "S3cr3t";
const SECRET_KEYS = KEYS.filter((key) => optionOf(key).secret);
const VALUES: readonly string[] = [
  ...["0", "1", "10", "1024", "65536", "true", "false", "json", "debug", "full", "normal"],
  ...["localhost", "127.0.0.1", "::1", "0.0.0.0", "push.example.com", "https://example.com"],
  ...["unix:/run/hark.sock", "/var/lib/hark.db", "news.*,broadcast", "/socket.io/", ""],
];
/** Of 100 characters that are quoted, each may be escaped. */
const PROBLEM_CHARS_MAX = 900;

/** Command lines and environments. */
export const configFuzzer: Fuzzer = {
  name: "config",
  rounds: 500,
  async round(dice, show) {
    const args = someArguments(dice);
    const env = someEnvironment(dice);
    show({ args, env });
    let config: Config | undefined;
    try {
      const parsed = parseConfig(args, env);
      if (parsed.kind === "run") config = parsed.config;
    } catch (error) {
      if (!(error instanceof ConfigError)) throw error;
      for (const problem of error.problems) checkText(problem);
    }
    if (config !== undefined) checkConfig(config);
    // It would read the certificate.
    if (!config?.tlsCert) await check(args, env);
  },
};

/** `hark check` tells what it likes, but no secret. */
async function check(args: readonly string[], env: Record<string, string>): Promise<void> {
  const write = (line: string) => {
    assert(!line.includes(SECRET), line);
    return true;
  };
  await runCommand(checkCommand, args, {
    env,
    stdin: new ReadableStream(),
    clock: new FakeClock(),
    write,
    say: write,
  });
}

/** What was read is right, and reads the same again from what it would be written as. */
function checkConfig(config: Config): void {
  const env: Record<string, string> = {};
  for (const key of KEYS) {
    const { default: value }: Option<unknown> = optionOf(key);
    if (JSON.stringify(config[key]) === JSON.stringify(value)) continue;
    env[variableName(key)] = String(config[key]);
  }
  const again = parseConfig([], env);
  assertEquals(again.kind === "run" && again.config, config);
}

function checkText(problem: string): void {
  assert(!problem.includes(SECRET), `a secret is in: ${problem}`);
  assert(problem.length <= PROBLEM_CHARS_MAX, `a problem of ${problem.length} characters`);
  assert(!/[^\x20-\uffff]/.test(problem), JSON.stringify(problem));
}

function someArguments(dice: Dice): string[] {
  const args = several(dice, 4, () => someFlag(dice)).flat();
  // Secrets are told apart from other arguments by the flag before them.
  const mutated = dice.chance(0.3) && !args.join().includes(SECRET) ? mutateList(dice, args) : args;
  return dice.chance(0.03) ? [...mutated, dice.pick(["--help", "-h", "--version", "--"])] : mutated;
}

function someFlag(dice: Dice): string[] {
  const key = dice.pick(dice.chance(0.2) ? SECRET_KEYS : KEYS);
  const name = `--${dice.pick(["", "", "no-"])}${flagName(key)}`;
  const flag = dice.chance(0.8) ? name : mistype(dice, name);
  if (optionOf(key).secret) {
    return dice.chance(0.5) ? [`${flag}=${someSecret(dice)}`] : [flag, someSecret(dice)];
  }
  if (dice.chance(0.1)) return [flag];
  return dice.chance(0.5) ? [`${flag}=${valueOf(dice, key)}`] : [flag, valueOf(dice, key)];
}

/** Still a flag, and without a value. */
function mistype(dice: Dice, name: string): string {
  return `--${mutateText(dice, name.slice(2)).replace(/[=]/g, "")}x`;
}

function someEnvironment(dice: Dice): Record<string, string> {
  const entries = several(dice, 4, () => {
    const key = dice.pick(KEYS);
    const name = dice.chance(0.9) ? variableName(key) : mutateText(dice, variableName(key));
    return [name, optionOf(key).secret ? someSecret(dice) : valueOf(dice, key)] as const;
  });
  return Object.fromEntries(entries);
}

function someSecret(dice: Dice): string {
  const tail = dice.pick(["", "x".repeat(40), ` ${SECRET}`, `,${SECRET}`, `=${SECRET}`, "é", "\n"]);
  return SECRET + tail;
}

function valueOf(dice: Dice, key: OptionKey): string {
  const value = String(optionOf(key).default);
  const near = /^\d+$/.test(value) ? String(Number(value) + dice.upTo(20) - 10) : value;
  const given = dice.pick([near, dice.pick(VALUES), dice.pick(TOKENS), someText(dice)]);
  return dice.chance(0.8) ? given : mutateText(dice, given, VALUES);
}

function optionOf(key: OptionKey): Option<unknown> {
  return OPTIONS[key];
}
