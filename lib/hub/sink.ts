import type { Sink } from "../broker/broker.ts";
import type { Clock } from "../core/clock.ts";
import type { Position, Publication } from "../core/publication.ts";
import type { Log } from "../observe/log.ts";
import type { Hub } from "./hub.ts";

/** What a `HubSink` needs. */
export interface SinkOptions {
  readonly hub: Hub;
  readonly clock: Clock;
  readonly log: Log;
  /** Gets how long each publication took to be broadcast, in seconds. */
  readonly fanoutSeconds: { observe(seconds: number): void };
  /** Counts the times that publishing works again. */
  readonly reconnects: { inc(): void };
  /** Counts the times that the log does not go on where it was. */
  readonly resets: { inc(): void };
}

/** Hands what a broker delivers to the hub. */
export class HubSink implements Sink {
  readonly #options: SinkOptions;
  #obstacle: string | undefined;
  #hasBegun = false;

  constructor(options: SinkOptions) {
    this.#options = options;
  }

  /** Why nothing can be published now; undefined if it can. */
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
    const { hub, resets } = this.#options;
    if (this.#hasBegun) resets.inc();
    this.#hasBegun = true;
    hub.begin(position);
  }

  health(isUp: boolean, why: string): void {
    const { log, reconnects } = this.#options;
    this.#obstacle = isUp ? undefined : why;
    if (isUp) reconnects.inc();
    if (isUp) log.warn("publishing works again", {}, "journal");
    else log.warn("publishing does not work", { why }, "journal");
  }
}
