/** Version and loss in the status bar, as the server tells them. */

import * as vscode from "vscode";
import { explain } from "../errors";
import { follow } from "../feed";
import { after, OFFLINE, statusText } from "../words";
import type { Connection } from "./connection";
import type { LessonsView } from "./lessonsView";
import { t } from "./running";

/** Follow the server's events until disposed. The loss is that of the newest lesson until another is learned. */
export class StatusBar implements vscode.Disposable {
  private readonly item = vscode.window.createStatusBarItem("ouroboros.status", vscode.StatusBarAlignment.Left, 0);
  private following = new AbortController();
  private status = OFFLINE;

  constructor(private readonly connection: Connection, private readonly lessons: LessonsView) {
    this.item.name = "Ouroboros";
    this.item.command = "ouroboros.lessons.focus";
    this.show(undefined);
    this.item.show();
    this.restart();
  }

  /** Begin anew: address or token changed. */
  restart(): void {
    this.following.abort();
    this.following = new AbortController();
    const { signal } = this.following;
    void follow(
      () => this.connection.client(),
      (event) => {
        this.status = after(this.status, event);
        this.show(undefined);
        if (event.event === "open") {
          void this.newestLoss(signal);
        }
        if (event.event !== "step") {
          this.lessons.refresh();
        }
      },
      (error) => {
        this.status = OFFLINE;
        this.show(error);
      },
      signal,
    );
  }

  dispose(): void {
    this.following.abort();
    this.item.dispose();
  }

  private async newestLoss(signal: AbortSignal): Promise<void> {
    const lessons = await (await this.connection.client()).lessons(1, signal).catch(() => []);
    const newest = lessons[0];
    if (newest && this.status.loss === null) {
      this.status = { ...this.status, loss: newest.loss_after };
      this.show(undefined);
    }
  }

  private show(error: unknown): void {
    this.item.text = statusText(this.status, t);
    this.item.tooltip = error === undefined ? this.status.model : explain(error, t);
  }
}
