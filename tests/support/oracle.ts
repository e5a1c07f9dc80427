import { covers } from "../../lib/core/channel.ts";
import type { HistoryPage } from "../../lib/core/engine.ts";
import type { Publication } from "../../lib/core/publication.ts";

/** A replay that a session asked for. */
export interface Replay {
  readonly names: readonly string[];
  /** After which offset of this log it begins. */
  readonly from: number;
}

/** What one session is to get, in order, said without any of the machinery that brings it there. */
export class Oracle {
  readonly due: { readonly id: string; readonly liveOffset: number }[] = [];
  /** After which offset the session gets all of each of its subscriptions. */
  readonly starts = new Map<string, number>();
  /** How far the client has been on any node. */
  #ahead = 0;
  /** Replays of which nothing has been read yet. */
  readonly #asked = new Set<Replay>();
  /** What the session had already when a replay began. */
  readonly #before = new Map<Replay, ReadonlyMap<string, number>>();

  ask(replay: Replay): void {
    this.#asked.add(replay);
  }

  /** Takes note of what the session is subscribed to, on a node that has come to `offset`. */
  observe(names: ReadonlySet<string>, offset: number): void {
    for (const name of this.starts.keys()) if (!names.has(name)) this.starts.delete(name);
    const asked = [...this.#asked].flatMap((replay) => replay.names);
    for (const name of names) {
      if (!this.starts.has(name) && !asked.includes(name)) this.starts.set(name, Math.max(offset, this.#ahead));
    }
  }

  /** A publication is broadcast while the session is subscribed to `names`. */
  broadcast(names: ReadonlySet<string>, publication: Publication): void {
    const asked = [...this.#asked].flatMap(({ names, from }) =>
      names.map((name) => ({ name, from }))
    );
    const starts = new Map(
      asked.filter(({ name }) => names.has(name)).map((a) => [a.name, a.from]),
    );
    for (const [name, start] of this.starts) starts.set(name, start);
    if (!takesIn(starts, publication)) return;
    this.due.push({ id: publication.id, liveOffset: publication.offset });
  }

  /** A page of a replay is read, of a session that had all its channels up to `until` then. */
  read(replay: Replay, page: HistoryPage, until: number): void {
    if (this.#asked.delete(replay)) {
      this.#before.set(replay, new Map(this.starts));
      this.#ahead = Math.max(this.#ahead, replay.from);
      for (const name of replay.names) {
        this.starts.set(name, Math.min(this.starts.get(name) ?? replay.from, replay.from));
      }
    }
    const missed = page.publications.filter((publication) =>
      !takesIn(this.#before.get(replay)!, publication)
    );
    const next = this.due.findIndex(({ liveOffset }) => liveOffset > until);
    const at = next === -1 ? this.due.length : next;
    this.due.splice(at, 0, ...missed.map(({ id }) => ({ id, liveOffset: 0 })));
  }
}

/** Whether a publication is of one of the subscriptions, and after its start. */
export function takesIn(starts: ReadonlyMap<string, number>, publication: Publication): boolean {
  return [...starts].some(([name, start]) =>
    covers(name, publication.channel) && publication.offset > start
  );
}
