/**
 * Finds out what peers offer, while somebody on this node wants to know: one stream to each of them, on which it says so now and whenever it is
 * another. What it says is cut down to what the trust policy grants it before it is known to anybody.
 *
 * What bites: everything here is brought about by peers, and by those who only claim to be some. So there are bounds on how many are followed, how many are
 * asked at once, what is held of all of them, and how much one may say; nobody gives up a session for it; and whoever was asked in vain is asked ever more
 * seldom, and gives way to one who was not asked yet.
 */
import * as Cause from "effect/Cause"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import type * as Fiber from "effect/Fiber"
import * as Latch from "effect/Latch"
import * as Random from "effect/Random"
import * as Stream from "effect/Stream"
import type { Offer } from "../../Offer.ts"
import type { Follower, Peer, Peers } from "../../Peers.ts"
import type { PublicKey } from "../../PublicKey.ts"
import * as Rights from "../../Rights.ts"
import { rightsOf, type Trust } from "../../Trust.ts"
import * as Why from "../../Why.ts"
import { quote } from "../base/quote.ts"
import { remember } from "../base/remember.ts"
import type * as Seldom from "../base/seldom.ts"
import type { Opening } from "../session/opening.ts"
import type { SessionStream } from "../session/sessionStream.ts"
import { Attempt, type Ended, Followed } from "./followed.ts"
import { decode } from "./offerText.ts"
import { lineEvery } from "./telling.ts"

/** Peers that are asked at once. */
const asking = 16
/** Reserved for what a stream brings, which is read at once. */
const reserved = 65_536
/** Streams are kept so long when nobody wants to know any more, in milliseconds. */
const lingering = 60_000
/** How long those who are the first to want to know wait for peers that were not asked yet, in milliseconds. Nobody waits for who comes later. */
const patience = 2_000
const toAnswer = "5 seconds"
const lookEvery = "1 second"
/** Peers that come together are looked at together. */
const together = "50 millis"
/** Before one is asked again that does not know how to answer, in milliseconds. */
const seldom = 300_000
/** The longest wait before one is asked again that could not be reached: a peer, and one that has proved nothing. */
const longestWait = { known: 15_000, claimed: seldom }
const firstWait = 500
/** A stream that lasted so long was one, and another is opened after so long, in milliseconds. */
const lasting = 10_000
const again = 250
/** Keys that were asked in vain and gave way to others. */
const vainKept = 1_024

export interface Parts {
  readonly peers: Peers["Service"]
  readonly trust: Trust["Service"]
  readonly open: Opening["openUnasked"]
  readonly lines: Seldom.Lines
  readonly limits: { readonly offers: number; readonly offerMemory: number }
  readonly now: () => number
  readonly fork: (effect: Effect.Effect<void>) => Fiber.Fiber<void>
}

/** What is left of what a peer says, when what is not granted to it is taken out. */
const granted = (claimed: Offer, { roles, serves, subscribes }: Rights.Rights): Offer => ({
  ...claimed,
  roles: claimed.roles.filter((role) => Rights.allows(roles, role)),
  functions: Rights.allowsAll(serves)
    ? claimed.functions
    : Object.fromEntries(Object.entries(claimed.functions).filter(([name]) => Rights.allows(serves, name))),
  // A pattern as well: what begins so stands for what begins so.
  topics: claimed.topics.filter(({ topic }) => Rights.allows(subscribes, topic))
})

export class Following implements Follower {
  readonly #parts: Parts
  readonly #all = new Map<PublicKey, Followed>()
  readonly #vain = new Map<PublicKey, number>()
  readonly #wake = Latch.makeUnsafe(false)
  #isWanted = false
  #isFollowing = false
  #unwantedAt = -Infinity
  #patientUntil = -Infinity
  #asking = 0
  #held = 0
  /** Who is there, as it was when it was looked at last. */
  #seen: ReadonlyArray<Peer> = []
  readonly #unsettled = new Set<() => void>()

  constructor(parts: Parts) {
    this.#parts = parts
  }

  // --- for those who want to know --------------------------------------------------------------------------------------

  wanted(isWanted: boolean): void {
    const at = this.#parts.now()
    if (isWanted && !this.#isWanted && at - this.#unwantedAt >= lingering) this.#patientUntil = at + patience
    this.#isWanted = isWanted
    if (!isWanted) this.#unwantedAt = at
    // Each call may want to know.
    else if (!this.#isFollowing) this.#wake.openUnsafe()
  }

  settled(): Effect.Effect<void> | undefined {
    const wait = this.#patientUntil - this.#parts.now()
    if (wait <= 0) return undefined
    // Nobody else has looked yet, where this is the first who wants to know.
    if (this.#parts.peers.presence.value !== this.#seen) this.#look()
    if (this.#isSettled) return undefined
    const settled = Effect.callback<void>((resume) => {
      const done = () => resume(Effect.void)
      this.#unsettled.add(done)
      return Effect.sync(() => this.#unsettled.delete(done))
    })
    return Effect.asVoid(Effect.timeoutOption(settled, wait))
  }

  /** Follows for as long as it runs, while anybody wants to know. */
  get run(): Effect.Effect<never> {
    const { peers, trust } = this.#parts
    const isOver = () => !this.#isWanted && this.#parts.now() - this.#unwantedAt >= lingering
    const looking = Effect.whileLoop({
      while: () => !isOver(),
      body: () =>
        Effect.sync(() => {
          this.#wake.closeUnsafe()
          this.#look()
        }).pipe(
          Effect.andThen(Effect.sleep(together)),
          Effect.andThen(Effect.raceFirst(this.#wake.await, Effect.sleep(lookEvery)))
        ),
      step: () => {}
    })
    const waking = Stream.runForEach(peers.changes, (event) =>
      Effect.suspend(() => {
        if (event._tag === "Offered" || event._tag === "Probed") return Effect.void
        this.#wake.openUnsafe()
        // It may have been gone for less time than it takes to look.
        const followed = event._tag === "Joined" ? this.#all.get(event.peer.publicKey) : undefined
        if (followed !== undefined) this.#judgeSoon(followed)
        return Effect.void
      }))
    // A policy of one's own may fail, and end.
    const judging = Effect.andThen(
      Effect.catchCause(Stream.runForEach(trust.changes, () => Effect.sync(() => this.#judgeAll())), () => Effect.void),
      Effect.never
    )
    const following = Effect.andThen(
      Effect.raceFirst(looking, Effect.raceFirst(Effect.andThen(waking, Effect.never), judging)),
      Effect.sync(() => {
        this.#isFollowing = false
        this.#dropAll()
        // Somebody may have wanted to know while this came to its end.
        if (!isOver()) this.#wake.openUnsafe()
      })
    )
    return Effect.forever(Effect.andThen(
      this.#wake.await,
      Effect.suspend(() => {
        this.#wake.closeUnsafe()
        this.#isFollowing = !isOver()
        return this.#isFollowing ? following : Effect.void
      })
    ))
  }

  // --- who is followed -------------------------------------------------------------------------------------------------

  #look(): void {
    const { now, peers } = this.#parts
    const all = peers.presence.value
    if (all !== this.#seen) {
      this.#seen = all
      this.#compare(all)
    }
    for (const { attempt } of this.#all.values()) if (attempt?.stream?.isLeftBehind === true) end(attempt, "moved")
    const at = now()
    // Those who do not answer are no hindrance to those who do, or were not asked yet.
    for (const first of [true, false]) {
      for (const followed of this.#all.values()) {
        if (this.#asking >= asking) break
        if (followed.attempt !== undefined || at < followed.notBefore || followed.isFirst !== first) continue
        const peer = all.find(({ publicKey }) => publicKey === followed.publicKey)
        if (peer !== undefined) this.#ask(followed, peer)
      }
    }
    this.#settle()
  }

  /** Takes in who is there, and lets go of who is not. */
  #compare(all: ReadonlyArray<Peer>): void {
    const there = new Map(all.map((peer) => [peer.publicKey, peer]))
    for (const followed of this.#all.values()) {
      // Its key has proved another name: what it offers is granted to it under that one.
      if (there.get(followed.publicKey)?.name !== followed.name) this.#drop(followed)
    }
    for (const key of this.#vain.keys()) if (!there.has(key)) this.#vain.delete(key)
    const at = this.#parts.now()
    let left = 0
    for (const { name, publicKey } of all) {
      if (this.#all.has(publicKey)) continue
      if (this.#all.size >= this.#parts.limits.offers && !this.#makeRoom(publicKey, at)) {
        left++
        continue
      }
      this.#all.set(publicKey, new Followed(name, publicKey))
    }
    if (left > 0) this.#tell("offers", `${left} peers are not asked what they offer: limits.offers are`)
  }

  /** Whether one that was asked in vain has given way to another. */
  #makeRoom(publicKey: PublicKey, at: number): boolean {
    if (at - (this.#vain.get(publicKey) ?? -Infinity) < seldom) return false
    for (const followed of this.#all.values()) {
      if (!followed.tried || followed.attempt !== undefined || followed.claimed !== undefined) continue
      remember(this.#vain, followed.publicKey, at, vainKept)
      this.#drop(followed)
      return true
    }
    return false
  }

  #drop(followed: Followed): void {
    const { attempt } = followed
    this.#all.delete(followed.publicKey)
    followed.attempt = undefined
    attempt?.fiber?.interruptUnsafe()
    this.#forget(followed)
  }

  #dropAll(): void {
    for (const followed of this.#all.values()) this.#drop(followed)
    this.#vain.clear()
    this.#seen = []
    this.#settle()
  }

  get #isSettled(): boolean {
    for (const { tried } of this.#all.values()) if (!tried) return false
    return true
  }

  #settle(): void {
    if (this.#unsettled.size === 0 || !this.#isSettled) return
    const waiting = [...this.#unsettled]
    this.#unsettled.clear()
    for (const done of waiting) done()
  }

  // --- asking them -----------------------------------------------------------------------------------------------------

  #ask(followed: Followed, peer: Peer): void {
    const { fork, now, open } = this.#parts
    const attempt = followed.attempt = new Attempt()
    this.#asking++
    const inTime = <A>(effect: Effect.Effect<A, Ended>): Effect.Effect<A, Ended> =>
      Effect.timeoutOrElse(effect, { duration: toAnswer, orElse: () => Effect.fail<Ended>("silent") })
    const asked = Effect.gen({ self: this }, function*() {
      const stream = yield* Effect.timeoutOrElse(open(peer, { protocol: "offer", name: "" }), {
        duration: toAnswer,
        orElse: () => Effect.fail<Ended>("silent")
      })
      yield* stream.end
      stream.easeUnsafe(reserved)
      attempt.stream = stream
      this.#read(followed, attempt, stream)
      yield* inTime(Effect.raceFirst(Deferred.await(attempt.answered), Deferred.await(attempt.over)))
      attempt.answeredAt = now()
      this.#asked(followed, attempt)
      return yield* Deferred.await(attempt.over)
    })
    attempt.fiber = fork(
      Effect.ensuring(
        Effect.catchCause(Effect.scoped(asked), (cause) =>
          Effect.map(Random.next, (random) => {
            const error = cause.reasons.find(Cause.isFailReason)?.error
            if (error !== undefined) this.#over(followed, attempt, error, peer.proved, 0.75 + random / 2)
          })),
        Effect.sync(() => this.#asked(followed, attempt))
      )
    )
  }

  /** It has been asked, whatever came of it. */
  #asked(followed: Followed, attempt: Attempt): void {
    if (!attempt.isAsking) return
    attempt.isAsking = false
    this.#asking--
    followed.tried = true
    this.#settle()
    this.#wake.openUnsafe()
  }

  /** A stream is over, and its peer is asked again. What it offered is known until it has failed to answer that. */
  #over(followed: Followed, attempt: Attempt, error: Ended, proved: boolean, jitter: number): void {
    if (followed.attempt !== attempt) return
    followed.attempt = undefined
    const at = this.#parts.now()
    const { answeredAt } = attempt
    if (answeredAt === undefined || error === "wrong") this.#forget(followed)
    if (error === "moved") followed.notBefore = at
    else {
      // One that ends its stream whenever it has answered is not asked without end.
      const lasted = answeredAt !== undefined && at - answeredAt >= lasting
      followed.failures = lasted ? 0 : followed.failures + 1
      followed.notBefore = at + (lasted ? again : waitAfter(error, followed.failures, proved)) * jitter
    }
    this.#wake.openUnsafe()
  }

  /** Reads what has come, in the same step, and whatever comes. */
  #read(followed: Followed, attempt: Attempt, stream: SessionStream): void {
    if (followed.attempt !== attempt) return
    const taken = attempt.take(stream.readUnsafe(), this.#parts.now())
    if (taken === "too long") return this.#wrong(followed, attempt, "it is too long")
    if (taken === "too much") return this.#wrong(followed, attempt, "it is too much")
    if (taken !== undefined) this.#take(followed, attempt, taken)
    if (stream.isFailed) end(attempt, stream.error())
    else if (stream.isWhole) end(attempt, "ended")
    else stream.onReadableUnsafe(() => this.#read(followed, attempt, stream))
  }

  /** It said what is no offer. */
  #wrong({ name, publicKey }: Followed, attempt: Attempt, what: string): void {
    this.#tell(`wrong ${publicKey}`, `${quote(name)} says what is no offer: ${what}`)
    end(attempt, "wrong")
  }

  // --- what they say ---------------------------------------------------------------------------------------------------

  /** A line has come: four a second are looked at, whatever comes. */
  #take(followed: Followed, attempt: Attempt, line: Uint8Array): void {
    const { fork, now } = this.#parts
    const wait = followed.readAt + lineEvery - now()
    if (wait <= 0) return this.#enter(followed, attempt, line)
    const isDue = attempt.waiting !== undefined
    attempt.waiting = line
    if (isDue) return
    fork(Effect.andThen(
      Effect.sleep(wait),
      Effect.sync(() => {
        const newest = attempt.waiting
        attempt.waiting = undefined
        if (newest !== undefined && followed.attempt === attempt) this.#enter(followed, attempt, newest)
      })
    ))
  }

  #enter(followed: Followed, attempt: Attempt, line: Uint8Array): void {
    const { limits, now } = this.#parts
    followed.readAt = now()
    const offer = decode(line)
    if (typeof offer === "string") return this.#wrong(followed, attempt, offer)
    const held = this.#held + line.length - (followed.line?.length ?? 0)
    if (held > limits.offerMemory) {
      this.#forget(followed)
      this.#tell("memory", `what ${quote(followed.name)} offers is not known: limits.offerMemory is reached`)
    } else {
      this.#held = held
      followed.line = line
      followed.claimed = offer
      this.#judgeSoon(followed)
    }
    Deferred.doneUnsafe(attempt.answered, Exit.void)
  }

  /** Nothing is known any more of what it offers. */
  #forget(followed: Followed): void {
    followed.judging?.interruptUnsafe()
    this.#held -= followed.line?.length ?? 0
    followed.line = undefined
    if (followed.claimed === undefined) return
    followed.claimed = undefined
    this.#parts.peers.offeredUnsafe(followed.publicKey, undefined)
  }

  /** Says what of its offer the policy grants it. */
  #judge(followed: Followed): Effect.Effect<void> {
    const { peers, trust } = this.#parts
    const { claimed, name, publicKey } = followed
    if (claimed === undefined) return Effect.void
    const rights = Effect.suspend(() => rightsOf(trust, name, publicKey))
    return Effect.flatMap(
      Effect.catchCause(rights, (cause) =>
        Effect.as(
          this.#line(
            "policy",
            Effect.logError("the trust policy failed to say what a peer may do, which is nothing", cause)
          ),
          Rights.none
        )),
      (rights) => {
        if (followed.claimed !== claimed || this.#all.get(publicKey) !== followed) return Effect.void
        const offer = granted(claimed, rights)
        peers.offeredUnsafe(publicKey, { claimed, offer })
        const roles = claimed.roles.filter((role) => !offer.roles.includes(role))
        const topics = claimed.topics.filter((interest) => !offer.topics.includes(interest)).map(({ topic }) => topic)
        return Effect.andThen(
          this.#refused(followed, "roles", "has the role", roles, "nobody-offers"),
          this.#refused(followed, "topics", "subscribes to", topics, "nothing-heard")
        )
      }
    )
  }

  /** What a peer says that does not count. */
  #refused(
    { name, publicKey }: Followed,
    subject: string,
    says: string,
    what: ReadonlyArray<string>,
    explained: Why.Anchor
  ) {
    return what.length === 0 ? Effect.void : this.#line(
      `${subject} ${publicKey}`,
      Effect.logWarning(
        Why.see(
          `${quote(name)} says that it ${says} ${
            what.slice(0, 4).map((each) => quote(each)).join(", ")
          }, which the trust policy does not grant to it`,
          explained
        )
      )
    )
  }

  /** Judges all of them again: the policy has changed. */
  #judgeAll(): void {
    for (const followed of this.#all.values()) this.#judgeSoon(followed)
  }

  /** In the same turn, where the policy answers at once. One that does not is asked once at a time. */
  #judgeSoon(followed: Followed): void {
    followed.judging?.interruptUnsafe()
    followed.judging = this.#parts.fork(this.#judge(followed))
  }

  #line(subject: string, log: Effect.Effect<void>): Effect.Effect<void> {
    return this.#parts.lines(subject, "offers", () => log)
  }

  #tell(subject: string, text: string): void {
    this.#parts.fork(this.#line(subject, Effect.logWarning(text)))
  }
}

const end = (attempt: Attempt, error: Ended): void => {
  Deferred.doneUnsafe(attempt.over, Exit.fail(error))
}

/** Milliseconds before a peer is asked again, by what came of asking it. */
const waitAfter = (error: Ended, failures: number, proved: boolean): number => {
  if (error === "wrong") return seldom
  if (typeof error === "object") {
    const { _tag } = error
    if (_tag === "StreamResetError" && error.remote && (error.code === "unsupported" || error.code === "not_found")) {
      return seldom
    }
    // It has no sessions, or does not want any with this node.
    if (_tag === "UntrustedPeerError" || _tag === "ProtocolError" && error.code !== "ERR_BUSY") {
      return Math.min(seldom, 5_000 * 4 ** (failures - 1))
    }
  }
  return Math.min(proved ? longestWait.known : longestWait.claimed, firstWait * 2 ** (failures - 1))
}
