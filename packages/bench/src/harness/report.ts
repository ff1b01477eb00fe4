/** What all benchmarks do alike: run, print a table, write the numbers to a file if one is named; and the resident memory of pairs. */
import { mebibytes, table } from "@pnet/lab/harness/table"
import * as Console from "effect/Console"
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import { writeFile } from "node:fs/promises"
import * as Conditions from "./conditions.ts"
import type * as Pairs from "./pairs.ts"
import * as Workers from "./workers.ts"

// On whichever core the system gives it: it is nobody's.
const neighbour = Effect.flatMap(Workers.start("neighbour"), (worker) => worker.call("Bustle", null))

/** Measures under conditions, with a neighbour where there is to be one. */
const measured = <Report, E>(conditions: Conditions.Conditions, run: Effect.Effect<Report, E>) =>
  conditions.neighbour === true ? Effect.scoped(Effect.andThen(neighbour, run)) : run

/** The handler of a benchmark's command: measures under the conditions that are asked for, prints, and writes JSON. */
export const main = <Options, Report, E>(
  run: (options: Options) => Effect.Effect<Report, E>,
  format: (report: Report) => string
) =>
(options: Options & Conditions.Conditions & { readonly json?: string | undefined }) =>
  Conditions.under(
    options,
    Effect.gen(function*() {
      const report = yield* measured(options, run(options))
      yield* Console.log(format(report))
      const { json } = options
      if (json !== undefined) yield* Effect.promise(() => writeFile(json, `${JSON.stringify(report, null, 2)}\n`))
    })
  )

/** How often everything was measured, as the end of a sentence. */
export const ofRounds = (rounds: number): string => rounds === 1 ? "" : `, the fastest of ${rounds} rounds`

/** Resident memory of pairs at the end: all that a process has loaded, Effect and Node's own TypeScript loader included. */
export const Memory = <const Names extends ReadonlyArray<string>>(subjects: Names) =>
  Schema.Array(Schema.Struct({
    subject: Schema.Literals(subjects),
    crypto: Schema.String,
    clientBytes: Schema.Number,
    serverBytes: Schema.Number
  }))

/** Reads it. */
export const memoryOf = <Name extends string>(pairs: ReadonlyArray<Pairs.Pair<Name>>) =>
  Effect.forEach(pairs, ({ client, crypto, name, server }) =>
    Effect.gen(function*() {
      return {
        subject: name,
        crypto,
        clientBytes: (yield* client.call("Usage", null)).rssBytes,
        serverBytes: (yield* server.call("Usage", null)).rssBytes
      }
    }))

/** Shows it. */
export const memoryTable = <Name extends string>(
  memory: ReadonlyArray<
    { readonly subject: Name; readonly crypto: string; readonly clientBytes: number; readonly serverBytes: number }
  >,
  titles: Readonly<Record<Name, string>>
): string =>
  table(
    ["resident memory at the end", "asking", "answering", "crypto"],
    memory.map(({ clientBytes, crypto, serverBytes, subject }) => [
      titles[subject],
      mebibytes(clientBytes),
      mebibytes(serverBytes),
      crypto
    ])
  )
