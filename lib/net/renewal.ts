import { CertificateError } from "../core/errors.ts";
import type { Log } from "../observe/log.ts";

/** What a server reads from files, and can read again while it runs. */
export interface Renewable {
  /** Its name in the log. */
  readonly what: string;
  /** Throws, or rejects with, a `CertificateError` or `SyntaxError`, and keeps the old contents. */
  readonly renew: () => void | Promise<void>;
}

/** Reads everything again, and logs each result. */
export async function renewAll(renewables: readonly Renewable[], log: Log): Promise<void> {
  if (renewables.length === 0) {
    log.info("nothing to read again: there is no certificate, and no file of token keys");
  }
  for (const { what, renew } of renewables) {
    try {
      await renew();
      log.info(`${what} renewed`);
    } catch (error) {
      if (!(error instanceof CertificateError || error instanceof SyntaxError)) throw error;
      log.error(`${what} not renewed`, { why: error.message });
    }
  }
}
