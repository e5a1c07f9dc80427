import { checkSubscription, covers } from "../core/channel.ts";
import { wait } from "../core/clock.ts";
import { parseSince } from "../core/since.ts";
import { printable } from "../observe/log.ts";
import { UsageError } from "./arguments.ts";
import { Backoff } from "./backoff.ts";
import { type Command, Failure, type Shell } from "./command.ts";
import type { ServerMessage } from "../../static/hark.d.ts";
import { Link, type LinkEnd } from "./link.ts";
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
    await new Tail({ target, shell, channels: operands, format }).follow(since);
    return 0;
  },
};

interface TailOptions {
  readonly target: Target;
  readonly shell: Shell;
  readonly channels: readonly string[];
  readonly format: (message: ServerMessage) => string;
}

class Tail {
  readonly #options: TailOptions;
  readonly #backoff = new Backoff();
  #position: string | undefined;
  #wasLost = false;
  #isRead = true;

  constructor(options: TailOptions) {
    this.#options = options;
  }

  /** Resolves once nobody reads the output; throws a `Failure` if the server sends it away. */
  async follow(since: string | undefined): Promise<void> {
    const { clock, say } = this.#options.shell;
    this.#position = since;
    for (;;) {
      const end = await this.#connect();
      if (!this.#isRead) return;
      if (end.isFinal) throw new Failure(`Cannot go on: ${printable(end.reason)}`);
      this.#wasLost = true;
      const ms = this.#backoff.nextMs(end.isGoingAway ?? false);
      say(`Not connected: ${printable(end.reason)} (trying again in ${(ms / 1000).toFixed(1)} s)`);
      await wait(clock, ms);
    }
  }

  /** One connection, to its end. */
  #connect(): Promise<LinkEnd> {
    const { target, shell, channels } = this.#options;
    const since = this.#position;
    const link = new Link({
      target,
      clock: shell.clock,
      channels,
      since,
      onWelcome: (recovered) => this.#welcome(since, recovered),
      onResumed: () => this.#backoff.reset(),
      onMessage: (message) => {
        if (!this.#print(message)) link.close();
      },
      onPosition: (id) => this.#position = id,
    });
    return link.ended;
  }

  #welcome(since: string | undefined, recovered: boolean | undefined): void {
    const { say } = this.#options.shell;
    if (this.#wasLost) say("Connected again");
    if (recovered === false) say(`Some messages after ${since} are gone: here is what is kept`);
  }

  /** Reports whether somebody still reads the output. */
  #print(message: ServerMessage): boolean {
    const { channels, format, shell } = this.#options;
    // Every session is on `broadcast` too, even if nobody asked for it.
    const isWanted = channels.some((channel) => covers(channel, message.channel));
    if (isWanted && this.#isRead) this.#isRead = shell.write(format(message));
    return this.#isRead;
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
