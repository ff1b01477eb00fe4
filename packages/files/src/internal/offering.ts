/**
 * Offers files to peers, and sees each through: says what there is, waits for what the peer decides, has it pulled, and when the peer is lost in the midst
 * offers it again as soon as it is back. What has changed since it was looked at is looked at anew.
 */
import type { AdvancedNode, Call, CallError } from "@pnet/core/AdvancedNode"
import type { Peer } from "@pnet/core/Peers"
import * as Clock from "effect/Clock"
import * as Data from "effect/Data"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import type * as FileSystem from "effect/FileSystem"
import type * as Path from "effect/Path"
import * as Semaphore from "effect/Semaphore"
import * as Stream from "effect/Stream"
import * as SubscriptionRef from "effect/SubscriptionRef"
import type { Batches } from "../FileBatches.ts"
import type { Make } from "../FileHash.ts"
import type { Large } from "../LargeFiles.ts"
import type { Progress, Summary } from "../Progress.ts"
import {
  DeclinedError,
  FileError,
  FileErrorKind,
  NotReceivingError,
  OfferGoneError,
  PeerAwayError,
  SourceError,
  TransferProtocolError
} from "../TransferError.ts"
import { hexOf, utf8 } from "./platform.ts"
import { Reading } from "./reading.ts"
import { functions } from "./receiving.ts"
import * as Serving from "./serving.ts"
import { Tracker } from "./tracker.ts"
import * as Tree from "./tree.ts"
import * as Wire from "./wire.ts"

export interface Options {
  readonly node: AdvancedNode["Service"]
  readonly fs: FileSystem.FileSystem
  readonly paths: Path.Path
  readonly hash: Make
  readonly batches: Batches | undefined
  readonly large: Large | undefined
  readonly limits: { readonly entries: number; readonly depth: number; readonly shared: number }
}

export interface Offered {
  readonly links: Tree.SourceLinks
  readonly note: string
  readonly patience: Duration.Duration
}

export type SendError =
  | CallError
  | SourceError
  | DeclinedError
  | NotReceivingError
  | PeerAwayError
  | TransferProtocolError

/** What was looked at, once. */
interface Revision {
  readonly head: Wire.OfferHead
  readonly scanned: Tree.Scanned
  readonly reading: Reading
}

const revisionsKept = 4
/** How often what has changed is looked at anew. */
const mostRevisions = 3
const problemsKept = 100

/** The answer of a peer that ends before it says that it is done. */
class Unfinished extends Data.TaggedError("Unfinished")<{ readonly detail: string }> {}

const isKind = (kind: string): kind is FileErrorKind => (FileErrorKind.literals as ReadonlyArray<string>).includes(kind)

export class Offering {
  readonly id: Uint8Array
  readonly progress: SubscriptionRef.SubscriptionRef<ReadonlyArray<Progress>>
  readonly #options: Options
  readonly #offered: Offered
  readonly #roots: ReadonlyArray<Tree.Root>
  readonly #names: ReadonlyArray<string>
  readonly #trackers = new Map<string, Tracker>()
  /** The keys of those it is offered to. */
  readonly #keys = new Set<string>()
  readonly #revisions = new Map<string, Revision>()
  readonly #scanning = Semaphore.makeUnsafe(1)
  #current: Revision

  constructor(
    options: Options,
    offered: Offered,
    roots: ReadonlyArray<Tree.Root>,
    names: ReadonlyArray<string>,
    scanned: Tree.Scanned,
    progress: SubscriptionRef.SubscriptionRef<ReadonlyArray<Progress>>
  ) {
    this.#options = options
    this.#offered = offered
    this.#roots = roots
    this.#names = names
    this.progress = progress
    this.id = idOf(options, roots)
    this.#current = this.#revision(scanned)
    for (const name of names) this.#trackers.set(name, new Tracker(name, this.#current.head))
  }

  get current(): Revision {
    return this.#current
  }

  /** What there is, for who pulls it, as it was looked at. */
  revisionFor(publicKey: string, digest: Uint8Array): Revision | undefined {
    return this.#keys.has(publicKey) ? this.#revisions.get(hexOf(digest)) : undefined
  }

  #revision(scanned: Tree.Scanned): Revision {
    const { batches, fs, hash, large, limits, paths } = this.#options
    const { bytes, digest, files, folders, links, names } = scanned.manifest
    const known = this.#revisions.get(hexOf(digest))
    if (known !== undefined) return known
    const reading = new Reading(scanned.manifest, {
      fs,
      paths,
      roots: new Map(this.#roots.map(({ name, path }) => [name, path])),
      hash,
      batches,
      large,
      follow: this.#offered.links === "follow",
      noFollow: paths.sep === "/" && this.#offered.links !== "follow",
      shared: this.#names.length > 1,
      keep: limits.shared
    })
    const head = { id: this.id, digest, files, folders, links, bytes, names, note: this.#offered.note }
    const made = { head, scanned, reading }
    this.#revisions.set(hexOf(digest), made)
    for (const old of this.#revisions.keys()) {
      if (this.#revisions.size <= revisionsKept) break
      this.#revisions.delete(old)
    }
    return made
  }

  /** Looks anew, unless that was done since. */
  #rescan(seen: Revision): Effect.Effect<void, SourceError> {
    return this.#scanning.withPermit(Effect.suspend(() => {
      if (this.#current !== seen) return Effect.void
      const { batches, fs, hash, limits, paths } = this.#options
      const options = { ...limits, batches, links: this.#offered.links }
      return Effect.map(Tree.scan(fs, paths, this.#roots, hash(), options), (scanned) => {
        this.#current = this.#revision(scanned)
      })
    }))
  }

  get #publish(): Effect.Effect<void> {
    return Effect.suspend(() =>
      SubscriptionRef.set(this.progress, Array.from(this.#trackers.values(), ({ progress }) => progress))
    )
  }

  #enter(tracker: Tracker, state: Progress["state"]): Effect.Effect<void> {
    return Effect.suspend(() => {
      if (tracker.state === state) return Effect.void
      tracker.enter(state)
      return this.#publish
    })
  }

  // --- to one peer -----------------------------------------------------------------------------------------------------------

  /** Sees it through with one peer. */
  deliver(name: string): Effect.Effect<Summary, SendError> {
    const tracker = this.#trackers.get(name)!
    return Effect.ensuring(
      Effect.gen({ self: this }, function*() {
        const clock = yield* Clock.Clock
        // When it was last seen to be there.
        let contact: number | undefined
        let waits = 0
        for (let revisions = 0;;) {
          const revision = this.#current
          const problems: Array<FileError> = []
          const attempt = yield* Effect.result(this.#attempt(name, tracker, revision, problems, () => {
            contact = clock.currentTimeMillisUnsafe()
            waits = 0
          }))
          if (attempt._tag === "Success") {
            const { changed } = tracker.counts
            if (changed === 0 || revisions++ >= mostRevisions) return this.#summary(name, tracker, revision, problems)
            yield* this.#rescan(revision)
            tracker.totals(this.#current.head)
            continue
          }
          const error = attempt.failure
          if (contact === undefined || !isTransient(error)) return yield* Effect.fail(lasting(name, error))
          yield* this.#enter(tracker, "Away")
          const waited = clock.currentTimeMillisUnsafe() - contact
          if (waited >= Duration.toMillis(this.#offered.patience)) {
            return yield* new PeerAwayError({ peer: name, waited: Duration.millis(waited), cause: error })
          }
          yield* this.#pause(name, waits++)
        }
      }),
      this.#enter(tracker, "Done")
    )
  }

  /** Waits until the peer is back, and longer each time that it is of no use. */
  #pause(name: string, waits: number): Effect.Effect<unknown> {
    const { peers } = this.#options.node
    const millis = Math.min(5_000, 250 * 2 ** Math.min(waits, 6))
    return Effect.andThen(
      Effect.sleep(Math.min(millis, 1_000)),
      Effect.ignore(peers.awaitPeer(name, Duration.millis(millis)))
    )
  }

  #attempt(
    name: string,
    tracker: Tracker,
    revision: Revision,
    problems: Array<FileError>,
    onContact: () => void
  ): Effect.Effect<void, SendError | Unfinished> {
    const { node } = this.#options
    return Effect.gen({ self: this }, function*() {
      const clock = yield* Clock.Clock
      const peer: Peer = yield* node.peers.resolveOne(name)
      this.#keys.add(peer.publicKey)
      const said = Wire.saids()
      let isDone = false
      yield* Stream.runForEach(
        node.send(name, functions.offer, Wire.writeOffer(revision.head)),
        (bytes) =>
          Effect.gen({ self: this }, function*() {
            onContact()
            said.push(bytes)
            for (let one = said.next(); one !== undefined; one = said.next()) {
              if (isDone) continue
              if (one._tag === "Declined") return yield* new DeclinedError({ peer: name, reason: one.reason })
              if (one._tag === "Problem" && problems.length < problemsKept) {
                const kind = isKind(one.kind) ? one.kind : "SystemError"
                problems.push(new FileError({ path: one.path, kind, detail: one.detail }))
              }
              if (one._tag === "Waiting") yield* this.#enter(tracker, "Waiting")
              if (one._tag === "Accepted") yield* this.#enter(tracker, "Running")
              if (one._tag === "Progress" || one._tag === "Done") {
                tracker.count(clock.currentTimeMillisUnsafe(), one.counts)
                yield* this.#publish
              }
              isDone = one._tag === "Done"
            }
            if (said.malformed) {
              return yield* new TransferProtocolError({ peer: name, detail: "what it says is not well-formed" })
            }
          })
      )
      if (!isDone) return yield* new Unfinished({ detail: "it ended before it was done" })
    })
  }

  #summary(peer: string, { counts }: Tracker, { scanned }: Revision, problems: Array<FileError>): Summary {
    const changed = counts.changed === 0 ? [] : [
      new FileError({ path: "", kind: "SourceChanged", detail: `${counts.changed} files change again and again` })
    ]
    return {
      peer,
      files: counts.files,
      bytes: counts.bytes,
      hadFiles: counts.hadFiles,
      hadBytes: counts.hadBytes,
      failed: counts.failed + counts.changed + scanned.skipped,
      problems: [...scanned.problems, ...changed, ...problems].slice(0, problemsKept)
    }
  }
}

/** The same for the same paths, so that what was broken off goes on. */
const idOf = ({ hash, node }: Options, roots: ReadonlyArray<Tree.Root>): Uint8Array => {
  const hasher = hash()
  hasher.update(utf8(["pnet.files", node.publicKey, ...roots.map(({ path }) => path)].join("\0")))
  return hasher.digest().subarray(0, Wire.idLength)
}

/** What ends when the peer is back, or has room. */
const isTransient = (error: SendError | Unfinished): boolean => {
  switch (error._tag) {
    case "PeerUnknownError":
    case "PeerLostError":
    case "DialError":
    case "Unfinished":
    case "DeadlineError":
    case "OverloadedError":
      return true
    case "StreamResetError":
      // Who is back may not receive yet.
      return error.code !== "unsupported"
    case "ProtocolError":
      return true
    case "RemoteError":
      return error.tag !== "TransferProtocolError" && error.tag !== "FileError"
    default:
      return false
  }
}

/** The failure in the words of transfers, where they have one. */
const lasting = (peer: string, error: SendError | Unfinished): SendError => {
  if (error._tag === "Unfinished") return new TransferProtocolError({ peer, detail: error.detail })
  if (error._tag === "NotAllowedError") return new NotReceivingError({ peer, kind: "NotAllowed" })
  if (error._tag === "StreamResetError" && error.code === "not_found") {
    return new NotReceivingError({ peer, kind: "NoReceiver" })
  }
  if (error._tag === "RemoteError" && error.tag === "TransferProtocolError") {
    return new TransferProtocolError({ peer, detail: error.message })
  }
  return error
}

/** Looks at what is to be offered. */
export const make = (
  options: Options,
  offered: Offered,
  paths: ReadonlyArray<string>,
  names: ReadonlyArray<string>
): Effect.Effect<Offering, SourceError> =>
  Effect.gen(function*() {
    const { batches, fs, hash, limits, paths: system } = options
    const roots = yield* Tree.rootsOf(fs, system, paths)
    const scanned = yield* Tree.scan(fs, system, roots, hash(), { ...limits, batches, links: offered.links })
    const progress = yield* SubscriptionRef.make<ReadonlyArray<Progress>>([])
    const offering = new Offering(options, offered, roots, names, scanned, progress)
    const { head } = offering.current
    yield* SubscriptionRef.set(progress, names.map((name) => new Tracker(name, head).progress))
    return offering
  })

// --- what receivers pull -----------------------------------------------------------------------------------------------------------

/** One receiver pulls in one call at a time, but for those of before that have not ended yet. */
const readsOfPeer = 4

export class Offerings {
  readonly #all = new Map<string, Set<Offering>>()
  /** Calls that read, by the keys of those who make them. */
  readonly #reads = new Map<string, number>()

  add(offering: Offering): void {
    const id = hexOf(offering.id)
    const same = this.#all.get(id) ?? new Set()
    this.#all.set(id, same.add(offering))
  }

  delete(offering: Offering): void {
    const id = hexOf(offering.id)
    const same = this.#all.get(id)
    same?.delete(offering)
    if (same?.size === 0) this.#all.delete(id)
  }

  #find(call: Call, of: Uint8Array | undefined): Effect.Effect<Revision, OfferGoneError> {
    const asked = of === undefined ? undefined : Wire.readOf(of)
    for (const offering of (asked === undefined ? undefined : this.#all.get(hexOf(asked.id))) ?? []) {
      const revision = offering.revisionFor(call.from.publicKey, asked!.digest)
      if (revision !== undefined) return Effect.succeed(revision)
    }
    return Effect.fail(new OfferGoneError())
  }

  list(call: Call): Stream.Stream<Uint8Array, unknown> {
    return Stream.unwrap(Effect.gen({ self: this }, function*() {
      const { scanned } = yield* this.#find(call, yield* call.whole)
      return Serving.list(scanned.manifest)
    }))
  }

  #mayRead({ from: { name, publicKey } }: Call) {
    const count = (change: 1 | -1) => {
      const next = (this.#reads.get(publicKey) ?? 0) + change
      if (next > 0) this.#reads.set(publicKey, next)
      else this.#reads.delete(publicKey)
    }
    return Effect.suspend(() => {
      if ((this.#reads.get(publicKey) ?? 0) >= readsOfPeer) {
        return Effect.fail(new TransferProtocolError({ peer: name, detail: "it reads in too many calls at once" }))
      }
      count(1)
      return Effect.addFinalizer(() => Effect.sync(() => count(-1)))
    })
  }

  read(call: Call): Stream.Stream<Uint8Array, unknown> {
    return Stream.unwrap(Effect.gen({ self: this }, function*() {
      yield* this.#mayRead(call)
      const pull = yield* Stream.toPull(call.bytes)
      const heading = yield* Serving.heading(pull)
      const { reading } = yield* this.#find(call, heading?.head)
      return Serving.read(reading, call.from.name, pull, heading!.rest)
    }))
  }
}
