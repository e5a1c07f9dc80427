import { BROADCAST } from "../core/channel.ts";
import { wait } from "../core/clock.ts";
import { checkDraft, MESSAGE } from "../core/publication.ts";
import { type Arguments, UsageError } from "./arguments.ts";
import { type Command, Failure, type Shell } from "./command.ts";
import { readLines } from "./lines.ts";
import { Sender, SendFailure } from "./sender.ts";
import { readTarget, TARGET_FLAGS, TARGET_HELP } from "./target.ts";

// The first line goes out at once; later ones are sent together, once in this time. So the keys of a long
// stream stay within the Idempotency-Keys that a server remembers.
const PACE_MS = 50;

/** `hark publish`: publishes one message, or each line of stdin. */
export const publishCommand: Command = {
  name: "publish",
  summary: "publish a message, or each line of stdin",
  help: `Usage: hark publish [flags] TEXT
       hark publish [flags] -

Publishes TEXT, or each line of stdin as it comes. The text arrives as {"message":"TEXT"}.
Exits with 0 once all is acknowledged, 1 if something was not, 2 if used wrongly.

  --channel C    the channel (${BROADCAST})
  --event E      the event's name (${MESSAGE})
  --json         TEXT, or each line, is JSON and arrives as it is
${TARGET_HELP}`,
  syntax: { values: ["channel", "event", ...TARGET_FLAGS], switches: ["json"] },

  async run(args, shell) {
    const text = readText(args);
    const channel = args.values.get("channel") ?? BROADCAST;
    const event = args.values.get("event");
    try {
      checkDraft({ channel, event: event ?? MESSAGE, data: "" });
    } catch (error) {
      throw new UsageError((error as TypeError).message);
    }
    using target = readTarget(args, shell.env);
    const sender = new Sender({ target, channel, event, clock: shell.clock, say: shell.say });
    const encode = args.switches.has("json") ? checkJson : encodeText;
    if (text === "-") await publishLines(shell, sender, encode);
    else await sender.send([encodeOperand(text, encode)]);
    return 0;
  },
};

/** Encodes a text as a message; throws a `SyntaxError` if it should be JSON and is not. */
type Encode = (text: string) => string;

function checkJson(text: string): string {
  try {
    JSON.parse(text);
    return text;
  } catch (error) {
    // Without the line within the text, which would look like a line of stdin.
    const why = (error as SyntaxError).message.replace(/ \(line \d+ column \d+\)$/, "");
    throw new SyntaxError(`it is not JSON: ${why}`);
  }
}

function encodeText(text: string): string {
  return JSON.stringify({ message: text });
}

function readText({ operands }: Arguments): string {
  const [text, ...more] = operands;
  if (text === undefined) throw new UsageError("Expected a text to publish, or - for stdin");
  if (more.length === 0) return text;
  throw new UsageError('Expected one text: put it in quotes, such as "deploy finished"');
}

function encodeOperand(text: string, encode: Encode): string {
  try {
    return encode(text);
  } catch (error) {
    throw new UsageError(`Cannot publish the text: ${(error as SyntaxError).message}`);
  }
}

/** Lines of stdin that came together: their messages, and the number of each line. */
interface Batch {
  readonly messages: readonly string[];
  readonly numbers: readonly number[];
  /** The error of the next line, which is not JSON. */
  readonly fault: Failure | undefined;
}

async function publishLines(shell: Shell, sender: Sender, encode: Encode): Promise<void> {
  const { clock, stdin } = shell;
  let read = 0;
  for await (const lines of readLines(stdin)) {
    const startedAt = clock.monotonic();
    const { messages, numbers, fault } = encodeLines(lines, read + 1, encode);
    try {
      await sender.send(messages);
    } catch (error) {
      if (!(error instanceof SendFailure)) throw error;
      throw lineFailure(numbers[error.published]!, error.message);
    }
    if (fault !== undefined) throw fault;
    read += lines.length;
    await wait(clock, Math.max(0, startedAt + PACE_MS - clock.monotonic()));
  }
}

function encodeLines(lines: readonly string[], first: number, encode: Encode): Batch {
  const messages: string[] = [];
  const numbers: number[] = [];
  for (const [index, line] of lines.entries()) {
    if (encode === checkJson && line.trim() === "") continue;
    try {
      messages.push(encode(line));
      numbers.push(first + index);
    } catch (error) {
      const fault = lineFailure(first + index, (error as SyntaxError).message);
      return { messages, numbers, fault };
    }
  }
  return { messages, numbers, fault: undefined };
}

function lineFailure(line: number, why: string): Failure {
  const before = line > 1 ? "; the lines before it are published" : "";
  return new Failure(`Cannot publish line ${line}: ${why}${before}`);
}
