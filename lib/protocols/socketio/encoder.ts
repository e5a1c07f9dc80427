import { MESSAGE } from "../../core/publication.ts";
import type { Encoder, Frame } from "../../core/encoder.ts";
import { prefixOf, toEngineText } from "./codec.ts";

const EVENT = "2";
/** An event with one attachment. */
const BINARY_EVENT = "51-";
const PLACEHOLDER = '{"_placeholder":true,"num":0}';

/**
 * Publications as Socket.IO events of one namespace, for one protocol: text packets of Engine.IO,
 * with the bytes that belong to them. `withIds` adds the id as one more argument at the end, for
 * clients that recover by it.
 */
export function socketioEncoder(namespace: string, protocol: 4 | 5, withIds: boolean): Encoder {
  const prefix = prefixOf(namespace);
  const encode = (type: string, event: string, json: string, id: string): string => {
    const offset = withIds ? `,${JSON.stringify(id)}` : "";
    return toEngineText(`${type}${prefix}[${JSON.stringify(event)},${json}${offset}]`, protocol);
  };

  return {
    message({ id, event, data }): Frame {
      if (typeof data === "string") return encode(EVENT, event, data, id);
      return [encode(BINARY_EVENT, event, PLACEHOLDER, id), data];
    },

    welcome({ greeting, recovered, since, position }): Frame {
      const frames = [];
      if (recovered !== true && greeting !== "") {
        frames.push(encode(EVENT, MESSAGE, JSON.stringify({ message: greeting }), position));
      }
      if (recovered !== false) return frames;
      const gap = JSON.stringify({ since, oldest: position });
      return [...frames, encode(EVENT, "gap", gap, position)];
    },

    presence: () => undefined,
  };
}
