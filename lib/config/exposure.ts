import type { Config } from "./config.ts";

/** Reports whether tokens count at all. */
export function takesTokens(config: Pick<Config, "tokenSecret" | "tokenJwks">): boolean {
  return config.tokenSecret !== "" || config.tokenJwks !== "";
}

/** Reports whether nobody needs a credential for anything. */
export function isOpenServer(config: Config): boolean {
  return config.publishKey.length === 0 && !takesTokens(config) && config.pusherApp.length === 0;
}
