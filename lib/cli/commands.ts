import { withoutSecrets } from "../core/redact.ts";
import { suggest } from "../core/suggest.ts";
import { printable } from "../observe/log.ts";
import { checkCommand } from "./check.ts";
import type { Command } from "./command.ts";
import { publishCommand } from "./publish.ts";
import { tailCommand } from "./tail.ts";
import { tokenCommand } from "./token.ts";

const NAME_CHARS_SHOWN = 100;
const LIST: readonly Command[] = [publishCommand, tailCommand, tokenCommand, checkCommand];

/** Every command beside the server itself, by its name. */
export const COMMANDS: ReadonlyMap<string, Command> = new Map(
  LIST.map((command) => [command.name, command]),
);

/** Returns the error for a command that does not exist. */
export function unknownCommand(name: string): string {
  const shown = printable(withoutSecrets(name.slice(0, NAME_CHARS_SHOWN)));
  return `Unknown command ${shown}${suggest(name, ["start", ...COMMANDS.keys()])}\nSee hark --help`;
}

/** The commands as the server's `--help` shows them. */
export const COMMANDS_HELP: string = [
  "Commands:",
  "  start     start the server; what happens without a command too",
  ...LIST.map(({ name, summary }) => `  ${name.padEnd(8)}  ${summary}: see hark ${name} --help`),
].join("\n");
