/** What the editor starts: every command, view and provider of package.json. */

import * as vscode from "vscode";
import type { Row } from "../lessons";
import { ask } from "./ask";
import { ChatModel } from "./chatModel";
import { Connection } from "./connection";
import { Corrections } from "./correct";
import { Drafts, SCHEME } from "./drafts";
import { LessonsView } from "./lessonsView";
import { complain, Running, t } from "./running";
import { StatusBar } from "./statusBar";
import { Teacher } from "./teach";

export function activate(context: vscode.ExtensionContext): void {
  const connection = new Connection(context.secrets);
  const running = new Running();
  const teacher = new Teacher(connection, running);
  const drafts = new Drafts();
  const corrections = new Corrections(drafts, teacher);
  const lessons = new LessonsView(connection, running);
  const status = new StatusBar(connection, lessons);
  const chat = new ChatModel(connection);
  const anew = (): void => {
    status.restart();
    chat.refresh();
    lessons.refresh();
  };
  const commands: Record<string, (row: Row) => unknown> = {
    "ouroboros.ask": () => ask(connection, running, false),
    "ouroboros.askAgain": () => ask(connection, running, true),
    "ouroboros.teach": () => teacher.teachHere(),
    "ouroboros.correct": () => corrections.begin(),
    "ouroboros.acceptCorrection": () => corrections.accept(),
    "ouroboros.discardCorrection": () => corrections.discard(),
    "ouroboros.stop": () => { running.stop(); },
    "ouroboros.refreshLessons": () => { lessons.refresh(); },
    "ouroboros.undoLesson": (row) => lessons.undo(row),
    "ouroboros.rollback": (row) => lessons.rollback(row),
    "ouroboros.setToken": async () => { if (await askToken(connection)) { anew(); } },
    "ouroboros.forgetToken": async () => { await connection.forgetToken(); anew(); },
  };
  for (const [name, command] of Object.entries(commands)) {
    context.subscriptions.push(vscode.commands.registerCommand(name, async (row: Row) => {
      try {
        await command(row);
      } catch (error) {
        complain(error);
      }
    }));
  }
  context.subscriptions.push(
    status,
    vscode.window.registerTreeDataProvider("ouroboros.lessons", lessons),
    vscode.workspace.registerFileSystemProvider(SCHEME, drafts, { isCaseSensitive: true }),
    vscode.lm.registerLanguageModelChatProvider("ouroboros", chat),
    vscode.workspace.onDidChangeConfiguration((event) => { if (event.affectsConfiguration("ouroboros.url")) { anew(); } }),
  );
}

async function askToken(connection: Connection): Promise<boolean> {
  const token = await vscode.window.showInputBox({
    title: t("Token of {0}", connection.url), prompt: t("The server writes it to data/token on its first start."), password: true, ignoreFocusOut: true,
  });
  if (!token?.trim()) {
    return false;
  }
  await connection.keepToken(token.trim());
  return true;
}
