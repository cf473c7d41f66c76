/** What is under way: shown with a button that ends it, and told when it failed. */

import * as vscode from "vscode";
import { explain, Stopped, type Translate } from "../errors";

export const t: Translate = (sentence, ...values) => vscode.l10n.t(sentence, ...values);

type Report = (message: string) => void;

/** Requests that can be stopped; "ouroboros.busy" is true for menus and keys while there are some. */
export class Running {
  private readonly controllers = new Set<AbortController>();

  /** Run a task under a title; undefined when it was stopped or failed, which is told. */
  async run<T>(title: string, task: (signal: AbortSignal, report: Report) => Promise<T>): Promise<T | undefined> {
    const controller = new AbortController();
    this.controllers.add(controller);
    await this.tell();
    try {
      return await vscode.window.withProgress({ location: vscode.ProgressLocation.Notification, title, cancellable: true }, (progress, token) => {
        token.onCancellationRequested(() => { controller.abort(); });
        return task(controller.signal, (message) => { progress.report({ message }); });
      });
    } catch (error) {
      complain(error);
      return undefined;
    } finally {
      this.controllers.delete(controller);
      await this.tell();
    }
  }

  stop(): void {
    for (const controller of this.controllers) {
      controller.abort();
    }
  }

  private async tell(): Promise<void> {
    await vscode.commands.executeCommand("setContext", "ouroboros.busy", this.controllers.size > 0);
  }
}

/** Tell what went wrong; that something was stopped is known to the one who did it. */
export function complain(error: unknown): void {
  if (!(error instanceof Stopped)) {
    void vscode.window.showErrorMessage(explain(error, t));
  }
}
