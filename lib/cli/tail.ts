import { checkSubscription, covers } from "../core/channel.ts";
import { wait } from "../core/clock.ts";
import { parseSince } from "../core/since.ts";
import { printable } from "../observe/log.ts";
import { UsageError } from "./arguments.ts";
import { Backoff } from "./backoff.ts";
import { type Command, Failure, type Shell } from "./command.ts";
import type { ServerMessage } from "../../static/hark.d.ts";
import { Link } from "./link.ts";
import { readTarget, type Target, TARGET_FLAGS, TARGET_HELP } from "./target.ts";

/** `hark tail`: prints the messages of channels as they come, and reconnects. */
export const tailCommand: Command = {
  name: "tail",
  summary: "print the messages of channels as they come",
  help: `Usage: hark tail [flags] CHANNEL…

Prints the messages of channels as they come: time, channel, event and data. A CHANNEL may be a
pattern, such as 'sensor.*'. After a loss it comes back by itself and goes on where it was; if
messages are gone meanwhile, it says so on stderr.
Exits with 0 once nobody reads its output, 1 if the server sends it away, 2 if used wrongly.

  --since WHEN   begin with what is kept: all, since 10m or 2h ago, since a date-time
                 (2026-01-31T09:30:00Z), or after the message of this id
  --json         print one JSON object a line: id, channel, event, data or base64, time
${TARGET_HELP}`,
  syntax: { values: ["since", ...TARGET_FLAGS], switches: ["json"] },

  async run(args, shell) {
    const { operands, values, switches } = args;
    if (operands.length === 0) throw new UsageError("Expected a channel, or several");
    const since = values.get("since");
    try {
      operands.forEach(checkSubscription);
      if (since !== undefined) parseSince(since, shell.clock.now());
    } catch (error) {
      throw new UsageError((error as Error).message);
    }
    using target = readTarget(args, shell.env);
    const format = switches.has("json") ? formatJson : formatText;
    await follow(since, { target, shell, channels: operands, format });
    return 0;
  },
};

interface TailOptions {
  readonly target: Target;
  readonly shell: Shell;
  readonly channels: readonly string[];
  readonly format: (message: ServerMessage) => string;
}

/** Resolves once nobody reads the output; rejects with a `Failure` if the server sends it away. */
async function follow(
  since: string | undefined,
  { target, shell, channels, format }: TailOptions,
): Promise<void> {
  const { clock, say, write } = shell;
  const backoff = new Backoff();
  let position = since;
  let isReconnect = false;
  let isRead = true;
  for (;;) {
    const begin = position;
    const link = new Link({
      target,
      clock,
      channels,
      since: begin,
      onWelcome(recovered) {
        if (isReconnect) say("Connected again");
        if (recovered === false) say(`Some messages after ${begin} are gone: here is what is kept`);
      },
      onResumed: () => backoff.reset(),
      onMessage(message) {
        // Every session is on `broadcast` too, even if nobody asked for it.
        const isWanted = channels.some((channel) => covers(channel, message.channel));
        if (isWanted && isRead) isRead = write(format(message));
        if (!isRead) link.close();
      },
      onPosition: (id) => position = id,
    });
    const end = await link.ended;
    if (!isRead) return;
    if (end.isFinal) throw new Failure(`Cannot go on: ${printable(end.reason)}`);
    isReconnect = true;
    const ms = backoff.nextMs(end.isGoingAway ?? false);
    say(`Not connected: ${printable(end.reason)} (trying again in ${(ms / 1000).toFixed(1)} s)`);
    await wait(clock, ms);
  }
}

function formatText({ time, channel, event, data, base64 }: ServerMessage): string {
  const value = base64 === undefined ? data : { base64 };
  return printable(`${formatTime(time)} ${channel} ${event} ${JSON.stringify(value)}`);
}

function formatJson({ id, channel, event, data, base64, time }: ServerMessage): string {
  return printable(JSON.stringify({ id, channel, event, data, base64, time }));
}

function formatTime(ms: number): string {
  const date = new Date(ms);
  return Number.isNaN(date.valueOf()) ? String(ms) : date.toISOString();
}
