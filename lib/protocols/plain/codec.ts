import type { Encoder } from "../../core/encoder.ts";

/**
 * Plain WebSocket: one text frame for each message, its data as JSON, or one binary frame for
 * bytes. The greeting comes first. A resume that is not complete is announced by
 * `{"gap":{"since":"<id>"}}` before what is left.
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
