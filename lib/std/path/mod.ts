/**
 * What Hark uses of {@link https://jsr.io/@std/path | @std/path}, for machines that cannot reach
 * JSR: the same names and results, on node's built-ins.
 *
 * @module
 */
export { dirname, join, relative } from "node:path";
export { fileURLToPath as fromFileUrl, pathToFileURL as toFileUrl } from "node:url";
