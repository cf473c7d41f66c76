/** A conversation in a document, and edits of its text. Lines and columns count from 0; an `end` is the first line after. */

import type { Message, Options } from "./wire";

/** One message, and where it stands: its heading, and the lines under it that hold its text. */
export interface Turn {
  readonly message: Message;
  readonly heading: number;
  readonly bodyStart: number;
  /** At bodyStart where nothing stands under the heading. */
  readonly bodyEnd: number;
  readonly level: number;
  /** Columns of the heading's own words, which are the message where nothing stands under it. */
  readonly words: readonly [number, number];
}

export interface Section {
  readonly format: "org" | "markdown";
  readonly title: string;
  readonly start: number;
  readonly end: number;
  readonly turns: readonly Turn[];
  /** Options of /train that the section carries itself. */
  readonly options: Options;
  readonly tags: readonly string[];
  /** Why it cannot be taught or asked, with its values; undefined where it can. */
  readonly fault: readonly [string, ...(string | number)[]] | undefined;
  /** What an answer's heading says here, such as ASSISTANT; undefined where the answer stands right under the question. */
  readonly answerWord: string | undefined;
}

/** Replace from one position up to another by a text, whose lines end in "\n". */
export interface Edit {
  readonly from: readonly [line: number, column: number];
  readonly to: readonly [line: number, column: number];
  readonly text: string;
}

const ALIASES: Readonly<Record<string, string>> = {
  system: "system", user: "user", assistant: "assistant", human: "user", prompter: "user", bot: "assistant", ai: "assistant", gpt: "assistant",
  chatgpt: "assistant", model: "assistant", developer: "system", 系统: "system", 用户: "user", 助手: "assistant",
};

/** The server's role that a word means, in any case; undefined if it is none that comes by default. */
export function roleOf(word: string): string | undefined {
  return Object.hasOwn(ALIASES, word.toLowerCase()) ? ALIASES[word.toLowerCase()] : undefined;
}

export function linesOf(text: string): string[] {
  return text.replace(/\r\n/g, "\n").split("\n");
}

export function isAnswer(turn: Turn | undefined): boolean {
  return turn?.message.role === "assistant";
}
