// deno-lint-ignore-file no-console -- a program of its own

/**
 * Engine.IO and Socket.IO with the behaviour that the protocols' public test suites expect:
 *
 *     deno run --allow-net tests/interop/conformance_server.ts --port 3000
 *
 * `/engine.io/` echoes what it is sent, text and bytes, in Engine.IO 3 and 4. `/socket.io/` has the
 * namespaces `/` and `/custom`: each socket is sent its `auth`, and `/` echoes `message` and
 * `message-with-ack`. The time-outs are short, so that a suite can wait for them.
 */

import { systemClock } from "../../lib/core/clock.ts";
import type { Disconnect } from "../../lib/core/errors.ts";
import { Connection } from "../../lib/hub/connections.ts";
import { Gauge } from "../../lib/observe/metrics.ts";
import { BodyReader } from "../../lib/http/body.ts";
import { SocketServer } from "../../lib/protocols/socketio/server.ts";
import type { ServerSocket } from "../../lib/protocols/socketio/socket.ts";
import type { EngineSession } from "../../lib/protocols/engineio/session.ts";
import { POLLING_BYTES_MAX } from "../../lib/protocols/engineio/posts.ts";
import { EngineServer, type EngineServerOptions } from "../../lib/protocols/engineio/server.ts";
import { withCors } from "../support/engineio.ts";
import { acknowledge, emit, listen } from "../support/socketio.ts";
import { Handshakes } from "../../lib/protocols/websocket/socket.ts";

const GREETING_MS = 20;

/** A running conformance server. */
export interface ConformanceServer {
  readonly port: number;
  close(): Promise<void>;
}

/** How often the server pings, and how long it waits for the answer. */
export interface Pings {
  readonly pingIntervalMs: number;
  readonly pingTimeoutMs: number;
}

/** What the suites expect. */
const PINGS: Pings = { pingIntervalMs: 300, pingTimeoutMs: 200 };

/**
 * Starts a conformance server on `port`, or on any free one if that is 0; `pings` is for tests of
 * other things, which are not to fail where a machine is busy.
 */
export function serveConformance(port: number, pings: Partial<Pings> = {}): ConformanceServer {
  const io = new SocketServer({
    clock: systemClock,
    connectTimeoutMs: 1000,
    namespacesMax: 10,
    attachmentBytesMax: 1_000_000,
    jsonCharsMax: 1_000_000,
    accepts: (namespace) => namespace === "/" || namespace === "/custom",
    admit: greet,
    onError: (error) => console.error(error),
    onRefused: () => {},
  });

  const bodies = new BodyReader({ clock: systemClock, bytesMax: 64_000_000, timeoutMs: 30_000 });
  const readBody = (request: Request) => bodies.read(request, POLLING_BYTES_MAX);
  const limits = { ...PINGS, ...pings, readBody };
  const engines = new Map([
    ["/engine.io/", engineServer(echo, limits)],
    ["/socket.io/", engineServer((session) => io.attach(session), limits)],
  ]);
  const http = Deno.serve({ port, hostname: "0.0.0.0", onListen: () => {} }, (request, info) => {
    const { pathname, searchParams } = new URL(request.url);
    const engine = engines.get(pathname.endsWith("/") ? pathname : `${pathname}/`);
    const address = info.remoteAddr.hostname;
    return engine?.handle({ request, query: searchParams, address })
      .then((response) => withCors(request, response)) ?? new Response(null, { status: 404 });
  });
  return {
    port: http.addr.port,
    async close() {
      for (const engine of engines.values()) engine.close();
      bodies.close();
      await http.shutdown();
    },
  };
}

function engineServer(
  onConnection: (session: EngineSession) => void,
  limits: Pings & Pick<EngineServerOptions, "readBody">,
): EngineServer {
  return new EngineServer({
    sidPrefix: "",
    clock: systemClock,
    ...limits,
    upgradeTimeoutMs: 10_000,
    pollingBytesMax: POLLING_BYTES_MAX,
    outboundBytesMax: 10_000_000,
    inboundPerSecondMax: 10_000,
    handshakes: new Handshakes(systemClock, 10_000, () => {}),
    newcomersMax: 1000,
    isShared: () => true,
    admit: (address) => {
      return Promise.resolve(new Connection(address, () => {}, { closing: new Gauge(""), fault }));
    },
    onConnection,
  });
}

function fault(_reason: Disconnect, _address: string, error: unknown): void {
  if (error !== undefined) console.error(error);
}

function echo(session: EngineSession): void {
  session.events = {
    onMessage: (data) => session.write(typeof data === "string" ? `4${data}` : data),
    onClose: () => {},
  };
}

// Some suites look for one frame at a time, and miss the second of two that come as one.
function greet(socket: ServerSocket): void {
  const { auth } = socket.request;
  const timer = systemClock.after(GREETING_MS, () => emit(socket, "auth", auth));
  socket.onDisconnect(() => timer.cancel());
  if (socket.namespace !== "/") return;
  listen(socket, {
    message: (args) => emit(socket, "message-back", ...args),
    "message-with-ack": (args, id) => acknowledge(socket, id!, ...args),
  });
}

if (import.meta.main) {
  const [flag, port] = Deno.args;
  if (flag !== "--port" || !/^\d+$/.test(port ?? "")) {
    console.error("Usage: conformance_server.ts --port N");
    Deno.exit(2);
  }
  console.log(`listening on http://localhost:${serveConformance(Number(port)).port}`);
}
