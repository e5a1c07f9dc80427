import denoJson from "../deno.json" with { type: "json" };

/** The version of this server. */
export const VERSION: string = denoJson.version;
