/**
 * Trust in those who are listed, each by name and key. `NodeTrust.layerAllowListFile` in `@pnet/node` reads the list from a file.
 *
 * @since 0.1.0
 */
import type * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"
import { quote } from "./internal/base/quote.ts"
import * as Signal from "./internal/base/signal.ts"
import { NodeName } from "./Packet.ts"
import * as PublicKey from "./PublicKey.ts"
import { Trust, UntrustedPeerError } from "./Trust.ts"
import * as Why from "./Why.ts"

/**
 * An entry that cannot be put on an allow list, which was not changed.
 *
 * - `Name`: no name of a node
 * - `PublicKey`: no public key
 *
 * @category errors
 * @since 0.1.0
 */
export class AllowListError extends Schema.TaggedError<AllowListError>("@pnet/core/AllowListTrust/AllowListError")(
  "AllowListError",
  {
    kind: Schema.Literals(["Name", "PublicKey"]),
    /** The name of the entry, as it was given. */
    peer: Schema.String,
    /** The key of the entry, as it was given. */
    publicKey: Schema.String
  }
) {
  override get message() {
    return Why.see(
      this.kind === "Name"
        ? `the allow list was not changed: ${quote(this.peer)} is no name of a node; expected 1 to 64 bytes without ` +
          "| and @ and control characters, and not *"
        : `the allow list was not changed: ${quote(this.publicKey)}, for ${quote(this.peer)}, is no public ` +
          "key; expected its base64url text of 44 characters, as the peer's node.publicKey is",
      "allow-list-entry"
    )
  }
}

const isNodeName = Schema.is(NodeName)

const entryOf = (
  name: string,
  key: string
): Result.Result<readonly [NodeName, PublicKey.PublicKey], AllowListError> => {
  if (!isNodeName(name)) return Result.fail(new AllowListError({ kind: "Name", peer: name, publicKey: key }))
  const publicKey = PublicKey.fromText(key)
  return publicKey === undefined
    ? Result.fail(new AllowListError({ kind: "PublicKey", peer: name, publicKey: key }))
    : Result.succeed([name, publicKey])
}

/**
 * An allow list, which can be changed while nodes run: sessions with those who are not on it any more end at once.
 *
 * @category models
 * @since 0.1.0
 */
export interface AllowList extends Context.Service.Shape<typeof Trust> {
  /** The names that are listed, each with its key. */
  readonly entries: Effect.Effect<ReadonlyArray<readonly [name: NodeName, publicKey: PublicKey.PublicKey]>>
  /** Puts another list in the place of the one there is. Of a name that is there twice the last counts. */
  readonly set: (
    entries: Iterable<readonly [name: string, publicKey: string]>
  ) => Effect.Effect<void, AllowListError>
  /** Lists a name with its key, in place of the key it had. */
  readonly add: (name: string, publicKey: string) => Effect.Effect<void, AllowListError>
  /** Takes a name off. */
  readonly remove: (name: string) => Effect.Effect<void>
}

/**
 * A policy over a list of names, each with its key, both as text.
 *
 * @category constructors
 * @since 0.1.0
 */
export const make = (
  allowed: Iterable<readonly [name: string, publicKey: string]>
): Effect.Effect<AllowList, AllowListError> =>
  Effect.gen(function*() {
    const signal = Signal.make()
    let list: ReadonlyMap<NodeName, PublicKey.PublicKey> = new Map()
    const put = (next: ReadonlyMap<NodeName, PublicKey.PublicKey>) =>
      Effect.sync(() => {
        list = next
        signal.notify()
      })
    const set = (entries: Iterable<readonly [name: string, publicKey: string]>) =>
      Effect.flatMap(
        Effect.forEach([...entries], ([name, key]) => Effect.fromResult(entryOf(name, key))),
        (entries) => put(new Map(entries))
      )
    yield* set(allowed)
    const check = (name: NodeName, publicKey: PublicKey.PublicKey) =>
      Effect.suspend(() => {
        const expected = list.get(name)
        return expected === publicKey
          ? Effect.void
          : Effect.fail(
            expected === undefined
              ? new UntrustedPeerError({ kind: "NotListed", peer: name, publicKey })
              : new UntrustedPeerError({ kind: "KeyChanged", peer: name, publicKey, expected })
          )
      })
    return {
      check,
      proved: check,
      expected: (name) => Effect.sync(() => list.get(name)),
      pin: check,
      forget: () => Effect.void,
      changes: signal.changes,
      entries: Effect.sync(() => [...list]),
      set,
      add: (name, key) =>
        Effect.flatMap(
          Effect.fromResult(entryOf(name, key)),
          ([name, publicKey]) => Effect.suspend(() => put(new Map([...list, [name, publicKey]])))
        ),
      remove: (name) =>
        Effect.suspend(() => {
          const left = [...list].filter(([other]) => other !== name)
          return left.length < list.size ? put(new Map(left)) : Effect.void
        })
    }
  })

/**
 * Only these names, each with its key. Names and keys may be texts, of which one that is malformed is an `AllowListError`.
 *
 * @category layers
 * @since 0.1.0
 */
export const layer: {
  (allowed: Iterable<readonly [name: NodeName, publicKey: PublicKey.PublicKey]>): Layer.Layer<Trust>
  (allowed: Iterable<readonly [name: string, publicKey: string]>): Layer.Layer<Trust, AllowListError>
} = (allowed: Iterable<readonly [name: string, publicKey: string]>): Layer.Layer<Trust, never> =>
  Layer.effect(Trust, make(allowed)) as Layer.Layer<Trust, never>
