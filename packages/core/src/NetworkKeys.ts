/**
 * The network keys that a node holds while it runs: the first encrypts, all decrypt (protocol section 2). The list can be
 * changed at any time, which is how a key is replaced without stopping the network:
 *
 * 1. `add` the new key on every node. Each can read it from then on, and none uses it yet.
 * 2. `promote` it on every node. Each writes with it, and still reads the old one.
 * 3. `remove` the old key on every node. Who has no other is out.
 *
 * Each step has to be done everywhere before the next begins; within a step the order does not matter. A node has its list
 * as `networkKeys`; one that several nodes of a program are to share is provided as a layer, in place of the option.
 *
 * What bites: removing a key ends what was agreed under it. Sessions whose handshake came in under it are drained, and made
 * anew at once where streams are open; a peer that has not made one under a key that is held, within an interval and the time
 * that connecting may take, loses its streams. A key that leaked is out only once it is removed on every node.
 *
 * @since 0.1.0
 */
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Redacted from "effect/Redacted"
import * as Schema from "effect/Schema"
import * as Stream from "effect/Stream"
import * as SubscriptionRef from "effect/SubscriptionRef"
import * as NetworkKey from "./NetworkKey.ts"
import * as Why from "./Why.ts"

/**
 * The most keys that a node may hold. Each costs an HMAC for every packet, whichever fits.
 *
 * @category constants
 * @since 0.1.0
 */
export const maxKeys = 16

/**
 * A change of the network keys that cannot be made; nothing was changed.
 *
 * - `Unknown`: the key to promote is not held; add it first, on every node
 * - `Last`: it would leave the node without a key, and so in clear
 * - `Clear`: the node was started without a key, and its network is in clear for as long as it runs
 * - `Full`: more than 16 keys
 *
 * @category errors
 * @since 0.1.0
 */
export class NetworkKeysError extends Schema.TaggedError<NetworkKeysError>("@pnet/core/NetworkKeys/NetworkKeysError")(
  "NetworkKeysError",
  { kind: Schema.Literals(["Unknown", "Last", "Clear", "Full"]) }
) {
  override get message() {
    const why = {
      Unknown: "the key to promote is not held; add it first, on every node, and then promote it",
      Last:
        "it would be left without a key, and its packets in clear; add and promote the new key before the old is removed",
      Clear: "it was started without one, and packets stay in clear as long as it runs; start it with a network key",
      Full: `it would hold more than ${maxKeys}; remove those that are no longer in use`
    }[this.kind]
    return Why.see(`the network keys of this node were not changed: ${why}`, "network-keys")
  }
}

/**
 * The network keys of a node.
 *
 * @category services
 * @since 0.1.0
 */
export class NetworkKeys extends Context.Service<NetworkKeys, {
  /** The keys that are held now, the one that encrypts first. None: the network is in clear. */
  readonly keys: Effect.Effect<ReadonlyArray<NetworkKey.NetworkKey>>
  /** The keys that are held, now and after each change. */
  readonly changes: Stream.Stream<ReadonlyArray<NetworkKey.NetworkKey>>
  /** Holds one more key, as the last: it decrypts. A key that is held already stays where it is. */
  readonly add: (key: NetworkKey.NetworkKey) => Effect.Effect<void, NetworkKeysError>
  /** Puts a key that is held first: it encrypts from now on. */
  readonly promote: (key: NetworkKey.NetworkKey) => Effect.Effect<void, NetworkKeysError>
  /** Holds a key no longer, and has the sessions that were made under it renewed. Nothing where it is not held. */
  readonly remove: (key: NetworkKey.NetworkKey) => Effect.Effect<void, NetworkKeysError>
  /** Puts a whole list, such as one that was read from somewhere, in the place of the one there is. */
  readonly set: (keys: ReadonlyArray<NetworkKey.NetworkKey>) => Effect.Effect<void, NetworkKeysError>
  /**
   * The bytes of the keys that are held now. A key's value stays the same one for as long as it is held. Synchronous, for
   * the layers that encrypt.
   */
  readonly bytesUnsafe: () => ReadonlyArray<Redacted.Redacted<Uint8Array>>
}>()("@pnet/core/NetworkKeys") {}

interface Held {
  readonly key: NetworkKey.NetworkKey
  readonly bytes: Redacted.Redacted<Uint8Array>
}

const same = (a: NetworkKey.NetworkKey, b: NetworkKey.NetworkKey) => Redacted.value(a) === Redacted.value(b)

const hold = (key: NetworkKey.NetworkKey): Held => ({ key, bytes: NetworkKey.toBytes(key) })

const refused = (kind: NetworkKeysError["kind"]) => Effect.fail(new NetworkKeysError({ kind }))

/**
 * The keys of a node, to begin with: the first encrypts, all decrypt. With none the network is in clear, and stays so.
 * `Full` where there are more than 16.
 *
 * @category constructors
 * @since 0.1.0
 */
export const make = (
  keys: ReadonlyArray<NetworkKey.NetworkKey>
): Effect.Effect<NetworkKeys["Service"], NetworkKeysError> =>
  Effect.gen(function*() {
    const distinct = (given: ReadonlyArray<NetworkKey.NetworkKey>) =>
      given.filter((key, at) => given.findIndex((other) => same(other, key)) === at)

    const first = distinct(keys)
    if (first.length > maxKeys) return yield* refused("Full")
    const clear = first.length === 0
    const ref = yield* SubscriptionRef.make<ReadonlyArray<Held>>(first.map(hold))
    // Read for each packet, so it is not made for each.
    let list: ReadonlyArray<Held> = []
    let bytes: ReadonlyArray<Redacted.Redacted<Uint8Array>> = []
    const bytesUnsafe = () => {
      const now = SubscriptionRef.getUnsafe(ref)
      if (now !== list) {
        list = now
        bytes = now.map((held) => held.bytes)
      }
      return bytes
    }

    const change = (f: (held: ReadonlyArray<Held>) => Effect.Effect<ReadonlyArray<Held>, NetworkKeysError>) =>
      Effect.suspend(() => clear ? refused("Clear") : SubscriptionRef.updateEffect(ref, f))
    const find = (held: ReadonlyArray<Held>, key: NetworkKey.NetworkKey) => held.find((one) => same(one.key, key))
    const keysOf = (held: ReadonlyArray<Held>) => held.map(({ key }) => key)

    return NetworkKeys.of({
      keys: Effect.map(SubscriptionRef.get(ref), keysOf),
      changes: Stream.map(SubscriptionRef.changes(ref), keysOf),
      add: (key) =>
        change((held) =>
          find(held, key) !== undefined
            ? Effect.succeed(held)
            : held.length >= maxKeys
            ? refused("Full")
            : Effect.succeed([...held, hold(key)])
        ),
      promote: (key) =>
        change((held) => {
          const found = find(held, key)
          return found === undefined
            ? refused("Unknown")
            : Effect.succeed([found, ...held.filter((one) => one !== found)])
        }),
      remove: (key) =>
        change((held) => {
          const left = held.filter((one) => !same(one.key, key))
          return left.length === 0 ? refused("Last") : Effect.succeed(left)
        }),
      set: (given) =>
        change((held) => {
          const next = distinct(given)
          return next.length === 0
            ? refused("Last")
            : next.length > maxKeys
            ? refused("Full")
            : Effect.succeed(next.map((key) => find(held, key) ?? hold(key)))
        }),
      bytesUnsafe
    })
  })

/**
 * One list of keys for all nodes that are given this layer: where a node's options have no key, it holds these.
 *
 * @category layers
 * @since 0.1.0
 */
export const layer = (
  keys: ReadonlyArray<NetworkKey.NetworkKey>
): Layer.Layer<NetworkKeys, NetworkKeysError> => Layer.effect(NetworkKeys, make(keys))
