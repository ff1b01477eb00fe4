/**
 * Takes offers: decides about each, and has those that are accepted pulled. One transfer of the same id at a time: a sender that is back, before it was
 * noticed that it was gone, takes the place of itself.
 */
import type { AdvancedNode, Call, CallError } from "@pnet/core/AdvancedNode"
import * as Clock from "effect/Clock"
import * as Deferred from "effect/Deferred"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import type * as FileSystem from "effect/FileSystem"
import type * as Path from "effect/Path"
import * as PubSub from "effect/PubSub"
import * as Queue from "effect/Queue"
import type * as Scope from "effect/Scope"
import * as Semaphore from "effect/Semaphore"
import * as Stream from "effect/Stream"
import * as SubscriptionRef from "effect/SubscriptionRef"
import type { Batches } from "../FileBatches.ts"
import type { Make } from "../FileHash.ts"
import { type FileOffer, type IncomingOffer, type ReceiveError, type Receiving, SenderGone } from "../FileOffer.ts"
import type { Large } from "../LargeFiles.ts"
import type { Summary } from "../Progress.ts"
import { type FileError, TransferProtocolError } from "../TransferError.ts"
import * as Aging from "./aging.ts"
import * as Folders from "./folders.ts"
import * as Landing from "./landing.ts"
import { folderOf, partialFolder, type Rules } from "./names.ts"
import { hexOf, utf8 } from "./platform.ts"
import * as Pulling from "./pulling.ts"
import { noCounts, Tracker } from "./tracker.ts"
import * as Wire from "./wire.ts"

export const functions = { offer: "pnet.files.offer", list: "pnet.files.list", read: "pnet.files.read" } as const

/** What becomes of an offer of somebody: taken, declined, or asked about. */
export type Verdict = "accept" | "decline" | "ask"

export interface Options {
  readonly node: AdvancedNode["Service"]
  readonly fs: FileSystem.FileSystem
  readonly paths: Path.Path
  readonly hash: Make
  readonly batches: Batches | undefined
  readonly large: Large | undefined
  readonly folder: string
  readonly perPeer: boolean
  readonly verdict: (offer: FileOffer) => Effect.Effect<Verdict>
  readonly decideWithin: Duration.Duration
  /** How long what is not whole is kept. */
  readonly keep: Duration.Duration
  /** How long a sender may send nothing. */
  readonly silence: Duration.Duration
  readonly bytes: number
  readonly files: number
  readonly fileSize: number
  readonly collisions: Landing.Collisions
  readonly links: "inside" | "skip"
  readonly modes: boolean
  readonly umask: number
  readonly durable: boolean
  readonly rules: Rules
  readonly limits: {
    readonly entries: number
    readonly depth: number
    readonly waiting: number
    readonly transfers: number
  }
}

const reportEvery = 200
const problemsTold = 100
/** One peer has at most one of so many parts of the transfers that arrive at once. */
const shareOfPeer = 4
/** Of one peer, so many offers wait at once. */
const waitingOfPeer = 4

const gone = (peer: string, cause?: unknown): ReceiveError =>
  new SenderGone(cause === undefined ? { peer } : { peer, cause })

type Said = Exclude<Wire.Said, { readonly _tag: "Other" }>
type Say = (said: Said) => Effect.Effect<unknown>

interface Waiting extends IncomingOffer {
  readonly decision: Deferred.Deferred<string | undefined>
}

/** An offer that was accepted: now, or as it was then. */
interface Taken {
  readonly offer: FileOffer
  readonly head: Wire.OfferHead
  readonly accepted: Wire.OfferHead
  /** What it has brought since. */
  readonly brought: Wire.Brought
  readonly into: string
  readonly key: string
}

/** What is accepted once may grow a little, as what is worked on does, and is not asked about anew. */
const isWithin = (head: Wire.OfferHead, accepted: Wire.OfferHead): boolean =>
  head.bytes <= accepted.bytes * 1.1 + 1_048_576 &&
  (["files", "folders", "links"] as const).every((kind) => head[kind] <= accepted[kind] * 1.1 + 16) &&
  head.names.every((name) => accepted.names.includes(name))

/** Whether it has brought no more than was accepted, each time that it went on together: what is never whole could be another each time. */
const isUnspent = ({ brought, offer: { bytes, files, folders, links } }: Wire.KeptOffer): boolean =>
  brought.bytes <= bytes * 1.1 + 1_048_576 && brought.entries <= (files + folders + links) * 1.1 + 16

const nothing: Wire.Brought = { bytes: 0, entries: 0 }

export class Receiver {
  readonly #options: Options
  readonly #permits: Semaphore.Semaphore
  /** Of those who send now: so many of one peer arrive at once. */
  readonly #turns = new Map<string, { readonly permits: Semaphore.Semaphore; users: number }>()
  /** Held while what was kept of a transfer is looked at and taken away. */
  readonly #aging = Semaphore.makeUnsafe(1)
  readonly #running = new Map<string, Fiber.Fiber<unknown, unknown>>()
  /** How many arrive in which folder. */
  readonly #arriving = new Map<string, number>()
  readonly #waiting: SubscriptionRef.SubscriptionRef<ReadonlyArray<Waiting>>
  readonly #begun: PubSub.PubSub<Receiving>

  constructor(
    options: Options,
    waiting: SubscriptionRef.SubscriptionRef<ReadonlyArray<Waiting>>,
    begun: PubSub.PubSub<Receiving>
  ) {
    this.#options = options
    this.#permits = Semaphore.makeUnsafe(options.limits.transfers)
    this.#waiting = waiting
    this.#begun = begun
  }

  /** Offers that wait for a decision: those there are, and those that come. */
  get offers(): Stream.Stream<IncomingOffer> {
    return Stream.suspend(() => {
      const seen = new WeakSet<Waiting>()
      return Stream.flatMap(SubscriptionRef.changes(this.#waiting), (waiting) => {
        const fresh = waiting.filter((offer) => !seen.has(offer))
        for (const offer of fresh) seen.add(offer)
        return Stream.fromIterable(fresh)
      })
    })
  }

  get transfers(): Stream.Stream<Receiving> {
    return Stream.fromPubSub(this.#begun)
  }

  /** Takes away, now and by and by, what has been kept for too long. */
  get age(): Effect.Effect<never> {
    const { folder, fs, keep, paths, perPeer } = this.#options
    const options: Aging.Options = {
      fs,
      paths,
      keep: Duration.toMillis(keep),
      unlessRunning: (key, remove) =>
        this.#aging.withPermit(Effect.suspend(() => this.#running.has(key) ? Effect.void : remove))
    }
    const look = perPeer ? Aging.inFolders(options, folder) : Aging.inFolder(options, folder)
    return Effect.forever(Effect.andThen(look, Effect.sleep(Duration.min(keep, Duration.hours(6)))))
  }

  /** Answers an offer. */
  handle(call: Call): Stream.Stream<Uint8Array, unknown> {
    return Stream.callback<Uint8Array, unknown>((queue) =>
      Effect.gen({ self: this }, function*() {
        const say: Say = (said) => Queue.offer(queue, Wire.writeSaid(said))
        const head = Wire.readOffer(yield* call.whole)
        if (head === undefined) {
          return yield* new TransferProtocolError({ peer: call.from.name, detail: "its offer is not well-formed" })
        }
        yield* this.#take(call.from, head, say)
        yield* Queue.end(queue)
      }).pipe(Effect.catchCause((cause) => Queue.failCause(queue, cause)))
    )
  }

  #take(from: FileOffer["from"], head: Wire.OfferHead, say: Say): Effect.Effect<void, ReceiveError> {
    const { folder, fs, hash, paths, perPeer } = this.#options
    return Effect.gen({ self: this }, function*() {
      const offer: FileOffer = { from, ...head, names: head.names }
      const limit = this.#overLimit(head)
      if (limit !== undefined) return yield* say({ _tag: "Declined", reason: limit })
      const into = perPeer ? paths.join(folder, folderOf(from.name, hash)) : folder
      const key = this.#keyOf(from.publicKey, head.id)
      const home = paths.join(into, partialFolder, key)
      const before = yield* Effect.option(fs.readFile(paths.join(home, "offer")))
      const known = before._tag === "Some" ? Wire.readKept(before.value) : undefined
      const goesOn = known !== undefined && isWithin(head, known.offer) && isUnspent(known)
      // It stays what somebody has decided about, so that nothing grows by a little each time.
      const { brought, offer: accepted } = goesOn ? known : { brought: nothing, offer: head }
      const reason = yield* this.#decide(offer, say, goesOn)
      if (reason !== undefined) return yield* say({ _tag: "Declined", reason })
      const receive = Effect.suspend(() =>
        this.#inTurn(from.publicKey, this.#receive({ offer, head, accepted, brought, into, key }, say))
      )
      yield* this.#alone(
        key,
        Effect.acquireUseRelease(this.#count(into, 1), () => receive, () => this.#count(into, -1))
      )
    })
  }

  #overLimit(head: Wire.OfferHead): string | undefined {
    const { bytes, files, limits } = this.#options
    if (head.bytes > bytes) return `it has ${head.bytes} bytes, and at most ${bytes} are taken`
    if (head.files > files) return `it has ${head.files} files, and at most ${files} are taken`
    const entries = head.files + 2 * head.folders + head.links
    if (entries > limits.entries) return `it has ${entries} entries, and at most ${limits.entries} are taken`
    return undefined
  }

  #keyOf(publicKey: string, id: Uint8Array): string {
    const hash = this.#options.hash()
    hash.update(utf8(`${publicKey}\0${this.#options.node.publicKey}\0`))
    hash.update(id)
    return hexOf(hash.digest().subarray(0, 16))
  }

  /** Waits for its turn: among those of the peer, and then among all. One that sends nothing holds up its own, and nobody else's. */
  #inTurn<E>(publicKey: string, effect: Effect.Effect<void, E>): Effect.Effect<void, E> {
    const join = Effect.sync(() => {
      const ofPeer = Math.ceil(this.#options.limits.transfers / shareOfPeer)
      const turn = this.#turns.get(publicKey) ?? { permits: Semaphore.makeUnsafe(ofPeer), users: 0 }
      this.#turns.set(publicKey, turn)
      turn.users++
      return turn
    })
    return Effect.acquireUseRelease(
      join,
      ({ permits }) => permits.withPermit(this.#permits.withPermit(effect)),
      (turn) => Effect.sync(() => --turn.users > 0 || this.#turns.delete(publicKey))
    )
  }

  /** Ends what runs for the same transfer, and runs this. */
  #alone<E>(key: string, effect: Effect.Effect<void, E>): Effect.Effect<void, E> {
    return Effect.scoped(Effect.gen({ self: this }, function*() {
      for (let running = this.#running.get(key); running !== undefined; running = this.#running.get(key)) {
        yield* Fiber.interrupt(running)
      }
      const fiber = yield* Effect.forkScoped(effect)
      this.#running.set(key, fiber)
      yield* Effect.addFinalizer(() =>
        Effect.sync(() => {
          if (this.#running.get(key) === fiber) this.#running.delete(key)
        })
      )
      fiber.addObserver(() => {
        if (this.#running.get(key) === fiber) this.#running.delete(key)
      })
      return yield* Fiber.join(fiber)
    }))
  }

  /** Why it is declined; nothing where it is accepted. */
  #decide(offer: FileOffer, say: Say, wasAccepted: boolean): Effect.Effect<string | undefined> {
    const { decideWithin, limits } = this.#options
    return Effect.gen({ self: this }, function*() {
      const verdict = yield* this.#options.verdict(offer)
      if (verdict === "accept") return undefined
      // Also where they were taken before.
      if (verdict === "decline") return "offers of this node are not taken"
      if (wasAccepted) return undefined
      const waiting = SubscriptionRef.getUnsafe(this.#waiting)
      const ofPeer = waiting.filter(({ from }) => from.publicKey === offer.from.publicKey)
      if (waiting.length >= limits.waiting || ofPeer.length >= waitingOfPeer) {
        return "too many offers wait for a decision; try again later"
      }
      const decision = yield* Deferred.make<string | undefined>()
      const decide = (reason: string | undefined) => Deferred.succeed(decision, reason)
      const entry: Waiting = {
        ...offer,
        decision,
        accept: decide(undefined),
        decline: (reason = "it was declined") => decide(reason)
      }
      yield* say({ _tag: "Waiting" })
      return yield* Effect.acquireUseRelease(
        SubscriptionRef.update(this.#waiting, (all) => [...all, entry]),
        () =>
          Effect.timeoutOrElse(Deferred.await(decision), {
            duration: decideWithin,
            orElse: () => Effect.succeed("nobody has decided about it in time")
          }),
        () =>
          Effect.andThen(
            decide("it does not wait any more"),
            SubscriptionRef.update(this.#waiting, (all) => all.filter((one) => one !== entry))
          )
      )
    })
  }

  #receive(taken: Taken, say: Say): Effect.Effect<void, ReceiveError> {
    const { fs } = this.#options
    const { head, into, offer } = taken
    return Effect.gen({ self: this }, function*() {
      const { name: peer } = offer.from
      // What of it is about to be taken away is so first.
      yield* this.#aging.withPermit(Effect.void)
      const tracker = new Tracker(peer, head)
      tracker.enter("Running")
      const progress = yield* SubscriptionRef.make(tracker.progress)
      const outcome = yield* Deferred.make<Summary, ReceiveError>()
      const shown = Stream.takeUntil(SubscriptionRef.changes(progress), ({ state }) => state === "Done")
      yield* PubSub.publish(this.#begun, { offer, folder: into, progress: shown, outcome: Deferred.await(outcome) })
      yield* Effect.onExit(
        Effect.gen({ self: this }, function*() {
          yield* Effect.ignore(Folders.ensure(fs, this.#options.paths, into))
          const opened = yield* Effect.result(
            Effect.scoped(this.#landed(taken, say, tracker, progress))
          )
          if (opened._tag === "Failure") return yield* Effect.fail(opened.failure)
          const { clear, summary } = opened.success
          yield* clear
          yield* this.#tidy(into)
          yield* say({ _tag: "Done", counts: tracker.counts })
          return summary
        }),
        (exit) =>
          Effect.suspend(() => {
            tracker.enter("Done")
            return Effect.andThen(
              SubscriptionRef.set(progress, tracker.progress),
              Deferred.done(outcome, Exit.hasInterrupts(exit) ? Exit.fail(gone(peer)) : exit)
            )
          })
      )
    })
  }

  /** Takes away the folder for what is not whole, where nothing is in it, and nothing comes. */
  #tidy(into: string): Effect.Effect<void> {
    const { fs, paths } = this.#options
    const folder = paths.join(into, partialFolder)
    return Effect.ignore(
      Effect.flatMap(
        fs.readDirectory(folder),
        (names) =>
          names.length > 0 || this.#arriving.get(into) !== 1 ? Effect.void : fs.remove(folder, { recursive: true })
      )
    )
  }

  #count(into: string, change: 1 | -1): Effect.Effect<void> {
    return Effect.sync(() => {
      const count = (this.#arriving.get(into) ?? 0) + change
      if (count > 0) this.#arriving.set(into, count)
      else this.#arriving.delete(into)
    })
  }

  /** Has it all land; gives what to do when nothing is open any more. */
  #landed(
    { accepted, brought, head, into, key, offer }: Taken,
    say: Say,
    tracker: Tracker,
    progress: SubscriptionRef.SubscriptionRef<Tracker["progress"]>
  ) {
    const { fs, paths } = this.#options
    const { name: peer } = offer.from
    return Effect.gen({ self: this }, function*() {
      const landing = yield* Effect.matchEffect(Landing.open({ ...this.#landingOptions, folder: into, key }), {
        onFailure: (error) =>
          Effect.andThen(say({ _tag: "Declined", reason: `it cannot write: ${error.detail}` }), Effect.fail(error)),
        onSuccess: Effect.succeed
      })
      const home = paths.join(into, partialFolder, key)
      const keep = Effect.suspend(() => {
        const all = { bytes: brought.bytes + landing.brought.bytes, entries: brought.entries + landing.brought.entries }
        return Effect.ignore(
          fs.writeFile(paths.join(home, "offer"), Wire.writeKept({ offer: accepted, brought: all }))
        )
      })
      yield* keep
      yield* Effect.addFinalizer(() => keep)
      yield* say({ _tag: "Accepted" })
      const counts: Pulling.Counts = { ...noCounts }
      const problems: Array<FileError> = []
      const clock = yield* Clock.Clock
      const report = Effect.suspend(() => {
        if (!tracker.count(clock.currentTimeMillisUnsafe(), counts)) return landing.flush
        return Effect.andThen(
          Effect.andThen(landing.flush, say({ _tag: "Progress", counts: tracker.counts })),
          SubscriptionRef.set(progress, tracker.progress)
        )
      })
      yield* Effect.forkScoped(Effect.forever(Effect.andThen(Effect.sleep(reportEvery), report)))
      const told: Array<Effect.Effect<unknown>> = []
      const isWhole = yield* Pulling.pull({
        peer,
        head,
        source: this.#sourceOf(offer, head),
        landing,
        batches: this.#options.batches,
        large: this.#options.large,
        depth: this.#options.limits.depth,
        entries: this.#options.limits.entries,
        fileSize: this.#options.fileSize,
        counts,
        silence: {
          millis: Duration.toMillis(this.#options.silence),
          error: gone(peer, new Error(`it has sent nothing for ${Duration.format(this.#options.silence)}`))
        },
        onProblem: (problem) => {
          if (problems.length >= problemsTold) return
          problems.push(problem)
          const { detail, kind, path } = problem
          told.push(say({ _tag: "Problem", path, kind, detail }))
        }
      })
      yield* Effect.all(told, { discard: true })
      tracker.count(clock.currentTimeMillisUnsafe(), counts)
      const { bytes, failed, files, hadBytes, hadFiles } = counts
      const summary: Summary = { peer, files, bytes, hadFiles, hadBytes, failed: failed + counts.changed, problems }
      return { summary, clear: isWhole ? landing.clear : Effect.void }
    })
  }

  get #landingOptions(): Omit<Landing.Options, "folder" | "key"> {
    const { collisions, durable, fs, hash, limits, links, modes, paths, rules, umask } = this.#options
    return { fs, paths, rules, collisions, links, modes, umask, durable, hash, entries: limits.entries }
  }

  /** The functions of the sender. */
  #sourceOf({ from }: FileOffer, head: Wire.OfferHead): Pulling.Source<ReceiveError> {
    const { node } = this.#options
    // Whoever has the name by now is to be who made the offer.
    const call = (command: string, data: Uint8Array | Stream.Stream<Uint8Array>) =>
      Stream.unwrap(Effect.map(node.peers.resolveOne(from.name), (peer) =>
        peer.publicKey === from.publicKey
          ? node.send(from.name, command, data)
          : Stream.fail<CallError | ReceiveError>(gone(from.name, new Error("it has another key now"))))).pipe(
          Stream.mapError((error) => error._tag === "SenderGone" ? error : gone(from.name, error))
        )
    return {
      list: call(functions.list, Wire.writeOf(head.id, head.digest)),
      read: (asked) => call(functions.read, asked)
    }
  }
}

/** Takes offers. */
export const make = (options: Options): Effect.Effect<Receiver, never, Scope.Scope> =>
  Effect.gen(function*() {
    const waiting = yield* SubscriptionRef.make<ReadonlyArray<Waiting>>([])
    // Who looks too late misses the first, and holds up nobody.
    const begun = yield* PubSub.sliding<Receiving>(64)
    const receiver = new Receiver(options, waiting, begun)
    yield* Effect.forkScoped(receiver.age)
    return receiver
  })
