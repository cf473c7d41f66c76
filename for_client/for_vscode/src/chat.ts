/** The editor's chat as the server's messages. */

import type { Message, Options } from "./wire";

/** The editor's numbers for who speaks; any other is the system. */
const ROLES: Readonly<Record<number, string>> = { 1: "user", 2: "assistant" };

/** Options of /infer that a caller of the editor's API may give. */
const KNOWN = ["max_tokens", "temperature", "top_p", "top_k", "presence_penalty", "frequency_penalty", "penalty_decay", "stop", "seed"];

/** Texts of the parts, joined; parts that are no text say nothing to a model of text. */
export function textOf(content: readonly unknown[]): string {
  return content.map((part) => (part instanceof Object && "value" in part && typeof part.value === "string" ? part.value : "")).join("");
}

export function messagesOf(given: readonly { role: number; content: readonly unknown[] }[]): Message[] {
  const said = given.map(({ role, content }) => ({ role: ROLES[role] ?? "system", text: textOf(content) }));
  return said.filter((message) => message.text.trim());
}

export function optionsOf(given: Options | undefined): Options {
  return Object.fromEntries(Object.entries(given ?? {}).filter(([name]) => KNOWN.includes(name)));
}
