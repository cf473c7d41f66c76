/** Teaching the selection, or the conversation at the cursor. */

import * as vscode from "vscode";
import type { Teaching } from "../client";
import { lessonOf, sectionAt, selectedLessons } from "../sections";
import type { Options, Taught } from "../wire";
import { number, taughtText } from "../words";
import { editorHere } from "./ask";
import type { Connection } from "./connection";
import { t, type Running } from "./running";

export class Teacher {
  constructor(private readonly connection: Connection, private readonly running: Running) {}

  async teachHere(): Promise<void> {
    const { document, selection } = editorHere();
    const lessons = selection.isEmpty
      ? [lessonOf(sectionAt(document.getText(), document.languageId, selection.active.line))]
      : selectedLessons(document.getText(selection), document.languageId);
    for (const lesson of lessons) {
      if (!(await this.teach(lesson, document.uri))) {
        return;
      }
    }
  }

  /** Teach one lesson and say what came of it; undefined where it failed or was stopped. What the lesson says stands above the settings. */
  async teach(lesson: Teaching, uri: vscode.Uri): Promise<Taught | undefined> {
    const settings = vscode.workspace.getConfiguration("ouroboros", uri).get<Options>("teach", {});
    const client = await this.connection.client();
    const taught = await this.running.run(t("Ouroboros learns"), (signal, report) =>
      client.teach(
        { ...lesson, options: { ...settings, ...lesson.options } },
        ({ step, steps, loss }) => { report(t("step {0} of {1}, loss {2}", step, steps, number(loss))); },
        signal,
      ));
    if (taught) {
      void this.tell(taught, uri);
    }
    return taught;
  }

  /** A lesson that changed other answers as well offers to teach those again. */
  private async tell(taught: Taught, uri: vscode.Uri): Promise<void> {
    const said = taughtText(taught, vscode.env.language, t);
    const changed = taught.checks?.neighbours ?? [];
    const back = taught.checks?.put_back;
    if (!taught.learned) {
      await vscode.window.showWarningMessage(said);
    } else if (changed.length === 0 || !back) {
      await vscode.window.showInformationMessage(said);
    } else {
      const putBack = t("Put the old answers back");
      const near = changed.map((each) => `“${each.question}”`).join(", ");
      if ((await vscode.window.showWarningMessage(`${said} ${t("The answers to near questions changed: {0}", near)}`, putBack)) === putBack) {
        await this.teach({ lessons: back.lessons, options: { checks: false } }, uri);
      }
    }
  }
}
