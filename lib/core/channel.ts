/** The channel that every client is on. */
export const BROADCAST = "broadcast";

const CHARS = "[A-Za-z0-9_.:@=,;#-]";
/** A regular expression that matches the names of channels. */
export const CHANNEL_PATTERN = `^${CHARS}{1,200}$`;
/** A regular expression that matches channels and patterns. */
export const SUBSCRIPTION_PATTERN = `^(?:\\*|${CHARS}{0,198}[.:]\\*|${CHARS}{1,200})$`;

const NAME = new RegExp(CHANNEL_PATTERN);
const SUBSCRIPTION = new RegExp(SUBSCRIPTION_PATTERN);
const DOT = ".".charCodeAt(0);
const COLON = ":".charCodeAt(0);

/** Reports whether `name` can be a channel's: 1–200 of `A-Z a-z 0-9 _ . : @ = , ; # -`. */
export function isChannel(name: string): boolean {
  return NAME.test(name);
}

/** Reports whether `text` is a channel or a pattern: `*`, or a name's beginning that ends in `.*` or `:*`. */
export function isSubscription(text: string): boolean {
  return SUBSCRIPTION.test(text);
}

/** Reports whether a valid subscription may match many channels. */
export function isPattern(subscription: string): boolean {
  return subscription === "*" || subscription.endsWith(".*") || subscription.endsWith(":*");
}

/** Returns `name`, or throws a `TypeError` that says what a channel's name may be. */
export function checkChannel(name: string): string {
  if (isChannel(name)) return name;
  throw new TypeError(
    `Cannot use this as a channel: expected 1 to 200 of A-Z a-z 0-9 _ . : @ = , ; # -, got ${
      show(name)
    }`,
  );
}

/** Returns `text`, or throws a `TypeError` that says what a subscription may be. */
export function checkSubscription(text: string): string {
  if (isSubscription(text)) return text;
  throw new TypeError(
    "Cannot subscribe: expected a channel (1 to 200 of A-Z a-z 0-9 _ . : @ = , ; # -), " +
      `"*" or a pattern ending in ".*" or ":*", got ${show(text)}`,
  );
}

/**
 * Returns every subscription that matches `channel`: its own name, `*`, and one pattern for each
 * separator in it. So it takes a few look-ups to find its subscribers, however many patterns there are.
 */
export function subscriptionsOf(channel: string): string[] {
  const found = [channel, "*"];
  for (let end = 1; end < channel.length; end++) {
    if (isSeparator(channel.charCodeAt(end - 1))) found.push(`${channel.slice(0, end)}*`);
  }
  return found;
}

/** Reports whether the valid `subscription` matches `channel`, or all channels of that pattern. */
export function covers(subscription: string, channel: string): boolean {
  if (!isPattern(subscription)) return subscription === channel;
  return isBelow(subscription.slice(0, -1), channel);
}

/**
 * Returns a function that reports whether any of these valid subscriptions matches a channel, in a few
 * look-ups, however many they are.
 */
export function matcherOf(subscriptions: readonly string[]): (channel: string) => boolean {
  const wanted = new Set(subscriptions);
  if (wanted.has("*")) return () => true;
  return (channel) => subscriptionsOf(channel).some((subscription) => wanted.has(subscription));
}

/** Returns these valid subscriptions, once each, without those that another of them covers. */
export function withoutCovered(subscriptions: readonly string[]): string[] {
  const all = new Set(subscriptions);
  const isCovered = (name: string) =>
    subscriptionsOf(name).some((other) => other !== name && all.has(other));
  return [...all].filter((name) => !isCovered(name));
}

/** Beginnings of the channels for which Pusher clients need a signature. */
const GUARDED = ["private-", "presence-", "#"];

/** Reports whether a channel, or all that a pattern matches, takes a grant that names it. */
export type Guard = (subscription: string) => boolean;

/** Returns the guard of names that begin as Pusher's guarded ones do, after any of these prefixes. */
export function guardOf(prefixes: readonly string[]): Guard {
  const beginnings = prefixes.flatMap((prefix) => GUARDED.map((name) => prefix + name));
  return (subscription) => beginnings.some((beginning) => subscription.startsWith(beginning));
}

function isSeparator(code: number): boolean {
  return code === DOT || code === COLON;
}

function isBelow(prefix: string, channel: string): boolean {
  return channel.length > prefix.length && channel.startsWith(prefix);
}

function show(text: string): string {
  return JSON.stringify(text.length > 140 ? text.slice(0, 140) + "…" : text);
}
