import { HARK_V1 } from "../../lib/protocols/hark/codec.ts";
import { RawConnection } from "./raw.ts";

/** A reconnect storm: who comes back, and to how much. */
export interface Storm {
  readonly port: number;
  readonly clients: number;
  readonly messages: number;
  /** Where they come back, if not where they were. */
  readonly resumePort?: number;
  /** Called when all is published, before they come back. */
  readonly onCut?: () => Promise<void>;
}

interface HarkEvent {
  readonly type: string;
  readonly position?: string;
  readonly recovered?: boolean;
  readonly data?: unknown;
}

const HEADERS = [`Sec-WebSocket-Protocol: ${HARK_V1}`];
const AT_A_TIME = 50;

/**
 * Connects all clients, cuts them without a word, publishes the messages and lets them all come back
 * at once. Returns what each got after its return: whether it was recovered, then the data in order;
 * and how long it took until the last had everything.
 */
export async function reconnectStorm(
  { port, clients, messages, resumePort = port, onCut = () => Promise.resolve() }: Storm,
): Promise<{ got: unknown[][]; ms: number }> {
  const positions: string[] = [];
  for (let from = 0; from < clients; from += AT_A_TIME) {
    const group = Array.from({ length: Math.min(AT_A_TIME, clients - from) }, () => join(port));
    positions.push(...await Promise.all(group));
  }
  await publish(port, messages);
  await onCut();
  const startedAt = performance.now();
  const got = await Promise.all(
    positions.map((position) => resume(resumePort, position, messages)),
  );
  return { got, ms: performance.now() - startedAt };
}

/** Connects, and leaves with no word; returns the position to resume from. */
async function join(port: number): Promise<string> {
  using connection = await RawConnection.open(port);
  await connection.handshake("/ws?channel=storm", HEADERS);
  const [welcome] = await events(connection);
  return welcome!.position!;
}

async function publish(port: number, messages: number): Promise<void> {
  const body = Array.from({ length: messages }, (_, index) => index).join("\n");
  const headers = { "content-type": "application/x-ndjson" };
  const url = `http://127.0.0.1:${port}/channels/storm`;
  const response = await fetch(url, { method: "POST", headers, body });
  if (!response.ok) throw new Error(await response.text());
  await response.body?.cancel();
}

async function resume(port: number, position: string, messages: number): Promise<unknown[]> {
  using connection = await RawConnection.open(port);
  await connection.handshake(`/ws?channel=storm&since=${position}`, HEADERS);
  const [welcome, ...rest] = await events(connection);
  const got: unknown[] = [welcome!.recovered, ...rest.map(({ data }) => data)];
  while (got.length <= messages) got.push(...(await events(connection)).map(({ data }) => data));
  return got;
}

async function events(connection: RawConnection): Promise<HarkEvent[]> {
  return JSON.parse(await connection.text());
}
