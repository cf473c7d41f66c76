/** Edits of a document, and an answer that grows in it while its owner goes on writing. */

import * as vscode from "vscode";
import { Anchor } from "../anchor";
import { Trouble } from "../errors";
import type { Edit, Section } from "../section";
import { settled, writtenAs } from "../sections";

export async function apply(document: vscode.TextDocument, edit: Edit): Promise<void> {
  await replace(document, new vscode.Range(...edit.from, ...edit.to), edit.text);
}

async function replace(document: vscode.TextDocument, range: vscode.Range, text: string): Promise<void> {
  const change = new vscode.WorkspaceEdit();
  change.replace(document.uri, range, withEnds(document, text));
  if (!(await vscode.workspace.applyEdit(change))) {
    throw new Trouble("The document cannot be written.");
  }
}

function withEnds(document: vscode.TextDocument, text: string): string {
  return document.eol === vscode.EndOfLine.CRLF ? text.replace(/\n/g, "\r\n") : text;
}

/** Writes what has come of an answer at its place, one edit at a time. */
export class AnswerWriter implements vscode.Disposable {
  private readonly anchor: Anchor;
  private readonly listening: vscode.Disposable;
  private text = "";
  private written = "";
  private own = false;
  private work: Promise<void> = Promise.resolve();
  private waiting = false;

  private constructor(private readonly document: vscode.TextDocument, private readonly format: Section["format"] | undefined, offset: number) {
    this.anchor = new Anchor(offset);
    this.listening = vscode.workspace.onDidChangeTextDocument((event) => {
      if (event.document.uri.toString() === document.uri.toString() && !this.isOwn(event.contentChanges)) {
        for (const change of event.contentChanges) {
          this.anchor.moved(change.rangeOffset, change.rangeLength, change.text.length);
        }
      }
    });
  }

  /** Make the edit that opens the answer's place, and write at its end. Without a format the answer is written as it comes. */
  static async open(document: vscode.TextDocument, edit: Edit, format: Section["format"] | undefined): Promise<AnswerWriter> {
    const offset = document.offsetAt(new vscode.Position(...edit.from)) + withEnds(document, edit.text).length;
    await apply(document, edit);
    return new AnswerWriter(document, format, offset);
  }

  add(piece: string): void {
    this.text += piece;
    this.schedule(false);
  }

  /** Write all that came, to the last letter. */
  async finish(): Promise<void> {
    this.schedule(true);
    await this.work;
  }

  dispose(): void {
    this.listening.dispose();
  }

  private isOwn(changes: readonly vscode.TextDocumentContentChangeEvent[]): boolean {
    return this.own && changes.length === 1 && changes[0]?.rangeOffset === this.anchor.offset && changes[0].rangeLength === 0;
  }

  /** Pieces that come while an edit is under way are written together by the next one. */
  private schedule(whole: boolean): void {
    if (this.waiting && !whole) {
      return;
    }
    this.waiting = true;
    this.work = this.work.then(async () => {
      this.waiting = false;
      const ready = whole ? this.text : settled(this.text);
      const all = this.format ? writtenAs(this.format, ready) : ready;
      const piece = all.slice(this.written.length);
      if (!piece) {
        return;
      }
      const place = this.document.positionAt(this.anchor.offset);
      this.own = true;
      try {
        await replace(this.document, new vscode.Range(place, place), piece);
      } finally {
        this.own = false;
      }
      this.written = all;
      this.anchor.offset += withEnds(this.document, piece).length;
    });
    this.work.catch(() => undefined); // told by finish()
  }
}
