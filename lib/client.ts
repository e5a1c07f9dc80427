/**
 * The client for browsers, Deno and Node, as the server serves it under `/client.js`.
 *
 * @module
 */

// @ts-types="../static/client.d.ts"
export * from "../static/client.js";
