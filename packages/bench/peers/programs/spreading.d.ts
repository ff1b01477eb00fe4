/** A message: bytes, or a text where the library carries JSON. */
export type Message = Uint8Array | string

/** How to publish. */
export interface Options {
  /** Those processes of subscribers that the publisher waits for. */
  readonly among: ReadonlyArray<number>
  readonly seconds: number
  /** So many a second; `null`: as many as go. */
  readonly perSecond: number | null
  /** Only until all have had one. */
  readonly probing?: boolean
}

/** What was published. */
export interface Result {
  readonly published: number
  /** How many of it all had within the time, and after how long. */
  readonly count: number
  readonly millis: number
}

/** How many latencies there were of each length. */
export type Latencies = ReadonlyArray<readonly [bucket: number, count: number]>

export interface Pace {
  due(): number
  next(): Message
  wait(): Promise<boolean>
  result(): Result
}

export interface Publisher {
  readonly port: number
  readonly pace: (options: Options) => Pace
  readonly close: () => void
}

export interface Subscribers {
  readonly take: (subscriber: number, message: Message) => void
  readonly received: () => { readonly received: number; readonly latencies: Latencies }
}

export const window: number
export const instant: () => number
export const percentile: (latencies: Latencies, p: number) => number
export const subscribing: (
  options: { readonly count: number; readonly port: number; readonly process: number; readonly window: number }
) => Subscribers
export const publishing: (
  options: {
    readonly bytes: number
    readonly patience?: number
    readonly processes: number
    readonly text?: boolean | undefined
    readonly window: number
  }
) => Promise<Publisher>
export const spread: (publish: (message: any) => unknown, pace: Pace) => Promise<Result>
