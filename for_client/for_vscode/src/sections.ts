/** What is asked, taught or corrected at a place of a document, and the edits that write an answer there. Nothing here knows the editor. */

import { Trouble } from "./errors";
import { escapeHeadings, readMarkdown } from "./markdown";
import { quote, readOrg } from "./org";
import { isAnswer, type Edit, type Section, type Turn } from "./section";
import type { Message } from "./wire";
import type { Teaching } from "./client";

/** The conversations of a document; of a language that has none, an empty list. */
export function readSections(text: string, language: string): Section[] {
  return language === "org" ? readOrg(text) : language === "markdown" ? readMarkdown(text) : [];
}

/** The conversation around a line. */
export function sectionAt(text: string, language: string, line: number): Section {
  const found = readSections(text, language).find((section) => section.start <= line && line < section.end);
  if (!found) {
    throw new Trouble("Select a text, or put the cursor into a section of an org or Markdown file.");
  }
  return checked(found);
}

/** The lessons of a selected text: its conversations, or, where it has none, the text itself. */
export function selectedLessons(text: string, language: string): Teaching[] {
  const sections = readSections(text, language).filter((section) => section.turns.some(isAnswer));
  return sections.length > 0 ? sections.map((section) => lessonOf(checked(section))) : [{ text: text.trim() }];
}

export function lessonOf(section: Section): Teaching {
  const verb = section.tags.find((tag) => tag === "skip" || tag === "benchmark");
  if (verb) {
    throw new Trouble("“{0}” is tagged :{1}:, which says not to teach it.", section.title, verb);
  }
  const said = section.turns.map((turn) => turn.message);
  if (section.options.train_on !== "all" && !section.turns.some(isAnswer)) {
    throw new Trouble("“{0}” has no answer to learn.", section.title);
  }
  return { messages: said, options: section.options };
}

export interface Question {
  readonly messages: readonly Message[];
  /** The last message that is asked. */
  readonly asked: Turn;
  /** The answer that is there already. */
  readonly answer: Turn | undefined;
}

/** The last question at or before a line, with all that was said before it. */
export function questionAt(section: Section, line: number): Question {
  const before = section.turns.findLastIndex((turn) => turn.heading <= line && !isAnswer(turn));
  const index = before >= 0 ? before : section.turns.findIndex((turn) => !isAnswer(turn));
  const asked = section.turns[index];
  if (!asked) {
    throw new Trouble("“{0}” has no question.", section.title);
  }
  const next = section.turns[index + 1];
  return { messages: bare(section.turns.slice(0, index + 1)), asked, answer: isAnswer(next) ? next : undefined };
}

export interface Answered {
  readonly messages: readonly Message[];
  readonly answer: Turn;
}

/** The answer at a line, or else the one to the question there, with all that was said before it. */
export function answerAt(section: Section, line: number): Answered {
  const index = section.turns.findLastIndex((turn) => turn.heading <= line);
  const here = isAnswer(section.turns[index]) ? index : section.turns.findIndex((turn, at) => at > index && isAnswer(turn));
  const answer = section.turns[here];
  if (!answer) {
    throw new Trouble("“{0}” has no answer to correct.", section.title);
  }
  return { messages: bare(section.turns.slice(0, here)), answer };
}

/** Where an answer said before is now: the conversation may have moved. Undefined if it is there no more. */
export function findAnswer(text: string, language: string, { messages, answer }: Answered): { section: Section; answer: Turn } | undefined {
  for (const section of readSections(text, language)) {
    const found = section.turns.find((turn, index) =>
      isAnswer(turn) && turn.message.text === answer.message.text
      && JSON.stringify(bare(section.turns.slice(0, index))) === JSON.stringify(messages));
    if (found) {
      return { section, answer: found };
    }
  }
  return undefined;
}

/** The edit that opens a place for the answer to a question; the answer is then written at its end. */
export function openAnswer(section: Section, { asked, answer }: Question, lines: readonly string[]): Edit {
  if (answer) {
    return replaceAnswer(section, answer, "", lines);
  }
  const last = Math.max(asked.heading, asked.bodyEnd - 1);
  const column = (lines[last] ?? "").length;
  const level = section.format === "org" ? Math.max(2, asked.level) : asked.level;
  const mark = (section.format === "org" ? "*" : "#").repeat(level);
  const blank = section.format === "org" ? "" : "\n";
  const heading = section.answerWord === undefined ? "\n\n" : `\n${blank}${mark} ${section.answerWord}\n${blank}`;
  return { from: [last, column], to: [last, column], text: heading };
}

/** The edit that puts another text in an answer's place. Its heading stays, with its priority and tags. */
export function replaceAnswer(section: Section, answer: Turn, text: string, lines: readonly string[]): Edit {
  const line = (number: number): string => lines[number] ?? "";
  const written = writtenAs(section.format, text);
  if (answer.bodyEnd > answer.bodyStart) {
    const last = answer.bodyEnd - 1;
    return { from: [answer.bodyStart, 0], to: [last, line(last).length], text: written };
  }
  const [from, to] = answer.words;
  if (section.format === "org" && from < to && fitsHeading(text)) {
    return { from: [answer.heading, from], to: [answer.heading, to], text };
  }
  // What stands after a heading's words are its tags, and a drawer may follow: the new text goes under both.
  const top = answer.bodyStart - 1;
  const kept = [line(answer.heading).slice(to), ...lines.slice(answer.heading + 1, answer.bodyStart)].join("\n").trimEnd();
  return { from: [answer.heading, line(answer.heading).slice(0, from).trimEnd().length], to: [top, line(top).length], text: `${kept}\n${written}` };
}

/** Can the text be an org heading's own words, and be read back as the same? */
function fitsHeading(text: string): boolean {
  return /^[^\s[][^\n]*[^\s:]$/.test(text);
}

/** A message as it stands in a document of that format. */
export function writtenAs(format: Section["format"], text: string): string {
  return format === "org" ? quote(text) : escapeHeadings(text);
}

/** As much of a growing message as can be written already: what the next piece might turn into a heading is held back. */
export function settled(text: string): string {
  return text.replace(/(^|\n)[ \t]*[,\\]*#?$/, "$1");
}

function bare(turns: readonly Turn[]): Message[] {
  return turns.map(({ message: { role, text } }) => ({ role, text }));
}

function checked(section: Section): Section {
  if (section.fault) {
    throw new Trouble(...section.fault);
  }
  return section;
}
