/** Markdown, read as conversations. A heading that is a role ("## User", "## Assistant") opens a message; any other heading opens
 * a section and is its title. A section without roles is a question with its answer: the heading asks, the text under it answers.
 */

import { linesOf, roleOf, type Section, type Turn } from "./section";

const HEADING = /^(#{1,6})[ \t]+(.*?)(?:[ \t]+#+)?[ \t]*$/;
const FENCE = /^ {0,3}(`{3,}|~{3,})/;

interface Heading {
  readonly line: number;
  readonly level: number;
  readonly words: string;
  readonly column: number;
  readonly role: string | undefined;
}

export function readMarkdown(text: string): Section[] {
  const lines = linesOf(text);
  const headings = readHeadings(lines);
  const sections: Section[] = [];
  for (let index = 0; index < headings.length; ) {
    const first = headings[index] as Heading;
    let next = index + 1;
    while (headings[next]?.role !== undefined) {
      next += 1;
    }
    const end = headings[next]?.line ?? lines.length;
    const said = headings.slice(first.role ? index : index + 1, next);
    sections.push(said.length > 0 ? conversation(lines, first, said, end) : pair(lines, first, end));
    index = next;
  }
  return sections;
}

function conversation(lines: readonly string[], first: Heading, said: readonly Heading[], end: number): Section {
  const turns = said.map((heading, index) => turn(lines, heading, said[index + 1]?.line ?? end));
  const silent = turns.find((each) => !each.message.text);
  const stray = first.role ? undefined : body(lines, first.line + 1, said[0]?.line ?? end);
  let fault: Section["fault"];
  if (stray && stray.end > stray.start) {
    fault = ["the text under “{0}” has no role: a title has none", first.words];
  } else if (silent) {
    fault = ["the message in line {0} is empty", silent.heading + 1];
  }
  const word = said.find((heading) => heading.role === "assistant")?.words ?? "Assistant";
  return { format: "markdown", title: first.words, start: first.line, end, turns, options: {}, tags: [], fault, answerWord: word };
}

/** A question as heading, and its answer, if there is one yet. */
function pair(lines: readonly string[], heading: Heading, end: number): Section {
  const { start, end: bodyEnd } = body(lines, heading.line + 1, end);
  const words: Turn["words"] = [heading.column, heading.column + heading.words.length];
  const place = { heading: heading.line, level: heading.level, words };
  const asked: Turn = { ...place, message: { role: "user", text: heading.words }, bodyStart: heading.line + 1, bodyEnd: heading.line + 1 };
  const answer = textOf(lines, start, bodyEnd);
  const answered: Turn[] = answer ? [{ ...place, message: { role: "assistant", text: answer }, bodyStart: start, bodyEnd }] : [];
  return {
    format: "markdown", title: heading.words, start: heading.line, end, turns: [asked, ...answered], options: {}, tags: [],
    fault: heading.words ? undefined : ["the message in line {0} is empty", heading.line + 1], answerWord: undefined,
  };
}

function turn(lines: readonly string[], heading: Heading, next: number): Turn {
  const { start, end } = body(lines, heading.line + 1, next);
  return {
    message: { role: heading.role ?? "", text: textOf(lines, start, end) },
    heading: heading.line, bodyStart: start, bodyEnd: end, level: heading.level,
    words: [heading.column + heading.words.length, heading.column + heading.words.length],
  };
}

function readHeadings(lines: readonly string[]): Heading[] {
  const headings: Heading[] = [];
  let fence: string | undefined;
  for (const [line, text] of lines.entries()) {
    const mark = FENCE.exec(text)?.[1];
    if (mark && (!fence || (mark.startsWith(fence) && !text.trim().slice(mark.length)))) {
      fence = fence ? undefined : mark;
    }
    const found = fence ? null : HEADING.exec(text);
    if (found) {
      const [, marks = "", words = ""] = found;
      headings.push({ line, level: marks.length, words, column: words ? text.indexOf(words, marks.length) : text.length, role: roleOf(words.replace(/[:：]$/, "")) });
    }
  }
  return headings;
}

function body(lines: readonly string[], from: number, to: number): { start: number; end: number } {
  let [start, end] = [from, to];
  while (end > start && !lines[end - 1]?.trim()) {
    end -= 1;
  }
  while (start < end && !lines[start]?.trim()) {
    start += 1;
  }
  return { start: end > start ? start : from, end: Math.max(end, from) };
}

function textOf(lines: readonly string[], start: number, end: number): string {
  return unescapeHeadings(lines.slice(start, end).join("\n")).trimEnd();
}

/** A line of a message that would be a heading here has a backslash before it, inside fences too. */
export function escapeHeadings(text: string): string {
  return text.replace(/^(\\*#)/gm, "\\$1");
}

export function unescapeHeadings(text: string): string {
  return text.replace(/^\\(\\*#)/gm, "$1");
}
