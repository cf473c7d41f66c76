/** The client for the server that is set, with the token that is kept for it. */

import * as vscode from "vscode";
import { Client } from "../client";
import { findToken, findUrl } from "../place";

export class Connection {
  private known: Client | undefined;

  constructor(private readonly secrets: vscode.SecretStorage) {}

  get url(): string {
    return findUrl(vscode.workspace.getConfiguration("ouroboros").get("url", ""), process.env);
  }

  /** The same client as long as address and token are the same: it remembers the lessons whose end is not known. */
  async client(): Promise<Client> {
    const url = this.url;
    const folders = (vscode.workspace.workspaceFolders ?? []).filter((folder) => folder.uri.scheme === "file").map((folder) => folder.uri.fsPath);
    const token = await findToken(await this.secrets.get(secretName(url)), process.env, url, vscode.workspace.isTrusted ? folders : []);
    if (this.known?.place.url !== url || this.known.place.token !== token) {
      this.known = new Client({ url, token });
    }
    return this.known;
  }

  /** Keep a token for the server that is set now, and for no other. */
  async keepToken(token: string): Promise<void> {
    await this.secrets.store(secretName(this.url), token);
  }

  async forgetToken(): Promise<void> {
    await this.secrets.delete(secretName(this.url));
  }
}

function secretName(url: string): string {
  return `ouroboros.token ${url}`;
}
