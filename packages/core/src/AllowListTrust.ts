/**
 * Trust in those who are listed, each by name and key, and with what it may do. `NodeTrust.layerAllowListFile` in `@pnet/node` reads the list from a file.
 *
 * @since 0.2.0
 */
import type * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"
import * as AtOnce from "./internal/base/atOnce.ts"
import { quote } from "./internal/base/quote.ts"
import * as Signal from "./internal/base/signal.ts"
import { NodeName } from "./Packet.ts"
import * as PublicKey from "./PublicKey.ts"
import * as Rights from "./Rights.ts"
import { Trust, UntrustedPeerError } from "./Trust.ts"
import * as Why from "./Why.ts"

/**
 * An entry that cannot be put on an allow list, which was not changed.
 *
 * - `Name`: no name of a node
 * - `PublicKey`: no public key
 * - `Rights`: rights that are none; `right` has the first that is wrong
 *
 * @category errors
 * @since 0.2.0
 */
export class AllowListError extends Schema.TaggedError<AllowListError>("@pnet/core/AllowListTrust/AllowListError")(
  "AllowListError",
  {
    kind: Schema.Literals(["Name", "PublicKey", "Rights"]),
    /** The name of the entry, as it was given. */
    peer: Schema.String,
    /** The key of the entry, as it was given. */
    publicKey: Schema.String,
    /** What is wrong with its rights, where it is that. */
    right: Schema.optionalKey(Schema.String)
  }
) {
  override get message() {
    return Why.see(
      this.kind === "Rights"
        ? `the allow list was not changed: the rights of ${quote(this.peer)} are none: ${
          quote(this.right)
        }; expected ` +
          "roles, serves, calls, publishes and subscribes, each a list of names of 1 to 255 bytes, of which one may end in *, those of " +
          "topics without >"
        : this.kind === "Name"
        ? `the allow list was not changed: ${quote(this.peer)} is no name of a node; expected 1 to 64 bytes without ` +
          "| and @ and control characters, and not *"
        : `the allow list was not changed: ${quote(this.publicKey)}, for ${quote(this.peer)}, is no public ` +
          "key; expected its base64url text of 44 characters, as the peer's node.publicKey is",
      "allow-list-entry"
    )
  }
}

/**
 * A name with its key, as texts, and what it may do. Rights that are left out are those of `Rights.named`: it may call every function
 * and publish, is chosen for nothing, and is sent nothing that is published.
 *
 * @category models
 * @since 0.2.0
 */
export type Entry = readonly [name: string, publicKey: string, rights?: Rights.Input | undefined]

interface Listed {
  readonly publicKey: PublicKey.PublicKey
  readonly rights: Rights.Rights
}

const isNodeName = Schema.is(NodeName)
const readRights = Schema.decodeUnknownResult(Rights.Rights)

const entryOf = ([name, key, input]: Entry): Result.Result<readonly [NodeName, Listed], AllowListError> => {
  if (!isNodeName(name)) return Result.fail(new AllowListError({ kind: "Name", peer: name, publicKey: key }))
  const publicKey = PublicKey.fromText(key)
  if (publicKey === undefined) return Result.fail(new AllowListError({ kind: "PublicKey", peer: name, publicKey: key }))
  return Result.mapBoth(readRights(Rights.make(input)), {
    // Read into lists of its own: those that were given may change afterwards.
    // An entry that says nothing of services has what a policy has that says nothing: that very list, which is told from an empty one.
    onSuccess: (rights) =>
      [name, {
        publicKey,
        rights: input?.serves === undefined ? { ...rights, serves: Rights.named.serves } : rights
      }] as const,
    onFailure: (error) =>
      new AllowListError({ kind: "Rights", peer: name, publicKey: key, right: error.message.split("\n").join(" ") })
  })
}

/**
 * An allow list, which can be changed while nodes run: sessions with those who are not on it any more end at once.
 *
 * @category models
 * @since 0.2.0
 */
export interface AllowList extends Context.Service.Shape<typeof Trust> {
  /** The names that are listed, each with its key and its rights. */
  readonly entries: Effect.Effect<
    ReadonlyArray<readonly [name: NodeName, publicKey: PublicKey.PublicKey, rights: Rights.Rights]>
  >
  /** Puts another list in the place of the one there is. Of a name that is there twice the last counts. */
  readonly set: (entries: Iterable<Entry>) => Effect.Effect<void, AllowListError>
  /** Lists a name with its key and its rights, in place of those it had. */
  readonly add: (name: string, publicKey: string, rights?: Rights.Input) => Effect.Effect<void, AllowListError>
  /** Takes a name off. */
  readonly remove: (name: string) => Effect.Effect<void>
}

/**
 * A policy over a list of names, each with its key, both as text, and with its rights.
 *
 * @category constructors
 * @since 0.2.0
 */
export const make = (
  allowed: Iterable<Entry>
): Effect.Effect<AllowList, AllowListError> =>
  Effect.gen(function*() {
    const signal = Signal.make()
    let list: ReadonlyMap<NodeName, Listed> = new Map()
    const put = (next: ReadonlyMap<NodeName, Listed>) =>
      Effect.sync(() => {
        list = next
        signal.notify()
      })
    const set = (entries: Iterable<Entry>) =>
      Effect.flatMap(
        Effect.forEach([...entries], (entry) => Effect.fromResult(entryOf(entry))),
        (entries) => put(new Map(entries))
      )
    yield* set(allowed)
    const check = (name: NodeName, publicKey: PublicKey.PublicKey) =>
      Effect.suspend(() => {
        const expected = list.get(name)?.publicKey
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
      expected: AtOnce.by((name) => list.get(name)?.publicKey),
      pin: check,
      forget: () => Effect.void,
      changes: signal.changes,
      standing: (name, publicKey) => Effect.sync(() => list.get(name)?.publicKey === publicKey ? "listed" : undefined),
      rights: (name, publicKey) =>
        AtOnce.sync(() => {
          const listed = list.get(name)
          return listed?.publicKey === publicKey ? listed.rights : Rights.none
        }),
      entries: Effect.sync(() => [...list].map(([name, { publicKey, rights }]) => [name, publicKey, rights] as const)),
      set,
      add: (name, key, rights) =>
        Effect.flatMap(
          Effect.fromResult(entryOf([name, key, rights])),
          ([name, listed]) => Effect.suspend(() => put(new Map([...list, [name, listed]])))
        ),
      remove: (name) =>
        Effect.suspend(() => {
          const left = [...list].filter(([other]) => other !== name)
          return left.length < list.size ? put(new Map(left)) : Effect.void
        })
    }
  })

/**
 * Only these names, each with its key, and with what it may do. Names and keys may be texts, of which one that is malformed is an
 * `AllowListError`.
 *
 * ```ts
 * AllowListTrust.layer([
 *   ["alice", aliceKey],                                                       // may call everything, by name
 *   ["worker-1", workerKey, { roles: ["worker"], serves: ["resize.*"], calls: [] }]
 * ])
 * ```
 *
 * @category layers
 * @since 0.2.0
 */
export const layer: {
  (allowed: Iterable<readonly [name: NodeName, publicKey: PublicKey.PublicKey]>): Layer.Layer<Trust>
  (allowed: Iterable<Entry>): Layer.Layer<Trust, AllowListError>
} = (allowed: Iterable<Entry>): Layer.Layer<Trust, never> =>
  Layer.effect(Trust, make(allowed)) as Layer.Layer<Trust, never>
