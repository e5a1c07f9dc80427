import type { Broker } from "../../broker/broker.ts";
import type { Publication } from "../../core/publication.ts";

/** The last publication of one of Hark's channels; undefined if nothing is kept of it. */
export async function newestOf(
  broker: Pick<Broker, "history">,
  channel: string,
): Promise<Publication | undefined> {
  const query = { channels: [channel], since: undefined, limit: 1, newestFirst: true };
  return (await broker.history(query)).publications[0];
}
