/** The rows of the lessons view. */

import type { Translate } from "./errors";
import type { Lesson } from "./wire";
import { lossText, number } from "./words";

export interface Row {
  readonly id: string;
  readonly label: string;
  readonly description: string;
  readonly tooltip: string;
  /** A codicon's name. */
  readonly icon: string;
  /** What menus may be shown for it. */
  readonly context: "taught" | "left" | "message";
  readonly lesson: Lesson;
  readonly children: readonly Row[];
}

/** One row a lesson, the newest first as the server gives them, with its messages under it. */
export function rows(lessons: readonly Lesson[], language: string, t: Translate): Row[] {
  return lessons.map((lesson) => {
    const said = lesson.messages ?? [];
    return {
      id: lesson.lesson,
      label: short(said.length > 0 ? said.map((message) => message.text).join(" → ") : (lesson.text ?? t("tokens"))),
      description: t("version {0}: {1} → {2}", lesson.version, number(lesson.loss_before), number(lesson.loss_after)),
      tooltip: `${lossText(lesson, language, t)}\n${new Date(lesson.time * 1000).toLocaleString(language)}\n${lesson.lesson}`,
      icon: lesson.in_weights ? "mortar-board" : "circle-slash",
      context: lesson.in_weights ? "taught" : "left",
      lesson,
      children: said.map((message, index) => ({
        id: `${lesson.lesson}/${String(index)}`,
        label: short(message.text),
        description: message.role,
        tooltip: message.rejected === undefined ? message.text : t("{0}\n\nIt had said: {1}", message.text, message.rejected),
        icon: message.role === "assistant" ? "hubot" : "account",
        context: "message",
        lesson,
        children: [],
      })),
    };
  });
}

function short(text: string): string {
  const line = text.replace(/\s+/g, " ").trim();
  return line.length > 80 ? `${line.slice(0, 79)}…` : line;
}
