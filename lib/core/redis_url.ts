/** Where one Redis server is, and how to log in there. */
export interface RedisAddress {
  readonly hostname: string;
  readonly port: number;
  /** A Unix socket in place of a host and port; empty for none. */
  readonly path: string;
  readonly tls: boolean;
  /** PEM certificates to trust beside those of the system. */
  readonly caCerts: readonly string[];
  readonly username: string;
  /** Empty for none. */
  readonly password: string;
  readonly database: number;
}

/** What `--redis` names: one server, or Sentinels that know which server it is now. */
export interface RedisTarget {
  /** Of the server, or of the Sentinels. */
  readonly addresses: readonly RedisAddress[];
  /** The name that the Sentinels have for the server; empty if the address is the server's. */
  readonly masterName: string;
}

const EXPECTED = "redis://[user:password@]host[:port][/database], rediss:// for TLS, " +
  "redis+unix:///path[?db=database] or redis+sentinel://host[:port],host[:port]/name[/database]";
const URL_PARTS = /^(redis|rediss|redis\+unix|redis\+sentinel|rediss\+sentinel):\/\/(.*)$/;
const HOST = /^(\[[0-9a-fA-F:.]+\]|[A-Za-z0-9._-]+)(?::(\d{1,5}))?$/;
const NAME = /^[A-Za-z0-9._-]{1,128}$/;
const REDIS_PORT = 6379;
const SENTINEL_PORT = 26379;
const DATABASES_MAX = 1_000_000;

/**
 * Reads a URL of Redis. Throws a `SyntaxError` that says what is expected and shows nothing of the
 * URL, which can hold a password.
 */
export function parseRedisUrl(url: string, caCerts: readonly string[] = []): RedisTarget {
  const [, scheme, rest] = URL_PARTS.exec(url) ?? [];
  if (scheme === undefined || rest === undefined) throw wrong("it does not begin like that");
  const at = rest.lastIndexOf("@");
  const login = { ...readLogin(rest.slice(0, Math.max(at, 0))), caCerts };
  const place = rest.slice(at + 1);
  if (scheme === "redis+unix") return { addresses: [readPath(place, login)], masterName: "" };

  const [hosts = "", ...path] = place.split("/");
  const isSentinel = scheme.endsWith("sentinel");
  const masterName = isSentinel ? path.shift() ?? "" : "";
  if (isSentinel && !NAME.test(masterName)) throw wrong("the name after the Sentinels is missing");
  if (path.length > 1) throw wrong("there is more than a database after the host");
  const shared = {
    ...login,
    path: "",
    tls: scheme.startsWith("rediss"),
    database: readDatabase(path[0] ?? ""),
  };
  const names = hosts.split(",");
  if (!isSentinel && names.length > 1) throw wrong("more than one host needs redis+sentinel://");
  const port = isSentinel ? SENTINEL_PORT : REDIS_PORT;
  return { addresses: names.map((name) => ({ ...shared, ...readHost(name, port) })), masterName };
}

/** Reports whether `parseRedisUrl()` can read this. */
export function isRedisUrl(text: string): boolean {
  try {
    parseRedisUrl(text);
    return true;
  } catch (error) {
    if (error instanceof SyntaxError) return false;
    throw error;
  }
}

/** Returns a target as it may be shown: without user and password. */
export function formatTarget({ addresses, masterName }: RedisTarget): string {
  const places = addresses.map(({ hostname, port, path }) => {
    if (path !== "") return path;
    return hostname.includes(":") ? `[${hostname}]:${port}` : `${hostname}:${port}`;
  });
  return places.join(",") + (masterName === "" ? "" : `/${masterName}`);
}

type Login = Pick<RedisAddress, "username" | "password" | "caCerts">;

function readLogin(text: string): Pick<RedisAddress, "username" | "password"> {
  const colon = text.indexOf(":");
  try {
    if (colon === -1) return { username: "", password: decodeURIComponent(text) };
    return {
      username: decodeURIComponent(text.slice(0, colon)),
      password: decodeURIComponent(text.slice(colon + 1)),
    };
  } catch {
    throw wrong("the percent-encoding of user or password is malformed");
  }
}

function readPath(place: string, login: Login): RedisAddress {
  const [path = "", query = ""] = place.split("?");
  if (!path.startsWith("/")) throw wrong("the path of the socket does not begin with /");
  const database = readDatabase(new URLSearchParams(query).get("db") ?? "");
  return { ...login, hostname: "", port: 0, path, tls: false, database };
}

function readHost(text: string, defaultPort: number): Pick<RedisAddress, "hostname" | "port"> {
  const [, host, portText] = HOST.exec(text) ?? [];
  if (host === undefined) throw wrong("a host is missing or malformed");
  const port = portText === undefined ? defaultPort : Number(portText);
  if (port < 1 || port > 65_535) throw wrong("a port is not from 1 to 65535");
  return { hostname: host.replace(/^\[|\]$/g, ""), port };
}

function readDatabase(text: string): number {
  if (!/^\d{0,7}$/.test(text) || Number(text) > DATABASES_MAX) {
    throw wrong("the database is no number");
  }
  return Number(text);
}

function wrong(why: string): SyntaxError {
  return new SyntaxError(`Cannot parse the URL of Redis: expected ${EXPECTED}; ${why}`);
}
