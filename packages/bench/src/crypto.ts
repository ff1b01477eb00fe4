/**
 * The cryptography by itself, portable against native: Fernet tokens (the network key) and boxes (messages), small and
 * large, and the shared key that is computed once a peer.
 */
import { Crypto, nonceLength } from "@pnet/core/Crypto"
import { count, millis, table } from "@pnet/lab/harness/table"
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Redacted from "effect/Redacted"
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"
import * as Machine from "./harness/machine.ts"
import { type Cryptography, cryptoLayer } from "./harness/nodes.ts"
import * as Reports from "./harness/report.ts"

/** One operation. */
export const Cell = Schema.Struct({
  cryptography: Schema.Literals(["native", "portable"]),
  operation: Schema.String,
  /** Of the plaintext; `null` where there is none. */
  bytes: Schema.NullOr(Schema.Number),
  perSecond: Schema.Number
})

/** What a run writes with `--json`. */
export const Report = Schema.Struct({
  benchmark: Schema.Literal("crypto"),
  machine: Machine.Machine,
  seconds: Schema.Number,
  /** The names that the implementations give themselves. */
  names: Schema.Struct({ native: Schema.String, portable: Schema.String }),
  cells: Schema.Array(Cell)
})

/** What a run writes with `--json`. */
export type Report = typeof Report.Type

/** How to run. */
export interface Options {
  /** Of each operation. */
  readonly seconds: number
}

const sizes = [128, 16_384]

const perSecond = (operation: () => unknown, seconds: number): number => {
  const during = (seconds: number) => {
    const start = performance.now()
    const deadline = start + seconds * 1_000
    let times = 0
    let at = start
    while (at < deadline) {
      if (operation() === undefined) throw new Error("what was sealed does not open")
      times++
      at = performance.now()
    }
    return times * 1_000 / (at - start)
  }
  during(seconds / 4)
  return during(seconds)
}

const measure = (cryptography: Cryptography, seconds: number) =>
  Effect.gen(function*() {
    const crypto = yield* Crypto
    const mine = crypto.generateKeyPair()
    const theirs = crypto.generateKeyPair()
    const shared = crypto.sharedKey(theirs.publicKey, mine.secretKey)
    const fernetKey = Redacted.make(crypto.randomBytes(32))
    const nonce = crypto.randomBytes(nonceLength)
    const at = yield* Clock.currentTimeMillis
    const cells: Array<typeof Cell.Type> = []
    const add = (operation: string, bytes: number | null, run: () => unknown) => {
      cells.push({ cryptography, operation, bytes, perSecond: perSecond(run, seconds) })
    }
    add("shared key", null, () => crypto.sharedKey(theirs.publicKey, mine.secretKey))
    for (const bytes of sizes) {
      const plaintext = crypto.randomBytes(bytes)
      const box = crypto.seal(shared, nonce, plaintext)
      const token = crypto.fernetEncrypt(fernetKey, plaintext, at)
      add("box seal", bytes, () => crypto.seal(shared, nonce, plaintext))
      add("box open", bytes, () => crypto.open(shared, nonce, box))
      add("fernet encrypt", bytes, () => crypto.fernetEncrypt(fernetKey, plaintext, at))
      add("fernet decrypt", bytes, () => Result.getOrUndefined(crypto.fernetDecrypt([fernetKey], token, at, 60)))
    }
    return { name: crypto.name, cells }
  }).pipe(Effect.provide(cryptoLayer(cryptography)))

/** Measures. */
export const run = (options: Options): Effect.Effect<Report> =>
  Effect.gen(function*() {
    const machine = yield* Machine.machine({ pin: false })
    const native = yield* measure("native", options.seconds)
    const portable = yield* measure("portable", options.seconds)
    return {
      benchmark: "crypto" as const,
      machine,
      seconds: options.seconds,
      names: { native: native.name, portable: portable.name },
      cells: [...native.cells, ...portable.cells]
    }
  })

/** A report for people. */
export const format = (report: Report): string => {
  const { machine, names } = report
  const of = (cryptography: Cryptography) => report.cells.filter((cell) => cell.cryptography === cryptography)
  const micros = (perSecond: number) => millis(1e3 / perSecond)
  const portable = of("portable")
  return [
    `Crypto operations one after another, ${report.seconds} s each; native is ${names.native}, portable ${names.portable}`,
    `CPU      ${machine.cpu}`,
    `Node     ${machine.node}`,
    "",
    table(
      ["", "bytes", "native /s", "native each", "portable /s", "portable each", "native is faster"],
      of("native").map((cell, i) => {
        const other = portable[i]!
        return [
          cell.operation,
          cell.bytes === null ? "" : count(cell.bytes),
          count(cell.perSecond),
          micros(cell.perSecond),
          count(other.perSecond),
          micros(other.perSecond),
          `${(cell.perSecond / other.perSecond).toFixed(1)} x`
        ]
      })
    )
  ].join("\n")
}

/** Measures, prints, and writes JSON to a file if one is named. */
export const main = Reports.main(run, format)
