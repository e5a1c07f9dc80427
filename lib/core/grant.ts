import { BROADCAST, checkChannel, covers, type Guard } from "./channel.ts";
import { readInput, Refusal } from "./errors.ts";

/** Channels and patterns, or why there is none. */
export type Allowance = readonly string[] | Refusal;

/** The rules of a grant. */
export interface GrantRules {
  /** The key, user or network whose rate and quota count. Has no line break. */
  readonly caller: string;
  /** The user that a token names. */
  readonly user?: string | undefined;
  /** When its token expires, in milliseconds since 1970; undefined for never. */
  readonly expiresAt?: number | undefined;
  /** Channels that it may receive, beside `broadcast`, which every client may. */
  readonly receive: Allowance;
  /** Which names are guarded; undefined for none. */
  readonly isGuarded?: Guard | undefined;
  /** The guarded names that its own key or token allows it to receive. */
  readonly receiveGuarded?: readonly string[] | undefined;
  /** Channels whose presence it may see: those of `receive` that its own key or token allows. */
  readonly watch: readonly string[];
  readonly publish: Allowance;
  /** Why it may not manage channels and sessions; undefined if it may. */
  readonly manage: Refusal | undefined;
}

/** By how much an issuer's clock may differ from this one. */
export const CLOCK_SKEW_MS = 2000;
/** How long a connected client may take to refresh its token once that has expired. */
export const REFRESH_GRACE_MS = 10_000;

/** Reports whether a token has expired, clock skew allowed, and admits nobody any more. */
export function hasExpired(expiresAt: number | undefined, nowMs: number): boolean {
  return expiresAt !== undefined && expiresAt + CLOCK_SKEW_MS <= nowMs;
}

/** Reports whether the time to refresh an expired token is over, and its session ends. */
export function isRefreshOver(expiresAt: number | undefined, nowMs: number): boolean {
  return expiresAt !== undefined && expiresAt + REFRESH_GRACE_MS <= nowMs;
}

/** The permissions of one client, and their end. */
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

  /** Throws a `Refusal` if its token has expired: then a connected client may only refresh it. */
  checkExpiry(nowMs: number): void {
    if (!hasExpired(this.expiresAt, nowMs)) return;
    throw new Refusal(
      "unauthorized",
      "Cannot do this with an expired token: refresh it, or connect again with a new one",
    );
  }

  /** Reports whether it may receive a channel, or all that a pattern matches. */
  mayReceive(subscription: string): boolean {
    const { receive, receiveGuarded = [], isGuarded } = this.#rules;
    if (receive instanceof Refusal) return false;
    if (subscription === BROADCAST) return true;
    const allowed = isGuarded?.(subscription) ? receiveGuarded : receive;
    return allowed.some((each) => covers(each, subscription));
  }

  /** Reports whether it may see the presence of a channel, or of all that a pattern matches. */
  mayWatch(subscription: string): boolean {
    const { watch, isGuarded } = this.#rules;
    if (isGuarded?.(subscription) && !this.mayReceive(subscription)) return false;
    return watch.some((allowed) => covers(allowed, subscription));
  }

  /** Throws a `Refusal` unless it may receive all of these channels and patterns. */
  checkReceive(subscriptions: readonly string[]): void {
    const { receive } = this.#rules;
    if (receive instanceof Refusal) throw receive;
    for (const subscription of subscriptions) {
      if (!this.mayReceive(subscription)) throw notAllowed(subscription, "subscribe");
    }
  }

  /** Throws a `Refusal` unless `channel` is one, and it may publish there. */
  checkPublish(channel: string): void {
    const { publish } = this.#rules;
    if (publish instanceof Refusal) throw publish;
    readInput(() => checkChannel(channel));
    if (!publish.some((allowed) => covers(allowed, channel))) throw notAllowed(channel, "publish");
  }

  /** Reports whether it may manage channels and sessions. */
  get mayManage(): boolean {
    return this.#rules.manage === undefined;
  }

  /** Throws a `Refusal` unless it may manage channels and sessions. */
  checkManage(): void {
    if (this.#rules.manage !== undefined) throw this.#rules.manage;
  }
}

function notAllowed(channel: string, claim: "subscribe" | "publish"): Refusal {
  return new Refusal(
    "forbidden",
    `Not allowed on channel ${channel}: it takes a key, or a token whose hark.${claim} has it`,
  );
}
