/**
 * Pulls what a sender offers into a folder: reads the list, asks for what is missing, and has what comes land. Three things go on at once: the list is
 * read and planned, files are asked for and come, and those that have come are checked and named.
 *
 * What bites: whatever the sender says is bounded by what it offered, and what does not keep to that ends the transfer. What is wrong with one file is
 * noted, and the rest goes on.
 */
import * as Cause from "effect/Cause"
import * as Data from "effect/Data"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import type * as FileSystem from "effect/FileSystem"
import * as Latch from "effect/Latch"
import type { PlatformError } from "effect/PlatformError"
import type * as Pull from "effect/Pull"
import * as Queue from "effect/Queue"
import * as Scope from "effect/Scope"
import * as Semaphore from "effect/Semaphore"
import * as Stream from "effect/Stream"
import type { Batches, ToLand } from "../FileBatches.ts"
import type { Large } from "../LargeFiles.ts"
import { FileError, TransferProtocolError } from "../TransferError.ts"
import { fileError } from "./faults.ts"
import { type corrupt, type Folder, hashRange, type Landing, type Target } from "./landing.ts"
import { small } from "./reading.ts"
import * as Wire from "./wire.ts"
import { plain, threaded, Writing } from "./writing.ts"

/** Where it is pulled from. */
export interface Source<E> {
  readonly list: Stream.Stream<Uint8Array, E>
  readonly read: (asked: Stream.Stream<Uint8Array>) => Stream.Stream<Uint8Array, E>
}

export type Counts = { -readonly [Name in keyof Wire.Counts]: Wire.Counts[Name] }

export interface Options<E> {
  readonly peer: string
  readonly head: Wire.OfferHead
  readonly source: Source<E>
  readonly landing: Landing
  /** By which small files are written many at once, where the platform can. */
  readonly batches?: Batches | undefined
  /** By which large files are written, where the platform can. */
  readonly large?: Large | undefined
  readonly depth: number
  readonly entries: number
  /** Bytes of the largest file that is taken. */
  readonly fileSize: number
  /** What it fails with where the sender has been silent for so long, and is what is waited for. */
  readonly silence: { readonly millis: number; readonly error: E }
  /** Counted while it goes on. */
  readonly counts: Counts
  readonly onProblem: (problem: FileError) => void
}

/** A file that is asked for. */
interface Wanted extends Wire.Want {
  readonly target: Target
  readonly renamed: boolean
  readonly again: boolean
}

/** What comes of the file that is at the front. */
interface Arriving {
  readonly wanted: Wanted
  /** How many bytes are to come, and how many have. */
  readonly due: number
  came: number
  /** Where they go; nowhere, where the file has failed. */
  readonly whole: Uint8Array | undefined
  readonly writing: Writing | undefined
  readonly scope: Scope.Closeable | undefined
  readonly file: Effect.Success<ReturnType<Landing["part"]>> | undefined
  failed: boolean
}

/** A small file that is to land with others. */
interface Landable {
  readonly arriving: Arriving
  readonly file: ToLand
}

/** Has what was asked for be asked for anew, without what nobody wants any more. */
class Restart extends Data.TaggedError("Restart") {}

/** So many files are asked for ahead of those that come. */
const ahead = 1_024
const askedAtOnce = 128
/** So many that have come are checked and named at once. */
const landingAtOnce = 32
/** So many small files, of so many bytes, land together at most, and so many lots of them at once. What has come meanwhile goes with the next. */
const together = 256
const togetherBytes = 16 * small
const lotsAtOnce = 3
const slabBytes = 4 * small
/** What is no longer wanted of a file is read past, up to so many bytes. */
const passedOver = 1_048_576

const unknown = "who writes small files has ended in the midst of it"

/** In the time that a sender may be silent, it is looked at so often whether it is. */
const looksAtSilence = 8

class Pulling<E> {
  readonly #options: Options<E>
  readonly #scope: Scope.Scope
  readonly #queue: Queue.Queue<Wanted, Cause.Done>
  readonly #permits = Semaphore.makeUnsafe(landingAtOnce)
  readonly #room = Latch.makeUnsafe(true)
  /** Asked for, in this order, and not come. */
  #pending: Array<Wanted> = []
  #resend: Array<Wanted> = []
  #arriving: Arriving | undefined
  /** Small files that have come, and land together. */
  #lot: Array<Landable> = []
  #lotBytes = 0
  /** Room for the next ones. */
  #slab: Uint8Array | undefined
  #lots = 0
  readonly #roomForLots = Latch.makeUnsafe(true)
  /** Files that are not decided. */
  #open = 0
  #isPlanned = false
  /** How often something has come. */
  #came = 0
  #said = { files: 0, bytes: 0, entries: 0, top: 0 }

  constructor(options: Options<E>, scope: Scope.Scope, queue: Queue.Queue<Wanted, Cause.Done>) {
    this.#options = options
    this.#scope = scope
    this.#queue = queue
  }

  #broken(detail: string): Effect.Effect<never, TransferProtocolError> {
    return Effect.fail(new TransferProtocolError({ peer: this.#options.peer, detail }))
  }

  #problem(error: FileError): void {
    this.#options.counts.failed++
    this.#options.onProblem(error)
  }

  /** One file less is undecided. */
  #decided(target: Target): void {
    this.#options.landing.done(target)
    this.#open--
    this.#endIfDone()
  }

  #endIfDone(): void {
    if (this.#isPlanned && this.#open === 0) Queue.endUnsafe(this.#queue)
  }

  // --- silence ---------------------------------------------------------------------------------------------------------------

  /** Fails when the sender has sent nothing for too long, and nothing is done here that it has to wait for. */
  get silence(): Effect.Effect<never, E> {
    const { landing, silence: { error, millis } } = this.#options
    return Effect.gen({ self: this }, function*() {
      for (let seen = -1, looks = 0;; yield* Effect.sleep(millis / looksAtSilence)) {
        looks = this.#came === seen && landing.working === 0 ? looks + 1 : 0
        if (looks > looksAtSilence) return yield* Effect.fail(error)
        seen = this.#came
      }
    })
  }

  // --- the list --------------------------------------------------------------------------------------------------------------

  /** Reads the list to its end. */
  get plan(): Effect.Effect<void, E | TransferProtocolError> {
    const { landing, source } = this.#options
    const entries = Wire.entries()
    const stack: Array<Folder | undefined> = [landing.top]
    let isEnded = false
    const step = (): Effect.Effect<void, TransferProtocolError> | undefined => {
      const entry = entries.next()
      if (entry === undefined) return undefined
      if (isEnded) return this.#broken("something follows the end of its list")
      if (entry._tag === "End") {
        isEnded = true
        return Effect.void
      }
      return this.#entry(stack, entry)
    }
    return Effect.gen({ self: this }, function*() {
      yield* Stream.runForEach(source.list, (bytes) =>
        Effect.gen({ self: this }, function*() {
          this.#came++
          entries.push(bytes)
          for (let work = step(); work !== undefined; work = step()) yield* work
          if (entries.malformed) return yield* this.#broken("its list is not well-formed")
        }))
      if (!isEnded || stack.length !== 1) return yield* this.#broken("its list has no end")
      this.#isPlanned = true
      this.#endIfDone()
    })
  }

  #entry(stack: Array<Folder | undefined>, entry: Wire.Entry): Effect.Effect<void, TransferProtocolError> {
    const { entries, head, landing } = this.#options
    const said = this.#said
    if (++said.entries > Math.min(entries, head.files + 2 * head.folders + head.links)) {
      return this.#broken("its list is longer than what it offered")
    }
    const folder = stack[stack.length - 1]
    if (entry._tag === "Leave") {
      stack.pop()
      return stack.length === 0 ? this.#broken("its list leaves a folder that it has not entered") : Effect.void
    }
    if (entry._tag === "End") return Effect.void
    if (entry._tag === "File") {
      said.bytes += entry.size
      if (++said.files > head.files || said.bytes > head.bytes) {
        return this.#broken("its list is longer than what it offered")
      }
    }
    if (stack.length === 1 && !this.#isOffered(entry.name)) {
      return this.#broken("its list has another name at the top than those that it offered")
    }
    const file = said.files - 1
    if (folder === undefined) {
      // What is in a folder that could not be made is not there either.
      this.#options.counts.failed++
      if (entry._tag === "Folder") stack.push(undefined)
      return Effect.void
    }
    const named = landing.name(folder, entry.name)
    if (named === "twice") return this.#broken("its list has a name twice")
    if (named instanceof FileError) {
      this.#problem(named)
      if (entry._tag === "Folder") stack.push(undefined)
      return Effect.void
    }
    const { path, shown } = named
    switch (entry._tag) {
      case "Folder":
        return this.#folder(stack, folder, entry, shown, path)
      case "Link":
        return Effect.catch(
          landing.link(folder, shown, path, entry.target),
          (error) => Effect.sync(() => this.#problem(error))
        )
      case "File":
        return this.#file(file, folder, entry, shown, path)
    }
  }

  /** Whether a name at the top is the next of those that were offered, by which somebody has decided; of many, the first are said. */
  #isOffered(name: string): boolean {
    const { names } = this.#options.head
    const at = this.#said.top++
    return at < names.length ? names[at] === name : names.length >= Wire.mostNames
  }

  #folder(
    stack: Array<Folder | undefined>,
    folder: Folder,
    entry: Extract<Wire.Entry, { readonly _tag: "Folder" }>,
    shown: string,
    path: string
  ): Effect.Effect<void> {
    const { depth, landing } = this.#options
    if (folder.depth >= depth) {
      stack.push(undefined)
      this.#problem(
        new FileError({ path: shown, kind: "PathTooLong", detail: `over ${depth} folders in one another` })
      )
      return Effect.void
    }
    return Effect.match(landing.enter(folder, shown, path, entry.mode, entry.mtime), {
      onFailure: (error) => {
        stack.push(undefined)
        this.#problem(error)
      },
      onSuccess: (made) => void stack.push(made)
    })
  }

  #file(file: number, folder: Folder, entry: Wire.FileEntry, shown: string, path: string): Effect.Effect<void> {
    const { counts, fileSize, landing } = this.#options
    if (entry.size > fileSize) {
      this.#problem(new FileError({ path: shown, kind: "TooLarge", detail: `over ${fileSize} bytes` }))
      return Effect.void
    }
    const target = landing.target(folder, entry, shown, path)
    this.#open++
    if (landing.isNew(target)) {
      const wanted: Wanted = { target, file, offset: 0, renamed: false, again: false }
      return Queue.offerUnsafe(this.#queue, wanted) ? Effect.void : Effect.asVoid(Queue.offer(this.#queue, wanted))
    }
    return Effect.matchEffect(landing.plan(target), {
      onFailure: (error) =>
        Effect.sync(() => {
          this.#problem(error)
          this.#decided(target)
        }),
      onSuccess: (plan) => {
        if (plan._tag === "Had") {
          counts.files++
          counts.bytes += entry.size
          counts.hadFiles++
          counts.hadBytes += entry.size
          this.#decided(target)
          return Effect.void
        }
        const wanted: Wanted = plan._tag === "Compare"
          ? { target, file, offset: 0, unless: plan.digest, renamed: plan.renamed, again: false }
          // A small one comes whole.
          : { target, file, offset: entry.size > small ? plan.offset : 0, renamed: false, again: false }
        return Effect.asVoid(Queue.offer(this.#queue, wanted))
      }
    })
  }

  // --- asking ----------------------------------------------------------------------------------------------------------------

  /** What is asked for next. */
  get #asking(): Pull.Pull<readonly [Uint8Array], never> {
    // What was taken is noted whatever happens, so that it is asked for anew.
    return Effect.uninterruptibleMask((restore) =>
      Effect.flatMap(restore(this.#room.await), () => {
        const again = this.#resend.splice(0, askedAtOnce)
        const some = again.length > 0
          ? Effect.succeed(again)
          : restore(Queue.takeBetween(this.#queue, 1, askedAtOnce))
        return Effect.map(some, (wanted): readonly [Uint8Array] => {
          const out = new Wire.Writer(wanted.length * 8)
          for (const want of wanted) {
            this.#pending.push(want)
            Wire.writeWant(out, want)
          }
          if (this.#pending.length >= ahead) this.#room.closeUnsafe()
          return [out.take()]
        })
      })
    )
  }

  /** Asks for files, and takes what comes, until all are decided. */
  get fetch(): Effect.Effect<void, E | TransferProtocolError> {
    const { head, source } = this.#options
    const once = Effect.suspend(() => {
      const answers = new Wire.Answers()
      const asked = Stream.concat(
        Stream.succeed(Wire.writeOf(head.id, head.digest)),
        Stream.fromPull(Effect.succeed(this.#asking))
      )
      return Effect.flatMap(
        Stream.runForEachArray(source.read(asked), (parts) => {
          this.#came++
          return this.#take(answers, parts, 0)
        }),
        () =>
          // Not before the list is at its end either: what it says later would be asked for by nobody.
          answers.isBetween && this.#pending.length === 0 && this.#open === 0 && this.#isPlanned
            ? Effect.void
            : this.#broken("it stopped in the midst of files")
      )
    })
    const whole: Effect.Effect<void, E | TransferProtocolError> = Effect.catchIf(
      once,
      (error): error is Restart => error instanceof Restart,
      () => {
        this.#resend = [...this.#pending, ...this.#resend]
        this.#pending = []
        this.#room.openUnsafe()
        return whole
      }
    ) as Effect.Effect<void, E | TransferProtocolError>
    return whole
  }

  /** Takes what has come, in one step as far as nothing has to be waited for: this is done for every frame. */
  #take(
    answers: Wire.Answers,
    parts: ReadonlyArray<Uint8Array>,
    from: number
  ): Effect.Effect<void, TransferProtocolError | Restart> {
    for (let index = from;; index++) {
      for (let answer = answers.next(); answer !== undefined; answer = answers.next()) {
        const work = this.#answer(answer)
        if (work !== undefined) {
          return Effect.flatMap(this.#options.landing.work(work), () => this.#take(answers, parts, index))
        }
      }
      if (answers.malformed) return this.#broken("what it answers is not well-formed")
      if (index >= parts.length) return this.#landSome ?? Effect.void
      answers.push(parts[index]!)
    }
  }

  /** The file that comes next. */
  #front(): Wanted | undefined {
    const wanted = this.#pending.shift()
    if (this.#pending.length < ahead / 2) this.#room.openUnsafe()
    return wanted
  }

  #answer(answer: Wire.Answer): Effect.Effect<void, TransferProtocolError | Restart> | undefined {
    const arriving = this.#arriving
    switch (answer._tag) {
      case "Data":
        return this.#data(arriving!, answer.bytes)
      case "End":
        this.#arriving = undefined
        return arriving!.failed ? undefined : this.#ended(arriving!, answer.digest)
      case "Begin": {
        const wanted = this.#front()
        return wanted === undefined ? this.#broken("it sends what was not asked for") : this.#begin(wanted)
      }
      default: {
        this.#arriving = undefined
        const wanted = arriving?.wanted ?? this.#front()
        if (wanted === undefined) return this.#broken("it answers what was not asked for")
        return arriving?.failed === true ? undefined : this.#without(wanted, arriving, answer)
      }
    }
  }

  /** A file does not come, since it is there already, or is another by now, or cannot be read. */
  #without(
    wanted: Wanted,
    arriving: Arriving | undefined,
    answer: Exclude<Wire.Answer, { readonly _tag: "Data" | "End" | "Begin" }>
  ): Effect.Effect<void, TransferProtocolError> {
    const { counts, landing } = this.#options
    const { target } = wanted
    const { size } = target.entry
    if (answer._tag === "Same") {
      if (wanted.unless === undefined) return this.#broken("it says that a file is there, and was not told so")
      counts.files++
      counts.bytes += size
      counts.hadFiles++
      counts.hadBytes += size
      if (!wanted.renamed) landing.note(target)
      this.#decided(target)
      return Effect.void
    }
    if (arriving !== undefined) counts.bytes -= arriving.came + wanted.offset
    if (answer._tag === "Changed") counts.changed++
    else this.#problem(new FileError({ path: target.shown, kind: "SourceFailed", detail: answer.detail }))
    const close = arriving?.scope === undefined ? Effect.void : Scope.close(arriving.scope, Exit.void)
    return Effect.map(Effect.andThen(close, landing.discard(target)), () => this.#decided(target))
  }

  /** Room for a small file, of what is for many: to have each be memory of its own takes longer than to fill it. */
  #roomFor(size: number): Uint8Array {
    if (this.#options.batches === undefined) return new Uint8Array(size)
    if (this.#slab === undefined || this.#slab.length < size) this.#slab = new Uint8Array(slabBytes)
    const room = this.#slab.subarray(0, size)
    this.#slab = this.#slab.subarray(size)
    return room
  }

  #begin(wanted: Wanted): Effect.Effect<void, Restart> | undefined {
    const { landing } = this.#options
    const { offset, target } = wanted
    const { size } = target.entry
    const due = size - offset
    const start = (rest: Pick<Arriving, "whole" | "writing" | "scope" | "file" | "failed">) => {
      this.#options.counts.bytes += rest.failed ? 0 : offset
      this.#arriving = { wanted, due, came: 0, ...rest }
    }
    const none = { whole: undefined, writing: undefined, scope: undefined, file: undefined }
    if (size <= small) {
      start({ ...none, whole: this.#roomFor(size), failed: false })
      return undefined
    }
    return Effect.gen({ self: this }, function*() {
      const scope = yield* Scope.fork(this.#scope)
      landing.brings(1, 0)
      const opened = yield* Effect.result(Scope.provide(landing.part(target, offset), scope))
      if (opened._tag === "Failure") {
        yield* Scope.close(scope, Exit.void)
        yield* this.#failed(target, fileError(target.shown, opened.failure))
        if (due > passedOver) return yield* new Restart()
        return start({ ...none, failed: true })
      }
      const file = opened.success
      const place = yield* this.#placeOf(target, file, scope)
      const writing = new Writing(file, place, scope, offset, landing.options.durable)
      yield* writing.begin
      start({ ...none, writing, scope, file, failed: false })
    })
  }

  /** By whom a file is written: a thread, where one can be had and it is worth it. */
  #placeOf(target: Target, file: FileSystem.File, scope: Scope.Scope) {
    const { landing: { options: { durable, hash } }, large } = this.#options
    const byFileSystem = Effect.sync(() => plain(file, hash()))
    if (large === undefined || target.entry.size < large.from) return byFileSystem
    return Effect.matchEffect(file.stat, {
      onFailure: () => byFileSystem,
      onSuccess: (info) =>
        Effect.flatMap(
          Scope.provide(large.write({ path: target.part, info }, durable), scope),
          (writing) => writing === undefined ? byFileSystem : Effect.succeed(threaded(writing))
        )
    })
  }

  #data(arriving: Arriving, bytes: Uint8Array): Effect.Effect<void, TransferProtocolError | Restart> | undefined {
    const { counts } = this.#options
    const at = arriving.came
    arriving.came += bytes.length
    if (arriving.came > arriving.due) return this.#broken("it sends more of a file than there is")
    if (arriving.failed) return undefined
    counts.bytes += bytes.length
    if (arriving.whole !== undefined) {
      arriving.whole.set(bytes, at)
      return undefined
    }
    this.#options.landing.brings(0, bytes.length)
    const work = arriving.writing!.write(bytes)
    return work === undefined ? undefined : Effect.catch(work, (error) => this.#abandon(arriving, error))
  }

  /** Nothing more is wanted of a file, and of those behind it. */
  #abandon(arriving: Arriving, error: PlatformError): Effect.Effect<void, Restart> {
    const { counts } = this.#options
    const { target } = arriving.wanted
    counts.bytes -= arriving.came + arriving.wanted.offset
    arriving.failed = true
    return Effect.gen({ self: this }, function*() {
      yield* Scope.close(arriving.scope!, Exit.void)
      yield* this.#failed(target, fileError(target.shown, error))
      if (arriving.due - arriving.came <= passedOver) return
      this.#arriving = undefined
      return yield* new Restart()
    })
  }

  #failed(target: Target, error: FileError): Effect.Effect<void> {
    return Effect.map(this.#options.landing.discard(target), () => {
      this.#problem(error)
      this.#decided(target)
    })
  }

  // --- landing ---------------------------------------------------------------------------------------------------------------

  #ended(arriving: Arriving, expected: Uint8Array): Effect.Effect<void, TransferProtocolError> | undefined {
    if (arriving.came !== arriving.due) return this.#broken("it sends less of a file than there is")
    const { batches, landing } = this.#options
    const { again, target } = arriving.wanted
    const file = batches === undefined || arriving.whole === undefined || again
      ? undefined
      : landing.small(target, arriving.whole, expected)
    if (file !== undefined) {
      this.#lot.push({ arriving, file })
      this.#lotBytes += file.bytes.length
      return this.#lot.length < together && this.#lotBytes < togetherBytes ? undefined : this.#landMany
    }
    const land = arriving.whole === undefined ? this.#large(arriving, expected) : this.#small(arriving, expected)
    return Effect.flatMap(
      this.#permits.take(1),
      () =>
        Effect.asVoid(Effect.forkIn(
          Effect.ensuring(
            Effect.flatMap(Effect.exit(this.#options.landing.work(land)), (exit) => this.#settled(arriving, exit)),
            this.#permits.release(1)
          ),
          this.#scope,
          { startImmediately: true }
        ))
    )
  }

  /** Begins to land what has come, unless as much as may be is being done. */
  get #landSome(): Effect.Effect<void> | undefined {
    if (this.#lot.length === 0 || this.#lots >= lotsAtOnce) return undefined
    this.#lots++
    return Effect.asVoid(Effect.forkIn(this.#landLots, this.#scope, { startImmediately: true }))
  }

  /** The same, and waits until that is less than a lot. */
  get #landMany(): Effect.Effect<void> {
    const begun = this.#landSome
    if (begun !== undefined) return begun
    this.#roomForLots.closeUnsafe()
    return this.#roomForLots.await
  }

  get #landLots(): Effect.Effect<void> {
    return Effect.suspend(() => {
      const lot = this.#lot
      this.#lot = []
      this.#lotBytes = 0
      this.#roomForLots.openUnsafe()
      if (lot.length > 0) return Effect.andThen(this.#landLot(lot), this.#landLots)
      this.#lots--
      return Effect.void
    })
  }

  #landLot(lot: ReadonlyArray<Landable>): Effect.Effect<void> {
    const { batches, counts, landing } = this.#options
    for (const { file } of lot) landing.brings(1, file.bytes.length)
    const landed = batches!.land(lot.map(({ file }) => file), landing.options.durable)
    return landing.work(Effect.gen({ self: this }, function*() {
      const done = yield* landed
      for (const [index, { arriving, file }] of lot.entries()) {
        const { target } = arriving.wanted
        if (done?.[index] === true) {
          landing.note(target)
          counts.files++
          this.#decided(target)
          continue
        }
        landing.doubt(target)
        yield* this.#settled(
          arriving,
          yield* done === undefined
            ? Effect.exit(Effect.fail(new FileError({ path: target.shown, kind: "SystemError", detail: unknown })))
            : Effect.exit(this.#small(arriving, file.digest))
        )
      }
    }))
  }

  #small({ wanted: { target }, whole }: Arriving, expected: Uint8Array) {
    const { landing } = this.#options
    const bytes = whole!
    landing.brings(1, bytes.length)
    const use = (file: FileSystem.File) => {
      const hasher = landing.options.hash()
      // What is on the disk, and not what was to be written.
      const written = bytes.length === 0
        ? Effect.void
        : Effect.andThen(file.writeAll(bytes), hashRange(file, hasher, 0, bytes.length, bytes))
      return Effect.flatMap(written, () => landing.settle(target, file, hasher.digest(), expected))
    }
    return Effect.scoped(Effect.flatMap(landing.part(target, 0), use))
  }

  #large({ file, scope, wanted: { target }, writing }: Arriving, expected: Uint8Array) {
    const { landing } = this.#options
    return Effect.ensuring(
      Effect.flatMap(writing!.finish, (digest) => landing.settle(target, file!, digest, expected)),
      Scope.close(scope!, Exit.void)
    )
  }

  #settled(
    { wanted }: Arriving,
    exit: Exit.Exit<typeof corrupt | "landed" | "kept", FileError | PlatformError>
  ): Effect.Effect<void> {
    const { counts, landing } = this.#options
    const { target } = wanted
    const { size } = target.entry
    if (Exit.isSuccess(exit) && exit.value !== "corrupt") {
      counts.files++
      this.#decided(target)
      return Effect.void
    }
    if (Exit.isFailure(exit) && Exit.hasInterrupts(exit)) return Effect.void
    counts.bytes -= size
    if (Exit.isFailure(exit)) return this.#failed(target, errorOf(target.shown, exit.cause))
    if (wanted.again) {
      const detail = "what is on the disk is not what was sent"
      return this.#failed(target, new FileError({ path: target.shown, kind: "Corrupt", detail }))
    }
    // What was there of it from before may be what is wrong, as after a power loss.
    return Effect.map(landing.discard(target), () => {
      const anew: Wanted = { target, file: wanted.file, offset: 0, renamed: false, again: true }
      // Nobody waits here, since whoever empties the queue may wait for this.
      if (!Queue.offerUnsafe(this.#queue, anew)) this.#resend.push(anew)
    })
  }
}

const errorOf = (shown: string, cause: Cause.Cause<FileError | PlatformError>): FileError => {
  const found = Cause.findError(cause)
  return found._tag === "Failure"
    ? new FileError({ path: shown, kind: "SystemError", detail: String(Cause.squash(cause)) })
    : found.success instanceof FileError
    ? found.success
    : fileError(shown, found.success)
}

/** Pulls all of it. Gives whether everything has landed, so that nothing has to be kept for another time. */
export const pull = <E>(options: Options<E>): Effect.Effect<boolean, E | TransferProtocolError> =>
  Effect.scoped(Effect.gen(function*() {
    const scope = yield* Scope.Scope
    const queue = yield* Queue.bounded<Wanted, Cause.Done>(ahead)
    const pulling = new Pulling(options, scope, queue)
    const all = Effect.all([pulling.plan, pulling.fetch], { concurrency: "unbounded", discard: true })
    yield* Effect.raceFirst(all, pulling.silence)
    yield* options.landing.leave((problem) => {
      options.counts.failed++
      options.onProblem(problem)
    })
    return options.counts.failed === 0 && options.counts.changed === 0
  }))
