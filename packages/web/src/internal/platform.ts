/**
 * What browsers have, typed here because the package compiles without any platform's types; and where a platform lacks it, `undefined`.
 */
import type { WebSocketLike } from "effect/socket/Socket"

interface Events<Names extends string> {
  addEventListener(type: Names, listener: () => void, options?: { readonly once?: boolean }): void
}

/** A request of IndexedDB. */
export interface Request<A> extends Events<"success" | "error" | "blocked" | "upgradeneeded"> {
  readonly result: A
  readonly error: unknown
}

export interface ObjectStore {
  get(key: string): Request<unknown>
  put(value: unknown, key: string): Request<unknown>
  delete(key: string): Request<unknown>
  clear(): Request<unknown>
  count(): Request<number>
  getAllKeys(): Request<ReadonlyArray<unknown>>
}

export interface Database {
  transaction(
    store: string,
    mode: "readonly" | "readwrite",
    options?: { readonly durability?: string }
  ): Events<"complete" | "error" | "abort"> & { readonly error: unknown; objectStore(name: string): ObjectStore }
  createObjectStore(name: string): unknown
  close(): void
}

export interface Locks {
  request(
    name: string,
    options: { readonly ifAvailable?: boolean },
    granted: (lock: unknown) => Promise<void> | undefined
  ): Promise<unknown>
}

/** What is kept for one tab, and for all of a site. */
export interface TextStorage {
  getItem(key: string): string | null
  setItem(key: string, value: string): void
  removeItem(key: string): void
  clear(): void
  key(index: number): string | null
  readonly length: number
}

export interface ParsedUrl {
  readonly href: string
  readonly protocol: string
  readonly host: string
  readonly hostname: string
  readonly port: string
  readonly hash: string
  readonly username: string
  readonly password: string
}

/** A WebSocket, with what this package needs of it beyond what Effect does. */
export interface BrowserSocket extends WebSocketLike {
  binaryType?: string
  readonly bufferedAmount?: number
}

interface Globals {
  readonly indexedDB?: { open(name: string, version: number): Request<Database> }
  readonly navigator?: { readonly locks?: Locks; readonly onLine?: boolean }
  readonly localStorage?: TextStorage
  readonly sessionStorage?: TextStorage
  readonly document?: { readonly title: string }
  readonly location?: { readonly pathname: string }
  readonly URL: { new(text: string): ParsedUrl; canParse?(text: string): boolean }
}

export const globals = globalThis as unknown as Globals

/** A URL, or `undefined` where the text is none. */
export const parseUrl = (text: string): ParsedUrl | undefined => {
  try {
    return new globals.URL(text)
  } catch {
    return undefined
  }
}

/** What a site may be forbidden to look at, which throws: then there is none. */
export const allowed = <A>(read: () => A | undefined): A | undefined => {
  try {
    return read()
  } catch {
    return undefined
  }
}
