/** The server as a model of the editor's own chat. */

import * as vscode from "vscode";
import { messagesOf, optionsOf, textOf } from "../chat";
import { explain, Stopped } from "../errors";
import type { Connection } from "./connection";
import { t } from "./running";

/** The recurrent state takes any length; the editor wants a number to cut at. */
const INPUT = 100_000;
const OUTPUT = 4096;

export class ChatModel implements vscode.LanguageModelChatProvider {
  private readonly changed = new vscode.EventEmitter<void>();
  readonly onDidChangeLanguageModelChatInformation = this.changed.event;

  constructor(private readonly connection: Connection) {}

  /** The server, its token or its model may be another now. */
  refresh(): void {
    this.changed.fire();
  }

  async provideLanguageModelChatInformation(options: vscode.PrepareLanguageModelChatModelOptions, token: vscode.CancellationToken): Promise<vscode.LanguageModelChatInformation[]> {
    try {
      const health = await (await this.connection.client()).health(signalOf(token));
      return [{
        id: health.model, name: `Ouroboros ${health.model}`, family: health.family, version: String(health.version),
        tooltip: t("Learns what you teach it, while you chat"), detail: this.connection.url,
        maxInputTokens: INPUT, maxOutputTokens: OUTPUT, capabilities: {},
      }];
    } catch (error) {
      if (!options.silent && !(error instanceof Stopped)) {
        void vscode.window.showErrorMessage(explain(error, t));
      }
      return [];
    }
  }

  async provideLanguageModelChatResponse(
    _model: vscode.LanguageModelChatInformation, messages: readonly vscode.LanguageModelChatRequestMessage[],
    options: vscode.ProvideLanguageModelChatResponseOptions, progress: vscode.Progress<vscode.LanguageModelResponsePart>, token: vscode.CancellationToken,
  ): Promise<void> {
    const settings = vscode.workspace.getConfiguration("ouroboros").get<Record<string, unknown>>("ask", {});
    const client = await this.connection.client();
    try {
      await client.ask(
        messagesOf(messages), { ...settings, ...optionsOf(options.modelOptions) },
        (piece) => { progress.report(new vscode.LanguageModelTextPart(piece)); }, signalOf(token));
    } catch (error) {
      if (!(error instanceof Stopped)) {
        throw new Error(explain(error, t), { cause: error });
      }
    }
  }

  async provideTokenCount(
    _model: vscode.LanguageModelChatInformation, given: string | vscode.LanguageModelChatRequestMessage, token: vscode.CancellationToken,
  ): Promise<number> {
    const text = typeof given === "string" ? given : textOf(given.content);
    return (await this.connection.client()).countTokens(text, signalOf(token));
  }
}

function signalOf(token: vscode.CancellationToken): AbortSignal {
  const controller = new AbortController();
  if (token.isCancellationRequested) {
    controller.abort();
  }
  token.onCancellationRequested(() => { controller.abort(); });
  return controller.signal;
}
