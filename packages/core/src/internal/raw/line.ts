/** A connection on which messages are exchanged, and what it has proved. It proves nothing by being there. */
import type * as Clock from "effect/Clock"
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Latch from "effect/Latch"
import type * as Scope from "effect/Scope"
import type { Endpoint } from "../../Network.ts"
import type { Limits } from "../../NodeOptions.ts"
import type { NodeName } from "../../Packet.ts"
import type { Peers } from "../../Peers.ts"
import type { PublicKey } from "../../PublicKey.ts"
import type { Connection, DialError, Transport } from "../../Transport.ts"
import * as AtEnd from "../base/atEnd.ts"
import { namedIn } from "../connect/noEndpoint.ts"
import * as PacketStream from "../wire/packetStream.ts"
import { type Ending, violated } from "./channel.ts"

/** What the answers of a conversation have proved, and when that was passed on. */
export interface Proof {
  name: NodeName | undefined
  at: number
}

export class Line {
  readonly connection: Connection
  /** What was dialled. */
  readonly endpoint: Endpoint
  readonly proof: Proof = { name: undefined, at: 0 }
  /** Open when the peer may be another since. */
  readonly doubtful = Latch.makeUnsafe(false)
  readonly #stream: PacketStream.PacketStream

  constructor(connection: Connection, endpoint: Endpoint, stream: PacketStream.PacketStream) {
    this.connection = connection
    this.endpoint = endpoint
    this.#stream = stream
  }

  /** How it ends when the connection does. */
  get broken(): Ending {
    return { _tag: "Broken", endpoint: this.endpoint }
  }

  /** The next packet. */
  get next(): Effect.Effect<Uint8Array, Ending> {
    return Effect.mapError(
      this.#stream.next,
      (error) => error._tag === "ConnectionClosedError" ? this.broken : violated(error)
    )
  }

  /** Ends when nothing comes for too long. Whoever still waits chose for how long. */
  slow(idle: Duration.Duration, channel: { readonly awaited: boolean }): Effect.Effect<Ending> {
    return Effect.gen({ self: this }, function*() {
      while (true) {
        const failure = yield* Effect.flip(this.#stream.watch(idle))
        if (failure._tag === "ProtocolError") return violated(failure)
        if (!channel.awaited) return { _tag: "Idle" } as Ending
      }
    })
  }
}

export interface Dials {
  readonly clock: Clock.Clock
  readonly transport: Transport["Service"]
  readonly peers: Peers["Service"]
  readonly limits: Limits
}

/** A connection to an address at which a peer may be, for the messages of a channel. */
export const connect = (
  { clock, limits, peers, transport }: Dials,
  channel: {
    readonly peer: { readonly name: string; readonly publicKey: PublicKey }
    readonly sent: ReadonlyArray<unknown>
  },
  endpoint: Endpoint
): Effect.Effect<Line, DialError, Scope.Scope> =>
  Effect.gen(function*() {
    const connection = yield* Effect.mapError(transport.dial(endpoint), namedIn(channel.peer.name))
    const line = new Line(
      connection,
      endpoint,
      PacketStream.make(connection, { clock, packetTimeout: limits.firstPacketTimeout })
    )
    // A "leaving" may be anybody's. Who really leaves closes the connection. Of who was started anew the connection is a
    // ghost, which can only be found out by sending; so a connection that nothing is awaited on makes way for a new one.
    yield* AtEnd.acquire(
      Effect.sync(() =>
        peers.holdUnsafe(channel.peer.publicKey, (doubt) => {
          if (doubt === "restarted" && channel.sent.length === 0) line.doubtful.openUnsafe()
        })
      ),
      (release) => release()
    )
    return line
  })
