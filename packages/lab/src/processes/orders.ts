/** What a node in a process of its own is started with, is told to do, and answers. */

/** What a process is started with. */
export interface Start {
  readonly name: string
  readonly networkId: string
  readonly advertisePort: number
  /** The secret key, hex. */
  readonly secret: string
  readonly networkKey?: string | undefined
}

/** What a call came to. */
export type Outcome =
  | { readonly value: unknown }
  | { readonly tag: string; readonly message: string; readonly mayHaveRun?: boolean }

/** What a process holds, in bytes, and how many of what. */
export interface Held {
  readonly heap: number
  readonly external: number
  readonly rss: number
  readonly peers: number
  readonly sessions: number
  /** Metrics by name and outcome. */
  readonly counts: Readonly<Record<string, number>>
}

/** Orders and their answers. */
export interface Orders {
  readonly await: (order: { readonly peers: ReadonlyArray<string> }) => object
  readonly call: (
    order: { readonly peer: string; readonly function: string; readonly args?: ReadonlyArray<unknown> }
  ) => Outcome
  readonly callAll: (
    order: { readonly function: string; readonly args?: ReadonlyArray<unknown> }
  ) => { readonly exits: Readonly<Record<string, Outcome>> }
  /** Calls at a rate, each at its moment whether or not those before were answered; milliseconds from that moment on. */
  readonly load: (
    order: { readonly peer: string; readonly rate: number; readonly seconds: number }
  ) => { readonly times: ReadonlyArray<number>; readonly failures: ReadonlyArray<string> }
  /** Waits until somebody has called `hold`. */
  readonly held: (order: {}) => object
  /** Lets everybody go who has. */
  readonly release: (order: {}) => object
  /** Waits for a process to answer under a name, whoever did before; milliseconds. */
  readonly until: (order: { readonly peer: string; readonly pid: number }) => { readonly took: number }
  readonly conflict: (
    order: { readonly peer: string }
  ) => { readonly expected: string; readonly publicKey: string; readonly reason: string }
  readonly conflicts: (order: {}) => { readonly names: ReadonlyArray<string> }
  readonly resolve: (order: { readonly peer: string; readonly publicKey: string }) => object
  readonly memory: (order: {}) => Held
}
