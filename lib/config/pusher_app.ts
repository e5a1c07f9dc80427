import { isLoopback } from "../core/address.ts";

/** An app of the Pusher protocol: its clients may connect, and signatures with its secret publish. */
export interface PusherApp {
  /** In the path of its HTTP API. */
  readonly id: string;
  /** Clients connect with it; it is public. */
  readonly key: string;
  /** Signs requests and subscriptions. */
  readonly secret: string;
  /** The beginning of its channels in Hark's names: empty for the first app, `ID:` for others. */
  readonly prefix: string;
  /** Clients may send events to each other. */
  readonly clientEvents: boolean;
  /** Clients get the number of subscribers of their channels. */
  readonly subscriptionCounts: boolean;
  /** The URL for webhooks; undefined for none. */
  readonly webhook: string | undefined;
}

// An id and a key are parts of paths. A secret is printable, without comma and question mark.
const APP = /^([\w-]{1,64}):([\w-]{1,128}):([\x21-\x2b\x2d-\x3e\x40-\x7e]{1,128})(?:\?(.+))?$/;
const SWITCHES = ["client-events", "subscription-counts"];

/**
 * Reads `ID:KEY:SECRET`, or that with settings: `ID:KEY:SECRET?client-events&webhook=https://…`.
 * Undefined if the text is no app.
 */
export function parsePusherApp(text: string): Omit<PusherApp, "prefix"> | undefined {
  const [, id, key, secret, list] = APP.exec(text) ?? [];
  if (id === undefined || key === undefined || secret === undefined) return undefined;
  const settings = new URLSearchParams(list);
  if (![...settings].every(([name, value]) => isSetting(name, value))) return undefined;
  return {
    id,
    key,
    secret,
    clientEvents: settings.has("client-events"),
    subscriptionCounts: settings.has("subscription-counts"),
    webhook: settings.get("webhook") ?? undefined,
  };
}

function isSetting(name: string, value: string): boolean {
  return name === "webhook" ? isWebhook(value) : SWITCHES.includes(name) && value === "";
}

/** https, or http to this machine. */
function isWebhook(text: string): boolean {
  const url = URL.parse(text);
  if (url === null) return false;
  const { protocol, hostname } = url;
  const isLocal = hostname === "localhost" || isLoopback(hostname.replace(/^\[(.*)\]$/, "$1"));
  return protocol === "https:" || (protocol === "http:" && isLocal);
}

/** Reads the apps of valid texts. */
export function pusherAppsOf(texts: readonly string[]): PusherApp[] {
  return texts.map(parsePusherApp).filter((app) => app !== undefined)
    .map((app, index) => ({ ...app, prefix: index === 0 ? "" : `${app.id}:` }));
}

/** Lists what is wrong with apps that are each valid: a sentence each, which holds no secret. */
export function pusherAppProblems(apps: readonly PusherApp[]): string[] {
  return (["id", "key"] as const).flatMap((name) => {
    const values = apps.map((app) => app[name]);
    const twice = new Set(values.filter((value, at) => values.indexOf(value) !== at));
    return [...twice].map((value) => `--pusher-app: two apps have the ${name} ${value}`);
  });
}
