/** The values of a server's options, by group; README.md's table says what each means. */

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
