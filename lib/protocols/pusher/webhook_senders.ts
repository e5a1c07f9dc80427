import type { Cluster } from "../../cluster/cluster.ts";
import type { WebhookEvent } from "./webhook_queue.ts";

/** What a node that stops hands on to another. */
export interface Handover {
  /** Events to send. */
  readonly events: readonly WebhookEvent[];
  /** Events to send unless the channel or member comes back, by channel and user. */
  readonly gone: readonly (readonly [key: string, event: WebhookEvent])[];
}

/**
 * Decides which node sends an app's webhooks: the first by its id of those that have not handed on to
 * another. All nodes agree on it, and another node follows one that is gone.
 */
export class WebhookSenders {
  readonly #cluster: Cluster;
  readonly #question: string;
  readonly #retired = new Set<string>();

  /** `takeOver` is called with what another node hands on; it returns false if this one stops as well. */
  constructor(cluster: Cluster, question: string, takeOver: (handover: Handover) => boolean) {
    this.#cluster = cluster;
    this.#question = question;
    cluster.answer(question, ({ from, to, ...handover }) => {
      this.#retired.add(String(from));
      return to === cluster.node && takeOver(handover as unknown as Handover);
    });
    cluster.onLeft((node) => this.#retired.delete(node));
  }

  /** Reports whether this node sends the webhooks. */
  get isHere(): boolean {
    const { node } = this.#cluster;
    return !this.#retired.has(node) && this.#others().every((id) => node <= id);
  }

  /** Hands on to another node. Resolves to false if all others stop as well. */
  async handOn(handover: Handover): Promise<boolean> {
    for (;;) {
      const [to] = this.#others().sort();
      if (to === undefined) return false;
      const from = this.#cluster.node;
      const { answers } = await this.#cluster.ask(this.#question, { from, to, ...handover });
      this.#retired.add(answers.get(to) === true ? from : to);
      if (answers.get(to) === true) return true;
    }
  }

  #others(): string[] {
    const { node, nodes } = this.#cluster;
    return nodes.map(({ id }) => id).filter((id) => id !== node && !this.#retired.has(id));
  }
}
