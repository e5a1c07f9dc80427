import type { Arguments } from "./arguments.ts";
import { UsageError } from "./arguments.ts";

/** The server that a command talks to. */
export interface Target {
  /** Ends in a slash: the endpoints are relative to it. */
  readonly url: URL;
  /** What every request carries. */
  readonly headers: Readonly<Record<string, string>>;
}

const URL_DEFAULT = "http://localhost:3000";

/** The flags and variables of a command that talks to a server, as its help shows them. */
export const TARGET_HELP = `  --url URL      the server (HARK_URL; ${URL_DEFAULT})
  --key KEY      the publish key or token (HARK_KEY, which other users of the machine cannot see)
  -h, --help     show this`;

/** Which server is meant. Throws a `UsageError`, without the key in it. */
export function readTarget(
  { values }: Arguments,
  env: Readonly<Record<string, string>>,
): Target {
  const text = values.get("url") ?? (env.HARK_URL || URL_DEFAULT);
  const url = URL.parse(text);
  if (url === null || !/^https?:$/.test(url.protocol) || url.search !== "" || url.hash !== "") {
    const name = values.has("url") ? "--url" : "HARK_URL";
    throw new UsageError(`${name}: expected an http or https URL, such as ${URL_DEFAULT}`);
  }
  if (!url.pathname.endsWith("/")) url.pathname += "/";
  const key = values.get("key") ?? env.HARK_KEY ?? "";
  if (!/^[\x21-\x7e]*$/.test(key)) {
    const name = values.has("key") ? "--key" : "HARK_KEY";
    throw new UsageError(`${name}: expected printable ASCII with no space`);
  }
  return { url, headers: key === "" ? {} : { authorization: `Bearer ${key}` } };
}
