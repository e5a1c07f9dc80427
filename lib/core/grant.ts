import { BROADCAST, covers } from "./channel.ts";
import { Refusal } from "./errors.ts";

/** Channels and patterns, or why there is none. */
export type Allowance = readonly string[] | Refusal;

/** What a grant is made of. */
export interface GrantRules {
  /** Who is held to the rate of publishes: a key, a user or an address. Has no line break. */
  readonly caller: string;
  /** The user that a token names. */
  readonly user?: string | undefined;
  /** When its token expires, in milliseconds since 1970; undefined for never. */
  readonly expiresAt?: number | undefined;
  /** What it may receive beside `broadcast`, which everyone has who may connect. */
  readonly receive: Allowance;
  readonly publish: Allowance;
  /** Why it may not look after channels and sessions; undefined if it may. */
  readonly manage: Refusal | undefined;
}

/** How long a client may take to show a new token after the one it has has expired. */
export const EXPIRY_GRACE_MS = 10_000;

/** What one client may do, and until when. */
export class Grant {
  readonly caller: string;
  readonly user: string | undefined;
  /** When its token expires, in milliseconds since 1970; undefined for never. */
  readonly expiresAt: number | undefined;
  readonly #rules: GrantRules;

  constructor(rules: GrantRules) {
    this.caller = rules.caller;
    this.user = rules.user;
    this.expiresAt = rules.expiresAt;
    this.#rules = rules;
  }

  /** Tells whether a channel, or all that a pattern takes in, may be received. */
  mayReceive(subscription: string): boolean {
    const { receive } = this.#rules;
    if (receive instanceof Refusal) return false;
    return subscription === BROADCAST || receive.some((allowed) => covers(allowed, subscription));
  }

  /** Throws a `Refusal` unless all of these channels and patterns may be received. */
  checkReceive(subscriptions: readonly string[]): void {
    const { receive } = this.#rules;
    if (receive instanceof Refusal) throw receive;
    for (const subscription of subscriptions) {
      if (!this.mayReceive(subscription)) throw notAllowed(subscription, "receive");
    }
  }

  /** Throws a `Refusal` unless `channel` may be published to; it need not be a channel's name. */
  checkPublish(channel: string): void {
    const { publish } = this.#rules;
    if (publish instanceof Refusal) throw publish;
    if (!publish.some((allowed) => covers(allowed, channel))) throw notAllowed(channel, "publish");
  }

  /** Throws a `Refusal` unless it may look after channels and sessions. */
  checkManage(): void {
    if (this.#rules.manage !== undefined) throw this.#rules.manage;
  }
}

function notAllowed(name: string, verb: "receive" | "publish"): Refusal {
  const shown = name.length > 128 ? `${name.slice(0, 128)}…` : name;
  return new Refusal(
    "forbidden",
    `Not allowed on channel ${shown}: it takes a key, or a token whose hark.${CLAIMS[verb]} has it`,
  );
}

const CLAIMS = { receive: "subscribe", publish: "publish" } as const;
