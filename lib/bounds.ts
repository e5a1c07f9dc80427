/** The bounds that are not options; only tests change them. */

import { IDEMPOTENCY_KEYS_MAX } from "./broker/idempotency.ts";
import { BODY_TIMEOUT_MS } from "./http/body.ts";
import { PRESENCE_MAX } from "./hub/presence.ts";
import { PING_TIMEOUT_MS } from "./protocols/engineio/heartbeats.ts";
import { NEWCOMERS_MAX } from "./protocols/engineio/newcomers.ts";
import { POLLING_BYTES_MAX } from "./protocols/engineio/posts.ts";
import { UPGRADE_TIMEOUT_MS } from "./protocols/engineio/upgrade.ts";
import { CONNECT_TIMEOUT_MS, NAMESPACES_MAX } from "./protocols/socketio/server.ts";
import { HANDSHAKE_TIMEOUT_MS } from "./protocols/websocket/socket.ts";

/** Each bound by the name of the parameter that takes it. */
export interface Bounds {
  readonly pingTimeoutMs: number;
  readonly upgradeTimeoutMs: number;
  readonly connectTimeoutMs: number;
  readonly handshakeTimeoutMs: number;
  readonly bodyTimeoutMs: number;
  /** Metrics call it `handshakes_max`: a newcomer has not finished its handshake. */
  readonly newcomersMax: number;
  readonly namespacesMax: number;
  readonly presenceMax: number;
  readonly idempotencyKeysMax: number;
  readonly pollingBytesMax: number;
}

/** The bounds of every server outside of tests. */
export const BOUNDS: Bounds = {
  pingTimeoutMs: PING_TIMEOUT_MS,
  upgradeTimeoutMs: UPGRADE_TIMEOUT_MS,
  connectTimeoutMs: CONNECT_TIMEOUT_MS,
  handshakeTimeoutMs: HANDSHAKE_TIMEOUT_MS,
  bodyTimeoutMs: BODY_TIMEOUT_MS,
  newcomersMax: NEWCOMERS_MAX,
  namespacesMax: NAMESPACES_MAX,
  presenceMax: PRESENCE_MAX,
  idempotencyKeysMax: IDEMPOTENCY_KEYS_MAX,
  pollingBytesMax: POLLING_BYTES_MAX,
};
