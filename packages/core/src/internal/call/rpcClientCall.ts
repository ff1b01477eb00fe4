/** One typed call of one peer, as its caller's side sees it; and what the calls of one client share. */
import * as Cause from "effect/Cause"
import type * as Clock from "effect/Clock"
import type * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import type * as Rpc from "effect/rpc/Rpc"
import type { FromServer, Request } from "effect/rpc/RpcMessage"
import { nowUnsafe } from "../../Deadline.ts"
import {
  CallTooLargeError,
  ContractError,
  DeadlineError,
  type InvalidArgumentsError,
  type NodeClosedError,
  NotAllowedError,
  RemoteDefectError,
  UnknownFunctionError
} from "../../FunctionError.ts"
import type { NodeName } from "../../Packet.ts"
import type { NameConflictError, Peer, PeerLostError, Peers, PeerUnknownError } from "../../Peers.ts"
import type * as Sessions from "../../Sessions.ts"
import type { DialError } from "../../Transport.ts"
import { waitedSince } from "../base/waited.ts"
import { lostBefore } from "../peers/lostBefore.ts"
import { late } from "../session/refused.ts"
import { type CallMeter, meterOf } from "./callMetrics.ts"
import { differences } from "./contractDifferences.ts"
import type { Known, Way } from "./rpcClientKnown.ts"
import { jsonWireOf } from "./rpcJson.ts"
import type * as Wire from "./rpcWire.ts"

/** How a peer that was called before is lost to who calls it again, where it cannot be dialled. */
const lossOf: Record<DialError["kind"], PeerLostError["reason"]> = {
  Refused: "Refused",
  Timeout: "NoAnswer",
  Unreachable: "NoAnswer",
  Unknown: "NoAnswer",
  NoEndpoint: "SessionEnded"
}

export type RpcError =
  | PeerUnknownError
  | NameConflictError
  | NodeClosedError
  | Sessions.OpenError
  | Sessions.StreamError
  | DeadlineError
  | ContractError
  | UnknownFunctionError
  | NotAllowedError
  | InvalidArgumentsError
  | CallTooLargeError
  | RemoteDefectError

/** What the calls of one client share. */
export interface Client {
  readonly sessions: Sessions.Sessions["Service"]
  readonly peers: Peers["Service"]
  readonly clock: Clock.Clock
  readonly known: Known
  /** Bytes of a call, of an answer, and of an element of a stream. */
  readonly limit: number
  /** Chunks of a stream that a peer may send ahead. */
  readonly window: number
  /** Milliseconds that a call may take; Infinity for no end. */
  readonly timeout: number
  readonly meters: Meters
  /** Gives Effect's client what has come for one of its calls. */
  readonly write: (message: FromServer<any>) => Effect.Effect<void>
}

/** Meters that a client knows. */
const mostMeters = 1_024

/** The meters of a client's calls, each of which is looked for once. */
export class Meters {
  readonly #known = new Map<Wire.Wire, Map<string, CallMeter>>()
  #size = 0
  of({ name, to, wire }: Call): CallMeter {
    const known = this.#known.get(wire)?.get(to)
    if (known !== undefined) return known
    const meter = meterOf("out", "rpc", to, name)
    if (this.#size >= mostMeters) {
      this.#known.clear()
      this.#size = 0
    }
    const ofWire = this.#known.get(wire) ?? new Map<string, CallMeter>()
    this.#known.set(wire, ofWire.set(to, meter))
    this.#size++
    return meter
  }
}

/** The tags of pnet's own errors. A handler's may be a peer's text, which is no label. */
const ownTags: ReadonlySet<unknown> = new Set<RpcError["_tag"]>([
  "PeerUnknownError",
  "NameConflictError",
  "NodeClosedError",
  "PeerLostError",
  "DialError",
  "ProtocolError",
  "UntrustedPeerError",
  "StreamResetError",
  "DeadlineError",
  "ContractError",
  "UnknownFunctionError",
  "NotAllowedError",
  "CallTooLargeError",
  "RemoteDefectError"
])

export const tagOf = (cause: Cause.Cause<any>): string => {
  const failure = cause.reasons.find(Cause.isFailReason)
  if (failure === undefined) return "Interrupted"
  const tag: unknown = typeof failure.error === "object" && failure.error !== null ? failure.error._tag : undefined
  return ownTags.has(tag) ? tag as string : "failed"
}

const formBit = (json: boolean): number => json ? 2 : 1

export class Call {
  readonly client: Client
  readonly to: NodeName
  readonly message: Request<Rpc.Any>
  /** How it is made: in bytes, until that is known to be wrong. */
  wire: Wire.Wire
  /** By which contract it was made. */
  hash: Uint8Array | undefined
  /** Why it was not run in bytes, where it is tried by JSON for that. */
  disagreed: ContractError | undefined
  // The forms that it was made in, and those in which it was made by the peer's contract: bits of `formBit`.
  #tried = 0
  #adopted = 0
  /** Whether any of the answer has come, as it was made last. */
  heard = false
  /** The peer that was chosen for it, where it is for no name: that one is not asked again where it has no room. */
  at: Peer | undefined
  /** Takes note of what elements its stream gives. */
  onElements: ((values: ReadonlyArray<unknown>) => void) | undefined
  /** Bytes, for the metrics. */
  sent = 0
  received = 0
  readonly #begun: number
  readonly #binary: Wire.Wire
  #counted = false

  constructor(client: Client, to: NodeName, wire: Wire.Wire, message: Request<Rpc.Any>) {
    this.client = client
    this.to = to
    this.wire = wire
    this.#binary = wire
    this.message = message
    this.#begun = nowUnsafe(client.clock)
  }

  /** Takes the form and the contract by which the peer's function is called. */
  use(way: Way | undefined): void {
    if ((way?.json === true) !== this.json) this.wire = this.json ? this.#binary : jsonWireOf(this.#binary.rpc)
    this.hash = way?.hash ?? this.wire.hash()
    this.heard = false
    this.#tried |= formBit(this.json)
  }

  /** Whether it was not made yet, in either form. */
  get untried(): boolean {
    return this.#tried === 0
  }

  /** Whether the other form was not tried yet. */
  get mayChangeForm(): boolean {
    return (this.#tried & formBit(!this.json)) === 0
  }

  /** Takes the peer's contract for its own, once in each form; `false` where it was done already. */
  adopt(peer: Peer, hash: Uint8Array): boolean {
    const bit = formBit(this.json)
    if ((this.#adopted & bit) !== 0) return false
    this.#adopted |= bit
    this.client.known.adopt(peer, this.name, { json: this.json, hash })
    return true
  }

  /** Whether it is made by JSON. */
  get json(): boolean {
    return this.wire !== this.#binary
  }

  get id() {
    return Number(this.message.id)
  }
  get name() {
    return this.wire.rpc._tag
  }

  /** Counts it, once. */
  ended(tag: string | undefined): void {
    if (this.#counted) return
    this.#counted = true
    const { clock, meters } = this.client
    meters.of(this).ended(nowUnsafe(clock) - this.#begun, this.sent, this.received, tag)
  }

  /** Gives the caller what came of it. */
  exit(exit: Exit.Exit<any, any>): Effect.Effect<void> {
    this.ended(Exit.isSuccess(exit) ? undefined : tagOf(exit.cause))
    return this.client.write({ _tag: "Exit", clientId: 0, requestId: this.message.id, exit } as FromServer<any>)
  }

  // --- how it fails ----------------------------------------------------------------------------------------------------

  get #waited() {
    return waitedSince(this.client.clock, this.#begun)
  }
  get late() {
    return new DeadlineError({ peer: this.to, function: this.name, mayHaveRun: true, ...this.#waited })
  }
  get broken() {
    return new RemoteDefectError({ peer: this.to, function: this.name })
  }
  get tooLarge() {
    return new CallTooLargeError({ peer: this.to, function: this.name, limit: this.client.limit })
  }
  get malformed() {
    return this.disagree(undefined, true, "the peer's answer is malformed")
  }

  /** The peer's answer is not what this side's schemas say. */
  disagree(theirs: unknown, mayHaveRun: boolean, detail?: string) {
    const found = theirs === undefined ? [] : differences(this.wire.contractFor(theirs), theirs)
    return new ContractError({
      peer: this.to,
      function: this.name,
      mayHaveRun,
      differences: found.length === 0 && detail !== undefined ? [detail] : found
    })
  }

  /** A stream's failure, as what became of the call. */
  mapError(error: Sessions.OpenError | Sessions.StreamError): RpcError {
    if (error._tag === "DialError") {
      const peer = this.client.known.met(this.to)
      return peer === undefined ? error : lostBefore(peer, lossOf[error.kind])
    }
    if (error._tag !== "StreamResetError") return error
    switch (error.code) {
      case "deadline":
        return new DeadlineError({ peer: this.to, function: this.name, ...late(error), ...this.#waited })
      case "too_large":
        return this.tooLarge
      case "not_found":
      case "unsupported":
        return new UnknownFunctionError({ peer: this.to, function: this.name })
      case "not_allowed":
        return error.remote ? new NotAllowedError({ peer: this.to, function: this.name }) : error
      case "internal":
      case "failed":
        return error.remote ? this.broken : error
      default:
        return error
    }
  }
}
