import { isLoopback } from "../core/address.ts";
import { OPAQUE_ORIGIN } from "../core/origin.ts";
import { flagName, OPTION_ROWS, variableName } from "./options.ts";
import { type Config, isOpenServer, type Sources, takesTokens } from "./values.ts";

/** A configuration to judge, and facts found out about it. */
export interface Setup {
  readonly config: Config;
  readonly sources: Sources;
  /** When the certificate ends, in milliseconds since 1970; undefined if there is none. */
  readonly certificateEndsAt?: number | undefined;
  /** What is unwise about Redis: a sentence each. */
  readonly unwiseOfRedis?: readonly string[];
  /** Milliseconds since 1970. */
  readonly now: number;
}

const KEY_CHARS_MIN = 16;
const DAY_MS = 86_400_000;
const CERTIFICATE_DAYS_MIN = 14;

/** Lists who may do what with this server: a row each. */
export function whoMayDoWhat({ config }: Setup): [subject: string, what: string][] {
  const { pusherApp, origins, socketio, trustProxy, forwardedHeader } = config;
  return [
    ["reach it", whoReaches(config)],
    ["publish", whoPublishes(config)],
    ["receive", whoReceives(config)],
    ["look after it", whoManages(config)],
    ["watch it", whoWatches(config)],
    ["be a trusted page", ["those of its own", ...origins].join(", ")],
    ["use Socket.IO", socketio ? "anyone who may receive" : "nobody"],
    ["use Pusher", pusherApp.length > 0 ? "whoever has an app's key, which is public" : "nobody"],
    [
      "say who a client is",
      trustProxy === 0 ? "nobody" : `the last ${trustProxy} before it in ${forwardedHeader}`,
    ],
  ];
}

function whoPublishes(config: Config): string {
  if (isOpenServer(config)) return "anyone, but for pages of other sites";
  const { publishKey, pusherApp } = config;
  const publishers = [
    ...publishKey.length > 0 ? [`whoever shows ${keysOf(config)}`] : [],
    ...takesTokens(config) ? ["whoever shows a token, to the channels that it names"] : [],
    ...pusherApp.length > 0 ? ["whoever signs with the secret of an app of Pusher"] : [],
  ];
  return publishers.join("; ");
}

function whoManages(config: Config): string {
  const { publishKey, listen, trustProxy } = config;
  if (publishKey.length > 0) return `whoever shows ${keysOf(config)}: /channels, /sessions`;
  if (!isOpenServer(config)) return "nobody: /channels and /sessions take a key";
  const isLocal = listen === "" && trustProxy === 0;
  return "anyone, but for pages of other sites: /channels" +
    (isLocal ? "; programs of this machine: /sessions" : "");
}

function keysOf({ publishKey }: Config): string {
  return publishKey.length === 1 ? "the one key" : `one of ${publishKey.length} keys`;
}

function whoWatches(config: Config): string {
  const { publishKey, metricsKey } = config;
  const anyone = "anyone who reaches it: /count, /healthz, /readyz";
  if (isOpenServer(config) && metricsKey === "") return `${anyone}, /metrics`;
  const keys = [
    ...metricsKey === "" ? [] : ["the metrics key"],
    ...publishKey.length === 0 ? [] : ["a publish key"],
  ];
  const who = keys.length === 0 ? "nobody" : `whoever shows ${keys.join(" or ")}`;
  return `${anyone}; ${who}: /metrics`;
}

function whoReaches({ listen, host, port, tlsCert }: Config): string {
  if (listen !== "") return `whoever may write to the file ${listen.replace("unix:", "")}`;
  const how = `port ${port}, by ${tlsCert === "" ? "http" : "https"}`;
  return isLoopback(host)
    ? `programs of this machine: ${host}, ${how}`
    : `whoever has a way to ${host}, ${how}`;
}

function whoReceives(config: Config): string {
  const { public: channels } = config;
  const named = channels.length === 0 ? undefined : `anyone: ${channels.join(", ")}`;
  if (!takesTokens(config)) return (named ?? "anyone: every channel") + exceptGuarded(config);
  const bearers = "whoever shows a token: the channels that it names";
  return named === undefined ? bearers : `${named}; ${bearers}`;
}

function exceptGuarded({ pusherApp }: Config): string {
  return pusherApp.length === 0 ? "" : " that does not begin with private-, presence- or #";
}

/** Lists what is unwise about it: a sentence each, which says what to do. Holds no secret. */
export function whatIsUnwise(setup: Setup): string[] {
  return [
    ...unwiseExposure(setup),
    ...unwiseSecrets(setup),
    ...unwiseTls(setup),
    ...unwiseBounds(setup),
    ...unwiseRedis(setup),
  ];
}

function unwiseExposure({ config }: Setup): string[] {
  const { listen, host, trustProxy, publicHost, origins } = config;
  const found: string[] = [];
  const isBehindProxy = listen !== "" || trustProxy > 0 || publicHost.length > 0;
  const isOpen = isOpenServer(config);
  if (isOpen && !isLoopback(host)) {
    found.push(`anyone with a way to ${host} may publish: set a key with HARK_PUBLISH_KEYS`);
  } else if (isOpen && isBehindProxy) {
    found.push("anyone that the proxy admits may publish: set a key with HARK_PUBLISH_KEYS");
  }
  if (config.open && !isOpen) found.push("--open does nothing where there are keys: leave it out");
  if (listen !== "" && trustProxy === 0) {
    found.push(
      "all clients behind the socket count as one: give --trust-proxy 1 if a proxy is there",
    );
  }
  if (listen === "" && trustProxy > 0 && !isLoopback(host)) {
    found.push(
      "anyone who can reach it can claim any address: listen on 127.0.0.1 or a Unix socket, or see " +
        "that nobody else reaches the port",
    );
  }
  return [...found, ...origins.flatMap(unwiseOrigin)];
}

function unwiseOrigin(origin: string): string[] {
  if (origin === OPAQUE_ORIGIN) {
    return ["any site can make a page whose origin is null: name the origins of your pages"];
  }
  const { protocol, hostname } = new URL(origin.replace("*", "x"));
  if (protocol !== "http:" || isLoopback(hostname) || hostname.endsWith(".localhost")) return [];
  return [`pages of ${origin} may be changed on their way: serve them by https`];
}

function unwiseSecrets({ config, sources }: Setup): string[] {
  const { publishKey, metricsKey, tokenJwks, tokenAudience } = config;
  const found: string[] = [];
  const keys = metricsKey === "" ? publishKey : [...publishKey, metricsKey];
  if (keys.some((key) => key.length < KEY_CHARS_MIN)) {
    found.push(
      `a key with fewer than ${KEY_CHARS_MIN} characters can be guessed: make one with ` +
        "openssl rand -hex 24",
    );
  }
  for (const [key, { secret }] of OPTION_ROWS) {
    if (!secret || sources[key] !== "flag") continue;
    found.push(
      `--${flagName(key)} is seen by all users of this machine: use ${variableName(key)}`,
    );
  }
  if (takesTokens(config) && config.public.includes("*")) {
    found.push("tokens guard no channel as long as anyone may receive all: narrow --public");
  }
  if (tokenJwks !== "" && tokenAudience === "") {
    found.push("tokens that were issued for other services count here too: set --token-audience");
  }
  return found;
}

function unwiseTls({ config, certificateEndsAt, now }: Setup): string[] {
  const { listen, host, tlsCert, trustProxy } = config;
  const isReached = listen === "" && !isLoopback(host);
  if (isReached && tlsCert === "" && trustProxy === 0) {
    return [
      "keys, tokens and messages can be read on their way: give --tls-cert and --tls-key, or put a " +
      "proxy with TLS in front",
    ];
  }
  if (certificateEndsAt === undefined) return [];
  const days = Math.floor((certificateEndsAt - now) / DAY_MS);
  if (days >= CERTIFICATE_DAYS_MIN) return [];
  const end = new Date(certificateEndsAt).toISOString().slice(0, 10);
  return [
    `the certificate ${days < 0 ? "has ended" : "ends"} on ${end}: renew it, and send SIGHUP`,
  ];
}

function unwiseBounds({ config }: Setup): string[] {
  const { connectionsMax, connectionsPerAddressMax, host, listen } = config;
  const isReached = listen !== "" || !isLoopback(host) || config.trustProxy > 0;
  if (!isReached || connectionsPerAddressMax < connectionsMax) return [];
  return ["one address may take every connection: lower --connections-per-address-max"];
}

function unwiseRedis({ config, sources, unwiseOfRedis = [] }: Setup): string[] {
  const found = [...unwiseOfRedis];
  if (sources.redis === "flag" && /:[^/@]+@/.test(config.redis)) {
    found.push("the password in --redis is seen by all users of this machine: use HARK_REDIS");
  }
  return found;
}
