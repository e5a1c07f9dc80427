import { checkSubscription } from "../../core/channel.ts";
import type { Clock } from "../../core/clock.ts";
import { readInput, Refusal } from "../../core/errors.ts";
import type { Grant } from "../../core/grant.ts";
import type { Hub } from "../../hub/hub.ts";
import type { Session } from "../../hub/session.ts";
import { WaitingCommands } from "../../hub/waiting.ts";
import type { EventPacket } from "./codec.ts";
import { UNREAD } from "./decoder.ts";
import type { ServerSocket } from "./socket.ts";

/** The needs and bounds of `Commands`. */
export interface CommandsOptions {
  readonly clock: Clock;
  readonly hub: Hub;
  readonly socket: ServerSocket;
  readonly session: Session;
  readonly grant: Grant;
  /** Commands that wait at a time. */
  readonly waitingMax: number;
  readonly channelsPerSessionMax: number;
  /** Called once subscriptions have changed. The answer to the client waits for it. */
  readonly onChanged: () => Promise<void> | undefined;
  /** Called for each command that is refused. */
  readonly onRefused: (refusal: Refusal) => void;
}

const TOO_LARGE = new Refusal(
  "too-large",
  "Cannot take more characters of channels than inbound-bytes-max: name fewer at a time",
);

/** Carries out the events `subscribe` and `unsubscribe` of one client, and acknowledges each. */
export class Commands {
  readonly #options: CommandsOptions;
  readonly #waiting: WaitingCommands;

  constructor(options: CommandsOptions) {
    this.#options = options;
    this.#waiting = new WaitingCommands(options.waitingMax);
  }

  /** Takes one event. Unknown ones are ignored. */
  async receive({ id, data: [event, channels] }: EventPacket): Promise<void> {
    if (event !== "subscribe" && event !== "unsubscribe") return;
    const { socket, onRefused } = this.#options;
    const answer = (reply: unknown) => {
      if (id !== undefined) socket.acknowledge(id, reply);
    };
    try {
      await this.#waiting.run(() => this.#carryOut(event, channels));
      answer({ ok: true });
    } catch (error) {
      if (!(error instanceof Refusal)) throw error;
      onRefused(error);
      answer({ ok: false, error: { code: error.type, message: error.message } });
    }
  }

  async #carryOut(command: "subscribe" | "unsubscribe", given: unknown): Promise<void> {
    const { clock, hub, session, grant, channelsPerSessionMax, onChanged } = this.#options;
    const channels = readChannels(given, channelsPerSessionMax);
    readInput(() => channels.forEach(checkSubscription));
    if (command === "subscribe") {
      grant.checkExpiry(clock.now());
      grant.checkReceive(channels);
      await session.subscribe(channels);
    } else {
      hub.subscribers.checkCount(channels);
      await session.unsubscribe(channels);
    }
    await onChanged();
  }
}

/** The channels that a client names, once each. Of too many, only as many as it takes to refuse them. */
function readChannels(given: unknown, channelsMax: number): string[] {
  if (given === UNREAD) throw TOO_LARGE;
  const names = new Set<string>();
  for (const name of Array.isArray(given) ? given : [given]) {
    if (typeof name !== "string") {
      throw new Refusal("bad-request", "Expected a channel or a list of channels");
    }
    names.add(name);
    // `broadcast` does not count.
    if (names.size > channelsMax + 1) break;
  }
  return [...names];
}
