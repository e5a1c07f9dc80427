/** Which values of options do not go together: a sentence for each case, which holds no secret. */

import { isLoopback } from "../core/address.ts";
import { addressOf } from "../core/node_url.ts";
import { flagName, OPTIONS } from "./options.ts";
import { pusherAppProblems, pusherAppsOf } from "./pusher_app.ts";
import type { Config, Sources } from "./values.ts";

type Problems = Iterable<string>;

/** Lists what is wrong with values that are each valid. */
export function problemsOf(config: Config, sources: Sources): string[] {
  return [
    ...tokenProblems(config, sources),
    ...listeningProblems(config, sources),
    ...pusherAppProblems(pusherAppsOf(config.pusherApp)),
    ...exposureProblems(config, sources),
    ...workerProblems(config),
    ...clusterProblems(config),
  ];
}

/** An option about tokens is a mistake where none are taken. */
function* tokenProblems(config: Config, { tokenSecret, tokenJwks }: Sources): Problems {
  const sources = [tokenSecret, tokenJwks].filter((source) => source !== "default");
  if (sources.length === 2) {
    yield "tokens are signed with one or the other: give --token-secret or --token-jwks";
  }
  for (const key of ["tokenAudience", "tokenIssuer"] as const) {
    if (config[key] === "" || sources.length > 0) continue;
    yield `--${flagName(key)} needs --token-secret or --token-jwks`;
  }
}

function* listeningProblems(config: Config, { host, port }: Sources): Problems {
  const { listen, tlsCert, tlsKey, trustProxy, forwardedHeader } = config;
  if (forwardedHeader !== OPTIONS.forwardedHeader.default && trustProxy === 0) {
    yield "--forwarded-header needs --trust-proxy: without it no header is read";
  }
  if ((tlsCert === "") !== (tlsKey === "")) {
    yield "a certificate is of no use without its key: give --tls-cert and --tls-key";
  }
  if (listen === "") return;
  if (host !== "default" || port !== "default") {
    yield "--listen takes the place of an address: give it, or --host and --port";
  }
  if (tlsCert !== "") {
    yield "nobody speaks TLS on a Unix socket: give --listen, or --tls-cert and --tls-key";
  }
}

/** To listen to the network without a check of publishers is a mistake, or must be meant. */
function* exposureProblems({ open, host }: Config, sources: Sources): Problems {
  const keyed = ["publishKey", "tokenSecret", "tokenJwks", "pusherApp"] as const;
  if (open || isLoopback(host) || keyed.some((key) => sources[key] !== "default")) return;
  yield `anyone who reaches ${host} could publish: set a key with --publish-key KEY, ` +
    "or mean it with --open";
}

/** Refused also where `auto` would be one worker on this machine. */
function* workerProblems({ workers, listen }: Config): Problems {
  if (workers === OPTIONS.workers.default || listen === "") return;
  yield "a Unix socket has one process: give --listen, or --workers";
}

/** Nodes forward only signed requests. */
function* clusterProblems(config: Config): Problems {
  const { redis, advertise, clusterSecret, listen, host, port } = config;
  if (advertise === "") return;
  const own = addressOf(advertise);
  const isHere = ["0.0.0.0", "::", own.hostname].includes(host) ||
    host === "localhost" && isLoopback(own.hostname);
  if (listen === "" && isHere && port === own.port && port !== 0) {
    yield "--advertise is where clients come: give other nodes a port of their own";
  }
  if (redis === "") yield "--advertise is for nodes that share a log: give --redis too";
  if (clusterSecret === "") {
    yield "--advertise needs a secret that all nodes have: give HARK_CLUSTER_SECRET";
  }
}
