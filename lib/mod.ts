/**
 * Hark in a program of your own: a server that pushes messages to browsers over Socket.IO,
 * WebSocket and Server-Sent Events.
 *
 * ```ts ignore
 * import { configure, Server } from "@hark/server";
 *
 * const server = new Server({ config: configure({ port: 8080 }) });
 * const { url } = await server.listen();
 * await fetch(`${url}/broadcast/hello`);
 * await server.stop();
 * ```
 *
 * @module
 */

export type { Bounds } from "./bounds.ts";
export { type Config, ConfigError } from "./config/config.ts";
export { configure } from "./config/configure.ts";
export type { Clock, Timer } from "./core/clock.ts";
export { StoreError } from "./core/errors.ts";
export { ListenError } from "./net/listener.ts";
export type { Log, LogFields, LogLevel, LogLine } from "./observe/log.ts";
export { Server, type ServerOptions } from "./server.ts";
export type {
  ClientCommand,
  PresenceEntry,
  Ref,
  ServerError,
  ServerEvent,
  ServerMessage,
  ServerOk,
  ServerPresence,
  ServerWelcome,
} from "../static/hark.d.ts";
