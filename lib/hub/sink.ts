import type { Sink } from "../broker/broker.ts";
import type { Clock } from "../core/clock.ts";
import type { Position, Publication } from "../core/publication.ts";
import type { Log } from "../observe/log.ts";
import type { Hub } from "./hub.ts";

/** The parts of a `HubSink`. */
export interface SinkOptions {
  readonly hub: Hub;
  readonly clock: Clock;
  readonly log: Log;
  /** Gets how long each publication took to be broadcast, in seconds. */
  readonly fanoutSeconds: { observe(seconds: number): void };
}

/** Hands the publications of a broker to the hub, and logs its health. */
export class HubSink implements Sink {
  readonly #options: SinkOptions;
  #obstacle: string | undefined;

  constructor(options: SinkOptions) {
    this.#options = options;
  }

  /** Why publishing does not work now; undefined if it works. */
  get obstacle(): string | undefined {
    return this.#obstacle;
  }

  deliver(publication: Publication): void {
    const { hub, clock, fanoutSeconds } = this.#options;
    const startedAt = clock.monotonic();
    hub.broadcast(publication);
    fanoutSeconds.observe((clock.monotonic() - startedAt) / 1000);
  }

  reset(position: Position): void {
    this.#options.hub.begin(position);
  }

  health(isUp: boolean, why: string): void {
    const { log } = this.#options;
    this.#obstacle = isUp ? undefined : why;
    if (isUp) log.warn("publishing works again", {}, "journal");
    else log.warn("publishing does not work", { why }, "journal");
  }
}
