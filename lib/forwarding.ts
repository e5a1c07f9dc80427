import type { Bounds } from "./bounds.ts";
import type { Cluster } from "./cluster/cluster.ts";
import { RequestSigner } from "./cluster/signature.ts";
import type { Config } from "./config/config.ts";
import type { Clock } from "./core/clock.ts";
import { BodyReader } from "./http/body.ts";
import { Forwarding } from "./net/forwarding.ts";
import type { HarkMetrics } from "./observe/hark_metrics.ts";
import type { Log } from "./observe/log.ts";
import type { SharedPort } from "./cluster/shared_port.ts";
import { LARGEST_POSTS } from "./protocols/socketio/endpoint.ts";

/** What a server gives to forwarding. */
export interface ForwardingParts {
  readonly clock: Clock;
  readonly cluster: Cluster;
  readonly log: Log;
  readonly metrics: HarkMetrics;
  readonly handle: (request: Request, address: string) => Promise<Response>;
  /** Other processes of this machine listen for nodes as well, and have some of the sessions. */
  readonly shared: SharedPort | undefined;
}

/** Forwarding between nodes as the options say; undefined if they do not want it. */
export function makeForwarding(
  config: Config & Bounds,
  { clock, cluster, log, metrics, handle, shared }: ForwardingParts,
): Forwarding | undefined {
  if (config.advertise === "") return undefined;
  const { pollingBytesMax, bodyTimeoutMs: timeoutMs } = config;
  return new Forwarding({
    ...config,
    clock,
    cluster,
    signer: new RequestSigner(config.clusterSecret),
    bodies: new BodyReader({ clock, timeoutMs, bytesMax: LARGEST_POSTS * pollingBytesMax }),
    reusePort: shared !== undefined,
    handle: (request, address) => {
      return shared?.relay(request, address, true) ?? handle(request, address);
    },
    onForwarded: () => metrics.forwarded.inc(),
    onRefused(why, address) {
      metrics.rejected.with("unauthorized").inc();
      log.warn("forwarded request refused", { why, address }, address);
    },
    onFailure: ({ message }) => {
      log.warn("cannot listen for a moment", { error: message }, config.advertise);
    },
  });
}
