import { CLI_FUZZERS } from "./cli_fuzzer.ts";
import { CLIENT_FUZZERS } from "./client_fuzzer.ts";
import { configFuzzer } from "./config_fuzzer.ts";
import { CONTENT_FUZZERS } from "./content_fuzzer.ts";
import { ENGINEIO_FUZZERS } from "./engineio_fuzzer.ts";
import { forwardedFuzzer } from "./forwarded_fuzzer.ts";
import type { Fuzzer } from "./fuzzer.ts";
import { HARK_FUZZERS } from "./hark_fuzzer.ts";
import { HTTP_FUZZERS } from "./http_fuzzer.ts";
import { NAMES_FUZZERS } from "./names_fuzzer.ts";
import { PUSHER_FUZZERS } from "./pusher_fuzzer.ts";
import { respFuzzer } from "./resp_fuzzer.ts";
import { socketioFuzzer } from "./socketio_fuzzer.ts";
import { sseFuzzer } from "./sse_fuzzer.ts";
import { storeFuzzer } from "./store_fuzzer.ts";
import { TOKEN_FUZZERS } from "./token_fuzzer.ts";

/** Every fuzzer. */
export const FUZZERS: readonly Fuzzer[] = [
  ...ENGINEIO_FUZZERS,
  socketioFuzzer,
  ...HARK_FUZZERS,
  ...PUSHER_FUZZERS,
  sseFuzzer,
  ...CONTENT_FUZZERS,
  ...NAMES_FUZZERS,
  forwardedFuzzer,
  ...TOKEN_FUZZERS,
  configFuzzer,
  storeFuzzer,
  respFuzzer,
  ...CLI_FUZZERS,
  ...CLIENT_FUZZERS,
  ...HTTP_FUZZERS,
];
