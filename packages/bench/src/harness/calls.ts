/**
 * What the parent asks of a worker process, and what the worker answers. Both travel over Node's IPC channel as JSON.
 */
import type { Cryptography, NodeNetworkOptions } from "./nodes.ts"

/** What is measured: a raw echo, or a BasicNode. */
export type Subject =
  | { readonly _tag: "Echo"; readonly batched: boolean; readonly secret: string | null }
  | { readonly _tag: "Node"; readonly cryptography: Cryptography; readonly network: NodeNetworkOptions }

/** One measurement. Times are milliseconds. */
export interface Measured {
  readonly messages: number
  readonly p50: number
  readonly p99: number
}

/** What a process has used. */
export interface Usage {
  readonly rssBytes: number
  /** Processor time since it started, of all its threads. */
  readonly cpuMillis: number
}

/** Every call by name. Instants are `process.hrtime` in milliseconds, which is one clock for all processes of a machine. */
export interface Calls {
  /** Starts the answering side. The port is a raw echo's; nodes find each other. */
  readonly Serve: {
    readonly payload: { readonly subject: Subject }
    readonly result: { readonly port: number; readonly crypto: string }
  }
  /** Starts the asking side. */
  readonly Connect: {
    readonly payload: { readonly subject: Subject; readonly port: number }
    readonly result: { readonly crypto: string }
  }
  /** Asks, with so many messages on their way, for so long. */
  readonly Measure: {
    readonly payload: { readonly atOnce: number; readonly seconds: number; readonly bytes: number }
    readonly result: Measured
  }
  readonly Usage: { readonly payload: null; readonly result: Usage }
  /** Starts V8's sampling profiler. */
  readonly ProfileStart: { readonly payload: null; readonly result: null }
  /** Stops it and writes the profile. */
  readonly ProfileStop: { readonly payload: { readonly file: string }; readonly result: null }
  /** Starts a node that notes when peers join. */
  readonly Host: {
    readonly payload: {
      readonly name: string
      readonly cryptography: Cryptography
      readonly network: NodeNetworkOptions
    }
    readonly result: null
  }
  /** When the host's `Joined` of a peer came; waits for it. */
  readonly JoinedAt: { readonly payload: { readonly name: string }; readonly result: number }
  /** Starts a node and waits until it knows the host. */
  readonly Meet: {
    readonly payload: {
      readonly name: string
      readonly host: string
      readonly cryptography: Cryptography
      readonly network: NodeNetworkOptions
    }
    readonly result: { readonly started: number; readonly built: number; readonly knows: number }
  }
  /** Ends the node that `Meet` started. */
  readonly Part: { readonly payload: null; readonly result: null }
}

/** The name of a call. */
export type Call = keyof Calls

/** A call on its way. */
export interface Request {
  readonly id: number
  readonly call: Call
  readonly payload: unknown
}

/** Its answer. */
export type Response =
  | { readonly id: number; readonly ok: true; readonly result: unknown }
  | { readonly id: number; readonly ok: false; readonly error: string }
