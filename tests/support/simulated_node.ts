import type { Broker } from "../../lib/broker/broker.ts";
import type { Position, Publication } from "../../lib/core/publication.ts";
import { Hub, type HubOptions } from "../../lib/hub/hub.ts";
import type { FakeClock } from "./fake_clock.ts";
import { Sum } from "./node.ts";
import type { Link } from "./simulated_client.ts";

/** What a node of a simulation is made with. */
export interface SimulatedNodeOptions
  extends Pick<HubOptions, "outboundBytesMax" | "deliveries" | "onLeave" | "onError"> {
  readonly clock: FakeClock;
  /** Where the log ends. */
  readonly position: Position;
  readonly history: Broker["history"];
}

/** One process: its hub, and what the broker delivered to it that it has not broadcast yet. */
export class SimulatedNode {
  readonly hub: Hub;
  readonly #delivered: Publication[] = [];

  constructor({ position, history, ...options }: SimulatedNodeOptions) {
    this.hub = new Hub({
      broker: {
        history,
        // What the log does not have now, it never will.
        reached: () => Promise.resolve(false),
        isUp: true,
      },
      greeting: "",
      channelsPerSessionMax: 10_000,
      channelsMax: 10_000,
      isShared: () => true,
      deliveredBytes: new Sum(),
      onOpen: () => {},
      ...options,
    });
    this.hub.begin(position);
  }

  get isCaughtUp(): boolean {
    return this.#delivered.length === 0;
  }

  deliver(publication: Publication): void {
    this.#delivered.push(publication);
  }

  /** Broadcasts the next `count` of what was delivered, and lets the links on it know. */
  catchUp(count: number, links: readonly Link[]): void {
    for (const publication of this.#delivered.splice(0, count)) {
      for (const link of links) {
        if (link.hub !== this.hub || link.ended !== undefined) continue;
        link.observe();
        link.oracle.broadcast(link.names, publication);
      }
      this.hub.broadcast(publication);
    }
  }
}
