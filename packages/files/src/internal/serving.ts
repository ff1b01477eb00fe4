/**
 * What the sender answers to whoever pulls: the list, and the files that are asked for, in the order in which they are asked for. Small files that were
 * asked for together are read together and sent as one.
 */
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import type * as Pull from "effect/Pull"
import * as Result from "effect/Result"
import * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import { TransferProtocolError } from "../TransferError.ts"
import type { Located, Manifest } from "./manifest.ts"
import { sameBytes } from "./platform.ts"
import { type Broken, type OpenFile, type Reading, small, type Whole } from "./reading.ts"
import * as Wire from "./wire.ts"

/** The list, as it is kept. */
export const list = (manifest: Manifest): Stream.Stream<Uint8Array> => Stream.fromIterable(manifest.blocks)

/** So many small files are read together and sent as one, and so many of them at once where each is read by itself. */
const together = 64
const readAtOnce = 16
/** So many such lots are being read while the one before them is sent. */
const lotsAhead = 1

/** A large file that is being sent. */
interface Sending {
  readonly file: OpenFile
  readonly scope: Scope.Closeable
  readonly from: number
  at: number
}

/** A small file that is asked for. */
interface Asked {
  readonly want: Wire.Want
  readonly located: Located
}

/** Small files that are being read. */
interface Lot {
  readonly some: ReadonlyArray<Asked>
  readonly bytes: number
  readonly reading: Fiber.Fiber<ReadonlyArray<Result.Result<Whole, Broken>>>
}

type Parts = readonly [Uint8Array, ...Array<Uint8Array>]

/** The answers to what is asked for. The first bytes, which say of which offer, have been taken. */
class Answering<E> {
  readonly #reading: Reading
  readonly #locate: ReturnType<Manifest["locator"]>
  readonly #wants = Wire.wants()
  readonly #pull: Pull.Pull<ReadonlyArray<Uint8Array>, E>
  readonly #peer: string
  readonly #queue: Array<Wire.Want> = []
  readonly #lots: Array<Lot> = []
  readonly #scope: Scope.Scope
  #sending: Sending | undefined
  constructor(
    reading: Reading,
    pull: Pull.Pull<ReadonlyArray<Uint8Array>, E>,
    peer: string,
    rest: Uint8Array,
    scope: Scope.Scope
  ) {
    this.#scope = scope
    this.#reading = reading
    this.#locate = reading.locator()
    this.#pull = pull
    this.#peer = peer
    this.#wants.push(rest)
  }

  get next(): Pull.Pull<Parts, E | TransferProtocolError> {
    return Effect.suspend(() => this.#sending === undefined ? this.#ask() : this.#chunk(this.#sending))
  }

  get close(): Effect.Effect<void> {
    return Effect.suspend(() => this.#sending === undefined ? Effect.void : this.#done(this.#sending))
  }

  #done(sending: Sending): Effect.Effect<void> {
    this.#sending = undefined
    return Scope.close(sending.scope, Exit.void)
  }

  /** Answers what was asked for, and waits for that. */
  #ask(): Pull.Pull<Parts, E | TransferProtocolError> {
    this.#fill()
    if (this.#wants.malformed) {
      return Effect.fail(new TransferProtocolError({ peer: this.#peer, detail: "what it asks for is not well-formed" }))
    }
    if (this.#lots.length + this.#queue.length > 0) return this.#answer()
    return Effect.flatMap(this.#pull, (parts) => {
      for (const part of parts) this.#wants.push(part)
      return this.next
    })
  }

  #fill(): void {
    while (this.#queue.length < together) {
      const want = this.#wants.next()
      if (want === undefined) return
      this.#queue.push(want)
    }
  }

  /** What is asked for at the front; `undefined` where it cannot be asked for. */
  get #front(): Asked | undefined {
    const want = this.#queue[0]!
    const located = this.#locate(want.file)
    return located === undefined || want.offset > located.entry.size ? undefined : { want, located }
  }

  /** The small ones at the front together, or the first that is large. */
  #answer(): Pull.Pull<Parts, E | TransferProtocolError> {
    return Effect.gen({ self: this }, function*() {
      // What comes behind it is read while it is sent.
      while (this.#lots.length <= lotsAhead && (yield* this.#readLot())) { /* one more */ }
      const lot = this.#lots.shift()
      if (lot !== undefined) return yield* this.#lot(lot)
      const front = this.#front
      if (front === undefined) {
        const detail = "it asks for what is not in the list"
        return yield* new TransferProtocolError({ peer: this.#peer, detail })
      }
      this.#queue.shift()
      return yield* this.#begin(front.want, front.located)
    })
  }

  /** Begins to read the small ones at the front; gives whether there are any. */
  #readLot(): Effect.Effect<boolean> {
    this.#fill()
    const some: Array<Asked> = []
    let bytes = 0
    while (this.#queue.length > 0) {
      const front = this.#front
      if (front === undefined) break
      const { size } = front.located.entry
      if (size > small || some.length > 0 && bytes + size > 4 * small) break
      bytes += size
      some.push(front)
      this.#queue.shift()
    }
    return some.length === 0
      ? Effect.succeed(false)
      : Effect.map(Effect.forkIn(this.#wholes(some), this.#scope, { startImmediately: true }), (reading) => {
        this.#lots.push({ some, bytes, reading })
        return true
      })
  }

  #lot({ bytes, reading, some }: Lot): Effect.Effect<Parts> {
    return Effect.map(Fiber.join(reading), (results): Parts => {
      const out = new Wire.Writer(bytes + some.length * 48)
      results.forEach((result, index) => {
        const { want } = some[index]!
        if (result._tag === "Failure") return Wire.writeBroken(out, result.failure, false)
        const { bytes, digest } = result.success
        if (want.unless !== undefined && sameBytes(want.unless, digest)) return Wire.writeBroken(out, "Same", false)
        Wire.writeBegin(out)
        const rest = bytes.subarray(want.offset)
        if (rest.length > 0) Wire.writeChunkHead(out, rest.length).raw(rest)
        Wire.writeEnd(out, digest)
      })
      return [out.take()]
    })
  }

  /** Reads small ones. What is in a folder that is none any more is another file than the list says. */
  #wholes(some: ReadonlyArray<Asked>): Effect.Effect<ReadonlyArray<Result.Result<Whole, Broken>>> {
    const folderOf = ({ located: { path } }: Asked) => path.slice(0, -1).join("/")
    const folders = new Map(some.map((asked) => [folderOf(asked), asked.located]))
    const look = (faults: Map<string, Broken>) =>
      Effect.forEach(
        folders,
        ([folder, located]) =>
          Effect.catch(this.#reading.within(located), (broken) => Effect.sync(() => void faults.set(folder, broken))),
        { discard: true }
      )
    return Effect.gen({ self: this }, function*() {
      const faults = new Map<string, Broken>()
      yield* look(faults)
      const many = faults.size > 0
        ? []
        : yield* this.#reading.many(some.map(({ located, want }) => ({ number: want.file, located })))
      const results = yield* Effect.forEach(
        some,
        (asked, index): Effect.Effect<Result.Result<Whole, Broken>> => {
          const whole = many[index]
          if (whole !== undefined) return Effect.succeed(Result.succeed(whole))
          const fault = faults.get(folderOf(asked))
          return fault === undefined
            ? Effect.result(this.#reading.whole(asked.want.file, asked.located))
            : Effect.succeed(Result.fail(fault))
        },
        { concurrency: readAtOnce }
      )
      yield* look(faults)
      return results.map((result, index) => {
        const fault = faults.get(folderOf(some[index]!))
        return fault === undefined ? result : Result.fail(fault)
      })
    })
  }

  #begin(want: Wire.Want, located: Located): Pull.Pull<Parts, E> {
    return Effect.gen({ self: this }, function*() {
      const scope = yield* Scope.make()
      const opened = yield* this.#reading.large(want.file, located).pipe(
        Effect.tap((file) => want.unless === undefined ? file.hashTo(want.offset) : Effect.void),
        Effect.flatMap((file) =>
          want.unless === undefined
            ? Effect.succeed({ file, same: false })
            : Effect.map(file.digest(Infinity), (digest) => ({ file, same: sameBytes(digest, want.unless!) }))
        ),
        Scope.provide(scope),
        Effect.result,
        Effect.onInterrupt(() => Scope.close(scope, Exit.void))
      )
      const out = new Wire.Writer(16)
      if (opened._tag === "Failure" || opened.success.same) {
        yield* Scope.close(scope, Exit.void)
        Wire.writeBroken(out, opened._tag === "Failure" ? opened.failure : "Same", false)
      } else {
        Wire.writeBegin(out)
        this.#sending = { file: opened.success.file, scope, from: want.offset, at: want.offset }
      }
      return [out.take()] as Parts
    })
  }

  #chunk(sending: Sending): Pull.Pull<Parts, E> {
    const { at, file } = sending
    if (at >= file.size) return this.#end(sending)
    const index = Math.floor(at / file.chunk)
    return Effect.matchEffect(file.at(index), {
      onFailure: (broken) => this.#broken(sending, broken),
      onSuccess: (bytes) => {
        const part = bytes.subarray(at - index * file.chunk)
        sending.at += part.length
        const parts: Parts = [Wire.writeChunkHead(new Wire.Writer(4), part.length).take(), part]
        return Effect.as(file.ahead(index), parts)
      }
    })
  }

  #end(sending: Sending): Pull.Pull<Parts, E> {
    return Effect.matchEffect(sending.file.digest(sending.from), {
      onFailure: (broken) => this.#broken(sending, broken),
      onSuccess: (digest) =>
        Effect.as(this.#done(sending), [Wire.writeEnd(new Wire.Writer(40), digest).take()] as Parts)
    })
  }

  #broken(sending: Sending, broken: Broken): Pull.Pull<Parts, E> {
    const out = new Wire.Writer(64)
    Wire.writeBroken(out, broken, true)
    return Effect.as(this.#done(sending), [out.take()] as Parts)
  }
}

/** The bytes of files, one after another, as they are asked for. `rest` is what came behind the id of the offer. */
export const read = <E>(
  reading: Reading,
  peer: string,
  pull: Pull.Pull<ReadonlyArray<Uint8Array>, E>,
  rest: Uint8Array
): Stream.Stream<Uint8Array, E | TransferProtocolError> =>
  Stream.fromPull(Effect.gen(function*() {
    const answering = new Answering(reading, pull, peer, rest, yield* Scope.Scope)
    yield* Effect.addFinalizer(() => answering.close)
    return answering.next as Pull.Pull<readonly [Uint8Array, ...Array<Uint8Array>], E | TransferProtocolError>
  })).pipe(Stream.scoped) as Stream.Stream<Uint8Array, E | TransferProtocolError>

/** Takes the first bytes of a call, which say of which offer it is. `undefined` where it ends before. */
export const heading = <E>(
  pull: Pull.Pull<ReadonlyArray<Uint8Array>, E>
): Effect.Effect<{ readonly head: Uint8Array; readonly rest: Uint8Array } | undefined, E> => {
  const out = new Wire.Writer(Wire.ofLength)
  const more: Effect.Effect<{ readonly head: Uint8Array; readonly rest: Uint8Array } | undefined, E | Cause.Done> =
    Effect.flatMap(pull, (parts) => {
      for (const part of parts) out.raw(part)
      if (out.length < Wire.ofLength) return more
      const all = out.take()
      return Effect.succeed({ head: all.subarray(0, Wire.ofLength), rest: all.subarray(Wire.ofLength) })
    })
  return Effect.catchIf(more, Cause.isDone, () => Effect.succeed(undefined)) as Effect.Effect<
    { readonly head: Uint8Array; readonly rest: Uint8Array } | undefined,
    E
  >
}
