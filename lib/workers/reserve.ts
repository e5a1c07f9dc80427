import type { Config } from "../config/config.ts";
import { addressOf } from "../core/node_url.ts";
import { addressText, ListenError } from "../net/listener.ts";
import { type ListenAddress, type Listening, listenOnAll } from "../net/loopback.ts";

/**
 * Finds the port on which processes will listen together, and checks that no other program does: two
 * programs that reuse a port would share its clients unnoticed. Rejects with a `ListenError`.
 */
export async function reservePort(config: Config): Promise<number> {
  const { host: hostname, port, tlsCert, tlsKey } = config;
  try {
    if (tlsCert !== "") (await import("../net/tls.ts")).readCredentials(tlsCert, tlsKey);
    const listening = await listenOnAll({ hostname, port }, openPlain, () => {});
    for (const { close } of listening) await close();
    return listening[0].port;
  } catch (error) {
    throw new ListenError(addressText(config), error as Error);
  }
}

/** The same for the URL at which other nodes reach these processes. Throws a `ListenError`. */
export function reserveAdvertised({ advertise }: Config): string {
  const url = new URL(advertise);
  try {
    const { port, close } = openPlain(addressOf(advertise));
    close();
    url.port = String(port);
  } catch (error) {
    throw new ListenError(advertise, error as Error);
  }
  return url.origin;
}

function openPlain(address: ListenAddress): Listening {
  const listener = Deno.listen(address);
  return { port: listener.addr.port, close: () => listener.close() };
}
