/**
 * How far somebody has read, by a name: in a bucket of the network's, sealed by the node for itself, with what it remembers of publishers. So who
 * keeps it can lose it and give an older one, and cannot make one up.
 *
 * A position is written in order, one at a time, the newest of those that came meanwhile. It belongs to whoever began last: another that writes to it
 * finds that out.
 */
import type { KV } from "@nats-io/kv"
import { type Crypto, type KeyPair, nonceLength } from "@pnet/core/Crypto"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Base64Url from "effect/encoding/Base64Url"
import * as Fiber from "effect/Fiber"
import * as Queue from "effect/Queue"
import * as Schema from "effect/Schema"
import type * as Scope from "effect/Scope"
import { ReplayError } from "../../DurableTopicsError.ts"
import { concat } from "../bytes.ts"
import { textOf, utf8 } from "../platform.ts"
import type { Entry, Runs } from "./runs.ts"

const State = Schema.Struct({
  /** Itself, so that none is put in the place of another. */
  place: Schema.String,
  /** When the stream was made: where it was made anew, its numbers begin anew. */
  stream: Schema.String,
  seq: Schema.Int,
  owner: Schema.String,
  runs: Schema.Array(Schema.Tuple([Schema.String, Schema.Int]))
})
type State = typeof State.Type
const decode = Schema.decodeUnknownOption(Schema.fromJsonString(State))

/** Runs that are kept with a position. */
export const mostRuns = 64

export interface Parts {
  readonly bucket: KV
  readonly crypto: Crypto["Service"]
  readonly identity: KeyPair
  readonly token: string
}

export interface Position {
  /** Where to go on; `undefined` where nothing is known of it. */
  readonly begun: { readonly stream: string; readonly seq: number; readonly runs: ReadonlyArray<Entry> } | undefined
  /** Says that all up to this one was handled, of this stream. It is written in a moment, and when the scope closes. */
  readonly moved: (stream: string, seq: number, runs: Runs) => void
  /** Fails when it is another's, and is never done otherwise. */
  readonly lost: Effect.Effect<never, ReplayError>
}

const isTaken = (cause: unknown) => cause instanceof Error && /wrong last sequence/i.test(cause.message)

/** The states of one place, as the bucket has them. */
const sealing = ({ crypto, identity }: Parts, place: string) => {
  const key = crypto.sharedKey(identity.publicKey, identity.secretKey)
  return {
    write: (state: State) => {
      const nonce = crypto.randomBytes(nonceLength)
      return concat(nonce, crypto.seal(key, nonce, utf8(JSON.stringify(state))))
    },
    read: (bytes: Uint8Array): State | undefined => {
      if (bytes.length < nonceLength) return undefined
      const opened = crypto.open(key, bytes.slice(0, nonceLength), bytes.slice(nonceLength))
      const decoded = opened === undefined ? undefined : decode(textOf(opened))
      return decoded?._tag === "Some" && decoded.value.place === place ? decoded.value : undefined
    }
  }
}

/** Takes a position for this subscription, until another does. `stream` is which it begins with, where it is not known. */
export const take = (
  parts: Parts,
  topic: string,
  name: string,
  stream: string
): Effect.Effect<Position, ReplayError, Scope.Scope> =>
  Effect.gen(function*() {
    const { bucket, crypto, token } = parts
    const place = `${token}.${name}.${Base64Url.encode(topic)}`
    const { read, write } = sealing(parts, place)
    const step = <A>(run: () => Promise<A>) =>
      Effect.tryPromise({
        try: run,
        catch: (cause) => new ReplayError({ kind: isTaken(cause) ? "PositionTaken" : "NoServer", topic, cause })
      })
    const put = (state: State, revision: number) =>
      step(() => bucket.put(place, write(state), { previousSeq: revision }))

    const found = yield* step(() => bucket.get(place))
    const before = found === null ? undefined : read(found.value)
    if (found !== null && found.length > 0 && before === undefined) {
      yield* Effect.logWarning(`the position ${JSON.stringify(name)} was not written by this node, and is not gone by`)
    }
    let wanted: State = {
      place,
      owner: Base64Url.encode(crypto.randomBytes(12)),
      stream: before?.stream ?? stream,
      seq: before?.seq ?? 0,
      runs: before?.runs ?? []
    }
    let state = wanted
    let revision = yield* put(state, found?.revision ?? 0)
    const lost = Deferred.makeUnsafe<never, ReplayError>()

    // Whether an answer that did not come was one of success is seen by whose the newest is.
    const written = Effect.suspend(() => {
      const next = wanted
      if (state === next) return Effect.void
      const again = (error: ReplayError) =>
        Effect.flatMap(
          step(() => bucket.get(place)),
          (now) => {
            // It is kept for a while only, and then nobody's: who had it last has it still.
            if (now === null || now.length === 0) return put(next, now?.revision ?? 0)
            return read(now.value)?.owner === next.owner ? put(next, now.revision) : Effect.fail(error)
          }
        )
      return put(next, revision).pipe(
        Effect.catchIf(({ kind }) => kind === "PositionTaken", again),
        Effect.map((number) => {
          revision = number
          state = next
        })
      )
    })
    const changed = yield* Queue.sliding<void>(1)
    const writer = yield* Queue.take(changed).pipe(
      Effect.andThen(written),
      Effect.catchTag("ReplayError", (error) => {
        if (error.kind === "PositionTaken") {
          return Effect.andThen(Deferred.fail(lost, error), Effect.never)
        }
        // The server is gone: it is written when it is back.
        return Effect.andThen(Effect.sleep("1 second"), Effect.sync(() => Queue.offerUnsafe(changed, undefined)))
      }),
      Effect.forever,
      Effect.forkScoped
    )
    yield* Effect.addFinalizer(() =>
      Effect.andThen(
        Fiber.interrupt(writer),
        Effect.ignore(Effect.timeout(written, "2 seconds"))
      )
    )
    return {
      begun: before,
      moved: (stream, seq, runs) => {
        wanted = { ...wanted, stream, seq, runs: runs.entries(mostRuns) }
        Queue.offerUnsafe(changed, undefined)
      },
      lost: Deferred.await(lost)
    }
  })
