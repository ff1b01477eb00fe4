/** Sessions that peers make: which HELLO is worth an answer, and who gets a place. */
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import * as Handshake from "../../Handshake.ts"
import * as ProtocolError from "../../ProtocolError.ts"
import * as Rate from "../base/rate.ts"
import * as Acceptor from "../connect/acceptor.ts"
import type { Host } from "./host.ts"
import type { Entered, Life } from "./life.ts"
import * as Seen from "./seen.ts"
import type { Shaking } from "./shaking.ts"
import type { Table } from "./table.ts"

/** Tokens open until their time is a minute past or ahead, in whole seconds. */
const helloMemory = 122_000

export const make = (host: Host, parts: {
  readonly table: Table
  readonly life: Life
  readonly shaking: Shaking
}): Acceptor.Service => {
  const { limits, lines, now, peers, self, trust } = host
  const { life, shaking, table } = parts
  const handshakes = Rate.make(limits.handshakes)
  const handshakesFrom = Rate.bySource(limits.handshakesPerAddress)
  // By C', which nobody draws twice. A token opens for two minutes at the most, so on a network with a key no recorded HELLO
  // costs anything; without a key anybody can make new ones. As many as there are handshakes in that time.
  const hellos = Seen.make(helloMemory)

  /** Why a HELLO is not answered: before anything is computed for it. */
  const objection = ({ connection }: Acceptor.Accepted, hello: Uint8Array): Acceptor.Refusal | undefined => {
    const begun = now()
    if (self.cipher.encrypted && hellos.has(Handshake.helloId(hello), begun)) {
      return new Acceptor.Refusal(ProtocolError.local("ERR_HANDSHAKE", "a HELLO that has come before"), true)
    }
    if (!handshakesFrom.take(connection.remote?.host ?? "", begun) || !handshakes.take(begun)) {
      return new Acceptor.Refusal(ProtocolError.local("ERR_BUSY", "handshakes"), true)
    }
    // Room is made later, for whoever has proved itself: a stranger's HELLO costs nobody a session.
    if (table.full) return Acceptor.refusal(ProtocolError.local("ERR_BUSY", "sessions"))
    if (self.cipher.encrypted) hellos.add(Handshake.helloId(hello), begun)
    return undefined
  }

  /** A place for whoever has proved its name, where the trust policy takes it. */
  const admit = (address: string) => (peer: Handshake.Introduced) =>
    trust.proved(peer.name, peer.publicKey, address, peer.credentials).pipe(
      Effect.catch((error) =>
        Effect.andThen(
          lines(error.message, "refused", (more) => Effect.logWarning(`refused a session: ${error.message}${more}`)),
          Effect.fail(ProtocolError.local("ERR_UNTRUSTED"))
        )
      ),
      Effect.andThen(table.reserve(peer.publicKey, "sessions"))
    )

  /** The session that a HELLO begins; `undefined` where there is nobody to tell what came in its way. */
  const shake = Effect.fnUntraced(function*(
    accepted: Acceptor.Accepted,
    first: Acceptor.Command
  ): Effect.fn.Return<Entered | undefined, Acceptor.Refusal, Scope.Scope> {
    const refusal = objection(accepted, first.bytes)
    if (refusal !== undefined) return yield* Effect.fail(refusal)
    const completed = yield* shaking.asServer(accepted, first, admit(accepted.connection.remote?.host ?? "")).pipe(
      Effect.catchTags({
        // An err is never answered, and who is gone cannot be.
        ProtocolError: (error) => error.origin === "remote" ? Effect.undefined : Effect.fail(Acceptor.refusal(error)),
        Idle: () =>
          Effect.fail(Acceptor.refusal(ProtocolError.local("ERR_PACKET_INCOMPLETE", "the handshake stalled"))),
        ConnectionClosedError: () => Effect.undefined
      })
    )
    if (completed === undefined) return undefined
    accepted.proved()
    yield* peers.proved({ ...completed.established.peer, endpoint: undefined })
    return { session: yield* life.enter(completed, completed.place), early: accepted.stream.rest() }
  })

  return {
    accepts: Handshake.isHello,
    serve: (accepted, first) => {
      // What the handshake takes is let go of when there is a session, which outlives it by far.
      let given: { readonly accepted: Acceptor.Accepted; readonly first: Acceptor.Command } | undefined = {
        accepted,
        first
      }
      const begin = Effect.suspend(() => {
        const { accepted, first } = given!
        given = undefined
        return shake(accepted, first)
      })
      return Effect.scoped(
        Effect.flatMap(begin, (entered) => entered === undefined ? Effect.void : life.run(entered))
      )
    }
  }
}
