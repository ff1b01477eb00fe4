/** What a call can be given to send: bytes, text, or a stream of bytes. Nothing of a program is trusted for its shape. */
import * as Effect from "effect/Effect"
import type * as Stream from "effect/Stream"
import { isBytes } from "../base/bytes.ts"
import * as Given from "../base/given.ts"
import { utf8 } from "../base/platform.ts"

export type Whole = Uint8Array | string
export type Data<E, R> = Whole | Stream.Stream<Uint8Array, E, R>

export const isWhole = (data: unknown): data is Whole => typeof data === "string" || isBytes(data)

export const isStream = <E, R>(data: Data<E, R>): data is Stream.Stream<Uint8Array, E, R> => Given.isStream(data)

export const bytesOf = (data: Whole): Uint8Array => typeof data === "string" ? utf8(data) : data

/** What is to be sent is none of what can be: only a program without types gets there. */
export const notSendable = (what: unknown): Effect.Effect<never> =>
  Effect.die(new TypeError(`${Given.describe(what)} was to be sent, which is not bytes, text or a Stream of bytes`))
