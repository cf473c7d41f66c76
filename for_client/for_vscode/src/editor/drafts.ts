/** Small files in memory, for the two sides of a correction. */

import * as vscode from "vscode";

interface Draft {
  readonly fixed: boolean;
  readonly made: number;
  bytes: Uint8Array;
  changed: number;
}

export const SCHEME = "ouroboros";

export class Drafts implements vscode.FileSystemProvider {
  private readonly files = new Map<string, Draft>();
  private readonly changes = new vscode.EventEmitter<vscode.FileChangeEvent[]>();
  readonly onDidChangeFile = this.changes.event;

  make(path: string, text: string, fixed: boolean): vscode.Uri {
    const uri = vscode.Uri.from({ scheme: SCHEME, path: `/${path}` });
    const now = Date.now();
    this.files.set(uri.toString(), { fixed, made: now, changed: now, bytes: new TextEncoder().encode(text) });
    return uri;
  }

  /** Forget a draft and what stood beside it. */
  remove(uri: vscode.Uri): void {
    const folder = uri.toString().replace(/[^/]*$/, "");
    for (const name of [...this.files.keys()].filter((each) => each.startsWith(folder))) {
      this.files.delete(name);
    }
  }

  stat(uri: vscode.Uri): vscode.FileStat {
    const { fixed, made, changed, bytes } = this.find(uri);
    return { type: vscode.FileType.File, ctime: made, mtime: changed, size: bytes.length, ...(fixed ? { permissions: vscode.FilePermission.Readonly } : {}) };
  }

  readFile(uri: vscode.Uri): Uint8Array {
    return this.find(uri).bytes;
  }

  writeFile(uri: vscode.Uri, content: Uint8Array): void {
    const draft = this.find(uri);
    if (draft.fixed) {
      throw vscode.FileSystemError.NoPermissions(uri);
    }
    draft.bytes = content;
    draft.changed = Date.now();
    this.changes.fire([{ type: vscode.FileChangeType.Changed, uri }]);
  }

  watch(): vscode.Disposable {
    return new vscode.Disposable(() => undefined);
  }

  readDirectory(): [string, vscode.FileType][] {
    return [];
  }

  createDirectory(uri: vscode.Uri): void {
    throw vscode.FileSystemError.NoPermissions(uri);
  }

  delete(uri: vscode.Uri): void {
    throw vscode.FileSystemError.NoPermissions(uri);
  }

  rename(uri: vscode.Uri): void {
    throw vscode.FileSystemError.NoPermissions(uri);
  }

  private find(uri: vscode.Uri): Draft {
    const draft = this.files.get(uri.toString());
    if (!draft) {
      throw vscode.FileSystemError.FileNotFound(uri);
    }
    return draft;
  }
}
