/** Every option of the server, in one table; config.ts reads them. */

import { isSubscription } from "../core/channel.ts";
import { isOriginPattern } from "../core/origin.ts";
import { isNodeUrl } from "../core/node_url.ts";
import { isRedisUrl } from "../core/redis_url.ts";
import { boolean, choice, integer, list, type Option, text } from "./option.ts";
import { parsePusherApp } from "./pusher_app.ts";
import type { Config, OptionKey } from "./values.ts";

export type { Config, OptionKey };

/** A row with the name of its group. */
export type Row<T> = Option<T> & { readonly group: string };

type Grouped<Rows> = { readonly [Key in keyof Rows]: Rows[Key] & { readonly group: string } };

function group<Rows extends Record<string, Option<unknown>>>(
  name: string,
  rows: Rows,
): Grouped<Rows> {
  const grouped = Object.entries(rows).map(([key, row]) => [key, { ...row, group: name }]);
  return Object.fromEntries(grouped) as Grouped<Rows>;
}

function isHostName(text: string): boolean {
  return URL.parse(`http://${text}`)?.hostname === text;
}

function isListenAddress(text: string): boolean {
  const isIPv6 = /^[0-9a-f:.]+$/i.test(text) && URL.canParse(`http://[${text}]`);
  return isIPv6 || (isHostName(text) && !text.startsWith("["));
}

/** The system's address of a socket bounds the path. */
function isUnixAddress(text: string): boolean {
  const [, path] = /^unix:(.+)$/s.exec(text) ?? [];
  return path !== undefined && isFileName(path) && new TextEncoder().encode(path).length <= 107;
}

function isKeySource(text: string): boolean {
  if (!/^([a-z][a-z0-9+.-]*:\/\/|https?:)/i.test(text)) return text !== "" && isFileName(text);
  return text.startsWith("https://") && URL.canParse(text);
}

const isKey = (text: string) => /^[\x21-\x7e]+$/.test(text);
const isMountPath = (text: string) => /^(\/[\w.~-]+)+\/$/.test(text);
const isFileName = (text: string) => !text.includes("\0");
/** RFC 9110 section 5.1. */
const isHeaderName = (text: string) => /^[!#$%&'*+.^_`|~0-9A-Za-z-]+$/.test(text);
/** RFC 7518 section 3.2: HS256 wants a key as long as its hash. */
const isSecret = (text: string) => new TextEncoder().encode(text).length >= 32;

const file = (help: string) => text("", "FILE", help, "a file name", isFileName);
const secret = (help: string) => ({
  ...text("", "SECRET", help, "32 bytes or more", isSecret),
  secret: true,
});
/** The name of a node or a cluster. */
const nodeName = (value: string, help: string) =>
  text(value, "NAME", help, "1 to 64 of A-Z a-z 0-9 _ . : -", (text) => {
    return text === value || /^[\w.:-]{1,64}$/.test(text);
  });

const YEAR_S = 31_536_000;
const MIB = 1024 ** 2;
const GIB = 1024 ** 3;

/** Every option: its default, its bounds and its meaning. Flag and variable follow from the key. */
export const OPTIONS: { readonly [Key in OptionKey]: Row<Config[Key]> } = {
  ...group("Listening", {
    host: text(
      "localhost",
      "ADDRESS",
      "address to listen on; localhost is 127.0.0.1 and ::1",
      "an IP address or a lower-case host name, with no port",
      isListenAddress,
    ),
    port: integer(3000, 0, 65_535, "port to listen on; 0 takes a free one"),
    listen: text(
      "",
      "unix:PATH",
      "Unix socket to listen on, in place of address and port",
      "unix: and a path of at most 107 bytes, such as unix:/run/hark.sock",
      isUnixAddress,
    ),
    tlsCert: file("certificate (PEM) for https and wss; read again on SIGHUP"),
    tlsKey: file("private key of the certificate (PEM)"),
    trustProxy: integer(0, 0, 10, "proxies in front that pass on the client's address"),
    forwardedHeader: text(
      "X-Forwarded-For",
      "NAME",
      "header in which they pass it on; no other is read",
      "the name of a header, such as Forwarded",
      isHeaderName,
    ),
    publicHost: list(
      "NAME",
      "host name the server is reached by, beside its own",
      "lower-case host names with no scheme, port or path, such as push.example.com",
      isHostName,
    ),
    open: boolean(false, "let anyone who can reach the server publish"),
    origins: list(
      "ORIGIN",
      "origin of pages that may publish and use cookies, beside its own",
      "origins with no path, such as https://example.com or https://*.example.com",
      isOriginPattern,
    ),
    publishKey: {
      ...list(
        "KEY",
        "key that a publisher must show; no key, no check",
        "keys of printable ASCII with no space or comma",
        isKey,
      ),
      env: "HARK_PUBLISH_KEYS",
      secret: true,
    },
    metricsKey: {
      ...text(
        "",
        "KEY",
        "key that reads /metrics and nothing else; a publish key reads it too",
        "printable ASCII with no space or comma",
        (text) => isKey(text) && !text.includes(","),
      ),
      secret: true,
    },
    drainS: integer(5, 0, 600, "seconds that clients get to leave when the server stops"),
  }),
  ...group("Tokens", {
    tokenSecret: secret("secret that tokens are signed with (HS256)"),
    tokenJwks: {
      ...text(
        "",
        "SOURCE",
        "file or https URL with the keys that tokens are signed with",
        "a file name, or a URL that begins with https://",
        isKeySource,
      ),
      mayHoldSecret: true,
    },
    tokenAudience: text("", "TEXT", "what has to be among a token's aud"),
    tokenIssuer: text("", "TEXT", "what a token's iss has to be"),
    public: list(
      "CHANNEL",
      "what anyone may receive; if not given, all where no token is needed",
      'channels (1 to 200 of A-Z a-z 0-9 _ . : @ = , ; # -), "*" or patterns ending in ".*" or ":*"',
      isSubscription,
    ),
  }),
  ...group("Messages", {
    welcome: text("Welcome to my server", "TEXT", "first message to each client; empty for none"),
    publishBytesMax: integer(65_536, 1, 64 * MIB, "bytes of one publication"),
    publishPerSecondMax: integer(1000, 1, 1_000_000, "publications a second of one key or address"),
  }),
  ...group("Socket.IO", {
    socketio: boolean(true, "serve Socket.IO; the flag turns it off"),
    socketioPath: text(
      "/socket.io/",
      "PATH",
      "where Socket.IO is served",
      "a path that begins and ends with /, such as /socket.io/",
      isMountPath,
    ),
  }),
  ...group("Pusher", {
    pusherApp: {
      ...list(
        "APP",
        "app of the Pusher protocol; without one it is off",
        "ID:KEY:SECRET, or that with settings: ID:KEY:SECRET?client-events&webhook=https://a.example",
        (text) => parsePusherApp(text) !== undefined,
      ),
      env: "HARK_PUSHER_APPS",
      secret: true,
    },
  }),
  ...group("Channels and history", {
    channelsPerSessionMax: integer(128, 1, 100_000, "channels that one client is on"),
    channelsMax: integer(
      100_000,
      1,
      10_000_000,
      "channels kept; a caller gets half of what others leave",
    ),
    historyCount: integer(100, 0, 1_000_000, "publications kept of a channel; 0 keeps none"),
    historyAgeS: integer(3600, 1, YEAR_S, "seconds that a publication is kept"),
    historyBytesMax: integer(MIB, 1, GIB, "bytes kept of a channel"),
    historyTotalBytesMax: integer(
      256 * MIB,
      1,
      1024 * GIB,
      "bytes kept in all; the caller that holds most loses some first",
    ),
    idempotencyAgeS: integer(300, 1, 86_400, "seconds that an Idempotency-Key is remembered"),
    store: file("SQLite file that outlives a restart; empty keeps it all in memory"),
    storeSync: choice("normal", ["normal", "full"], "MODE", "how hard the file is synced"),
  }),
  ...group("Cluster", {
    workers: text(
      "1",
      "N",
      "processes that share the port and the log; auto is one for each core",
      "a number from 1 to 64, or auto",
      (text) => text === "auto" || /^([1-9]|[1-5]\d|6[0-4])$/.test(text),
    ),
    redis: {
      ...text(
        "",
        "URL",
        "Redis 7 or Valkey that keeps the log of many nodes",
        "a URL such as redis://10.0.0.5:6379/0 or redis+sentinel://s1,s2,s3/main",
        (text) => text === "" || isRedisUrl(text),
      ),
      mayHoldSecret: true,
    },
    redisCa: file("certificates (PEM) to trust in rediss://, beside those of the system"),
    node: nodeName("", "name of this node in logs and lists; random if not given"),
    advertise: text(
      "",
      "URL",
      "where other nodes reach this one, to hand on polling",
      "a URL such as http://10.0.0.7:3001",
      (text) => text === "" || isNodeUrl(text),
    ),
    clusterSecret: secret("secret that nodes know each other by"),
    redisName: nodeName("hark", "separates the logs of several clusters on one Redis"),
  }),
  ...group("Bounds of a session", {
    heartbeatS: integer(
      25,
      1,
      3600,
      "seconds between signs of life: pings, and comments on /events",
    ),
    outboundBytesMax: integer(MIB, 1024, GIB, "unsent bytes before a client is too slow"),
    inboundBytesMax: integer(65_536, 1024, 64 * MIB, "bytes of one frame from a client"),
    inboundPerSecondMax: integer(50, 1, 100_000, "frames a second from one client"),
  }),
  ...group("Connections", {
    connectionsMax: integer(20_000, 1, 1_000_000, "connections at a time"),
    connectionsPerAddressMax: integer(
      200,
      1,
      1_000_000,
      "of one address; loopback is exempt but behind a proxy",
    ),
  }),
  ...group("Log", {
    log: choice("text", ["text", "json"], "FORMAT", "how lines are written"),
    logLevel: choice("info", ["debug", "info", "warn", "error"], "LEVEL", "least level written"),
  }),
};

/** The table's rows, in its order. */
export const OPTION_ROWS: readonly (readonly [OptionKey, Row<Config[OptionKey]>])[] = Object
  .entries(OPTIONS) as [OptionKey, Row<Config[OptionKey]>][];

/** An option's name on the command line, without the dashes: `outbound-bytes-max`. */
export function flagName(key: OptionKey): string {
  return key.replace(/[A-Z]/g, (capital) => `-${capital.toLowerCase()}`);
}

/** An option's name in the environment: `HARK_OUTBOUND_BYTES_MAX`. */
export function variableName(key: OptionKey): string {
  const { env }: Option<unknown> = OPTIONS[key];
  return env ?? `HARK_${flagName(key).toUpperCase().replaceAll("-", "_")}`;
}
