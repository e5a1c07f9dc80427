import { KEY as PUSHER_KEY } from "../support/pusher.ts";
import { Follower, type Kind, SocketFollower } from "./follower.ts";

const PING_MS = 10_000;

class HarkFollower extends SocketFollower {
  override readonly kind = "hark";

  protected override open(port: number): WebSocket {
    const since = this.position === "" ? "" : `?since=${this.position}`;
    return new WebSocket(`ws://127.0.0.1:${port}/ws${since}`, "hark.v1");
  }

  protected override frame(text: string): void {
    for (const event of JSON.parse(text)) {
      if (event.type === "message") this.receive(event.data, event.id);
      if (event.type !== "welcome") continue;
      this.welcome(event.recovered, event.position);
    }
  }
}

class PlainFollower extends SocketFollower {
  override readonly kind = "plain";

  protected override open(port: number): WebSocket {
    return new WebSocket(`ws://127.0.0.1:${port}/ws`);
  }

  protected override frame(text: string): void {
    const data = JSON.parse(text);
    if ("n" in data) this.receive(data);
    else this.welcome();
  }
}

class SocketIoFollower extends SocketFollower {
  override readonly kind: "socketio4" | "socketio2";
  #pinging: ReturnType<typeof setInterval> | undefined;

  constructor(kind: "socketio4" | "socketio2", ...rest: ConstructorParameters<typeof Follower>) {
    super(...rest);
    this.kind = kind;
  }

  protected override open(port: number): WebSocket {
    const version = this.kind === "socketio4" ? 4 : 3;
    const path = `/socket.io/?EIO=${version}&transport=websocket`;
    return new WebSocket(`ws://127.0.0.1:${port}${path}`);
  }

  protected override async follow(port: number): Promise<void> {
    const following = super.follow(port);
    this.#pinging = setInterval(() => this.#ping(), PING_MS);
    await following;
    clearInterval(this.#pinging);
  }

  protected override frame(text: string): void {
    if (text.startsWith("0")) {
      if (this.kind === "socketio4") this.socket!.send("40");
    } else if (text === "2") this.socket!.send("3");
    else if (text.startsWith("40")) this.welcome();
    else if (text.startsWith("42")) {
      const [event, data] = JSON.parse(text.slice(2));
      if (event === "message" && "n" in data) this.receive(data);
    }
  }

  /** In the second version it is the client that pings. */
  #ping(): void {
    if (this.kind === "socketio2" && this.socket!.readyState === WebSocket.OPEN) {
      this.socket!.send("2");
    }
  }
}

/** A client of Socket.IO 4 that shows where it was. */
class RecoveringFollower extends SocketFollower {
  override readonly kind = "recovering";
  #pid = "";

  protected override open(port: number): WebSocket {
    const path = "/socket.io/?EIO=4&transport=websocket&recovery=1";
    return new WebSocket(`ws://127.0.0.1:${port}${path}`);
  }

  protected override frame(text: string): void {
    if (text === "2") return this.socket!.send("3");
    if (text.startsWith("0")) {
      const auth = this.#pid === "" ? {} : { pid: this.#pid, offset: this.position };
      return this.socket!.send(`40${JSON.stringify(auth)}`);
    }
    if (text.startsWith("40")) {
      const { pid } = JSON.parse(text.slice(2));
      if (this.#pid !== "" && this.#pid !== pid) this.unrecovered++;
      this.#pid = pid;
      this.welcome(true, this.position === "" ? pid.split("~")[1] : "");
    } else if (text.startsWith("42")) {
      const [event, data, id] = JSON.parse(text.slice(2));
      if (event === "gap") this.welcome(false, id);
      else if (event === "message" && "n" in data) this.receive(data, id);
    }
  }
}

class SseFollower extends Follower {
  override readonly kind = "sse";
  #reader: ReadableStreamDefaultReader<string> | undefined;

  protected override async follow(port: number): Promise<void> {
    const headers = new Headers(this.position === "" ? {} : { "last-event-id": this.position });
    try {
      const { body } = await fetch(`http://127.0.0.1:${port}/events`, { headers });
      this.#reader = body!.pipeThrough(new TextDecoderStream()).getReader();
      let rest = "";
      for (;;) {
        const { done, value } = await this.#reader.read();
        if (done) break;
        const blocks = (rest + value).split("\n\n");
        rest = blocks.pop()!;
        blocks.forEach((block) => this.#block(block));
      }
    } catch (error) {
      if (!(error instanceof TypeError)) throw error; // The node is gone.
    }
    this.#reader = undefined;
  }

  override disconnect(): void {
    this.#reader?.cancel();
  }

  #block(block: string): void {
    const id = /^id: (.*)$/m.exec(block)?.[1];
    if (id === undefined) return;
    const event = /^event: (.*)$/m.exec(block)?.[1];
    if (event === "message") return this.receive(JSON.parse(/^data: (.*)$/m.exec(block)![1]!), id);
    this.welcome(event !== "gap", id);
  }
}

/** A client of Socket.IO 4 that polls. */
class PollingFollower extends Follower {
  override readonly kind = "polling";
  #url = "";
  #polling = new AbortController();

  protected override async follow(port: number): Promise<void> {
    this.#url = `http://127.0.0.1:${port}/socket.io/?EIO=4&transport=polling`;
    this.#polling = new AbortController();
    try {
      const { sid } = JSON.parse((await this.#request()).slice(1));
      this.#url += `&sid=${sid}`;
      await this.#request("40");
      for (;;) {
        for (const packet of (await this.#request()).split("\x1e")) await this.#packet(packet);
      }
    } catch (error) {
      const { name } = error as Error;
      if (!(error instanceof TypeError) && name !== "AbortError" && name !== "PollEnded") {
        throw error;
      }
    }
  }

  override disconnect(): void {
    this.#polling.abort();
  }

  async #packet(packet: string): Promise<void> {
    if (packet === "1" || packet === "41") throw new PollEnded();
    if (packet === "2") await this.#request("3");
    else if (packet.startsWith("40")) this.welcome();
    else if (packet.startsWith("42")) {
      const [event, data] = JSON.parse(packet.slice(2));
      if (event === "message" && "n" in data) this.receive(data);
    }
  }

  async #request(body?: string): Promise<string> {
    const { signal } = this.#polling;
    const init = body === undefined ? { signal } : { signal, method: "POST", body };
    const response = await fetch(this.#url, init);
    const text = await response.text();
    if (response.status !== 200) throw new PollEnded(text);
    return text;
  }
}

/** The session is over, or the server is about to stop. */
class PollEnded extends Error {
  override readonly name = "PollEnded";
}

class PusherFollower extends SocketFollower {
  override readonly kind = "pusher";

  protected override open(port: number): WebSocket {
    return new WebSocket(`ws://127.0.0.1:${port}/app/${PUSHER_KEY}?protocol=7&client=js`);
  }

  protected override frame(text: string): void {
    const { event, data } = JSON.parse(text);
    if (event === "pusher:connection_established") {
      const data = { channel: "broadcast" };
      this.socket!.send(JSON.stringify({ event: "pusher:subscribe", data }));
    } else if (event === "pusher_internal:subscription_succeeded") this.welcome();
    else if (event === "pusher:ping") this.socket!.send('{"event":"pusher:pong","data":{}}');
    else if (event === "message") {
      const parsed = JSON.parse(data);
      if ("n" in parsed) this.receive(parsed);
    }
  }
}

/** Makes a follower that comes to the nodes by turns, beginning with the `first`. */
export function makeFollower(
  kind: Kind,
  ...rest: ConstructorParameters<typeof Follower>
): Follower {
  switch (kind) {
    case "hark":
      return new HarkFollower(...rest);
    case "sse":
      return new SseFollower(...rest);
    case "recovering":
      return new RecoveringFollower(...rest);
    case "plain":
      return new PlainFollower(...rest);
    case "polling":
      return new PollingFollower(...rest);
    case "pusher":
      return new PusherFollower(...rest);
    default:
      return new SocketIoFollower(kind, ...rest);
  }
}
