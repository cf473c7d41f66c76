/** Asking the selection, or the question at the cursor: the answer streams in under it. */

import * as vscode from "vscode";
import { Trouble } from "../errors";
import { linesOf, type Edit, type Section } from "../section";
import { openAnswer, questionAt, sectionAt } from "../sections";
import type { Message, Options } from "../wire";
import type { Connection } from "./connection";
import { AnswerWriter } from "./document";
import { complain, t, type Running } from "./running";

interface Asked {
  readonly messages: readonly Message[];
  readonly edit: Edit;
  readonly format: Section["format"] | undefined;
}

export function editorHere(): vscode.TextEditor {
  const editor = vscode.window.activeTextEditor;
  if (!editor) {
    throw new Trouble("Open a file first.");
  }
  return editor;
}

/** `again` replaces an answer that is there already. */
export async function ask(connection: Connection, running: Running, again: boolean): Promise<void> {
  const { document, selection } = editorHere();
  const asked = selection.isEmpty ? await questionHere(document, selection.active.line, again) : selected(document, selection);
  if (!asked) {
    return;
  }
  const options = vscode.workspace.getConfiguration("ouroboros", document.uri).get<Options>("ask", {});
  const client = await connection.client();
  await running.run(t("Ouroboros answers"), async (signal) => {
    let writer: AnswerWriter | undefined;
    // The document is touched when the first piece is there: a question that fails changes nothing.
    let opening: Promise<void> = Promise.resolve();
    const early: string[] = [];
    const add = (piece: string): void => {
      if (writer) {
        writer.add(piece);
        return;
      }
      if (early.push(piece) === 1) {
        opening = AnswerWriter.open(document, asked.edit, asked.format).then((opened) => {
          writer = opened;
          early.forEach((each) => { opened.add(each); });
        });
        opening.catch(() => undefined); // told below
      }
    };
    try {
      await client.ask(asked.messages, options, add, signal);
    } finally {
      try {
        await opening;
        await writer?.finish();
      } catch (error) {
        complain(error);
      }
      writer?.dispose();
    }
  });
}

async function questionHere(document: vscode.TextDocument, line: number, again: boolean): Promise<Asked | undefined> {
  const text = document.getText();
  const section = sectionAt(text, document.languageId, line);
  const question = questionAt(section, line);
  if (question.answer && !again) {
    const replace = t("Replace it");
    if ((await vscode.window.showWarningMessage(t("There is an answer already."), replace)) !== replace) {
      return undefined;
    }
  }
  return { messages: question.messages, edit: openAnswer(section, question, linesOf(text)), format: section.format };
}

function selected(document: vscode.TextDocument, selection: vscode.Selection): Asked {
  const end = [selection.end.line, selection.end.character] as const;
  return { messages: [{ role: "user", text: document.getText(selection).trim() }], edit: { from: end, to: end, text: "\n\n" }, format: undefined };
}
