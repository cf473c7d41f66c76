/** As much of the editor as the extension touches: documents that can be edited, and a record of what a person would see and choose. */

export class Disposable {
  constructor(private readonly end: () => unknown) {}
  dispose(): void {
    this.end();
  }
}

export class EventEmitter<T> {
  private readonly listeners = new Set<(event: T) => unknown>();
  readonly event = (listener: (event: T) => unknown): Disposable => {
    this.listeners.add(listener);
    return new Disposable(() => this.listeners.delete(listener));
  };
  fire(event: T): void {
    [...this.listeners].forEach((listener) => listener(event));
  }
  dispose(): void {
    this.listeners.clear();
  }
}

export class Position {
  constructor(readonly line: number, readonly character: number) {}
}

export class Range {
  readonly start: Position;
  readonly end: Position;
  constructor(a: Position | number, b: Position | number, c = 0, d = 0) {
    this.start = a instanceof Position ? a : new Position(a, b as number);
    this.end = b instanceof Position ? b : new Position(c, d);
  }
  get isEmpty(): boolean {
    return this.start.line === this.end.line && this.start.character === this.end.character;
  }
}

export class Selection extends Range {
  get active(): Position {
    return this.end;
  }
}

export class Uri {
  private constructor(readonly scheme: string, readonly path: string) {}
  static from({ scheme, path }: { scheme: string; path: string }): Uri {
    return new Uri(scheme, path);
  }
  static file(path: string): Uri {
    return new Uri("file", path);
  }
  get fsPath(): string {
    return this.path;
  }
  toString(): string {
    return `${this.scheme}:${this.path}`;
  }
}

export enum EndOfLine { LF = 1, CRLF = 2 }
export enum ProgressLocation { Notification = 15 }
export enum StatusBarAlignment { Left = 1 }
export enum TreeItemCollapsibleState { None, Collapsed }
export enum FileType { File = 1 }
export enum FilePermission { Readonly = 1 }
export enum FileChangeType { Changed = 1 }
export enum LanguageModelChatMessageRole { User = 1, Assistant }
export enum LanguageModelChatToolMode { Auto = 1 }

export class FileSystemError extends Error {
  static NoPermissions(uri: Uri): FileSystemError {
    return new FileSystemError(`no permission: ${uri.toString()}`);
  }
  static FileNotFound(uri: Uri): FileSystemError {
    return new FileSystemError(`not found: ${uri.toString()}`);
  }
}

export class ThemeIcon {
  constructor(readonly id: string) {}
}
export class TreeItem {
  constructor(readonly label: string, readonly collapsibleState: TreeItemCollapsibleState) {}
}
export class LanguageModelTextPart {
  constructor(readonly value: string) {}
}
export class TabInputTextDiff {
  constructor(readonly original: Uri, readonly modified: Uri) {}
}

interface Change { readonly rangeOffset: number; readonly rangeLength: number; readonly text: string }
const changed = new EventEmitter<{ document: Document; contentChanges: Change[] }>();

export class Document {
  constructor(readonly uri: Uri, readonly languageId: string, private text: string, readonly eol = EndOfLine.LF) {}

  getText(range?: Range): string {
    return range ? this.text.slice(this.offsetAt(range.start), this.offsetAt(range.end)) : this.text;
  }
  private starts(): number[] {
    return [0, ...[...this.text.matchAll(/\n/g)].map((found) => found.index + 1)];
  }
  offsetAt({ line, character }: Position): number {
    return (this.starts()[line] ?? this.text.length) + character;
  }
  positionAt(offset: number): Position {
    const line = this.starts().findLastIndex((start) => start <= offset);
    return new Position(line, offset - (this.starts()[line] ?? 0));
  }
  /** An edit by whoever: the person, or the extension through a WorkspaceEdit. */
  edit(at: number, removed: number, text: string): void {
    this.text = this.text.slice(0, at) + text + this.text.slice(at + removed);
    changed.fire({ document: this, contentChanges: [{ rangeOffset: at, rangeLength: removed, text }] });
  }
  async save(): Promise<boolean> {
    await fake.files?.writeFile(this.uri, new TextEncoder().encode(this.text));
    return true;
  }
}

export class WorkspaceEdit {
  readonly edits: { uri: Uri; range: Range; text: string }[] = [];
  replace(uri: Uri, range: Range, text: string): void {
    this.edits.push({ uri, range, text });
  }
}

interface FileSystem { readFile: (uri: Uri) => Uint8Array; writeFile: (uri: Uri, content: Uint8Array) => void | Promise<void> }
type Shown = (kind: string, message: string, items: readonly string[]) => string | undefined;

/** What a test sets and sees. */
export const fake = {
  documents: [] as Document[],
  settings: {} as Record<string, unknown>,
  /** What was shown, each as "kind: message". */
  shown: [] as string[],
  /** What the person chooses in a message. */
  choose: (() => undefined) as Shown,
  input: undefined as string | undefined,
  commands: new Map<string, (...given: unknown[]) => unknown>(),
  contexts: {} as Record<string, unknown>,
  diffs: [] as { left: Uri; right: Uri; title: string }[],
  tabs: [] as { input: unknown }[],
  progress: [] as string[],
  /** Ends what is under way, as the button of its notification does. */
  cancel: new EventEmitter<void>(),
  bar: { text: "", tooltip: "", command: "", name: "", shown: false },
  tree: undefined as unknown,
  files: undefined as FileSystem | undefined,
  providers: {} as Record<string, unknown>,
  secrets: new Map<string, string>(),
  configured: new EventEmitter<{ affectsConfiguration: (name: string) => boolean }>(),

  open(name: string, languageId: string, text: string, eol = EndOfLine.LF): Document {
    const document = new Document(Uri.file(name), languageId, text, eol);
    this.documents = [...this.documents.filter((each) => each.uri.toString() !== document.uri.toString()), document];
    return document;
  },
  /** Put the cursor, or a selection, into a document. */
  look(document: Document, ...[line, character, endLine, endCharacter]: [number, number?, number?, number?]): void {
    const start = new Position(line, character ?? 0);
    window.activeTextEditor = { document, selection: new Selection(start, endLine === undefined ? start : new Position(endLine, endCharacter ?? 0)) };
  },
  run(command: string, ...given: unknown[]): Promise<unknown> {
    return commands.executeCommand(command, ...given);
  },
  context(): { subscriptions: { dispose: () => unknown }[]; secrets: object } {
    return {
      subscriptions: [],
      secrets: {
        get: (name: string) => Promise.resolve(this.secrets.get(name)),
        store: (name: string, value: string) => Promise.resolve(this.secrets.set(name, value)),
        delete: (name: string) => Promise.resolve(this.secrets.delete(name)),
      },
    };
  },
};

function message(kind: string) {
  return (text: string, ...items: unknown[]): Promise<string | undefined> => {
    fake.shown.push(`${kind}: ${text}`);
    return Promise.resolve(fake.choose(kind, text, items.filter((item) => typeof item === "string")));
  };
}

export const window = {
  activeTextEditor: undefined as { document: Document; selection: Selection } | undefined,
  showInformationMessage: message("information"),
  showWarningMessage: message("warning"),
  showErrorMessage: message("error"),
  showInputBox: () => Promise.resolve(fake.input),
  async withProgress<T>(options: { title: string }, task: (progress: object, token: object) => Promise<T>): Promise<T> {
    fake.progress.push(options.title);
    return task({ report: (each: { message: string }) => fake.progress.push(each.message) }, { isCancellationRequested: false, onCancellationRequested: fake.cancel.event });
  },
  createStatusBarItem: () => Object.assign(fake.bar, { show: () => { fake.bar.shown = true; }, dispose: () => { fake.bar.shown = false; } }),
  registerTreeDataProvider: (_name: string, tree: unknown) => {
    fake.tree = tree;
    return new Disposable(() => undefined);
  },
  tabGroups: {
    get all() {
      return [{ tabs: fake.tabs }];
    },
    close: (tabs: { input: unknown }[]) => {
      fake.tabs = fake.tabs.filter((tab) => !tabs.includes(tab));
      return Promise.resolve(true);
    },
  },
};

export const workspace = {
  isTrusted: true,
  workspaceFolders: undefined as { uri: Uri }[] | undefined,
  getConfiguration: (section: string) => ({ get: (name: string, absent: unknown) => fake.settings[`${section}.${name}`] ?? absent }),
  onDidChangeConfiguration: fake.configured.event,
  onDidChangeTextDocument: changed.event,
  openTextDocument: (uri: Uri) => {
    const known = fake.documents.find((document) => document.uri.toString() === uri.toString());
    return known ? Promise.resolve(known) : Promise.reject(new Error(`no such file: ${uri.toString()}`));
  },
  applyEdit: async (edit: WorkspaceEdit) => {
    await Promise.resolve();
    for (const { uri, range, text } of edit.edits) {
      const document = await workspace.openTextDocument(uri);
      const at = document.offsetAt(range.start);
      document.edit(at, document.offsetAt(range.end) - at, text);
    }
    return true;
  },
  registerFileSystemProvider: (_scheme: string, files: FileSystem) => {
    fake.files = files;
    return new Disposable(() => undefined);
  },
};

export const commands = {
  registerCommand(name: string, command: (...given: unknown[]) => unknown) {
    fake.commands.set(name, command);
    return new Disposable(() => fake.commands.delete(name));
  },
  executeCommand(name: string, ...given: unknown[]): Promise<unknown> {
    if (name === "setContext") {
      fake.contexts[given[0] as string] = given[1];
      return Promise.resolve(undefined);
    }
    if (name === "vscode.diff") {
      const [left, right, title] = given as [Uri, Uri, string];
      const read = (uri: Uri): Document => new Document(uri, "markdown", new TextDecoder().decode(fake.files?.readFile(uri)));
      const draft = read(right);
      fake.documents.push(read(left), draft);
      fake.diffs.push({ left, right, title });
      fake.tabs.push({ input: new TabInputTextDiff(left, right) });
      fake.look(draft, 0);
      return Promise.resolve(undefined);
    }
    const command = fake.commands.get(name);
    if (!command) {
      return Promise.reject(new Error(`no such command: ${name}`));
    }
    return Promise.resolve(command(...given));
  },
};

export const env = { language: "en" };
export const l10n = {
  t: (sentence: string, ...values: (string | number)[]) => sentence.replace(/\{(\d+)\}/g, (_, index: string) => String(values[Number(index)])),
};
export const lm = {
  registerLanguageModelChatProvider: (vendor: string, provider: unknown) => {
    fake.providers[vendor] = provider;
    return new Disposable(() => undefined);
  },
};
