import type { Draft } from "../core/publication.ts";
import { parseTraceparent } from "../core/traceparent.ts";

/** The optional fields of a draft; journals keep them beside the others. */
export type DraftFields = Pick<Draft, "isText" | "except" | "traceparent">;

/** The optional fields that a draft or publication has. */
export function draftFieldsOf({ isText, except, traceparent }: DraftFields): DraftFields {
  return {
    ...(isText === undefined ? {} : { isText }),
    ...(except === undefined ? {} : { except }),
    ...(traceparent === undefined ? {} : { traceparent }),
  };
}

/** Reads them from what a journal kept; one that is not as expected is ignored. */
export function readDraftFields(fields: Readonly<Record<string, unknown>>): DraftFields {
  const { isText, except, traceparent } = fields;
  return draftFieldsOf({
    isText: isText === true ? true : undefined,
    except: typeof except === "string" ? except : undefined,
    traceparent: typeof traceparent === "string" ? parseTraceparent(traceparent) : undefined,
  });
}
