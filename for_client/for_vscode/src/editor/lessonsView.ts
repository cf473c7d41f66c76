/** The view of lessons, with undo and rollback. */

import * as vscode from "vscode";
import { rows, type Row } from "../lessons";
import type { Connection } from "./connection";
import { t, type Running } from "./running";

/** Lessons that are shown: the newest of them. */
const SHOWN = 200;

export class LessonsView implements vscode.TreeDataProvider<Row> {
  private readonly changed = new vscode.EventEmitter<undefined>();
  readonly onDidChangeTreeData = this.changed.event;

  constructor(private readonly connection: Connection, private readonly running: Running) {}

  refresh(): void {
    this.changed.fire(undefined);
  }

  async getChildren(row?: Row): Promise<Row[]> {
    if (row) {
      return [...row.children];
    }
    try {
      return rows(await (await this.connection.client()).lessons(SHOWN), vscode.env.language, t);
    } catch {
      return []; // the status bar says that there is no server; the view shows its welcome
    }
  }

  getTreeItem(row: Row): vscode.TreeItem {
    const open = row.children.length > 0 ? vscode.TreeItemCollapsibleState.Collapsed : vscode.TreeItemCollapsibleState.None;
    const item = new vscode.TreeItem(row.label, open);
    item.id = row.id;
    item.description = row.description;
    item.tooltip = row.tooltip;
    item.iconPath = new vscode.ThemeIcon(row.icon);
    item.contextValue = row.context;
    return item;
  }

  /** Take a lesson out of the weights, when that is confirmed; those after it are learned again. */
  async undo(row: Row): Promise<void> {
    const undo = t("Undo");
    const question = t("Take this lesson out of the weights? Those after it are learned again without it.");
    if ((await vscode.window.showWarningMessage(question, { modal: true, detail: row.label }, undo)) !== undo) {
      return;
    }
    const client = await this.connection.client();
    const undone = await this.running.run(t("Ouroboros undoes a lesson"), (signal) => client.undo(row.lesson.lesson, signal));
    if (undone) {
      void vscode.window.showInformationMessage(t("Version {0}: without it, {1} lessons learned again.", undone.version, undone.relearned));
      this.refresh();
    }
  }

  /** Go back to the weights as they were right after a lesson, when that is confirmed. */
  async rollback(row: Row): Promise<void> {
    const back = t("Go back");
    const question = t("Go back to version {0}? The lessons after it leave the weights; going forward again brings them back.", row.lesson.version);
    if ((await vscode.window.showWarningMessage(question, { modal: true, detail: row.label }, back)) !== back) {
      return;
    }
    const client = await this.connection.client();
    const gone = await this.running.run(t("Ouroboros goes back"), (signal) => client.rollback(row.lesson.version, signal));
    if (gone) {
      void vscode.window.showInformationMessage(t("Version {0}; {1} lessons are in the weights no more.", gone.version, gone.left.length));
      this.refresh();
    }
  }
}
