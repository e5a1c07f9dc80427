import { HARK_V1 } from "../protocols/hark/codec.ts";
import type { ClientCommand, ServerMessage } from "../../static/hark.d.ts";
import { type Clock, every, type Timer } from "../core/clock.ts";
import { parseExactly } from "./exact_json.ts";
import type { Target } from "./target.ts";

/** The channels to follow, and callbacks. */
export interface LinkOptions {
  readonly target: Target;
  readonly clock: Clock;
  readonly channels: readonly string[];
  /** The id to resume from, or the beginning: `all`, a duration or a date-time. */
  readonly since: string | undefined;
  /** Called once it is connected; `recovered` is false if something after `since` is gone. */
  readonly onWelcome: (recovered: boolean | undefined) => void;
  /** Called once all that was missed has come. */
  readonly onResumed: () => void;
  readonly onMessage: (message: ServerMessage) => void;
  /** Called when everything up to this id has come. */
  readonly onPosition: (id: string) => void;
}

/** How a connection ended. */
export interface LinkEnd {
  readonly reason: string;
  /** To come back is of no use. */
  readonly isFinal: boolean;
  /** The server announced that it goes away, as it does before a restart. */
  readonly isGoingAway?: boolean;
}

type Event = Readonly<Record<string, unknown>>;

const CONNECT_TIMEOUT_MS = 10_000;
const PROBE_INTERVAL_MS = 20_000;
const STATUSES_FINAL = new Set(["400", "401", "403", "404", "421"]);
const FIRST_FINAL_CODE = 4500;
const GOING_AWAY = 1001;
const NO_HARK = "the answer is not Hark's: is --url right?";

/** One `hark.v1` connection, from its start to its end. */
export class Link {
  /** Resolves when the connection is over; never rejects. */
  readonly ended: Promise<LinkEnd>;
  readonly #options: LinkOptions;
  readonly #socket: WebSocket;
  readonly #resolve: (end: LinkEnd) => void;
  #timer: Timer;
  #heard = true;

  constructor(options: LinkOptions) {
    const { clock, target } = options;
    const { promise, resolve } = Promise.withResolvers<LinkEnd>();
    this.ended = promise;
    this.#resolve = resolve;
    this.#options = options;
    this.#timer = clock.after(CONNECT_TIMEOUT_MS, () => this.#lose("no answer in time"));
    this.#socket = new WebSocket(socketUrl(options), {
      protocols: [HARK_V1],
      headers: { ...target.headers },
      ...target.client && { client: target.client },
    });
    this.#socket.onopen = () => this.#open();
    this.#socket.onmessage = ({ data }) => this.#receive(data);
    this.#socket.onerror = (event) => this.#fail((event as ErrorEvent).message);
    this.#socket.onclose = ({ code, reason }) => {
      this.#end({
        reason: reason || `closed with ${code}`,
        isFinal: code >= FIRST_FINAL_CODE,
        isGoingAway: code === GOING_AWAY,
      });
    };
  }

  /** Ends the connection. */
  close(): void {
    this.#lose("closed");
  }

  #open(): void {
    this.#timer.cancel();
    if (this.#socket.protocol !== HARK_V1) return this.#refuse();
    this.#timer = every(this.#options.clock, PROBE_INTERVAL_MS, () => this.#probe());
  }

  /**
   * Asks for a reply, which shows that the connection lives and how far the log has gone on other channels:
   * when a machine sleeps, its connections are lost without a sign.
   */
  #probe(): void {
    if (!this.#heard) return this.#lose("no sign of life");
    this.#heard = false;
    this.#ask();
  }

  /** Subscribes once more to the same channel: the reply comes after all that was missed. */
  #ask(): void {
    const channels = this.#options.channels.slice(0, 1);
    const command: ClientCommand = { type: "subscribe", ref: 1, channels };
    this.#socket.send(JSON.stringify(command));
  }

  #receive(frame: unknown): void {
    this.#heard = true;
    const events = typeof frame === "string" ? readEvents(frame) : undefined;
    if (events === undefined) return this.#refuse();
    for (const event of events) this.#take(event);
  }

  #take(event: Event): void {
    const { onMessage, onPosition, onResumed } = this.#options;
    if (isMessage(event)) {
      onMessage(event);
      onPosition(event.id);
      return;
    }
    const { type, position } = event;
    if (type === "welcome") return this.#welcome(event);
    if (typeof position === "string") onPosition(position);
    if (type === "ok") onResumed();
  }

  #welcome({ recovered, position }: Event): void {
    const { onWelcome, onResumed, onPosition } = this.#options;
    const isReplaying = typeof recovered === "boolean";
    onWelcome(isReplaying ? recovered : undefined);
    if (isReplaying) return this.#ask();
    if (typeof position === "string") onPosition(position);
    onResumed();
  }

  #fail(message: string): void {
    const [, status = ""] = /status code: (\d{3})/.exec(message) ?? [];
    const reason = status === "" ? message : `the answer was ${status}`;
    this.#end({ reason, isFinal: STATUSES_FINAL.has(status) });
  }

  #refuse(): void {
    this.#end({ reason: NO_HARK, isFinal: true });
    this.#socket.close();
  }

  #lose(reason: string): void {
    this.#end({ reason, isFinal: false });
    this.#socket.close();
  }

  /** Stops listening to the connection. Idempotent. */
  #end(end: LinkEnd): void {
    this.#timer.cancel();
    this.#socket.onopen = this.#socket.onmessage = this.#socket.onclose = null;
    this.#socket.onerror = () => {}; // With no handler, an error after the end would be thrown.
    this.#resolve(end);
  }
}

function socketUrl({ target, channels, since }: LinkOptions): URL {
  const url = new URL("ws", target.url);
  for (const channel of channels) url.searchParams.append("channel", channel);
  if (since !== undefined) url.searchParams.set("since", since);
  return url;
}

function readEvents(frame: string): Event[] | undefined {
  try {
    const events = parseExactly(frame);
    if (Array.isArray(events)) return events.map(Object);
  } catch (error) {
    if (!(error instanceof SyntaxError)) throw error;
  }
  return undefined;
}

function isMessage(event: Event): event is Event & ServerMessage {
  const { type, id, channel, event: name, time, data, base64 } = event;
  return type === "message" && typeof id === "string" && typeof channel === "string" &&
    typeof name === "string" && typeof time === "number" &&
    (data !== undefined || typeof base64 === "string");
}
