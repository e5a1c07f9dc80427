import { checkCommand } from "./check.ts";
import type { Command } from "./command.ts";
import { publishCommand } from "./publish.ts";
import { tailCommand } from "./tail.ts";
import { tokenCommand } from "./token.ts";

const LIST: readonly Command[] = [publishCommand, tailCommand, tokenCommand, checkCommand];

/** Every command beside the server itself, by its name. */
export const COMMANDS: ReadonlyMap<string, Command> = new Map(
  LIST.map((command) => [command.name, command]),
);

/** The commands as the server's `--help` shows them. */
export const COMMANDS_HELP: string = [
  "Commands:",
  "  start     start the server; what happens without a command too",
  ...LIST.map(({ name, summary }) => `  ${name.padEnd(8)}  ${summary}: see hark ${name} --help`),
].join("\n");
