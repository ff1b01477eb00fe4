/**
 * The identities of nodes in pages, kept in a `KeyValueStore` and held by one tab at a time.
 *
 * A page that is open in two tabs is two nodes, and two nodes must not have one key or one name. So the second tab's node is another one, which is the
 * same at each visit, too: where the page's node is called `anna`, its is `anna-2`. With `tabs: "one"` it does not start, and the error says which tab
 * is in its way.
 *
 * What bites:
 *
 * - Whatever runs on the site's pages can read the secrets, as everything that a page keeps: a library that was tampered with, an extension.
 * - Pages that come neither by TLS nor from this machine have no Web Locks (`navigator.locks`), so nothing can be held there: each is a new node at
 *   each visit, with four letters behind its name, and the log says so.
 *
 * @since 0.2.0
 */
import { Crypto, type KeyPair } from "@pnet/core/Crypto"
import * as Identity from "@pnet/core/Identity"
import { NodeName } from "@pnet/core/Packet"
import * as Why from "@pnet/core/Why"
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import { KeyValueStore } from "effect/persistence/KeyValueStore"
import * as Redacted from "effect/Redacted"
import * as Schema from "effect/Schema"
import type * as Scope from "effect/Scope"
import * as Locks from "./internal/locks.ts"
import { allowed, globals } from "./internal/platform.ts"

const explained = { InUse: "identity-in-use", Malformed: "identity-malformed", Storage: "identity-disk" } as const

/**
 * The identity of a page's node could not be had. It never holds anything of a secret.
 *
 * - `InUse`: another tab runs with it, `holder` by its title and path, and there are to be no others; or more tabs are open than there may be
 * - `Malformed`: what is kept is no secret
 * - `Storage`: the browser did not read or write, by `cause`
 *
 * @category errors
 * @since 0.2.0
 */
export class WebIdentityError extends Schema.TaggedError<WebIdentityError>("@pnet/web/WebIdentity/WebIdentityError")(
  "WebIdentityError",
  {
    kind: Schema.Literals(["InUse", "Malformed", "Storage"]),
    /** The node's name. */
    name: Schema.String,
    /** The tab that runs with it, where that is known. */
    holder: Schema.optionalKey(Schema.String),
    cause: Schema.optionalKey(Schema.Defect())
  }
) {
  override get message() {
    const why = {
      InUse: `another tab runs with it${
        this.holder === undefined ? "" : ` (${this.holder})`
      }; close that one, or use it`,
      Malformed: "what is kept of it in the browser's storage is no secret; remove it, and become another node",
      Storage: `${
        this.cause instanceof Error ? this.cause.message : "the browser's storage failed"
      }; allow the site to keep data`
    }[this.kind]
    return Why.see(`the identity of ${this.name} could not be had: ${why}`, explained[this.kind])
  }
}

/**
 * How the tabs of a page share its identities.
 *
 * @category models
 * @since 0.2.0
 */
export interface Options {
  /** `numbered` (default): each tab is a node of its own, with a number behind its name from the second on. `one`: only one tab is a node. */
  readonly tabs?: "numbered" | "one" | undefined
}

// More tabs of one page than anybody keeps open.
const mostTabs = 64
// The page that was there before in this tab, by the same number, may still be on its way out.
const patience = 1_000
const again = "20 millis"

const textOf = (title: string, path: string, since: number) => JSON.stringify({ title, path, since })

const Holder = Schema.fromJsonString(Schema.Struct({ title: Schema.String, path: Schema.String, since: Schema.Number }))

/** Whose a name is, in words. */
const holderOf = (text: string | undefined, now: number): string | undefined => {
  const holder = Option.getOrUndefined(Schema.decodeUnknownOption(Holder)(text))
  return holder === undefined
    ? undefined
    : `"${holder.title}", ${holder.path}, for ${Math.max(0, Math.round((now - holder.since) / 60_000))} minutes`
}

/** The identities of one site. */
class Identities {
  readonly #store: KeyValueStore
  readonly #crypto: Crypto["Service"]
  readonly #tabs: NonNullable<Options["tabs"]>

  constructor(store: KeyValueStore, crypto: Crypto["Service"], tabs: NonNullable<Options["tabs"]>) {
    this.#store = store
    this.#crypto = crypto
    this.#tabs = tabs
  }

  keyPair(name: NodeName): Effect.Effect<Identity.Stored, WebIdentityError, Scope.Scope> {
    return Effect.gen({ self: this }, function*() {
      const slot = `identity/${name}`
      const tab = allowed(() => globals.sessionStorage)
      // The same number after a reload.
      const last = Number(allowed(() => tab?.getItem(`pnet/${slot}`)) ?? 0)
      const number = yield* this.#claim(slot, this.#tabs === "one" ? 1 : last)
      if (number === "unavailable") return yield* this.#guest(name)
      if (number === "taken") {
        const said = yield* Effect.orElseSucceed(this.#store.get(`${slot}/1/holder`), () => undefined)
        const holder = holderOf(said, yield* Clock.currentTimeMillis)
        return yield* new WebIdentityError({ kind: "InUse", name, ...(holder === undefined ? {} : { holder }) })
      }
      allowed(() => tab?.setItem(`pnet/${slot}`, String(number)))
      const now = yield* Clock.currentTimeMillis
      const { document, location } = globals
      const said = textOf(document?.title ?? "", location?.pathname ?? "", now)
      const failed = Effect.mapError((cause: unknown) =>
        cause instanceof WebIdentityError ? cause : new WebIdentityError({ kind: "Storage", name, cause })
      )
      const keyPair = yield* failed(this.#kept(name, `${slot}/${number}`))
      // What others are told of it is no reason not to start: there may be no room for another word.
      yield* Effect.ignore(this.#store.set(`${slot}/${number}/holder`, said))
      return number === 1 ? keyPair : { ...keyPair, name: this.#named(name, String(number)) }
    })
  }

  /** Takes the number that this tab had, or else the first that is free. */
  #claim(slot: string, last: number): Effect.Effect<number | "taken" | "unavailable", never, Scope.Scope> {
    const most = this.#tabs === "one" ? 1 : mostTabs
    return Effect.gen(function*() {
      if (Number.isInteger(last) && last >= 1 && last <= most) {
        const until = (yield* Clock.currentTimeMillis) + patience
        while (true) {
          const held = yield* Locks.hold(`${slot}/${last}`)
          if (held === "held") return last
          if (held === "unavailable") return held
          if ((yield* Clock.currentTimeMillis) >= until) break
          yield* Effect.sleep(again)
        }
      }
      for (let number = 1; number <= most; number++) {
        const held = yield* Locks.hold(`${slot}/${number}`)
        if (held === "held") return number
        if (held === "unavailable") return held
      }
      return "taken"
    })
  }

  /** The key pair that is kept, which is made where there is none. Whoever asks holds it. */
  #kept(name: NodeName, key: string) {
    const { generateKeyPair } = this.#crypto
    return Effect.gen({ self: this }, function*() {
      const secret = yield* this.#store.get(key)
      if (secret === undefined) {
        const keyPair = generateKeyPair()
        yield* this.#store.set(key, Redacted.value(Identity.exportSecret(keyPair)))
        return keyPair
      }
      return yield* Identity.fromSecret(Redacted.make(secret)).pipe(
        Effect.provideService(Crypto, this.#crypto),
        Effect.mapError(() => new WebIdentityError({ kind: "Malformed", name }))
      )
    })
  }

  /** Nothing can be held here. */
  #guest(name: NodeName): Effect.Effect<Identity.Stored> {
    const keyPair: KeyPair = this.#crypto.generateKeyPair()
    const called = this.#named(name, keyPair.publicKey.replace(/[^A-Za-z0-9]/g, "").slice(0, 4).toLowerCase())
    return Effect.as(
      Effect.logWarning(Why.see(
        `this page has no Web Locks, since it came neither by TLS nor from this machine: its node is a new one at each visit, called ${called}`,
        "identity-in-use"
      )),
      { ...keyPair, name: called }
    )
  }

  /** A name with something behind it, as short as names have to be. */
  #named(name: NodeName, suffix: string): NodeName {
    for (let length = name.length; length > 0; length--) {
      const named = Schema.decodeUnknownOption(NodeName)(`${name.slice(0, length)}-${suffix}`)
      if (Option.isSome(named)) return named.value
    }
    return name
  }
}

/**
 * An identity for each node of a page by its name, in the `KeyValueStore`, made at the first visit, and held by the tab as long as the node runs.
 *
 * @category layers
 * @since 0.2.0
 */
export const layer = (options?: Options): Layer.Layer<Identity.IdentityStore, never, Crypto | KeyValueStore> =>
  Layer.effect(
    Identity.IdentityStore,
    Effect.gen(function*() {
      const identities = new Identities(yield* KeyValueStore, yield* Crypto, options?.tabs ?? "numbered")
      return {
        keyPair: (name) =>
          Effect.mapError(identities.keyPair(name), (cause) => new Identity.IdentityStoreError({ name, cause }))
      }
    })
  )
