/** An answer with all of its body. */
export interface Answer {
  readonly status: number;
  readonly headers: Headers;
  readonly body: string;
}

/** The key with which tests read metrics. */
export const METRICS_KEY = "metrics-of-a-test";

/** Where a server can be reached. */
export abstract class Reachable {
  readonly port: number;
  /** `http://127.0.0.1:<port>` */
  readonly url: string;

  constructor(port: number) {
    this.port = port;
    this.url = `http://127.0.0.1:${port}`;
  }

  /** The URL of a WebSocket. */
  socketUrl(path = "/ws"): string {
    return `ws://127.0.0.1:${this.port}${path}`;
  }

  /** Makes a request and reads all of its answer. */
  async fetch(path: string, init: RequestInit = {}): Promise<Answer> {
    const response = await fetch(this.url + path, init);
    return { status: response.status, headers: response.headers, body: await response.text() };
  }

  /** Publishes to everyone, and throws if that is refused. */
  async broadcast(message: string, query = ""): Promise<void> {
    const { status, body } = await this.fetch(`/broadcast/${encodeURIComponent(message)}${query}`);
    if (status !== 200) throw new Error(`${status}: ${body}`);
  }

  /** Publishes a text, or anything else as JSON, and returns its id; throws if that is refused. */
  async publish(channel: string, data: unknown, key?: string): Promise<string> {
    const isText = typeof data === "string";
    const headers = new Headers({ "content-type": isText ? "text/plain" : "application/json" });
    if (key !== undefined) headers.set("authorization", `Bearer ${key}`);
    const body = isText ? data : JSON.stringify(data);
    const answer = await this.fetch(`/channels/${channel}`, { method: "POST", headers, body });
    if (answer.status !== 200) throw new Error(`${answer.status}: ${answer.body}`);
    return JSON.parse(answer.body).id;
  }

  /** The value of each metric under its name and labels as they are written. */
  async metrics(): Promise<Map<string, number>> {
    const headers = { authorization: `Bearer ${METRICS_KEY}` };
    const { status, body } = await this.fetch("/metrics", { headers });
    if (status !== 200) throw new Error(`${status}: ${body}`);
    const lines = body.split("\n").filter((line) => line !== "" && !line.startsWith("#"));
    return new Map(lines.map((line) => {
      const space = line.lastIndexOf(" ");
      return [line.slice(0, space), Number(line.slice(space + 1))];
    }));
  }
}
