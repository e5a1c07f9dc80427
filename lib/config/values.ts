/** The values of a server's options, by group; the table in options.ts says what each means. */

/** Every option's value. */
export interface Config {
  // Listening
  readonly host: string;
  readonly port: number;
  readonly listen: string;
  readonly tlsCert: string;
  readonly tlsKey: string;
  readonly trustProxy: number;
  readonly forwardedHeader: string;
  readonly publicHost: readonly string[];
  readonly open: boolean;
  readonly origins: readonly string[];
  readonly publishKey: readonly string[];
  readonly metricsKey: string;
  readonly drainS: number;

  // Tokens
  readonly tokenSecret: string;
  readonly tokenJwks: string;
  readonly tokenAudience: string;
  readonly tokenIssuer: string;
  readonly public: readonly string[];

  // Messages
  readonly welcome: string;
  readonly publishBytesMax: number;
  readonly publishPerSecondMax: number;

  // Socket.IO
  readonly socketio: boolean;
  readonly socketioPath: string;

  // Pusher
  readonly pusherApp: readonly string[];

  // Channels and history
  readonly channelsPerSessionMax: number;
  readonly channelsMax: number;
  readonly historyCount: number;
  readonly historyAgeS: number;
  readonly historyBytesMax: number;
  readonly historyTotalBytesMax: number;
  readonly idempotencyAgeS: number;
  readonly store: string;
  readonly storeSync: "normal" | "full";

  // Cluster
  readonly workers: string;
  readonly redis: string;
  readonly redisCa: string;
  readonly redisName: string;
  readonly node: string;
  readonly advertise: string;
  readonly clusterSecret: string;

  // Bounds of a session
  readonly heartbeatS: number;
  readonly outboundBytesMax: number;
  readonly inboundBytesMax: number;
  readonly inboundPerSecondMax: number;

  // Connections
  readonly connectionsMax: number;
  readonly connectionsPerAddressMax: number;

  // Log
  readonly log: "text" | "json";
  readonly logLevel: "debug" | "info" | "warn" | "error";
}

/** The name of an option in code, such as `outboundBytesMax`. */
export type OptionKey = keyof Config;

/** Where a value came from. */
export type Source = "flag" | "environment" | "default";

/** Where each value came from. */
export type Sources = { readonly [Key in OptionKey]: Source };

/** Reports whether the server takes tokens. */
export function takesTokens(config: Pick<Config, "tokenSecret" | "tokenJwks">): boolean {
  return config.tokenSecret !== "" || config.tokenJwks !== "";
}

/** Reports whether nobody needs a credential for anything. */
export function isOpenServer(config: Config): boolean {
  return config.publishKey.length === 0 && !takesTokens(config) && config.pusherApp.length === 0;
}
