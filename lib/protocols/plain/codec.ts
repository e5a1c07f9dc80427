import type { Encoder } from "../../core/encoder.ts";

/**
 * Plain WebSocket: one text frame with the data of each message as JSON, or one binary frame with its
 * bytes. The greeting comes first. If a resume is not complete, `{"gap":{"since":"<id>"}}` comes before
 * what is left.
 */
export const plain: Encoder = {
  message: ({ data }) => data,

  welcome({ greeting, recovered, since }) {
    const frames = [];
    if (greeting !== "") frames.push(JSON.stringify({ message: greeting }));
    if (recovered === false) frames.push(JSON.stringify({ gap: { since } }));
    return frames;
  },

  presence: () => undefined,
};
