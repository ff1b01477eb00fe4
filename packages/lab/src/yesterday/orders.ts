/**
 * What nodes are told and what they answer, as JSON, whether they are of today and in this process or of yesterday and packed.
 *
 * A packed peer knows the orders of its day alone: orders may be added, and are not changed.
 */

/** How a node is started. */
export interface Start {
  /** What orders call it. Several nodes are in one process. */
  readonly node: string
  readonly name: string
  readonly networkId: string
  readonly advertisePort: number
  readonly networkKey?: string
  readonly framing?: "binary" | "text"
  readonly peers?: ReadonlyArray<string>
  readonly limits?: Readonly<Record<string, string | number>>
  readonly broadcastInterval?: string
  /** Of today's nodes alone. */
  readonly broadcastBudget?: number
}

/** What a call came to. */
export type Outcome =
  | { readonly value: unknown }
  /** `code` is that of a RESET, where it was one. */
  | { readonly tag: string; readonly message: string; readonly code?: string; readonly mayHaveRun?: boolean }

/** Which node is to do something, and to which peer. */
export interface To {
  readonly node: string
  readonly peer: string
}

/** A session, as its node sees it. */
export interface SessionInfo {
  readonly dialled: boolean
  readonly binary: boolean
  readonly draining: boolean
}

/** Orders and their answers. */
export interface Orders {
  readonly start: (order: Start) => { readonly publicKey: string; readonly port: number }
  readonly stop: (order: { readonly node: string }) => object
  /** Waits until a peer is known. */
  readonly await: (order: To) => { readonly publicKey: string }
  /** Waits until it is not. */
  readonly gone: (order: To) => object
  /** One message of RAW, as text. */
  readonly raw: (order: To & { readonly text: string }) => Outcome
  /** A function over bytes. */
  readonly request: (
    order: To & {
      readonly function: string
      readonly text: string
      /** Of today's nodes alone. */
      readonly headers?: Readonly<Record<string, string>>
    }
  ) => Outcome
  /** Reads so many KiB of `numbers`, with a pause of so many milliseconds behind each, and looks at every byte; or sends them to `sum`. */
  readonly numbers: (
    order: To & { readonly kibibytes: number; readonly pause?: number; readonly send?: boolean }
  ) => Outcome
  /** A stream of any protocol. */
  readonly stream: (order: To & { readonly protocol: string; readonly name: string }) => Outcome
  /** A command. `absent` are places of `args` that are undefined. */
  readonly call: (
    order: To & {
      readonly function: string
      readonly args?: ReadonlyArray<unknown>
      readonly kwargs?: Readonly<Record<string, unknown>>
      readonly absent?: ReadonlyArray<number>
      readonly timeout?: string
    }
  ) => Outcome
  /** A typed call of the group, with its payload and what came of it in the JSON of its Schemas; `take` elements of a stream, or all. */
  readonly rpc: (
    order: To & { readonly rpc: string; readonly payload?: unknown; readonly take?: number; readonly timeout?: string }
  ) => Outcome
  /** Waits until a call of `hold` or `forever` is at work. */
  readonly held: (order: { readonly node: string }) => object
  /** Waits until as many as that were interrupted. */
  readonly interrupted: (order: { readonly node: string; readonly times: number }) => object
  readonly sessions: (order: { readonly node: string }) => { readonly sessions: ReadonlyArray<SessionInfo> }
  /** How often something was run. */
  readonly runs: (order: { readonly node: string }) => { readonly runs: Readonly<Record<string, number>> }
}

/** Gives an order, and waits for what came of it. */
export type Ask = <Name extends keyof Orders>(
  name: Name,
  order: Parameters<Orders[Name]>[0]
) => import("effect").Effect.Effect<ReturnType<Orders[Name]>>
