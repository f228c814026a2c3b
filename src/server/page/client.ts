// The server, as the page asks it: with the key that its user has given, errors as sentences, and streams as objects.

import { byId } from "./element.js";

const KEY = "cria.key";

/** What the server refused, in its words. */
export class Refusal extends Error {
  readonly status: number;

  constructor(status: number, message: string) {
    super(message);
    this.status = status;
  }
}

const keyNow = () => sessionStorage.getItem(KEY) ?? localStorage.getItem(KEY);

/** What is asked. A body is sent as JSON, by POST. */
interface Asked {
  readonly body?: object;
  readonly signal?: AbortSignal;
  readonly accept?: string;
  /** Nobody waits for it: a user who has refused to give a key is not asked again. */
  readonly background?: boolean;
}

/** Asks the server. A page that has no key, or a wrong one, asks its user, and then the server again. @throws Refusal */
export async function ask(path: string, init: Asked = {}): Promise<Response> {
  for (;;) {
    const key = keyNow();
    const response = await fetch(path, {
      method: init.body === undefined ? "GET" : "POST",
      headers: {
        ...(init.body !== undefined && { "content-type": "application/json" }),
        ...(init.accept !== undefined && { accept: init.accept }),
        ...(key !== null && { authorization: `Bearer ${key}` }),
      },
      body: init.body && JSON.stringify(init.body),
      signal: init.signal,
    }).catch((error: unknown) => {
      if (init.signal?.aborted) throw error;
      throw new Refusal(0, "The server cannot be reached.");
    });
    const mayAsk = response.status === 401 && !(declined && init.background === true);
    if (mayAsk && (await askForKey(key))) continue;
    if (!response.ok) throw new Refusal(response.status, await messageOf(response));
    return response;
  }
}

export async function askJson<Answer>(path: string, init: Asked = {}): Promise<Answer> {
  return (await ask(path, init)).json() as Promise<Answer>;
}

async function messageOf(response: Response): Promise<string> {
  const text = await response.text();
  try {
    const { error } = JSON.parse(text) as { error?: { message?: string } | string };
    const message = typeof error === "string" ? error : error?.message;
    if (message !== undefined) return message;
  } catch {
    // Not the server's own answer, but that of something between.
  }
  return `${response.status} ${response.statusText}`;
}

/** The events of a stream, as objects. @throws Refusal for an event that tells of an error */
export async function* events<Event extends object>(response: Response): AsyncGenerator<Event, void, undefined> {
  const reader = response.body!.pipeThrough(new TextDecoderStream()).getReader();
  let text = "";
  try {
    for (;;) {
      const { done, value } = await reader.read();
      if (done) return;
      const lines = (text + value).split("\n");
      text = lines.pop()!;
      for (const line of lines) {
        if (!line.startsWith("data: ") || line === "data: [DONE]") continue;
        const event = JSON.parse(line.slice(6)) as Event | { readonly error: { readonly message: string } };
        if ("error" in event) throw new Refusal(200, (event.error as { message: string }).message);
        yield event as Awaited<Event>;
      }
    }
  } finally {
    await reader.cancel().catch(() => undefined);
  }
}

let asking: Promise<boolean> | undefined;
let declined = false;

/** Asks the user for a key. `refused`: the one that the server did not take. @returns whether there is another one now */
function askForKey(refused: string | null): Promise<boolean> {
  if (keyNow() !== refused) return Promise.resolve(true); // it was given meanwhile
  asking ??= new Promise<boolean>((resolve) => {
    const dialog = byId<HTMLDialogElement>("key-dialog");
    const input = byId<HTMLInputElement>("key");
    byId("key-note").textContent = refused === null ? "This server needs a key." : "The server does not know this key.";
    input.value = "";
    dialog.returnValue = "";
    byId("key-cancel").onclick = () => dialog.close();
    byId("key-form").onsubmit = () => {
      for (const storage of [sessionStorage, localStorage]) storage.removeItem(KEY);
      const storage = byId<HTMLInputElement>("key-keep").checked ? localStorage : sessionStorage;
      storage.setItem(KEY, input.value.trim());
    };
    dialog.onclose = () => {
      asking = undefined;
      declined = keyNow() === refused;
      resolve(!declined);
    };
    dialog.showModal();
  });
  return asking;
}
