/**
 * What Hark uses of {@link https://jsr.io/@std/http | @std/http}, for machines that cannot reach
 * JSR.
 *
 * @module
 */
export * from "./file_server.ts";
