import { MESSAGE } from "../../core/publication.ts";
import type { Encoder, Frame } from "../../core/encoder.ts";
import { encodeBinaryEvent, encodeEventText, escapeNonAscii } from "./codec.ts";

/** What stands before each Socket.IO packet in a text packet of Engine.IO. */
export const MESSAGE_DIGIT = "4";

/**
 * Publications as Socket.IO events of one namespace, for one protocol: text packets of Engine.IO,
 * with the bytes that belong to them. `withIds` adds the id as one more argument at the end, for
 * clients that recover by it.
 */
export function socketioEncoder(namespace: string, protocol: 4 | 5, withIds: boolean): Encoder {
  // Clients of protocol 4 cannot all read anything but ASCII.
  const finish = (text: string) => MESSAGE_DIGIT + (protocol === 4 ? escapeNonAscii(text) : text);
  const event = (name: string, json: string, id: string): string =>
    finish(encodeEventText(namespace, name, json, ...offsetArgument(id)));
  const offsetArgument = (id: string) => withIds ? [JSON.stringify(id)] : [];

  return {
    message({ id, event: name, data }): Frame {
      if (typeof data === "string") return event(name, data, id);
      const packet = encodeBinaryEvent(namespace, name, data, ...offsetArgument(id));
      return [finish(packet.text), ...packet.attachments];
    },

    welcome({ greeting, recovered, since, position }): Frame {
      const frames = [];
      if (recovered !== true && greeting !== "") {
        frames.push(event(MESSAGE, JSON.stringify({ message: greeting }), position));
      }
      if (recovered !== false) return frames;
      const gap = JSON.stringify({ since, oldest: position });
      return [...frames, event("gap", gap, position)];
    },

    presence: () => undefined,
  };
}
