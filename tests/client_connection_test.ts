import { assertEquals, assertMatch, assertRejects } from "@std/assert";
import { connect, type Hark, HarkError, type Options } from "../lib/client.ts";
import { ClientTimers, close, collect, next, toState } from "./support/client.ts";
import { deadline } from "./support/deadline.ts";

type Script = (peer: Peer) => void;

/** A scripted server: the n-th connection meets `scripts[n]`, later ones the last of them. */
async function withScript(
  scripts: Script[],
  options: Omit<Options, "url">,
  run: (client: Hark, peers: Peer[], timers: ClientTimers) => Promise<void>,
  query = "",
): Promise<void> {
  using timers = new ClientTimers();
  const peers: Peer[] = [];
  const server = Deno.serve({ port: 0, hostname: "localhost", onListen() {} }, (request) => {
    const { socket, response } = Deno.upgradeWebSocket(request, { protocol: "hark.v1" });
    const peer = new Peer(socket, new URL(request.url).searchParams);
    socket.onopen = () => scripts[Math.min(peers.push(peer), scripts.length) - 1]!(peer);
    return response;
  });
  const client = connect({ url: `http://localhost:${server.addr.port}/${query}`, ...options });
  try {
    await run(client, peers, timers);
  } finally {
    await close(client);
    await server.shutdown();
  }
}

/** One connection as the scripted server sees it. */
class Peer {
  readonly query: string;
  readonly commands: Record<string, unknown>[] = [];
  readonly #socket: WebSocket;
  onCommand = (_command: Record<string, unknown>) => {};

  constructor(socket: WebSocket, query: URLSearchParams) {
    this.#socket = socket;
    this.query = String(query);
    socket.onmessage = ({ data }) => {
      const command = JSON.parse(data);
      this.commands.push(command);
      this.onCommand(command);
    };
  }

  send(...events: object[]): void {
    this.sendText(JSON.stringify(events));
  }

  sendText(text: string): void {
    this.#socket.send(text);
  }

  welcome(fields: object = {}): void {
    this.send({ type: "welcome", client: "c", position: "e-0", ...fields });
  }

  message(offset: number): object {
    return {
      type: "message",
      id: `e-${offset}`,
      channel: "ci",
      event: "message",
      data: offset,
      time: 1,
    };
  }

  close(code: number, reason: string): void {
    this.#socket.close(code, reason);
  }
}

Deno.test("the query of the url goes with each connection, and retry() makes one at once", () =>
  withScript(
    [(peer) => peer.close(1011, ""), (peer) => peer.welcome()],
    { channels: ["ci"] },
    async (client, peers) => {
      await toState(client, "waiting");
      client.retry();
      await next(client, "welcome");
      client.retry();
      assertEquals(peers.map(({ query }) => query), ["key=k&channel=ci", "key=k&channel=ci"]);
    },
    "?key=k",
  ));

Deno.test("for await throws when the server stops the connection", () =>
  withScript(
    [(peer) => {
      peer.welcome();
      peer.send(peer.message(1));
      peer.close(4502, "over a limit");
    }],
    {},
    async (client) => {
      const read: unknown[] = [];
      await assertRejects(
        async () => {
          for await (const { data } of client) read.push(data);
        },
        HarkError,
        "over a limit",
      );
      assertEquals(read, [1]);
    },
  ));

Deno.test("for await throws when too many messages wait", () =>
  withScript(
    [(peer) => {
      peer.welcome();
      peer.send(peer.message(1));
      peer.send(...Array.from({ length: 10_001 }, (_, index) => peer.message(index + 2)));
      peer.send(peer.message(20_000));
    }],
    {},
    async (client) => {
      await assertRejects(
        async () => {
          for await (const { data } of client) {
            if (data === 1) await next(client, "message", ({ data }) => data === 20_000);
          }
        },
        RangeError,
        "More than 10000 messages wait",
      );
    },
  ));

Deno.test("a message that comes twice is emitted once", () =>
  withScript(
    [
      (peer) => {
        peer.welcome();
        peer.send(peer.message(1), peer.message(2), peer.message(2));
        peer.close(1001, "going away");
      },
      (peer) => {
        peer.welcome({ position: "e-2" });
        peer.send(peer.message(1), peer.message(2), peer.message(3));
      },
    ],
    {},
    async (client, peers, timers) => {
      const all = collect(client);
      const last = next(client, "message", ({ id }) => id === "e-3");
      await timers.retry(client);
      await last;
      assertEquals(all, [1, 2, 3]);
      assertEquals(peers.map(({ query }) => query), ["", "since=e-2"]);
    },
  ));

for (const code of [1001, 1011, 4001, 4499]) {
  Deno.test(`it comes back after close code ${code}`, () =>
    withScript(
      [
        (peer) => {
          peer.welcome();
          peer.close(code, "see you");
        },
        (peer) => peer.welcome(),
      ],
      { channels: ["ci", "sensor.*"] },
      async (client, peers, timers) => {
        const waiting = await toState(client, "waiting");
        assertEquals({ ...waiting, retryAtMs: typeof waiting.retryAtMs }, {
          state: "waiting",
          code,
          reason: "see you",
          retryAtMs: "number",
        });
        const connected = toState(client, "connected");
        await timers.retry(client);
        await connected;
        assertEquals(peers[1]?.query, "channel=ci&channel=sensor.*&since=e-0");
        assertEquals(client.retryAtMs, undefined);
      },
    ));
}

for (const code of [4500, 4501, 4999]) {
  Deno.test(`it stops at close code ${code}`, () =>
    withScript([(peer) => peer.close(code, "do not come back")], {}, async (client, peers) => {
      const stopped = await toState(client, "stopped");
      assertEquals(stopped.reason, "do not come back");
      await assertRejects(() => client.publish("ci", 1), HarkError, "do not come back");
      await assertRejects(() => client.subscribe("ci"), HarkError, "do not come back");
      assertEquals(peers.length, 1);
    }));
}

Deno.test("a token that expired is replaced by a new one, and the log goes on", () => {
  let tokens = 0;
  return withScript(
    [
      (peer) => {
        peer.welcome();
        peer.send(peer.message(1));
        peer.close(4002, "token expired");
      },
      (peer) => {
        peer.onCommand = ({ ref }) => peer.send({ type: "ok", ref });
        peer.welcome({ position: "e-1" });
      },
    ],
    { token: () => Promise.resolve(`t${++tokens}`) },
    async (client, peers, timers) => {
      const again = next(client, "welcome", ({ position }) => position === "e-1");
      await timers.retry(client);
      await again;
      assertEquals(peers.map(({ query }) => query), ["token=t1", "since=e-1&token=t2"]);
      await client.refresh();
      assertEquals(peers[1]?.commands, [{ type: "refresh", token: "t3", ref: 1 }]);
    },
  );
});

Deno.test("it stops when its only token expired", () =>
  withScript(
    [(peer) => peer.close(4002, "token expired")],
    { token: "t" },
    async (client, peers) => {
      await toState(client, "stopped");
      assertEquals(peers.length, 1);
    },
  ));

Deno.test("when the connection goes, a publish is rejected and a subscribe asked for again", () =>
  withScript(
    [
      (peer) => {
        peer.onCommand = () => {
          if (peer.commands.length === 2) peer.close(1001, "going away");
        };
        peer.welcome();
      },
      (peer) => peer.welcome({ position: "e-0" }),
    ],
    {},
    async (client, peers, timers) => {
      await toState(client, "connected");
      const subscribed = client.subscribe("ci");
      const lost = await assertRejects(() => client.publish("ci", 1), HarkError, "going away");
      assertEquals(lost.code, "lost");
      await timers.retry(client);
      await deadline(subscribed);
      assertEquals(peers[1]?.query, "channel=ci&since=e-0");
      assertEquals(peers[1]?.commands, []);
    },
  ));

Deno.test("a message published before the connection stands waits for it, and goes once", () =>
  withScript(
    [(peer) => {
      peer.onCommand = ({ ref }) => peer.send({ type: "ok", ref, id: "e-1", time: 1 });
      peer.welcome();
    }],
    {},
    async (client, peers) => {
      let inHandler: Promise<unknown> | undefined;
      client.on("welcome", () => inHandler = client.publish("ci", 2));
      assertEquals(await client.publish("ci", 1), { id: "e-1", time: 1 });
      await inHandler;
      assertEquals(peers[0]?.commands.map(({ data }) => data), [1, 2]);
    },
  ));

Deno.test("malformed JSON ends the connection, and the client reconnects", () =>
  withScript(
    [
      (peer) => {
        peer.welcome();
        peer.sendText("{");
      },
      (peer) => peer.welcome(),
    ],
    {},
    async (client, peers, timers) => {
      assertMatch((await toState(client, "waiting")).reason, /SyntaxError/);
      const connected = toState(client, "connected");
      await timers.retry(client);
      await connected;
      assertEquals(peers.length, 2);
    },
  ));
