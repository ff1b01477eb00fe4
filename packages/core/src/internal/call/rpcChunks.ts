/**
 * Writes the elements of a streaming call in chunks, as the caller grants them: an element that is too large ends the call, and
 * so does a caller who is gone.
 */
import type { NonEmptyReadonlyArray } from "effect/Array"
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import type { Pieces } from "../base/pieces.ts"
import type { SessionStream } from "../session/sessionStream.ts"
import * as Wire from "./rpcWire.ts"

export class ChunkWriter {
  /** Bytes of chunks that were written. */
  sent = 0
  readonly #stream: SessionStream
  readonly #wire: Wire.Wire
  readonly #limit: number
  readonly #raw: boolean
  /** Chunks that the caller has granted and that were not sent. */
  #left: number
  /** What came behind the request, which is grants. */
  #behind: Pieces | undefined
  #grants: ((bytes: Uint8Array) => number | undefined) | undefined

  /** `window` is what the request grants; `raw` is whether the caller takes elements that are bytes as they are. */
  constructor(stream: SessionStream, wire: Wire.Wire, options: {
    readonly limit: number
    readonly window: number
    readonly raw: boolean
    readonly behind: Pieces | undefined
  }) {
    this.#stream = stream
    this.#wire = wire
    this.#limit = options.limit
    this.#raw = options.raw
    this.#left = options.window
    this.#behind = options.behind
  }

  send(values: NonEmptyReadonlyArray<unknown>): Effect.Effect<void> {
    return this.#raw ? this.#sendRaw(values as ReadonlyArray<unknown> as ReadonlyArray<Uint8Array>) : this.#send(values)
  }

  /** Elements by their Schema: as many in a chunk as fit. */
  #send(values: ReadonlyArray<unknown>): Effect.Effect<void> {
    return Effect.flatMap(
      Effect.catch(this.#wire.encodeChunk(values), (error) => Effect.die(error)),
      (bytes) => {
        if (values.length > 1 && (bytes.length > Wire.chunkBytes || bytes.length > this.#limit)) {
          const half = values.length >> 1
          return Effect.andThen(
            this.#send(values.slice(0, half)),
            Effect.suspend(() => this.#send(values.slice(half)))
          )
        }
        if (bytes.length > this.#limit) return this.#tooLarge
        return Effect.andThen(
          this.#granted,
          Effect.suspend(() => {
            this.#left--
            return this.#written(this.#wire.form.chunk(bytes))
          })
        )
      }
    )
  }

  /** Elements that are bytes, as they are: as many in a chunk as fill it, and one at least. */
  #sendRaw(values: ReadonlyArray<Uint8Array>): Effect.Effect<void> {
    return Effect.gen({ self: this }, function*() {
      let at = 0
      while (at < values.length) {
        let length = 0
        let end = at
        while (end < values.length && (end === at || length + 4 + values[end]!.length <= Wire.chunkBytes)) {
          length += 4 + values[end]!.length
          end++
        }
        if (length > this.#limit) return yield* this.#tooLarge
        yield* this.#granted
        this.#left--
        const parts = [Wire.header(Wire.Kind.raw, length)]
        for (; at < end; at++) parts.push(Wire.lengthOf(values[at]!.length), values[at]!)
        yield* this.#written(parts)
      }
    })
  }

  // Who is gone interrupts the handler; until then there is nothing to be done.
  #written(parts: ReadonlyArray<Uint8Array>): Effect.Effect<void> {
    for (const part of parts) this.sent += part.length
    return Effect.catch(this.#stream.writeAll(parts), () => Effect.interrupt)
  }

  /** Waits until the caller has granted a chunk. */
  get #granted(): Effect.Effect<void> {
    return Effect.suspend(() => {
      if (this.#left > 0) return Effect.void
      const behind = this.#behind
      if (behind !== undefined) {
        this.#behind = undefined
        return this.#take([behind.take(behind.length)])
      }
      return Effect.matchEffect(this.#stream.pull, {
        onSuccess: (parts) => this.#take(parts),
        onFailure: (error) =>
          Cause.isDone(error) ? this.#over("cancelled", "it grants no more chunks") : Effect.interrupt
      })
    })
  }

  #take(parts: ReadonlyArray<Uint8Array>): Effect.Effect<void> {
    const grants = this.#grants ??= this.#wire.form.grants()
    for (const part of parts) {
      const chunks = grants(part)
      if (chunks === undefined) return this.#over("internal", "a malformed grant")
      this.#left += chunks
    }
    return this.#granted
  }

  #over(code: "cancelled" | "internal" | "too_large", detail: string): Effect.Effect<never> {
    return Effect.andThen(this.#stream.reset(code, detail), Effect.interrupt)
  }

  get #tooLarge(): Effect.Effect<never> {
    return this.#over("too_large", `an element is over ${this.#limit} bytes`)
  }
}
