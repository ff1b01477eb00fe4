/**
 * Trust on first use: the first key that proves itself under a name is pinned to it, like SSH's known hosts. `layer` keeps the pins
 * as long as it lives, `layerStored` in a store; `NodeTrust.layerKnownPeers` in `@pnet/node` keeps them in a file.
 *
 * What bites: with trust on first use, whoever is first has the name. Compare fingerprints, or list the keys. So that one
 * stranger cannot use up the pins, those that were made because somebody connected to this node are at most half of them, and
 * at most a quarter from one address; what is beyond is refused, and nothing is ever taken away to make room. A pin is no right: who is
 * known has no role, serves no service and is sent nothing that is published by that, unless `Trust.open` says so.
 *
 * @since 0.2.0
 */
import type * as Context from "effect/Context"
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import type * as Scope from "effect/Scope"
import * as AtOnce from "./internal/base/atOnce.ts"
import { quote } from "./internal/base/quote.ts"
import * as Signal from "./internal/base/signal.ts"
import type { NodeName } from "./Packet.ts"
import * as PublicKey from "./PublicKey.ts"
import { Trust, UntrustedPeerError } from "./Trust.ts"
import * as Why from "./Why.ts"

/**
 * A name that belongs to a key.
 *
 * @category models
 * @since 0.2.0
 */
export interface Pin {
  readonly name: NodeName
  readonly publicKey: PublicKey.PublicKey
  /**
   * The address that it connected from, where it was pinned for no other reason than that it connected. Absent: this node
   * reached it itself, or the operator pinned it.
   */
  readonly from?: string | undefined
}

/**
 * What a policy of trust on first use goes by.
 *
 * @category models
 * @since 0.2.0
 */
export interface KnownPeers {
  readonly pins: ReadonlyArray<Pin>
  /** Keys that are refused under any name. */
  readonly revoked: ReadonlyArray<PublicKey.PublicKey>
}

/**
 * Trust on first use, with what the operator may do to it while nodes run.
 *
 * @category models
 * @since 0.2.0
 */
export interface Tofu extends Context.Service.Shape<typeof Trust> {
  /** What it goes by now. */
  readonly known: Effect.Effect<KnownPeers>
  /** Refuses a key from now on, under any name; its pins stay, so that nobody else gets its names. */
  readonly revoke: (publicKey: PublicKey.PublicKey) => Effect.Effect<void>
  /** Puts other pins and revoked keys in the place of those there are. */
  readonly replace: (known: KnownPeers) => Effect.Effect<void>
}

/** The names that are pinned, so many of them, and what of that is there because somebody connected. */
class Pins {
  readonly #capacity: number
  readonly #perAddress: number
  readonly #all = new Map<NodeName, Pin>()
  /** How many are there because somebody connected, in all and from each address. */
  #inbound = 0
  readonly #byAddress = new Map<string, number>()

  constructor(capacity: number, perAddress: number) {
    this.#capacity = capacity
    this.#perAddress = perAddress
  }

  get all(): ReadonlyArray<Pin> {
    return [...this.#all.values()]
  }

  get(name: NodeName): Pin | undefined {
    return this.#all.get(name)
  }

  put(pin: Pin): void {
    this.#count(this.#all.get(pin.name)?.from, -1)
    this.#all.set(pin.name, pin)
    this.#count(pin.from, 1)
  }

  delete(pin: Pin): void {
    this.#count(pin.from, -1)
    this.#all.delete(pin.name)
  }

  clear(): void {
    this.#all.clear()
    this.#byAddress.clear()
    this.#inbound = 0
  }

  /** Why no further name can be pinned: of all, who connects gets at most half, and one address its share. */
  full(name: NodeName, publicKey: PublicKey.PublicKey, from: string | undefined): UntrustedPeerError | undefined {
    if (this.#all.size >= this.#capacity) return new UntrustedPeerError({ kind: "Full", peer: name, publicKey })
    if (from === undefined) return undefined
    const fromThere = this.#byAddress.get(from) ?? 0
    return this.#inbound < Math.ceil(this.#capacity / 2) && fromThere < this.#perAddress
      ? undefined
      : new UntrustedPeerError({ kind: "Full", peer: name, publicKey, from })
  }

  #count(from: string | undefined, by: 1 | -1): void {
    if (from === undefined) return
    this.#inbound += by
    const now = (this.#byAddress.get(from) ?? 0) + by
    if (now === 0) this.#byAddress.delete(from)
    else this.#byAddress.set(from, now)
  }
}

/**
 * A policy over pinned names: the names and keys are `pins`, and a new name is pinned by the first key that proves itself
 * under it, up to `capacity` of them (default 4,096). Of those, who connects to this node gets at most half, and at most
 * `perAddress` (default a quarter) from one address. `onPin` is run for each new pin and each that changes: `by` says whether the
 * operator decided it or it was learnt from a key that proved itself. `onForget` is run for each that the operator takes away,
 * `onRevoke` for each key that the operator revokes.
 *
 * @category constructors
 * @since 0.2.0
 */
export const make = (options?: {
  readonly capacity?: number | undefined
  readonly perAddress?: number | undefined
  readonly pins?: Iterable<readonly [NodeName, PublicKey.PublicKey]> | undefined
  readonly onPin?:
    | ((
      name: NodeName,
      publicKey: PublicKey.PublicKey,
      from: string | undefined,
      by: "operator" | "proof"
    ) => Effect.Effect<void>)
    | undefined
  readonly onForget?: ((name: NodeName) => Effect.Effect<void>) | undefined
  readonly onRevoke?: ((publicKey: PublicKey.PublicKey) => Effect.Effect<void>) | undefined
}): Tofu => {
  const capacity = options?.capacity ?? 4_096
  const signal = Signal.make()
  const pins = new Pins(capacity, options?.perAddress ?? Math.ceil(capacity / 4))
  let revoked = new Set<PublicKey.PublicKey>()
  for (const [name, publicKey] of options?.pins ?? []) pins.put({ name, publicKey })

  const judge = (name: NodeName, publicKey: PublicKey.PublicKey): UntrustedPeerError | undefined => {
    if (revoked.has(publicKey)) return new UntrustedPeerError({ kind: "Revoked", peer: name, publicKey })
    const pinned = pins.get(name)?.publicKey
    return pinned === undefined || pinned === publicKey
      ? undefined
      : new UntrustedPeerError({ kind: "KeyChanged", peer: name, publicKey, expected: pinned })
  }
  const add = (pin: Pin, by: "operator" | "proof") => {
    pins.put(pin)
    return options?.onPin === undefined ? Effect.void : options.onPin(pin.name, pin.publicKey, pin.from, by)
  }

  return {
    check: (name, publicKey) =>
      Effect.suspend(() => {
        const refused = judge(name, publicKey)
        return refused === undefined ? Effect.void : Effect.fail(refused)
      }),
    proved: (name, publicKey, from) =>
      Effect.suspend(() => {
        const pinned = pins.get(name)
        const refused = judge(name, publicKey) ?? (pinned === undefined ? pins.full(name, publicKey, from) : undefined)
        if (refused !== undefined) return Effect.fail(refused)
        if (pinned === undefined) return add({ name, publicKey, from }, "proof")
        // It connected, and now this node has reached it, too.
        return pinned.from !== undefined && from === undefined ? add({ name, publicKey }, "proof") : Effect.void
      }),
    expected: AtOnce.by((name) => pins.get(name)?.publicKey),
    standing: (name, publicKey) =>
      Effect.sync(() => {
        const pin = pins.get(name)
        return pin?.publicKey !== publicKey ? undefined : pin.from === undefined ? "pinned" : "connected"
      }),
    pin: (name, publicKey) =>
      Effect.suspend(() => {
        const pinned = pins.get(name)
        if (pinned?.publicKey === publicKey && pinned.from === undefined) return Effect.void
        const refused = revoked.has(publicKey)
          ? judge(name, publicKey)
          : pinned === undefined
          ? pins.full(name, publicKey, undefined)
          : undefined
        if (refused !== undefined) return Effect.fail(refused)
        return Effect.andThen(add({ name, publicKey }, "operator"), Effect.sync(signal.notify))
      }),
    forget: (name) =>
      Effect.suspend(() => {
        const pinned = pins.get(name)
        if (pinned === undefined) return Effect.void
        pins.delete(pinned)
        return Effect.andThen(
          options?.onForget === undefined ? Effect.void : options.onForget(name),
          Effect.sync(signal.notify)
        )
      }),
    changes: signal.changes,
    known: Effect.sync(() => ({ pins: pins.all, revoked: [...revoked] })),
    revoke: (publicKey) =>
      Effect.suspend(() => {
        if (revoked.has(publicKey)) return Effect.void
        revoked.add(publicKey)
        return Effect.andThen(
          options?.onRevoke === undefined ? Effect.void : options.onRevoke(publicKey),
          Effect.sync(signal.notify)
        )
      }),
    replace: (known) =>
      Effect.sync(() => {
        pins.clear()
        for (const pin of known.pins) pins.put(pin)
        revoked = new Set(known.revoked)
        signal.notify()
      })
  }
}

/**
 * Trust on first use, remembered as long as the layer lives: at most `capacity` names (default 4,096), of which those who
 * connect from one address get at most `perAddress` (default a quarter).
 *
 * @category layers
 * @since 0.2.0
 */
export const layer = (options?: {
  readonly capacity?: number | undefined
  readonly perAddress?: number | undefined
}): Layer.Layer<Trust> => Layer.sync(Trust, () => make(options))

/**
 * What has happened to the known peers since it was last saved, in the order in which it is to be made: names to forget, pins
 * of the operator, pins that were learnt, and keys that were revoked.
 *
 * @category models
 * @since 0.2.0
 */
export interface KnownPeersEdit {
  /** Names that the operator gave back. */
  readonly forgotten: ReadonlyArray<NodeName>
  /** What the operator decided. It takes the place of whatever the name is pinned to. */
  readonly pinned: ReadonlyArray<Pin>
  /**
   * What was learnt from a key that proved itself. It is added where its name is pinned to no key, and where its name is pinned to
   * this very key no more is taken from it than its `from`; a name that is pinned to another key keeps that.
   */
  readonly learnt: ReadonlyArray<Pin>
  /** Keys that the operator revoked. */
  readonly revoked: ReadonlyArray<PublicKey.PublicKey>
}

/**
 * The pins after an edit, as every store has to make it: for stores that keep them as a list.
 *
 * @category combinators
 * @since 0.2.0
 */
export const editPins = (
  pins: Iterable<Pin>,
  edit: Pick<KnownPeersEdit, "forgotten" | "pinned" | "learnt">
): ReadonlyArray<Pin> => {
  const edited = new Map([...pins].map((pin) => [pin.name, pin]))
  for (const name of edit.forgotten) edited.delete(name)
  for (const pin of edit.pinned) edited.set(pin.name, pin)
  for (const pin of edit.learnt) {
    const kept = edited.get(pin.name)
    if (kept === undefined || kept.publicKey === pin.publicKey && kept.from !== undefined && pin.from === undefined) {
      edited.set(pin.name, pin)
    }
  }
  return [...edited.values()]
}

/**
 * Where pins are kept. Somebody else may change it at the same time: other nodes, and the operator.
 *
 * @category models
 * @since 0.2.0
 */
export interface PinStore<E extends { readonly message: string }> {
  /** All that is kept. */
  readonly load: Effect.Effect<KnownPeers, E>
  /** All that is kept, if it may have changed since it was last loaded or saved; `undefined`: it has not. */
  readonly reload: Effect.Effect<KnownPeers | undefined, E>
  /**
   * Makes the edit to what is kept now, as `editPins` does, and gives all that is kept then. Nobody else may change it in
   * between.
   */
  readonly save: (edit: KnownPeersEdit) => Effect.Effect<KnownPeers, E>
}

/**
 * Options of trust on first use with a store.
 *
 * @category models
 * @since 0.2.0
 */
export interface StoredOptions {
  /** The most names that are pinned. Default 4,096. */
  readonly capacity?: number | undefined
  /** The most of them for those who connect from one address. Default a quarter. */
  readonly perAddress?: number | undefined
  /** How often the store is asked whether it has changed, and new pins are saved. Default 1 second. */
  readonly interval?: Duration.Input | undefined
}

/**
 * Trust on first use whose pins are kept in a store. What is in the store is what holds: pins that are taken out of it are
 * forgotten, and those that are put into it apply within an interval. New pins are saved within an interval, and when the
 * scope closes. One that was learnt is only ever added: where the store has another key for the name by then, that holds, a
 * warning says so, and sessions are judged again. A store that cannot be read or written is logged, and tried again; until then
 * the last that was read holds. Fails where the store cannot be read to begin with.
 *
 * @category constructors
 * @since 0.2.0
 */
export const makeStored = <E extends { readonly message: string }>(
  store: PinStore<E>,
  options?: StoredOptions
): Effect.Effect<Tofu, E, Scope.Scope> =>
  Effect.gen(function*() {
    // What is not saved yet of each name: whether it was given back, and what it has been pinned to since.
    interface News {
      readonly forgotten: boolean
      readonly pin: Pin | undefined
      readonly by: "operator" | "proof"
    }
    const unsaved = new Map<NodeName, News>()
    const revoked = new Set<PublicKey.PublicKey>()
    const tofu = make({
      capacity: options?.capacity,
      perAddress: options?.perAddress,
      onPin: (name, publicKey, from, by) =>
        Effect.sync(() => {
          const forgotten = unsaved.get(name)?.forgotten ?? false
          unsaved.set(name, { forgotten, pin: { name, publicKey, from }, by })
        }),
      onForget: (name) =>
        Effect.sync(() => void unsaved.set(name, { forgotten: true, pin: undefined, by: "operator" })),
      onRevoke: (publicKey) => Effect.sync(() => void revoked.add(publicKey))
    })
    yield* tofu.replace(yield* store.load)

    const editOf = (news: Iterable<readonly [NodeName, News]>): Omit<KnownPeersEdit, "revoked"> => {
      const edits = [...news]
      const pins = (by: News["by"]) =>
        edits.flatMap(([, news]) => news.pin !== undefined && news.by === by ? [news.pin] : [])
      return {
        forgotten: edits.flatMap(([name, { forgotten }]) => forgotten ? [name] : []),
        pinned: pins("operator"),
        learnt: pins("proof")
      }
    }

    // What was learnt and is not what holds: somebody has been known under that name elsewhere.
    const overruled = (learnt: ReadonlyArray<Pin>, kept: ReadonlyArray<Pin>) =>
      Effect.suspend(() => {
        const keys = new Map(kept.map((pin) => [pin.name, pin.publicKey]))
        return Effect.forEach(learnt, ({ name, publicKey }) => {
          const key = keys.get(name)
          if (key === undefined || key === publicKey) return Effect.void
          return Effect.logWarning(
            Why.see(
              `${quote(name)} proved itself with key ${PublicKey.fingerprint(publicKey)} here, and is known with ${
                PublicKey.fingerprint(key)
              }, which holds: if it was set up anew, compare the new key and pin it; if not, somebody poses as it`,
              "key-changed"
            )
          )
        }, { discard: true })
      })

    const apply = (kept: KnownPeers) =>
      Effect.suspend(() => {
        const edit = editOf(unsaved)
        const pins = editPins(kept.pins, edit)
        const holds = new Map(pins.map((pin) => [pin.name, pin.publicKey]))
        // It will not be saved either, so that it comes to nothing once.
        for (const pin of edit.learnt) if (holds.get(pin.name) !== pin.publicKey) unsaved.delete(pin.name)
        return Effect.andThen(
          tofu.replace({ pins, revoked: [...kept.revoked, ...revoked] }),
          overruled(edit.learnt, pins)
        )
      })

    const save = Effect.suspend(() => {
      if (unsaved.size === 0 && revoked.size === 0) return Effect.void
      const news = [...unsaved]
      const keys = [...revoked]
      const edit = editOf(news)
      return Effect.flatMap(
        store.save({ ...edit, revoked: keys }),
        (kept) => {
          // Unless there is news of it since.
          for (const [name, one] of news) if (unsaved.get(name) === one) unsaved.delete(name)
          for (const key of keys) revoked.delete(key)
          return Effect.andThen(apply(kept), overruled(edit.learnt, kept.pins))
        }
      )
    })

    // A state that lasts is said once.
    let told = ""
    const tell = (error: E | undefined) =>
      Effect.suspend(() => {
        const message = error === undefined ? "" : error.message
        if (message === told) return Effect.void
        told = message
        return message === ""
          ? Effect.logInfo("the known peers can be read and written again")
          : Effect.logWarning(`the known peers stay as they were: ${message}`)
      })
    const step = Effect.flatMap(store.reload, (kept) => kept === undefined ? Effect.void : apply(kept)).pipe(
      Effect.andThen(save),
      Effect.matchEffect({ onFailure: tell, onSuccess: () => tell(undefined) })
    )

    yield* Effect.addFinalizer(() => Effect.catch(save, tell))
    yield* Effect.forkScoped(Effect.forever(Effect.andThen(Effect.sleep(options?.interval ?? "1 second"), step)))
    return tofu
  })

/**
 * `makeStored` as a layer.
 *
 * @category layers
 * @since 0.2.0
 */
export const layerStored = <E extends { readonly message: string }>(
  store: PinStore<E>,
  options?: StoredOptions
): Layer.Layer<Trust, E> => Layer.effect(Trust, makeStored(store, options))
