/**
 * Who may be talked to: the policy that decides about a peer's name and the key it proved.
 *
 * `check` judges and changes nothing; `proved` judges a key that has just proved itself under a name, and may remember it.
 * An advert never leads to either: whoever only claims a key is nobody yet.
 *
 * - `layerTofu` (trust on first use): the first key that proves itself under a name is pinned to it, like SSH's known hosts
 * - `layerAllowList`: only the keys you list, under the names you list them with
 * - `layerAny`: everyone; for tests and for networks whose key is trust enough
 *
 * What bites: with trust on first use, whoever is first has the name. Compare fingerprints, or list the keys.
 *
 * @since 0.1.0
 */
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Schema from "effect/Schema"
import { NodeName } from "./Packet.ts"
import * as PublicKey from "./PublicKey.ts"

/**
 * The trust policy refuses a peer.
 *
 * - `KeyChanged`: the name is pinned to `expected`, and somebody else uses it
 * - `NotListed`: the allow list does not have this name with this key
 * - `NameMismatch`: the peer at the address of `name` proved to be another, called `actualName`
 * - `Full`: no further name can be pinned
 *
 * @category errors
 * @since 0.1.0
 */
export class UntrustedPeerError extends Schema.TaggedError<UntrustedPeerError>("@pnet/core/Trust/UntrustedPeerError")(
  "UntrustedPeerError",
  {
    kind: Schema.Literals(["KeyChanged", "NotListed", "NameMismatch", "Full"]),
    /** The name it goes by. */
    peer: NodeName,
    publicKey: PublicKey.PublicKey,
    expected: Schema.optionalKey(PublicKey.PublicKey),
    actualName: Schema.optionalKey(NodeName)
  }
) {
  override get message() {
    const who = `${JSON.stringify(this.peer)} with key ${PublicKey.fingerprint(this.publicKey)}`
    switch (this.kind) {
      case "KeyChanged":
        return `${who} is not trusted: that name belongs to key ${
          this.expected === undefined ? "another" : PublicKey.fingerprint(this.expected)
        }. If the peer was set up anew, compare the new key and give it the name with peers.resolveConflict; if not, somebody poses as it`
      case "NotListed":
        return `${who} is not trusted: the allow list does not have it. Add the key if you know whose it is`
      case "NameMismatch":
        return `${who} is not trusted: it proved to be ${JSON.stringify(this.actualName)}`
      case "Full":
        return `${who} is not trusted: no further name can be pinned; raise the capacity of Trust.layerTofu, or use an allow list`
    }
  }
}

/**
 * The trust policy of a node.
 *
 * @category services
 * @since 0.1.0
 */
export class Trust extends Context.Service<Trust, {
  /** Judges a name and a key, and remembers nothing. */
  readonly check: (name: NodeName, publicKey: PublicKey.PublicKey) => Effect.Effect<void, UntrustedPeerError>
  /** Judges a key that has proved itself under a name; the policy may pin it. */
  readonly proved: (name: NodeName, publicKey: PublicKey.PublicKey) => Effect.Effect<void, UntrustedPeerError>
  /** The one key that a name may have by this policy; `undefined` where it may have any. */
  readonly expected: (name: NodeName) => Effect.Effect<PublicKey.PublicKey | undefined>
  /**
   * The operator's decision that a name belongs to a key from now on, whatever it was pinned to. Only for a key that somebody
   * has compared. Does nothing where the policy pins nothing, and fails where a list says otherwise.
   */
  readonly pin: (name: NodeName, publicKey: PublicKey.PublicKey) => Effect.Effect<void, UntrustedPeerError>
  /** The operator's decision that a name belongs to nobody: the next key that proves itself under it has it. */
  readonly forget: (name: NodeName) => Effect.Effect<void>
}>()("@pnet/core/Trust") {}

/**
 * Everyone is trusted.
 *
 * @category layers
 * @since 0.1.0
 */
export const layerAny: Layer.Layer<Trust> = Layer.succeed(Trust, {
  check: () => Effect.void,
  proved: () => Effect.void,
  expected: () => Effect.undefined,
  pin: () => Effect.void,
  forget: () => Effect.void
})

/**
 * A policy over pinned names: the names and keys are `pins`, and a new name is pinned by the first key that proves itself
 * under it, up to `capacity` of them (default 4,096). `onPin` is run for each new pin and each that the operator changes,
 * `onForget` for each that the operator takes away.
 *
 * @category constructors
 * @since 0.1.0
 */
export const makeTofu = (options?: {
  readonly capacity?: number | undefined
  readonly pins?: Iterable<readonly [NodeName, PublicKey.PublicKey]> | undefined
  readonly onPin?: ((name: NodeName, publicKey: PublicKey.PublicKey) => Effect.Effect<void>) | undefined
  readonly onForget?: ((name: NodeName) => Effect.Effect<void>) | undefined
}): Trust["Service"] => {
  const capacity = options?.capacity ?? 4_096
  const pins = new Map(options?.pins ?? [])
  const check = (name: NodeName, publicKey: PublicKey.PublicKey) =>
    Effect.suspend(() => {
      const pinned = pins.get(name)
      return pinned === undefined || pinned === publicKey
        ? Effect.void
        : Effect.fail(new UntrustedPeerError({ kind: "KeyChanged", peer: name, publicKey, expected: pinned }))
    })
  const add = (name: NodeName, publicKey: PublicKey.PublicKey) => {
    if (!pins.has(name) && pins.size >= capacity) {
      return Effect.fail(new UntrustedPeerError({ kind: "Full", peer: name, publicKey }))
    }
    pins.set(name, publicKey)
    return options?.onPin === undefined ? Effect.void : options.onPin(name, publicKey)
  }
  return {
    check,
    proved: (name, publicKey) => Effect.suspend(() => pins.has(name) ? check(name, publicKey) : add(name, publicKey)),
    expected: (name) => Effect.sync(() => pins.get(name)),
    pin: (name, publicKey) => Effect.suspend(() => pins.get(name) === publicKey ? Effect.void : add(name, publicKey)),
    forget: (name) =>
      Effect.suspend(() => pins.delete(name) && options?.onForget !== undefined ? options.onForget(name) : Effect.void)
  }
}

/**
 * Trust on first use, remembered as long as the layer lives: at most `capacity` names (default 4,096).
 *
 * @category layers
 * @since 0.1.0
 */
export const layerTofu = (options?: { readonly capacity?: number | undefined }): Layer.Layer<Trust> =>
  Layer.sync(Trust, () => makeTofu(options))

/**
 * Only these names, each with its key.
 *
 * @category layers
 * @since 0.1.0
 */
export const layerAllowList = (
  allowed: Iterable<readonly [name: NodeName, publicKey: PublicKey.PublicKey]>
): Layer.Layer<Trust> => {
  const list = new Map(allowed)
  const check = (name: NodeName, publicKey: PublicKey.PublicKey) => {
    const expected = list.get(name)
    return expected === publicKey
      ? Effect.void
      : Effect.fail(
        expected === undefined
          ? new UntrustedPeerError({ kind: "NotListed", peer: name, publicKey })
          : new UntrustedPeerError({ kind: "KeyChanged", peer: name, publicKey, expected })
      )
  }
  return Layer.succeed(Trust, {
    check,
    proved: check,
    expected: (name) => Effect.sync(() => list.get(name)),
    pin: check,
    forget: () => Effect.void
  })
}
