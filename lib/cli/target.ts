import { withoutSecrets } from "../core/redact.ts";
import { printable } from "../observe/log.ts";
import { type Arguments, UsageError } from "./arguments.ts";

/** The server that a command talks to, until it is disposed of. */
export interface Target extends Disposable {
  /** Ends in a slash: the endpoints are relative to it. */
  readonly url: URL;
  /** Its name in messages; holds no secret. */
  readonly name: string;
  /** The headers of every request. */
  readonly headers: Readonly<Record<string, string>>;
  /** The HTTP client, if that is not Deno's own: for a Unix socket, or one that trusts a CA. */
  readonly client: Deno.HttpClient | undefined;
}

const URL_DEFAULT = "http://localhost:3000";

/** The flags of a command that talks to a server, without their dashes; each takes a value. */
export const TARGET_FLAGS: readonly string[] = ["url", "ca", "key"];

/** The flags and variables of a command that talks to a server, as its help shows them. */
export const TARGET_HELP = `  --url URL      the server, or unix:PATH (HARK_URL; ${URL_DEFAULT})
  --ca FILE      certificates in PEM whose servers are trusted too
  --key KEY      the publish key or token (HARK_KEY, which other users of the machine cannot see)
  -h, --help     show this`;

/** Reads which server is meant. Throws a `UsageError`, which does not hold the key. */
export function readTarget(
  { values }: Arguments,
  env: Readonly<Record<string, string>>,
): Target {
  const text = values.get("url") ?? (env.HARK_URL || URL_DEFAULT);
  const [, socket] = /^unix:(.+)$/s.exec(text) ?? [];
  const url = URL.parse(socket === undefined ? text : "http://localhost/");
  if (url === null || !/^https?:$/.test(url.protocol) || url.search !== "" || url.hash !== "") {
    const name = values.has("url") ? "--url" : "HARK_URL";
    throw new UsageError(
      `${name}: expected an http or https URL, such as ${URL_DEFAULT}, or unix: and a path`,
    );
  }
  if (!url.pathname.endsWith("/")) url.pathname += "/";
  const headers = readHeaders(values, env);
  const caFile = values.get("ca");
  if (caFile !== undefined && url.protocol !== "https:") {
    throw new UsageError("--ca is of use for an https URL alone");
  }
  const client = socket === undefined ? readCa(caFile) : clientOf(socket);
  return {
    url,
    name: printable(socket === undefined ? withoutSecrets(url.href) : text),
    headers,
    client,
    [Symbol.dispose]: () => client?.close(),
  };
}

function readHeaders(
  values: Arguments["values"],
  env: Readonly<Record<string, string>>,
): Readonly<Record<string, string>> {
  const key = values.get("key") ?? env.HARK_KEY ?? "";
  if (!/^[\x21-\x7e]*$/.test(key)) {
    const name = values.has("key") ? "--key" : "HARK_KEY";
    throw new UsageError(`${name}: expected printable ASCII with no space`);
  }
  return key === "" ? {} : { authorization: `Bearer ${key}` };
}

function clientOf(path: string): Deno.HttpClient {
  return Deno.createHttpClient({ proxy: { transport: "unix", path } });
}

/** Makes a client that trusts the certificates in a file, beside those that Deno trusts. */
function readCa(file: string | undefined): Deno.HttpClient | undefined {
  if (file === undefined) return undefined;
  try {
    const cert = Deno.readTextFileSync(file);
    if (!cert.includes("-----BEGIN CERTIFICATE-----")) {
      throw new TypeError("it has no certificate in PEM");
    }
    return Deno.createHttpClient({ caCerts: [cert] });
  } catch (error) {
    const why = printable((error as Error).message);
    throw new UsageError(`--ca: cannot use ${printable(file)}: ${why}`);
  }
}
