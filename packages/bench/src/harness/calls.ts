/**
 * What the parent asks of a worker process, and what the worker answers. Both travel over Node's IPC channel as JSON.
 */
import type * as Effect from "effect/Effect"
import type * as Spreading from "../../peers/programs/spreading.js"
import type { Cryptography, Framing, NodeNetworkOptions } from "./nodes.ts"
import type { Certificate } from "./sockets.ts"

/** What is measured: a raw echo, raw bulk, a BasicNode, an AdvancedNode, an RPC group, or a function of a CommandNode. */
export type Subject =
  | {
    readonly _tag: "Echo"
    readonly batched: boolean
    /** With a 32-byte key in hex. */
    readonly sealing: { readonly kind: "fresh" | "message" | "batch"; readonly secret: string } | null
    readonly tls?: Certificate
  }
  /** With a secretbox for each chunk where there is a key. */
  | { readonly _tag: "Bulk"; readonly secret: string | null; readonly tls?: Certificate }
  | { readonly _tag: "Node"; readonly cryptography: Cryptography; readonly network: NodeNetworkOptions }
  | {
    readonly _tag: "Advanced"
    readonly cryptography: Cryptography
    readonly network: NodeNetworkOptions
    readonly framing: Framing
    /** Which function is called. */
    readonly command: "echo" | "echo-stream"
  }
  /** An RPC group, over pnet where there is a network and over Effect's own protocol on plain TCP where there is none. */
  | {
    readonly _tag: "Typed"
    readonly cryptography: Cryptography
    readonly network: NodeNetworkOptions | null
    readonly tracing: boolean
  }
  /** A function of a CommandNode, by its name. */
  | {
    readonly _tag: "Command"
    readonly cryptography: Cryptography
    readonly network: NodeNetworkOptions
    readonly tracing: boolean
  }
  /** Nodes that send files into a folder. */
  | {
    readonly _tag: "Files"
    readonly cryptography: Cryptography
    readonly network: NodeNetworkOptions
    readonly folder: string
  }

/** A library besides pnet, which has a program of its own (`peers/programs`). What its program takes of this it says itself. */
export interface Peer extends Partial<Certificate> {
  readonly _tag: "Peer"
  /** Whether it encrypts, where it can do both. */
  readonly secure?: boolean
  /** Whether all calls go over one stream. */
  readonly oneStream?: boolean
  /** The port of a server between the two sides, and its process, whose processor time counts as the answering side's. */
  readonly port?: number
  readonly helper?: number
  /** Bytes of a chunk of bulk, where its program can choose. Default 64 KiB. */
  readonly chunk?: number
  /** Ports that nobody uses: one for each side, or for the publisher and each subscriber. */
  readonly ports?: ReadonlyArray<number>
}

/** What goes from one to many: a topic's values, calls of a CommandNode's function of all peers, or what a library besides pnet has for it. */
export type ToMany =
  | { readonly _tag: "Topic"; readonly network: NodeNetworkOptions; readonly values: "texts" | "bytes" }
  | { readonly _tag: "All"; readonly network: NodeNetworkOptions }
  | Peer

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
  /** How long its main thread has stood still for the collection of garbage. */
  readonly gcMillis: number
  /** How long its event loop has waited, and how long not. */
  readonly idleMillis: number
  readonly activeMillis: number
  /** Pages that were not there, read from a disk or not. */
  readonly pageFaults: number
  /** Switches to another thread or process, because it waited or because its time was over. */
  readonly switches: number
}

/** What a process holds, after a garbage collection. */
export interface Memory {
  readonly rssBytes: number
  /** Objects, and the buffers that they keep. */
  readonly heapBytes: number
}

/** What was allocated on the heap between two moments, collected meanwhile or not; bytes. */
export interface Allocated {
  readonly bytes: number
  readonly top: ReadonlyArray<{ readonly name: string; readonly bytes: number }>
}

/** When a process stood still. Instants and durations are milliseconds. */
export interface Stalls {
  /** For the collection of garbage. */
  readonly pauses: ReadonlyArray<readonly [from: number, to: number]>
  /** How long for a core, between two moments. */
  readonly waits: ReadonlyArray<readonly [from: number, to: number, millis: number]>
}

/** Every call by name. Instants are `process.hrtime` in milliseconds, which is one clock for all processes of a machine. */
export interface Calls {
  /** Starts the answering side. The port is a raw echo's; nodes find each other. */
  readonly Serve: {
    readonly payload: { readonly subject: Subject | Peer }
    /** `hello` is what else the asking side has to know. */
    readonly result: { readonly port: number; readonly crypto: string; readonly hello?: unknown }
  }
  /** Starts the asking side. */
  readonly Connect: {
    readonly payload: { readonly subject: Subject | Peer; readonly port: number; readonly hello?: unknown }
    readonly result: { readonly crypto: string }
  }
  /** Asks, with so many messages on their way, for so long. */
  readonly Measure: {
    readonly payload: { readonly atOnce: number; readonly seconds: number; readonly bytes: number }
    readonly result: Measured
  }
  /** Asks so many times, with so many on their way. */
  readonly Calls: {
    readonly payload: { readonly count: number; readonly atOnce: number; readonly bytes: number }
    readonly result: null
  }
  /** Sends so many bytes one way, in so many streams at once, until all of them were counted at the other side. */
  readonly Transfer: {
    readonly payload: { readonly bytes: number; readonly streams: number }
    readonly result: { readonly millis: number }
  }
  /** Sends the files at a path, in one transfer or in a call for each. */
  readonly SendFiles: {
    readonly payload: { readonly path: string; readonly how: "transfer" | "call" }
    readonly result: { readonly millis: number; readonly files: number }
  }
  /** Starts the side that publishes messages of so many bytes. The port is the one that progress is said to; no more than the window are on their way. */
  readonly Publisher: {
    readonly payload: {
      readonly subject: ToMany
      readonly bytes: number
      readonly subscribers: number
      /** How many processes they have. */
      readonly processes: number
    }
    readonly result: { readonly port: number; readonly window: number; readonly hello?: unknown }
  }
  /** Starts so many subscribers in a process, each with a node or a connection of its own; the first of all of them has the number 0, as the first process has. */
  readonly Subscribers: {
    readonly payload: {
      readonly subject: ToMany
      readonly process: number
      readonly first: number
      readonly count: number
      readonly port: number
      readonly window: number
      readonly hello?: unknown
    }
    readonly result: null
  }
  /** Publishes for so long. */
  readonly Publish: { readonly payload: Spreading.Options; readonly result: Spreading.Result }
  /** What came to all of a process's subscribers since this was asked for the last time. */
  readonly Received: {
    readonly payload: null
    readonly result: { readonly received: number; readonly latencies: Spreading.Latencies }
  }
  readonly Usage: { readonly payload: null; readonly result: Usage }
  readonly Memory: { readonly payload: null; readonly result: Memory }
  /** Begins to watch the resident memory, after a garbage collection. */
  readonly WatchStart: { readonly payload: null; readonly result: { readonly rssBytes: number } }
  /** The most there was since, and what is left after a garbage collection. */
  readonly WatchStop: {
    readonly payload: null
    readonly result: { readonly maxBytes: number; readonly rssBytes: number }
  }
  /** Keeps a core busy from now on. */
  readonly Bustle: { readonly payload: null; readonly result: null }
  /** Starts V8's sampling profiler. */
  readonly ProfileStart: { readonly payload: null; readonly result: null }
  /** Stops it and writes the profile. */
  readonly ProfileStop: { readonly payload: { readonly file: string }; readonly result: null }
  /** Starts to watch when the process stands still, and the calls that are measured. */
  readonly TailStart: { readonly payload: null; readonly result: null }
  /** Stops it; with the slowest of the calls, one in so many, each from when it was sent to when it was answered. */
  readonly TailStop: {
    readonly payload: { readonly oneIn: number }
    readonly result: Stalls & { readonly calls: ReadonlyArray<readonly [from: number, to: number]> }
  }
  /** Starts V8's sampling heap profiler, which counts what is collected, too. */
  readonly AllocationsStart: { readonly payload: null; readonly result: null }
  /** Stops it: how many bytes were allocated since, by estimate, and the functions that allocated the most of them. */
  readonly AllocationsStop: { readonly payload: { readonly top: number }; readonly result: Allocated }
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
  /** Starts an AdvancedNode for a crowd to have sessions with. */
  readonly Hub: {
    readonly payload: { readonly cryptography: Cryptography; readonly network: NodeNetworkOptions }
    readonly result: { readonly publicKey: string; readonly port: number }
  }
  /** How many sessions the hub has. */
  readonly HubSessions: { readonly payload: null; readonly result: number }
  /** Makes so many nodes, with no more to them than sessions need, that know the hub. */
  readonly Crowd: {
    readonly payload: {
      readonly cryptography: Cryptography
      readonly network: NodeNetworkOptions
      readonly hub: { readonly publicKey: string; readonly port: number }
      readonly size: number
    }
    readonly result: null
  }
  /** Each of the crowd calls the hub once, which leaves it with an idle session. */
  readonly Gather: { readonly payload: null; readonly result: null }
  /** Hears adverts, as a node with room for so many peers, or as a raw socket that counts. */
  readonly Listen: {
    readonly payload: {
      readonly subject: "raw" | "node"
      readonly network: NodeNetworkOptions
      readonly peers: number
    }
    readonly result: null
  }
  /** Adverts that were heard until now, and the peers that are known by them. */
  readonly Heard: { readonly payload: null; readonly result: { readonly adverts: number; readonly peers: number } }
  /** Processor time to open an advert's token, in microseconds, on average. */
  readonly Opening: { readonly payload: { readonly times: number }; readonly result: { readonly micros: number } }
  /** Makes so many that have nothing to them but adverts, each on an address of its own. */
  readonly Speakers: {
    readonly payload: { readonly network: NodeNetworkOptions; readonly size: number }
    readonly result: null
  }
  /** So many adverts a second of the first `size` of them, in turns, and so many questions to who hears them. */
  readonly Speak: {
    readonly payload: {
      readonly size: number
      readonly perSecond: number
      readonly asksPerSecond: number
      readonly seconds: number
    }
    readonly result: { readonly sent: number }
  }
}

/** The name of a call. */
export type Call = keyof Calls

/** What a worker is asked besides: to end all that it has, and to be as one that was just started. */
export const anew = "Anew"

/** How a worker answers calls. */
export type Handlers<Names extends Call = Call> = {
  readonly [Name in Names]: (payload: Calls[Name]["payload"]) => Effect.Effect<Calls[Name]["result"], unknown>
}

/** A call on its way. */
export interface Request {
  readonly id: number
  readonly call: Call | typeof anew
  readonly payload: unknown
}

/** Its answer. */
export type Response =
  | { readonly id: number; readonly ok: true; readonly result: unknown }
  | { readonly id: number; readonly ok: false; readonly error: string }
