/**
 * What trust policies show each other in sessions that stand (protocol section 15): streams of `credentials`. One called `certificate`
 * carries what its opener shows, as the handshake did, and is answered with what the other side shows; any other asks for what it is called, which is what the answer is.
 *
 * What bites: nobody pushes a list to anybody. A peer says the version that it has, and is asked for it, once at a time and by as many as
 * have nothing better to do; so what a peer can have this node read and verify is bounded by this node.
 */
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import * as Semaphore from "effect/Semaphore"
import * as Stream from "effect/Stream"
import type { Peer } from "../../Peers.ts"
import type { PublicKey } from "../../PublicKey.ts"
import type * as Sessions from "../../Sessions.ts"
import type { Credentials as Seam } from "../../Trust.ts"
import { quote } from "../base/quote.ts"
import * as Rate from "../base/rate.ts"
import type { Host } from "./host.ts"
import type { Session } from "./session.ts"
import type { Table } from "./table.ts"

const protocol = "credentials"
const certificate = "certificate"
/** The bytes of what is shown, at the most. */
const maxShown = 4_096
/** What is asked and what is shown has to come in this time. */
const patience = "10 seconds"
/** What a peer may show, and ask for, in ten seconds. */
const perPeer = 10
const perPeerMillis = 10_000
/** Peers that are asked, and shown something, at once. */
const asked = 4
const shownAtOnce = 16

type Who = Session["peer"]

export interface Credentials {
  /** A session has begun, whose peer has shown something in its handshake, or nothing. */
  readonly began: (session: Session) => void
  /** Shows this node's to a peer, with a session made for that where there is none. */
  readonly introduce: (peer: Peer) => Effect.Effect<void, Sessions.OpenError | Sessions.StreamError>
  /** Serves the streams of peers, and shows what has changed, until the scope closes. */
  readonly run: Effect.Effect<void, never, Scope.Scope>
}

/** Rates of peers that have sessions, which are so many as there may be. */
const ratesOf = () => {
  const rates = new WeakMap<Who, Rate.Rate>()
  return (who: Who, now: number): boolean => {
    let rate = rates.get(who)
    if (rate === undefined) rates.set(who, rate = Rate.make(perPeer, perPeerMillis))
    return rate.take(now)
  }
}

const nothing: Credentials = { began: () => {}, introduce: () => Effect.void, run: Effect.void }

export const make = (
  host: Host,
  table: Table,
  parts: Pick<Sessions.Sessions["Service"], "exchange" | "handle">
): Credentials => {
  const { trust } = host
  return trust.credentials === undefined ? nothing : new Exchanging(host, table, trust.credentials, parts)
}

class Exchanging implements Credentials {
  readonly #host: Host
  readonly #table: Table
  readonly #policy: Seam
  readonly #exchange: Sessions.Sessions["Service"]["exchange"]
  readonly #handle: Sessions.Sessions["Service"]["handle"]
  readonly #may = ratesOf()
  readonly #permits = Semaphore.makeUnsafe(asked)
  readonly #asking = new Set<PublicKey>()

  constructor(
    host: Host,
    table: Table,
    policy: Seam,
    { exchange, handle }: Pick<Sessions.Sessions["Service"], "exchange" | "handle">
  ) {
    this.#host = host
    this.#table = table
    this.#policy = policy
    this.#exchange = exchange
    this.#handle = handle
  }

  began(session: Session): void {
    const shown = session.options.established.credentials
    if (shown !== undefined) this.#host.fork(this.#heed(session.peer, shown))
  }

  introduce(peer: Peer) {
    return Effect.flatMap(this.#policy.shown, (shown) =>
      Effect.flatMap(
        this.#exchange(
          peer,
          { protocol, name: certificate, deadline: patience, limit: maxShown },
          shown ?? new Uint8Array(0)
        ),
        // What it shows in turn, of which this node may have forgotten.
        (theirs) => theirs.length === 0 ? Effect.void : this.#heed(peer, theirs)
      ))
  }

  readonly run = Effect.suspend(() =>
    Effect.andThen(
      this.#handle(protocol, (stream) => this.#serve(stream)),
      Effect.forkScoped(
        Stream.runForEach(this.#policy.changes, () => this.#showAll),
        { startImmediately: true }
      )
    )
  )

  /** To whoever has a policy that shows something, too, and a session. */
  readonly #showAll = Effect.suspend(() => {
    const peers = new Map<PublicKey, Who>()
    for (const [{ options, peer }] of this.#table.all()) {
      if (options.established.credentials !== undefined) peers.set(peer.publicKey, peer)
    }
    return Effect.forEach(
      peers.values(),
      (who) => this.#stands(who) ? Effect.ignore(this.introduce(peerOf(who))) : Effect.void,
      { concurrency: shownAtOnce, discard: true }
    )
  })

  #stands({ name, publicKey }: Who): boolean {
    return this.#table.get(publicKey)?.current(name) !== undefined
  }

  #told({ name, publicKey }: Who, shown: Uint8Array): Effect.Effect<string | undefined> {
    return Effect.catch(this.#policy.told(name, publicKey, shown), (error) =>
      Effect.as(
        this.#host.lines(error.message, "credentials", (more) =>
          Effect.logWarning(`what ${quote(name)} shows was not taken: ${error.message}${more}`)),
        undefined
      ))
  }

  /** Takes what a peer shows, and asks it for what it has and this node has not. */
  #heed(who: Who, shown: Uint8Array): Effect.Effect<void> {
    return Effect.flatMap(this.#told(who, shown), (first) => {
      if (first === undefined || this.#asking.has(who.publicKey)) return Effect.void
      this.#asking.add(who.publicKey)
      return this.#permits.withPermit(
        // Another may have had it meanwhile.
        Effect.flatMap(
          this.#told(who, shown),
          (what) => what === undefined || !this.#stands(who) ? Effect.void : this.#ask(who, what)
        )
      ).pipe(Effect.ensuring(Effect.sync(() => this.#asking.delete(who.publicKey))))
    })
  }

  #ask(who: Who, what: string): Effect.Effect<void> {
    return this.#exchange(
      peerOf(who),
      { protocol, name: what, deadline: patience, limit: this.#policy.limit },
      new Uint8Array(0)
    ).pipe(
      Effect.flatMap((given) => this.#policy.take(what, given)),
      Effect.flatMap((taken) =>
        taken ?
          Effect.void :
          this.#host.lines(`${who.publicKey} ${what}`, "credentials", (more) =>
            Effect.logWarning(`${quote(who.name)} said that it has newer ${what}, and has none that hold${more}`))
      ),
      Effect.ignore
    )
  }

  #serve(stream: Sessions.SessionStream): Effect.Effect<void> {
    const { name, peer } = stream
    if (!this.#may(peer, this.#host.now())) return stream.reset("refused", "more of it than there is time for")
    if (name === certificate) {
      // Interrupted, it resets its stream.
      const whole = Effect.timeoutOrElse(stream.wholeUpTo(maxShown), {
        duration: patience,
        orElse: () => Effect.fail("late" as const)
      })
      return Effect.matchEffect(whole, {
        onFailure: () => Effect.void,
        // Taken before it is answered, so that its opener can go by that.
        onSuccess: (shown) =>
          Effect.flatMap(
            Effect.andThen(this.#told(peer, shown), this.#policy.shown),
            (own) => {
              this.#host.fork(this.#heed(peer, shown))
              return own === undefined ? Effect.void : Effect.ignore(stream.write(own))
            }
          )
      })
    }
    return Effect.flatMap(this.#policy.give(name), (given) =>
      given === undefined
        ? stream.reset("not_found", "nothing of that name is shown here")
        : Effect.ignore(stream.write(given)))
  }
}

/** Streams on a session that stands go by no more than who it is. */
const peerOf = (who: Who): Peer => ({ ...who, endpoints: [], status: "Online", proved: true })
