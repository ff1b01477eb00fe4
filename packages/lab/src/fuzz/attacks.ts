/** What a peer with a key does to a node: broken handshakes, a session full of nonsense, and nonsense for an answer. */
import { Frame, Packet, Raw } from "@pnet/core"
import { Cause, Effect, Exit, type Scope } from "effect"
import { networkId, type Started } from "../worlds/sessionWorld.ts"
import type { Stranger } from "../worlds/stranger.ts"
import * as Mutate from "./mutate.ts"
import { bytesOf, type Speech } from "./speech.ts"
import { callsTo, type Victim } from "./victims.ts"

const { Kind } = Frame

/** Who attacks whom. */
export interface Attacker {
  readonly random: Mutate.Chance
  readonly speech: Speech
  readonly mallory: Stranger
  readonly bob: Victim
  /** The same node, as whoever connects to it knows it. */
  readonly target: Started
  readonly binary: boolean
}

type Attack<A = void> = Effect.Effect<A, unknown, Scope.Scope>

/** Packets in place of a handshake. */
export const greeting = ({ mallory, random, target }: Attacker): Attack =>
  Effect.gen(function*() {
    const connection = yield* mallory.dial(target)
    const packets = bytesOf("packet").concat(
      ["hello", "welcome", "initiate", "ready"].flatMap((step) =>
        bytesOf(`handshake-${step}`).map((command) => mallory.packet("msg", Raw.toText(command)))
      )
    )
    for (let i = random.below(4); i >= 0; i--) {
      const packet = Mutate.any(Mutate.blind, Mutate.fields(/([|@:\n])/))(random, random.pick(packets), packets)
      // Of this network, or nothing of it would be read.
      const text = Buffer.from(packet).toString("latin1").replace(/^lab\|/, `${networkId}|`)
      yield* connection.write(new Uint8Array(Buffer.from(text, "latin1")))
    }
    if (random.chance(0.3)) yield* connection.end
    yield* Effect.sleep(random.below(6_000))
  })

/** Messages in a session that stands. */
export const session = ({ binary, mallory, random, speech, target }: Attacker): Attack =>
  Effect.gen(function*() {
    const peer = yield* mallory.connect(target)
    speech.stream = 0
    yield* Effect.forkScoped(Effect.repeat(peer.next, { while: (heard) => heard !== undefined }))
    for (let i = random.below(5); i >= 0; i--) {
      for (const [type, bytes] of speech.messages()) {
        // A sender that knows the protocol seals what fits into a record, or as text into a packet.
        const sealed = peer.seal(type, bytes.subarray(0, binary ? Packet.maxStreamLength - 33 : 97_000))
        yield* peer.connection.write(random.chance(0.02) ? Mutate.blind(random, sealed, speech.frames) : sealed)
      }
      if (random.chance(0.4)) yield* Effect.sleep(random.below(2_000))
    }
    if (random.chance(0.3)) yield* peer.connection.end
    if (random.chance(0.6)) yield* Effect.sleep(random.below(6_000))
  })

/** Listens, and answers whoever calls. Gives what tells the LAN where. */
export const listen = ({ mallory, speech }: Attacker): Attack<Effect.Effect<void>> =>
  Effect.gen(function*() {
    const listening = yield* mallory.listen
    yield* listening.run((connection) =>
      Effect.gen(function*() {
        const peer = yield* listening.accept(connection)
        for (let heard = yield* peer.next; heard !== undefined; heard = yield* peer.next) {
          if (heard.kind !== Kind.open) continue
          const { protocol } = JSON.parse(Buffer.from(heard.payload).toString()) as { protocol: string }
          speech.stream = heard.id
          for (const each of speech.reply(protocol)) yield* peer.send(each[0] === Kind.reset ? 2 : 1, each)
        }
      })
    )
    return listening.advertise
  })

/** The node calls whom it should not. Gives what came of it, and what is wrong with that, if anything is. */
export const called = ({ bob, random }: Attacker, advertise: Effect.Effect<void>): Attack<{
  readonly outcome: string
  readonly problem: string | undefined
}> =>
  Effect.gen(function*() {
    yield* advertise
    const call = random.pick(yield* callsTo(bob, "mallory"))
    const exit = yield* Effect.exit(Effect.timeoutOption(call, "20 seconds"))
    if (Exit.isSuccess(exit)) return { outcome: "answered", problem: undefined }
    const { reasons } = exit.cause
    return {
      outcome: reasons.map((reason) => reason._tag === "Fail" ? String((reason.error as any)?._tag) : reason._tag)
        .join(),
      problem: reasons.every(Cause.isFailReason) ? undefined : `a call to it broke: ${Cause.pretty(exit.cause)}`
    }
  })
