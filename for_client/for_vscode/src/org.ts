/** Org files, read as the server reads them (docs/data.md): a heading of one star opens a lesson, its keyword is the role. */

import { linesOf, roleOf, type Section, type Turn } from "./section";

const HEADING = /^(\*+)[ \t]+(.*)$/;
const TAGS = /(?:^|\s+)(:[\p{L}\p{N}_@#%]+(?::[\p{L}\p{N}_@#%]+)*:)$/u;
const PRIORITY = /^\[#([A-Z0-9])\][ \t]*/;
const COMMENT = /^\s*#(?:[ \t]|$|\+\w+:)/;
const PLANNING = /^(?:SCHEDULED|DEADLINE|CLOSED):[ \t]*[<[]/;
const WEIGHTS: Readonly<Record<string, number>> = { A: 1, B: 0.8, C: 0.6 };
/** Properties that Emacs and the server write for themselves. */
const BOOKKEEPING = /^(?:id|custom_id|category|created|visibility|ouroboros_.*)$/i;

interface Heading {
  readonly line: number;
  readonly level: number;
  readonly keyword: string | undefined;
  readonly weight: number | undefined;
  readonly words: string;
  readonly columns: readonly [number, number];
  readonly tags: readonly string[];
  readonly properties: readonly (readonly [string, string])[];
  readonly bodyStart: number;
  readonly bodyEnd: number;
  readonly body: string;
}

export function readOrg(text: string): Section[] {
  const lines = linesOf(text);
  const declared = new Set(settings(lines, "(?:seq_|typ_)?todo").flatMap((value) => value.replaceAll("|", " ").split(/\s+/)).map((word) => word.split("(")[0] ?? ""));
  const starts = lines.flatMap((line, number) => (HEADING.test(line) ? [number] : []));
  const headings = starts.map((start, index) => readHeading(lines, start, starts[index + 1] ?? lines.length, declared));
  const fileTags = settings(lines, "filetags").flatMap((value) => value.split(":")).filter(Boolean);
  const fileOptions = settings(lines, "property").map((value): [string, string] => {
    const [name = "", ...rest] = value.split(" ");
    return [name, rest.join(" ")];
  });
  const answerWord = headings.find((each) => each.keyword && roleOf(each.keyword) === "assistant")?.keyword
    ?? [...declared].find((word) => roleOf(word) === "assistant") ?? "ASSISTANT";
  const groups: Heading[][] = [];
  for (const heading of headings) {
    const group = groups.at(-1);
    if (group && heading.level > 1) {
      group.push(heading);
    } else {
      groups.push([heading]);
    }
  }
  return groups.map((group, index) => section(group, groups[index + 1]?.[0]?.line ?? lines.length, fileTags, fileOptions, answerWord));
}

function section(group: readonly Heading[], end: number, fileTags: readonly string[], fileOptions: readonly (readonly [string, string])[], answerWord: string): Section {
  const [first, ...others] = group as [Heading, ...Heading[]];
  const title = first.keyword ? undefined : first;
  const said = title ? others : group;
  const untitled = said.find((heading) => !heading.keyword);
  const silent = title !== undefined && isSilent(title);
  let fault: Section["fault"];
  if (title?.body) {
    fault = ["the text under “{0}” has no role: a title has none", title.words];
  } else if (untitled) {
    fault = ["“{0}” is not a role: a message begins with one, such as USER", untitled.words];
  } else if (said.length === 0) {
    fault = ["“{0}” has no message under it", first.words];
  }
  return {
    format: "org",
    title: title?.words ?? first.words,
    start: first.line,
    end,
    turns: said.filter((heading) => heading.keyword).map((heading) => turn(heading, title?.weight ?? 1, silent)),
    options: options([...fileOptions, ...group.flatMap((heading) => heading.properties)], fileOptions.length),
    tags: [...fileTags, ...group.flatMap((heading) => heading.tags)].map((tag) => tag.toLowerCase()),
    fault,
    answerWord,
  };
}

function turn(heading: Heading, weight: number, silent: boolean): Turn {
  const own = heading.weight ?? weight;
  return {
    message: {
      role: roleOf(heading.keyword ?? "") ?? (heading.keyword ?? "").toLowerCase(),
      text: heading.body || heading.words,
      ...(own === 1 ? {} : { weight: own }),
      ...(silent || isSilent(heading) ? { no_loss: true } : {}),
    },
    heading: heading.line,
    bodyStart: heading.bodyStart,
    bodyEnd: heading.bodyEnd,
    level: heading.level,
    words: heading.columns,
  };
}

/** The first value of a name stands, but what the file says for all lessons gives way to a lesson's own. */
function options(pairs: readonly (readonly [string, string])[], ofFile: number): Record<string, unknown> {
  const found: Record<string, unknown> = {};
  for (const [name, value] of [...pairs.slice(ofFile), ...pairs.slice(0, ofFile)]) {
    const proper = name.toLowerCase().replaceAll("-", "_");
    if (!BOOKKEEPING.test(name) && !(proper in found)) {
      found[proper] = /^(?:[-+]?[\d.]+(?:e[-+]?\d+)?)$/i.test(value) ? Number(value) : ({ true: true, false: false }[value.toLowerCase()] ?? value);
    }
  }
  return found;
}

function isSilent(heading: Heading): boolean {
  return heading.tags.some((tag) => tag.toLowerCase() === "no_loss");
}

function settings(lines: readonly string[], name: string): string[] {
  const setting = new RegExp(`^#\\+${name}:[ \\t]*(.*)$`, "i");
  return lines.flatMap((line) => setting.exec(line)?.[1]?.trim() ?? []);
}

function readHeading(lines: readonly string[], start: number, end: number, declared: ReadonlySet<string>): Heading {
  const line = lines[start] ?? "";
  const [, stars = "", rest = ""] = HEADING.exec(line) ?? [];
  let words = rest.trim();
  let column = line.length - rest.length + rest.indexOf(words);
  const tags = TAGS.exec(words)?.[1];
  words = tags ? words.slice(0, -tags.length).trimEnd() : words;
  const [keyword] = /^\S+/.exec(words) ?? [];
  const after = words.slice(keyword?.length ?? 0).trimStart();
  const role = keyword !== undefined && isKeyword(keyword, stars.length, after.replace(PRIORITY, "") === "", declared);
  if (role) {
    column += words.length - after.length;
    words = after;
  }
  const priority = PRIORITY.exec(words);
  column += priority?.[0].length ?? 0;
  words = words.slice(priority?.[0].length ?? 0);
  const { properties, top } = readDrawers(lines, start + 1, end);
  let bodyEnd = end;
  while (bodyEnd > top && (!lines[bodyEnd - 1]?.trim() || COMMENT.test(lines[bodyEnd - 1] ?? ""))) {
    bodyEnd -= 1;
  }
  return {
    line: start, level: stars.length, keyword: role ? keyword : undefined, weight: WEIGHTS[priority?.[1] ?? ""], words,
    columns: [column, column + words.length], tags: tags?.slice(1, -1).split(":") ?? [], properties,
    bodyStart: top, bodyEnd, body: unquote(dedent(lines.slice(top, bodyEnd))),
  };
}

/** On level 1, where titles stand, "System requirements" is a title and SYSTEM a role. */
function isKeyword(word: string, level: number, alone: boolean, declared: ReadonlySet<string>): boolean {
  if (declared.has(word)) {
    return true;
  }
  const isRole = ["system", "user", "assistant"].includes(word.toLowerCase());
  return isRole && (level > 1 || alone || word === word.toLowerCase() || word === word.toUpperCase());
}

/** The properties under a heading, and the first line of its text. A drawer that is never closed is text. */
function readDrawers(lines: readonly string[], from: number, end: number): { properties: [string, string][]; top: number } {
  const properties: [string, string][] = [];
  let top = from;
  while (top < end) {
    const line = (lines[top] ?? "").trim();
    if (PLANNING.test(line)) {
      top += 1;
      continue;
    }
    const opens = line.toUpperCase();
    const closing = lines.slice(top, end).findIndex((each) => each.trim().toUpperCase() === ":END:");
    if ((opens !== ":PROPERTIES:" && opens !== ":LOGBOOK:") || closing < 0) {
      break;
    }
    for (const each of opens === ":PROPERTIES:" ? lines.slice(top + 1, top + closing) : []) {
      const [, name, value] = /^:([^\s:]+):(?:[ \t]+(.*))?$/.exec(each.trim()) ?? [];
      if (name) {
        properties.push([name, (value ?? "").trim()]);
      }
    }
    top += closing + 1;
  }
  return { properties, top };
}

function dedent(lines: readonly string[]): string {
  const full = lines.filter((line) => line.trim());
  const indents = full.map((line) => /^[ \t]*/.exec(line)?.[0] ?? "");
  let common = indents[0] ?? "";
  while (indents.some((indent) => !indent.startsWith(common))) {
    common = common.slice(0, -1);
  }
  return lines.map((line) => (line.trim() ? line.slice(common.length) : "")).join("\n").replace(/^\n+|\n+$/g, "");
}

/** A line of a message that org would take for a heading or a setting has a comma before it. */
export function quote(text: string): string {
  return text.replace(/^([ \t]*)(,*(?:\*|#\+))/gm, "$1,$2");
}

export function unquote(text: string): string {
  return text.replace(/^([ \t]*),(,*(?:\*|#\+))/gm, "$1$2");
}
