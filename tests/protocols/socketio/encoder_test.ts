import { assertEquals } from "@std/assert";
import { socketioEncoder } from "../../../lib/protocols/socketio/encoder.ts";
import { Publication } from "../../../lib/core/publication.ts";
import type { Encoder, Frame, Welcome } from "../../../lib/core/encoder.ts";

function publication(event: string, data: string | Uint8Array<ArrayBuffer>): Publication {
  return new Publication({ epoch: "e", offset: 7 }, { channel: "news", event, data }, 0);
}

const BYTES = new Uint8Array([1, 2]);
const PLACEHOLDER = '{"_placeholder":true,"num":0}';

const messages: [string, 4 | 5, string, string | Uint8Array<ArrayBuffer>, Frame][] = [
  ["/", 5, "message", '{"message":"hi"}', '42["message",{"message":"hi"},"e-7"]'],
  ["/", 4, "message", '{"message":"hi"}', '42["message",{"message":"hi"}]'],
  ["/news", 5, "order", "[1,2]", '42/news,["order",[1,2],"e-7"]'],
  ["/news", 4, "order", "[1,2]", '42/news,["order",[1,2]]'],
  ["/", 5, "grüße", '"ü€😀"', '42["grüße","ü€😀","e-7"]'],
  ["/", 4, "grüße", '"ü€😀"', '42["gr\\u00fc\\u00dfe","\\u00fc\\u20ac\\ud83d\\ude00"]'],
  ["/", 5, 'quote"\\\n€', "null", '42["quote\\"\\\\\\n€",null,"e-7"]'],
  ["/", 5, "__proto__", '{"__proto__":1}', '42["__proto__",{"__proto__":1},"e-7"]'],
  ["/", 5, "file", BYTES, [`451-["file",${PLACEHOLDER},"e-7"]`, BYTES]],
  ["/", 4, "file", BYTES, [`451-["file",${PLACEHOLDER}]`, BYTES]],
  ["/news", 4, "fü", BYTES, [`451-/news,["f\\u00fc",${PLACEHOLDER}]`, BYTES]],
];

/** As clients get it that recover, if the protocol has that. */
function encoder(namespace: string, protocol: 4 | 5): Encoder {
  return socketioEncoder(namespace, protocol, protocol === 5);
}

Deno.test("socketioEncoder() sends no id to clients of protocol 5 that cannot use it", () => {
  const plain = socketioEncoder("/", 5, false);
  assertEquals(plain.message(publication("grüße", '"ü"')), '42["grüße","ü"]');
  assertEquals(plain.message(publication("file", BYTES)), [`451-["file",${PLACEHOLDER}]`, BYTES]);
  assertEquals(plain.welcome({ ...WELCOME, since: "d-1", recovered: false }), [
    '42["message",{"message":"grüß dich"}]',
    '42["gap",{"since":"d-1","oldest":"e-3"}]',
  ]);
});

Deno.test("socketioEncoder() makes an event of a publication, with its id for clients that can recover", () => {
  for (const [namespace, protocol, event, data, frame] of messages) {
    assertEquals(encoder(namespace, protocol).message(publication(event, data)), frame);
  }
});

const WELCOME: Welcome = {
  client: "c",
  position: "e-3",
  recovered: undefined,
  since: undefined,
  greeting: "grüß dich",
};
const GREETING = '42["message",{"message":"grüß dich"},"e-3"]';
const GAP = '42["gap",{"since":"d-1","oldest":"e-3"},"e-3"]';

const welcomes: [changed: Partial<Welcome>, frame: Frame][] = [
  [{}, [GREETING]],
  [{ greeting: "" }, []],
  [{ since: "d-1", recovered: true }, []],
  [{ since: "d-1", recovered: false }, [GREETING, GAP]],
  [{ since: "d-1", recovered: false, greeting: "" }, [GAP]],
];

Deno.test("socketioEncoder() greets new clients, and sends a gap to clients that have missed something", () => {
  for (const [changed, frame] of welcomes) {
    assertEquals(socketioEncoder("/", 5, true).welcome({ ...WELCOME, ...changed }), frame);
  }
  assertEquals(socketioEncoder("/news", 4, false).welcome(WELCOME), [
    '42/news,["message",{"message":"gr\\u00fc\\u00df dich"}]',
  ]);
});
