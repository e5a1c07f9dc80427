import { eventually } from "../support/deadline.ts";
import { Proxy } from "../support/proxy.ts";
import { RedisServer } from "../support/redis.ts";
import { NO_SENTINEL, Sentinel } from "../support/sentinel.ts";
import { type Drill, drill, EVERYBODY, untilUp } from "./drill.ts";
import { pause } from "./publishers.ts";

/** The primary freezes while its replica lags behind, the replica takes over, the primary returns. */
export const failover: Drill = {
  name: "failover",
  what: "Sentinel promotes a replica that lags, and the old primary returns",
  isMissing: NO_SENTINEL,
  async run(size) {
    await using closing = new AsyncDisposableStack();
    let sentinel: Sentinel;
    let replica: RedisServer;
    let way: Proxy;
    return await drill({
      cluster: {
        nodes: 2,
        async urlOf(primary) {
          way = closing.use(new Proxy(primary.port));
          const config = { replicaof: `127.0.0.1 ${way.port}` };
          replica = closing.use(await RedisServer.start({ config }));
          await eventually(
            () => replica.cli("INFO", "replication"),
            (text) => text.includes("master_link_status:up"),
          );
          sentinel = closing.use(await Sentinel.start(primary));
          await eventually(
            () => sentinel.cli("SENTINEL", "REPLICAS", "main"),
            (text) => text.includes(String(replica.port)),
          );
          return `redis+sentinel://127.0.0.1:${sentinel.port}/main`;
        },
      },
      followers: EVERYBODY,
      async meanwhile({ cluster: { redis: primary, ports } }) {
        await pause(300);
        // What is written from now on does not come to the replica.
        way.isMute = true;
        await pause(size === "full" ? 5000 : 500);
        primary.signal("SIGSTOP");
        way.cut();
        await eventually(() => sentinel.primaryPort(), (port) => port === replica.port);
        await untilUp(ports);
        primary.signal("SIGCONT");
        await pause(size === "full" ? 10_000 : 1500);
      },
    });
  },
};
