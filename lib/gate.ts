import { Keys } from "./auth/keys.ts";
import { Tokens } from "./auth/tokens.ts";
import { type Config, ConfigError } from "./config/config.ts";
import { isOpenServer, takesTokens } from "./config/exposure.ts";
import { isLoopback } from "./core/address.ts";
import type { Guard } from "./core/channel.ts";
import type { Clock } from "./core/clock.ts";
import { Access } from "./http/access.ts";
import { readForwarded } from "./http/forwarded.ts";
import { Origins } from "./http/origin.ts";
import type { Log } from "./observe/log.ts";

/** What decides who may do what. */
export interface Gate {
  /** Undefined if the server takes none. */
  readonly tokens: Tokens | undefined;
  readonly origins: Origins;
  readonly access: Access;
}

/** Makes the gate of a server with these options. */
export function makeGate(config: Config, clock: Clock, log: Log, isGuarded: Guard): Gate {
  const keys = new Keys(config.publishKey);
  const { publishKey, metricsKey } = config;
  const metricsKeys = new Keys(metricsKey === "" ? publishKey : [...publishKey, metricsKey]);
  const tokens = takesTokens(config)
    ? new Tokens({ ...config, clock, onFailure: (why) => log.warn("keys failed", { why }) })
    : undefined;
  const isOpen = isOpenServer(config);
  const ownProtocol = config.tlsCert === "" ? undefined : "https";
  const origins = new Origins({
    isOpen,
    isLocal: config.listen !== "" || isLoopback(config.host),
    origins: config.origins,
    publicHosts: config.publicHost,
    protocolOf: (headers) => readForwarded(headers, config).protocol ?? ownProtocol,
  });
  const access = new Access({ ...config, keys, metricsKeys, tokens, origins, isOpen, isGuarded });
  return { tokens, origins, access };
}

/** Reads the keys of tokens. Throws a `ConfigError` if their file is not as it should be. */
export async function startTokens(tokens: Tokens | undefined): Promise<void> {
  try {
    await tokens?.start();
  } catch (error) {
    if (error instanceof SyntaxError) throw new ConfigError([error.message]);
    throw error;
  }
}
