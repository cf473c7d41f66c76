/** Corrections: the answer in a diff, on the left as it was said, on the right to be put right; accepted, it is taught and written back. */

import * as vscode from "vscode";
import { Trouble } from "../errors";
import { linesOf } from "../section";
import { answerAt, findAnswer, replaceAnswer, sectionAt, type Answered } from "../sections";
import { editorHere } from "./ask";
import type { Drafts } from "./drafts";
import { apply } from "./document";
import { t } from "./running";
import type { Teacher } from "./teach";

interface Correction extends Answered {
  readonly document: vscode.Uri;
  readonly language: string;
}

export class Corrections {
  private readonly open = new Map<string, Correction>();
  private count = 0;

  constructor(private readonly drafts: Drafts, private readonly teacher: Teacher) {}

  /** Open the diff for the answer at the cursor. */
  async begin(): Promise<void> {
    const { document, selection } = editorHere();
    const section = sectionAt(document.getText(), document.languageId, selection.active.line);
    const answered = answerAt(section, selection.active.line);
    this.count += 1;
    const said = answered.answer.message.text;
    const left = this.drafts.make(`${String(this.count)}/${t("said")}.md`, said, true);
    const right = this.drafts.make(`${String(this.count)}/${t("corrected")}.md`, said, false);
    this.open.set(right.toString(), { ...answered, document: document.uri, language: document.languageId });
    await vscode.commands.executeCommand("vscode.diff", left, right, t("Correct: {0}", section.title), { preview: false });
  }

  /** Teach what stands on the right, then write it into the document. Until it is taught the diff stays open, and nothing is lost. */
  async accept(): Promise<void> {
    const { draft, correction } = this.here();
    const text = draft.getText().replace(/\r\n/g, "\n").trim();
    const said = correction.answer.message.text;
    if (!text || text === said) {
      throw new Trouble("The answer was not changed: edit the right side first.");
    }
    const { weight } = correction.answer.message;
    const answer = { role: correction.answer.message.role, text, ...(weight === undefined ? {} : { weight }), rejected: said };
    const taught = await this.teacher.teach({ messages: [...correction.messages, answer] }, correction.document);
    if (!taught?.learned) {
      return;
    }
    const document = await vscode.workspace.openTextDocument(correction.document);
    const now = findAnswer(document.getText(), correction.language, correction);
    if (now) {
      await apply(document, replaceAnswer(now.section, now.answer, text, linesOf(document.getText())));
    } else {
      void vscode.window.showWarningMessage(t("The correction was learned, but the answer is not in its file any more."));
    }
    await this.close(draft);
  }

  /** Close the diff and teach nothing. */
  async discard(): Promise<void> {
    await this.close(this.here().draft);
  }

  private here(): { draft: vscode.TextDocument; correction: Correction } {
    const draft = editorHere().document;
    const correction = this.open.get(draft.uri.toString());
    if (!correction) {
      throw new Trouble("This is no correction: put the cursor into the right side of its diff.");
    }
    return { draft, correction };
  }

  private async close(draft: vscode.TextDocument): Promise<void> {
    this.open.delete(draft.uri.toString());
    await draft.save(); // a draft is kept in memory only; saved, it closes without a question
    const tabs = vscode.window.tabGroups.all.flatMap((group) => group.tabs);
    await vscode.window.tabGroups.close(
      tabs.filter((tab) => tab.input instanceof vscode.TabInputTextDiff && tab.input.modified.toString() === draft.uri.toString()));
    this.drafts.remove(draft.uri);
  }
}
