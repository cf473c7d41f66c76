/** Server-sent events, as the server writes them: `data: JSON` lines with an empty line between, and `[DONE]` at the end. */

/** The JSON values of a stream, up to [DONE] or its end. `whole` says at the end whether [DONE] was seen. */
export async function* readEvents(body: AsyncIterable<Uint8Array>): AsyncGenerator<unknown, { whole: boolean }> {
  const decoder = new TextDecoder();
  let rest = "";
  for await (const bytes of body) {
    const lines = (rest + decoder.decode(bytes, { stream: true })).split("\n");
    rest = lines.pop() ?? "";
    for (const line of lines) {
      if (!line.startsWith("data:")) {
        continue;
      }
      const data = line.slice(5).trim();
      if (data === "[DONE]") {
        return { whole: true };
      }
      yield JSON.parse(data);
    }
  }
  return { whole: false };
}
