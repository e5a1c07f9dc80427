/**
 * A client in a thread of its own that asks for /count again and again: a message with a URL begins
 * anew, any other is answered with the longest that one answer has taken since, in milliseconds.
 */
const scope = globalThis as unknown as {
  onmessage: (event: MessageEvent<string>) => void;
  postMessage: (longestMs: number) => void;
};

let url = "";
let longestMs = 0;
let isBusy = false;

async function ask(): Promise<void> {
  isBusy = true;
  while (url !== "") {
    const startedAt = performance.now();
    await (await fetch(url)).text();
    longestMs = Math.max(longestMs, performance.now() - startedAt);
  }
  isBusy = false;
  scope.postMessage(longestMs);
}

scope.onmessage = ({ data }) => {
  url = data;
  if (isBusy || url === "") return;
  longestMs = 0;
  void ask();
};
