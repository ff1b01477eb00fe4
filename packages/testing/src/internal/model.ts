/** The public vocabulary of `SimNetwork`, here so that its parts need not import the module that composes them. */
import type { Network, NetworkInterface } from "@pnet/core/Network"
import type { Reach } from "@pnet/core/Reach"
import type * as Context from "effect/Context"
import type * as Duration from "effect/Duration"
import type * as Effect from "effect/Effect"
import type * as Layer from "effect/Layer"
import type * as Scope from "effect/Scope"

/**
 * How long a packet travels: constant, uniform between two durations, or around a mean. The bell curve is the sum of
 * twelve uniform draws, never below `floor` (default: zero).
 *
 * @category models
 * @since 0.1.0
 */
export type Latency =
  | Duration.Input
  | { readonly min: Duration.Input; readonly max: Duration.Input }
  | { readonly mean: Duration.Input; readonly deviation: Duration.Input; readonly floor?: Duration.Input | undefined }

/**
 * What a link does to packets. Probabilities are between 0 and 1.
 *
 * @category models
 * @since 0.1.0
 */
export interface LinkModel {
  /** One-way delay. Default 1 ms. A varying one reorders datagrams by itself; streams stay in order. */
  readonly latency?: Latency | undefined
  /** Bytes of payload a second that one interface can send. Default `Infinity`. */
  readonly bandwidth?: number | undefined
  /** Bytes that wait for that bandwidth before further datagrams are dropped. Default 1 MiB. */
  readonly queue?: number | undefined
  /** The probability that a datagram is lost, or that a stream segment has to be sent again. Default 0. */
  readonly loss?: number | undefined
  /** The probability that a datagram arrives twice. Default 0. */
  readonly duplicate?: number | undefined
  /** The probability that a datagram is held back by `reorderDelay`. Default 0. */
  readonly reorder?: number | undefined
  /** Default 10 ms. */
  readonly reorderDelay?: Duration.Input | undefined
}

/**
 * A broadcast domain. Hosts that share none cannot reach each other.
 *
 * @category models
 * @since 0.1.0
 */
export interface LanOptions {
  /** An IPv4 prefix such as `192.168.7.0/24`. Default `10.0.<n>.0/24`, n counting from 0. */
  readonly subnet?: string | undefined
  /** Overrides of the network's link model. */
  readonly link?: LinkModel | undefined
}

/**
 * The numbers of the simulated TCP. The defaults are Linux's.
 *
 * @category models
 * @since 0.1.0
 */
export interface StreamOptions {
  /** Bytes on their way or unread before a writer suspends, for each direction. Default 262,144. */
  readonly window?: number | undefined
  /** Connections waiting to be accepted before further ones are ignored. Default 128. */
  readonly backlog?: number | undefined
  /** The first wait before an unanswered connection request is repeated; doubles. Default 1 second. */
  readonly connectRetry?: Duration.Input | undefined
  /** Repetitions before connecting fails. Default 6, so after 127 seconds. */
  readonly connectRetries?: number | undefined
  /** The first wait before lost bytes are sent again; doubles. Default 200 ms. */
  readonly retry?: Duration.Input | undefined
  /** The longest such wait. Default 2 minutes. */
  readonly retryMax?: Duration.Input | undefined
  /** How long bytes are sent again before the connection fails. Default 15 minutes. */
  readonly giveUp?: Duration.Input | undefined
  /**
   * How the bytes that have arrived are cut when they are pulled: `"random"` (the default) joins and splits them at points
   * drawn from the seed, `"joined"` gives all of them in one piece, `"bytes"` gives single bytes.
   */
  readonly chunking?: "random" | "joined" | "bytes" | undefined
}

/**
 * Options of a simulated network.
 *
 * @category models
 * @since 0.1.0
 */
export interface Options {
  /** Everything drawn comes from it: the same seed and the same program give the same run. Default `"pnet"`. */
  readonly seed?: number | string | undefined
  /** The link model of every LAN. */
  readonly link?: LinkModel | undefined
  /** The LANs by name; the first is the default one. Default one named `lan`, 10.0.0.0/24. */
  readonly lans?: Readonly<Record<string, LanOptions>> | undefined
  /** The link from a host to itself. Default no latency. */
  readonly loopback?: LinkModel | undefined
  readonly streams?: StreamOptions | undefined
  /** Bytes of datagrams that a paused process's socket holds, each counted with 768 bytes of overhead. Default 212,992. */
  readonly kernelBuffer?: number | undefined
  /** Arrivals are rounded up to a multiple of it: fewer wake-ups, and whole milliseconds in traces. Default 1 ms. */
  readonly resolution?: Duration.Input | undefined
  /** Events kept in the trace, the oldest dropped first; 0 switches it off. Default 10,000. */
  readonly traceCapacity?: number | undefined
}

/**
 * One interface of a host, besides its loopback.
 *
 * @category models
 * @since 0.1.0
 */
export interface InterfaceOptions {
  /** Default: the network's first LAN. */
  readonly lan?: string | undefined
  /** Default: the next free address of the LAN. */
  readonly address?: string | undefined
  /** Default `eth<n>`. */
  readonly name?: string | undefined
}

/**
 * Options of a host.
 *
 * @category models
 * @since 0.1.0
 */
export interface HostOptions {
  /** Default: one on the first LAN. */
  readonly interfaces?: ReadonlyArray<InterfaceOptions> | undefined
  /** What its wall clock is ahead of the network's; negative when behind. Default 0. */
  readonly clockSkew?: Duration.Input | undefined
  /** How much faster its clocks run: 0.001 gains a second in a thousand. Default 0. */
  readonly clockDrift?: number | undefined
}

/**
 * A program running on a host: its fibers, its sockets, and its view of time and chance.
 *
 * @category models
 * @since 0.1.0
 */
export interface Process<A = never> {
  readonly host: Host
  /** Unique in the network, counting from 1. */
  readonly pid: number
  /** What the launched layer provides, besides the host's `Network`, `Reach`, Clock, Random and Entropy. */
  readonly context: Context.Context<A | Network | Reach>
  readonly isAlive: () => boolean
  /**
   * Runs an effect in this process: with its services, its clock and its randomness. The process's end interrupts it. What
   * it acquires in a Scope stays in the caller's.
   */
  readonly run: <B, E, R>(effect: Effect.Effect<B, E, R>) => Effect.Effect<B, E, Exclude<R, A | Network | Reach>>
  /** Ends it in order: its scope closes, finalizers can still send. */
  readonly stop: Effect.Effect<void>
  /** kill -9: nothing its finalizers do reaches the network, and the system closes its sockets. */
  readonly kill: Effect.Effect<void>
  /** Freezes it: its timers and reads wait, what arrives fills the system's bounded buffers. */
  readonly pause: Effect.Effect<void>
  readonly resume: Effect.Effect<void>
}

/**
 * A simulated machine. Every host has a loopback interface, 127.0.0.1/8.
 *
 * @category models
 * @since 0.1.0
 */
export interface Host {
  readonly name: string
  /** The address of its first interface that has one; the loopback's if it has none. */
  readonly address: string
  /**
   * `Network`, `Reach` by the LAN over it, and with these this host's Clock, Random and Entropy, as a process that ends with the layer's scope. Prefer
   * `launch` where one layer value runs on several hosts: layers are memoised by identity, `launch` builds afresh.
   */
  readonly layer: Layer.Layer<Network | Reach>
  /** Builds a layer as a new process, which ends with the network unless stopped, killed or crashed before. */
  readonly launch: <A, E, R>(
    layer: Layer.Layer<A, E, R>
  ) => Effect.Effect<Process<A>, E, Exclude<R, Network | Reach | Scope.Scope>>
  /** Starts an empty process. */
  readonly process: Effect.Effect<Process>
  /** Runs an effect as a process of its own that ends with it. */
  readonly run: <A, E, R>(
    effect: Effect.Effect<A, E, R>
  ) => Effect.Effect<A, E, Exclude<R, Network | Reach | Scope.Scope>>
  readonly interfaces: Effect.Effect<ReadonlyArray<NetworkInterface>>
  readonly addInterface: (options?: InterfaceOptions) => Effect.Effect<NetworkInterface>
  readonly removeInterface: (name: string) => Effect.Effect<void>
  /** Gives an interface another address of its LAN (default: the next free one). What is bound to the old one is stranded. */
  readonly changeAddress: (name: string, address?: string) => Effect.Effect<NetworkInterface>
  /** Link down and up: an interface that is down keeps its address and carries nothing. That of loopback is `lo`. */
  readonly setLinkUp: (name: string, up: boolean) => Effect.Effect<void>
  /** Whether its system lets anybody send broadcasts, as a firewall may not. At first it does. */
  readonly setBroadcastAllowed: (allowed: boolean) => Effect.Effect<void>
  /** Makes the wall clock jump. Timers are not affected, as with a real one. */
  readonly setSkew: (skew: Duration.Input) => Effect.Effect<void>
  /** Power loss: every process dies and nothing more is sent, not even a reset. */
  readonly crash: Effect.Effect<void>
  /** Power on again, with the same addresses and no processes. Crashes it first if it is up. */
  readonly restart: Effect.Effect<void>
  /** Freezes every process of the host. */
  readonly pause: Effect.Effect<void>
  readonly resume: Effect.Effect<void>
  readonly isUp: () => boolean
}

/**
 * One host or several, by value or by name.
 *
 * @category models
 * @since 0.1.0
 */
export type Hosts = Host | string | ReadonlyArray<Host | string>

/**
 * What happened on the network.
 *
 * @category models
 * @since 0.1.0
 */
export interface TraceEvent {
  /** Counts from 1, also over events that the ring has dropped. */
  readonly sequence: number
  /** Milliseconds since the network was made. */
  readonly at: number
  /** Such as `udp.send`, `udp.deliver`, `udp.drop`, `tcp.connect`, `tcp.data`, `host.crash`. */
  readonly kind: string
  /** `host address:port`; the host's name alone for verbs. */
  readonly from: string
  /** `host address:port`, or `address:port` while nobody has received it; empty for verbs. */
  readonly to: string
  /** The length of the payload. */
  readonly bytes: number | undefined
  /** The first 32 bits of a hash of the payload, in hexadecimal. */
  readonly hash: string | undefined
  /** Why, or which: a drop's reason, a verb's argument. */
  readonly detail: string | undefined
}

/**
 * Counters since the network was made.
 *
 * @category models
 * @since 0.1.0
 */
export interface Stats {
  /** Datagrams handed to the network; a broadcast is one. */
  readonly sent: number
  readonly sentBytes: number
  /** Datagrams given to a socket; a broadcast counts for each. */
  readonly delivered: number
  readonly deliveredBytes: number
  /** Datagrams that a link lost. */
  readonly lost: number
  readonly duplicated: number
  readonly reordered: number
  /** Datagrams dropped, by reason. */
  readonly dropped: Readonly<Record<string, number>>
  /** Connection requests that were sent, also those that nobody answered; the same again counts again. */
  readonly connects: number
  /** Connections that were established. */
  readonly connections: number
  readonly refused: number
  readonly resets: number
  /** Bytes that streams delivered. */
  readonly streamBytes: number
  /** Stream segments that had to be sent again. */
  readonly retransmitted: number
}

/**
 * A socket that a process holds.
 *
 * @category models
 * @since 0.1.0
 */
export interface OpenSocket {
  readonly host: string
  readonly pid: number
  readonly kind: "datagram" | "listener" | "stream"
  readonly local: string
  readonly remote: string | undefined
}

/**
 * A datagram, or a piece of a stream, on its way.
 *
 * @category models
 * @since 0.1.0
 */
export interface Packet {
  readonly protocol: "udp" | "tcp"
  /** The sending host's name. */
  readonly host: string
  /** `address:port`. */
  readonly from: string
  readonly to: string
  /** Copy it to keep or change it. */
  readonly payload: Uint8Array
}

/**
 * What an interceptor does with a packet. What it injects follows the packet, as if the same sender had sent it.
 *
 * @category models
 * @since 0.1.0
 */
export type Verdict =
  | "pass"
  | "drop"
  | { readonly replace: Uint8Array }
  | { readonly inject: ReadonlyArray<Uint8Array> }
